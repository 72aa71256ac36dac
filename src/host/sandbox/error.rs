//! Why there is no sandbox.

use std::io;
use std::path::{Path, PathBuf};

/// Why a process could not be run in a sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// There is no bubblewrap.
    #[error("there is no bwrap on PATH (Debian's package bubblewrap), so nothing can be run in a sandbox")]
    NoBubblewrap,
    /// The kernel does not let us make namespaces.
    #[error("no sandbox can be made here: {0}")]
    Forbidden(String),
    /// A program that every sandbox has is missing, or cannot be told apart from what it loads.
    #[error("cannot put {} into sandboxes: {why}", .program.display())]
    Root {
        /// The program.
        program: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A variable's name or value, or an argument, cannot be handed to any process.
    #[error("{0} cannot be handed to a process")]
    Unspeakable(&'static str),
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

impl SandboxError {
    /// A stable word.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::NoBubblewrap | Self::Forbidden(_) | Self::Root { .. } => "no-sandbox",
            Self::Unspeakable(_) => "bad-recipe",
            Self::Io { .. } => "io",
        }
    }

    /// For `map_err`: names the action and the path.
    pub(super) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}
