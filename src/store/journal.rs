//! The statistics on disk: events are appended to a log, one `write` each, and old logs are summed.
//!
//! `log` takes the events. When it is long it is renamed to `log.<n>`, and only the next time that
//! happens is it added to `total`: until then those who had it open may still append. `total` says up
//! to which number logs are in it, so a process that is killed half-way counts nothing twice.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::files;
use super::layout::Layout;
use super::lock;
use super::records;
use super::statistics::{Line, Tally};
use crate::recipe::digest::RecordName;

/// A log that is longer is put aside.
const LONG: u64 = 64 * 1024;
/// What `total` is sealed as.
const SEAL: &str = "statistics";
const NAME: RecordName = RecordName::from_bytes([0; 32]);

#[derive(Default, Serialize, Deserialize)]
struct Total {
    /// Logs up to this number are in the tally.
    merged: u64,
    tally: Tally,
}

/// The log after lines were appended.
pub(super) struct Log {
    /// It is to be put aside.
    pub(super) is_long: bool,
    /// These lines made a kilobyte full: about every fiftieth event does.
    pub(super) is_round: bool,
}

/// Appends lines in one `write`.
pub(super) fn append(layout: &Layout, lines: &[Line<'_>]) -> io::Result<Log> {
    let mut text = String::new();
    for line in lines {
        line.write(&mut text);
    }
    let path = layout.statistics().join("log");
    let open = || OpenOptions::new().append(true).create(true).open(&path);
    let mut log = match open() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            layout.create().map_err(io::Error::other)?;
            open()?
        }
        other => other?,
    };
    log.write_all(text.as_bytes())?;
    let length = log.metadata()?.len();
    let before = length.saturating_sub(text.len() as u64);
    Ok(Log { is_long: length > LONG, is_round: before / 1024 != length / 1024 })
}

/// The sums as they are now. A size that is not known is taken for larger than any limit.
pub(super) fn tally(layout: &Layout) -> Result<Tally, StoreError> {
    let Total { merged, mut tally } = total(layout)?;
    for (_, path) in set_aside(layout, merged) {
        add(&mut tally, &path)?;
    }
    add(&mut tally, &layout.statistics().join("log"))?;
    Ok(tally)
}

/// The same, while no log is being summed.
pub(super) fn tally_exactly(layout: &Layout) -> Result<Tally, StoreError> {
    let lock = File::open(layout.statistics().join("lock")).ok();
    if let Some(file) = &lock {
        // Not locked is only less exact.
        let _ = lock::hold(file, FlockOperation::LockShared);
    }
    tally(layout)
}

fn add(tally: &mut Tally, path: &Path) -> Result<(), StoreError> {
    if let Some(bytes) = files::read(path)? {
        tally.add(&bytes);
    }
    Ok(())
}

fn total(layout: &Layout) -> Result<Total, StoreError> {
    let path = layout.statistics().join("total");
    let Some(bytes) = files::read(&path)? else { return Ok(Total::default()) };
    let value = records::unseal(SEAL, &NAME, bytes);
    Ok(value.and_then(|v| serde_json::from_slice(&v).ok()).unwrap_or_else(|| Total {
        merged: 0,
        tally: Tally { size: u64::MAX, damaged: 1, ..Tally::default() },
    }))
}

fn write_total(layout: &Layout, total: &Total) -> Result<(), StoreError> {
    let path = layout.statistics().join("total");
    let value =
        serde_json::to_vec(total).map_err(io::Error::other).map_err(StoreError::io("write", &path))?;
    files::replace(layout, &path, &records::seal(SEAL, &NAME, &value))
}

/// The logs put aside with a number above this one, in order.
fn set_aside(layout: &Layout, above: u64) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = fs::read_dir(layout.statistics()) else { return Vec::new() };
    let mut logs: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("log.")?.parse().ok()?;
            (number > above).then(|| (number, entry.path()))
        })
        .collect();
    logs.sort();
    logs
}

/// Sums the logs that were put aside before, and puts the log aside. Nothing, and `false`, when
/// another process is at it.
pub(super) fn compact(layout: &Layout) -> Result<bool, StoreError> {
    let Some(_lock) = lock::take(layout, &layout.statistics().join("lock"), false)? else { return Ok(false) };
    let log = layout.statistics().join("log");
    if fs::metadata(&log).map_or(0, |m| m.len()) <= LONG {
        return Ok(false);
    }
    let mut total = total(layout)?;
    merge(layout, &mut total)?;
    let aside = layout.statistics().join(format!("log.{}", total.merged + 1));
    fs::rename(&log, &aside).map_err(StoreError::io("rename", &log))?;
    Ok(true)
}

fn merge(layout: &Layout, total: &mut Total) -> Result<(), StoreError> {
    let logs = set_aside(layout, total.merged);
    for (number, path) in &logs {
        add(&mut total.tally, path)?;
        total.merged = *number;
    }
    if !logs.is_empty() {
        write_total(layout, total)?;
    }
    for (_, path) in set_aside(layout, 0).iter().filter(|(number, _)| *number <= total.merged) {
        files::remove(path)?;
    }
    Ok(())
}

/// Forgets all events. What is known of the store's size stays.
pub(super) fn zero(layout: &Layout) -> Result<(), StoreError> {
    let Some(_lock) = lock::take(layout, &layout.statistics().join("lock"), true)? else { return Ok(()) };
    let size = tally(layout)?.size;
    let merged = set_aside(layout, 0).last().map_or(0, |(n, _)| *n).max(total(layout)?.merged);
    let tally = Tally { size, ..Tally::default() };
    write_total(layout, &Total { merged, tally })?;
    files::remove(&layout.statistics().join("log"))?;
    for (_, path) in set_aside(layout, 0) {
        files::remove(&path)?;
    }
    Ok(())
}
