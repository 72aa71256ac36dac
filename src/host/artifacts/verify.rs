//! Whether trees on disk are still the artifacts that they are named after: every byte is read.

use std::ffi::OsStr;
use std::fs::File as OpenFile;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, openat, readlinkat};

use super::{Artifacts, Locals, below};
use crate::host::error::HostError;
use crate::host::files::{self, Place};
use crate::recipe::digest::{ArtifactHash, BlobDigest};
use crate::recipe::{Artifact, ByteString, Directory};

impl Locals {
    /// Reads every tree; gives how many were read, and those that are not what their names say. Such a tree is
    /// not used: it looks different from the one that was made. One whose artifact was trimmed is left out.
    ///
    /// # Errors
    /// When they, or the store, cannot be read.
    pub fn verify(&self) -> Result<(u64, Vec<PathBuf>), HostError> {
        let (mut count, mut wrong) = (0, Vec::new());
        for name in files::names(self.opened.as_fd()).map_err(HostError::io("list", &self.dir))? {
            let Some(hash) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let shown = self.dir.join(&name);
            let place = Place { directory: self.opened.as_fd(), name: &name, shown: &shown };
            match self.artifacts.stands_at(&hash, &place) {
                Ok(same) => {
                    count += 1;
                    wrong.extend((!same).then_some(shown));
                }
                Err(HostError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((count, wrong))
    }
}

impl Artifacts {
    /// Whether just this artifact stands at a place.
    fn stands_at(&self, hash: &ArtifactHash, place: &Place<'_>) -> Result<bool, HostError> {
        let stat = files::look(place.directory, place.name).map_err(HostError::io("look at", place.shown))?;
        match self.need(hash)? {
            Artifact::Symlink { target } if stat.is_symlink() => {
                let there = readlinkat(place.directory, place.name, Vec::new());
                let there = there.map_err(HostError::io("read the link", place.shown))?;
                Ok(there.as_bytes() == target.as_bytes())
            }
            Artifact::File(file) if stat.is_file() => {
                Ok((stat.mode & 0o100 != 0) == file.executable && digest(place)? == file.content_blob)
            }
            Artifact::Directory(directory) if stat.is_dir() => self.stand_in(&directory, place),
            _ => Ok(false),
        }
    }

    /// Whether just these entries stand in a directory.
    fn stand_in(&self, directory: &Directory, place: &Place<'_>) -> Result<bool, HostError> {
        let opened = files::open_directory_at(place.directory, place.name)
            .map_err(HostError::io("open the directory", place.shown))?;
        let names = files::names(opened.as_fd()).map_err(HostError::io("list", place.shown))?;
        let wanted = directory.entries.keys().map(ByteString::as_bytes);
        if !names.iter().map(|name| name.as_bytes()).eq(wanted) {
            return Ok(false);
        }
        for (name, hash) in &directory.entries {
            let shown = below(place.shown, name.as_bytes());
            let name = OsStr::from_bytes(name.as_bytes());
            if !self.stands_at(hash, &Place { directory: opened.as_fd(), name, shown: &shown })? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn digest(place: &Place<'_>) -> Result<BlobDigest, HostError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(place.directory, place.name, flags, Mode::empty());
    let mut opened = OpenFile::from(opened.map_err(HostError::io("open", place.shown))?);
    BlobDigest::of_all(&mut opened).map_err(HostError::io("read", place.shown))
}
