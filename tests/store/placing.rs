//! Outputs in their places: whose inode, which mode, what is left of the old file.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::store::{Placement, Store, StoreError};

use super::{files, only_file, open, roles, temporary};

fn place(store: &Store, digest: &BlobDigest, dest: &Path, how: Placement) {
    store.stage(digest, dest, false, how).unwrap().expect("a blob that is there").commit().unwrap();
}

#[test]
fn nothing_is_seen_before_commit_and_a_drop_leaves_nothing() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    let digest = store.put_blob(b"new").unwrap();
    let build = dir.path().join("build");
    fs::create_dir(&build).unwrap();
    for how in [Placement::Replace, Placement::InPlace] {
        let dest = build.join("a.o");
        fs::write(&dest, "old").unwrap();
        let staged = store.stage(&digest, &dest, false, how).unwrap().unwrap();
        assert_eq!(staged.destination(), dest);
        assert_eq!(fs::read(&dest).unwrap(), b"old");
        drop(staged);
        assert_eq!(fs::read(&dest).unwrap(), b"old");
        assert_eq!(files(&build), std::slice::from_ref(&dest));
        place(&store, &digest, &dest, how);
        assert_eq!(fs::read(&dest).unwrap(), b"new");
        assert_eq!(files(&build), std::slice::from_ref(&dest));
        fs::remove_file(&dest).unwrap();
        place(&store, &digest, &dest, how);
        assert_eq!(fs::read(&dest).unwrap(), b"new", "where there was nothing");
        assert_eq!(fs::metadata(&dest).unwrap().len(), 3);
    }
}

#[test]
fn changing_what_was_placed_does_not_change_the_store() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    for bytes in [vec![1; 100], vec![2; 300_000]] {
        let digest = store.put_blob(&bytes).unwrap();
        for how in [Placement::Replace, Placement::InPlace] {
            let dest = dir.path().join("a.o");
            place(&store, &digest, &dest, how);
            let meta = fs::metadata(&dest).unwrap();
            assert_eq!(meta.nlink(), 1);
            let stored = files(&dir.path().join("store/v1/blobs"));
            assert!(stored.iter().all(|s| fs::metadata(s).unwrap().ino() != meta.ino()));
            let mut file = fs::OpenOptions::new().append(true).open(&dest).unwrap();
            std::io::Write::write_all(&mut file, b"changed").unwrap();
            fs::write(&dest, "changed in place").unwrap();
            assert!(store.read_blob(&digest).unwrap().as_ref() == Some(&bytes));
        }
    }
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn replacing_leaves_other_links_and_modes_behind() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    let digest = store.put_blob(b"new").unwrap();
    let (dest, link) = (dir.path().join("a.o"), dir.path().join("link.o"));
    fs::write(&dest, "old").unwrap();
    fs::hard_link(&dest, &link).unwrap();
    fs::set_permissions(&dest, fs::Permissions::from_mode(0o400)).unwrap();
    place(&store, &digest, &dest, Placement::Replace);
    assert_eq!(fs::read(&link).unwrap(), b"old");
    assert_ne!(fs::metadata(&dest).unwrap().ino(), fs::metadata(&link).unwrap().ino());
    assert_ne!(fs::metadata(&dest).unwrap().mode() & 0o777, 0o400);

    let pointer = dir.path().join("pointer.o");
    symlink(&link, &pointer).unwrap();
    place(&store, &digest, &pointer, Placement::Replace);
    assert!(fs::symlink_metadata(&pointer).unwrap().is_file());
    assert_eq!(fs::read(&link).unwrap(), b"old");
}

#[test]
fn writing_in_place_keeps_inode_mode_and_links() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    let digest = store.put_blob(b"new").unwrap();
    let (dest, link, pointer) =
        (dir.path().join("a.d"), dir.path().join("link.d"), dir.path().join("pointer.d"));
    fs::write(&dest, "old and longer").unwrap();
    fs::hard_link(&dest, &link).unwrap();
    symlink(&dest, &pointer).unwrap();
    fs::set_permissions(&dest, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&dest).unwrap();
    place(&store, &digest, &pointer, Placement::InPlace);
    let after = fs::metadata(&dest).unwrap();
    assert_eq!((after.ino(), after.mode(), after.nlink()), (before.ino(), before.mode(), 2));
    assert_eq!(fs::read(&link).unwrap(), b"new");
    assert!(fs::symlink_metadata(&pointer).unwrap().is_symlink());
}

#[test]
fn times_are_fresh() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    let digest = store.put_blob(&vec![5; 100_000]).unwrap();
    super::limits::age(&only_file(&dir.path().join("store/v1/blobs")), 86_400);
    for how in [Placement::Replace, Placement::InPlace] {
        let marker = dir.path().join("marker");
        fs::write(&marker, "").unwrap();
        let dest = dir.path().join("a.o");
        place(&store, &digest, &dest, how);
        let time = |p: &Path| fs::metadata(p).unwrap().modified().unwrap();
        assert!(time(&dest) >= time(&marker));
    }
}

#[test]
fn devices_pipes_and_directories_are_not_replaced() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    let digest = store.put_blob(b"new").unwrap();
    let (fifo, directory) = (dir.path().join("fifo"), dir.path().join("directory"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    fs::create_dir(&directory).unwrap();
    for dest in [Path::new("/dev/null"), &fifo, &directory] {
        let refused = store.stage(&digest, dest, false, Placement::Replace);
        assert!(matches!(refused, Err(StoreError::NotReplaceable { .. })), "{}", dest.display());
    }
    assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
    place(&store, &digest, Path::new("/dev/null"), Placement::InPlace);
    assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn a_missing_output_directory_is_not_made() {
    let dir = temporary();
    let store = open(&dir.path().join("store"));
    let digest = store.put_blob(b"new").unwrap();
    let dest = dir.path().join("missing/a.o");
    let error = store.stage(&digest, &dest, false, Placement::Replace).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    let staged = store.stage(&digest, &dest, false, Placement::InPlace).unwrap().unwrap();
    staged.commit().unwrap_err();
    assert!(!dir.path().join("missing").exists());
}

#[test]
fn modes_are_the_callers() {
    let dir = temporary();
    roles::run("umask", dir.path());
}

#[test]
fn large_outputs_share_their_bytes_where_the_file_system_can() {
    let needed = ["mkfs.btrfs", "filefrag"];
    if needed.iter().any(|program| Command::new(program).arg("-V").output().is_err()) {
        return roles::skip("reflink", &format!("needs {needed:?}"));
    }
    roles::run_mounting("reflink", temporary().path());
}

pub(super) fn on_btrfs(dir: &Path) {
    let (image, mount) = (dir.join("image"), dir.join("mount"));
    fs::create_dir(&mount).unwrap();
    fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
    assert!(Command::new("mkfs.btrfs").arg("-q").arg(&image).status().unwrap().success());
    if !Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount).status().unwrap().success() {
        return roles::skip("reflink", "needs a loop device and a kernel with btrfs");
    }
    let store = open(&mount.join("store"));
    let bytes = vec![6; 1 << 20];
    let digest = store.put_blob(&bytes).unwrap();
    let dest = mount.join("a.o");
    place(&store, &digest, &dest, Placement::Replace);
    let extents = Command::new("filefrag").args(["-s", "-v"]).arg(&dest).output().unwrap();
    let extents = String::from_utf8(extents.stdout).unwrap();
    assert!(extents.contains("shared"), "{extents}");
    assert!(fs::read(&dest).unwrap() == bytes);
    let (out, stored) =
        (fs::metadata(&dest).unwrap(), fs::metadata(only_file(&mount.join("store/v1/blobs"))).unwrap());
    assert_ne!(out.ino(), stored.ino());
    assert_eq!(out.mode() & 0o222, 0o200, "not the mode of the store's file");
    assert!((out.mtime(), out.mtime_nsec()) >= (stored.mtime(), stored.mtime_nsec()), "a fresh time");
    fs::write(&dest, "changed").unwrap();
    assert!(store.read_blob(&digest).unwrap().as_ref() == Some(&bytes));
    // Another file system: copied.
    let far = dir.join("far.o");
    place(&store, &digest, &far, Placement::Replace);
    assert!(fs::read(&far).unwrap() == bytes);
}

/// The umask belongs to a process.
pub(super) fn with_umask(dir: &Path) {
    for (umask, plain, program) in [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750), (0o000, 0o666, 0o777)] {
        rustix::process::umask(umask.into());
        let store = open(&dir.join(format!("store-{umask:o}")));
        let digest = store.put_blob(b"output").unwrap();
        rustix::process::umask(umask.into());
        for how in [Placement::Replace, Placement::InPlace] {
            for (executable, mode) in [(false, plain), (true, program)] {
                let dest = dir.join("out");
                let _ = fs::remove_file(&dest);
                store.stage(&digest, &dest, executable, how).unwrap().unwrap().commit().unwrap();
                assert_eq!(fs::metadata(&dest).unwrap().mode() & 0o7777, mode, "{umask:o} {how:?}");
            }
        }
    }
}
