//! Remembered digests of files: who has hashed a file once need not read it again while its `stat`
//! is the same.
//!
//! One table of fixed size, in sets of four slots; a file's device and inode choose the set, so a
//! changed file takes the slot of what it was. There are no locks: each slot carries a checksum, and
//! one that was cut off, or written by two at once, is as good as empty. A lookup is one `pread`.
//!
//! A slot is 128 bytes, numbers little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0..40 | device, inode, size, modified and changed in nanoseconds |
//! | 40..72 | the digest |
//! | 72..76 | traits |
//! | 76..84 | layout |
//! | 84..88 | when it was written, in seconds |
//! | 88..112 | zero |
//! | 112..128 | checksum: BLAKE3 over a label and the rest |

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use super::error::StoreError;
use super::layout::Layout;
use crate::recipe::digest::BlobDigest;
use crate::world::Stat;

const SLOT: usize = 128;
const WAYS: usize = 4;
const SET: usize = SLOT * WAYS;
/// With four slots each: 131,072 files, 16 MiB when full. The file is sparse until then.
const SETS: u64 = 1 << 15;
const SUM: usize = 112;
const LABEL: &[u8] = b"bakeplan identity 1";

/// What is remembered of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// The digest of its bytes.
    pub digest: BlobDigest,
    /// What a scan of its bytes found. The store does not look at it.
    pub traits: u32,
    /// Another hash of the caller's. The store does not look at it.
    pub layout: u64,
}

/// The table. It is opened when it is first asked, and makes no fuss: what cannot be read is not
/// remembered.
#[derive(Debug)]
pub struct Identity {
    store: Layout,
    reader: OnceLock<Option<File>>,
    writer: OnceLock<Option<File>>,
}

/// The fields of a file that have to be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key([u8; 40]);

impl Key {
    /// `None` for what is never remembered: no file, or times beyond the year 2262.
    fn new(stat: &Stat) -> Option<Self> {
        let Stat { device, inode, mode: _, links: _, size, modified, changed } = *stat;
        let time = |t: i128| i64::try_from(t).ok().map(i64::to_le_bytes);
        let fields =
            [device.to_le_bytes(), inode.to_le_bytes(), size.to_le_bytes(), time(modified)?, time(changed)?];
        let mut key = [0; 40];
        key.copy_from_slice(fields.as_flattened());
        stat.is_file().then_some(Self(key))
    }

    /// Device and inode: whose slot it is.
    fn file(&self) -> &[u8] {
        &self.0[..16]
    }

    /// Where the set of this file begins.
    fn position(&self) -> u64 {
        let hash = blake3::hash(self.file());
        let mut low = [0; 8];
        low.copy_from_slice(&hash.as_bytes()[..8]);
        (u64::from_le_bytes(low) % SETS) * SET as u64
    }
}

fn checksum(slot: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(LABEL).update(&slot[..SUM]);
    let mut sum = [0; 16];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    sum
}

fn is_whole(slot: &[u8]) -> bool {
    slot[SUM..] == checksum(slot)
}

fn encode(key: Key, seconds: u32, what: &Remembered) -> [u8; SLOT] {
    let Remembered { digest, traits, layout } = what;
    let mut slot = [0; SLOT];
    slot[..40].copy_from_slice(&key.0);
    slot[40..72].copy_from_slice(digest.as_bytes());
    slot[72..76].copy_from_slice(&traits.to_le_bytes());
    slot[76..84].copy_from_slice(&layout.to_le_bytes());
    slot[84..88].copy_from_slice(&seconds.to_le_bytes());
    let sum = checksum(&slot);
    slot[SUM..].copy_from_slice(&sum);
    slot
}

/// The bytes from this position on; the ranges are the table's own.
fn array<const N: usize>(slot: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&slot[at..at + N]);
    array
}

fn decode(slot: &[u8]) -> Remembered {
    Remembered {
        digest: BlobDigest::from_bytes(array(slot, 40)),
        traits: u32::from_le_bytes(array(slot, 72)),
        layout: u64::from_le_bytes(array(slot, 76)),
    }
}

fn written(slot: &[u8]) -> u32 {
    u32::from_le_bytes(array(slot, 84))
}

impl Identity {
    pub(super) fn new(store: Layout) -> Self {
        Self { store, reader: OnceLock::new(), writer: OnceLock::new() }
    }

    /// What is remembered of the file with this `stat`.
    #[must_use]
    pub fn get(&self, stat: &Stat) -> Option<Remembered> {
        let key = Key::new(stat)?;
        let set = self.set(key)?;
        let slot = set.chunks_exact(SLOT).find(|slot| slot[..40] == key.0 && is_whole(slot))?;
        Some(decode(slot))
    }

    /// Remembers a file whose bytes were read at `read_at` (nanoseconds since the epoch; the time
    /// *before* the first byte was read) and whose `stat` was the same before and after. A file that
    /// changed so shortly before that it could change again unseen is not remembered. Returns whether
    /// it is.
    pub fn put(&self, stat: &Stat, read_at: i128, what: &Remembered) -> bool {
        let Some(key) = Key::new(stat).filter(|_| stat.is_settled(read_at)) else { return false };
        let Some(file) = self.writer() else { return false };
        let set = self.set(key).unwrap_or([0; SET]);
        let way = choose(&set, key);
        let seconds = u32::try_from(read_at / 1_000_000_000).unwrap_or(0);
        let position = key.position() + (way * SLOT) as u64;
        file.write_all_at(&encode(key, seconds, what), position).is_ok()
    }

    /// The set of a file; what lies beyond the end of the table is empty.
    fn set(&self, key: Key) -> Option<[u8; SET]> {
        let file = match self.writer.get() {
            Some(writer) => writer.as_ref(),
            None => self.reader.get_or_init(|| File::open(self.store.identity()).ok()).as_ref(),
        }?;
        let mut set = [0; SET];
        let mut filled = 0;
        while filled < SET {
            match file.read_at(&mut set[filled..], key.position() + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(set)
    }

    fn writer(&self) -> Option<&File> {
        if self.store.read_only {
            return None;
        }
        let path = self.store.identity();
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let open_or_create = || match open() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.store.create().ok()?;
                open().ok()
            }
            other => other.ok(),
        };
        self.writer.get_or_init(open_or_create).as_ref()
    }
}

/// The slot to write: the file's own, else one that is empty or damaged, else the oldest.
fn choose(set: &[u8; SET], key: Key) -> usize {
    let rank = |slot: &[u8]| match is_whole(slot) {
        true if slot[..16] == *key.file() => (0, 0),
        false => (1, 0),
        true => (2, written(slot)),
    };
    let slots = set.chunks_exact(SLOT).enumerate();
    slots.min_by_key(|(_, slot)| rank(slot)).map_or(0, |(way, _)| way)
}

/// The slots that are whole, and those that are damaged.
pub(super) fn verify(path: &Path) -> Result<(u64, u64), StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(e) => return Err(StoreError::io("open", path)(e)),
    };
    let (mut whole, mut damaged) = (0, 0);
    let mut chunk = vec![0; SET * 1024];
    let mut position = 0;
    loop {
        let n = file.read_at(&mut chunk, position).map_err(StoreError::io("read", path))?;
        let n = if n < SLOT { n } else { n - n % SLOT };
        if n == 0 {
            return Ok((whole, damaged));
        }
        position += n as u64;
        for slot in chunk[..n].chunks(SLOT).filter(|slot| slot.iter().any(|b| *b != 0)) {
            *(if slot.len() == SLOT && is_whole(slot) { &mut whole } else { &mut damaged }) += 1;
        }
    }
}
