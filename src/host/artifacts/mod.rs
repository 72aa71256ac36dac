//! Artifacts: files, links and directories between the disk and the store.
//!
//! A file's bytes are a blob. Each artifact is a record: its canonical JSON under its hash. So a directory is a
//! record of names and hashes, and what two directories have in common is stored once. Every hash is computed
//! from bytes that were read here.
//!
//! The store is trimmed by size, and records and blobs go one by one: an artifact of which something is gone is
//! [`HostError::Missing`], which a bake takes for a miss.

mod export;
mod import;
mod local;
mod recent;
mod remember;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::HostError;
use crate::recipe::digest::{ArtifactHash, BlobDigest, RecordName};
use crate::recipe::{Artifact, ByteString, Directory, File};
use crate::store::{RecordKind, Store};
use crate::transport::wire::{Content, limits};
use crate::world::World;

pub(crate) use export::Look;
pub(crate) use import::IsOver;
pub use import::Owner;
pub use local::{Local, Locals};
use recent::Recent;

/// The artifacts in a store.
#[derive(Clone)]
pub struct Artifacts {
    store: Arc<Store>,
    world: Arc<dyn World + Send + Sync>,
    recent: Arc<Recent>,
}

impl std::fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifacts").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Artifacts {
    /// Those in this store; the clock is the world's.
    #[must_use]
    pub fn new(store: Arc<Store>, world: Arc<dyn World + Send + Sync>) -> Self {
        Self { store, world, recent: Arc::default() }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Keeps an artifact; what it names is kept already.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save(&self, artifact: &Artifact) -> Result<ArtifactHash, HostError> {
        let json = artifact.to_json();
        let hash = ArtifactHash::of(json.as_bytes());
        if !self.store.has(RecordKind::Artifact, &name(&hash)) {
            self.store.save(RecordKind::Artifact, &name(&hash), json.as_bytes())?;
        }
        Ok(hash)
    }

    /// The artifact with this hash; `None` when it is not here. It is what it was when it was kept; what it
    /// names may be gone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(&self, hash: &ArtifactHash) -> Result<Option<Artifact>, HostError> {
        let Some(json) = self.store.load(RecordKind::Artifact, &name(hash))? else { return Ok(None) };
        // The record's seal says that it is what was kept under this name, which is its hash.
        Ok(Artifact::from_json(&json).ok())
    }

    /// The artifact with this hash.
    ///
    /// # Errors
    /// [`HostError::Missing`] when it is not here.
    pub fn need(&self, hash: &ArtifactHash) -> Result<Artifact, HostError> {
        self.load(hash)?.ok_or_else(|| self.missing(hash))
    }

    /// Something that was thought to be here is not.
    pub(crate) fn missing(&self, what: &dyn std::fmt::Display) -> HostError {
        self.recent.forget();
        HostError::Missing(what.to_string())
    }

    /// Keeps bytes.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<BlobDigest, HostError> {
        Ok(self.store.put_blob(bytes)?)
    }

    /// The bytes of a file, verified.
    ///
    /// # Errors
    /// [`HostError::Missing`] when they are not here.
    pub fn read_blob(&self, digest: &BlobDigest) -> Result<Vec<u8>, HostError> {
        self.store.read_blob(digest)?.ok_or_else(|| self.missing(digest))
    }

    /// What stands at a path in a directory (links are not followed); `None` when nothing does.
    ///
    /// # Errors
    /// [`HostError::Missing`] when a directory on the way is not here.
    pub fn entry(&self, directory: &Directory, path: &[u8]) -> Result<Option<Artifact>, HostError> {
        let mut at = directory.clone();
        let mut found = None;
        for part in path.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
            if let Some(Artifact::Directory(inner)) = found.take() {
                at = inner;
            } else if found.is_some() {
                return Ok(None);
            }
            let Some(hash) = at.entries.get(&part.into()) else { return Ok(None) };
            found = Some(self.need(hash)?);
            if !matches!(found, Some(Artifact::Directory(_))) {
                at = Directory::default();
            }
        }
        Ok(found)
    }

    /// The files of a small artifact: see [`Baker::contents`](crate::host::Baker::contents).
    ///
    /// # Errors
    /// [`HostError::Missing`] when something of it is not here.
    pub fn contents(&self, hash: &ArtifactHash) -> Result<Vec<Content>, HostError> {
        let none = || Ok(Vec::new());
        let entries = match self.need(hash)? {
            Artifact::File(file) => vec![(Vec::new(), Artifact::File(file))],
            Artifact::Directory(directory) if directory.entries.len() <= limits::CONTENTS => {
                let entry = |(name, hash): (ByteString, ArtifactHash)| {
                    Ok::<_, HostError>((name.as_bytes().to_vec(), self.need(&hash)?))
                };
                directory.entries.into_iter().map(entry).collect::<Result<_, _>>()?
            }
            Artifact::Directory(_) | Artifact::Symlink { .. } => return none(),
        };
        let mut contents = Vec::with_capacity(entries.len());
        let mut left = limits::INLINE as u64;
        for (name, artifact) in entries {
            let Artifact::File(File { content_blob, executable: false, resources }) = artifact else {
                return none();
            };
            let size = self.store.blob_size(&content_blob);
            let size = size.ok_or_else(|| self.missing(&content_blob))?;
            if size > left || name.len() > limits::NAME || !resources.entries.is_empty() {
                return none();
            }
            left -= size;
            contents.push(Content { name, bytes: self.read_blob(&content_blob)? });
        }
        Ok(contents)
    }

    /// Whether all of an artifact is here. Bytes are not looked at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_whole(&self, hash: &ArtifactHash) -> Result<bool, HostError> {
        let whole = self.has_all(hash)?;
        if !whole {
            self.recent.forget();
        }
        Ok(whole)
    }

    fn has_all(&self, hash: &ArtifactHash) -> Result<bool, HostError> {
        let mut left = vec![*hash];
        while let Some(hash) = left.pop() {
            match self.load(&hash)? {
                None => return Ok(false),
                Some(Artifact::File(file)) => {
                    if !self.store.has_blob(&file.content_blob) {
                        return Ok(false);
                    }
                    left.extend(file.resources.entries.values());
                }
                Some(Artifact::Directory(directory)) => left.extend(directory.entries.values()),
                Some(Artifact::Symlink { .. }) => {}
            }
        }
        Ok(true)
    }
}

/// The name of an artifact's record.
fn name(hash: &ArtifactHash) -> RecordName {
    RecordName::from_bytes(*hash.as_bytes())
}

/// A path to show: that of an entry.
fn below(path: &Path, name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    path.join(std::ffi::OsStr::from_bytes(name))
}
