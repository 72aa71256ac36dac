//! What a hostile process tries, and does not get.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::support::*;
use bakeplan::host::{Grants, Links, Root, Session};
use bakeplan::recipe::digest::{ArtifactHash, BlobDigest, RecipeHash};
use bakeplan::recipe::{Artifact, Directory, File, Platform, Recipe};
use bakeplan::transport::socket::Deliver;
use bakeplan::transport::wire::{Delivered, Finished};

#[track_caller]
fn refused(session: &Grants, recipe: &Recipe) -> String {
    session.bake(recipe, Deliver::Nowhere, &Waiter::default()).unwrap_err().token
}

#[track_caller]
fn done(session: &Grants, recipe: &Recipe, output: Option<&str>) -> Delivered {
    let output = output.map_or(Deliver::Nowhere, |path| Deliver::At(Path::new(path)));
    match session.bake(recipe, output, &Waiter::default()) {
        Ok(Finished::Succeeded(delivered)) => delivered,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_artifacts_that_were_given_made_or_baked() {
    let host = Host::new();
    let others = directory(&[("secret", file("of another"))]);
    let foreign = host.ok(&others).artifact;
    let secret = host.ok(&file("of another")).artifact;
    let input = host.ok(&directory(&[("sub", directory(&[("a", file("given"))]))])).artifact;
    let session = host.session(&[input]);
    let whole = |hash: &ArtifactHash| Recipe::from(host.engine.artifacts().need(hash).unwrap());
    // Its own, whole, and what is in it.
    let inside = host.ok(&file("given")).artifact;
    for artifact in [&input, &inside] {
        done(&session, &whole(artifact), None);
        done(&session, &Recipe::Proxy { recipe: (*artifact).into() }, None);
        done(&session, &with_input(shell(": >\"$out\""), "in", whole(artifact)).into(), None);
    }
    // Another's: plain, in a directory made around it, as a blob's digest, by proxy, in a complete process.
    assert_eq!(refused(&session, &whole(&foreign)), "not-granted");
    assert_eq!(refused(&session, &whole(&secret)), "not-granted");
    let around = Directory { entries: [("x".into(), secret), ("y".into(), inside)].into() };
    assert_eq!(refused(&session, &Recipe::Directory(around.clone())), "not-granted");
    let blob = BlobDigest::of(b"of another");
    let by_blob = Recipe::from(Artifact::File(File::new(blob, true)));
    assert_eq!(refused(&session, &by_blob), "not-granted");
    assert_eq!(refused(&session, &Recipe::Proxy { recipe: foreign.into() }), "not-granted");
    assert_eq!(refused(&session, &Recipe::Proxy { recipe: others.hash() }), "not-granted");
    let process = with_input(shell(": >\"$out\""), "in", whole(&secret));
    assert_eq!(refused(&session, &process.clone().into()), "not-granted");
    assert_eq!(refused(&session, &process.complete().unwrap().into()), "not-granted");
    let mut process = shell(": >\"$out\"");
    *process.work_dir = Recipe::Directory(around);
    assert_eq!(refused(&session, &process.clone().into()), "not-granted");
    assert_eq!(refused(&session, &process.complete().unwrap().into()), "not-granted");
    let nested = Recipe::Merge {
        directories: vec![Recipe::Insert {
            directory: Box::new(directory(&[])),
            path: "a".into(),
            recipe: Some(Box::new(whole(&secret))),
        }],
    };
    assert_eq!(refused(&session, &nested), "not-granted");
    let resources =
        Recipe::CreateFile { content: "x".into(), executable: false, resources: Box::new(whole(&foreign)) };
    assert_eq!(refused(&session, &resources), "not-granted");
    // What it makes, and what it gets, is its own.
    fs::write(host.path("outer/made"), "of another").unwrap();
    let made = give(&session, "/outer/made".as_ref()).unwrap();
    assert_eq!(made, secret, "who has the bytes has the artifact");
    done(&session, &whole(&secret), None);
    let baked = sh("echo baked >\"$out\"");
    assert_eq!(refused(&session, &Recipe::Proxy { recipe: baked.hash() }), "not-granted");
    let delivered = done(&session, &baked, None);
    assert_eq!(done(&session, &Recipe::Proxy { recipe: baked.hash() }, None).artifact, delivered.artifact);
    assert_eq!(refused(&host.session(&[]), &Recipe::Proxy { recipe: baked.hash() }), "not-granted");
    // Of what was baked as a whole, and asked for in part, another part may be had by its name.
    let mut whole = shell("echo one >\"$out/one\"; echo two >\"$out/two\"");
    whole.output_scaffold = Some(Box::new(directory(&[])));
    let whole = Recipe::from(whole);
    let part = |of: Recipe, path: &str| Recipe::Get { directory: Box::new(of), path: path.into() };
    let named = part(Recipe::Proxy { recipe: whole.hash() }, "two");
    assert_eq!(refused(&session, &named), "not-granted");
    done(&session, &part(whole.clone(), "one"), None);
    assert_eq!(done(&session, &named, None).artifact, done(&session, &part(whole, "two"), None).artifact);
    assert_eq!(refused(&host.session(&[]), &named), "not-granted");
}

#[test]
fn a_hit_is_no_way_around() {
    let host = Host::new();
    let secret = host.ok(&file("of another")).artifact;
    let secret = Recipe::from(host.engine.artifacts().need(&secret).unwrap());
    let process = Recipe::from(with_input(shell("echo x >\"$out\""), "in", secret));
    host.ok(&process);
    assert!(host.ok(&process).hit);
    assert_eq!(refused(&host.session(&[]), &process), "not-granted");
}

#[test]
fn no_network_no_other_platform() {
    let host = Host::new();
    let session = host.session(&[]);
    let mut process = shell(": >\"$out\"");
    process.networking = true;
    assert_eq!(refused(&session, &process.clone().into()), "unsafe-not-allowed");
    let hidden = directory(&[("a", process.clone().into())]);
    assert_eq!(refused(&session, &hidden), "unsafe-not-allowed");
    let mut outer = shell(": >\"$out\"");
    outer.dependencies = vec![hidden];
    assert_eq!(refused(&session, &outer.into()), "unsafe-not-allowed");
    process.networking = false;
    process.platform = match platform() {
        Platform::X86_64Linux => Platform::Aarch64Linux,
        Platform::Aarch64Linux => Platform::X86_64Linux,
    };
    assert_eq!(refused(&session, &process.clone().into()), "wrong-platform");
    assert_eq!(refused(&session, &process.complete().unwrap().into()), "wrong-platform");
    // Nor does the engine itself.
    assert_eq!(host.bake(&process.into()).unwrap_err().token(), "wrong-platform");
}

/// What a path is refused as, to be taken and to be written.
#[track_caller]
fn both(session: &Grants, path: &str, take: &str, put: &str) {
    let taken = give(session, path.as_ref()).map_err(|e| e.token);
    assert_eq!(taken, Err(take.to_owned()), "create-artifact {path}");
    let baked = session.bake(&sh("echo x >\"$out\""), Deliver::At(path.as_ref()), &Waiter::default());
    assert_eq!(baked.map_err(|e| e.token), Err(put.to_owned()), "output at {path}");
}

#[test]
fn paths_stay_within_the_roots() {
    let host = Host::new();
    let session = host.session(&[]);
    fs::write(host.path("secret"), "secret").unwrap();
    fs::create_dir(host.path("elsewhere")).unwrap();
    fs::write(host.path("elsewhere/secret"), "secret").unwrap();
    fs::create_dir_all(host.path("outer/dir/sub")).unwrap();
    let link = |target: &str, name: &str| symlink(target, host.path("outer").join(name)).unwrap();
    link("..", "up");
    link("/", "root");
    link(host.path("elsewhere").to_str().unwrap(), "absolute");
    link("/proc/self/root", "magic");
    link("dir", "fine");
    link("loop", "loop");
    let outside = "outside-roots";
    both(&session, "/outer/../secret", outside, outside);
    both(&session, "/outer/dir/../../secret", outside, outside);
    both(&session, "/outer/up/secret", outside, outside);
    both(&session, "/outer/up/outer/x", outside, outside);
    both(&session, "/outer/root/etc/x", outside, outside);
    both(&session, "/outer/absolute/secret", outside, outside);
    both(&session, "/outer/magic/etc/x", outside, outside);
    both(&session, "/outer/loop/x", outside, outside);
    both(&session, "/etc/passwd", outside, outside);
    both(&session, "/proc/self/root/etc/passwd", outside, outside);
    both(&session, "/proc/1/environ", outside, outside);
    both(&session, "outer/x", outside, outside);
    both(&session, "", outside, outside);
    both(&session, "/outer\0/x", outside, outside);
    both(&session, "/outerx", outside, outside);
    both(&session, "/outer/none/x", "not-there", "not-there");
    // A link as such is its target's text, and is not followed.
    let artifact = give(&session, "/outer/absolute".as_ref()).unwrap();
    assert!(matches!(host.engine.artifacts().need(&artifact).unwrap(), Artifact::Symlink { .. }));
    give(&session, "/outer/fine/sub".as_ref()).unwrap();
    done(&session, &sh("echo x >\"$out\""), Some("/outer/fine/sub/out"));
    assert_eq!(fs::read(host.path("outer/dir/sub/out")).unwrap(), b"x\n");
    // Within a tree, links are not followed either.
    let whole = give(&session, "/outer".as_ref()).unwrap();
    let Artifact::Directory(whole) = host.engine.artifacts().need(&whole).unwrap() else { panic!() };
    let up = host.engine.artifacts().entry(&whole, b"up").unwrap();
    assert_eq!(up, Some(Artifact::Symlink { target: "..".into() }));
}

#[test]
fn outputs_only_at_new_names_in_places_that_can_be_written() {
    let host = Host::new();
    let input = host.path("input");
    fs::create_dir_all(input.join("sub")).unwrap();
    fs::create_dir_all(host.path("outer/inputs/one/sub")).unwrap();
    let roots = vec![
        outer_root(&host.path("outer")),
        Root {
            path: "/outer/inputs/one".into(),
            directory: open(&input),
            writable: false,
            links: Links::Within,
        },
    ];
    let session = host.session_with(&[], roots);
    let put = |path: &str| {
        session
            .bake(&sh("echo x >\"$out\""), Deliver::At(path.as_ref()), &Waiter::default())
            .map(|_| ())
            .map_err(|e| e.token)
    };
    let refused = |token: &str| Err(token.to_owned());
    assert_eq!(put("/outer/inputs/one/new"), refused("read-only"));
    assert_eq!(put("/outer/inputs/one/sub/new"), refused("read-only"));
    assert_eq!(put("/outer/inputs"), refused("outside-roots"), "something else is mounted below");
    assert_eq!(
        give(&session, "/outer/inputs".as_ref()).map_err(|e| e.token),
        Err("outside-roots".to_owned())
    );
    give(&session, "/outer/inputs/one/sub".as_ref()).unwrap();
    fs::write(host.path("outer/file"), "kept").unwrap();
    fs::create_dir(host.path("outer/dir")).unwrap();
    symlink("nowhere", host.path("outer/dangling")).unwrap();
    for name in ["file", "dir", "dangling"] {
        assert_eq!(put(&format!("/outer/{name}")), refused("exists"), "{name}");
    }
    assert_eq!(put("/outer/new"), Ok(()));
    assert_eq!(fs::read(host.path("outer/file")).unwrap(), b"kept");
    assert_eq!(names(&host.path("outer")), ["dangling", "dir", "file", "inputs", "new"]);
    assert_eq!(names(&input), ["sub"]);
}

#[test]
fn what_the_process_itself_could_not_read_is_not_taken() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::new();
    let session = host.session(&[]);
    let file = host.path("outer/hard");
    fs::write(host.path("foreign"), "of another user").unwrap();
    fs::set_permissions(host.path("foreign"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(host.path("foreign"), &file).unwrap();
    // Only root can give files away.
    if rustix::process::geteuid().is_root() {
        rustix::fs::chown(&file, Some(rustix::fs::Uid::from_raw(12345)), None).unwrap();
        let taken = give(&session, "/outer/hard".as_ref()).map_err(|e| e.token);
        assert_eq!(taken, Err("not-readable".to_owned()));
        let taken = give(&session, "/outer".as_ref()).map_err(|e| e.token);
        assert_eq!(taken, Err("not-readable".to_owned()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    }
    give(&session, "/outer/hard".as_ref()).unwrap();
}

#[test]
fn names_that_are_changed_meanwhile_lead_nowhere_else() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let host = Host::new();
    let session = host.session(&[]);
    fs::create_dir(host.path("elsewhere")).unwrap();
    fs::write(host.path("elsewhere/x"), "secret").unwrap();
    fs::create_dir(host.path("outer/dir")).unwrap();
    fs::write(host.path("outer/dir/x"), "mine").unwrap();
    symlink(host.path("elsewhere"), host.path("outer/link")).unwrap();
    let (outer, stop) = (host.path("outer"), AtomicBool::new(false));
    let secret = Artifact::File(File::new(BlobDigest::of(b"secret"), false)).hash();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let root = open(&outer);
            while !stop.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&root, "dir", &root, "link", flags).unwrap();
            }
        });
        let _stop = Setter(&stop);
        for _ in 0..2000 {
            if let Ok(artifact) = give(&session, "/outer/dir/x".as_ref()) {
                assert_ne!(artifact, secret);
            }
        }
        for number in 0..20 {
            let path = format!("/outer/dir/out{number}");
            let _ = session.bake(&sh("echo x >\"$out\""), Deliver::At(path.as_ref()), &Waiter::default());
        }
    });
    assert_eq!(names(&host.path("elsewhere")), ["x"]);
}

#[test]
fn notes_and_inputs() {
    let host = Host::new();
    let input = host.ok(&directory(&[])).artifact;
    let session = host.session(&[input]);
    let inputs = session.inputs().unwrap();
    assert_eq!(inputs.recipe, Some(RecipeHash::of(b"outer")));
    assert_eq!(inputs.artifacts[0].artifact, input);
    assert_eq!(inputs.symbols, [("work_dir".to_owned(), b"/outer".to_vec())]);
    let name = bakeplan::recipe::digest::RecordName::of(b"note");
    assert_eq!(session.get_note(&name).unwrap(), None);
    session.put_note(&name, b"one").unwrap();
    session.put_note(&name, b"two").unwrap();
    assert_eq!(host.session(&[]).get_note(&name).unwrap().as_deref(), Some(&b"two"[..]));
}

#[test]
fn an_output_that_was_trimmed_is_baked_again() {
    let host = Host::new();
    let session = host.session(&[]);
    let recipe = sh("echo made >\"$out\"");
    done(&session, &recipe, None);
    let blob = BlobDigest::of(b"made\n").to_hex();
    let path = host.path(&format!("store/v1/blobs/{}/{blob}", &blob[..2]));
    fs::write(path, "mode\n").unwrap();
    let delivered = done(&session, &recipe, Some("/outer/out"));
    assert!(!delivered.hit);
    assert_eq!(fs::read(host.path("outer/out")).unwrap(), b"made\n");
    assert_eq!(names(&host.path("outer")), ["out"]);
}
