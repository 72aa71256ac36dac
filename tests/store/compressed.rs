//! Blobs that are compressed: the same bytes come out, or none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::store::{Placement, Store};
use proptest::prelude::*;

use super::damage::{damaged, write};
use super::{files, only_file, open, open_limited, open_read_only, temporary};

/// Bytes that can be compressed, but are not the same all over.
fn text(length: usize) -> Vec<u8> {
    (0_u64..)
        .flat_map(|i| format!("symbol_{:x} ", i.wrapping_mul(0x9e37_79b9)).into_bytes())
        .take(length)
        .collect()
}

/// Bytes that can't.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn compressed(dir: &Path) -> Vec<PathBuf> {
    files(&dir.join("v1/compressed"))
}

/// All ways to get a blob give these bytes.
fn comes_back(store: &Store, digest: &BlobDigest, bytes: &[u8], out: &Path) {
    assert!(store.has_blob(digest));
    assert!(store.read_blob(digest).unwrap().as_deref() == Some(bytes), "{} bytes", bytes.len());
    for how in [Placement::Replace, Placement::InPlace] {
        for executable in [false, true] {
            let _ = fs::remove_file(out);
            store.stage(digest, out, executable, how).unwrap().unwrap().commit().unwrap();
            assert!(fs::read(out).unwrap() == bytes, "{} bytes, {how:?}", bytes.len());
            assert_eq!(fs::metadata(out).unwrap().mode() & 0o111 != 0, executable);
        }
    }
    let mut file = fs::File::create(out).unwrap();
    store.write_blob(digest, &mut file, out).unwrap().expect("whole");
    assert!(fs::read(out).unwrap() == bytes);
}

#[test]
fn what_is_large_and_shrinks_is_compressed_and_comes_back() {
    const WORTH: usize = 16 * 1024;
    for length in
        [0, 1, 100, WORTH - 1, WORTH, WORTH + 1, 65_535, 65_536, 65_537, 131_072, 1 << 20, 5_000_001]
    {
        for (bytes, shrinks) in [(text(length), true), (vec![0; length], true), (noise(length), false)] {
            let dir = temporary();
            let (at, out) = (dir.path().join("store"), dir.path().join("out"));
            let store = open(&at);
            let digest = store.put_blob_smaller(&bytes).unwrap();
            assert_eq!(digest, BlobDigest::of(&bytes));
            let made = compressed(&at);
            assert_eq!(made.len(), usize::from(shrinks && length >= WORTH), "{length} {shrinks}");
            assert_eq!(files(&at.join("v1/blobs")).len(), 1 - made.len(), "in one form alone");
            assert!(made.iter().all(|file| fs::metadata(file).unwrap().len() < length as u64 * 3 / 4));
            comes_back(&store, &digest, &bytes, &out);
            comes_back(&open_read_only(&at), &digest, &bytes, &out);
            assert_eq!(store.put_blob(&bytes).unwrap(), digest);
            assert_eq!(store.put_blob_smaller(&bytes).unwrap(), digest);
            comes_back(&store, &digest, &bytes, &out);
            assert!(store.verify().unwrap().is_clean());
        }
    }
}

#[test]
fn what_is_asked_to_be_plain_is_plain_and_a_file_for_programs() {
    let dir = temporary();
    let store = open(dir.path());
    let (plain, smaller) = (text(100_000), text(100_001));
    let digest = store.put_blob(&plain).unwrap();
    assert!(compressed(dir.path()).is_empty());
    assert!(fs::read(store.blob_file(&digest).unwrap().unwrap()).unwrap() == plain);
    let digest = store.put_blob_smaller(&smaller).unwrap();
    assert_eq!(store.blob_file(&digest).unwrap(), None, "no file has its bytes");
    store.put_blob(&smaller).unwrap();
    assert!(fs::read(store.blob_file(&digest).unwrap().unwrap()).unwrap() == smaller);
}

#[test]
fn a_compressed_file_stored_as_a_blob_is_that_file() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    store.put_blob_smaller(&text(200_000)).unwrap();
    let bytes = fs::read(&compressed(&dir.path().join("store"))[0]).unwrap();
    for digest in [store.put_blob(&bytes).unwrap(), store.put_blob_smaller(&bytes).unwrap()] {
        comes_back(&store, &digest, &bytes, &dir.path().join("out"));
    }
    assert!(store.verify().unwrap().is_clean());
}

/// Takes a file for the blob of some bytes. They come out, or the file is gone.
fn whole_or_gone(store: &Store, digest: &BlobDigest, bytes: &[u8], file: &[u8], dir: &Path) -> bool {
    let path = dir.join("path");
    let path = PathBuf::from(fs::read_to_string(&path).unwrap());
    let dest = dir.join("out");
    write(&path, file);
    let read = store.read_blob(digest).unwrap();
    if let Some(read) = read {
        assert!(read == bytes, "never a wrong byte");
        return true;
    }
    assert!(!path.exists(), "removed");
    write(&path, file);
    assert!(store.stage(digest, &dest, false, Placement::Replace).unwrap().is_none());
    assert!(!path.exists() && !dest.exists());
    write(&path, file);
    assert_eq!(store.verify().unwrap().corrupt, std::slice::from_ref(&path));
    assert!(!path.exists(), "removed");
    false
}

/// A store with one compressed blob, whose path is noted for `whole_or_gone`.
fn one(dir: &Path, bytes: &[u8]) -> (Store, BlobDigest, Vec<u8>) {
    let at = dir.join("store");
    let store = open(&at);
    let digest = store.put_blob_smaller(bytes).unwrap();
    let path = only_file(&at.join("v1/compressed"));
    let file = fs::read(&path).unwrap();
    fs::write(dir.join("path"), path.to_str().unwrap()).unwrap();
    (store, digest, file)
}

#[test]
fn damage_is_a_miss_wherever_it_is() {
    let dir = temporary();
    let bytes = b"the same sixteen".repeat(1024);
    let (store, digest, file) = one(dir.path(), &bytes);
    assert!(file.len() < 200, "small enough for all its bytes: {}", file.len());
    let mut whole = Vec::new();
    for variant in damaged(&file) {
        if whole_or_gone(&store, &digest, &bytes, &variant, dir.path()) {
            whole.push(variant);
        }
    }
    // The format has bits that mean nothing.
    assert!(
        whole.iter().all(|variant| variant.len() == file.len() && variant[..28] == file[..28]),
        "{whole:?}"
    );
    assert!(whole.len() <= 1, "{whole:?}");
    store.put_blob_smaller(&bytes).unwrap();
    comes_back(&store, &digest, &bytes, &dir.path().join("out"));
}

#[test]
fn a_bomb_makes_no_more_than_it_says() {
    let dir = temporary();
    let said = vec![7; 20_000];
    let (store, digest, mut file) = one(dir.path(), &said);
    let bomb = zstd::bulk::compress(&vec![7; 300 << 20], 1).unwrap();
    let header = |length: u64, frame: u64| {
        [b"bakezst1".as_slice(), &length.to_le_bytes(), &frame.to_le_bytes()].concat()
    };
    let with = |length: u64, frame: &[u8]| [header(length, frame.len() as u64).as_slice(), frame].concat();
    assert!(!whole_or_gone(&store, &digest, &said, &with(20_000, &bomb), dir.path()));
    assert!(!whole_or_gone(&store, &digest, &said, &with(u64::MAX, &bomb), dir.path()));
    assert!(!whole_or_gone(&store, &digest, &said, &with((1 << 30) + 1, &bomb), dir.path()));
    // A frame that asks for two gigabytes of memory.
    let mut wide = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3];
    wide.extend_from_slice(&[0x01, 0, 0]);
    assert!(!whole_or_gone(&store, &digest, &said, &with(20_000, &wide), dir.path()));
    // Two frames, where the first alone would do; and a whole one with an empty one behind it.
    let frame = file.split_off(24);
    let empty = zstd::bulk::compress(&[], 1).unwrap();
    assert!(!whole_or_gone(
        &store,
        &digest,
        &said,
        &with(20_000, &[&frame[..], &frame].concat()),
        dir.path()
    ));
    assert!(!whole_or_gone(
        &store,
        &digest,
        &said,
        &with(20_000, &[&frame[..], &empty].concat()),
        dir.path()
    ));
    assert!(!whole_or_gone(
        &store,
        &digest,
        &said,
        &with(20_000, &[&empty[..], &frame].concat()),
        dir.path()
    ));
    assert!(whole_or_gone(&store, &digest, &said, &with(20_000, &frame), dir.path()));
}

#[test]
fn a_crash_that_left_another_size_is_mended_by_the_next_put() {
    let dir = temporary();
    let bytes = text(300_000);
    let (store, digest, file) = one(dir.path(), &bytes);
    let path = PathBuf::from(fs::read_to_string(dir.path().join("path")).unwrap());
    for length in [0, 10, 24, file.len() / 2, file.len() - 1] {
        write(&path, &file[..length]);
        store.put_blob_smaller(&bytes).unwrap();
        assert!(fs::read(&path).unwrap() == file, "cut to {length}");
    }
    write(&path, b"");
    store.put_blob(&bytes).unwrap();
    comes_back(&store, &digest, &bytes, &dir.path().join("out"));
}

#[test]
fn a_compressed_blob_counts_for_what_its_file_takes() {
    let dir = temporary();
    let store = open_limited(dir.path(), 400_000);
    for i in 0..20_u8 {
        store.put_blob_smaller(&[&[i], text(100_000).as_slice()].concat()).unwrap();
    }
    let files = compressed(dir.path());
    let charge: u64 = files.iter().map(|file| (fs::metadata(file).unwrap().len() / 4096 + 1) * 4096).sum();
    assert_eq!(store.statistics().unwrap().bytes, charge);
    assert!(files.len() > 4, "more than there is room for when plain: {}", files.len());
    assert!(charge <= 400_000, "{charge}");
    let tight = open_limited(dir.path(), charge / 2);
    let collected = tight.gc().unwrap();
    assert!(collected.removed > 0 && collected.bytes <= charge / 2, "{collected:?}");
    let report = store.verify().unwrap();
    assert!(report.is_clean());
    assert_eq!(report.checked, compressed(dir.path()).len() as u64);
    store.clear().unwrap();
    assert!(compressed(dir.path()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in the file of a compressed blob: the blob's bytes come out, or the file goes.
    #[test]
    fn no_file_gives_wrong_bytes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        behind in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let dir = temporary();
        let bytes = text(150_000);
        let (store, digest, file) = one(dir.path(), &bytes);
        let mut other = file.clone();
        for (at, byte) in changes {
            other[at.index(file.len())] = byte;
        }
        if let Some(cut) = cut {
            other.truncate(cut.index(file.len()));
        }
        other.extend(behind);
        whole_or_gone(&store, &digest, &bytes, &other, dir.path());
    }

    /// Any frame at all under a header that fits it.
    #[test]
    fn no_frame_gives_wrong_bytes(frame in prop::collection::vec(any::<u8>(), 0..300), length in 0_u64..100_000) {
        let dir = temporary();
        let bytes = vec![1; 20_000];
        let (store, digest, _) = one(dir.path(), &bytes);
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        let frame = [&magic[..], &frame].concat();
        let size = frame.len() as u64;
        let file = [b"bakezst1".as_slice(), &length.to_le_bytes(), &size.to_le_bytes(), &frame].concat();
        whole_or_gone(&store, &digest, &bytes, &file, dir.path());
    }

    #[test]
    fn any_bytes_come_back(seed in prop::collection::vec(any::<u8>(), 1..200), times in 1_usize..1500) {
        let dir = temporary();
        let store = open(&dir.path().join("store"));
        let bytes = seed.repeat(times);
        let digest = store.put_blob_smaller(&bytes).unwrap();
        comes_back(&store, &digest, &bytes, &dir.path().join("out"));
    }
}

#[test]
fn the_format_is_pinned() {
    let dir = temporary();
    let store = open(dir.path());
    let digest = store.put_blob_smaller(&vec![0; 20_000]).unwrap();
    let path = only_file(&dir.path().join("v1/compressed"));
    assert_eq!(path, dir.path().join(format!("v1/compressed/{}/{}", &digest.to_hex()[..2], digest.to_hex())));
    let file = fs::read(&path).unwrap();
    let frame = u8::try_from(file.len() - 24).unwrap();
    let mut start = b"bakezst1\x20\x4e\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x28\xb5\x2f\xfd".to_vec();
    start[16] = frame;
    assert_eq!(file[..28], start);
    // A frame written by hand: one segment of five bytes, one last raw block.
    let hello = b"bakezst1\x05\0\0\0\0\0\0\0\x0e\0\0\0\0\0\0\0\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello";
    let digest = BlobDigest::of(b"hello");
    let path = dir.path().join(format!("v1/compressed/{}/{}", &digest.to_hex()[..2], digest.to_hex()));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, hello).unwrap();
    assert_eq!(store.read_blob(&digest).unwrap().as_deref(), Some(&b"hello"[..]));
}
