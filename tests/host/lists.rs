//! *create-artifact* with lists: each path means in a list what it means alone, whoever asks, whatever happens
//! meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

use super::support::*;
use crate::wire::scripted::Raw;
use bakeplan::host::{Grants, Links, Options, Rights, Root, Roots, Session, serve};
use bakeplan::recipe::Artifact;
use bakeplan::recipe::digest::ArtifactHash;
use bakeplan::transport::socket::{Client, Deadlines};
use bakeplan::transport::wire::{Ask, WireError, limits};

/// An artifact, or the token of an error.
type Given = Result<ArtifactHash, String>;

fn tokens(answers: Vec<Result<ArtifactHash, WireError>>) -> Vec<Given> {
    answers.into_iter().map(|answer| answer.map_err(|error| error.token)).collect()
}

fn list(session: &Grants, paths: &[&str]) -> Vec<Given> {
    let paths: Vec<&Path> = paths.iter().map(Path::new).collect();
    tokens(session.create_artifacts(&paths, &Waiter::default()))
}

/// A session that sees `/outer`, an input within it, and another place that is covered there.
fn nested(host: &Host) -> Grants {
    let (outer, input) = (host.path("outer"), host.path("input"));
    for dir in [outer.join("dir/sub"), outer.join("in/one"), outer.join("covered"), input.join("sub")] {
        fs::create_dir_all(dir).unwrap();
    }
    for (name, text) in
        [("a", "a"), ("b", "b"), ("dir/a", "dir a"), ("dir/b", "dir b"), ("dir/sub/a", "sub a")]
    {
        fs::write(outer.join(name), text).unwrap();
    }
    for beneath in ["in/one/a", "covered/a"] {
        fs::write(outer.join(beneath), "beneath").unwrap();
    }
    fs::write(input.join("a"), "input a").unwrap();
    fs::write(input.join("sub/a"), "input sub a").unwrap();
    fs::write(host.path("a"), "outside").unwrap();
    for (target, name) in
        [("dir", "link"), ("..", "up"), ("a", "dir/link"), ("../a", "dir/out"), ("nowhere", "dir/dangling")]
    {
        symlink(target, outer.join(name)).unwrap();
    }
    mknodat(CWD, outer.join("dir/fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let root = |path: &str, dir: &Path, writable| Root {
        path: path.into(),
        directory: open(dir),
        writable,
        links: Links::Within,
    };
    let roots = vec![root("/outer", &outer, true), root("/outer/in/one", &input, false)];
    let rights = Rights { networking: false, platforms: vec![platform()] };
    host.session_of(&[], Roots { roots, covered: vec!["/outer/covered".into()] }, rights)
}

const PATHS: [&str; 37] = [
    "/outer",
    "/outer/",
    "/outer/.",
    "/outer/a",
    "/outer/b",
    "/outer//b",
    "/outer/./b",
    "/outer/b/",
    "/outer/none",
    "/outer/in",
    "/outer/in/one",
    "/outer/in/one/.",
    "/outer/in/one/a",
    "/outer/in/one/sub",
    "/outer/in/one/sub/a",
    "/outer/covered",
    "/outer/covered/a",
    "/outer/dir",
    "/outer/dir/a",
    "/outer/dir//b",
    "/outer/dir/./b/.",
    "//outer/dir/b",
    "/outer/dir/none",
    "/outer/dir/link",
    "/outer/dir/link/a",
    "/outer/dir/out",
    "/outer/dir/dangling",
    "/outer/dir/fifo",
    "/outer/dir/../a",
    "/outer/dir/..",
    "/outer/dir/a\0b",
    "/outer/dir/a/b",
    "/outer/link/a",
    "/outer/link/sub",
    "/outer/up/a",
    "/outerx/a",
    "/a",
];

#[test]
fn a_path_means_the_same_behind_any_other() {
    let host = Host::new();
    let session = nested(&host);
    let alone: Vec<Given> = PATHS.iter().map(|path| list(&session, &[path]).remove(0)).collect();
    let good = alone.iter().filter(|given| given.is_ok()).count();
    assert!(good > 10 && alone.len() - good > 10, "{alone:?}");
    for (first, one) in PATHS.iter().zip(&alone) {
        for (second, other) in PATHS.iter().zip(&alone) {
            let given = list(&session, &[first, second, first]);
            assert_eq!(given, [one.clone(), other.clone(), one.clone()], "{first:?}, {second:?}");
        }
    }
    assert_eq!(list(&session, &PATHS), alone);
    // What is beneath a mount, or outside, was never taken.
    for text in ["beneath", "outside"] {
        let hash = file_of(text);
        assert!(!alone.contains(&Ok(hash)), "{text}");
    }
}

/// The artifact of a file with this text.
fn file_of(text: &str) -> ArtifactHash {
    use bakeplan::recipe::File;
    use bakeplan::recipe::digest::BlobDigest;
    Artifact::File(File::new(BlobDigest::of(text.as_bytes()), false)).hash()
}

#[test]
fn names_that_change_while_a_list_is_answered_lead_nowhere_else() {
    let host = Host::new();
    let session = host.session(&[]);
    let (outer, elsewhere) = (host.path("outer"), host.path("elsewhere"));
    let paths: Vec<PathBuf> =
        (0..limits::PATHS).map(|number| Path::new("/outer/dir").join(format!("f{number}"))).collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for (dir, text) in
        [(&outer.join("dir"), "mine"), (&outer.join("other"), "mine too"), (&elsewhere, "secret")]
    {
        fs::create_dir(dir).unwrap();
        for path in &paths {
            fs::write(dir.join(path.file_name().unwrap()), text).unwrap();
        }
    }
    symlink(&elsewhere, outer.join("link")).unwrap();
    symlink(elsewhere.join("f0"), outer.join("file-link")).unwrap();
    let stop = AtomicBool::new(false);
    let mut good = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let root = open(&outer);
            let swap = |one: &str, other: &str| {
                renameat_with(&root, one, &root, other, RenameFlags::EXCHANGE).unwrap();
            };
            while !stop.load(Ordering::Relaxed) {
                swap("dir", "link");
                swap("dir", "link");
                swap("dir", "other");
                swap("dir/f7", "file-link");
                swap("dir/f7", "file-link");
                swap("dir", "other");
            }
        });
        // Whatever is found, the other thread ends.
        let _stop = Setter(&stop);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            for given in tokens(session.create_artifacts(&paths, &Waiter::default())) {
                match given {
                    Ok(artifact) => {
                        good += 1;
                        assert_ne!(artifact, file_of("secret"));
                    }
                    // `io`: the kernel was asked again and again, and each time something was renamed.
                    Err(token) => {
                        assert!(
                            ["outside-roots", "not-there", "special-file", "io"].contains(&&*token),
                            "{token}"
                        );
                    }
                }
            }
        }
    });
    assert!(good > 0);
}

#[test]
fn lists_of_any_length_over_a_socket() {
    let host = Host::new();
    let session = nested(&host);
    let alone: Vec<Given> = PATHS.iter().map(|path| list(&session, &[path]).remove(0)).collect();
    let socket = host.path("socket");
    let _server = serve(Options::new(&socket), Arc::new(session)).unwrap();
    let mut client = Client::connect(&socket, Deadlines::default()).unwrap();
    assert!(client.create_artifacts(&[]).unwrap().is_empty());
    // What is no absolute path does not reach the session, and shifts no other's answer.
    let is_path = |path: &str| path.starts_with('/') && !path.contains('\0');
    let expected =
        PATHS.iter().zip(alone).map(|(path, given)| if is_path(path) { given } else { Err("path".into()) });
    let paths = PATHS.iter().map(Path::new).chain([Path::new("a"), Path::new("")]);
    let expected = expected.chain([Err("path".to_owned()), Err("path".to_owned())]);
    let (mut all, mut answers) = (Vec::new(), Vec::new());
    for (path, given) in paths.zip(expected).collect::<Vec<_>>().iter().cycle().take(3 * limits::PATHS + 5) {
        all.push(*path);
        answers.push(given.clone());
    }
    assert_eq!(tokens(client.create_artifacts(&all).unwrap()), answers);
    let same = [Path::new("/outer/dir/a"); limits::PATHS];
    assert_eq!(tokens(client.create_artifacts(&same).unwrap()), vec![Ok(file_of("dir a")); limits::PATHS]);
}

#[test]
fn a_list_that_is_too_long_ends_its_connection_and_no_other() {
    let host = Host::new();
    let session = nested(&host);
    let socket = host.path("socket");
    let _server = serve(Options::new(&socket), Arc::new(session)).unwrap();
    let mut client = Client::connect(&socket, Deadlines::default()).unwrap();
    // A request with the id 1 for 129 times the path `/`: more than can be encoded here.
    let mut body = vec![1, 1, 0x81, 1];
    body.extend([1, b'/'].repeat(limits::PATHS + 1));
    let mut raw = Raw::greeted(&socket);
    raw.send(&[&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat());
    assert_eq!(raw.closed(), "malformed");
    let given = tokens(client.create_artifacts(&["/outer/dir/a".as_ref()]).unwrap());
    assert_eq!(given, [Ok(file_of("dir a"))]);
}

/// A session in whose `/outer/large` there is more than anybody waits for.
fn with_large_file(host: &Host) -> Grants {
    let session = host.session(&[]);
    let large = fs::File::create(host.path("outer/large")).unwrap();
    large.set_len(4 << 30).unwrap();
    session
}

#[test]
fn a_host_that_ends_waits_for_no_path_to_end() {
    let host = Host::new();
    let session = Arc::new(with_large_file(&host));
    let socket = host.path("socket");
    let server = serve(Options::new(&socket), session).unwrap();
    let mut raw = Raw::greeted(&socket);
    let paths = vec![b"/outer/large".to_vec(); limits::PATHS];
    raw.ask(1, Ask::CreateArtifacts { paths });
    assert!(!raw.has_heard(Duration::from_millis(300)));
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(names(&host.path("store/v1/tmp")), [""; 0]);
}

#[test]
fn who_cancels_waits_for_no_path_to_end() {
    let host = Host::new();
    let session = with_large_file(&host);
    let watch = Waiter::default();
    let start = Instant::now();
    let given = std::thread::scope(|scope| {
        let given = scope.spawn(|| {
            let path = Path::new("/outer/large");
            tokens(session.create_artifacts(&[path; limits::PATHS], &watch))
        });
        std::thread::sleep(Duration::from_millis(200));
        watch.cancelled.store(true, Ordering::SeqCst);
        given.join().unwrap()
    });
    assert_eq!(given, vec![Err("cancelled".to_owned()); limits::PATHS]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
