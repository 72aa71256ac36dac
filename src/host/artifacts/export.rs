//! From the store to the disk.
//!
//! Everything is made new, by opened directories, and each file's bytes are verified while they are written.

use std::ffi::OsStr;
use std::fs::File as OpenFile;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Timestamps, fchmod, futimens, openat, symlinkat, utimensat};
use rustix::io::Errno;

use super::{Artifacts, below};
use crate::host::error::HostError;
use crate::host::files::{self, EPOCH, Place};
use crate::recipe::digest::ArtifactHash;
use crate::recipe::{Artifact, Directory, File};

/// What files look like once they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// For a process that is about to run: the fixed time, writable.
    Fresh,
    /// To be read only: the fixed time, nobody may write.
    Locked,
    /// Results: made just now, as the umask has them.
    Result,
}

impl Look {
    fn file_mode(self, executable: bool) -> Mode {
        let mode = if executable { 0o777 } else { 0o666 };
        Mode::from_raw_mode(match self {
            Self::Fresh => mode & 0o755,
            Self::Locked => mode & 0o555,
            Self::Result => mode,
        })
    }

    fn time(self) -> Option<Timestamps> {
        (self != Self::Result).then_some(EPOCH)
    }
}

/// One export.
pub(super) struct Export<'a> {
    artifacts: &'a Artifacts,
    look: Look,
    /// Where the resources of files go, if anywhere.
    resources: Option<BorrowedFd<'a>>,
}

impl Artifacts {
    /// Puts an artifact at a place where nothing stands. All of it is there, or nothing.
    ///
    /// # Errors
    /// [`HostError::Missing`], [`HostError::Exists`], or when it cannot be written.
    pub fn export(&self, artifact: &ArtifactHash, place: &Place<'_>) -> Result<(), HostError> {
        let artifact = self.need(artifact)?;
        let temporary = files::temporary_name();
        let beside = Place { name: &temporary, ..*place };
        let settled = self.write(&artifact, &beside, Look::Result, None).and_then(|()| {
            files::settle(place.directory, &temporary, place.name).map_err(|error| match error {
                Errno::EXIST => HostError::Exists(place.shown.to_owned()),
                error => HostError::io("put in place", place.shown)(error),
            })
        });
        if settled.is_err() {
            let _ = files::remove(place.directory, &temporary);
        }
        settled
    }

    /// Writes an artifact to a place where nothing stands. What is there after an error is for the caller to
    /// remove.
    pub(crate) fn write(
        &self,
        artifact: &Artifact,
        place: &Place<'_>,
        look: Look,
        resources: Option<BorrowedFd<'_>>,
    ) -> Result<(), HostError> {
        Export { artifacts: self, look, resources }.any(artifact, place)
    }

    /// Writes the entries of a directory into one that is there.
    pub(crate) fn write_into(
        &self,
        directory: &Directory,
        place: &Place<'_>,
        look: Look,
        resources: Option<BorrowedFd<'_>>,
    ) -> Result<(), HostError> {
        let into = files::open_directory_at(place.directory, place.name)
            .map_err(HostError::io("open the directory", place.shown))?;
        Export { artifacts: self, look, resources }.entries(directory, into.as_fd(), place.shown)
    }
}

impl Export<'_> {
    fn any(&self, artifact: &Artifact, place: &Place<'_>) -> Result<(), HostError> {
        match artifact {
            Artifact::File(file) => self.file(file, place),
            Artifact::Symlink { target } => {
                symlinkat(OsStr::from_bytes(target.as_bytes()), place.directory, place.name)
                    .map_err(failed("make the link", place.shown))?;
                if let Some(time) = self.look.time() {
                    let _ = utimensat(place.directory, place.name, &time, AtFlags::SYMLINK_NOFOLLOW);
                }
                Ok(())
            }
            Artifact::Directory(directory) => {
                let opened = files::make_directory_at(place.directory, place.name, 0o777)
                    .map_err(failed("make the directory", place.shown))?;
                self.entries(directory, opened.as_fd(), place.shown)
            }
        }
    }

    fn entries(&self, directory: &Directory, into: BorrowedFd<'_>, shown: &Path) -> Result<(), HostError> {
        for (name, hash) in &directory.entries {
            let shown = below(shown, name.as_bytes());
            let place = Place { directory: into, name: files::as_name(name.as_bytes())?, shown: &shown };
            self.any(&self.artifacts.need(hash)?, &place)?;
        }
        let mode = match self.look {
            Look::Fresh => Some(0o755),
            Look::Locked => Some(0o555),
            Look::Result => None,
        };
        if let Some(mode) = mode {
            fchmod(into, Mode::from_raw_mode(mode)).map_err(failed("change the mode of", shown))?;
        }
        if let Some(time) = self.look.time() {
            futimens(into, &time).map_err(failed("set the time of", shown))?;
        }
        Ok(())
    }

    fn file(&self, file: &File, place: &Place<'_>) -> Result<(), HostError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened =
            openat(place.directory, place.name, flags, self.look.file_mode(file.executable) | Mode::WUSR)
                .map_err(failed("create", place.shown))?;
        let mut opened = OpenFile::from(opened);
        let written = self.artifacts.store.write_blob(&file.content_blob, &mut opened, place.shown)?;
        written.ok_or_else(|| self.artifacts.missing(&file.content_blob))?;
        if self.look != Look::Result {
            fchmod(&opened, self.look.file_mode(file.executable))
                .map_err(failed("change the mode of", place.shown))?;
        }
        if let Some(time) = self.look.time() {
            futimens(&opened, &time).map_err(failed("set the time of", place.shown))?;
        }
        match self.resources {
            Some(into) if !file.resources.entries.is_empty() => self.resources(&file.resources, into),
            _ => Ok(()),
        }
    }

    /// Adds a file's resources to the directory that holds those of all files. The same resource may be there
    /// already: what it is called tells what it is.
    fn resources(&self, resources: &Directory, into: BorrowedFd<'_>) -> Result<(), HostError> {
        let root = Path::new("the resources");
        for (name, hash) in &resources.entries {
            let shown = below(root, name.as_bytes());
            let place = Place { directory: into, name: files::as_name(name.as_bytes())?, shown: &shown };
            let artifact = self.artifacts.need(hash)?;
            match (files::look(into, place.name), &artifact) {
                (Err(_), _) => self.any(&artifact, &place)?,
                (Ok(there), Artifact::Directory(inner)) if there.is_dir() => {
                    let opened = files::open_directory_at(into, place.name)
                        .map_err(failed("open the directory", &shown))?;
                    self.resources(inner, opened.as_fd())?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// For `map_err`.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(Errno) -> HostError {
    let path = path.to_owned();
    move |error| match error {
        Errno::EXIST => HostError::Exists(path),
        error => HostError::io(action, &path)(error),
    }
}
