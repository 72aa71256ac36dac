//! Several units at once, within what make and the machine allow.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jobserver::{Acquired, Client};

use super::context::refused;
use super::{Aside, Context, Prepared};
use crate::world::{Exit, Sink, Transcript, World};

/// How many units may bake at once.
enum Allowance {
    /// As many as this.
    Cores(usize),
    /// One, and one more for each token that make's jobserver hands out, up to this many.
    Tokens(Client, usize),
}

impl Context<'_> {
    /// Bakes all units of the plan, each with its object's temporary file (unused otherwise). Gives the
    /// exit of the first that failed, and what they say in the order of the sources, as the driver's own
    /// run would say it: for the caller to show, or to drop and have the driver do all by itself.
    ///
    /// Refused where the driver itself has something to say: it would say it once, not once for each
    /// source.
    pub(super) fn bake_units(
        &self,
        prepared: &Prepared<'_>,
        objects: &[OsString],
    ) -> Result<(Exit, Transcript), Aside> {
        let count = prepared.plan.units.len();
        let spawned = if prepared.plan.ordered { Vec::new() } else { self.spawn(prepared, objects) };
        let spawned = spawned.into_iter().enumerate();
        let done: BTreeMap<usize, (Exit, Transcript)> =
            spawned.filter_map(|(index, done)| Some((index, done?))).collect();
        let left: Vec<usize> = (0..count).filter(|index| !done.contains_key(index)).collect();
        let done = Mutex::new(done);
        let bake = |place: usize| {
            let index = left[place];
            let mut said = Transcript::default();
            let exit = self.bake_or_run(prepared, index, &objects[index], &mut |stream, bytes| {
                said.add(stream, bytes);
            });
            lock(&done).insert(index, (exit, said));
        };
        let most = if prepared.plan.ordered { 1 } else { left.len() };
        work(&allowance(self.world, most), left.len(), &bake);
        let done = std::mem::take(&mut *lock(&done));
        let exit = done.values().map(|(exit, _)| *exit).find(|exit| !exit.success());
        let mut said = Transcript::default();
        for (_, unit) in done.into_values() {
            said.append(unit);
        }
        if said.has_line_of_driver(&prepared.call.argv0) {
            let argv0 = &prepared.call.argv0;
            return Err(refused("driver-speaks", argv0, "the driver says something of the whole command"));
        }
        Ok((exit.unwrap_or(Exit::Code(0)), said))
    }

    /// Bakes a unit, or runs its command where it can't be baked.
    fn bake_or_run(&self, prepared: &Prepared<'_>, index: usize, object: &OsString, sink: Sink<'_>) -> Exit {
        let unit = &prepared.plan.units[index];
        self.bake_unit(prepared, unit, object, &mut *sink).unwrap_or_else(|aside| {
            self.stand_aside(&unit.source.path, &aside);
            self.run_unit(prepared, unit, object, sink).unwrap_or_else(|error| {
                self.log.line(self.world, unit.source.path.display(), error);
                Exit::Code(1)
            })
        })
    }
}

/// Does `count` pieces of work; without a thread of its own where only one may run.
fn work(allowance: &Allowance, count: usize, bake: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count);
    let is_left = || next.load(Ordering::Relaxed) < count;
    let width = match allowance {
        Allowance::Cores(width) | Allowance::Tokens(_, width) => *width,
    };
    let pool =
        if width > 1 { rayon::ThreadPoolBuilder::new().num_threads(width - 1).build().ok() } else { None };
    let Some(pool) = pool else {
        while let Some(index) = take() {
            bake(index);
        }
        return;
    };
    // This thread works under the token that we were started with.
    pool.in_place_scope(|scope| {
        for _ in 1..width {
            scope.spawn(|_| {
                while is_left() {
                    let Some(_right) = right(allowance) else {
                        std::thread::sleep(Duration::from_millis(5));
                        continue;
                    };
                    let Some(index) = take() else { break };
                    bake(index);
                }
            });
        }
        while let Some(index) = take() {
            bake(index);
        }
    });
}

/// The right to run one more, given back when dropped.
enum Right {
    /// Nobody counts.
    Free,
    /// A token of the jobserver.
    Token(#[allow(dead_code, reason = "held for its drop")] Acquired),
}

/// The right to run one more; `None` when there is none just now.
fn right(allowance: &Allowance) -> Option<Right> {
    match allowance {
        Allowance::Cores(_) => Some(Right::Free),
        Allowance::Tokens(client, _) => client.try_acquire().ok().flatten().map(Right::Token),
    }
}

fn allowance(world: &dyn World, units: usize) -> Allowance {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(units);
    let makeflags = world.environment().get("MAKEFLAGS").unwrap_or_default().to_string_lossy().into_owned();
    if !makeflags.contains("--jobserver-auth=") && !makeflags.contains("--jobserver-fds=") {
        return Allowance::Cores(cores);
    }
    // SAFETY: the descriptors that make names are checked to be open pipes before they are used, and
    // nothing else in this process uses descriptors that it did not open itself.
    #[allow(unsafe_code, reason = "taking over inherited descriptors")]
    let found = unsafe { Client::from_env_ext(true) };
    match found.client {
        Ok(client) => Allowance::Tokens(client, cores),
        // Advertised but unusable (a plain rule under make 4.3): whoever made that wants one at a time.
        Err(_) => Allowance::Cores(1),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::ScriptedWorld;

    /// How many pieces of work ran at once, at most, and how many ran in all.
    fn widest(allowance: &Allowance, count: usize) -> (usize, usize) {
        let (now, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        work(allowance, count, &|_| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(40));
            now.fetch_sub(1, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
        });
        (most.into_inner(), done.into_inner())
    }

    #[test]
    fn as_many_run_as_are_allowed() {
        assert_eq!(widest(&Allowance::Cores(1), 4), (1, 4));
        assert_eq!(widest(&Allowance::Cores(3), 9), (3, 9));
    }

    /// Runs itself once more under a real make, which hands out the tokens.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "make speaks by the environment")]
    fn a_token_is_taken_for_each_beyond_the_first_and_given_back() {
        const INNER: &str = "BAKEPLAN_TEST_JOBS";
        if let Ok(jobs) = std::env::var(INNER) {
            let jobs: usize = jobs.parse().expect("a number");
            let makeflags = std::env::var("MAKEFLAGS").expect("make's flags");
            let world = ScriptedWorld::new("/w").variable("MAKEFLAGS", &makeflags);
            let Allowance::Tokens(client, _) = allowance(&world, 8) else { panic!("no jobserver") };
            assert_eq!(widest(&Allowance::Tokens(client.clone(), 6), 12), (jobs, 12));
            let left: Vec<_> = std::iter::from_fn(|| client.try_acquire().ok().flatten()).take(10).collect();
            assert_eq!(left.len(), jobs - 1, "tokens were not given back");
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let this = std::env::current_exe().expect("this program");
        let name = "driver::jobs::tests::a_token_is_taken_for_each_beyond_the_first_and_given_back";
        let makefile = format!("all:\n\t+{} --exact {name} --nocapture\n", this.display());
        std::fs::write(dir.path().join("Makefile"), makefile).expect("a makefile");
        for jobs in ["2", "4"] {
            let mut make = std::process::Command::new("make");
            make.current_dir(dir.path()).arg(format!("-j{jobs}")).env(INNER, jobs).env_remove("MAKEFLAGS");
            let output = make.output().expect("make runs");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "-j{jobs}: {said}");
        }
    }

    #[test]
    fn a_jobserver_that_is_advertised_but_closed_means_one_at_a_time() {
        // The crate reads the variable of the process, where there is none: as good as closed.
        let world = ScriptedWorld::new("/w").variable("MAKEFLAGS", " -j4 --jobserver-auth=198,199");
        assert!(matches!(allowance(&world, 8), Allowance::Cores(1)));
        let unlimited = ScriptedWorld::new("/w").variable("MAKEFLAGS", " -s");
        assert!(matches!(allowance(&unlimited, 1), Allowance::Cores(1)));
    }
}
