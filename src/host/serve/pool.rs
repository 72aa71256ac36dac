//! Workers: as many threads as there is work, up to a limit, each ending when it had none for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a thread waits for work.
const PATIENCE: Duration = Duration::from_secs(5);
/// A thread's stack. A nested recipe takes the most of it; what is not used is never there.
const STACK: usize = 2 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of workers.
pub(super) struct Pool {
    inner: Arc<Inner>,
    limit: usize,
}

struct Inner {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for work.
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    ending: bool,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
            } else if state.ending {
                return;
            } else {
                state.idle += 1;
                let (after, waited) =
                    self.work.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
                state = after;
                state.idle -= 1;
                if waited.timed_out() && state.jobs.is_empty() {
                    // A thread keeps its stack until its handle is gone.
                    state.threads.retain(|thread| !thread.is_finished());
                    return;
                }
            }
        }
    }
}

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        let inner = Inner { state: Mutex::default(), work: Condvar::new() };
        Self { inner: Arc::new(inner), limit: limit.max(1) }
    }

    /// Has a job done, soon. A job that can't be done because no thread can be had is given back.
    pub(super) fn submit(&self, job: Job) -> Result<(), Job> {
        let mut state = self.inner.lock();
        if state.idle <= state.jobs.len() {
            state.threads.retain(|thread| !thread.is_finished());
            if state.threads.len() < self.limit {
                let inner = Arc::clone(&self.inner);
                let builder = std::thread::Builder::new().name("host-worker".into()).stack_size(STACK);
                match builder.spawn(move || inner.work()) {
                    Ok(thread) => state.threads.push(thread),
                    Err(_) if state.threads.is_empty() => return Err(job),
                    // Those that there are will come to it.
                    Err(_) => {}
                }
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.inner.work.notify_one();
        Ok(())
    }

    /// Waits until every job is done and every thread has ended.
    pub(super) fn finish(&self) {
        let mut state = self.inner.lock();
        state.ending = true;
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        self.inner.work.notify_all();
        for thread in threads {
            let _ = thread.join();
        }
    }
}
