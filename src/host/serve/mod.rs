//! The server: one thread that waits for all connections and cuts what comes into requests, and as many
//! workers as there are requests under way, which ask the session.
//!
//! One thread a connection would do as well, until a thousand wrappers wait for their bakes; so the number
//! of threads follows what is worked at, not who waits. Answers are written by the worker that has them, when
//! the socket takes them at once; the rest is queued, and the waiting thread sends it on. Nobody ever waits
//! for a client to read.
//!
//! What a hostile client can take is bounded: connections, requests under way, bytes of requests that are
//! read or worked at (all connections together), bytes that wait to be read (one connection, and all).
//! Beyond, it is refused, or its connection closed.

mod dispatch;
mod events;
mod link;
mod pool;
mod socket;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::EventfdFlags;
use rustix::fd::OwnedFd;

use super::Session;
use crate::transport::wire;
use events::Events;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the socket stands. Its directory is made, for this user alone, when it is missing.
    pub socket: PathBuf,
    /// The users who may connect, as numbers of the host's own user namespace: a process in a namespace of
    /// its own counts as whom it is mapped to.
    pub users: Vec<u32>,
    /// How many connections there may be. Each takes a descriptor.
    pub connections: usize,
    /// How many bakes are under way together; more wait. Each takes a thread until it ends.
    pub bakes: usize,
    /// How many other requests are worked at together.
    pub workers: usize,
    /// Bytes of requests, from when their first byte comes to when they are answered. Large ones may take
    /// three quarters of it.
    pub held: usize,
    /// Bytes that wait for clients to read them. Beyond, a connection that has more than a 64th of it waiting is
    /// closed.
    pub unread: usize,
    /// Of these, what one connection may have waiting.
    pub unread_each: usize,
    /// The time for the first frame.
    pub hello: Duration,
    /// The time for the rest of a frame that has begun.
    pub frame: Duration,
    /// How long a client may have nothing under way.
    pub idle: Duration,
    /// How long answers may wait for a client that reads nothing.
    pub stall: Duration,
    /// How long nothing is sent to a client that waits, until it is told that the host is alive.
    pub alive: Duration,
}

impl Options {
    /// A socket here, for this process's own user.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            users: vec![rustix::process::geteuid().as_raw()],
            connections: 2048,
            bakes: 1024,
            workers: 32,
            held: 32 << 20,
            unread: 16 << 20,
            unread_each: 4 << 20,
            hello: Duration::from_secs(10),
            frame: Duration::from_secs(30),
            idle: Duration::from_secs(30 * 60),
            stall: Duration::from_secs(60),
            alive: wire::ALIVE / 2,
        }
    }
}

/// Why a socket can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process serves it.
    #[error("{} is served by another process", .socket.display())]
    InUse {
        /// The socket.
        socket: PathBuf,
    },
    /// Something that is no socket stands there.
    #[error("{} is there already, and is no socket", .socket.display())]
    NoSocket {
        /// The path.
        socket: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl ServeError {
    /// A stable word.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "socket-in-use",
            Self::NoSocket { .. } => "not-a-socket",
            Self::Io { .. } => "socket",
        }
    }

    /// For `map_err`: names the action and the path.
    fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

/// What all threads of a server share.
struct Shared {
    options: Options,
    session: Arc<dyn Session>,
    epoll: OwnedFd,
    /// Wakes the thread that waits.
    wake: OwnedFd,
    stopping: AtomicBool,
    /// Every connection is closed, and nobody waits for anything.
    stopped: AtomicBool,
    held: AtomicUsize,
    unread: AtomicUsize,
    /// Held while a recipe is read.
    reading: Mutex<()>,
    /// Held while a large one is.
    reading_large: Mutex<()>,
}

/// A socket that is being served, until it is stopped or dropped.
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Binds a socket and serves a session on it, from threads of its own.
///
/// A socket that nobody serves any more is replaced. The socket is for this process's user alone (mode 0600);
/// who connects is checked again by the system's word for the peer's user.
///
/// # Errors
/// When another process serves the socket, something else stands at its path, or the system refuses.
pub fn serve(options: Options, session: Arc<dyn Session>) -> Result<Server, ServeError> {
    use rustix::event::{epoll, eventfd};
    let path = options.socket.clone();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(ServeError::io("wait for", &path))?;
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(ServeError::io("wait for", &path))?;
    let socket = socket::Socket::bind(&path)?;
    let shared = Arc::new(Shared {
        options,
        session,
        epoll,
        wake,
        stopping: AtomicBool::new(false),
        stopped: AtomicBool::new(false),
        held: AtomicUsize::new(0),
        unread: AtomicUsize::new(0),
        reading: Mutex::new(()),
        reading_large: Mutex::new(()),
    });
    let events = Events::new(Arc::clone(&shared), socket).map_err(ServeError::io("wait for", &path))?;
    let thread = std::thread::Builder::new()
        .name("host".into())
        .spawn(move || events.run())
        .map_err(ServeError::io("start a thread for", &path))?;
    Ok(Server { shared, thread: Some(thread) })
}

impl Server {
    /// Where the socket stands.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.shared.options.socket
    }

    /// Ends: no more connections, those that there are closed, every bake cancelled, every thread joined,
    /// the socket removed. It takes as long as the session takes to notice.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.stopping.store(true, Ordering::Release);
            let _ = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Requests up to this size are taken when no large one is any more.
const SMALL: usize = 16 * 1024;

/// Bytes that are counted against a limit, until this is dropped.
struct Held {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Held {
    /// Counts bytes of a request; `None`, when there would be too many.
    fn take(shared: &Arc<Shared>, bytes: usize) -> Option<Self> {
        let before = shared.held.fetch_add(bytes, Ordering::AcqRel);
        let held = Self { shared: Arc::clone(shared), bytes };
        let limit = shared.options.held;
        let limit = if bytes > SMALL { limit / 4 * 3 } else { limit };
        (before + bytes <= limit).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
