//! Bakes under way: equal ones are one.
//!
//! Each runs on a thread of its own, so that it does not end with whoever asked first. Those who wait read its
//! log from the beginning; when the last of them has left, it is stopped, unless somebody wants it detached.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::results::Kept;
use super::{Baking, Engine, Unbaked};
use crate::host::error::HostError;
use crate::host::session::Watch;
use crate::recipe::CompleteProcessRecipe;
use crate::recipe::digest::{BlobDigest, RecipeHash};
use crate::world::Stream;

/// How often is asked whether somebody still waits.
const LOOK: Duration = Duration::from_millis(50);
/// So much of a log is kept for those who come later, and in the end.
const LOG: usize = 1 << 20;

/// What came of a flight.
#[derive(Debug, Clone)]
pub(super) enum Landed {
    /// An artifact.
    Baked(Kept),
    /// The process failed, and wrote this.
    Failed(String, Option<BlobDigest>),
    /// Something else went wrong.
    Error(Arc<HostError>),
}

/// All bakes under way, by the hash of the complete process.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<RecipeHash, Arc<Flight>>>,
    /// Threads that bake or tidy up.
    threads: Mutex<usize>,
    fewer: Condvar,
}

/// A thread that is at work, until this is dropped.
struct AtWork(Arc<Flights>);

impl AtWork {
    fn new(flights: &Arc<Flights>) -> Self {
        *lock(&flights.threads) += 1;
        Self(Arc::clone(flights))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        *lock(&self.0.threads) -= 1;
        self.0.fewer.notify_all();
    }
}

/// A bake under way.
#[derive(Debug)]
pub(super) struct Flight {
    state: Mutex<State>,
    changed: Condvar,
    /// Nobody waits any more: it is to end.
    pub(super) stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    /// Those among them who do not mind that others go first.
    patient: usize,
    /// It is to go on when nobody waits.
    detached: bool,
    log: Vec<(Stream, Vec<u8>)>,
    logged: usize,
    landed: Option<Landed>,
}

impl Baking<'_> {
    /// Bakes a complete process, or joins a bake of it that is under way. Tells whether it joined.
    pub(super) fn fly(
        &self,
        hash: RecipeHash,
        process: &CompleteProcessRecipe,
    ) -> Result<(Landed, bool), Unbaked> {
        let _lent = self.order.slot.map(crate::host::permits::Slot::lend);
        loop {
            let (flight, joined) = self.engine.flights.join(hash, self.order.watch);
            if !joined {
                let (engine, flight, process) = (self.engine.clone(), Arc::clone(&flight), process.clone());
                let name = format!("bake {}", &hash.to_hex()[..8]);
                let thread = std::thread::Builder::new().name(name);
                let started = thread.spawn({
                    let flight = Arc::clone(&flight);
                    let at_work = AtWork::new(&engine.flights);
                    move || {
                        let (landed, scene) = engine.bake_alone(&hash, &process, &flight);
                        engine.flights.land(&hash, &flight, landed);
                        // Nobody needs to wait for the tidying up.
                        drop(scene);
                        // Who waits for the threads may be the last to hold the engine then, and removes its places.
                        drop(engine);
                        drop(at_work);
                    }
                });
                if let Err(source) = started {
                    let path = "a thread".into();
                    let error = Arc::new(HostError::Io { action: "start", path, source });
                    self.engine.flights.land(&hash, &flight, Landed::Error(error));
                }
            }
            match flight.wait(self.order.watch) {
                // It was being stopped when we came.
                Landed::Error(error) if joined && matches!(*error, HostError::Cancelled) => {
                    if self.order.watch.is_cancelled() {
                        return Err(HostError::Cancelled.into());
                    }
                }
                landed => return Ok((landed, joined)),
            }
        }
    }
}

impl Flights {
    /// The flight of this hash, and whether it was under way already. Who gets it is counted as waiting.
    fn join(&self, hash: RecipeHash, watch: &dyn Watch) -> (Arc<Flight>, bool) {
        let mut flights = lock(&self.under_way);
        let joined = flights.contains_key(&hash);
        let flight = Arc::clone(flights.entry(hash).or_insert_with(|| {
            Arc::new(Flight {
                state: Mutex::default(),
                changed: Condvar::new(),
                stopped: AtomicBool::new(false),
            })
        }));
        let mut state = lock(&flight.state);
        state.waiting += 1;
        if watch.is_detached() {
            state.patient += 1;
            state.detached = true;
        }
        drop(state);
        (flight, joined)
    }

    fn land(&self, hash: &RecipeHash, flight: &Arc<Flight>, landed: Landed) {
        // First off the list: who comes now finds the result, or starts anew.
        lock(&self.under_way).remove(hash);
        lock(&flight.state).landed = Some(landed);
        flight.changed.notify_all();
    }
}

impl Flight {
    /// Waits for the end, and hands the log on meanwhile.
    fn wait(&self, watch: &dyn Watch) -> Landed {
        let mut told = 0;
        let mut state = lock(&self.state);
        loop {
            let news: Vec<_> = state.log.get(told..).unwrap_or_default().to_vec();
            told += news.len();
            let landed = state.landed.clone();
            drop(state);
            for (stream, bytes) in &news {
                watch.log(*stream, bytes);
            }
            if let Some(landed) = landed {
                self.leave(watch);
                return landed;
            }
            if watch.is_cancelled() {
                self.leave(watch);
                return Landed::Error(Arc::new(HostError::Cancelled));
            }
            state = lock(&self.state);
            if state.log.len() == told && state.landed.is_none() {
                state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn leave(&self, watch: &dyn Watch) {
        let mut state = lock(&self.state);
        state.waiting -= 1;
        if watch.is_detached() {
            state.patient -= 1;
        }
        if state.waiting == 0 && !state.detached {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Whether others go first: nobody is in a hurry.
    pub(super) fn can_wait(&self) -> bool {
        let state = lock(&self.state);
        state.waiting == state.patient
    }

    /// Adds to the log.
    pub(super) fn log(&self, stream: Stream, bytes: &[u8]) {
        let mut state = lock(&self.state);
        if state.logged >= LOG {
            return;
        }
        let bytes = bytes.get(..LOG - state.logged).unwrap_or(bytes);
        state.logged += bytes.len();
        state.log.push((stream, bytes.to_vec()));
        if state.logged >= LOG {
            state.log.push((Stream::Stderr, b"\n[the log is cut off here]\n".to_vec()));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The log as it is kept: both streams, in the order in which they came.
    pub(super) fn whole_log(&self) -> Vec<u8> {
        lock(&self.state).log.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// How many bakes are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        lock(&self.flights.under_way).len()
    }

    /// Stops all bakes, and waits until nothing of them is left: what a host does last.
    pub fn stop(&self) {
        /// A disk that takes longer is left to the next host.
        const PATIENCE: Duration = Duration::from_secs(30);
        for flight in lock(&self.flights.under_way).values() {
            flight.stopped.store(true, Ordering::Relaxed);
        }
        let threads = lock(&self.flights.threads);
        let _ = self.flights.fewer.wait_timeout_while(threads, PATIENCE, |threads| *threads > 0);
    }
}
