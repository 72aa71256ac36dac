//! Artifacts from the disk and to the disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, Instant};

use super::support::*;
use bakeplan::recipe::{Artifact, File, Recipe};
use bakeplan::transport::wire::limits;

#[test]
fn a_tree_comes_back_as_it_was() {
    let host = Host::new();
    let tree = host.path("tree");
    fs::create_dir_all(tree.join("sub/empty")).unwrap();
    fs::write(tree.join("a"), "a").unwrap();
    fs::write(tree.join("sub/run"), "run").unwrap();
    fs::set_permissions(tree.join("sub/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../a", tree.join("sub/link")).unwrap();
    symlink("/nowhere", tree.join("dangling")).unwrap();
    let artifact = host.import(&tree);
    host.export(&artifact, &host.path("copy")).unwrap();
    assert_eq!(host.import(&host.path("copy")), artifact);
    assert_eq!(fs::read(host.path("copy/sub/link")).unwrap(), b"a");
    assert_eq!(fs::read_link(host.path("copy/dangling")).unwrap().to_str(), Some("/nowhere"));
    assert_ne!(fs::metadata(host.path("copy/sub/run")).unwrap().mode() & 0o111, 0);
    assert_eq!(fs::metadata(host.path("copy/a")).unwrap().mode() & 0o111, 0);
    assert_eq!(host.export(&artifact, &host.path("copy")).unwrap_err().token(), "exists");
    assert_eq!(names(host.dir.path()), ["copy", "store", "tree"], "nothing half-made is left");
}

#[test]
fn hashes_are_those_of_brioche() {
    let host = Host::new();
    fs::write(host.path("f"), "hello").unwrap();
    let artifact = host.import(&host.path("f"));
    let blob = bakeplan::recipe::digest::BlobDigest::of(b"hello");
    assert_eq!(artifact, Artifact::File(File::new(blob, false)).hash());
}

#[test]
fn what_is_no_part_of_an_artifact_is_refused() {
    let host = Host::new();
    let tree = host.path("tree");
    fs::create_dir(&tree).unwrap();
    rustix::fs::mknodat(
        open(&tree),
        "fifo",
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let token = |path: &std::path::Path| import(&host.engine, path).unwrap_err().token();
    assert_eq!(token(&tree), "special-file");
    let _socket = std::os::unix::net::UnixListener::bind(host.path("socket")).unwrap();
    assert_eq!(token(&host.path("socket")), "special-file");
    assert_eq!(token("/dev/null".as_ref()), "special-file");
    assert_eq!(token("/proc/version".as_ref()), "special-file");
    assert_eq!(token("/sys/kernel/mm".as_ref()), "special-file");
    assert_eq!(token(&host.path("nothing")), "not-there");
}

#[test]
fn what_was_trimmed_or_damaged_is_missing() {
    let host = Host::new();
    fs::write(host.path("f"), "the only file").unwrap();
    let artifact = host.import(&host.path("f"));
    let blob = bakeplan::recipe::digest::BlobDigest::of(b"the only file").to_hex();
    let path = host.path(&format!("store/v1/blobs/{}/{blob}", &blob[..2]));
    fs::write(&path, "the only fake").unwrap();
    assert_eq!(host.export(&artifact, &host.path("out")).unwrap_err().token(), "missing");
    assert!(!host.path("out").exists());
    // It is taken again, although its place was remembered.
    assert_eq!(host.import(&host.path("f")), artifact);
    host.export(&artifact, &host.path("out")).unwrap();
    assert_eq!(fs::read(host.path("out")).unwrap(), b"the only file");
}

#[test]
fn a_directory_that_looks_the_same_is_not_read_again() {
    use bakeplan::host::Place;
    use std::os::fd::AsFd;
    let host = Host::new();
    let tree = host.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), "a").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    let take = || {
        let opened = open(host.dir.path());
        let place = Place { directory: opened.as_fd(), name: os("tree"), shown: &tree };
        host.engine.artifacts().import_remembered(&place, false).unwrap()
    };
    let first = take();
    assert_eq!(take(), first);
    // What it is made of is gone, and it is not noticed, since nothing of it was looked at.
    fs::remove_dir_all(host.path("store/v1/blobs")).unwrap();
    assert_eq!(take(), first);
    assert!(!host.path("store/v1/blobs").exists());
    fs::write(tree.join("a"), "b").unwrap();
    assert_ne!(take(), first);
    fs::write(tree.join("b"), "b").unwrap();
    let with_b = take();
    fs::rename(tree.join("b"), tree.join("c")).unwrap();
    assert_ne!(take(), with_b);
    fs::set_permissions(tree.join("c"), fs::Permissions::from_mode(0o755)).unwrap();
    let executable = take();
    fs::set_permissions(tree.join("c"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_ne!(take(), executable);
}

#[test]
fn a_tree_on_disk_is_made_once_and_mended() {
    let host = Host::new();
    let input = directory(&[("a", file("right")), ("b", file("right"))]);
    let read = |salt: &str| {
        let script = format!("read -r text <\"$in/a\"; echo \"$text\" >\"$out\" # {salt}");
        let output = host.ok(&with_input(shell(&script), "in", input.clone()).into());
        let path = host.path(&format!("said-{salt}"));
        host.export(&output.artifact, &path).unwrap();
        fs::read_to_string(path).unwrap()
    };
    assert_eq!(read("1"), "right\n");
    let hash = host.ok(&input).artifact;
    let local = host.path(&format!("store/host/locals/{hash}"));
    let inode = fs::metadata(&local).unwrap().ino();
    assert_eq!(fs::metadata(local.join("a")).unwrap().mtime(), 946_684_800);
    assert_eq!(fs::metadata(local.join("a")).unwrap().mode() & 0o777, 0o444);
    assert_eq!(read("2"), "right\n");
    assert_eq!(fs::metadata(&local).unwrap().ino(), inode);
    // Somebody changes it while no host is there.
    let Host { dir, engine: old } = host;
    drop(old);
    let target = dir.path().join(format!("store/host/locals/{hash}/a"));
    fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&target, "wrong").unwrap();
    let engine = engine(dir.path(), |_| {});
    let verified = engine.verify().unwrap();
    assert_eq!(verified.wrong_trees, [local]);
    assert!(!verified.is_clean() && verified.store.is_clean(), "{verified:?}");
    let host = Host { engine, dir };
    let output =
        host.ok(&with_input(shell("read -r text <\"$in/a\"; echo \"$text\" >\"$out\""), "in", input).into());
    host.export(&output.artifact, &host.path("mended")).unwrap();
    assert_eq!(fs::read_to_string(host.path("mended")).unwrap(), "right\n");
    let verified = host.engine.verify().unwrap();
    assert!(verified.is_clean() && verified.incomplete.is_empty(), "{verified:?}");
    assert_eq!((verified.trees, verified.results), (1, 6));
    fs::remove_dir_all(host.path("store/v1/blobs")).unwrap();
    assert_eq!(host.engine.verify().unwrap().incomplete.len(), 6);
}

#[test]
fn trees_on_disk_are_trimmed_but_not_under_a_process() {
    let host = Host::with(|options| options.locals_size = 64 << 10);
    let large = "x".repeat(40 << 10);
    for number in 0..10 {
        let input = directory(&[("large", file(&format!("{large}{number}")))]);
        host.ok(&with_input(shell(": >\"$out\""), "in", input).into());
    }
    let trees = || {
        let names = names(&host.path("store/host/locals"));
        names.into_iter().filter(|name| !name.contains(".lock")).collect::<Vec<_>>()
    };
    // What the last ones used may still be tidied up, while nobody waits.
    assert!(trees().len() <= 5, "{:?}", trees());
    let begun = Instant::now();
    while trees().len() > 2 && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
        host.engine.trim(64 << 10).unwrap();
    }
    assert!(trees().len() <= 2, "{:?}", trees());
}

#[test]
fn small_outputs_can_be_read_in_one_piece() {
    let host = Host::new();
    let contents = |recipe: &Recipe| {
        let artifact = host.ok(recipe).artifact;
        let contents = host.engine.artifacts().contents(&artifact).unwrap();
        contents.into_iter().map(|it| (it.name, it.bytes)).collect::<Vec<_>>()
    };
    let named = |name: &str, bytes: &[u8]| (name.as_bytes().to_vec(), bytes.to_vec());
    assert_eq!(contents(&file("one")), [named("", b"one")]);
    let two = directory(&[("a", file("one")), ("b", file(""))]);
    assert_eq!(contents(&two), [named("a", b"one"), named("b", b"")]);
    let large = "x".repeat(limits::INLINE / 2);
    let just = directory(&[("a", file(&large)), ("b", file(&large))]);
    assert_eq!(contents(&just).len(), 2);
    for other in [
        directory(&[("a", file(&large)), ("b", file(&format!("{large}y")))]),
        directory(&[("a", file("one")), ("sub", directory(&[]))]),
        directory(&[("a", file("one")), ("link", Recipe::Symlink { target: "a".into() })]),
        Recipe::CreateFile { content: "x".into(), executable: true, resources: Box::new(directory(&[])) },
        Recipe::CreateFile { content: "x".into(), executable: false, resources: Box::new(two.clone()) },
        Recipe::CreateDirectory {
            entries: (0..=limits::CONTENTS).map(|at| (at.to_string().into(), file("x"))).collect(),
        },
    ] {
        assert!(contents(&other).is_empty(), "{other:?}");
    }
    // What is gone, or damaged, is missing, so that it is baked again.
    let artifact = host.ok(&two).artifact;
    let blob = host.path("store/v1/blobs");
    for entry in fs::read_dir(&blob).unwrap().map(|entry| entry.unwrap().path()) {
        for blob in fs::read_dir(entry).unwrap().map(|entry| entry.unwrap().path()) {
            if fs::read(&blob).unwrap() == b"one" {
                fs::write(&blob, "two").unwrap();
            }
        }
    }
    assert_eq!(host.engine.artifacts().contents(&artifact).unwrap_err().token(), "missing");
}
