//! A content-addressed store on disk, embedded in every process that uses it and shared by any
//! number of them without a daemon.
//!
//! - **Blobs** stand under the BLAKE3 of their bytes, **records** under a name that the caller
//!   computed, sealed by a checksum. Both are written to a temporary file and renamed, so a reader
//!   sees all or nothing, wherever a writer is killed. Nothing is synced to the disk: every read
//!   verifies, and what fails is removed, counted, and as good as absent.
//! - A blob can be **compressed**, where the one who stores it asks for that and it pays; it is named by its own
//!   bytes all the same, and whoever reads it does not see the difference.
//! - A hit opens few files: each blob or record is `open`, `statx`, `read`, `utimensat`, `close`.
//! - The store is **limited in size**. Reading or storing something marks it as used; a writer that
//!   finds the limit passed removes what was used longest ago, while others go on. Anything can
//!   disappear at any time, also between storing a blob and storing the record that names it: an
//!   absent blob is a miss, never an error. What is being read survives, since it is open.
//! - Nothing here is worth failing a build for: every error is for the caller to log and go on.
//! - The **identity table** remembers the digests of the build's own files; see [`Identity`].
//!
//! A store is opened lazily: no directory is made before the first write. It takes its paths and
//! limits as arguments and its times from the file system that holds it.

mod blobs;
mod compress;
mod error;
mod files;
mod identity;
mod journal;
mod layout;
mod lock;
mod place;
mod records;
mod statistics;
mod trim;
mod verify;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use blobs::{Form, Found};
use layout::Layout;
use place::Cloning;
use statistics::Line;
use trim::Occasion;

pub use error::StoreError;
pub use identity::{Identity, Remembered};
pub use layout::RecordKind;
pub use lock::Lock;
pub use place::{Placement, Staged};
pub use statistics::{Event, Statistics};
pub use trim::Collected;
pub use verify::Report;

use crate::recipe::digest::{BlobDigest, RecordName};

/// Where a store is and how it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Its directory; made when something is first stored.
    pub dir: PathBuf,
    /// The bytes that blobs and records may take, each file counted in whole blocks. Zero for no
    /// limit. The identity table (16 MiB at most) and the statistics (under 1 MiB) come on top.
    pub max_size: u64,
    /// Whether nothing at all is written: no entries, no times of use, no statistics, no locks.
    pub read_only: bool,
}

/// A store. It can be shared between threads, and any number of processes can have one on the same
/// directory.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    max_size: u64,
    identity: Identity,
    cloning: Cloning,
    /// Bytes stored that the log does not know of yet.
    grown: AtomicU64,
}

impl Store {
    /// Opens a store; one that does not exist is empty.
    ///
    /// # Errors
    /// When the directory is none, cannot be read, or belongs to another version of the program. A
    /// directory that cannot be written is found out by the first write.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let Options { dir, max_size, read_only } = options;
        let layout = Layout::open(dir, read_only)?;
        let identity = Identity::new(layout.clone());
        Ok(Self { layout, max_size, identity, cloning: Cloning::new(), grown: AtomicU64::new(0) })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.layout.dir()
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.layout.read_only
    }

    /// The remembered digests of the build's files.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Stores bytes under their digest. When they are there already they only count as used.
    ///
    /// # Errors
    /// When they cannot be written (see [`StoreError::is_full`]); nothing is left behind then.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        self.put(bytes, Form::Plain)
    }

    /// Stores bytes under their digest, compressed where that takes a quarter off: for what is large and read
    /// by those who have time. When they are there already, in either form, they only count as used.
    ///
    /// # Errors
    /// As [`Store::put_blob`].
    pub fn put_blob_smaller(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        self.put(bytes, Form::Smaller)
    }

    fn put(&self, bytes: &[u8], form: Form) -> Result<BlobDigest, StoreError> {
        let digest = BlobDigest::of(bytes);
        let grown = blobs::put(&self.layout, &digest, bytes, form)?;
        self.grow(grown);
        Ok(digest)
    }

    /// Stores all that a reader gives, of any length, under its digest.
    ///
    /// # Errors
    /// As [`Store::put_blob`]; also when it cannot be read.
    pub fn put_blob_from(&self, from: &mut dyn io::Read) -> Result<BlobDigest, StoreError> {
        let (digest, grown) = blobs::put_from(&self.layout, from)?;
        self.grow(grown);
        Ok(digest)
    }

    /// Writes the bytes with this digest to a file that is empty, sharing them where the file system can.
    /// They are verified; when they turn out to be damaged, which is as if they were absent, they are in the
    /// file nevertheless. `name` is for errors.
    ///
    /// # Errors
    /// When the bytes cannot be read or written.
    pub fn write_blob(
        &self,
        digest: &BlobDigest,
        to: &mut File,
        name: &Path,
    ) -> Result<Option<()>, StoreError> {
        let Some(blob) = blobs::open(&self.layout, digest)? else { return Ok(None) };
        let found = place::write(blob, to, name, &self.cloning)?;
        Ok(self.whole(found))
    }

    /// The bytes with this digest, verified. `None` when they are absent; what is there with other
    /// bytes is removed, counted, and absent.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read_blob(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let found = blobs::read(&self.layout, digest)?;
        Ok(self.whole(found))
    }

    /// Prepares the bytes with this digest, verified, for a place outside of the store: nothing is
    /// seen there before [`Staged::commit`]. The file there is one of its own, so what is done to it
    /// does not reach the store; its mode is what the umask leaves of 0666 or 0777, its time is now.
    /// `None` when the bytes are absent.
    ///
    /// # Errors
    /// When the bytes cannot be read, nothing can be written beside the destination, or what is to
    /// be replaced is neither a file nor a link.
    pub fn stage(
        &self,
        digest: &BlobDigest,
        dest: &Path,
        executable: bool,
        how: Placement,
    ) -> Result<Option<Staged>, StoreError> {
        let Some(blob) = blobs::open(&self.layout, digest)? else { return Ok(None) };
        let found = place::stage(blob, dest, executable, how, &self.cloning)?;
        Ok(self.whole(found))
    }

    /// Whether there is a blob of this digest, which counts as used then. Its bytes are not looked at.
    #[must_use]
    pub fn has_blob(&self, digest: &BlobDigest) -> bool {
        let is_at = |path: &Path| if self.layout.read_only { path.exists() } else { files::touch_at(path) };
        is_at(&self.layout.blob(digest)) || is_at(&self.layout.compressed(digest))
    }

    /// How many bytes a blob has, by its file alone. `None` also when it is compressed, as only those of
    /// [`Store::put_blob_smaller`] are.
    #[must_use]
    pub fn blob_size(&self, digest: &BlobDigest) -> Option<u64> {
        let metadata = std::fs::symlink_metadata(self.layout.blob(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// The file of a blob, its bytes verified just now; for a program to read. `None` also when the blob is
    /// compressed, as only those of [`Store::put_blob_smaller`] are.
    ///
    /// # Errors
    /// As [`Store::read_blob`].
    pub fn blob_file(&self, digest: &BlobDigest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.blob(digest);
        Ok(self.read_blob(digest)?.and_then(|_| path.exists().then_some(path)))
    }

    /// The value of a record. `None` when it is absent; a damaged one is removed, counted, and absent.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(&self, kind: RecordKind, name: &RecordName) -> Result<Option<Vec<u8>>, StoreError> {
        let found = records::load(&self.layout, kind, name)?;
        Ok(self.whole(found))
    }

    /// Stores a record, in place of an older one.
    ///
    /// # Errors
    /// When it cannot be written; an older one is still there then.
    pub fn save(&self, kind: RecordKind, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        let grown = records::save(&self.layout, kind, name, value)?;
        self.grow(grown);
        Ok(())
    }

    /// Whether there is a record of this name, which counts as used then. Its seal is not looked at.
    #[must_use]
    pub fn has(&self, kind: RecordKind, name: &RecordName) -> bool {
        let path = self.layout.record(kind, name);
        if self.layout.read_only { path.exists() } else { files::touch_at(&path) }
    }

    /// Marks a record as just used, which reading it does as well.
    pub fn touch(&self, kind: RecordKind, name: &RecordName) {
        if !self.layout.read_only {
            files::touch_at(&self.layout.record(kind, name));
        }
    }

    /// Marks a blob as just used, which reading it does as well.
    pub fn touch_blob(&self, digest: &BlobDigest) {
        if !self.layout.read_only {
            let _ = self.has_blob(digest);
        }
    }

    /// Takes the lock of this name, and waits while another thread or process has it. It is given
    /// back when it is dropped or the process ends, however that comes about. Who takes a second one
    /// while it holds one can wait for ever.
    ///
    /// # Errors
    /// When the lock file cannot be written or the file system has no locks.
    pub fn lock(&self, name: &RecordName) -> Result<Lock, StoreError> {
        loop {
            if let Some(lock) = lock::acquire(&self.layout, name, true)? {
                return Ok(lock);
            }
        }
    }

    /// Takes the lock of this name unless another thread or process has it.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub fn try_lock(&self, name: &RecordName) -> Result<Option<Lock>, StoreError> {
        lock::acquire(&self.layout, name, false)
    }

    /// Counts an event. After something was stored this is also where the store is trimmed if it has
    /// passed its limit, so the last event of a miss is best recorded when its outputs are in place.
    pub fn record(&self, event: &Event<'_>) {
        self.log(&[Line::Event(*event)]);
    }

    /// The figures. The size is measured, which reads every directory of the store.
    ///
    /// # Errors
    /// When the store is there and cannot be read.
    pub fn statistics(&self) -> Result<Statistics, StoreError> {
        let (bytes, entries) = trim::usage(&self.layout)?;
        Ok(Statistics::new(journal::tally_exactly(&self.layout)?, bytes, entries))
    }

    /// Starts counting anew.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn zero_statistics(&self) -> Result<(), StoreError> {
        journal::zero(&self.layout)
    }

    /// Removes every blob, record and remembered identity. The counts of events stay.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.layout.writable()?;
        trim::clear(&self.layout)
    }

    /// Brings the store below its limit, and removes what killed processes left behind.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn gc(&self) -> Result<Collected, StoreError> {
        let collected = trim::collect(&self.layout, self.limit(), Occasion::Asked)?;
        Ok(collected.unwrap_or_default())
    }

    /// The names of all records of a kind, in no order.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn names(&self, kind: RecordKind) -> Result<Vec<RecordName>, StoreError> {
        trim::names(&self.layout, kind)
    }

    /// Reads every byte. What is damaged is removed and counted, unless the store is read-only.
    ///
    /// # Errors
    /// When something is there and cannot be read.
    pub fn verify(&self) -> Result<Report, StoreError> {
        let report = verify::verify(&self.layout)?;
        report.corrupt.iter().for_each(|path| self.discard(path));
        Ok(report)
    }

    fn limit(&self) -> u64 {
        if self.max_size == 0 { u64::MAX } else { self.max_size }
    }

    fn whole<T>(&self, found: Found<T>) -> Option<T> {
        match found {
            Found::Whole(value) => Some(value),
            Found::Absent => None,
            Found::Corrupt(path) => {
                self.discard(&path);
                None
            }
        }
    }

    /// Removes what is damaged. If somebody has just put a whole one there it is made again later.
    fn discard(&self, path: &Path) {
        if !self.layout.read_only {
            let _ = files::remove(path);
            self.log(&[Line::Event(Event::Corrupt)]);
        }
    }

    /// Notes that the store has grown. Callers that only store, as hosts do, are not to fill the disk
    /// before they record an event.
    fn grow(&self, bytes: u64) {
        let grown = self.grown.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if grown > (self.limit() / 16).min(16 << 20) {
            self.log(&[]);
        }
    }

    /// Appends to the log, with what the store has grown by.
    fn log(&self, lines: &[Line<'_>]) {
        if self.layout.read_only {
            return;
        }
        let grown = self.grown.swap(0, Ordering::Relaxed);
        let mut lines = lines.to_vec();
        lines.extend((0..self.identity.take_mended()).map(|_| Line::Event(Event::Corrupt)));
        if grown > 0 {
            lines.push(Line::Grown(grown));
        }
        if lines.is_empty() {
            return;
        }
        let Ok(log) = journal::append(&self.layout, &lines) else {
            self.grown.fetch_add(grown, Ordering::Relaxed);
            return;
        };
        if log.is_long && journal::compact(&self.layout).unwrap_or(false) {
            let _ = trim::tidy(&self.layout);
        }
        // Summing the log takes a millisecond: not for each little thing that is stored.
        if grown > self.limit() / 256 || (grown > 0 && log.is_round) {
            let _ = trim::collect(&self.layout, self.limit(), Occasion::Grown);
        }
    }
}

impl Drop for Store {
    /// What was stored without an event is still counted.
    fn drop(&mut self) {
        self.log(&[]);
    }
}
