//! Telling from a directory's own times that its names are as they were.

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
