//! What is stored comes back, from where the layout says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::store::RecordKind;

use super::{files, name, only_file, open, temporary};

#[test]
fn blobs_come_back() {
    let dir = temporary();
    let store = open(dir.path());
    for bytes in [&b""[..], b"x", &[7; 4096], &vec![9; 3 << 20]] {
        let digest = store.put_blob(bytes).unwrap();
        assert_eq!(digest, BlobDigest::of(bytes));
        assert!(store.read_blob(&digest).unwrap().as_deref() == Some(bytes), "{} bytes", bytes.len());
        assert!(open(dir.path()).read_blob(&digest).unwrap().as_deref() == Some(bytes), "a second store");
    }
    assert_eq!(store.read_blob(&BlobDigest::of(b"never stored")).unwrap(), None);
    assert!(files(&dir.path().join("v1/tmp")).is_empty());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn records_come_back_by_kind_and_name() {
    let dir = temporary();
    let store = open(dir.path());
    store.save(RecordKind::Result, &name("a"), b"result of a").unwrap();
    store.save(RecordKind::Manifest, &name("a"), b"manifest of a").unwrap();
    store.save(RecordKind::Result, &name("b"), b"").unwrap();
    let load = |kind, of| store.load(kind, &name(of)).unwrap();
    assert_eq!(load(RecordKind::Result, "a").as_deref(), Some(&b"result of a"[..]));
    assert_eq!(load(RecordKind::Manifest, "a").as_deref(), Some(&b"manifest of a"[..]));
    assert_eq!(load(RecordKind::Result, "b").as_deref(), Some(&b""[..]));
    assert_eq!(load(RecordKind::Manifest, "b"), None);
    store.save(RecordKind::Result, &name("a"), b"another").unwrap();
    assert_eq!(load(RecordKind::Result, "a").as_deref(), Some(&b"another"[..]));
    assert_eq!(store.statistics().unwrap().entries, 1);
}

#[test]
fn nothing_is_made_before_something_is_stored() {
    let dir = temporary();
    let at = dir.path().join("deep/store");
    let store = open(&at);
    assert_eq!(store.load(RecordKind::Result, &name("a")).unwrap(), None);
    assert_eq!(store.statistics().unwrap().hits, 0);
    assert!(store.verify().unwrap().is_clean());
    drop(store);
    assert!(!dir.path().join("deep").exists());
    open(&at).put_blob(b"x").unwrap();
    assert!(at.join("v1/blobs").is_dir());
}

/// A change here is a change of the format: it needs another version, or stores that are in use give
/// wrong answers or none.
#[test]
fn the_format_is_pinned() {
    let dir = temporary();
    let store = open(dir.path());
    store.put_blob(b"hello\n").unwrap();
    let blob = only_file(&dir.path().join("v1/blobs"));
    let hex = BlobDigest::of(b"hello\n").to_hex();
    assert_eq!(blob, dir.path().join(format!("v1/blobs/{}/{hex}", &hex[..2])));
    assert_eq!(fs::read(&blob).unwrap(), b"hello\n");

    store.save(RecordKind::Result, &name("a"), b"value").unwrap();
    let record = only_file(&dir.path().join("v1/results"));
    let hex = name("a").to_hex();
    assert_eq!(record, dir.path().join(format!("v1/results/{}/{hex}", &hex[..2])));
    insta::assert_snapshot!(BlobDigest::of(&fs::read(&record).unwrap()), @"fc20a6faca0081f126af72bab392028953e560a5fc7dbe2e2e1f42ef9d98b2f9");
    assert_eq!(fs::read_to_string(dir.path().join("VERSION")).unwrap(), "1\n");
    assert!(
        fs::read_to_string(dir.path().join("CACHEDIR.TAG"))
            .unwrap()
            .starts_with("Signature: 8a477f597d28d172789f06886806bc55")
    );
}

#[test]
fn the_same_bytes_are_stored_once_and_count_as_used() {
    let dir = temporary();
    let store = open(dir.path());
    store.put_blob(b"same").unwrap();
    let path = only_file(&dir.path().join("v1/blobs"));
    let before = fs::metadata(&path).unwrap();
    super::limits::age(&path, 1000);
    let aged = fs::metadata(&path).unwrap();
    assert!(aged.mtime() < before.mtime());
    store.put_blob(b"same").unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.ino(), before.ino());
    assert!(after.mtime() >= before.mtime());
}

#[test]
fn a_blob_that_was_cut_off_is_stored_anew() {
    let dir = temporary();
    let store = open(dir.path());
    let digest = store.put_blob(b"whole").unwrap();
    let path = only_file(&dir.path().join("v1/blobs"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, b"").unwrap();
    store.put_blob(b"whole").unwrap();
    assert_eq!(store.read_blob(&digest).unwrap().as_deref(), Some(&b"whole"[..]));
    assert_eq!(store.statistics().unwrap().corrupt, 0);
}

#[test]
fn clear_leaves_counts_and_no_entries() {
    let dir = temporary();
    let store = open(dir.path());
    let digest = store.put_blob(b"x").unwrap();
    store.save(RecordKind::Result, &name("a"), b"value").unwrap();
    store.record(&bakeplan::store::Event::Miss);
    let held = store.lock(&name("held")).unwrap();
    store.clear().unwrap();
    assert_eq!(store.read_blob(&digest).unwrap(), None);
    assert_eq!(store.load(RecordKind::Result, &name("a")).unwrap(), None);
    let figures = store.statistics().unwrap();
    assert_eq!((figures.misses, figures.bytes, figures.entries), (1, 0, 0));
    assert!(open(dir.path()).try_lock(&name("held")).unwrap().is_none(), "still held");
    drop(held);
    store.put_blob(b"x").unwrap();
    assert!(store.read_blob(&digest).unwrap().is_some());
}
