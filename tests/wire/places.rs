//! The socket in the file system.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bakeplan::host::{Options, ServeError, Server, serve};
use bakeplan::transport::socket::{Client, ClientError, Deadlines, Deliver};

use super::scripted::{Raw, Rig, Scripted, soon};

fn try_serve(socket: &Path) -> Result<Server, ServeError> {
    serve(Options::new(socket), Arc::new(Scripted::default()))
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_socket_is_for_its_user_alone() {
    let rig = Rig::new();
    assert_eq!(mode(&rig.socket), 0o600);
    assert_eq!(mode(rig.socket.parent().expect("a directory")), 0o700);
}

#[test]
fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("host");
    drop(UnixListener::bind(&socket).expect("a socket"));
    assert!(socket.exists(), "left behind");
    assert!(matches!(Client::connect(&socket, Deadlines::default()), Err(ClientError::Connect { .. })));
    let server = try_serve(&socket).expect("it is replaced");
    assert!(matches!(try_serve(&socket), Err(ServeError::InUse { .. })));
    assert!(Client::connect(&socket, Deadlines::default()).expect("a client").get_inputs().is_ok());
    server.stop();
    assert!(!socket.exists(), "removed");
}

#[test]
fn a_socket_that_is_seen_is_served() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("host");
    for _ in 0..100 {
        let server = std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                while !socket.exists() {
                    std::hint::spin_loop();
                }
                Client::connect(&socket, Deadlines::default()).map(drop)
            });
            let server = try_serve(&socket).expect("served");
            client.join().expect("a client").expect("connected");
            server
        });
        server.stop();
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "nothing is left");
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("host");
    std::fs::write(&file, "precious").expect("a file");
    let error = try_serve(&file).err().expect("refused");
    assert_eq!(error.token(), "not-a-socket");
    assert_eq!(std::fs::read(&file).expect("a file"), b"precious");
    assert!(matches!(try_serve(&dir.path().join("no/such/place")), Err(ServeError::Io { .. })));
}

#[test]
fn a_socket_that_is_another_now_is_not_removed() {
    let rig = Rig::new();
    std::fs::remove_file(&rig.socket).expect("removed");
    let other = UnixListener::bind(&rig.socket).expect("another socket");
    drop(rig.server);
    assert!(rig.socket.exists());
    drop(other);
}

#[test]
fn a_path_that_is_too_long_for_the_system_works() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut long = dir.path().to_owned();
    while long.as_os_str().len() < 300 {
        long.push("a-rather-long-name-of-a-directory");
    }
    std::fs::create_dir_all(&long).expect("directories");
    let socket = long.join("host");
    let server = try_serve(&socket).expect("served");
    assert!(socket.exists());
    assert!(Client::connect(&socket, Deadlines::default()).expect("a client").get_inputs().is_ok());
    assert!(matches!(try_serve(&socket), Err(ServeError::InUse { .. })));
    server.stop();
    assert!(!socket.exists());
    let name = long.join("n".repeat(150));
    let error = Client::connect(&name, Deadlines::default()).err().expect("too long");
    assert!(error.to_string().contains("name alone is too long"), "{error}");
    // As long as fits, and one more.
    for length in [107, 108] {
        let base = dir.path().as_os_str().len();
        let socket = dir.path().join("d".repeat(length - base - "//host".len())).join("host");
        assert_eq!(socket.as_os_str().len(), length);
        let server = try_serve(&socket).expect("served");
        assert!(Client::connect(&socket, Deadlines::default()).expect("a client").get_inputs().is_ok());
        server.stop();
        assert!(!socket.exists());
    }
}

#[test]
fn a_host_that_stops_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let mut waiting = Raw::greeted(&rig.socket);
    waiting.bake(1, "hold", false);
    let mut detached = Raw::greeted(&rig.socket);
    detached.bake(1, "hold", true);
    drop(detached);
    let mut idle = Raw::greeted(&rig.socket);
    soon("two are baking", || rig.session.baking.load(Ordering::SeqCst) == 2);
    rig.server.take().expect("a server").stop();
    assert_eq!(rig.session.baking.load(Ordering::SeqCst), 0, "every bake has ended");
    assert_eq!(rig.session.cancelled.load(Ordering::SeqCst), 2);
    assert_eq!(Arc::strong_count(&rig.session), 1, "no thread holds it");
    assert!(!rig.socket.exists());
    assert_eq!(waiting.closed(), "stopping");
    assert_eq!(idle.closed(), "stopping");
}

#[test]
fn a_client_of_a_host_that_stops_is_told_why() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let recipe = super::scripted::script("hold");
    let request = bakeplan::transport::socket::BakeRequest {
        recipe: &recipe,
        output: Deliver::Nowhere,
        detached: false,
    };
    client.submit(request).expect("asked");
    soon("it is baking", || rig.session.baking.load(Ordering::SeqCst) == 1);
    rig.server.take().expect("a server").stop();
    match client.wait(&mut |_, _, _| {}) {
        Err(ClientError::Closed(error)) => assert_eq!(error.token, "stopping"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(client.get_inputs(), Err(ClientError::GivenUp)));
    std::thread::sleep(Duration::from_millis(1));
}
