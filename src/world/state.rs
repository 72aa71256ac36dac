//! Telling from times that a directory's names, or a file's bytes, are as they were.

use serde::{Deserialize, Serialize};

use super::Stat;

/// The identity and times of a directory. They tell whether its *own* names changed; nothing of what is
/// below it, or behind a link in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryState {
    device: u64,
    inode: u64,
    modified: i64,
    changed: i64,
}

impl DirectoryState {
    /// That of a directory; `None` for anything else.
    #[must_use]
    pub fn of(stat: &Stat) -> Option<Self> {
        let time = |time| i64::try_from(time).ok();
        let Stat { device, inode, modified, changed, .. } = *stat;
        stat.is_dir().then_some(Self { device, inode, modified: time(modified)?, changed: time(changed)? })
    }
}

/// The identity, size and times of a file. While it looks like this, its bytes are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
}

impl FileState {
    /// That of a regular file; `None` for anything else.
    #[must_use]
    pub fn of(stat: &Stat) -> Option<Self> {
        let time = |time| i64::try_from(time).ok();
        let Stat { device, inode, size, modified, changed, .. } = *stat;
        stat.is_file().then_some(Self {
            device,
            inode,
            size,
            modified: time(modified)?,
            changed: time(changed)?,
        })
    }
}
