//! Blobs: bytes under the name of their digest, plain or compressed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;

use super::compress::{self, Expander};
use super::error::StoreError;
use super::files::{self, Opened};
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

impl<T> Found<T> {
    pub(super) fn map<U>(self, what: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Whole(value) => Found::Whole(what(value)),
            Self::Absent => Found::Absent,
            Self::Corrupt(path) => Found::Corrupt(path),
        }
    }
}

/// How bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Plain,
    /// Compressed, where that pays.
    Smaller,
}

/// Stores bytes. Returns what that adds to the store's size: nothing when they were there in either form.
pub(super) fn put(layout: &Layout, digest: &BlobDigest, bytes: &[u8], form: Form) -> Result<u64, StoreError> {
    layout.writable()?;
    let path = layout.blob(digest);
    let length = bytes.len() as u64;
    // Another size is what a crash left behind; other bytes of this size are found by the next read.
    let present = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() == length);
    if present && files::touch_at(&path) {
        return Ok(0);
    }
    if form == Form::Smaller {
        let path = layout.compressed(digest);
        let is_whole = |mut file: File| {
            let size = file.metadata().map_or(0, |m| m.len());
            compress::is_of(&mut file, size, length)
        };
        if File::open(&path).is_ok_and(is_whole) && files::touch_at(&path) {
            return Ok(0);
        }
        if let Some(smaller) = compress::compress(bytes) {
            files::replace(layout, &path, &smaller)?;
            return Ok(files::charge(smaller.len() as u64));
        }
    }
    files::replace(layout, &path, bytes)?;
    Ok(files::charge(length))
}

/// What is read in pieces is kept in memory up to this size.
const SMALL: usize = 1 << 20;

/// Stores all that a reader gives. Returns its digest, and what it adds to the store's size.
pub(super) fn put_from(layout: &Layout, from: &mut dyn Read) -> Result<(BlobDigest, u64), StoreError> {
    layout.writable()?;
    let mut start = Vec::new();
    let reading =
        |source| StoreError::Io { action: "read what is to be stored in", path: layout.dir().into(), source };
    from.take(SMALL as u64).read_to_end(&mut start).map_err(reading)?;
    if start.len() < SMALL {
        let digest = BlobDigest::of(&start);
        return Ok((digest, put(layout, &digest, &start, Form::Plain)?));
    }
    let mut temporary = layout.temporary_file()?;
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    let mut piece = start;
    while !piece.is_empty() {
        hasher.update(&piece);
        size += piece.len() as u64;
        temporary.write_all(&piece).map_err(StoreError::io("write", temporary.path()))?;
        piece.clear();
        from.take(SMALL as u64).read_to_end(&mut piece).map_err(reading)?;
    }
    let digest = BlobDigest::from(hasher.finalize());
    files::settle(temporary.into_temp_path(), &layout.blob(&digest))?;
    Ok((digest, files::charge(size)))
}

/// A blob that is open, and not checked yet.
pub(super) struct Blob<'a> {
    pub(super) opened: Opened,
    /// Whether the file has the blob's own bytes.
    pub(super) is_plain: bool,
    path: PathBuf,
    digest: &'a BlobDigest,
    marks: bool,
}

/// Opens a blob; `None` when there is none.
pub(super) fn open<'a>(layout: &Layout, digest: &'a BlobDigest) -> Result<Option<Blob<'a>>, StoreError> {
    let marks = !layout.read_only;
    for (path, is_plain) in [(layout.blob(digest), true), (layout.compressed(digest), false)] {
        if let Some(opened) = files::open(&path)? {
            return Ok(Some(Blob { opened, is_plain, path, digest, marks }));
        }
    }
    Ok(None)
}

impl Blob<'_> {
    /// Gives its bytes away piece by piece. Only at the end it is known whether they were whole.
    pub(super) fn copy(
        self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<Found<()>, StoreError> {
        let mut hasher = blake3::Hasher::new();
        let mut give = |piece: &[u8]| {
            hasher.update(piece);
            take(piece)
        };
        let complete = if self.is_plain {
            self.opened.pieces(&self.path, &mut |piece| give(piece).map(|()| true))?;
            true
        } else {
            let mut expander = Expander::new().map_err(StoreError::io("read", &self.path))?;
            self.opened.pieces(&self.path, &mut |piece| expander.feed(piece, &mut give))?;
            expander.is_complete()
        };
        if !complete || BlobDigest::from(hasher.finalize()) != *self.digest {
            return Ok(Found::Corrupt(self.path));
        }
        if self.marks {
            self.opened.touch();
        }
        Ok(Found::Whole(()))
    }
}

/// Reads a blob and checks it against its name.
pub(super) fn read(layout: &Layout, digest: &BlobDigest) -> Result<Found<Vec<u8>>, StoreError> {
    let Some(blob) = open(layout, digest)? else { return Ok(Found::Absent) };
    let mut bytes = Vec::new();
    let found = blob.copy(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(found.map(|()| bytes))
}
