//! Bakes: hits, equal ones at once, cancelled ones, limits, failures.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::support::*;
use bakeplan::host::sandbox::Sandbox;
use bakeplan::host::{Baked, Baker, Engine, EngineOptions, HostError, Order, Outcome, Slot};

#[test]
fn a_second_bake_is_a_hit_for_the_process_and_for_what_it_became() {
    let host = Host::new();
    let process = with_input(shell("echo made >\"$out\""), "in", file("input"));
    let first = host.ok(&process.clone().into());
    assert!(!first.hit);
    let second = host.ok(&process.clone().into());
    assert!(second.hit);
    assert_eq!(first.artifact, second.artifact);
    // Another spelling of the same process.
    let mut other = process;
    other.env.insert(
        "in".into(),
        bakeplan::recipe::Template::input(bakeplan::recipe::Recipe::Cast {
            recipe: Box::new(file("input")),
            to: bakeplan::recipe::ArtifactKind::File,
        }),
    );
    assert!(host.ok(&other.into()).hit);
    let outcomes: Vec<_> = host.engine.lineage().read().unwrap().iter().map(|e| e.outcome).collect();
    assert_eq!(outcomes, [Outcome::Baked, Outcome::Hit, Outcome::Hit]);
}

#[test]
fn a_failed_bake_is_told_and_not_kept() {
    let host = Host::new();
    let recipe = sh("echo it breaks >&2; exit 7");
    for _ in 0..2 {
        let watch = Waiter::default();
        let Ok(Baked::Failed { why }) = host.bake_for(&recipe, &watch) else { panic!() };
        assert!(why.contains("exit status 7"), "{why}");
        assert_eq!(watch.text(), "it breaks\n");
    }
    let entries = host.engine.lineage().read().unwrap();
    assert_eq!(entries.iter().map(|e| e.outcome).collect::<Vec<_>>(), [Outcome::Failed; 2]);
    assert_eq!(host.engine.lineage().log(&entries[0]).unwrap().as_deref(), Some(&b"it breaks\n"[..]));
    let mut process = shell(":");
    process.command = bakeplan::recipe::Template::literal("/no/such/program");
    let Ok(Baked::Failed { why }) = host.bake(&process.into()) else { panic!() };
    assert!(why.contains("could not be started"), "{why}");
    let Ok(Baked::Failed { why }) = host.bake(&sh("kill -SEGV $$")) else { panic!() };
    assert!(why.contains("signal 11"), "{why}");
}

#[test]
fn what_was_trimmed_is_baked_again() {
    let host = Host::new();
    let recipe = sh("echo made >\"$out\"");
    let first = host.ok(&recipe);
    fs::remove_dir_all(host.path("store/v1/blobs")).unwrap();
    let second = host.ok(&recipe);
    assert!(!second.hit);
    assert_eq!(first.artifact, second.artifact);
    fs::remove_dir_all(host.path("store/v1/artifacts")).unwrap();
    assert!(!host.ok(&recipe).hit);
    assert!(host.ok(&recipe).hit);
}

#[test]
fn equal_bakes_at_once_are_one() {
    let host = Arc::new(Host::new());
    let recipe = sh("echo begun; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done >\"$out\"");
    let bakes: Vec<_> = (0..5)
        .map(|_| {
            let (host, recipe) = (Arc::clone(&host), recipe.clone());
            thread::spawn(move || {
                let watch = Waiter::default();
                let baked = host.bake_for(&recipe, &watch).unwrap();
                (baked, watch.text())
            })
        })
        .collect();
    for bake in bakes {
        let (came, said) = bake.join().unwrap();
        assert!(matches!(came, Baked::Done(_)), "{came:?}");
        assert!(said.is_empty() || said == "begun\n", "{said:?}");
    }
    let entries = host.engine.lineage().read().unwrap();
    assert_eq!(entries.iter().filter(|e| e.outcome == Outcome::Baked).count(), 1, "{entries:?}");
}

#[test]
fn a_bake_ends_when_the_last_one_leaves() {
    let host = Arc::new(Host::new());
    let recipe = sh("echo begun; while :; do :; done");
    let bake = |watch: &Arc<Waiter>| {
        let (host, recipe, watch) = (Arc::clone(&host), recipe.clone(), Arc::clone(watch));
        thread::spawn(move || host.bake_for(&recipe, &*watch))
    };
    let (one, two) = (Arc::new(Waiter::default()), Arc::new(Waiter::default()));
    let (first, second) = (bake(&one), bake(&two));
    until(|| one.text() == "begun\n" && two.text() == "begun\n");
    one.cancelled.store(true, Ordering::SeqCst);
    assert_eq!(first.join().unwrap().unwrap_err().token(), "cancelled");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(host.engine.under_way(), 1, "the other still waits");
    two.cancelled.store(true, Ordering::SeqCst);
    assert_eq!(second.join().unwrap().unwrap_err().token(), "cancelled");
    until(|| host.engine.under_way() == 0);
}

#[test]
fn a_detached_bake_goes_on_and_goes_last() {
    let host = Arc::new(Host::with(|options| options.processes = 1));
    let spin =
        |name: &str| sh(&format!("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo {name} >\"$out\""));
    let go = |name: &str, detached: bool| {
        let (host, recipe) = (Arc::clone(&host), spin(name));
        let watch = Arc::new(Waiter { detached, ..Waiter::default() });
        let waiter = Arc::clone(&watch);
        (thread::spawn(move || host.bake_for(&recipe, &*waiter)), watch)
    };
    let (first, _) = go("first", false);
    until(|| host.engine.under_way() == 1);
    let (detached, watch) = go("detached", true);
    thread::sleep(Duration::from_millis(20));
    let (second, _) = go("second", false);
    watch.cancelled.store(true, Ordering::SeqCst);
    assert_eq!(detached.join().unwrap().unwrap_err().token(), "cancelled");
    first.join().unwrap().unwrap();
    second.join().unwrap().unwrap();
    until(|| host.engine.under_way() == 0);
    assert!(host.ok(&spin("detached")).hit, "it went on without anybody");
}

#[test]
fn those_who_wait_lend_their_permits() {
    let host = Arc::new(Host::with(|options| options.processes = 1));
    // Three processes, each as deep as the limit and more, that all wait.
    let bakes: Vec<_> = (0..3)
        .map(|number| {
            let host = Arc::clone(&host);
            thread::spawn(move || {
                let slot = Slot::new(host.engine.permits());
                let watch = Waiter::default();
                let order = Order { outer: None, watch: &watch, slot: Some(&slot), afresh: false };
                host.engine.bake(&sh(&format!("echo {number} >\"$out\"")), &order)
            })
        })
        .collect();
    for bake in bakes {
        assert!(matches!(bake.join().unwrap(), Ok(Baked::Done(_))));
    }
}

#[test]
fn without_a_sandbox_results_are_a_kind_of_their_own() {
    let host = Host::new();
    let recipe = sh("echo \"$HOME\" >\"$out\"");
    let real = host.ok(&recipe);
    let store = Arc::clone(host.engine.artifacts().store());
    let plain = Engine::new(EngineOptions::new(store, world(), Sandbox::none())).unwrap();
    let order = |watch| Order { outer: None, watch, slot: None, afresh: false };
    let watch = Waiter::default();
    let bake = |engine: &Engine| match engine.bake(&recipe, &order(&watch)) {
        Ok(Baked::Done(output)) => output,
        other => panic!("{other:?}"),
    };
    let first = bake(&plain);
    assert!(!first.hit, "what was baked in a sandbox is not taken without one");
    assert_ne!(first.artifact, real.artifact, "the path is a real one");
    assert!(bake(&plain).hit);
    assert!(bake(&host.engine).hit);
    assert_eq!(bake(&host.engine).artifact, real.artifact);
}

#[test]
fn a_store_that_cannot_be_written_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host { engine: engine(dir.path(), |_| {}), dir };
    let recipe = sh("echo made >\"$out\"");
    let made = host.ok(&recipe);
    let scratch = host.path("scratch");
    let store = open_store(host.dir.path(), true);
    let read_only = Engine::new(EngineOptions {
        scratch: scratch.clone(),
        ..EngineOptions::new(store, world(), sandbox(&scratch))
    })
    .unwrap();
    let watch = Waiter::default();
    let order = Order { outer: None, watch: &watch, slot: None, afresh: false };
    match read_only.bake(&recipe, &order) {
        Ok(Baked::Done(output)) => assert!(output.hit && output.artifact == made.artifact),
        other => panic!("{other:?}"),
    }
    let error: HostError = read_only.bake(&sh("echo other >\"$out\""), &order).unwrap_err();
    assert_eq!(error.token(), "store");
}

fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "it takes too long");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn hosts_that_start_at_once_do_not_take_each_other_for_dead() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let options = EngineOptions::new(open_store(dir.path(), false), world(), Sandbox::none());
        Engine::new(options).expect("an engine");
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..100).for_each(|_| start()));
        }
    });
    assert_eq!(names(&dir.path().join("store/host/runs")), [""; 0]);
}
