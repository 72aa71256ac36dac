//! Remembered digests of files: who has hashed a file once need not read it again while its `stat`
//! is the same.
//!
//! One table of fixed size, in sets of four slots; a file's device and inode choose the set, so a
//! changed file takes the slot of what it was. The table is mapped once, after which a lookup is no system
//! call. There are no locks: a reader copies a slot before it looks at it, and each slot carries a checksum,
//! so that one that was cut off, or written by two at once, is as good as empty. Writers use `pwrite`, so
//! that a full disk is an error and no signal. Only a table that has its whole length on disk is mapped
//! (a hole of a full tmpfs is a signal when it is read); any other is read by `pread`, and made longer by
//! the next writer. Nobody makes it shorter: whoever truncates it by hand under a running process ends that
//! process.
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
//! | 112..128 | checksum over the rest: two sums of 64 bits, each a chain of multiplications folded to 64 bits; a slot that is damaged by chance passes once in 2^64 or less. It guards against accidents, not against whoever may write the table |

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::StoreError;
use super::layout::Layout;
use crate::recipe::digest::BlobDigest;
use crate::world::Stat;

const SLOT: usize = 128;
const WAYS: usize = 4;
const SET: usize = SLOT * WAYS;
/// With four slots each: 131,072 files, 16 MiB.
const SETS: u64 = 1 << 15;
/// As many sets as Linux brings in at a time: 64 KiB.
const NEIGHBOURS: u64 = 128;
const SUM: usize = 112;
const FULL: u64 = SETS * SET as u64;
/// What the checksums start from; another layout of slots has others.
const LABEL: [u64; 2] = [0x6261_6b65_7061_6e31, 0x6964_656e_7469_7431];

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
    reader: OnceLock<Reader>,
    writer: OnceLock<Option<File>>,
    /// Damaged slots that were written anew, and not counted yet.
    mended: AtomicU64,
}

/// How the table is read.
#[derive(Debug)]
enum Reader {
    Mapped(Map),
    Opened(File),
}

/// The table, mapped to be read.
#[derive(Debug)]
struct Map(NonNull<u64>);

// SAFETY: what is mapped is only read, by copies.
#[allow(unsafe_code, reason = "a pointer to shared memory that is only read")]
unsafe impl Send for Map {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "a pointer to shared memory that is only read")]
unsafe impl Sync for Map {}

impl Map {
    /// Maps a table that has its full length; anything else is none.
    #[allow(unsafe_code, reason = "mapping is a system call")]
    fn new(file: &File) -> Option<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let whole = |m: &std::fs::Metadata| m.len() >= FULL && m.blocks() * 512 >= FULL;
        let length = usize::try_from(FULL).ok().filter(|_| file.metadata().is_ok_and(|m| whole(&m)))?;
        // SAFETY: a new mapping, at a place that the kernel chooses.
        let at = unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::SHARED, file, 0) };
        at.ok().and_then(|at| NonNull::new(at.cast())).map(Self)
    }

    /// A copy of the set that begins at this position.
    #[allow(unsafe_code, reason = "reading shared memory")]
    fn set(&self, position: u64) -> [u8; SET] {
        let first = usize::try_from(position / 8).unwrap_or(0);
        let mut set = [0; SET];
        for (index, word) in set.chunks_exact_mut(8).enumerate() {
            // SAFETY: positions lie inside of the table, whose whole length is mapped; another process may
            // write at any time, so each word is read once and nothing is assumed of it.
            let value = unsafe { self.0.add(first + index).read_volatile() };
            word.copy_from_slice(&value.to_ne_bytes());
        }
        set
    }
}

impl Drop for Map {
    #[allow(unsafe_code, reason = "unmapping is a system call")]
    fn drop(&mut self) {
        let length = usize::try_from(FULL).unwrap_or(0);
        // SAFETY: it was mapped with this length, and nobody has a reference into it.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), length) };
    }
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

    /// Where the set of this file begins: files of one directory, whose inodes are often neighbours, are
    /// neighbours in the table, so that they come into the process together.
    fn position(&self) -> u64 {
        let inode = u64::from_le_bytes(array(&self.0, 8));
        let mut neighbourhood = self.0;
        neighbourhood[8..16].copy_from_slice(&(inode / NEIGHBOURS).to_le_bytes());
        let [mixed, _] = sums(&neighbourhood[..16]);
        (mixed % (SETS / NEIGHBOURS) * NEIGHBOURS + inode % NEIGHBOURS) * SET as u64
    }
}

/// Two sums over words.
fn sums(bytes: &[u8]) -> [u64; 2] {
    let mut sums = LABEL;
    for word in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(array(word, 0));
        sums[0] = fold(sums[0] ^ word, 0x9e37_79b9_7f4a_7c15);
        sums[1] = fold(sums[1].rotate_left(23) ^ word, 0xd6e8_feb8_6659_fd93);
    }
    [fold(sums[0], sums[1] | 1), fold(sums[1], LABEL[0])]
}

/// Both halves of a product, as one.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one ^ other.rotate_right(17)) * u128::from(other);
    let bytes = product.to_le_bytes();
    u64::from_le_bytes(array(&bytes, 0)) ^ u64::from_le_bytes(array(&bytes, 8))
}

fn checksum(slot: &[u8]) -> [u8; 16] {
    let [first, second] = sums(&slot[..SUM]);
    let mut sum = [0; 16];
    sum[..8].copy_from_slice(&first.to_le_bytes());
    sum[8..].copy_from_slice(&second.to_le_bytes());
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
        Self { store, reader: OnceLock::new(), writer: OnceLock::new(), mended: AtomicU64::new(0) }
    }

    /// What is remembered of the file with this `stat`.
    #[must_use]
    pub fn get(&self, stat: &Stat) -> Option<Remembered> {
        let key = Key::new(stat)?;
        let set = match self.reader()? {
            Reader::Mapped(map) => map.set(key.position()),
            Reader::Opened(file) => read_set(file, key.position())?,
        };
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
        let set = read_set(file, key.position()).unwrap_or([0; SET]);
        let way = choose(&set, key);
        let seconds = u32::try_from(read_at / 1_000_000_000).unwrap_or(0);
        let position = key.position() + (way * SLOT) as u64;
        let slot = &set[way * SLOT..(way + 1) * SLOT];
        if !is_whole(slot) && slot.iter().any(|byte| *byte != 0) {
            self.mended.fetch_add(1, Ordering::Relaxed);
        }
        file.write_all_at(&encode(key, seconds, what), position).is_ok()
    }

    /// How many damaged slots were written anew since this was last asked.
    pub(super) fn take_mended(&self) -> u64 {
        self.mended.swap(0, Ordering::Relaxed)
    }

    fn reader(&self) -> Option<&Reader> {
        if let Some(reader) = self.reader.get() {
            return Some(reader);
        }
        let file = File::open(self.store.identity()).ok()?;
        let reader = Map::new(&file).map_or_else(|| Reader::Opened(file), Reader::Mapped);
        Some(self.reader.get_or_init(|| reader))
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
        let whole = || {
            let file = open_or_create()?;
            if file.metadata().ok()?.len() < FULL {
                use rustix::fs::{FallocateFlags, fallocate, ftruncate};
                fallocate(&file, FallocateFlags::empty(), 0, FULL)
                    .or_else(|_| ftruncate(&file, FULL))
                    .ok()?;
            }
            Some(file)
        };
        self.writer.get_or_init(whole).as_ref()
    }
}

/// The set at a position, as the file has it.
fn read_set(file: &File, position: u64) -> Option<[u8; SET]> {
    let mut set = [0; SET];
    file.read_exact_at(&mut set, position).ok()?;
    Some(set)
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
