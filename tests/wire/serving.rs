//! Client and host together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bakeplan::recipe::Recipe;
use bakeplan::recipe::digest::{ArtifactHash, RecordName};
use bakeplan::transport::socket::{BAKES, BakeRequest, Client, ClientError, Deadlines, Deliver};
use bakeplan::transport::wire::{Finished, limits};
use bakeplan::world::Stream;

use super::scripted::{Rig, script, soon};

fn request(recipe: &Recipe) -> BakeRequest<'_> {
    BakeRequest { recipe, output: Deliver::At(Path::new("/out")), detached: false }
}

fn artifact(finished: &Finished) -> ArtifactHash {
    match finished {
        Finished::Succeeded(delivered) => delivered.artifact,
        Finished::Failed { why } => panic!("{why}"),
    }
}

#[test]
fn everything_can_be_asked() {
    let rig = Rig::new();
    let mut client = rig.client();
    assert_eq!(client.get_inputs().expect("inputs").artifacts.len(), 1);
    let (name, note) = (RecordName::of(b"n"), vec![9; limits::NOTE]);
    assert_eq!(client.get_note(name).expect("an answer"), None);
    client.put_note(name, note.clone()).expect("noted");
    assert_eq!(client.get_note(name).expect("an answer"), Some(note));
    let failed = client.bake(request(&script("fail")), &mut |_, _, _| {}).expect("an answer");
    assert!(matches!(failed, Finished::Failed { .. }));
    let mut log = Vec::new();
    let sink = &mut |_, stream, bytes: &[u8]| log.push((stream, bytes.to_vec()));
    let finished = client.bake(request(&script("log:2")), sink).expect("an answer");
    assert_eq!(artifact(&finished), ArtifactHash::of(b"log:2"));
    assert_eq!(log, [(Stream::Stderr, b"line 0\n".to_vec()), (Stream::Stderr, b"line 1\n".to_vec())]);
}

#[test]
fn more_artifacts_than_may_be_asked_for_at_once() {
    let rig = Rig::new();
    let mut client = rig.client();
    let mut paths: Vec<PathBuf> = (0..300).map(|n| PathBuf::from(format!("/tmp/{n}.i"))).collect();
    paths[17] = PathBuf::from("/refused");
    paths[18] = PathBuf::from(format!("/{}", "l".repeat(limits::PATH)));
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let hashes = client.create_artifacts(&paths).expect("answers");
    for (place, (path, hash)) in paths.iter().zip(&hashes).enumerate() {
        match hash {
            Ok(hash) => assert_eq!(*hash, ArtifactHash::of(path.as_os_str().as_encoded_bytes())),
            Err(error) => assert_eq!(error.token, if place == 17 { "not-yours" } else { "over-limit" }),
        }
    }
    assert!(hashes[17].is_err() && hashes[18].is_err());
    assert!(client.create_artifacts(&[]).expect("nothing").is_empty());
}

#[test]
fn many_bakes_are_under_way_at_once_and_each_gets_its_own_result() {
    let rig = Rig::new();
    let mut client = rig.client();
    let mut recipes: Vec<Recipe> = (0..150).map(|n| script(&format!("sleep:20 log:1 n{n}"))).collect();
    recipes[3] = script("fail");
    recipes[4] = script(&"long".repeat(limits::RECIPE / 4));
    let requests: Vec<BakeRequest<'_>> = recipes.iter().map(request).collect();
    let mut logs: BTreeMap<_, usize> = BTreeMap::new();
    let results = client
        .bake_all(&requests, &mut |id, _, bytes| {
            assert_eq!(bytes, b"line 0\n");
            *logs.entry(id).or_default() += 1;
        })
        .expect("answers");
    for (place, result) in results.iter().enumerate() {
        match place {
            3 => assert!(matches!(result, Ok(Finished::Failed { .. }))),
            4 => assert_eq!(result.as_ref().expect_err("too long").token, "over-limit"),
            _ => {
                let words = format!("sleep:20 log:1 n{place}");
                assert_eq!(artifact(result.as_ref().expect("baked")), ArtifactHash::of(words.as_bytes()));
            }
        }
    }
    assert_eq!(logs.len(), 148, "each bake's log was heard of");
    let most = rig.session.most.load(Ordering::SeqCst);
    assert!((2..=BAKES).contains(&most), "{most} at once");
}

#[test]
fn other_things_are_asked_while_bakes_are_under_way() {
    let rig = Rig::new();
    let mut client = rig.client();
    let hold = script("log:3 hold");
    let ids: Vec<_> = (0..BAKES).map(|_| client.submit(request(&hold)).expect("asked")).collect();
    assert!(matches!(client.submit(request(&hold)), Err(ClientError::TooManyBakes)));
    let paths: Vec<PathBuf> = (0..100).map(|n| PathBuf::from(format!("/{n}"))).collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    assert!(client.create_artifacts(&paths).expect("answers").iter().all(Result::is_ok));
    client.cancel(ids[5]).expect("asked");
    let mut lines = 0;
    let (id, cancelled) = client.wait(&mut |_, _, _| lines += 1).expect("an answer");
    assert_eq!((id, cancelled.expect_err("cancelled").token.as_str()), (ids[5], "cancelled"));
    rig.session.release();
    // They have all the room but one: the rest of these is asked for as they end.
    let quick = script("quick");
    let more = client.bake_all(&[request(&quick); 5], &mut |_, _, _| lines += 1).expect("answers");
    assert!(more.iter().all(Result::is_ok));
    for _ in 1..BAKES {
        assert!(client.wait(&mut |_, _, _| lines += 1).expect("an answer").1.is_ok());
    }
    assert!(matches!(client.wait(&mut |_, _, _| {}), Err(ClientError::NoBake)));
    assert_eq!(lines, 3 * BAKES, "no line was lost");
}

#[test]
fn a_bake_may_be_silent_for_longer_than_the_deadline_while_the_host_is_alive() {
    let alive = Duration::from_millis(50);
    let rig = Rig::with(|options| options.alive = alive);
    let overall = Duration::from_millis(400);
    let connect =
        || Client::connect(&rig.socket, Deadlines { overall, ..Deadlines::default() }).expect("a client");
    let slow = script("sleep:1500");
    assert!(connect().bake(request(&slow), &mut |_, _, _| {}).is_ok());
    // Unless the caller sets an end.
    let bakes = Some(Duration::from_millis(300));
    let deadlines = Deadlines { overall, bakes, ..Deadlines::default() };
    let mut client = Client::connect(&rig.socket, deadlines).expect("a client");
    let start = Instant::now();
    let ended = client.bake(request(&slow), &mut |_, _, _| {});
    assert!(matches!(ended, Err(ClientError::Deadline(_))), "{ended:?}");
    assert!(start.elapsed() < Duration::from_millis(1200));
    soon("the host no longer bakes it", || rig.session.baking.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_client_that_does_something_else_meanwhile_has_not_missed_the_host() {
    let rig = Rig::new();
    let overall = Duration::from_millis(200);
    let mut client =
        Client::connect(&rig.socket, Deadlines { overall, ..Deadlines::default() }).expect("a client");
    let quick = script("quick");
    client.submit(request(&quick)).expect("asked");
    std::thread::sleep(2 * overall);
    assert!(client.wait(&mut |_, _, _| {}).expect("an answer").1.is_ok());
}

#[test]
fn what_can_not_be_sent_leaves_the_connection_as_it_is() {
    let rig = Rig::new();
    let mut client = rig.client();
    let name = RecordName::of(b"n");
    assert!(matches!(client.put_note(name, vec![0; limits::NOTE + 1]), Err(ClientError::Unsendable(_))));
    let long = script(&"long".repeat(limits::RECIPE / 4));
    assert!(matches!(client.submit(request(&long)), Err(ClientError::Unsendable(_))));
    assert!(client.get_inputs().is_ok());
    assert_eq!(rig.session.asked.load(Ordering::SeqCst), 1);
}
