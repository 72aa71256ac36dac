//! Hosts, clients and builds that are killed at random points of a parallel build.
//!
//! `BAKEPLAN_FAULT_SEED` is the seed, `BAKEPLAN_FAULT_KILLS` how many kills of each kind have to land while
//! something is being baked; `scripts/faults.sh` sets it high.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::support::*;

const HOST: &str = env!("CARGO_BIN_EXE_brioche-host");
const WRAPPER: &str = env!("CARGO_BIN_EXE_brioche-cc");
const SOURCES: u64 = 12;
const HEADER: &str = "int printf(const char *, ...);\nunsigned long strlen(const char *);\n";

/// Random numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// The host, which is started again.
    Host,
    /// One client.
    Client,
    /// make and all that it started.
    Build,
}

/// A toolchain in Brioche's layout, with other programs beside it. Headers and libraries are most of one, and left
/// out.
pub(super) fn toolchain(into: &Path, programs: &[&str]) {
    let packed = Command::new(HOST)
        .args(["pack-toolchain", into.to_str().unwrap(), "gcc", "--no-sysroot", "--wrapper", WRAPPER])
        .args(programs.iter().flat_map(|program| ["--program", program]))
        .status();
    assert!(packed.unwrap().success());
    fs::create_dir_all(into.join("sysroot/usr/include")).unwrap();
    fs::write(into.join("sysroot/usr/include/stdc-predef.h"), "").unwrap();
    std::os::unix::fs::symlink("../../sysroot", into.join("libexec/brioche-cc/sysroot")).unwrap();
}

/// A project, its toolchain, its host, and the same project for the bare compiler.
struct Arena {
    dir: tempfile::TempDir,
    host: Option<Child>,
    edits: u64,
}

impl Arena {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["work", "bare", "tmp"] {
            fs::create_dir(path(name)).unwrap();
        }
        toolchain(&path("toolchain"), &[]);
        // What a compiler leaves that is killed in the middle is not what make takes for a result.
        let rules = "OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))\nall: $(OBJECTS)\n\
            %.o: %.c common.h\n\t$(CC) -O2 -c $< -o $@.part && mv $@.part $@\n";
        for place in ["work", "bare"] {
            fs::write(path(place).join("Makefile"), rules).unwrap();
            fs::write(path(place).join("common.h"), HEADER).unwrap();
        }
        let mut arena = Self { dir, host: None, edits: 0 };
        for number in 0..SOURCES {
            arena.edit(number);
        }
        arena
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Changes a source, so that it has to be compiled again; a compile takes long enough to be hit.
    fn edit(&mut self, number: u64) {
        use std::fmt::Write;
        self.edits += 1;
        let mut text = String::from("#include \"common.h\"\n");
        for function in 0..25 {
            writeln!(
                text,
                "int f{number}_{function}(char *to, const char *from, int n) {{ int sum = {}; \
                 for (int i = 0; i < n; i++) {{ to[i] = from[n - i] + i * {function}; sum += to[i] ^ sum; }} \
                 if (sum > {number}) printf(\"%d %lu\\n\", sum, strlen(from)); return sum; }}",
                self.edits
            )
            .unwrap();
        }
        for place in ["work", "bare"] {
            fs::write(self.path(place).join(format!("s{number}.c")), &text).unwrap();
            // One that was made within the same tick of the clock is not older to make.
            let _ = fs::remove_file(self.path(place).join(format!("s{number}.o")));
        }
    }

    fn start_host(&mut self) {
        let socket = self.path("socket");
        let child = Command::new(HOST)
            .args(["--store", self.path("store").to_str().unwrap(), "serve", "--input"])
            .arg(self.path("toolchain"))
            .arg("--socket")
            .arg(&socket)
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.host = Some(child);
        soon("the host serves", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    }

    fn host(&self) -> &Child {
        self.host.as_ref().expect("a host")
    }

    /// make with two jobs, in a process group of its own.
    fn make(&self, place: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("make");
        command
            .args(["-s", "-j2"])
            .current_dir(self.path(place))
            .env("TMPDIR", self.path("tmp"))
            .env("BRIOCHE_CC_DIR", self.path("local"))
            .env("BRIOCHE_CC_LOG", self.path("log"))
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .stdin(Stdio::null())
            .stderr(fs::File::create(self.path("said")).unwrap())
            .process_group(0);
        if place == "bare" {
            command.arg("CC=gcc")
        } else {
            let compiler = self.path("toolchain/bin/gcc");
            command.arg(format!("CC={}", compiler.display()));
            command.env("BRIOCHE_HOST_SOCKET_PATH", self.path("socket")).env("BRIOCHE_CC_SPAWN_RECIPES", "1")
        };
        command
    }

    /// A build that must come to its end.
    #[track_caller]
    fn built(&self, place: &str) {
        let status = self.make(place).status().unwrap();
        assert!(status.success(), "{place}: {}", fs::read_to_string(self.path("said")).unwrap());
    }

    /// Whether the host has a sandbox at work: a child of its own that has not ended.
    fn is_baking(&self) -> bool {
        is_baking(self.host().id())
    }

    /// The clients that run.
    fn clients(&self) -> Vec<u32> {
        let compiler = self.path("toolchain/bin/gcc").display().to_string();
        let is_client = |process: &&Process| process.is_alive && process.command.starts_with(&compiler);
        processes().iter().filter(is_client).map(|process| process.id).collect()
    }

    /// Kills; whether something was being baked when it happened. `None` when there was nobody to kill.
    fn kill(&mut self, victim: Victim, make: &mut Child, random: &mut Random) -> Option<bool> {
        match victim {
            Victim::Host => {
                // Stopped first, so that no bake ends between the look and the kill.
                let host = Pid::from_child(self.host());
                kill_process(host, Signal::STOP).unwrap();
                let landed = self.is_baking();
                let mut child = self.host.take()?;
                child.kill().unwrap();
                child.wait().unwrap();
                Some(landed)
            }
            Victim::Client => {
                let clients = self.clients();
                let at = random.below(clients.len().max(1) as u64);
                let client =
                    Pid::from_raw(i32::try_from(*clients.get(usize::try_from(at).unwrap())?).unwrap())?;
                kill_process(client, Signal::STOP).ok()?;
                let landed = self.is_baking();
                kill_process(client, Signal::KILL).ok()?;
                Some(landed)
            }
            Victim::Build => {
                let group = Pid::from_child(make);
                kill_process_group(group, Signal::STOP).ok()?;
                let landed = self.is_baking();
                kill_process_group(group, Signal::KILL).ok()?;
                make.wait().unwrap();
                Some(landed)
            }
        }
    }

    /// One build in which somebody is killed, and one after it that must come to its end with the right objects.
    fn round(&mut self, victim: Victim, random: &mut Random) -> bool {
        for _ in 0..4 {
            let number = random.below(SOURCES);
            self.edit(number);
        }
        let start = Instant::now();
        let mut make = self.make("work").spawn().unwrap();
        // Some kills hit the start of a build, some a bake that is under way, at any point of it.
        if random.below(4) > 0 {
            while !self.is_baking()
                && make.try_wait().unwrap().is_none()
                && start.elapsed() < Duration::from_secs(20)
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(random.below(60)));
        } else {
            std::thread::sleep(Duration::from_millis(random.below(400)));
        }
        let killed = start.elapsed();
        let landed = self.kill(victim, &mut make, random).unwrap_or(false);
        let status = make.wait().unwrap();
        let ended = start.elapsed();
        match victim {
            Victim::Host => {
                assert!(status.success(), "a build ends well without its host: {status}");
                self.start_host();
            }
            Victim::Client => soon("clients of a make that failed end", || self.clients().is_empty()),
            Victim::Build => {}
        }
        self.built("work");
        self.built("bare");
        for number in 0..SOURCES {
            let object = |place: &str| fs::read(self.path(place).join(format!("s{number}.o"))).unwrap();
            assert!(object("work") == object("bare"), "s{number}.o is another object");
        }
        println!(
            "{victim:?}: killed {killed:?} (landed: {landed}), ended {ended:?}, all {:?}",
            start.elapsed()
        );
        landed
    }

    fn stop_host(&mut self) {
        let mut host = self.host.take().expect("a host");
        kill_process(Pid::from_child(&host), Signal::TERM).unwrap();
        assert!(host.wait().unwrap().success());
    }

    /// Nothing is left of all that was killed, and everything that was kept is whole.
    fn is_clean(&self, client_kills: usize) {
        let dir = self.dir.path().to_str().unwrap().to_owned();
        soon("all processes end", || processes().iter().all(|p| !p.command.contains(&dir)));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&dir), "{mounts}");
        let host = self.path("store/host");
        assert_eq!(names(&host.join("runs")), [""; 0]);
        assert_eq!(names(&host.join("plain")), [""; 0]);
        let halves: Vec<String> =
            names(&host.join("locals")).into_iter().filter(|name| name.contains(".tmp")).collect();
        assert_eq!(halves, [""; 0]);
        // A compiler that is killed leaves its temporary files; the wrapper and the host leave nothing.
        let left = names(&self.path("tmp"));
        println!("in the clients' directory for temporary files: {left:?}");
        assert!(left.iter().all(|name| name.starts_with("cc")), "{left:?}");
        assert!(left.len() <= 2 * client_kills, "{client_kills} clients were killed, and left {left:?}");
        let engine = engine(self.dir.path(), |_| {});
        let verified = engine.verify().unwrap();
        assert!(verified.is_clean() && verified.incomplete.is_empty(), "{verified:?}");
        assert!(verified.results >= SOURCES && verified.trees > 0, "{verified:?}");
        println!("{} results, {} artifacts, all whole", verified.results, verified.artifacts);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Some(mut host) = self.host.take() {
            let _ = host.kill();
            let _ = host.wait();
        }
    }
}

/// Whether a host has a sandbox at work: a child of its own that has not ended.
pub(super) fn is_baking(host: u32) -> bool {
    let is_its = |process: &Process| process.parent == host && process.is_alive && process.name == "bwrap";
    processes().iter().any(is_its)
}

/// A process of the machine.
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) parent: u32,
    pub(super) name: String,
    pub(super) command: String,
    pub(super) is_alive: bool,
}

/// All processes; what ends meanwhile is left out.
pub(super) fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| process(&entry.path())).collect()
}

fn process(path: &Path) -> Option<Process> {
    let id = path.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(path.join("stat")).ok()?;
    let command = fs::read(path.join("cmdline")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let is_alive = !matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(Process { id, parent, name: name.to_owned(), command, is_alive })
}

pub(super) fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60), "not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn whoever_is_killed_in_a_parallel_build_it_ends_with_the_right_objects() {
    let seed = from_environment("BAKEPLAN_FAULT_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_secs() * 1_000 + u64::from(now.subsec_millis())
    });
    let wanted = from_environment("BAKEPLAN_FAULT_KILLS").unwrap_or(4);
    println!("BAKEPLAN_FAULT_SEED={seed}");
    let mut random = Random(seed | 1);
    let mut arena = Arena::new();
    arena.start_host();
    arena.built("work");
    let victims = [Victim::Host, Victim::Client, Victim::Build];
    let (mut landed, mut rounds) = ([0; 3], [0; 3]);
    while landed.iter().any(|count| *count < wanted) {
        // Who has been hit least is next.
        let (at, _) = landed.iter().enumerate().min_by_key(|(_, count)| **count).unwrap();
        landed[at] += u64::from(arena.round(victims[at], &mut random));
        rounds[at] += 1;
        assert!(rounds[at] <= 10 * (wanted + 3), "few kills land while something is baked: {landed:?}");
    }
    println!("rounds of {victims:?}: {rounds:?}; kills while something was baked: {landed:?}");
    let log = fs::read_to_string(arena.path("log")).unwrap();
    assert!(log.contains("spawned: baked"), "nothing was baked: {log}");
    arena.stop_host();
    arena.is_clean(usize::try_from(rounds[1] + 2 * rounds[2]).unwrap());
}
