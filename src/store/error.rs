//! What can go wrong with a store. Nothing here is ever a reason not to compile.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what was asked. The caller goes on without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another version of the program has taken the directory over.
    #[error("{} holds a store of version {found:?}; this program knows version {}; remove the directory to start anew", .dir.display(), super::layout::VERSION)]
    Version {
        /// The store's directory.
        dir: PathBuf,
        /// What its marker says.
        found: String,
    },
    /// The store was opened to be read only.
    #[error("the store at {} is opened read-only", .dir.display())]
    ReadOnly {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The place of an output is taken by something that must not be replaced: a device, a FIFO, a
    /// directory.
    #[error("{} is neither a file nor a link, so it is not replaced", .path.display())]
    NotReplaceable {
        /// The place.
        path: PathBuf,
    },
    /// The system refused.
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

impl StoreError {
    /// Whether the disk (or the user's quota) is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    /// For `map_err`: names the action and the path.
    pub(super) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}
