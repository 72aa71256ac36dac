//! The limit: what goes, what stays, who trims.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::store::{Event, RecordKind};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::{files, name, open, open_limited, open_read_only, temporary};

/// Sets a file's time of use back.
pub(super) fn age(path: &Path, seconds: i64) {
    let meta = fs::metadata(path).unwrap();
    let then = Timespec { tv_sec: meta.mtime() - seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: then, last_modification: then };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let dir = temporary();
    let store = open(dir.path());
    let digests: Vec<_> = (0..20_u8).map(|i| store.put_blob(&[i; 4000]).unwrap()).collect();
    for (i, digest) in (0..).zip(&digests) {
        let hex = digest.to_hex();
        age(&dir.path().join(format!("v1/blobs/{}/{hex}", &hex[..2])), 10_000 - i * 100);
    }
    // The oldest two are used again, each in another way.
    assert!(store.read_blob(&digests[0]).unwrap().is_some());
    store.touch_blob(&digests[1]);
    let limit = 10 * 4096;
    let done = open_limited(dir.path(), limit).gc().unwrap();
    assert_eq!((done.removed, done.freed, done.bytes), (11, 11 * 4096, 9 * 4096));
    let kept: Vec<bool> = digests.iter().map(|d| store.read_blob(d).unwrap().is_some()).collect();
    let expected: Vec<bool> = (0..20).map(|i| !(2..13).contains(&i)).collect();
    assert_eq!(kept, expected);
    let again = open_limited(dir.path(), limit).gc().unwrap();
    assert_eq!((again.removed, again.bytes), (0, 9 * 4096), "below the limit nothing goes");
}

#[test]
fn using_a_record_keeps_it() {
    let dir = temporary();
    let store = open(dir.path());
    for of in ["loaded", "touched", "left"] {
        store.save(RecordKind::Manifest, &name(of), b"value").unwrap();
    }
    for path in files(&dir.path().join("v1/manifests")) {
        age(&path, 5000);
    }
    assert!(store.load(RecordKind::Manifest, &name("loaded")).unwrap().is_some());
    store.touch(RecordKind::Manifest, &name("touched"));
    let done = open_limited(dir.path(), 2 * 4096 + 1000).gc().unwrap();
    assert_eq!((done.removed, done.entries), (1, 2));
    assert_eq!(store.load(RecordKind::Manifest, &name("left")).unwrap(), None);
}

#[test]
fn writers_keep_the_store_within_its_limit() {
    let dir = temporary();
    let limit = 50 * 4096;
    for i in 0..200_u32 {
        // As wrappers do: one process for each compile.
        let store = open_limited(dir.path(), limit);
        store.put_blob(format!("object {i}").as_bytes()).unwrap();
        store.save(RecordKind::Manifest, &name(&i.to_string()), b"value").unwrap();
        store.record(&Event::Miss);
        // A program that another test just started may hold the lock with us for a moment.
        assert!(store.statistics().unwrap().bytes <= limit + limit / 2, "after {i}");
    }
    let figures = open(dir.path()).statistics().unwrap();
    assert!(figures.trims > 10 && figures.entries > 15, "{figures:?}");
    assert_eq!(figures.misses, 200);
}

#[test]
fn a_process_that_only_stores_is_limited_too() {
    let dir = temporary();
    let limit = 64 * 4096;
    let store = open_limited(dir.path(), limit);
    for i in 0..500_u32 {
        store.put_blob(format!("object {i}").as_bytes()).unwrap();
    }
    let figures = store.statistics().unwrap();
    assert!(figures.bytes <= limit + limit / 8, "{figures:?}");
    assert!(figures.trims > 0);
}

#[test]
fn no_limit_is_zero() {
    let dir = temporary();
    let store = open_limited(dir.path(), 0);
    for i in 0..100_u32 {
        store.save(RecordKind::Manifest, &name(&i.to_string()), b"value").unwrap();
        store.record(&Event::Miss);
    }
    assert_eq!(store.gc().unwrap().removed, 0);
    assert_eq!(store.statistics().unwrap().entries, 100);
}

#[test]
fn what_killed_processes_leave_is_swept_when_it_is_old() {
    let dir = temporary();
    let store = open(dir.path());
    store.put_blob(b"x").unwrap();
    let (old, new) = (dir.path().join("v1/tmp/old"), dir.path().join("v1/tmp/new"));
    fs::write(&old, "x").unwrap();
    fs::write(&new, "x").unwrap();
    age(&old, 4000);
    let abandoned = dir.path().join("v1/locks").join(name("abandoned").to_hex());
    fs::write(&abandoned, "").unwrap();
    let held = store.lock(&name("held")).unwrap();
    assert_eq!(store.gc().unwrap().stale, 1);
    assert!(!old.exists() && new.exists() && !abandoned.exists());
    assert!(open(dir.path()).try_lock(&name("held")).unwrap().is_none());
    drop(held);
    assert!(files(&dir.path().join("v1/locks")).is_empty());
}

/// A later program may have kinds of records that this one does not know.
#[test]
fn records_of_a_later_program_are_verified_and_trimmed() {
    let dir = temporary();
    let store = open(dir.path());
    store.put_blob(b"x").unwrap();
    let hex = name("a").to_hex();
    let shard = dir.path().join("v1/futures").join(&hex[..2]);
    fs::create_dir_all(&shard).unwrap();
    let sum = BlobDigest::of(&[&b"futures\0"[..], name("a").as_bytes(), b"value"].concat());
    let path = shard.join(&hex);
    fs::write(&path, [&b"bakerec1"[..], sum.as_bytes(), b"value"].concat()).unwrap();
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.checked == 2, "{report:?}");
    age(&path, 100);
    assert_eq!(open_limited(dir.path(), 4096 + 1000).gc().unwrap().removed, 1);
    assert!(!path.exists());
}

#[test]
fn long_use_below_the_limit_sweeps_too() {
    let dir = temporary();
    let store = open(dir.path());
    store.put_blob(b"x").unwrap();
    let old = dir.path().join("v1/tmp/old");
    fs::write(&old, "x").unwrap();
    age(&old, 4000);
    for _ in 0..10_000 {
        store.record(&Event::Miss);
    }
    assert!(!old.exists());
}

#[test]
fn a_read_only_store_is_not_written_at_all() {
    let dir = temporary();
    let at = dir.path().join("store");
    let writer = open(&at);
    let digest = writer.put_blob(b"bytes").unwrap();
    writer.save(RecordKind::Manifest, &name("a"), b"value").unwrap();
    writer.record(&Event::Miss);
    drop(writer);
    let state = || {
        let of = |path: &Path| {
            let meta = fs::metadata(path).unwrap();
            (path.to_owned(), meta.ino(), meta.mtime_nsec(), meta.ctime_nsec(), fs::read(path).unwrap())
        };
        files(&at).iter().map(|path| of(path)).collect::<Vec<_>>()
    };
    let before = state();
    let store = open_read_only(&at);
    assert!(store.read_blob(&digest).unwrap().is_some());
    assert!(store.load(RecordKind::Manifest, &name("a")).unwrap().is_some());
    let out = dir.path().join("out");
    let staged = store.stage(&digest, &out, false, bakeplan::store::Placement::Replace).unwrap();
    staged.unwrap().commit().unwrap();
    store.touch_blob(&digest);
    store.touch(RecordKind::Manifest, &name("a"));
    store.record(&Event::Miss);
    let (_one, _other) = (store.lock(&name("a")).unwrap(), store.lock(&name("a")).unwrap());
    assert_eq!(store.statistics().unwrap().misses, 1);
    store.verify().unwrap();
    let refused = [
        store.put_blob(b"other").err(),
        store.put_blob(b"bytes").err(),
        store.save(RecordKind::Manifest, &name("a"), b"other").err(),
        store.gc().err(),
        store.clear().err(),
        store.zero_statistics().err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(bakeplan::store::StoreError::ReadOnly { .. })), "{error:?}");
    }
    drop(store);
    assert!(state() == before);
}
