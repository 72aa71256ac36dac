//! The remembered digests of files.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::store::Remembered;
use bakeplan::world::Stat;

use super::{open, open_read_only, temporary};

const NOW: i128 = 1_700_000_000_000_000_000;
const OLD: i128 = NOW - 3_600_000_000_000;

fn stat(inode: u64) -> Stat {
    Stat { device: 42, inode, mode: 0o100_644, links: 1, size: 1234, modified: OLD, changed: OLD }
}

fn what(text: &str) -> Remembered {
    Remembered { digest: BlobDigest::of(text.as_bytes()), traits: 0x8000_0001, layout: u64::MAX - 7 }
}

#[test]
fn a_file_is_remembered_by_every_field() {
    let dir = temporary();
    let store = open(dir.path());
    assert_eq!(store.identity().get(&stat(1)), None);
    assert!(store.identity().put(&stat(1), NOW, &what("a")));
    assert_eq!(store.identity().get(&stat(1)), Some(what("a")));
    assert_eq!(open(dir.path()).identity().get(&stat(1)), Some(what("a")), "another process");
    let others = [
        Stat { device: 43, ..stat(1) },
        Stat { inode: 2, ..stat(1) },
        Stat { size: 1235, ..stat(1) },
        Stat { modified: OLD + 1, ..stat(1) },
        Stat { changed: OLD + 1, ..stat(1) },
        Stat { mode: 0o010_644, ..stat(1) },
    ];
    for other in others {
        assert_eq!(store.identity().get(&other), None, "{other:?}");
    }
    let same = Stat { mode: 0o100_600, links: 2, ..stat(1) };
    assert_eq!(store.identity().get(&same), Some(what("a")), "mode and links are not content");
}

#[test]
fn an_inode_that_is_used_again_replaces_what_it_was() {
    let dir = temporary();
    let store = open(dir.path());
    let reused = Stat { changed: OLD + 5, ..stat(1) };
    assert!(store.identity().put(&stat(1), NOW, &what("old")));
    assert!(store.identity().put(&reused, NOW, &what("new")));
    assert_eq!(store.identity().get(&reused), Some(what("new")));
    assert_eq!(store.identity().get(&stat(1)), None);
    assert_eq!(store.verify().unwrap().identities, 1);
}

#[test]
fn a_file_that_has_just_changed_is_not_remembered() {
    let dir = temporary();
    let store = open(dir.path());
    let edge = NOW - Stat::GRANULARITY;
    for fresh in [
        Stat { modified: edge, ..stat(1) },
        Stat { changed: edge, ..stat(1) },
        Stat { changed: NOW + 1, ..stat(1) },
    ] {
        assert!(!store.identity().put(&fresh, NOW, &what("a")), "{fresh:?}");
        assert_eq!(store.identity().get(&fresh), None);
    }
    let settled = Stat { modified: edge - 1, changed: edge - 1, ..stat(1) };
    assert!(store.identity().put(&settled, NOW, &what("a")));
    assert_eq!(store.identity().get(&settled), Some(what("a")));
}

#[test]
fn a_damaged_slot_is_as_good_as_empty() {
    let dir = temporary();
    let table = dir.path().join("v1/identity");
    assert!(open(dir.path()).identity().put(&stat(1), NOW, &what("a")));
    let whole = fs::read(&table).unwrap();
    let at = whole.iter().position(|b| *b != 0).unwrap();
    assert_eq!(at % 128, 0, "a slot begins with the device");
    let file = fs::File::options().read(true).write(true).open(&table).unwrap();
    for byte in at..at + 128 {
        file.write_all_at(&whole[at..at + 128], at as u64).unwrap();
        file.write_all_at(&[whole[byte] ^ 0x10], byte as u64).unwrap();
        let store = open(dir.path());
        assert_eq!(store.identity().get(&stat(1)), None, "byte {}", byte - at);
        let report = store.verify().unwrap();
        assert_eq!((report.identities, report.damaged_identities), (0, 1));
    }
    for cut in [at + 1, at + 64, at + 127] {
        file.write_all_at(&whole[at..at + 128], at as u64).unwrap();
        file.set_len(cut as u64).unwrap();
        assert_eq!(open(dir.path()).identity().get(&stat(1)), None, "cut off");
    }
    let store = open(dir.path());
    assert!(store.identity().put(&stat(1), NOW, &what("b")), "the slot is used again");
    assert_eq!(store.identity().get(&stat(1)), Some(what("b")));
    assert!(store.verify().unwrap().is_clean());
}

/// Half of one write and half of another, as two processes may leave it.
#[test]
fn a_torn_slot_is_ignored() {
    let dir = temporary();
    let table = dir.path().join("v1/identity");
    let store = open(dir.path());
    let put = |text: &str| {
        assert!(store.identity().put(&stat(1), NOW, &what(text)));
        fs::read(&table).unwrap()
    };
    let (first, second) = (put("first"), put("second"));
    let at = first.iter().position(|b| *b != 0).unwrap();
    let file = fs::File::options().write(true).open(&table).unwrap();
    for split in (at + 41..at + 128).filter(|split| first[at..*split] != second[at..*split]) {
        let torn = [&first[at..split], &second[split..at + 128]].concat();
        if torn == first[at..at + 128] || torn == second[at..at + 128] {
            continue;
        }
        file.write_all_at(&torn, at as u64).unwrap();
        assert_eq!(store.identity().get(&stat(1)), None, "torn at {}", split - at);
    }
}

#[test]
fn many_files_fit_and_a_full_set_forgets_its_oldest() {
    let dir = temporary();
    let store = open(dir.path());
    let total = 20_000;
    for inode in 0..total {
        assert!(store.identity().put(&stat(inode), NOW, &what("a")));
    }
    let kept = (0..total).filter(|i| store.identity().get(&stat(*i)).is_some()).count();
    assert!(kept > 19_900, "{kept} of {total}");
    let size = fs::metadata(dir.path().join("v1/identity")).unwrap();
    assert!(size.len() <= 16 << 20);
    assert!(size.blocks() * 512 <= 17 << 20);
}

#[test]
fn read_only_remembers_nothing_new() {
    let dir = temporary();
    assert!(open(dir.path()).identity().put(&stat(1), NOW, &what("a")));
    let before = fs::read(dir.path().join("v1/identity")).unwrap();
    let store = open_read_only(dir.path());
    assert_eq!(store.identity().get(&stat(1)), Some(what("a")));
    assert!(!store.identity().put(&stat(2), NOW, &what("b")));
    assert_eq!(store.identity().get(&stat(2)), None);
    assert!(fs::read(dir.path().join("v1/identity")).unwrap() == before);
    let empty = temporary();
    assert!(!open_read_only(&empty.path().join("none")).identity().put(&stat(1), NOW, &what("a")));
    assert!(!empty.path().join("none").exists());
}

#[test]
fn the_format_is_pinned() {
    let dir = temporary();
    assert!(open(dir.path()).identity().put(&stat(1), NOW, &what("a")));
    let table = fs::read(dir.path().join("v1/identity")).unwrap();
    let at = table.iter().position(|b| *b != 0).unwrap();
    insta::assert_snapshot!(format!("{at} {}", BlobDigest::of(&table[at..at + 128])), @"6160896 132ad1589e9c54e85aef9645dd601b365f2bbdd6dc96180a663b85f3a80042e1");
}

#[test]
fn a_damaged_slot_that_is_written_anew_is_counted() {
    let dir = temporary();
    let table = dir.path().join("v1/identity");
    assert!(open(dir.path()).identity().put(&stat(1), NOW, &what("a")));
    assert_eq!(open(dir.path()).statistics().unwrap().corrupt, 0);
    let at = fs::read(&table).unwrap().iter().position(|b| *b != 0).unwrap();
    let file = fs::File::options().write(true).open(&table).unwrap();
    file.write_all_at(&[0xff], (at + 50) as u64).unwrap();
    let store = open(dir.path());
    assert_eq!(store.identity().get(&stat(1)), None);
    assert!(store.identity().put(&stat(1), NOW, &what("a")));
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.statistics().unwrap().corrupt, 1);
    assert_eq!(store.identity().get(&stat(1)), Some(what("a")));
}

/// A table of garbage, one of another program, an empty one, one that is too long, a directory.
#[test]
fn a_foreign_table_is_ignored_and_used_slot_by_slot() {
    let garbage: Vec<u8> =
        (0..16 << 20).map(|n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let tables = [
        garbage.clone(),
        garbage[..1 << 20].to_vec(),
        [garbage.as_slice(), b"and more"].concat(),
        Vec::new(),
        b"SQLite format 3\0".to_vec(),
    ];
    for table in tables {
        let dir = temporary();
        open(dir.path()).put_blob(b"makes the directory").unwrap();
        fs::write(dir.path().join("v1/identity"), &table).unwrap();
        let store = open(dir.path());
        for inode in 0..500 {
            assert_eq!(store.identity().get(&stat(inode)), None);
            assert!(store.identity().put(&stat(inode), NOW, &what("a")));
            assert_eq!(store.identity().get(&stat(inode)), Some(what("a")));
        }
    }
    let dir = temporary();
    open(dir.path()).put_blob(b"makes the directory").unwrap();
    fs::create_dir(dir.path().join("v1/identity")).unwrap();
    let store = open(dir.path());
    assert!(!store.identity().put(&stat(1), NOW, &what("a")));
    assert_eq!(store.identity().get(&stat(1)), None);
}

/// Files that change under a clock of ours, while four threads hash and ask. Each knows what a file's bytes
/// were at each of its `stat`s; nobody may ever be told others. Two changes within one tick of the clock
/// leave the same `stat`, as they do on a file system with coarse times.
#[test]
fn no_thread_is_ever_told_other_bytes_under_an_injected_clock() {
    /// How many changes fall into one tick: later ones leave no trace in the times.
    const TICK: i128 = 4_000_000;
    const FILES: u64 = 64;
    let dir = temporary();
    let store = open(dir.path());
    let clock = AtomicI64::new(i64::try_from(NOW).unwrap());
    // What each file holds: the moment of its last change, and how often it changed.
    let files: Vec<Mutex<(i128, u64)>> = (0..FILES).map(|_| Mutex::new((OLD, 0))).collect();
    let now = || i128::from(clock.load(Ordering::SeqCst));
    let stat_of = |inode: u64, changed: i128| {
        let time = changed - changed % TICK;
        // Inodes are used again: half of the files share theirs with another, one after the other.
        Stat {
            device: 7,
            inode: inode / 2,
            mode: 0o100_644,
            links: 1,
            size: 8 + inode % 2,
            modified: time,
            changed: time,
        }
    };
    let digest_of = |inode: u64, version: u64| what(&format!("{inode} {version}"));
    let (hits, kept, early) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = |seed: u64| {
        let mut state = seed;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (choice, inode) = (state >> 60, (state >> 33) % FILES);
            clock.fetch_add(i64::try_from((state >> 20) % 400_000).unwrap(), Ordering::SeqCst);
            let mut file = files[usize::try_from(inode).unwrap()].lock().unwrap();
            if choice == 0 {
                *file = (now(), file.1 + 1);
                continue;
            }
            let read_at = now();
            let (stat, truth) = (stat_of(inode, file.0), digest_of(inode, file.1));
            match store.identity().get(&stat) {
                Some(told) => {
                    assert_eq!(told, truth, "file {inode}, version {}", file.1);
                    hits.fetch_add(1, Ordering::Relaxed);
                }
                None if store.identity().put(&stat, read_at, &truth) => {
                    kept.fetch_add(1, Ordering::Relaxed);
                }
                None => {
                    early.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            let work = &work;
            scope.spawn(move || work(seed));
        }
    });
    let [hits, kept, early] = [hits, kept, early].map(AtomicU64::into_inner);
    println!("{hits} hits, {kept} remembered, {early} too fresh");
    assert!(hits > 1000 && kept > 1000 && early > 1000, "{hits} hits, {kept} remembered, {early} too fresh");
}
