//! Outputs on their way from the store to the place where the build wants them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::{NamedTempFile, TempPath};

use super::blobs::{Blob, Found};
use super::error::StoreError;

/// How an output takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    /// A new file replaces what was there, as assemblers and linkers do: another inode, the mode
    /// that the umask gives; links to the old file keep the old bytes, a symbolic link is replaced.
    Replace,
    /// What is there is emptied and written, as compilers do with assembly and dependency files:
    /// inode, mode and links stay, a symbolic link is followed.
    InPlace,
}

/// An output that is ready, its bytes verified. Dropped without [`Staged::commit`], it leaves
/// nothing behind.
#[derive(Debug)]
#[must_use = "an output takes its place only by `commit`"]
pub struct Staged {
    dest: PathBuf,
    ready: Ready,
}

#[derive(Debug)]
enum Ready {
    /// In a file beside the destination, and whether something stands there already.
    File(TempPath, bool),
    /// In memory, to be written with this mode.
    Bytes(Vec<u8>, u32),
}

impl Staged {
    /// Bytes that come from elsewhere than the store, to be written as with [`Placement::InPlace`].
    pub fn of_bytes(bytes: Vec<u8>, dest: &Path) -> Self {
        Self { dest: dest.to_owned(), ready: Ready::Bytes(bytes, 0o666) }
    }

    /// Bytes that come from elsewhere than the store, for a place outside of it; see [`Store::stage`].
    ///
    /// [`Store::stage`]: super::Store::stage
    ///
    /// # Errors
    /// When nothing can be written beside the destination, or what is to be replaced is neither a file nor a
    /// link.
    pub fn of(bytes: Vec<u8>, dest: &Path, executable: bool, how: Placement) -> Result<Self, StoreError> {
        let mode = if executable { 0o777 } else { 0o666 };
        let ready = match how {
            Placement::InPlace => Ready::Bytes(bytes, mode),
            Placement::Replace => {
                let taken = is_taken(dest)?;
                let mut temporary = temporary_beside(dest, mode)?;
                temporary.write_all(&bytes).map_err(StoreError::io("write", temporary.path()))?;
                Ready::File(temporary.into_temp_path(), taken)
            }
        };
        Ok(Self { dest: dest.to_owned(), ready })
    }

    /// Some of its bytes; fewer where it ends before.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn part(&self, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let mut part = Vec::new();
        let read = match &self.ready {
            Ready::File(path, _) => File::open(path).and_then(|mut file| {
                file.seek(SeekFrom::Start(offset))?;
                file.take(length).read_to_end(&mut part)
            }),
            Ready::Bytes(bytes, _) => {
                let mut from = io::Cursor::new(bytes);
                from.set_position(offset);
                from.take(length).read_to_end(&mut part)
            }
        };
        read.map_err(StoreError::io("read what goes to", &self.dest))?;
        Ok(part)
    }

    /// Where it goes.
    #[must_use]
    pub fn destination(&self) -> &Path {
        &self.dest
    }

    /// Puts the output in its place.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn commit(self) -> Result<(), StoreError> {
        let Self { dest, ready } = self;
        match ready {
            Ready::File(file, taken) => {
                // Assemblers remove what was there, too. A rename over it would make ext4 write the
                // new bytes to the disk at once, which takes longer than all the rest of a hit.
                if taken {
                    let _ = fs::remove_file(&dest);
                }
                file.persist(&dest).map_err(|e| StoreError::io("write", &dest)(e.error))
            }
            // Cut to its new length, not emptied first: ext4 writes a file that was emptied to the disk at
            // once.
            Ready::Bytes(bytes, mode) => OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(mode)
                .open(&dest)
                .and_then(|mut file| {
                    file.write_all(&bytes)?;
                    if file.metadata()?.is_file() { file.set_len(bytes.len() as u64) } else { Ok(()) }
                })
                .map_err(StoreError::io("write", &dest)),
        }
    }
}

/// Below this, writing is cheaper than sharing extents.
const WORTH_CLONING: u64 = 64 * 1024;

/// Whether cloning is still worth a try: cleared once a file system cannot do it.
#[derive(Debug)]
pub(super) struct Cloning(AtomicBool);

impl Cloning {
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(true))
    }

    /// Shares the extents of `from` with the new, empty file `to`. The inodes stay apart.
    #[cfg(target_os = "linux")]
    fn clone(&self, from: &File, to: &File) -> bool {
        use rustix::io::Errno;
        if !self.0.load(Ordering::Relaxed) {
            return false;
        }
        match rustix::fs::ioctl_ficlone(to, from) {
            Ok(()) => true,
            Err(Errno::XDEV) => false,
            Err(_) => {
                self.0.store(false, Ordering::Relaxed);
                false
            }
        }
    }

    /// Only Linux shares extents between two open files.
    #[cfg(not(target_os = "linux"))]
    fn clone(&self, _from: &File, _to: &File) -> bool {
        self.0.store(false, Ordering::Relaxed);
        false
    }
}

/// Prepares a blob for its place.
pub(super) fn stage(
    blob: Blob<'_>,
    dest: &Path,
    executable: bool,
    how: Placement,
    cloning: &Cloning,
) -> Result<Found<Staged>, StoreError> {
    let mode = if executable { 0o777 } else { 0o666 };
    let ready = match how {
        Placement::InPlace => {
            let mut bytes = Vec::new();
            let found = blob.copy(&mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            found.map(|()| Ready::Bytes(bytes, mode))
        }
        Placement::Replace => {
            let taken = is_taken(dest)?;
            beside(blob, dest, mode, cloning)?.map(|file| Ready::File(file, taken))
        }
    };
    Ok(ready.map(|ready| Staged { dest: dest.to_owned(), ready }))
}

/// Whether there is something to replace. A device is not: `/dev/null` would turn into a file.
fn is_taken(dest: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(dest) {
        Ok(there) if there.is_file() || there.is_symlink() => Ok(true),
        Ok(_) => Err(StoreError::NotReplaceable { path: dest.to_owned() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::io("look at", dest)(e)),
    }
}

/// A temporary file in the destination's directory.
fn temporary_beside(dest: &Path, mode: u32) -> Result<NamedTempFile, StoreError> {
    let dir = match dest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".brioche-cc-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(dir)
        .map_err(StoreError::io("create a file in", dir))
}

/// Writes a blob to a temporary file in the destination's directory.
fn beside(blob: Blob<'_>, dest: &Path, mode: u32, cloning: &Cloning) -> Result<Found<TempPath>, StoreError> {
    let mut temporary = temporary_beside(dest, mode)?;
    let name = temporary.path().to_owned();
    let found = write(blob, temporary.as_file_mut(), &name, cloning)?;
    Ok(found.map(|()| temporary.into_temp_path()))
}

/// Writes a blob to a file that is empty. Only at the end it is known whether its bytes were whole.
pub(super) fn write(
    blob: Blob<'_>,
    to: &mut File,
    name: &Path,
    cloning: &Cloning,
) -> Result<Found<()>, StoreError> {
    let worth = blob.is_plain && blob.opened.size >= WORTH_CLONING;
    let cloned = worth && cloning.clone(&blob.opened.file, to);
    blob.copy(&mut |piece| {
        let written = if cloned { Ok(()) } else { to.write_all(piece) };
        written.map_err(StoreError::io("write", name))
    })
}
