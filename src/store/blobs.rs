//! Blobs: bytes under the name of their digest.

use std::fs;
use std::path::PathBuf;

use super::error::StoreError;
use super::files::{self, Content};
use super::layout::Layout;
use crate::recipe::digest::BlobDigest;

/// What stands under a name.
pub(super) enum Found<T> {
    /// It is whole.
    Whole(T),
    /// There is none.
    Absent,
    /// Its bytes are not those that were written.
    Corrupt(PathBuf),
}

/// Stores bytes. Returns what that adds to the store's size: nothing when they were there.
pub(super) fn put(layout: &Layout, digest: &BlobDigest, bytes: &[u8]) -> Result<u64, StoreError> {
    layout.writable()?;
    let path = layout.blob(digest);
    // Another size is what a crash left behind; other bytes of this size are found by the next read.
    let present = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() == bytes.len() as u64);
    if present && files::touch_at(&path) {
        return Ok(0);
    }
    files::replace(layout, &path, bytes)?;
    Ok(files::charge(bytes.len() as u64))
}

/// Reads a blob and checks it against its name.
pub(super) fn read(layout: &Layout, digest: &BlobDigest) -> Result<Found<Content>, StoreError> {
    let path = layout.blob(digest);
    let Some(content) = files::read(&path)? else { return Ok(Found::Absent) };
    if BlobDigest::of(&content.bytes) != *digest {
        return Ok(Found::Corrupt(path));
    }
    if !layout.read_only {
        files::touch(&content);
    }
    Ok(Found::Whole(content))
}
