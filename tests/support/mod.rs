//! A place to compile in: a work directory, a store of its own, and the same commands run bare and
//! through the wrapper.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The wrapper under test.
pub const WRAPPER: &str = env!("CARGO_BIN_EXE_brioche-cc");

/// A work directory and a store.
pub struct Bench {
    dir: tempfile::TempDir,
}

/// What a file looks like to a build: its mode and its bytes.
pub type Files = BTreeMap<PathBuf, (u32, Vec<u8>)>;

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("work")).expect("work directory");
        Self { dir }
    }

    /// The directory that commands run in.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// A path beside work directory and store.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the work directory, its directories too.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, text).expect("a file");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.work().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        self.work().join(name).symlink_metadata().is_ok()
    }

    pub fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.work().join(name));
    }

    /// A command with the environment of a plain user.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("LANG", "C.UTF-8")
            .env("BRIOCHE_CC_DIR", self.store())
            .env("BRIOCHE_CC_LOG", self.beside("log"))
            .stdin(Stdio::null());
        command
    }

    /// `brioche-cc ARGS…`, not started yet.
    pub fn wrapper(&self, args: &[&str]) -> Command {
        let mut command = self.command(WRAPPER);
        command.args(args);
        command
    }

    /// Runs `COMPILER ARGS…` without the wrapper.
    pub fn bare(&self, args: &[&str]) -> Output {
        self.command(args[0]).args(&args[1..]).output().expect("the compiler runs")
    }

    /// Runs `brioche-cc COMPILER ARGS…`.
    pub fn wrapped(&self, args: &[&str]) -> Output {
        self.wrapper(args).output().expect("the wrapper runs")
    }

    /// The same; the command must succeed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> Output {
        let output = self.wrapped(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// The store's figures.
    pub fn statistics(&self) -> Statistics {
        let output = self.wrapped(&["--show-stats", "--json"]);
        Statistics(serde_json::from_slice(&output.stdout).expect("figures"))
    }

    /// What the log says.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.beside("log")).unwrap_or_default()
    }

    /// Every file of the work directory.
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        collect(&self.work(), Path::new(""), &mut files);
        files
    }

    /// Runs a command through the wrapper and tells what the store counted: hits and misses.
    #[track_caller]
    pub fn counted(&self, args: &[&str]) -> (u64, u64) {
        let before = self.statistics();
        self.ok(args);
        let after = self.statistics();
        (after.hits() - before.hits(), after.misses() - before.misses())
    }

    /// The command must hit once and not miss.
    #[track_caller]
    pub fn hits(&self, args: &[&str]) {
        assert_eq!(self.counted(args), (1, 0), "a hit of {args:?}\n{}", self.log());
    }

    /// The command must miss once and not hit.
    #[track_caller]
    pub fn misses(&self, args: &[&str]) {
        assert_eq!(self.counted(args), (0, 1), "a miss of {args:?}\n{}", self.log());
    }

    /// The command must be refused with this token, and nothing be cached.
    #[track_caller]
    pub fn refuses(&self, token: &str, args: &[&str]) {
        let before = self.statistics();
        self.wrapped(args);
        let after = self.statistics();
        assert_eq!(
            after.hits() + after.misses(),
            before.hits() + before.misses(),
            "{args:?}\n{}",
            self.log()
        );
        assert_eq!(after.refused(token), before.refused(token) + 1, "{token}: {args:?}\n{}", self.log());
    }

    /// Runs the command bare, then through the wrapper cold and warm, from the same start: status,
    /// streams and files must be the same. Gives the figures of the warm run alone: hits and misses.
    #[track_caller]
    pub fn transparent(&self, args: &[&str]) -> (u64, u64) {
        let start = self.files();
        let bare = self.bare(args);
        let expected = self.files();
        let mut counted = (0, 0);
        for run in ["cold", "warm"] {
            self.reset(&start);
            let before = self.statistics();
            let output = self.wrapped(args);
            let after = self.statistics();
            counted = (after.hits() - before.hits(), after.misses() - before.misses());
            assert_eq!(output.status.code(), bare.status.code(), "{run}: status of {args:?}\n{}", self.log());
            same_text(run, args, &output.stdout, &bare.stdout);
            same_text(run, args, &output.stderr, &bare.stderr);
            same_files(run, args, &self.files(), &expected);
        }
        counted
    }

    fn reset(&self, start: &Files) {
        for name in self.files().keys() {
            if !start.contains_key(name) {
                std::fs::remove_file(self.work().join(name)).expect("removed");
            }
        }
        for (name, (_, bytes)) in start {
            if std::fs::read(self.work().join(name)).ok().as_ref() != Some(bytes) {
                std::fs::write(self.work().join(name), bytes).expect("written");
            }
        }
    }
}

#[track_caller]
fn same_text(run: &str, args: &[&str], ours: &[u8], bare: &[u8]) {
    let (ours, bare) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(bare));
    assert_eq!(ours, bare, "{run}: what {args:?} says");
}

#[track_caller]
fn same_files(run: &str, args: &[&str], ours: &Files, bare: &Files) {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(ours), names(bare), "{run}: files of {args:?}");
    for (name, (mode, bytes)) in bare {
        let ours = &ours[name];
        assert_eq!(format!("{:o}", ours.0), format!("{mode:o}"), "{run}: mode of {}", name.display());
        assert!(&ours.1 == bytes, "{run}: bytes of {} after {args:?}", name.display());
    }
}

fn collect(root: &Path, below: &Path, files: &mut Files) {
    for entry in std::fs::read_dir(root.join(below)).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = below.join(entry.file_name());
        let metadata = entry.metadata().expect("metadata");
        if metadata.is_dir() {
            collect(root, &name, files);
        } else if metadata.is_file() {
            let bytes = std::fs::read(entry.path()).expect("bytes");
            files.insert(name, (metadata.permissions().mode() & 0o7777, bytes));
        }
    }
}

/// The object that `--show-stats --json` prints.
pub struct Statistics(serde_json::Value);

impl Statistics {
    pub fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {}", self.0))
    }

    pub fn hits(&self) -> u64 {
        self.number("hits")
    }

    pub fn misses(&self) -> u64 {
        self.number("misses")
    }

    pub fn refused(&self, token: &str) -> u64 {
        self.0["refused"][token].as_u64().unwrap_or(0)
    }
}

/// The compilers that are installed, of those that tests run on.
pub fn compilers(names: &[&'static str]) -> Vec<&'static str> {
    let there = |name: &&&str| Path::new("/usr/bin").join(name).exists();
    let found: Vec<_> = names.iter().filter(there).copied().collect();
    assert!(!found.is_empty(), "none of {names:?} is installed");
    found
}

/// Copies a program so that it can be run at once: by another process, for while this one writes a file, what
/// another test starts at that moment has it open as well, and the system runs no file that is open for writing.
#[track_caller]
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let status = Command::new("cp").arg(from.as_ref()).arg(to.as_ref()).status().expect("cp runs");
    assert!(status.success());
}
