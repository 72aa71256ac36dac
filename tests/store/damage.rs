//! Whatever happens to a stored file, no wrong byte comes out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bakeplan::store::{Placement, RecordKind};

use super::{name, only_file, open, open_read_only, temporary};

/// Overwrites a file of the store, which may be read-only.
pub(super) fn write(path: &Path, bytes: &[u8]) {
    if path.exists() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::write(path, bytes).unwrap();
}

/// Every way to damage these bytes: each byte changed in one bit, cut off anywhere, empty, longer.
pub(super) fn damaged(bytes: &[u8]) -> Vec<Vec<u8>> {
    let flip = |at: usize| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        flipped
    };
    let longer = [bytes, b"x"].concat();
    let cut = (0..bytes.len()).map(|n| bytes[..n].to_vec());
    (0..bytes.len()).map(flip).chain(cut).chain([longer]).collect()
}

#[test]
fn a_damaged_blob_is_absent_removed_and_counted() {
    let dir = temporary();
    let store = open(dir.path());
    let bytes = b"the bytes of an object file";
    let digest = store.put_blob(bytes).unwrap();
    let path = only_file(&dir.path().join("v1/blobs"));
    let variants = damaged(bytes);
    for (i, variant) in variants.iter().enumerate() {
        write(&path, variant);
        if i % 2 == 0 {
            assert_eq!(store.read_blob(&digest).unwrap(), None, "{variant:?}");
        } else {
            let dest = dir.path().join("out.o");
            assert!(store.stage(&digest, &dest, false, Placement::Replace).unwrap().is_none());
            assert!(!dest.exists());
        }
        assert!(!path.exists(), "removed");
    }
    assert_eq!(store.statistics().unwrap().corrupt, variants.len() as u64);
    store.put_blob(bytes).unwrap();
    assert_eq!(store.read_blob(&digest).unwrap().as_deref(), Some(&bytes[..]));
}

#[test]
fn a_damaged_record_is_absent_removed_and_counted() {
    let dir = temporary();
    let store = open(dir.path());
    store.save(RecordKind::Manifest, &name("a"), b"value").unwrap();
    let path = only_file(&dir.path().join("v1/manifests"));
    let sealed = fs::read(&path).unwrap();
    let variants = damaged(&sealed);
    for variant in &variants {
        write(&path, variant);
        assert_eq!(store.load(RecordKind::Manifest, &name("a")).unwrap(), None, "{variant:?}");
        assert!(!path.exists(), "removed");
    }
    assert_eq!(store.statistics().unwrap().corrupt, variants.len() as u64);
    write(&path, &sealed);
    assert_eq!(store.load(RecordKind::Manifest, &name("a")).unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn what_stands_in_another_ones_place_is_not_taken_for_it() {
    let dir = temporary();
    let store = open(dir.path());
    store.save(RecordKind::Result, &name("a"), b"of a").unwrap();
    let result = fs::read(only_file(&dir.path().join("v1/results"))).unwrap();
    store.save(RecordKind::Manifest, &name("a"), b"manifest").unwrap();
    write(&only_file(&dir.path().join("v1/manifests")), &result);
    assert_eq!(store.load(RecordKind::Manifest, &name("a")).unwrap(), None, "another kind");
    store.save(RecordKind::Toolchain, &name("b"), b"of b").unwrap();
    store.save(RecordKind::Toolchain, &name("c"), b"of c").unwrap();
    let hex = |n: &str| name(n).to_hex();
    let path = |n: &str| dir.path().join(format!("v1/toolchains/{}/{}", &hex(n)[..2], hex(n)));
    fs::copy(path("b"), path("c")).unwrap();
    assert_eq!(store.load(RecordKind::Toolchain, &name("c")).unwrap(), None, "another name");
    assert_eq!(store.load(RecordKind::Toolchain, &name("b")).unwrap().as_deref(), Some(&b"of b"[..]));
}

#[test]
fn a_read_only_store_leaves_damage_alone() {
    let dir = temporary();
    let digest = open(dir.path()).put_blob(b"bytes").unwrap();
    let path = only_file(&dir.path().join("v1/blobs"));
    write(&path, b"bites");
    let store = open_read_only(dir.path());
    assert_eq!(store.read_blob(&digest).unwrap(), None);
    assert_eq!(store.verify().unwrap().corrupt, std::slice::from_ref(&path));
    assert!(path.exists());
    assert_eq!(store.statistics().unwrap().corrupt, 0);
}

#[test]
fn verify_finds_each_damage() {
    let dir = temporary();
    let store = open(dir.path());
    for i in 0..20_u8 {
        store.put_blob(&[i; 100]).unwrap();
        store.save(RecordKind::Result, &name(&i.to_string()), &[i; 50]).unwrap();
    }
    let whole = store.verify().unwrap();
    assert_eq!(whole.checked, 40);
    assert!(whole.is_clean());
    let blob = super::files(&dir.path().join("v1/blobs")).remove(3);
    let record = super::files(&dir.path().join("v1/results")).remove(7);
    for path in [&blob, &record] {
        let mut bytes = fs::read(path).unwrap();
        bytes[45] ^= 4;
        write(path, &bytes);
    }
    let foreign = record.with_file_name("README");
    fs::write(&foreign, "hello").unwrap();
    let mut report = store.verify().unwrap();
    report.corrupt.sort();
    assert_eq!(report.corrupt, [blob, record]);
    assert_eq!(report.foreign, std::slice::from_ref(&foreign));
    fs::remove_file(foreign).unwrap();
    let after = store.verify().unwrap();
    assert_eq!(after.checked, 38);
    assert!(after.is_clean(), "what is damaged was removed");
    assert_eq!(store.statistics().unwrap().corrupt, 2);
}
