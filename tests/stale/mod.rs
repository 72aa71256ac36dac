//! Never stale: random trees are changed at random, and after each change a compile through the wrapper must
//! leave and say what a bare one does.

mod changes;
mod random;
mod sequences;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use bakeplan::driver::{self, Call, Config, Ending};
use bakeplan::world::{Environment, Exit, RealWorld, Stream};

use crate::support::{WRAPPER, compilers};
use random::Random;
use tree::{Invocation, Writer};

/// What runs a compile beside the bare compiler.
#[derive(Clone)]
enum Side {
    /// The wrapper.
    Wrapper,
    /// The library, made blind for what appears where nothing was found.
    Blind,
    /// Another cache, with its variables.
    Peer(PathBuf, Vec<(String, String)>),
}

/// What a compile left and said.
#[derive(PartialEq, Eq)]
struct Outcome {
    status: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    object: Option<Vec<u8>>,
    dependencies: Option<Vec<u8>>,
}

/// What a run saw.
#[derive(Debug, Default, Clone)]
struct Tally {
    steps: usize,
    compiled: usize,
    direct: usize,
    preprocessed: usize,
    semantic: usize,
    prevented: usize,
    /// How often the result was another one, by the kind of change before it.
    wrong: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.compiled += other.compiled;
        self.direct += other.direct;
        self.preprocessed += other.preprocessed;
        self.semantic += other.semantic;
        self.prevented += other.prevented;
        for (kind, count) in other.wrong {
            *self.wrong.entry(kind).or_default() += count;
        }
    }

    fn hits(&self) -> usize {
        self.direct + self.preprocessed + self.semantic
    }
}

/// One project: a tree, a store, and some ways of compiling.
struct Project {
    dir: tempfile::TempDir,
    side: Side,
    history: Vec<String>,
}

impl Project {
    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn environment(&self, invocation: &Invocation) -> Vec<(String, String)> {
        let mut all = vec![
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME".to_owned(), self.dir.path().display().to_string()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ("BRIOCHE_CC_DIR".to_owned(), self.dir.path().join("store").display().to_string()),
            ("BRIOCHE_CC_LOG".to_owned(), self.dir.path().join("log").display().to_string()),
            ("CCACHE_DIR".to_owned(), self.dir.path().join("ccache").display().to_string()),
        ];
        all.extend(invocation.environment.iter().cloned());
        all
    }

    /// Runs a compile and takes away what it left.
    fn run(&self, prefix: Option<&Path>, extra: &[(String, String)], invocation: &Invocation) -> Outcome {
        let mut words: Vec<&str> = invocation.args.iter().map(String::as_str).collect();
        let program = prefix.map_or_else(|| PathBuf::from(words.remove(0)), Path::to_owned);
        let output = Command::new(program)
            .args(words)
            .current_dir(self.work())
            .env_clear()
            .envs(self.environment(invocation))
            .envs(extra.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        self.outcome(invocation, output.status.code(), output.stdout, output.stderr)
    }

    fn outcome(
        &self,
        invocation: &Invocation,
        status: Option<i32>,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
    ) -> Outcome {
        let take = |name: &String| {
            let path = self.work().join(name);
            let bytes = std::fs::read(&path).ok();
            let _ = std::fs::remove_file(&path);
            bytes
        };
        let object = take(&invocation.object);
        Outcome {
            status,
            stdout,
            stderr,
            object,
            dependencies: invocation.dependencies.as_ref().and_then(take),
        }
    }

    /// Runs a compile in this process, without looking for what was not there.
    fn run_blind(&self, invocation: &Invocation) -> Outcome {
        let environment =
            self.environment(invocation).into_iter().map(|(name, value)| (name.into(), value.into()));
        let world = RealWorld::new(self.work(), Environment::new(environment.collect()));
        let config = Config { absences: false, ..Config::read(&world) };
        let args = invocation.args.iter().map(Into::into).collect();
        let call = Call { executable: WRAPPER.into(), argv0: WRAPPER.into(), args };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ending = driver::run_with(&world, &config, &call, &mut |stream, bytes| match stream {
            Stream::Stdout => out.extend_from_slice(bytes),
            Stream::Stderr => err.extend_from_slice(bytes),
        });
        match ending {
            Ending::Exit(Exit::Code(code)) => self.outcome(invocation, Some(code), out, err),
            _ => self.run(None, &[], invocation),
        }
    }

    fn run_side(&self, invocation: &Invocation) -> Outcome {
        match &self.side {
            Side::Wrapper => self.run(Some(Path::new(WRAPPER)), &[], invocation),
            Side::Blind => self.run_blind(invocation),
            Side::Peer(program, extra) => self.run(Some(program), extra, invocation),
        }
    }

    /// What the log says of all compiles.
    fn tally(&self, steps: usize) -> Tally {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
        let mut appeared: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("manifest: absent-appeared"))
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        appeared.dedup();
        Tally {
            steps,
            compiled: count(": miss ("),
            direct: count("hit (exact)"),
            preprocessed: count("hit (exact, preprocessed)"),
            semantic: count("hit (semantic)"),
            prevented: appeared.len(),
            wrong: BTreeMap::new(),
        }
    }

    /// Keeps the project for whoever wants to know.
    fn keep(self, seed: u64, step: usize, invocation: &Invocation) -> String {
        let history = self.history.join("\n  ");
        let environment = invocation.environment.clone();
        let place = self.dir.keep();
        format!(
            "seed {seed}, step {step}, kept in {}:\n  {history}\nthen {environment:?} {}",
            place.display(),
            invocation.args.join(" "),
        )
    }
}

/// Goes through one project. Where the side is the wrapper, a difference ends the test.
fn go(seed: u64, steps: usize, side: &Side, compilers: &[&str]) -> Result<Tally, String> {
    let mut random = Random::new(seed);
    let mut writer = Writer::new();
    let mut project =
        Project { dir: tempfile::tempdir().expect("a directory"), side: side.clone(), history: Vec::new() };
    let root = project.work();
    std::fs::create_dir(&root).expect("a directory");
    tree::plant(&mut random, &mut writer, &root);
    let mut invocations: Vec<Invocation> =
        (0..3).map(|_| tree::invocation(&mut random, compilers, &root)).collect();
    let mut wrong: BTreeMap<String, usize> = BTreeMap::new();
    for step in 0..steps {
        let said = changes::change(&mut random, &mut writer, &root, &mut invocations);
        let invocation = random.pick(&invocations).clone();
        project.history.push(format!("{said}; {}", invocation.args.join(" ")));
        let ours = project.run_side(&invocation);
        let bare = project.run(None, &[], &invocation);
        if ours == bare {
            continue;
        }
        if matches!(side, Side::Wrapper) {
            let fields = [
                ("status", ours.status == bare.status),
                ("stdout", ours.stdout == bare.stdout),
                ("stderr", ours.stderr == bare.stderr),
                ("object", ours.object == bare.object),
                ("dependencies", ours.dependencies == bare.dependencies),
            ];
            let differ: Vec<_> = fields.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
            return Err(format!("{differ:?} differ: {}", project.keep(seed, step, &invocation)));
        }
        if ours.object != bare.object {
            let kind = said.split(&['/', ':'][..]).next().unwrap_or_default().trim().to_owned();
            *wrong.entry(kind).or_default() += 1;
        }
    }
    Ok(Tally { wrong, ..project.tally(steps) })
}

/// Goes through as many projects as it takes, two at a time.
fn go_all(seed: u64, steps: usize, side: &Side) -> Tally {
    const A_PROJECT: usize = 50;
    let compilers = compilers(&["gcc", "gcc", "clang-14"]);
    let seeds: Mutex<Vec<u64>> =
        Mutex::new((0..steps.div_ceil(A_PROJECT) as u64).map(|n| seed + n).collect());
    let total: Mutex<Tally> = Mutex::default();
    let failed: Mutex<Option<String>> = Mutex::default();
    let work = || {
        loop {
            let Some(seed) = seeds.lock().unwrap().pop().filter(|_| failed.lock().unwrap().is_none()) else {
                return;
            };
            match go(seed, A_PROJECT, side, &compilers) {
                Ok(tally) => total.lock().unwrap().add(tally),
                Err(why) => *failed.lock().unwrap() = Some(why),
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    if let Some(why) = failed.into_inner().unwrap() {
        panic!("{why}");
    }
    total.into_inner().unwrap()
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_change_of_the_world_gives_a_stale_object() {
    let steps = number("BAKEPLAN_STALE_STEPS").unwrap_or(2000);
    let seed = number("BAKEPLAN_STALE_SEED").unwrap_or(1) as u64;
    let tally = go_all(seed, steps, &Side::Wrapper);
    println!("{tally:?}");
    // Floors: that all of this was really seen.
    assert!(tally.direct > tally.steps / 5, "direct hits: {tally:?}");
    assert!(tally.hits() > tally.steps / 4, "hits: {tally:?}");
    assert!(tally.semantic > tally.steps / 200, "semantic hits: {tally:?}");
    assert!(tally.prevented > tally.steps / 100, "hits prevented by a lookup that failed before: {tally:?}");
    assert!(tally.compiled > tally.steps / 10, "compiles: {tally:?}");
}

#[test]
fn without_negative_lookups_objects_are_stale() {
    let tally = go_all(1, 400, &Side::Blind);
    println!("{tally:?}");
    assert!(!tally.wrong.is_empty(), "the generator does not notice: {tally:?}");
}

/// For `scripts/stale.sh`: the same for another cache, named by a variable; its stale objects are counted.
#[test]
#[ignore = "needs a peer"]
fn how_often_a_peer_is_stale() {
    let Ok(peer) = std::env::var("BAKEPLAN_STALE_PEER") else { return };
    let steps = number("BAKEPLAN_STALE_STEPS").unwrap_or(2000);
    let seed = number("BAKEPLAN_STALE_SEED").unwrap_or(1) as u64;
    let passed = std::env::vars().filter(|(name, _)| name.starts_with("SCCACHE_")).collect();
    let tally = go_all(seed, steps, &Side::Peer(peer.clone().into(), passed));
    let wrong: usize = tally.wrong.values().sum();
    println!("{peer}: {} steps, {wrong} stale objects: {:?}", tally.steps, tally.wrong);
}
