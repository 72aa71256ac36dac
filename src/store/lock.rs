//! Locks by name, so that one miss under many callers compiles once.
//!
//! A lock is `flock` on a file of its own, so the kernel gives it back when its holder dies. The
//! holder removes the file before it lets go; whoever gets the lock of a file that is no longer the
//! one at the path has got a stale lock, and starts again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::StoreError;
use super::layout::Layout;
use crate::recipe::digest::RecordName;

/// A lock that is held until it is dropped or its process ends. In a store that is read-only it
/// holds nothing.
#[derive(Debug)]
#[must_use = "a lock that is dropped is given back"]
pub struct Lock {
    _held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    /// Closed after the file is removed.
    _file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // While we hold it: nobody else can hold what stands at the path.
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes a lock; `None` when it is taken and we are not to wait.
pub(super) fn acquire(layout: &Layout, name: &RecordName, wait: bool) -> Result<Option<Lock>, StoreError> {
    if layout.read_only {
        return Ok(Some(Lock { _held: None }));
    }
    let path = layout.locks().join(name.to_hex());
    loop {
        let Some(file) = take(layout, &path, wait)? else { return Ok(None) };
        if is_at(&file, &path).map_err(StoreError::io("look at", &path))? {
            return Ok(Some(Lock { _held: Some(Held { path, _file: file }) }));
        }
    }
}

/// Opens (or makes) a lock file and locks it; `None` when it is taken and we are not to wait.
pub(super) fn take(layout: &Layout, path: &Path, wait: bool) -> Result<Option<File>, StoreError> {
    layout.writable()?;
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = match open() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            layout.create()?;
            open()
        }
        other => other,
    }
    .map_err(StoreError::io("open", path))?;
    let taken = hold(
        &file,
        if wait { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive },
    )
    .map_err(StoreError::io("lock", path))?;
    Ok(taken.then_some(file))
}

/// `flock`, again when a signal interrupts it; `false` when somebody else has it.
pub(super) fn hold(file: &File, operation: FlockOperation) -> Result<bool, Errno> {
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Whether this open file is still the one at the path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Removes the lock files that processes left behind when they were killed.
pub(super) fn sweep(layout: &Layout) {
    let Ok(entries) = fs::read_dir(layout.locks()) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
        let ours = hold(&file, FlockOperation::NonBlockingLockExclusive) == Ok(true);
        if ours && is_at(&file, &path).unwrap_or(false) {
            let _ = fs::remove_file(&path);
        }
    }
}
