//! Whether all that a host keeps is as it was written, and complete.

use std::path::PathBuf;

use super::Engine;
use super::results::Kept;
use crate::host::error::HostError;
use crate::recipe::digest::{ArtifactHash, RecordName};
use crate::store::{RecordKind, Report};

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The store's blobs and records.
    pub store: Report,
    /// Artifacts.
    pub artifacts: u64,
    /// Records of artifacts whose text is not that of their name.
    pub wrong_artifacts: Vec<RecordName>,
    /// Results of bakes.
    pub results: u64,
    /// Results of which something is gone, as it goes when the store is trimmed: they are baked again.
    pub incomplete: Vec<RecordName>,
    /// Directories on disk that processes see.
    pub trees: u64,
    /// Those that are not the artifacts that they are named after; they are made again.
    pub wrong_trees: Vec<PathBuf>,
}

impl Verified {
    /// Whether everything is as it was written. What was trimmed is no damage.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.store.is_clean() && self.wrong_artifacts.is_empty() && self.wrong_trees.is_empty()
    }
}

impl Engine {
    /// Reads every byte that is kept, and looks whether each result is complete.
    ///
    /// # Errors
    /// When something is there and cannot be read.
    pub fn verify(&self) -> Result<Verified, HostError> {
        let store = self.artifacts.store();
        let mut verified = Verified { store: store.verify()?, ..Verified::default() };
        for name in store.names(RecordKind::Artifact)? {
            let Some(json) = store.load(RecordKind::Artifact, &name)? else { continue };
            verified.artifacts += 1;
            if ArtifactHash::of(&json).as_bytes() != name.as_bytes() {
                verified.wrong_artifacts.push(name);
            }
        }
        for name in store.names(RecordKind::Bake)? {
            let Some(bytes) = store.load(RecordKind::Bake, &name)? else { continue };
            verified.results += 1;
            let whole = match postcard::from_bytes::<Kept>(&bytes) {
                Ok(kept) => self.artifacts.is_whole(&kept.artifact)?,
                Err(_) => false,
            };
            if !whole {
                verified.incomplete.push(name);
            }
        }
        (verified.trees, verified.wrong_trees) = self.locals.verify()?;
        Ok(verified)
    }
}
