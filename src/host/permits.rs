//! How many processes run at once.
//!
//! A process holds a permit. One that waits for a bake of its own lends its permit on, and takes it back when
//! the bake is done, whether one is free or not: it was running all the time, and was only not at work. So
//! nested processes that all wait never keep each other from going on, with a limit of one too, and there are
//! more processes at work than permits only until the next of them ends.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The permits of a host.
#[derive(Debug)]
pub struct Permits {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Below zero while some were taken back that were not free.
    free: i64,
    /// Those who wait and are waited for.
    urgent: usize,
}

impl Permits {
    /// So many; at least one.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        let free = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        Arc::new(Self { state: Mutex::new(State { free, urgent: 0 }), changed: Condvar::new() })
    }

    /// Waits for a permit; `None` when `give_up` says so. While `can_wait` says so, everybody else goes first.
    pub(super) fn take(
        self: &Arc<Self>,
        give_up: &dyn Fn() -> bool,
        can_wait: &dyn Fn() -> bool,
    ) -> Option<Permit> {
        const LOOK: Duration = Duration::from_millis(50);
        let mut state = self.lock();
        let mut counted = false;
        let taken = loop {
            if give_up() {
                break false;
            }
            let patient = can_wait();
            if !patient && !counted {
                state.urgent += 1;
                counted = true;
            }
            if state.free > 0 && (!patient || state.urgent == 0) {
                state.free -= 1;
                break true;
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        };
        if counted {
            state.urgent -= 1;
            self.changed.notify_all();
        }
        taken.then(|| Permit(Arc::clone(self)))
    }

    fn add(&self, count: i64) {
        self.lock().free += count;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A permit, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

/// The permit of a process that may wait for bakes of its own.
#[derive(Debug)]
pub struct Slot {
    permits: Arc<Permits>,
    waits: Mutex<usize>,
}

impl Slot {
    /// Takes a permit, whether one is free or not.
    #[must_use]
    pub fn new(permits: &Arc<Permits>) -> Self {
        permits.add(-1);
        Self { permits: Arc::clone(permits), waits: Mutex::new(0) }
    }

    /// Turns the permit of a process into one that can be lent on.
    pub(super) fn of(permit: Permit) -> Self {
        let slot = Self::new(&permit.0);
        drop(permit);
        slot
    }

    /// Lends the permit on while the process waits for one bake or several.
    pub(super) fn lend(&self) -> Lent<'_> {
        let mut waits = self.waits();
        *waits += 1;
        if *waits == 1 {
            self.permits.add(1);
        }
        Lent(self)
    }

    fn waits(&self) -> MutexGuard<'_, usize> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.permits.add(1);
    }
}

/// A permit is lent on, until this is dropped.
pub(super) struct Lent<'a>(&'a Slot);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.waits();
        *waits -= 1;
        if *waits == 0 {
            self.0.permits.add(-1);
        }
    }
}
