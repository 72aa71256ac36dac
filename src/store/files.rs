//! Whole files: read in one go, replaced in one step.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::error::StoreError;
use super::layout::{Layout, make_dir};

/// A file's bytes, and the file they were read from.
pub(super) struct Content {
    pub(super) file: File,
    pub(super) bytes: Vec<u8>,
    /// When it was last used.
    pub(super) modified: SystemTime,
}

/// Reads a file: `open`, `statx`, `read`. `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Content>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("open", path)(e)),
    };
    let metadata = file.metadata().map_err(StoreError::io("look at", path))?;
    let bytes = contents(&file, metadata.len()).map_err(StoreError::io("read", path))?;
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Some(Content { file, bytes, modified }))
}

fn contents(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    // A damaged file system can claim any size: that is an error, no abort.
    bytes.try_reserve_exact(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    while bytes.len() < size {
        match rustix::io::read(file, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(bytes)
}

/// Puts a file in place in one step, over an older one. A reader sees the old bytes or the new, and
/// a process that is killed leaves at most a file in `tmp/`. Not synced to the disk: what a power
/// loss leaves behind fails its checksum when it is read.
pub(super) fn replace(layout: &Layout, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = layout.temporary_file()?;
    temporary.write_all(bytes).map_err(StoreError::io("write", temporary.path()))?;
    let Err(failed) = temporary.into_temp_path().persist(path) else { return Ok(()) };
    let Some(parent) = path.parent().filter(|_| failed.error.kind() == io::ErrorKind::NotFound) else {
        return Err(StoreError::io("write", path)(failed.error));
    };
    make_dir(parent)?;
    failed.path.persist(path).map_err(|e| StoreError::io("write", path)(e.error))
}

/// "Modified now", by the clock of the file system.
const NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
};

/// Marks an open file as just used, where that was not noted lately. A file that is another user's stays
/// as it is.
pub(super) fn touch(content: &Content) {
    const LATELY: Duration = Duration::from_secs(15 * 60);
    if !content.modified.elapsed().is_ok_and(|age| age < LATELY) {
        touch_file(&content.file);
    }
}

/// Marks an open file as just used.
pub(super) fn touch_file(file: &File) {
    let _ = rustix::fs::futimens(file, &NOW);
}

/// Marks a file as just used; `false` when there is none.
pub(super) fn touch_at(path: &Path) -> bool {
    rustix::fs::utimensat(CWD, path, &NOW, AtFlags::SYMLINK_NOFOLLOW) != Err(rustix::io::Errno::NOENT)
}

/// Removes a file; one that is gone already is fine.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// What a file of this size counts for: the blocks that it fills, and one for its inode and name.
pub(super) const fn charge(size: u64) -> u64 {
    (size / 4096 + 1) * 4096
}
