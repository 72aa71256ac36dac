//! Why a host does not do what it is asked.

use std::io;
use std::path::{Path, PathBuf};

use crate::recipe::ArtifactKind;
use crate::recipe::digest::{ArtifactHash, RecipeHash};
use crate::store::StoreError;
use crate::transport::wire::WireError;

use super::pack::PackError;
use super::sandbox::SandboxError;
use super::serve::ServeError;

/// A refusal, or something that is broken. Each has a stable token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The process was not given this artifact, and neither made it nor got it from a bake.
    #[error("the artifact {0} was neither given to this process, nor made or baked by it")]
    NotGranted(ArtifactHash),
    /// The process has not had this recipe baked, so its result is not its own to name.
    #[error("the recipe {0} was not baked for this process")]
    NotBaked(RecipeHash),
    /// A path leads out of what the process may name.
    #[error("{} is not within what this process may name: {why}", .path.display())]
    OutsideRoots {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An output is to be put where the process itself may not write.
    #[error("{} is in a place that is read-only", .0.display())]
    ReadOnly(PathBuf),
    /// An output is to be put where something stands already.
    #[error("something stands at {} already", .0.display())]
    Exists(PathBuf),
    /// Nothing stands at a path.
    #[error("there is nothing at {}", .0.display())]
    NotThere(PathBuf),
    /// A device, a FIFO or a socket, or a file that only looks like one.
    #[error("{} is {what}, which is no part of an artifact", .path.display())]
    SpecialFile {
        /// Where it stands.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file that the process itself could not read.
    #[error("{} is not for this process to read", .0.display())]
    NotReadable(PathBuf),
    /// A tree that is nested too deeply or has too many entries.
    #[error("{} is too large a tree: {why}", .path.display())]
    TooLarge {
        /// Where the limit was passed.
        path: PathBuf,
        /// Which limit.
        why: &'static str,
    },
    /// An entry of a directory whose name is no file name.
    #[error("{0:?} is no name for an entry of a directory")]
    BadName(String),
    /// A type of recipe that this host does not bake.
    #[error("recipes of type {0} are not baked here")]
    Unsupported(&'static str),
    /// A recipe whose parts do not fit together.
    #[error("the recipe cannot be baked: {0}")]
    BadRecipe(String),
    /// Another kind of artifact was expected.
    #[error("{what} must be a {}, and is a {}", .expected.name(), .found.name())]
    WrongKind {
        /// Of what.
        what: &'static str,
        /// What it must be.
        expected: ArtifactKind,
        /// What it is.
        found: ArtifactKind,
    },
    /// The recipe is unsafe, and the process that asks for it is not.
    #[error("the recipe uses the network, which the process that asks for it may not")]
    UnsafeNotAllowed,
    /// The recipe is for another platform.
    #[error("the recipe is for {0}, where this host bakes nothing for this process")]
    WrongPlatform(&'static str),
    /// What an artifact is made of is not in the store any more.
    #[error("the artifact {0} is not there, or not all of it")]
    Missing(String),
    /// Nobody waits for the bake any more.
    #[error("nobody waits for this any more")]
    Cancelled,
    /// The same that others got who waited for the same bake.
    #[error("{0}")]
    Shared(std::sync::Arc<HostError>),
    /// The sandbox cannot be had.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A process's own socket cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A compiler of the machine cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The store cannot do what is needed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refuses.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl HostError {
    /// Whether it is [`HostError::Missing`], also when others got it as well.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::Missing(_) => true,
            Self::Shared(error) => error.is_missing(),
            _ => false,
        }
    }

    /// A stable word.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::NotGranted(_) | Self::NotBaked(_) => "not-granted",
            Self::OutsideRoots { .. } => "outside-roots",
            Self::ReadOnly(_) => "read-only",
            Self::Exists(_) => "exists",
            Self::NotThere(_) => "not-there",
            Self::SpecialFile { .. } => "special-file",
            Self::NotReadable(_) => "not-readable",
            Self::TooLarge { .. } => "too-large",
            Self::BadName(_) => "bad-name",
            Self::Unsupported(_) => "unsupported-recipe",
            Self::BadRecipe(_) | Self::WrongKind { .. } => "bad-recipe",
            Self::UnsafeNotAllowed => "unsafe-not-allowed",
            Self::WrongPlatform(_) => "wrong-platform",
            Self::Missing(_) => "missing",
            Self::Cancelled => "cancelled",
            Self::Shared(error) => error.token(),
            Self::Sandbox(error) => error.token(),
            Self::Serve(error) => error.token(),
            Self::Pack(_) => "toolchain",
            Self::Store(_) => "store",
            Self::Io { .. } => "io",
        }
    }

    /// For `map_err`: names the action and the path.
    pub fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl From<HostError> for WireError {
    fn from(error: HostError) -> Self {
        Self::new(error.token(), error.to_string())
    }
}
