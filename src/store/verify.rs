//! Reading every byte of the store.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::compress::Expander;
use super::error::StoreError;
use super::files;
use super::identity;
use super::journal;
use super::layout::{BLOBS, COMPRESSED, Layout};
use super::records;
use super::trim;
use crate::recipe::digest::{BlobDigest, RecordName};

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Blobs and records read.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs and records that do not have the bytes that they were written with. They are removed,
    /// unless the store is read-only.
    pub corrupt: Vec<PathBuf>,
    /// Files whose names are none that the store gives. They are left alone.
    pub foreign: Vec<PathBuf>,
    /// Remembered identities.
    pub identities: u64,
    /// Remembered identities that were cut off or changed; they count as not remembered.
    pub damaged_identities: u64,
    /// Lines of the statistics that were cut off or changed; they are not counted.
    pub damaged_lines: u64,
}

impl Report {
    /// Whether everything that a build could get is as it was written. (A process that is killed while
    /// it counts something can cut a line of the statistics off.)
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self {
            checked: _,
            bytes: _,
            corrupt,
            foreign,
            identities: _,
            damaged_identities,
            damaged_lines: _,
        } = self;
        corrupt.is_empty() && foreign.is_empty() && *damaged_identities == 0
    }
}

/// Reads everything; removes nothing.
pub(super) fn verify(layout: &Layout) -> Result<Report, StoreError> {
    let mut report = Report::default();
    for item in trim::items(layout)? {
        let Some(bytes) = files::read(&item.path)? else { continue };
        report.bytes += bytes.len() as u64;
        match check(&item.path, bytes) {
            None => report.foreign.push(item.path),
            Some(whole) => {
                report.checked += 1;
                if !whole {
                    report.corrupt.push(item.path);
                }
            }
        }
    }
    (report.identities, report.damaged_identities) = identity::verify(&layout.identity())?;
    report.damaged_lines = journal::tally_exactly(layout)?.damaged;
    Ok(report)
}

/// Whether the file at this path is whole; `None` when it has no business there.
fn check(path: &Path, bytes: Vec<u8>) -> Option<bool> {
    let name = path.file_name()?.to_str()?;
    let shard = path.parent()?;
    let kind = shard.parent()?.file_name()?.to_str()?;
    let name: RecordName =
        name.parse().ok().filter(|_| shard.file_name().is_some_and(|s| s == &name[..2]))?;
    Some(match kind {
        BLOBS => BlobDigest::of(&bytes).as_bytes() == name.as_bytes(),
        COMPRESSED => expanded(&bytes).is_some_and(|digest| digest.as_bytes() == name.as_bytes()),
        _ => records::unseal(kind, &name, bytes).is_some(),
    })
}

/// The digest of a blob that is compressed; `None` when the file is none.
fn expanded(file: &[u8]) -> Option<BlobDigest> {
    let mut hasher = blake3::Hasher::new();
    let mut expander = Expander::new().ok()?;
    let fed = expander.feed(file, &mut |piece| {
        hasher.update(piece);
        Ok(())
    });
    (matches!(fed, Ok(true)) && expander.is_complete()).then(|| hasher.finalize().into())
}
