//! Records: small values under a name that somebody else computed, sealed by a checksum.
//!
//! A sealed value is `b"bakerec1"`, then BLAKE3 over the text of the kind's directory, a zero byte,
//! the 32 bytes of the name and the value, then the value. Kind and name are under the seal so that a
//! file that got to a wrong place is not taken for what belongs there.

use super::blobs::Found;
use super::error::StoreError;
use super::files;
use super::layout::{Layout, RecordKind};
use crate::recipe::digest::RecordName;

const MAGIC: &[u8; 8] = b"bakerec1";
const HEADER: usize = MAGIC.len() + 32;

fn checksum(directory: &str, name: &RecordName, value: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(directory.as_bytes()).update(&[0]).update(name.as_bytes()).update(value);
    hasher.finalize()
}

/// The bytes of the file that holds this value.
pub(super) fn seal(directory: &str, name: &RecordName, value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEADER + value.len());
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(checksum(directory, name, value).as_bytes());
    sealed.extend_from_slice(value);
    sealed
}

/// The value in a sealed file; `None` when the seal is broken.
pub(super) fn unseal(directory: &str, name: &RecordName, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let (header, value) = sealed.split_at_checked(HEADER)?;
    let (magic, sum) = header.split_at(MAGIC.len());
    if magic != MAGIC || checksum(directory, name, value).as_bytes() != sum {
        return None;
    }
    sealed.drain(..HEADER);
    Some(sealed)
}

/// Stores a value over an older one. Returns what it adds to the store's size.
pub(super) fn save(
    layout: &Layout,
    kind: RecordKind,
    name: &RecordName,
    value: &[u8],
) -> Result<u64, StoreError> {
    layout.writable()?;
    let sealed = seal(kind.directory(), name, value);
    files::replace(layout, &layout.record(kind, name), &sealed)?;
    Ok(files::charge(sealed.len() as u64))
}

/// Reads a value.
pub(super) fn load(
    layout: &Layout,
    kind: RecordKind,
    name: &RecordName,
) -> Result<Found<Vec<u8>>, StoreError> {
    let path = layout.record(kind, name);
    let Some(opened) = files::open(&path)? else { return Ok(Found::Absent) };
    if !layout.read_only {
        opened.touch();
    }
    let Some(value) = unseal(kind.directory(), name, opened.bytes(&path)?) else {
        return Ok(Found::Corrupt(path));
    };
    Ok(Found::Whole(value))
}
