//! What can go wrong with a host. Nothing here is ever a reason not to compile.

use std::io;
use std::path::PathBuf;

use crate::transport::wire::{FrameError, WireError};

/// Why a host did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody could be reached at the socket.
    #[error("cannot connect to {}: {source}", .socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The host speaks another version, or will not have this client.
    #[error("the host refuses this client: {0}")]
    Refused(WireError),
    /// The host closed the connection and said why.
    #[error("the host closed the connection: {0}")]
    Closed(WireError),
    /// The connection was lost.
    #[error("the connection to the host was lost: {0}")]
    Lost(io::Error),
    /// The host was too slow.
    #[error("the host did not {0} in time")]
    Deadline(&'static str),
    /// A signal asks this process to end.
    #[error("a signal asks to end")]
    Interrupted,
    /// What came is not of the protocol.
    #[error("the host sent {0}")]
    Frame(FrameError),
    /// What came does not answer what was asked.
    #[error("the host sent {0}")]
    Unexpected(&'static str),
    /// What was to be asked can't be.
    #[error("the request can't be sent: {0}")]
    Unsendable(FrameError),
    /// As many bakes as may be are under way.
    #[error("too many bakes are under way")]
    TooManyBakes,
    /// There is no bake to wait for.
    #[error("no bake is under way")]
    NoBake,
    /// An earlier error ended the connection.
    #[error("the connection was given up after an earlier error")]
    GivenUp,
    /// The host refuses this one request, or failed at it.
    #[error(transparent)]
    Host(#[from] WireError),
}

impl ClientError {
    /// A stable word for statistics.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "host-connect",
            Self::Refused(_) => "host-refused",
            Self::Closed(_) => "host-closed",
            Self::Lost(_) => "host-lost",
            Self::Deadline(_) => "host-deadline",
            Self::Interrupted => "interrupted",
            Self::Frame(_) | Self::Unexpected(_) => "host-protocol",
            Self::Unsendable(_) => "host-unsendable",
            Self::TooManyBakes => "host-too-many-bakes",
            Self::NoBake => "host-no-bake",
            Self::GivenUp => "host-given-up",
            Self::Host(_) => "host-error",
        }
    }
}
