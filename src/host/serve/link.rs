//! A connection, as the thread that waits and the workers share it: what is under way on it, and what waits
//! to be read.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use interprocess::os::unix::uds_local_socket::Stream;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::Shared;
use crate::transport::wire::{Answer, Message, NOBODY, Say, WireError, encode, limits, token};

/// Bytes that may wait before log lines are dropped.
const LOG_ROOM: usize = 256 * 1024;
/// Room that an empty queue may keep.
const KEPT: usize = 4096;

/// A connection.
pub(super) struct Link {
    shared: Arc<Shared>,
    /// Its number among the connections.
    number: u64,
    state: Mutex<State>,
}

struct State {
    /// `None` when it is closed.
    stream: Option<Stream>,
    /// What waits to be read.
    out: VecDeque<u8>,
    /// The waiting thread is told when the socket takes more.
    armed: bool,
    under_way: HashMap<u32, Arc<Ticket>>,
    /// When something was sent last, or had to be.
    sent: Instant,
}

/// A request that is under way.
pub(super) struct Ticket {
    cancelled: AtomicBool,
    /// It goes on when the client goes away.
    detached: bool,
}

impl Ticket {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached
    }
}

/// Why a request is not taken.
pub(super) enum Untaken {
    /// Too many are under way.
    TooMany,
    /// Its id is another's.
    BadId,
}

/// What the waiting thread does about a connection that is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing.
    Well,
    /// Nothing is under way; since when is for the caller to know.
    Idle,
    /// It does not read, or is gone.
    Lost,
}

impl Link {
    pub(super) fn new(shared: Arc<Shared>, number: u64, stream: Stream) -> rustix::io::Result<Self> {
        epoll::add(&shared.epoll, &stream, EventData::new_u64(number), EventFlags::IN)?;
        let state = State {
            stream: Some(stream),
            out: VecDeque::new(),
            armed: false,
            under_way: HashMap::new(),
            sent: Instant::now(),
        };
        Ok(Self { shared, number, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what has come. Nothing, when the client is gone.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        let state = self.lock();
        let Some(stream) = &state.stream else { return Ok(0) };
        let (received, _) = rustix::net::recv(stream, buffer, RecvFlags::DONTWAIT)?;
        Ok(received)
    }

    /// Takes a request on.
    pub(super) fn begin(&self, id: u32, detached: bool) -> Result<Arc<Ticket>, Untaken> {
        let mut state = self.lock();
        if id == NOBODY || state.under_way.contains_key(&id) {
            return Err(Untaken::BadId);
        }
        if state.under_way.len() >= limits::REQUESTS {
            return Err(Untaken::TooMany);
        }
        if state.under_way.is_empty() {
            state.sent = Instant::now();
        }
        let ticket = Arc::new(Ticket { cancelled: AtomicBool::new(false), detached });
        state.under_way.insert(id, Arc::clone(&ticket));
        Ok(ticket)
    }

    /// Nobody waits for this request any more.
    pub(super) fn cancel(&self, id: u32) {
        if let Some(ticket) = self.lock().under_way.get(&id) {
            ticket.cancelled.store(true, Ordering::Release);
        }
    }

    /// Sends a message that belongs to no request.
    pub(super) fn say<M: Message>(&self, message: &M) {
        let mut frame = Vec::new();
        if encode(message, &mut frame).is_ok() {
            self.put(&mut self.lock(), &frame);
        }
    }

    /// Answers a request for which nothing was begun.
    pub(super) fn refuse(&self, id: u32, error: WireError) {
        self.say(&Answer { id, say: Say::Error(error) });
    }

    /// Ends a request with its answer.
    pub(super) fn finish(&self, id: u32, say: Say) {
        let mut frame = Vec::new();
        if let Err(error) = encode(&Answer { id, say }, &mut frame) {
            let error = WireError::new(token::OVER_LIMIT, error.to_string());
            let _ = encode(&Answer { id, say: Say::Error(error) }, &mut frame);
        }
        let mut state = self.lock();
        state.under_way.remove(&id);
        self.put(&mut state, &frame);
    }

    /// Sends a piece of a log, or drops it when the client does not read.
    pub(super) fn log(&self, id: u32, say: Say) {
        let mut frame = Vec::new();
        if encode(&Answer { id, say }, &mut frame).is_err() {
            return;
        }
        let mut state = self.lock();
        if state.out.len() + frame.len() <= LOG_ROOM && state.under_way.contains_key(&id) {
            self.put(&mut state, &frame);
        }
    }

    /// Sends on what waits.
    pub(super) fn flush(&self) {
        let mut state = self.lock();
        while !state.out.is_empty() {
            let sent = state.try_send(None);
            if sent == 0 {
                break;
            }
            state.out.drain(..sent);
            self.shared.unread.fetch_sub(sent, Ordering::AcqRel);
        }
        if state.out.is_empty() {
            state.out.shrink_to(KEPT);
            self.arm(&mut state, false);
        }
    }

    /// Looks after a connection that was left alone: tells a client that waits that the host is alive.
    pub(super) fn look_after(&self) -> Health {
        let options = &self.shared.options;
        let mut state = self.lock();
        let silent = |state: &State, limit: Duration| state.sent.elapsed() >= limit;
        if state.stream.is_none() || (!state.out.is_empty() && silent(&state, options.stall)) {
            return Health::Lost;
        }
        let waits = state.under_way.keys().next().copied();
        if let Some(id) = waits.filter(|_| state.out.is_empty() && silent(&state, options.alive)) {
            let mut frame = Vec::new();
            if encode(&Answer { id, say: Say::Alive }, &mut frame).is_ok() {
                self.put(&mut state, &frame);
            }
        }
        if waits.is_none() && state.out.is_empty() { Health::Idle } else { Health::Well }
    }

    /// Closes the connection, with a last word if the socket takes it. What is under way is cancelled.
    pub(super) fn close(&self, last: Option<&[u8]>) {
        let mut state = self.lock();
        if let Some(last) = last.filter(|_| state.out.is_empty()) {
            state.try_send(Some(last));
        }
        self.drop_stream(&mut state);
        for ticket in state.under_way.values().filter(|ticket| !ticket.detached) {
            ticket.cancelled.store(true, Ordering::Release);
        }
    }

    fn drop_stream(&self, state: &mut State) {
        if let Some(stream) = state.stream.take() {
            let _ = epoll::delete(&self.shared.epoll, &stream);
        }
        self.shared.unread.fetch_sub(state.out.len(), Ordering::AcqRel);
        state.out = VecDeque::new();
    }

    /// Sends a frame, or queues what the socket does not take. A client that lets too much wait is shut out.
    fn put(&self, state: &mut State, frame: &[u8]) {
        if state.stream.is_none() {
            return;
        }
        let sent = if state.out.is_empty() { state.try_send(Some(frame)) } else { 0 };
        let rest = &frame[sent..];
        if rest.is_empty() {
            return;
        }
        if state.out.is_empty() {
            // The time that it may wait begins.
            state.sent = Instant::now();
        }
        state.out.extend(rest);
        let unread = self.shared.unread.fetch_add(rest.len(), Ordering::AcqRel) + rest.len();
        let options = &self.shared.options;
        let waits = state.out.len();
        if waits > options.unread_each || (unread > options.unread && waits > options.unread / 64) {
            // The waiting thread sees that it is closed, and tidies up.
            if let Some(stream) = &state.stream {
                let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Both);
            }
            return;
        }
        self.arm(state, true);
    }

    /// Whether the waiting thread is told when the socket takes more.
    fn arm(&self, state: &mut State, armed: bool) {
        let Some(stream) = state.stream.as_ref().filter(|_| state.armed != armed) else { return };
        let flags = if armed { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        let _ = epoll::modify(&self.shared.epoll, stream, EventData::new_u64(self.number), flags);
        state.armed = armed;
    }
}

impl State {
    /// Sends as much as the socket takes now, of this or of what waits.
    fn try_send(&mut self, bytes: Option<&[u8]>) -> usize {
        let Some(stream) = &self.stream else { return 0 };
        let bytes = bytes.unwrap_or(self.out.as_slices().0);
        loop {
            match rustix::net::send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.sent = Instant::now();
                    return sent;
                }
                Err(Errno::INTR) => {}
                // Full; or gone, which the waiting thread sees as well.
                Err(_) => return 0,
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = std::mem::replace(
            self.state.get_mut().unwrap_or_else(PoisonError::into_inner),
            State {
                stream: None,
                out: VecDeque::new(),
                armed: false,
                under_way: HashMap::new(),
                sent: Instant::now(),
            },
        );
        self.drop_stream(&mut state);
    }
}
