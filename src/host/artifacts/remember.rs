//! Whole directories, remembered: one that looks as it did is not read again.
//!
//! A walk over a tree stats every entry and hashes what it sees: names, kinds, and of each file its device,
//! inode, size, times and mode. Equal walks mean equal trees (a change of a file changes its inode or its change
//! time, which nobody can set), except for what happens within one tick of the clock, which is why a tree that
//! was changed just now is not remembered.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::readlinkat;
use rustix::io::Errno;

use super::{Artifacts, Owner, name};
use crate::host::error::HostError;
use crate::host::files::{self, Place};
use crate::recipe::digest::{ArtifactHash, RecordName};
use crate::store::RecordKind;

/// What a walk over a tree saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The digest of it all.
    pub(super) walk: RecordName,
    /// The latest change, nanoseconds since the epoch.
    latest: i128,
    /// The bytes of all files, each in whole blocks.
    pub(super) size: u64,
}

impl Artifacts {
    /// Takes a tree of the host's own as an artifact; one that looks as it did when it was last taken is not
    /// read. `whole` says that every byte must be in the store then, which is looked into.
    ///
    /// # Errors
    /// As [`Artifacts::import`].
    pub fn import_remembered(&self, place: &Place<'_>, whole: bool) -> Result<ArtifactHash, HostError> {
        let now = self.world.now();
        let before = walk(place)?;
        if let Some(known) = self.remembered(&before)?
            && (!whole || self.is_whole(&known)?)
        {
            return Ok(known);
        }
        let hash = self.import(place, Owner::Host)?;
        let settled = before.latest < now - crate::world::Stat::GRANULARITY;
        if settled && walk(place)? == before {
            // Not remembered is only slower.
            let _ = self.store.save(RecordKind::Tree, &before.walk, hash.as_bytes());
        }
        Ok(hash)
    }

    fn remembered(&self, seen: &Seen) -> Result<Option<ArtifactHash>, HostError> {
        let bytes = self.store.load(RecordKind::Tree, &seen.walk)?;
        let hash = bytes.and_then(|b| b.try_into().ok()).map(ArtifactHash::from_bytes);
        Ok(hash.filter(|hash| self.store.has(RecordKind::Artifact, &name(hash))))
    }
}

/// Walks a tree.
pub(super) fn walk(place: &Place<'_>) -> Result<Seen, HostError> {
    let mut walk = Walk { hasher: blake3::Hasher::new(), latest: i128::MIN, size: 0 };
    walk.hasher.update(b"bakeplan tree 1\0");
    walk.entry(place.directory, place.name.as_bytes(), 0).map_err(|error| match error {
        Errno::NOENT => HostError::NotThere(place.shown.to_owned()),
        error => HostError::io("look at", place.shown)(error),
    })?;
    let Walk { hasher, latest, size } = walk;
    Ok(Seen { walk: RecordName::from(hasher.finalize()), latest, size })
}

struct Walk {
    hasher: blake3::Hasher,
    latest: i128,
    size: u64,
}

impl Walk {
    fn entry(&mut self, directory: BorrowedFd<'_>, name: &[u8], depth: u32) -> Result<(), Errno> {
        let os_name = std::ffi::OsStr::from_bytes(name);
        let stat = files::look(directory, os_name)?;
        self.bytes(name);
        self.hasher.update(&stat.mode.to_le_bytes());
        if stat.is_dir() {
            if depth > 256 {
                return Err(Errno::NAMETOOLONG);
            }
            let opened = files::open_directory_at(directory, os_name)?;
            let names = files::names(opened.as_fd())?;
            self.hasher.update(&(names.len() as u64).to_le_bytes());
            return names.iter().try_for_each(|name| self.entry(opened.as_fd(), name.as_bytes(), depth + 1));
        }
        if stat.is_symlink() {
            let target = readlinkat(directory, os_name, Vec::new())?;
            self.bytes(target.as_bytes());
            return Ok(());
        }
        for number in [stat.device, stat.inode, stat.size] {
            self.hasher.update(&number.to_le_bytes());
        }
        for time in [stat.modified, stat.changed] {
            self.hasher.update(&time.to_le_bytes());
            self.latest = self.latest.max(time);
        }
        self.size += (stat.size / 4096 + 1) * 4096;
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }
}
