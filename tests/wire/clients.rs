//! A host among hostile clients.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bakeplan::recipe::digest::RecordName;
use bakeplan::transport::socket::{Client, ClientError, Deadlines};
use bakeplan::transport::wire::{Ask, Delivery, Hello, MAGIC, NOBODY, Request, Say, VERSION, limits};

use super::golden::frame;
use super::scripted::{Raw, Rig, soon};

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).expect("short").to_le_bytes(), body].concat()
}

#[test]
fn what_is_no_hello_is_refused() {
    let rig = Rig::new();
    let refused = |bytes: &[u8]| {
        let mut raw = rig.raw();
        raw.send(bytes);
        raw.refused()
    };
    assert_eq!(refused(&framed(b"garbage")), "not-bakeplan");
    assert_eq!(refused(&framed(b"")), "not-bakeplan");
    assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n"), "frame-too-long");
    assert_eq!(refused(&[0xff; 1 << 14]), "frame-too-long");
    assert_eq!(refused(&framed(&vec![b'b'; limits::HELLO + 1])), "frame-too-long");
    assert_eq!(refused(&framed(&[&MAGIC[..], &[1]].concat())), "version");
    assert_eq!(refused(&framed(&[&MAGIC[..], &[3]].concat())), "malformed");
    assert_eq!(refused(&frame(&Request { id: 0, ask: Ask::GetInputs })), "not-bakeplan");
    assert_eq!(rig.session.asked.load(Ordering::SeqCst), 0);
    rig.is_well();
}

#[test]
fn another_version_is_refused_before_any_request() {
    let rig = Rig::new();
    let mut raw = rig.raw();
    let hello = frame(&Hello { version: VERSION + 1, ..Hello::new() });
    raw.send(&[hello, frame(&Request { id: 0, ask: Ask::GetInputs })].concat());
    assert_eq!(raw.refused(), "version");
    assert_eq!(rig.session.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_and_no_other() {
    let rig = Rig::new();
    let mut other = Raw::greeted(&rig.socket);
    let closed = |bytes: &[u8]| {
        let mut raw = Raw::greeted(&rig.socket);
        raw.send(bytes);
        raw.closed()
    };
    let asked = |id| frame(&Request { id, ask: Ask::GetInputs });
    assert_eq!(closed(&framed(b"\xff\xff\xff")), "malformed");
    assert_eq!(closed(&framed(&[1, 0, 0])), "malformed", "a byte too many");
    assert_eq!(closed(&framed(&[1, 9])), "malformed", "a message that there is none of");
    assert_eq!(closed(&u32::MAX.to_le_bytes()), "frame-too-long");
    assert_eq!(closed(&asked(NOBODY)), "bad-id");
    let mut raw = Raw::greeted(&rig.socket);
    raw.bake(7, "hold", false);
    raw.bake(7, "hold", false);
    assert_eq!(raw.closed(), "bad-id");
    soon("its first bake is cancelled", || rig.session.baking.load(Ordering::SeqCst) == 0);
    other.ask(1, Ask::GetInputs);
    assert!(matches!(other.answer(), Some((1, Say::Inputs(_)))));
}

#[test]
fn who_stalls_is_shut_out() {
    let short = Duration::from_millis(300);
    let rig = Rig::with(|options| (options.hello, options.frame, options.idle) = (short, short, 4 * short));
    let mut silent = rig.raw();
    assert_eq!(silent.refused(), "deadline");
    let mut half = rig.raw();
    half.send(&frame(&Hello::new())[..7]);
    assert_eq!(half.refused(), "deadline");
    let mut middle = Raw::greeted(&rig.socket);
    middle.send(&frame(&Request { id: 1, ask: Ask::GetInputs })[..5]);
    assert_eq!(middle.closed(), "deadline");
    let start = Instant::now();
    let mut idle = Raw::greeted(&rig.socket);
    assert_eq!(idle.closed(), "deadline");
    assert!(start.elapsed() >= 4 * short);
    // One byte at a time is no way around it.
    let mut slow = Raw::greeted(&rig.socket);
    let start = Instant::now();
    let path = vec![b'/'; 100];
    for byte in frame(&Request { id: 1, ask: Ask::CreateArtifacts { paths: vec![path] } }) {
        slow.send(&[byte]);
        std::thread::sleep(Duration::from_millis(10));
        if start.elapsed() > 3 * short {
            break;
        }
    }
    assert_eq!(slow.closed(), "deadline");
}

#[test]
fn who_waits_for_a_bake_is_not_idle() {
    let rig = Rig::with(|options| options.idle = Duration::from_millis(300));
    let mut raw = Raw::greeted(&rig.socket);
    raw.bake(1, "sleep:1500", false);
    assert!(matches!(raw.answer(), Some((1, Say::BakeFinished(_)))));
}

#[test]
fn who_dies_has_his_bakes_cancelled_but_for_detached_ones() {
    let rig = Rig::new();
    let mut raw = Raw::greeted(&rig.socket);
    raw.bake(1, "hold", false);
    raw.bake(2, "hold", true);
    soon("both are baking", || rig.session.baking.load(Ordering::SeqCst) == 2);
    raw.send(&[200, 0, 0, 0, 1, 2]);
    drop(raw);
    soon("one is cancelled", || rig.session.cancelled.load(Ordering::SeqCst) == 1);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(rig.session.baking.load(Ordering::SeqCst), 1, "the detached one goes on");
    rig.session.release();
    soon("it ends", || rig.session.finished.load(Ordering::SeqCst) == 1);
    rig.is_well();
}

#[test]
fn a_detached_bake_is_taken_from_who_leaves_at_once() {
    let rig = Rig::new();
    let mut raw = rig.raw();
    raw.say(&Hello::new());
    raw.bake(1, "log:3", true);
    drop(raw);
    soon("it is baked", || rig.session.finished.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_cancelled_bake_is_still_answered() {
    let rig = Rig::new();
    let mut raw = Raw::greeted(&rig.socket);
    raw.bake(1, "hold", false);
    raw.bake(2, "hold", true);
    soon("both are baking", || rig.session.baking.load(Ordering::SeqCst) == 2);
    raw.ask(5, Ask::Cancel { of: 1 });
    raw.ask(5, Ask::Cancel { of: 2 });
    raw.ask(5, Ask::Cancel { of: 3 });
    let mut ids: Vec<u32> = Vec::new();
    while ids.len() < 2 {
        match raw.answer() {
            Some((id, Say::Error(error))) if error.token == "cancelled" => ids.push(id),
            other => panic!("{other:?}"),
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
    raw.ask(5, Ask::GetInputs);
    assert!(matches!(raw.answer(), Some((5, Say::Inputs(_)))), "a cancel's own id is free");
}

#[test]
fn requests_beyond_the_limit_are_refused_one_by_one() {
    let rig = Rig::new();
    let mut raw = Raw::greeted(&rig.socket);
    let limit = u32::try_from(limits::REQUESTS).expect("small");
    for id in 0..limit + 3 {
        raw.bake(id, "hold", false);
    }
    for id in limit..limit + 3 {
        match raw.answer() {
            Some((refused, Say::Error(error))) => {
                assert_eq!((refused, &*error.token), (id, "too-many-requests"));
            }
            other => panic!("{other:?}"),
        }
    }
    rig.session.release();
    for _ in 0..limit {
        assert!(matches!(raw.answer(), Some((_, Say::BakeFinished(_)))));
    }
}

#[test]
fn who_asks_and_never_reads_only_hurts_himself() {
    let rig = Rig::with(|options| options.unread_each = 1 << 20);
    rig.session.large.store(2000, Ordering::SeqCst);
    let mut flood = Raw::greeted(&rig.socket);
    flood.stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let start = Instant::now();
    let ask = frame(&Request { id: 3, ask: Ask::GetNote { name: RecordName::of(b"") } });
    for id in 10.. {
        let sent =
            flood.stream.write_all(&[&ask[..0], &frame(&Request { id, ask: Ask::GetInputs })].concat());
        if sent.is_err() {
            break;
        }
        if id % 500 == 0 {
            rig.is_well();
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never shut out");
    }
    rig.is_well();
}

#[test]
fn answers_do_not_wait_for_ever() {
    let rig = Rig::with(|options| options.stall = Duration::from_millis(300));
    rig.session.large.store(2000, Ordering::SeqCst);
    let mut stalled = Raw::greeted(&rig.socket);
    let asked = 20;
    (0..asked).for_each(|id| stalled.ask(id, Ask::GetInputs));
    soon("all are answered", || rig.session.asked.load(Ordering::SeqCst) == 20);
    std::thread::sleep(Duration::from_millis(1500));
    let mut answers = 0;
    while stalled.answer().is_some() {
        answers += 1;
    }
    assert!(answers < asked, "the host kept all {answers} for a client that did not read");
    rig.is_well();
}

#[test]
fn a_log_that_nobody_reads_is_dropped_and_stops_nobody() {
    let rig = Rig::new();
    let mut slow = Raw::greeted(&rig.socket);
    // 64 MiB of log: were it kept or waited for, it would show.
    slow.bake(1, "flood:4096", false);
    let start = Instant::now();
    soon("it ends though nobody reads", || rig.session.finished.load(Ordering::SeqCst) == 1);
    assert!(start.elapsed() < Duration::from_secs(15));
    rig.is_well();
    let mut logged = 0;
    loop {
        match slow.answer() {
            Some((1, Say::Log { bytes, .. })) => logged += bytes.len(),
            Some((1, Say::BakeFinished(_))) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(logged > 0 && logged < 4 << 20, "{logged} bytes of log");
}

#[test]
fn who_announces_much_takes_no_room_from_small_requests() {
    let rig = Rig::with(|options| options.held = 4 << 20);
    let announced = u32::try_from(limits::FRAME).expect("a length").to_le_bytes();
    let mut all: Vec<Raw> = (0..6).map(|_| Raw::greeted(&rig.socket)).collect();
    for raw in &mut all {
        raw.send(&announced);
        raw.send(&[1; 10]);
    }
    rig.is_well();
    // Two fit in three quarters of what may be held; which two, is the host's affair.
    let mut shut = 0;
    for raw in &mut all {
        if raw.has_heard(Duration::from_millis(300)) {
            assert_eq!(raw.closed(), "busy");
            shut += 1;
        }
    }
    assert_eq!(shut, 4);
    rig.is_well();
    drop(all);
    soon("there is room again", || {
        let mut client = rig.client();
        let name = RecordName::of(b"large");
        client.put_note(name, vec![7; limits::NOTE]).is_ok()
    });
}

#[test]
fn a_session_that_panics_fails_one_request() {
    let rig = Rig::new();
    let mut raw = Raw::greeted(&rig.socket);
    raw.bake(1, "panic", false);
    match raw.answer() {
        Some((1, Say::Error(error))) => assert_eq!(error.token, "internal"),
        other => panic!("{other:?}"),
    }
    raw.ask(1, Ask::GetInputs);
    assert!(matches!(raw.answer(), Some((1, Say::Inputs(_)))));
}

#[test]
fn what_can_not_be_read_is_refused_by_name() {
    let rig = Rig::new();
    let mut raw = Raw::greeted(&rig.socket);
    let mut token = |ask| {
        raw.ask(1, ask);
        match raw.answer() {
            Some((1, Say::Error(error))) => error.token,
            Some((1, Say::Artifacts(made))) => match &made[..] {
                [Ok(_), Err(error)] => error.token.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    // One path that can't be taken is no reason not to take another.
    let create = |path: &[u8]| Ask::CreateArtifacts { paths: vec![b"/fine".to_vec(), path.to_vec()] };
    let bake = |recipe: &[u8], output: Option<&[u8]>| Ask::BakeRecipe {
        recipe: recipe.to_vec(),
        delivery: output.map_or(Delivery::Nowhere, |path| Delivery::At { path: path.to_vec() }),
        detached: false,
    };
    assert_eq!(token(create(b"relative")), "path");
    assert_eq!(token(create(b"")), "path");
    assert_eq!(token(create(b"/a\0b")), "path");
    assert_eq!(token(create(b"/refused")), "not-yours");
    assert_eq!(token(bake(b"{}", Some(b"relative"))), "path");
    assert_eq!(token(bake(b"{}", None)), "recipe");
    assert_eq!(token(bake(b"\xff", None)), "recipe");
    assert_eq!(token(bake("[".repeat(limits::RECIPE).as_bytes(), None)), "recipe", "as deep as it is long");
    assert_eq!(token(bake(format!("[{}0]", "0,".repeat(500_000)).as_bytes(), None)), "recipe");
    // As deep as a recipe may be: it is read (and then is no script, which this session does not expect).
    let deep = |levels: usize| {
        let opened = r#"{"type":"get","path":"a","directory":"#.repeat(levels);
        format!(r#"{opened}{{"type":"directory","entries":{{}}}}{}"#, "}".repeat(levels))
    };
    assert_eq!(token(bake(deep(120).as_bytes(), None)), "internal");
    assert_eq!(token(bake(deep(130).as_bytes(), None)), "recipe");
    let name = RecordName::of(b"too long");
    assert_eq!(token(Ask::GetNote { name }), "over-limit");
}

#[test]
fn another_user_is_refused() {
    let rig = Rig::with(|options| options.users = vec![54321]);
    let mut raw = rig.raw();
    assert_eq!(raw.refused(), "peer");
    let mut client = Client::connect(&rig.socket, Deadlines::default()).expect("a connection");
    match client.get_inputs() {
        Err(ClientError::Refused(error)) => assert_eq!(error.token, "peer"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn connections_beyond_the_limit_are_refused() {
    let rig = Rig::with(|options| options.connections = 3);
    let held: Vec<Raw> = (0..3).map(|_| Raw::greeted(&rig.socket)).collect();
    assert_eq!(rig.raw().refused(), "busy");
    drop(held);
    soon("there is room again", || rig.client().get_inputs().is_ok());
}
