//! Many at once.

use std::time::{Duration, Instant};

use bakeplan::transport::socket::BakeRequest;
use bakeplan::transport::wire::{Ask, Say};

use super::scripted::{Raw, Rig, script};

/// Lets this process have as many descriptors as two ends of so many connections need.
fn descriptors(wanted: u64) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return true;
    }
    let raised =
        Rlimit { current: Some(wanted.min(limit.maximum.unwrap_or(wanted))), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).is_ok() && limit.maximum.is_none_or(|most| most >= wanted)
}

#[test]
fn a_thousand_connections_are_held_and_served() {
    if !descriptors(4096) {
        println!("not tested: too few descriptors may be open");
        return;
    }
    let rig = Rig::new();
    let start = Instant::now();
    let mut all: Vec<Raw> = (0..1000).map(|_| Raw::greeted(&rig.socket)).collect();
    for raw in &mut all {
        raw.ask(1, Ask::GetInputs);
        raw.bake(2, "sleep:5", false);
    }
    for raw in &mut all {
        let mut said = [raw.answer(), raw.answer()].map(|answer| answer.expect("an answer"));
        said.sort_by_key(|(id, _)| *id);
        assert!(matches!(said, [(1, Say::Inputs(_)), (2, Say::BakeFinished(_))]));
    }
    rig.is_well();
    println!("1,000 connections, 2,000 requests: {:?}", start.elapsed());
    let threads = std::fs::read_dir("/proc/self/task").expect("threads").count();
    println!("{threads} threads in the test process");
}

#[test]
fn clients_come_and_go_from_many_threads() {
    let rig = Rig::new();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let rig = &rig;
            scope.spawn(move || {
                for round in 0..40 {
                    let mut client = rig.client();
                    assert_eq!(client.get_inputs().expect("inputs").artifacts.len(), 1);
                    let recipe = script(&format!("log:2 n{worker}-{round}"));
                    let request = BakeRequest { recipe: &recipe, output: None, detached: false };
                    assert!(client.bake(request, &mut |_, _, _| {}).is_ok());
                    // Some leave in the middle.
                    if round % 3 == 0 {
                        client.submit(request).expect("asked");
                    }
                }
            });
        }
    });
    assert!(start.elapsed() < Duration::from_secs(60));
    rig.is_well();
}
