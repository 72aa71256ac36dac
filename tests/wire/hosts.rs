//! A client among hostile hosts.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bakeplan::recipe::Recipe;
use bakeplan::recipe::digest::ArtifactHash;
use bakeplan::transport::socket::{BakeRequest, Client, ClientError, Deadlines, Deliver};
use bakeplan::transport::wire::{
    Answer, Finished, Greeting, Hello, Inbox, Inputs, MAGIC, NOBODY, Request, Say, VERSION, WireError,
    decode, limits,
};
use bakeplan::world::Stream;

use super::golden::frame;

const OVERALL: Duration = Duration::from_millis(400);
/// Not much later than that, on a machine that has other things to do.
const SOON: Duration = Duration::from_secs(5);

/// A host that does what a test says with each connection, given its number.
struct Fake {
    socket: PathBuf,
    accepted: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Fake {
    fn new(serve: impl Fn(usize, UnixStream) + Send + 'static) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("host");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        // It ends with the process: nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(count.fetch_add(1, Ordering::SeqCst), stream);
            }
        });
        Self { socket, accepted, _dir: dir }
    }

    /// One that reads a client's first requests, sends these bytes, and closes.
    fn saying(bytes: Vec<u8>) -> Self {
        Self::new(move |_, mut stream| {
            requests(&mut stream, 1);
            let _ = stream.write_all(&bytes);
        })
    }

    fn client(&self) -> Client {
        let deadlines = Deadlines { connect: OVERALL, overall: OVERALL, bakes: Some(Duration::from_secs(3)) };
        Client::connect(&self.socket, deadlines).expect("a client")
    }

    fn inputs(&self) -> Result<Inputs, ClientError> {
        self.client().get_inputs()
    }
}

/// Reads until so many requests have come.
fn requests(stream: &mut UnixStream, wanted: usize) -> Vec<Request> {
    let (mut inbox, mut buffer, mut hello, mut came) = (Inbox::default(), [0; 4096], false, Vec::new());
    while came.len() < wanted {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => inbox.put(&buffer[..read]),
            _ => break,
        }
        while let Some(body) = inbox.take(limits::FRAME).expect("frames") {
            if hello {
                came.push(decode(body).expect("a request"));
            } else {
                hello = Hello::read(body).is_ok();
            }
        }
    }
    came
}

fn welcome() -> Vec<u8> {
    frame(&Greeting::Welcome { magic: MAGIC, version: VERSION, capabilities: 0 })
}

fn answer(id: u32, say: Say) -> Vec<u8> {
    frame(&Answer { id, say })
}

fn welcome_and(more: &[u8]) -> Fake {
    Fake::saying([&welcome()[..], more].concat())
}

fn directory() -> Recipe {
    Recipe::from_json(br#"{"type":"directory","entries":{}}"#).expect("a recipe")
}

fn bake(client: &mut Client) -> Result<Finished, ClientError> {
    let recipe = directory();
    client.bake(BakeRequest { recipe: &recipe, output: Deliver::Nowhere, detached: false }, &mut |_, _, _| {})
}

fn token<T: std::fmt::Debug>(result: Result<T, ClientError>) -> &'static str {
    result.expect_err("an error").token()
}

#[test]
fn a_socket_that_is_not_there_or_not_served_is_an_error_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let connect = |path: &Path| Client::connect(path, Deadlines::default()).err().expect("an error");
    let start = Instant::now();
    assert_eq!(connect(&dir.path().join("none")).token(), "host-connect");
    assert_eq!(connect(dir.path()).token(), "host-connect");
    assert_eq!(connect(Path::new("")).token(), "host-connect");
    let stale = dir.path().join("stale");
    drop(UnixListener::bind(&stale).expect("a socket"));
    let error = connect(&stale);
    assert_eq!(error.token(), "host-connect");
    assert!(error.to_string().contains("stale"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_host_that_takes_no_connections_is_given_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("host");
    let listener = OwnedFd::from(UnixListener::bind(&socket).expect("a socket"));
    rustix::net::listen(&listener, 0).expect("a queue of one");
    let deadlines = Deadlines { connect: OVERALL, ..Deadlines::default() };
    let first = Client::connect(&socket, deadlines).expect("it waits in the queue");
    let start = Instant::now();
    assert_eq!(Client::connect(&socket, deadlines).err().expect("an error").token(), "host-deadline");
    let took = start.elapsed();
    assert!(took >= OVERALL && took < SOON, "{took:?}");
    drop(first);
}

#[test]
fn a_host_that_says_nothing_is_given_up() {
    let fake = Fake::new(|_, stream| std::mem::forget(stream));
    let mut client = fake.client();
    let start = Instant::now();
    assert_eq!(token(client.get_inputs()), "host-deadline");
    let took = start.elapsed();
    assert!(took >= OVERALL && took < SOON, "{took:?}");
    assert_eq!(token(client.get_inputs()), "host-given-up");
    assert_eq!(token(bake(&mut fake.client())), "host-deadline", "a bake without a sign of life");
    assert_eq!(fake.accepted.load(Ordering::SeqCst), 2, "who is slow is not asked again");
}

#[test]
fn a_host_that_does_not_read_is_given_up() {
    let fake = Fake::new(|_, stream| std::mem::forget(stream));
    let name = bakeplan::recipe::digest::RecordName::of(b"");
    let start = Instant::now();
    assert_eq!(token(fake.client().put_note(name, vec![0; limits::NOTE])), "host-deadline");
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_host_that_trickles_is_given_up() {
    let fake = Fake::new(|_, mut stream| {
        let all = [welcome(), answer(0, Say::Inputs(Inputs::default()))].concat();
        for byte in all.into_iter().cycle().take(200) {
            let _ = stream.write_all(&[byte]);
            std::thread::sleep(Duration::from_millis(40));
        }
    });
    let start = Instant::now();
    assert_eq!(token(fake.inputs()), "host-deadline");
    assert!(start.elapsed() < SOON);
    assert_eq!(token(bake(&mut fake.client())), "host-deadline", "bytes are no sign of life, messages are");
}

#[test]
fn a_host_that_is_alive_and_never_answers_is_given_up() {
    let fake = Fake::new(|_, mut stream| {
        let _ = stream.write_all(&welcome());
        let alive = answer(0, Say::Alive);
        while stream.write_all(&alive).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let start = Instant::now();
    assert_eq!(token(fake.inputs()), "host-deadline");
    assert!(start.elapsed() < SOON);
    let start = Instant::now();
    assert_eq!(token(bake(&mut fake.client())), "host-deadline");
    assert!(start.elapsed() >= Duration::from_secs(3), "a bake may take as long as the caller says");
}

#[test]
fn an_endless_log_is_no_way_around_the_end() {
    let fake = Fake::new(|_, mut stream| {
        let _ = stream.write_all(&welcome());
        let log = answer(0, Say::Log { stream: Stream::Stdout, bytes: vec![b'x'; 1000] });
        while stream.write_all(&log).is_ok() {}
    });
    let start = Instant::now();
    assert_eq!(token(bake(&mut fake.client())), "host-deadline");
    assert!(start.elapsed() < Duration::from_secs(3) + SOON);
}

#[test]
fn what_is_not_of_the_protocol_is_an_error() {
    let other = |version, capabilities| frame(&Greeting::Welcome { magic: MAGIC, version, capabilities });
    let garbage = [
        b"\x05\0\0\0hello".to_vec(),
        vec![0xff; 100],
        [&welcome()[..], &[0xff; 100]].concat(),
        [&welcome()[..], &[3, 0, 0, 0, 0, 99, 0]].concat(),
        frame(&Hello::new()),
        other(VERSION + 1, 0),
        other(VERSION, 1),
        frame(&Greeting::Welcome { magic: *b"breadpan", version: VERSION, capabilities: 0 }),
        [welcome(), answer(9, Say::Noted)].concat(),
        [welcome(), answer(0, Say::Noted)].concat(),
        [welcome(), answer(9, Say::Alive)].concat(),
        [welcome(), answer(0, Say::Log { stream: Stream::Stdout, bytes: vec![] })].concat(),
        [welcome(), welcome()].concat(),
    ];
    for (nr, bytes) in garbage.into_iter().enumerate() {
        let fake = Fake::saying(bytes);
        let mut client = fake.client();
        assert_eq!(token(client.get_inputs()), "host-protocol", "garbage {nr}");
        assert_eq!(token(client.get_inputs()), "host-given-up", "garbage {nr}");
        assert_eq!(fake.accepted.load(Ordering::SeqCst), 1, "garbage {nr}: who is mad is not asked again");
    }
    let fake = welcome_and(&answer(0, Say::Artifacts(vec![Ok(ArtifactHash::of(b""))])));
    assert_eq!(token(bake(&mut fake.client())), "host-protocol");
    let twice =
        [answer(0, Say::BakeFinished(Finished::Failed { why: String::new() })), answer(0, Say::Alive)];
    let fake = welcome_and(&twice.concat());
    let mut client = fake.client();
    assert!(bake(&mut client).is_ok());
    assert_eq!(token(bake(&mut client)), "host-protocol", "an answer to what has ended");
}

#[test]
fn a_host_that_refuses_or_closes_says_why() {
    let refused = Fake::saying(frame(&Greeting::Refused(WireError::new("version", "no"))));
    match refused.inputs() {
        Err(ClientError::Refused(error)) => assert_eq!(error.token, "version"),
        other => panic!("{other:?}"),
    }
    let closed = welcome_and(&answer(NOBODY, Say::Error(WireError::new("stopping", "the end"))));
    match closed.inputs() {
        Err(ClientError::Closed(error)) => assert_eq!(error.token, "stopping"),
        other => panic!("{other:?}"),
    }
    // Also when it did not wait for what is asked.
    let early = Fake::new(|_, mut stream| {
        let _ = stream.write_all(&frame(&Greeting::Refused(WireError::new("busy", "no"))));
    });
    let mut client = early.client();
    std::thread::sleep(Duration::from_millis(100));
    match client.get_inputs() {
        Err(ClientError::Refused(error)) => assert_eq!(error.token, "busy"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lost_connection_is_made_anew_once_for_what_is_safe() {
    let good = |stream: &mut UnixStream| {
        let asked = requests(stream, 1);
        let _ = stream.write_all(&welcome());
        for request in asked {
            let _ = stream.write_all(&answer(request.id, Say::Inputs(Inputs::default())));
        }
    };
    let second = Fake::new(move |nr, mut stream| {
        if nr == 0 {
            requests(&mut stream, 1);
            let _ = stream.write_all(&welcome()[..5]);
        } else {
            good(&mut stream);
        }
    });
    assert!(second.inputs().is_ok());
    assert_eq!(second.accepted.load(Ordering::SeqCst), 2);
    let never = Fake::new(|_, mut stream| drop(requests(&mut stream, 1)));
    assert_eq!(token(never.inputs()), "host-lost");
    assert_eq!(never.accepted.load(Ordering::SeqCst), 2);
}

#[test]
fn a_bake_is_not_asked_for_twice() {
    let lost = Fake::new(|_, mut stream| {
        requests(&mut stream, 1);
        let _ = stream.write_all(&welcome());
    });
    assert_eq!(token(bake(&mut lost.client())), "host-lost");
    assert_eq!(lost.accepted.load(Ordering::SeqCst), 1);
    // Nor is anything else, while one is under way.
    let lost = Fake::new(|_, mut stream| {
        let _ = stream.write_all(&welcome());
        requests(&mut stream, 2);
    });
    let mut client = lost.client();
    let recipe = directory();
    client.submit(BakeRequest { recipe: &recipe, output: Deliver::Nowhere, detached: false }).expect("asked");
    assert_eq!(token(client.get_inputs()), "host-lost");
    assert_eq!(lost.accepted.load(Ordering::SeqCst), 1);
    // But one of which the host can't have seen a byte is.
    let second = Fake::new(|nr, mut stream| {
        if nr > 0 {
            let id = requests(&mut stream, 1)[0].id;
            let failed = Say::BakeFinished(Finished::Failed { why: String::new() });
            let _ = stream.write_all(&[welcome(), answer(id, failed)].concat());
        }
    });
    let mut client = second.client();
    while second.accepted.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(bake(&mut client).is_ok());
    assert_eq!(second.accepted.load(Ordering::SeqCst), 2);
}
