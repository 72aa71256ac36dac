//! The places that an answer depends on, and what stood there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::recipe::digest::BlobDigest;
use crate::world::{Stat, World};

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// What stood there; `None` when nothing could be reached by that path.
    pub(super) stat: Option<Stat>,
    /// Its content, if that was looked at.
    pub(super) digest: Option<BlobDigest>,
    /// Whether the stat alone shows every later change.
    pub(super) settled: bool,
}

/// Every place that was looked at, absolute.
#[derive(Debug)]
pub(super) struct Watch {
    since: i128,
    seen: BTreeMap<PathBuf, Seen>,
}

impl Watch {
    /// Nothing yet.
    pub(super) fn new(world: &dyn World) -> Self {
        Self { since: world.now(), seen: BTreeMap::new() }
    }

    /// Looks at a path, links followed, and remembers what is there.
    ///
    /// Where there is nothing, what is remembered is the first directory on the way that is missing:
    /// while that is so, nothing below it exists, and one `stat` answers for all of it.
    pub(super) fn look(&mut self, world: &dyn World, path: &Path) -> Option<Stat> {
        if let Some(seen) = self.seen.get(path) {
            return seen.stat;
        }
        if let Ok(stat) = world.stat(path) {
            let settled = stat.is_settled(self.since);
            self.seen.insert(path.to_owned(), Seen { stat: Some(stat), digest: None, settled });
            return Some(stat);
        }
        let mut missing = path;
        while let Some(parent) = missing.parent() {
            if self.seen.get(parent).is_some_and(|seen| seen.stat.is_none()) {
                return None;
            }
            if world.stat(parent).is_ok() {
                break;
            }
            missing = parent;
        }
        self.seen.insert(missing.to_owned(), Seen { stat: None, digest: None, settled: true });
        None
    }

    /// Remembers the content of what stands at a path that was looked at.
    pub(super) fn content(&mut self, path: &Path, digest: BlobDigest) {
        if let Some(seen) = self.seen.get_mut(path) {
            seen.digest = Some(digest);
        }
    }

    /// The content at a path, if it was looked at.
    pub(super) fn known(&self, path: &Path) -> Option<BlobDigest> {
        self.seen.get(path).and_then(|seen| seen.digest)
    }

    /// Whether this stat was made so long before we began that any change would show in it.
    pub(super) fn settled(&self, stat: &Stat) -> bool {
        stat.is_settled(self.since)
    }

    /// Whether every place still looks as it did.
    pub(super) fn holds(&self, world: &dyn World) -> bool {
        self.seen.iter().all(|(path, seen)| same(world, path, seen.stat.as_ref()))
    }

    /// All places.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&Path, &Seen)> {
        self.seen.iter().map(|(path, seen)| (path.as_path(), seen))
    }
}

/// Whether the same file stands at a path as before, or still none.
pub(super) fn same(world: &dyn World, path: &Path, before: Option<&Stat>) -> bool {
    match (world.stat(path), before) {
        (Ok(now), Some(before)) => now.same_content(before),
        (Err(_), None) => true,
        _ => false,
    }
}
