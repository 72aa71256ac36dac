//! Keeping the store within its limit: what was used longest ago goes first.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::StoreError;
use super::files;
use super::journal;
use super::layout::{Layout, OWN, RecordKind};
use super::lock;
use super::statistics::Line;
use crate::recipe::digest::RecordName;

/// A file in `tmp/` that nobody wrote to for so many seconds belongs to a process that is gone.
const STALE: i64 = 3600;

/// What a collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Blobs and records that went.
    pub removed: u64,
    /// The bytes that they counted for.
    pub freed: u64,
    /// Files of processes that were killed while writing.
    pub stale: u64,
    /// The bytes that the store holds now.
    pub bytes: u64,
    /// The results that it holds now.
    pub entries: u64,
}

/// A blob or a record.
pub(super) struct Item {
    pub(super) path: PathBuf,
    used: (i64, i64),
    charge: u64,
    is_entry: bool,
}

/// All blobs and records. What disappears on the way is left out.
pub(super) fn items(layout: &Layout) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    for kind in directories(layout.root())? {
        let name = kind.file_name().unwrap_or_default();
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        let is_entry = name == RecordKind::Manifest.directory();
        for shard in directories(&kind)? {
            for entry in entries(&shard)? {
                let Ok(meta) = entry.metadata() else { continue };
                let used = (meta.mtime(), meta.mtime_nsec());
                items.push(Item { path: entry.path(), used, charge: files::charge(meta.len()), is_entry });
            }
        }
    }
    Ok(items)
}

/// The names of all records of a kind.
pub(super) fn names(layout: &Layout, kind: RecordKind) -> Result<Vec<RecordName>, StoreError> {
    let mut names = Vec::new();
    for shard in directories(&layout.root().join(kind.directory()))? {
        let there = entries(&shard)?.map(|entry| entry.file_name());
        names.extend(there.filter_map(|name| name.to_str()?.parse::<RecordName>().ok()));
    }
    Ok(names)
}

fn entries(dir: &Path) -> Result<impl Iterator<Item = fs::DirEntry> + use<>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => Some(entries),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(StoreError::io("list", dir)(e)),
    };
    Ok(entries.into_iter().flatten().flatten())
}

fn directories(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let is_dir = |e: &fs::DirEntry| e.file_type().is_ok_and(|t| t.is_dir());
    Ok(entries(dir)?.filter(is_dir).map(|e| e.path()).collect())
}

/// The bytes and the number of results that the store holds.
pub(super) fn usage(layout: &Layout) -> Result<(u64, u64), StoreError> {
    Ok(sum(&items(layout)?))
}

fn sum(items: &[Item]) -> (u64, u64) {
    items.iter().fold((0, 0), |(bytes, entries), i| (bytes + i.charge, entries + u64::from(i.is_entry)))
}

/// Who asks for a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The user: wait for one that is under way, then do it.
    Asked,
    /// A writer that thinks the limit is passed: one process does it, the others go on.
    Grown,
}

/// Removes what was used longest ago until the store is at 90 % of its limit, if it is above it, and
/// what killed processes left behind. `None` when there was no need or somebody else is at it.
pub(super) fn collect(
    layout: &Layout,
    limit: u64,
    occasion: Occasion,
) -> Result<Option<Collected>, StoreError> {
    let asked = occasion == Occasion::Asked;
    if !asked && journal::tally(layout)?.size <= limit {
        return Ok(None);
    }
    let Some(lock) = lock::take(layout, &layout.gc_lock(), asked)? else { return Ok(None) };
    // Somebody may just have done it.
    if !asked && journal::tally(layout)?.size <= limit {
        return Ok(None);
    }
    let mut items = items(layout)?;
    let (mut bytes, mut entries) = sum(&items);
    let mut done = Collected { stale: sweep(layout, &lock), ..Collected::default() };
    if bytes > limit {
        let target = limit - limit / 10;
        items.sort_unstable_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        for item in items {
            if bytes <= target {
                break;
            }
            // What cannot be removed, in a store that users share, is left to its owner.
            if !remove_unused(&item).unwrap_or(false) {
                continue;
            }
            bytes -= item.charge;
            entries -= u64::from(item.is_entry);
            done.freed += item.charge;
            done.removed += 1;
        }
    }
    let lines = [Line::Measured(bytes), Line::Trimmed];
    let _ = journal::append(layout, if done.removed > 0 { &lines } else { &lines[..1] });
    Ok(Some(Collected { bytes, entries, ..done }))
}

/// Removes it unless it was used since it was listed.
fn remove_unused(item: &Item) -> Result<bool, StoreError> {
    let used = fs::symlink_metadata(&item.path).is_ok_and(|m| (m.mtime(), m.mtime_nsec()) != item.used);
    if !used {
        files::remove(&item.path)?;
    }
    Ok(!used)
}

/// Removes what killed processes left behind. The time is the file system's, whose times are
/// compared: that of a file just touched.
fn sweep(layout: &Layout, just_touched: &File) -> u64 {
    files::touch_file(just_touched);
    let Ok(now) = just_touched.metadata().map(|m| m.mtime()) else { return 0 };
    lock::sweep(layout);
    let Ok(temporary) = entries(&layout.temporary()) else { return 0 };
    let old = |e: &fs::DirEntry| e.metadata().is_ok_and(|m| m.is_file() && m.mtime() < now - STALE);
    temporary.filter(old).filter(|e| fs::remove_file(e.path()).is_ok()).map(|_| 1).sum()
}

/// The same between collections, for stores that never reach their limit.
pub(super) fn tidy(layout: &Layout) -> Result<(), StoreError> {
    if let Some(lock) = lock::take(layout, &layout.gc_lock(), false)? {
        sweep(layout, &lock);
    }
    Ok(())
}

/// Removes every blob, every record and the remembered identities.
pub(super) fn clear(layout: &Layout) -> Result<(), StoreError> {
    let _lock = lock::take(layout, &layout.gc_lock(), true)?;
    for item in items(layout)? {
        files::remove(&item.path)?;
    }
    files::remove(&layout.identity())?;
    let _ = journal::append(layout, &[Line::Measured(0)]);
    Ok(())
}
