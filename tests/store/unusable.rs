//! Stores that cannot be used: an error that says why, and never more than that.

use std::fs;
use std::path::Path;

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::store::{Event, Placement, RecordKind, Store, StoreError};

use super::{files, name, open, options, roles, temporary};

#[test]
fn a_file_is_no_store() {
    let dir = temporary();
    let file = dir.path().join("store");
    fs::write(&file, "a file").unwrap();
    let error = Store::open(options(&file)).unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert!(error.to_string().contains("Not a directory"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"a file");
}

#[test]
fn a_newer_version_is_left_alone() {
    let dir = temporary();
    open(dir.path()).put_blob(b"x").unwrap();
    for marker in ["2\n", "17", "1.5", "brioche"] {
        fs::write(dir.path().join("VERSION"), marker).unwrap();
        let error = Store::open(options(dir.path())).unwrap_err();
        assert!(matches!(&error, StoreError::Version { found, .. } if found == marker.trim()), "{error}");
    }
    for ours in ["1\n", "1", ""] {
        fs::write(dir.path().join("VERSION"), ours).unwrap();
        assert!(open(dir.path()).read_blob(&BlobDigest::of(b"x")).unwrap().is_some());
    }
    fs::write(dir.path().join("VERSION"), "").unwrap();
    fs::create_dir_all(dir.path().join("v2/blobs")).unwrap();
    fs::write(dir.path().join("v2/blobs/theirs"), "x").unwrap();
    let store = open(dir.path());
    store.clear().unwrap();
    assert!(dir.path().join("v2/blobs/theirs").exists());
}

/// Every operation on a store that cannot be written.
fn refuses_writes(store: &Store) {
    let errors = [
        store.put_blob(b"new").err(),
        store.save(RecordKind::Result, &name("new"), b"value").err(),
        store.lock(&name("new")).err(),
        store.try_lock(&name("new")).err(),
        store.gc().err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(StoreError::Io { .. })), "{error:?}");
    }
    store.record(&Event::Miss);
    store.touch(RecordKind::Result, &name("new"));
    assert_eq!(store.load(RecordKind::Result, &name("new")).unwrap(), None);
}

/// No user, root neither, makes directories there.
#[test]
fn a_place_where_nothing_can_be_made() {
    let store = Store::open(options(Path::new("/proc/self/brioche"))).unwrap();
    refuses_writes(&store);
}

#[test]
fn a_read_only_file_system_still_gives_hits() {
    roles::run_mounting("read-only-mount", temporary().path());
}

pub(super) fn on_read_only_mount(dir: &Path) {
    let (mount, out) = (dir.join("mount"), dir.join("out"));
    fs::create_dir(&mount).unwrap();
    roles::mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"], &mount);
    let digest = open(&mount.join("store")).put_blob(b"bytes").unwrap();
    roles::mount(&["-o", "remount,bind,ro"], &mount);
    let store = open(&mount.join("store"));
    refuses_writes(&store);
    assert_eq!(store.read_blob(&digest).unwrap().as_deref(), Some(&b"bytes"[..]));
    store.stage(&digest, &out, false, Placement::Replace).unwrap().unwrap().commit().unwrap();
    assert_eq!(fs::read(&out).unwrap(), b"bytes");
    refuses_writes(&open(&mount.join("none")));
}

#[test]
fn a_full_disk_costs_what_is_new_and_nothing_else() {
    roles::run_mounting("full-disk", temporary().path());
}

pub(super) fn on_full_disk(dir: &Path) {
    roles::mount(&["-t", "tmpfs", "-o", "size=512k", "tmpfs"], dir);
    let store = open(&dir.join("store"));
    let mut stored = Vec::new();
    let full = loop {
        let bytes = vec![u8::try_from(stored.len()).unwrap(); 60_000];
        match store.put_blob(&bytes) {
            Ok(digest) => stored.push((digest, bytes)),
            Err(error) => break error,
        }
    };
    assert!(full.is_full() && stored.len() > 3, "{full}, {} stored", stored.len());
    assert!(files(&dir.join("store/v1/tmp")).is_empty());
    let record = store.save(RecordKind::Result, &name("large"), &vec![0; 60_000]).unwrap_err();
    assert!(record.is_full(), "{record}");
    let out = dir.join("out");
    let staged = store.stage(&stored[0].0, &out, false, Placement::Replace).unwrap_err();
    assert!(staged.is_full(), "{staged}");
    assert!(files(dir).iter().all(|f| f.starts_with(dir.join("store"))), "{:?}", files(dir));
    // To the last byte.
    let mut filler = fs::File::create(dir.join("filler")).unwrap();
    while std::io::Write::write(&mut filler, &[0; 512]).is_ok() {}
    store.record(&Event::Miss);
    store.put_blob(b"no room for a directory").unwrap_err();
    for (digest, bytes) in &stored {
        assert!(store.read_blob(digest).unwrap().as_ref() == Some(bytes));
    }
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.checked == stored.len() as u64, "{report:?}");
    drop(filler);
    fs::remove_file(dir.join("filler")).unwrap();
    store.put_blob(b"room again").unwrap();
}
