//! One connection: bytes out, messages in, each until a deadline.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use interprocess::ConnectWaitMode;
use interprocess::local_socket::{ConnectOptions, GenericFilePath, ToFsName};
use interprocess::os::unix::uds_local_socket::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::{Address, ClientError};
use crate::transport::wire::{Answer, Greeting, Hello, Inbox, Message, NOBODY, Say, decode, encode, limits};

/// What is read at once.
const CHUNK: usize = 16 * 1024;
/// A peer that is gone is an error, not a signal.
#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::DONTWAIT;
/// How long a host with a full queue is left alone.
const PAUSE: Duration = Duration::from_millis(2);

/// The number of a signal that asks to end, once one came.
pub(super) type Interrupt = Arc<AtomicUsize>;

/// Until when something may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    /// What the host has to do, for an error.
    pub(super) what: &'static str,
    /// When it began.
    pub(super) start: Instant,
    /// The end.
    pub(super) end: Option<Instant>,
    /// How long no message may come.
    pub(super) silence: Option<Duration>,
}

/// A connection to a host. The first thing sent goes out behind a [`Hello`].
pub(super) struct Connection {
    stream: Stream,
    inbox: Inbox,
    /// What is to be sent.
    out: Vec<u8>,
    greeted: bool,
    /// When the last message came.
    heard: Instant,
    interrupt: Option<Interrupt>,
    chunk: Vec<u8>,
}

/// Nothing came, or went, because of this.
pub(super) struct Unsent {
    pub(super) error: ClientError,
    /// The host can't have seen any of it.
    pub(super) untouched: bool,
}

impl Connection {
    /// Connects to a socket.
    pub(super) fn open(
        socket: &Path,
        until: Until,
        interrupt: Option<Interrupt>,
    ) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { socket: socket.to_owned(), source };
        let address = Address::of(socket).map_err(failed)?;
        let stream = loop {
            let stream = connect(address.path()).map_err(failed)?;
            // A local connection is there at once, or the queue is full and nothing was done.
            match rustix::net::getpeername(&stream) {
                Ok(_) => break stream,
                Err(Errno::NOTCONN) => {
                    until.left(until.start)?;
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(failed(error.into())),
            }
        };
        let mut out = Vec::new();
        encode(&Hello::new(), &mut out).map_err(ClientError::Unsendable)?;
        let heard = Instant::now();
        Ok(Self {
            stream,
            inbox: Inbox::default(),
            out,
            greeted: false,
            heard,
            interrupt,
            chunk: vec![0; CHUNK],
        })
    }

    /// See [`Client::heed`](super::Client::heed).
    pub(super) fn heed(&mut self, interrupt: Interrupt) {
        self.interrupt = Some(interrupt);
    }

    /// Puts a message behind what is to be sent.
    pub(super) fn queue<M: Message>(&mut self, message: &M) -> Result<(), ClientError> {
        encode(message, &mut self.out).map_err(ClientError::Unsendable)
    }

    /// Sends what is queued.
    pub(super) fn send(&mut self, until: Until) -> Result<(), Unsent> {
        let mut sent = 0;
        self.heard = Instant::now();
        while sent < self.out.len() {
            match rustix::net::send(&self.stream, &self.out[sent..], SEND) {
                Ok(more) => sent += more,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let waited = self.wait(PollFlags::OUT, until);
                    waited.map_err(|error| Unsent { error, untouched: false })?;
                }
                Err(error) => {
                    let error = self.last_words(error.into(), until);
                    return Err(Unsent {
                        untouched: sent == 0 && matches!(error, ClientError::Lost(_)),
                        error,
                    });
                }
            }
        }
        self.out.clear();
        self.out.shrink_to(CHUNK);
        Ok(())
    }

    /// Why the host closed the connection, if it said so.
    fn last_words(&mut self, error: io::Error, until: Until) -> ClientError {
        loop {
            match self.receive(until) {
                Ok(_) => {}
                Err(ClientError::Lost(_)) => return ClientError::Lost(error),
                Err(error) => return error,
            }
        }
    }

    /// The next answer.
    pub(super) fn receive(&mut self, until: Until) -> Result<Answer, ClientError> {
        loop {
            let limit = if self.greeted { limits::FRAME } else { limits::GREETING };
            if let Some(body) = self.inbox.take(limit).map_err(ClientError::Frame)? {
                self.heard = Instant::now();
                if !self.greeted {
                    greeted(body)?;
                    self.greeted = true;
                    continue;
                }
                let answer: Answer = decode(body).map_err(ClientError::Frame)?;
                return match answer {
                    Answer { id: NOBODY, say: Say::Error(why) } => Err(ClientError::Closed(why)),
                    answer => Ok(answer),
                };
            }
            self.wait(PollFlags::IN, until)?;
            match rustix::net::recv(&self.stream, &mut self.chunk, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok((_, received)) => self.inbox.put(&self.chunk[..received]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(ClientError::Lost(error.into())),
            }
        }
    }

    /// Waits until the socket is ready.
    fn wait(&self, flags: PollFlags, until: Until) -> Result<(), ClientError> {
        loop {
            if self.interrupt.as_ref().is_some_and(|signal| signal.load(Ordering::SeqCst) != 0) {
                return Err(ClientError::Interrupted);
            }
            // A process that was stopped for a while finds what came meanwhile: it looks before it gives up.
            let left = until.left(self.heard)?;
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds = [PollFd::new(&self.stream, flags)];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) if left == Some(Duration::ZERO) => return Err(ClientError::Deadline(until.what)),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(ClientError::Lost(error.into())),
            }
        }
    }
}

impl Until {
    /// An end after this time.
    pub(super) fn after(what: &'static str, time: Duration) -> Self {
        let start = Instant::now();
        Self { what, start, end: start.checked_add(time), silence: None }
    }

    /// The time that is left, when something was heard last then; none after a silence, an error after the end.
    fn left(self, heard: Instant) -> Result<Option<Duration>, ClientError> {
        let now = Instant::now();
        let end = self.end.map(|end| end.saturating_duration_since(now));
        if end == Some(Duration::ZERO) {
            return Err(ClientError::Deadline(self.what));
        }
        let silence = self.silence.map(|silence| silence.saturating_sub(now - heard.max(self.start)));
        Ok(end.into_iter().chain(silence).min())
    }
}

/// Connects without waiting.
fn connect(path: &Path) -> io::Result<Stream> {
    let name = path.to_fs_name::<GenericFilePath>()?;
    let options = ConnectOptions::new().name(name).wait_mode(ConnectWaitMode::Deferred);
    options.nonblocking_stream(true).connect_sync_as()
}

/// Reads the host's first frame.
fn greeted(body: &[u8]) -> Result<(), ClientError> {
    let hello = Hello::new();
    match decode(body).map_err(ClientError::Frame)? {
        Greeting::Refused(error) => Err(ClientError::Refused(error)),
        Greeting::Welcome { magic, version, capabilities }
            if magic == hello.magic
                && version == hello.version
                && capabilities & !hello.capabilities == 0 =>
        {
            Ok(())
        }
        Greeting::Welcome { .. } => Err(ClientError::Unexpected("a welcome to another protocol")),
    }
}
