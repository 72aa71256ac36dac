//! What recipes were baked to.

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::host::error::HostError;
use crate::recipe::digest::{ArtifactHash, BlobDigest, RecipeHash, RecordName};
use crate::store::RecordKind;

/// What a process was baked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The artifact.
    pub(super) artifact: ArtifactHash,
    /// How long it ran, milliseconds.
    pub(super) took: u64,
    /// What it wrote to its streams.
    pub(super) log: Option<BlobDigest>,
}

impl Engine {
    /// What a recipe was baked to, if all of that is still here.
    pub(super) fn result(&self, recipe: &RecipeHash) -> Result<Option<Kept>, HostError> {
        let bytes = self.artifacts.store().load(RecordKind::Bake, &self.result_name(recipe))?;
        let Some(result) = bytes.and_then(|bytes| postcard::from_bytes::<Kept>(&bytes).ok()) else {
            return Ok(None);
        };
        Ok(if self.artifacts.is_whole(&result.artifact)? { Some(result) } else { None })
    }

    /// Keeps what a recipe was baked to. Not kept is only slower the next time.
    pub(super) fn keep_result(&self, recipe: &RecipeHash, result: &Kept) {
        if let Ok(bytes) = postcard::to_stdvec(result) {
            let _ = self.artifacts.store().save(RecordKind::Bake, &self.result_name(recipe), &bytes);
        }
    }

    /// What was baked without a sandbox saw the machine and real paths: it has names of its own, and is never
    /// found by a host that has a sandbox.
    fn result_name(&self, recipe: &RecipeHash) -> RecordName {
        if self.sandbox.is_real() {
            return RecordName::from_bytes(*recipe.as_bytes());
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"bakeplan unsandboxed 1\0").update(recipe.as_bytes());
        hasher.update(self.runs.plain_dir().as_os_str().as_encoded_bytes());
        hasher.finalize().into()
    }
}
