//! The thread that waits for all connections.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use interprocess::local_socket::traits::StreamCommon;
use interprocess::os::unix::uds_local_socket::Stream;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::dispatch::Task;
use super::link::{Health, Link, Untaken};
use super::pool::Pool;
use super::socket::Socket;
use super::{Held, Shared};
use crate::transport::wire::{
    Answer, Ask, FrameError, Greeting, Hello, Inbox, MAGIC, NOBODY, Request, Say, VERSION, WireError, decode,
    encode, limits, token,
};

/// The numbers of what is no connection.
const LISTENER: u64 = 0;
const WAKE: u64 = 1;
/// What is read from one connection before the others have their turn.
const TURN: usize = 64 * 1024;
/// Connections that are taken before those that there are have their turn.
const ACCEPTED: usize = 64;

/// The thread's own state.
pub(super) struct Events {
    shared: Arc<Shared>,
    socket: Socket,
    pools: Pools,
    connections: HashMap<u64, Connection>,
    /// The number of the next connection.
    next: u64,
    /// What was read in this turn.
    turn: Vec<u8>,
    /// Whether new connections are taken; not, while there are no descriptors.
    accepting: bool,
    looked: Instant,
}

/// Who works: bakes apart from what is soon done, which never waits for them.
struct Pools {
    bakes: Pool,
    others: Pool,
}

/// A connection's part that only this thread sees.
struct Connection {
    link: Arc<Link>,
    inbox: Inbox,
    greeted: bool,
    /// When the connection, or the frame of which a part is there, began; or when it last did something.
    since: Instant,
    /// What a frame counts of which a part is there.
    held: Option<Held>,
}

/// Why a connection is closed.
enum End {
    /// The client went away.
    Gone,
    /// It is refused.
    Refused(WireError),
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Refused(WireError::new(error.token(), error.to_string()))
    }
}

fn refused(token: &str, message: &str) -> End {
    End::Refused(WireError::new(token, message))
}

impl Events {
    pub(super) fn new(shared: Arc<Shared>, socket: Socket) -> rustix::io::Result<Self> {
        epoll::add(&shared.epoll, &shared.wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        epoll::add(&shared.epoll, socket.listener.as_fd(), EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Self {
            pools: Pools {
                bakes: Pool::new(shared.options.bakes),
                others: Pool::new(shared.options.workers),
            },
            shared,
            socket,
            connections: HashMap::new(),
            next: WAKE + 1,
            turn: vec![0; TURN],
            accepting: true,
            looked: Instant::now(),
        })
    }

    /// Serves until the server is stopped.
    pub(super) fn run(mut self) {
        let tick = self.tick();
        let mut events: Vec<Event> = Vec::with_capacity(256);
        while !self.shared.stopping.load(Ordering::Acquire) {
            let alone = self.connections.is_empty() && self.accepting;
            let timeout = (!alone).then(|| Timespec::try_from(tick).ok()).flatten();
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.shared.epoll, room, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
            for event in &events {
                let (number, flags) = (event.data.u64(), event.flags);
                self.event(number, flags);
            }
            if self.looked.elapsed() >= tick {
                self.look_after_all();
            }
        }
        self.end();
    }

    /// How often all connections are looked after: often enough for the shortest time that is set.
    fn tick(&self) -> Duration {
        let options = &self.shared.options;
        let shortest =
            [options.hello, options.frame, options.idle, options.stall, options.alive].into_iter().min();
        (shortest.unwrap_or_default() / 4).clamp(Duration::from_millis(5), Duration::from_millis(500))
    }

    fn event(&mut self, number: u64, flags: EventFlags) {
        match number {
            LISTENER => self.accept(),
            WAKE => {}
            _ => {
                let Some(connection) = self.connections.get_mut(&number) else { return };
                if flags.contains(EventFlags::OUT) {
                    connection.link.flush();
                }
                let others = EventFlags::IN | EventFlags::HUP | EventFlags::ERR;
                if flags.intersects(others) {
                    let read = connection.read(&self.shared, &self.pools, &mut self.turn);
                    if let Err(end) = read {
                        self.close(number, end);
                    }
                }
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTED {
            match self.socket.accept() {
                Ok(stream) => self.welcome(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if transient(&error) => {}
                // No descriptors, no memory: those who wait do so until the next look.
                Err(_) => {
                    let _ = epoll::delete(&self.shared.epoll, self.socket.listener.as_fd());
                    self.accepting = false;
                    return;
                }
            }
        }
    }

    /// Takes a new connection on, if it may be.
    fn welcome(&mut self, stream: Stream) {
        let options = &self.shared.options;
        let user = stream.peer_creds().ok().and_then(|peer| peer.euid());
        let number = self.next;
        let Ok(link) = Link::new(Arc::clone(&self.shared), number, stream) else { return };
        let refusal = if !user.is_some_and(|user| options.users.contains(&user)) {
            WireError::new(token::PEER, "this socket is another user's")
        } else if self.connections.len() >= options.connections {
            WireError::new(token::BUSY, "there are too many connections")
        } else {
            self.next += 1;
            self.connections.insert(number, Connection::new(link));
            return;
        };
        link.close(greeting(refusal).as_deref());
    }

    fn look_after_all(&mut self) {
        self.looked = Instant::now();
        if !self.accepting {
            let listener = self.socket.listener.as_fd();
            let data = EventData::new_u64(LISTENER);
            self.accepting = epoll::add(&self.shared.epoll, listener, data, EventFlags::IN).is_ok();
        }
        let ended: Vec<(u64, End)> = self
            .connections
            .iter_mut()
            .filter_map(|(number, connection)| Some((*number, connection.look_after(&self.shared)?)))
            .collect();
        for (number, end) in ended {
            self.close(number, end);
        }
    }

    fn close(&mut self, number: u64, end: End) {
        let Some(connection) = self.connections.remove(&number) else { return };
        let last = match end {
            End::Gone => None,
            End::Refused(error) => connection.last_word(error),
        };
        connection.link.close(last.as_deref());
    }

    fn end(mut self) {
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            self.close(number, refused(token::STOPPING, "the host ends"));
        }
        // Only now: those who wait are told that the host ends, not that their bakes were cancelled.
        self.shared.stopped.store(true, Ordering::Release);
        // Nobody new, but for those who are heard of too late: they see a socket that nobody serves.
        let Self { socket, pools, .. } = self;
        drop(socket);
        pools.bakes.finish();
        pools.others.finish();
    }
}

/// Whether only this one connection came to nothing.
fn transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted)
}

fn greeting(error: WireError) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    encode(&Greeting::Refused(error), &mut frame).ok()?;
    Some(frame)
}

impl Connection {
    fn new(link: Link) -> Self {
        Self {
            link: Arc::new(link),
            inbox: Inbox::default(),
            greeted: false,
            since: Instant::now(),
            held: None,
        }
    }

    /// Why the connection is closed, as a frame.
    fn last_word(&self, error: WireError) -> Option<Vec<u8>> {
        if !self.greeted {
            return greeting(error);
        }
        let mut frame = Vec::new();
        encode(&Answer { id: NOBODY, say: Say::Error(error) }, &mut frame).ok()?;
        Some(frame)
    }

    fn limit(&self) -> usize {
        if self.greeted { limits::FRAME } else { limits::HELLO }
    }

    /// Reads what has come, and has the requests in it done.
    fn read(&mut self, shared: &Arc<Shared>, pools: &Pools, turn: &mut [u8]) -> Result<(), End> {
        match self.link.receive(turn) {
            Ok(0) => return Err(End::Gone),
            Ok(received) => self.inbox.put(&turn[..received]),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(_) => return Err(End::Gone),
        }
        if self.greeted && self.held.is_none() {
            self.since = Instant::now();
        }
        loop {
            // Counted from its first bytes on, so that many who begin and never end hold little.
            if let (None, Some(length)) = (&self.held, self.inbox.announced(self.limit())?) {
                let held = Held::take(shared, length);
                self.held = Some(held.ok_or_else(|| refused(token::BUSY, "the host holds too much"))?);
            }
            let limit = self.limit();
            let Some(body) = self.inbox.take(limit)? else { return Ok(()) };
            if self.greeted {
                let request: Request = decode(body)?;
                let held = self.held.take();
                self.since = Instant::now();
                self.request(shared, pools, request, held)?;
            } else {
                let hello = Hello::read(body).map_err(End::Refused)?;
                // No capability is defined yet, so both have none.
                let capabilities = hello.capabilities & Hello::new().capabilities;
                (self.greeted, self.held, self.since) = (true, None, Instant::now());
                self.link.say(&Greeting::Welcome { magic: MAGIC, version: VERSION, capabilities });
            }
        }
    }

    fn request(
        &self,
        shared: &Arc<Shared>,
        pools: &Pools,
        request: Request,
        held: Option<Held>,
    ) -> Result<(), End> {
        let Request { id, ask } = request;
        if let Ask::Cancel { of } = ask {
            self.link.cancel(of);
            return Ok(());
        }
        let (pool, detached) = match &ask {
            Ask::BakeRecipe { detached, .. } => (&pools.bakes, *detached),
            _ => (&pools.others, false),
        };
        let ticket = match self.link.begin(id, detached) {
            Ok(ticket) => ticket,
            Err(Untaken::BadId) => return Err(refused(token::BAD_ID, "an id that is in use, or nobody's")),
            Err(Untaken::TooMany) => {
                let error = WireError::new(token::TOO_MANY_REQUESTS, "too many requests are under way");
                self.link.refuse(id, error);
                return Ok(());
            }
        };
        let Some(held) = held else { return Ok(()) };
        let task = Task { shared: Arc::clone(shared), link: Arc::clone(&self.link), id, ticket, ask, held };
        if pool.submit(Box::new(move || task.run())).is_err() {
            self.link.finish(id, Say::Error(WireError::new(token::BUSY, "no thread can be had")));
        }
        Ok(())
    }

    /// Looks after a connection that was left alone. What ends it, if anything does.
    fn look_after(&mut self, shared: &Shared) -> Option<End> {
        let options = &shared.options;
        let health = self.link.look_after();
        let since = self.since.elapsed();
        let late = |message| Some(refused(token::DEADLINE, message));
        if health == Health::Lost {
            return Some(End::Gone);
        }
        if !self.greeted {
            return if since >= options.hello { late("the first frame did not come") } else { None };
        }
        if !self.inbox.is_empty() {
            return if since >= options.frame { late("the rest of a frame did not come") } else { None };
        }
        if health != Health::Idle {
            self.since = Instant::now();
        }
        if health == Health::Idle && since >= options.idle {
            late("nothing was asked for too long")
        } else {
            None
        }
    }
}
