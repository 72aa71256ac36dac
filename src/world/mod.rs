//! The world as the library sees it: environment, files, clock, processes. Nothing else in the
//! library reads them, so that every decision can be replayed from a scripted world in a test.

mod access;
mod process;
mod real;
#[cfg(target_os = "linux")]
mod record;
mod scripted;
mod state;
mod transcript;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::SystemTime;

pub use access::{Access, Kind, Recording, Redirect, What};
pub use real::RealWorld;
pub use scripted::ScriptedWorld;
pub use state::{DirectoryState, FileState};
pub use transcript::Transcript;

/// A snapshot of the environment, in the order in which the process got it. Copies share it until one is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(Arc<Vec<(OsString, OsString)>>);

impl Environment {
    /// Takes a snapshot as it is.
    #[must_use]
    pub fn new(variables: Vec<(OsString, OsString)>) -> Self {
        Self(Arc::new(variables))
    }

    /// The value of a variable; `None` when it is unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_os_str())
    }

    /// Sets a variable, in place of an earlier value.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.remove(name);
        Arc::make_mut(&mut self.0).push((name.into(), value.into()));
    }

    /// Unsets a variable.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            Arc::make_mut(&mut self.0).retain(|(n, _)| n != name);
        }
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(n, v)| (n.as_os_str(), v.as_os_str()))
    }
}

/// What `stat` says that identifies a file's content: while all of it is the same, so are the bytes,
/// except within the granularity of the clock (see [`Stat::is_settled`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Stat {
    /// The device that holds the inode.
    pub device: u64,
    /// The inode.
    pub inode: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// The number of hard links.
    pub links: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the bytes, nanoseconds since the epoch.
    pub modified: i128,
    /// Last change of the inode, nanoseconds since the epoch.
    pub changed: i128,
}

impl Stat {
    /// Clocks of file systems advance in ticks: two changes within one tick leave the same times.
    /// A kernel tick is at most 10 ms; this leaves room for a loaded machine.
    pub const GRANULARITY: i128 = 40_000_000;

    /// Whether both times are so far before `instant` (nanoseconds since the epoch) that no change
    /// made from `instant` on could leave them the same.
    #[must_use]
    pub fn is_settled(&self, instant: i128) -> bool {
        self.modified.max(self.changed) < instant - Self::GRANULARITY
    }

    /// Whether this is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }

    /// Whether this is a symbolic link (only [`World::lstat`] answers that).
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    /// Whether the same bytes stand behind both: everything but mode and link count is equal.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        let key = |s: &Self| (s.device, s.inode, s.size, s.modified, s.changed);
        key(self) == key(other)
    }
}

/// Nanoseconds since the epoch, negative before it.
#[must_use]
pub fn nanoseconds(time: SystemTime) -> i128 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    }
}

/// Which of a program's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The file to execute.
    pub program: PathBuf,
    /// `argv[0]` as the program shall see it; the program's own path when `None`.
    pub argv0: Option<OsString>,
    /// The arguments after `argv[0]`.
    pub args: Vec<OsString>,
    /// The whole environment.
    pub environment: Environment,
    /// The directory to run in.
    pub cwd: PathBuf,
    /// What it gets as standard input.
    pub stdin: Stdin,
    /// Whether its standard error shall be a terminal like ours, so that it colours and wraps
    /// what it says as it would without us.
    pub terminal: bool,
}

/// What a program gets as standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    Empty,
    /// Ours.
    Inherited,
    /// These bytes.
    Bytes(Arc<[u8]>),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It exited with this status (0 to 255).
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Exit {
    /// Whether it exited with status 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Receives what a running program writes, as it comes.
pub type Sink<'a> = &'a mut (dyn FnMut(Stream, &[u8]) + Send);

/// What can be read in parts.
pub trait Parts: io::Read + io::Seek {}

impl<T: io::Read + io::Seek> Parts for T {}

/// Environment, files, clock and processes.
pub trait World: Sync {
    /// The working directory, as `getcwd` gives it.
    fn cwd(&self) -> &Path;

    /// The environment at the start.
    fn environment(&self) -> &Environment;

    /// The time, nanoseconds since the epoch.
    fn now(&self) -> i128;

    /// The bytes of a regular file.
    ///
    /// # Errors
    /// What the system says; a file that is no regular file is an error too.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// A regular file, to be read in parts.
    ///
    /// # Errors
    /// As [`World::read`].
    fn open(&self, path: &Path) -> io::Result<Box<dyn Parts>> {
        Ok(Box::new(io::Cursor::new(self.read(path)?)))
    }

    /// What stands at a path, links followed.
    ///
    /// # Errors
    /// What the system says.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// What stands at a path, a link itself.
    ///
    /// # Errors
    /// What the system says.
    fn lstat(&self, path: &Path) -> io::Result<Stat>;

    /// The path with every link resolved.
    ///
    /// # Errors
    /// What the system says.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// Where a symbolic link leads, as it is spelled in the link.
    ///
    /// # Errors
    /// What the system says; what is no link is an error too.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// What the system says; a world without directories has none.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// All of our standard input, which stands at its beginning again for a program that takes our place.
    ///
    /// # Errors
    /// What the system says.
    fn read_stdin(&self) -> io::Result<Vec<u8>>;

    /// The signal that asked us to end, if one did while a program ran or since [`World::heed_signals`]. The
    /// caller cleans up and then ends by that signal.
    fn interrupted(&self) -> Option<i32> {
        None
    }

    /// From here on a signal that asks us to end only leaves its number here.
    fn heed_signals(&self) -> Option<Arc<AtomicUsize>> {
        None
    }

    /// Runs a program to its end. Signals that ask us to end reach it first.
    ///
    /// # Errors
    /// Only when it could not be started or waited for; a program that fails is an [`Exit`].
    fn run(&self, command: &Command, sink: Sink<'_>) -> io::Result<Exit>;

    /// Whether [`World::run_recorded`] can record, as far as it can be told beforehand.
    fn records(&self) -> bool {
        false
    }

    /// Runs a program to its end, with some paths redirected (each spelling that shall be, byte for byte), and
    /// records what its processes did with the file system. `None` when that is not known completely.
    ///
    /// # Errors
    /// As [`World::run`]; when there are redirections and they can't be had, nothing was run.
    fn run_recorded(
        &self,
        command: &Command,
        redirects: &[(PathBuf, Redirect)],
        sink: Sink<'_>,
    ) -> io::Result<(Exit, Option<Recording>)> {
        if redirects.is_empty() {
            return Ok((self.run(command, sink)?, None));
        }
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A path of this world's as the system needs it: absolute, joined to the working directory.
    fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd().join(path)
    }
}

/// Runs a program and keeps what it wrote to standard output.
///
/// # Errors
/// As [`World::run`].
pub fn output(world: &dyn World, command: &Command) -> io::Result<(Exit, Vec<u8>, Vec<u8>)> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = world.run(command, &mut |stream, bytes| match stream {
        Stream::Stdout => out.extend_from_slice(bytes),
        Stream::Stderr => err.extend_from_slice(bytes),
    })?;
    Ok((exit, out, err))
}
