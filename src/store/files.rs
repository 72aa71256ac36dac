//! Whole files: read in one go, replaced in one step.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use tempfile::TempPath;

use super::error::StoreError;
use super::layout::{Layout, make_dir};

/// A file that is open for reading.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) size: u64,
    /// When it was last used.
    modified: SystemTime,
}

/// Opens a file: `open`, `statx`. `None` when there is none.
pub(super) fn open(path: &Path) -> Result<Option<Opened>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("open", path)(e)),
    };
    let metadata = file.metadata().map_err(StoreError::io("look at", path))?;
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Some(Opened { file, size: metadata.len(), modified }))
}

impl Opened {
    /// Reads as many bytes as it had when it was opened, a piece at a time: a piece stays in the processor's
    /// cache while it is checked and written again, and needs no fresh memory. Ends early when one is not taken.
    pub(super) fn pieces(
        &self,
        path: &Path,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        const PIECE: usize = 64 * 1024;
        let room = usize::try_from(self.size).unwrap_or(PIECE).min(PIECE);
        let mut piece = Vec::with_capacity(room);
        let mut left = self.size;
        while left > 0 {
            piece.clear();
            match rustix::io::read(&self.file, rustix::buffer::spare_capacity(&mut piece)) {
                Ok(0) => break,
                Ok(count) => left = left.saturating_sub(count as u64),
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(StoreError::io("read", path)(e)),
            }
            if !take(&piece)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads all of it.
    pub(super) fn bytes(&self, path: &Path) -> Result<Vec<u8>, StoreError> {
        let no_memory = || StoreError::io("read", path)(io::Error::from(io::ErrorKind::OutOfMemory));
        let size = usize::try_from(self.size).map_err(|_| no_memory())?;
        let mut bytes = Vec::new();
        // A damaged file system can claim any size: that is an error, no abort.
        bytes.try_reserve_exact(size).map_err(|_| no_memory())?;
        while bytes.len() < size {
            match rustix::io::read(&self.file, rustix::buffer::spare_capacity(&mut bytes)) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(StoreError::io("read", path)(e)),
            }
        }
        Ok(bytes)
    }

    /// Marks it as just used, where that was not noted lately. A file that is another user's stays as it is.
    pub(super) fn touch(&self) {
        if !is_lately(self.modified) {
            touch_file(&self.file);
        }
    }
}

/// Whether something was used so lately that it need not be noted again.
fn is_lately(used: SystemTime) -> bool {
    const LATELY: Duration = Duration::from_secs(15 * 60);
    used.elapsed().is_ok_and(|age| age < LATELY)
}

/// A file's bytes; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    open(path)?.map(|opened| opened.bytes(path)).transpose()
}

/// Puts a file in place in one step, over an older one. A reader sees the old bytes or the new, and
/// a process that is killed leaves at most a file in `tmp/`. Not synced to the disk: what a power
/// loss leaves behind fails its checksum when it is read.
pub(super) fn replace(layout: &Layout, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = layout.temporary_file()?;
    temporary.write_all(bytes).map_err(StoreError::io("write", temporary.path()))?;
    settle(temporary.into_temp_path(), path)
}

/// Puts a file that is written in place in one step, over an older one.
pub(super) fn settle(temporary: TempPath, path: &Path) -> Result<(), StoreError> {
    if exchange(&temporary, path) {
        return Ok(());
    }
    let Err(failed) = temporary.persist(path) else { return Ok(()) };
    let Some(parent) = path.parent().filter(|_| failed.error.kind() == io::ErrorKind::NotFound) else {
        return Err(StoreError::io("write", path)(failed.error));
    };
    make_dir(parent)?;
    failed.path.persist(path).map_err(|e| StoreError::io("write", path)(e.error))
}

/// Changes places with an older file, where there is one and the file system can do that; dropping the
/// temporary path removes it. A rename over it would make ext4 write the new bytes to the disk at once, a
/// millisecond each time.
#[cfg(target_os = "linux")]
fn exchange(temporary: &Path, path: &Path) -> bool {
    rustix::fs::renameat_with(CWD, temporary, CWD, path, rustix::fs::RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn exchange(_temporary: &Path, _path: &Path) -> bool {
    false
}

/// "Modified now", by the clock of the file system.
const NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
};

/// Marks an open file as just used.
pub(super) fn touch_file(file: &File) {
    let _ = rustix::fs::futimens(file, &NOW);
}

/// Marks a file as just used, where that was not noted lately; `false` when there is none.
pub(super) fn touch_at(path: &Path) -> bool {
    match fs::symlink_metadata(path).map(|metadata| metadata.modified()) {
        Ok(Ok(modified)) if is_lately(modified) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        _ => {
            rustix::fs::utimensat(CWD, path, &NOW, AtFlags::SYMLINK_NOFOLLOW) != Err(rustix::io::Errno::NOENT)
        }
    }
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
