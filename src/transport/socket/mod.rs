//! The client's side of the protocol: [`Client`] asks a host over its socket.

mod address;
mod client;
mod connection;
mod error;

pub(crate) use address::Address;
pub use client::{BAKES, BakeId, BakeRequest, Client, Deadlines, Deliver, LogSink};
pub use error::ClientError;
