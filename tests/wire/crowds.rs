//! Many at once.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bakeplan::host::{Options, serve};
use bakeplan::transport::socket::{BakeRequest, Client, Deadlines, Deliver};
use bakeplan::transport::wire::{Ask, Say};

use super::scripted::{Raw, Rig, Scripted, script, soon};

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

/// The variable that makes [`a_host_of_its_own`] one.
const SOCKET: &str = "BAKEPLAN_TEST_SOCKET";

/// No test: the process that the next one measures.
#[test]
fn a_host_of_its_own() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let server = serve(Options::new(socket), Arc::new(Scripted::default())).expect("a host");
    let _ = std::io::stdin().read(&mut [0]);
    server.stop();
}

#[test]
fn a_host_holds_little_however_much_is_asked() {
    if !descriptors(4096) {
        println!("not tested: too few descriptors may be open");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("host");
    let mut host = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "wire::crowds::a_host_of_its_own"])
        .env(SOCKET, &socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a host");
    soon("it serves", || socket.exists());
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).expect("its status");
        let figure = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
        figure.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let mut all: Vec<Client> =
        (0..1000).map(|_| Client::connect(&socket, Deadlines::default()).expect("a client")).collect();
    let recipe = script("log:1");
    let request = BakeRequest { recipe: &recipe, output: Deliver::Nowhere, detached: false };
    let mut round = |hits: usize| {
        for at in 0..hits {
            let client = &mut all[at % 1000];
            assert_eq!(client.get_inputs().expect("inputs").artifacts.len(), 1);
            assert!(client.bake(request, &mut |_, _, _| {}).is_ok());
        }
        memory()
    };
    let (before, after) = (round(2000), round(8000));
    println!("1,000 connections: {before} KiB, after 8,000 hits {after} KiB");
    assert!(after < 64 * 1024, "{after} KiB");
    assert!(after < before + 4 * 1024, "{before} KiB became {after}");
    drop(host.stdin.take());
    assert!(host.wait().expect("its end").success());
    assert!(!socket.exists());
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
                    let request = BakeRequest { recipe: &recipe, output: Deliver::Nowhere, detached: false };
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
