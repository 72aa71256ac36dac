//! A sandbox for one process, as Brioche's processes see theirs: configuration as data, one [`Sandbox::run`].
//!
//! It is made by bubblewrap (`bwrap`, Debian's package `bubblewrap`): a small C program without dependencies
//! that Flatpak and GNOME keep and many people have audited, present on most distributions, and fit for hosts
//! that are not root. What it does (namespaces, mounts, a new root, capabilities dropped, a reaper as the first
//! process) has to happen between `fork` and `exec`, which in a library with threads is all unsafe code; a
//! program of its own costs two milliseconds.
//!
//! | what | how |
//! |---|---|
//! | namespaces | user, mount, process, IPC, UTS; network, unless `networking` |
//! | user | uid and gid 1099, no capabilities, no way to gain privileges |
//! | host name | `localhost` |
//! | root | read-only: `/bin/sh` and `/usr/bin/env` with what they load, a small `/etc`, nothing else of the host |
//! | `/dev` | `null`, `zero`, `full`, `random`, `urandom`, `tty`, `pts`, `shm`, the standard streams |
//! | `/proc` | of the new process namespace |
//! | the rest | as [`Config::mounts`] say |
//!
//! However it ends, all its processes end: the first process of the namespace is killed with the host
//! (`PR_SET_PDEATHSIG` on `bwrap` from before it starts, by itself after that), and the kernel kills the rest
//! with it.
//!
//! Limits of memory and of processes hold for all of a process's processes together where the host can have control
//! groups (`cgroup`), and for each alone elsewhere.

mod bubblewrap;
mod cgroup;
mod error;
mod limits;
mod linked;
mod pump;
mod root;
mod spawn;
mod status;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cgroup::Group;
pub(crate) use cgroup::{Groups, remove_groups};
pub use error::SandboxError;
pub use limits::Limits;
pub(crate) use linked::{Linked, linked};
pub(crate) use root::{SOCKET_DIR, hosts_files, write_users};

use crate::world::{Exit, Stream, World};

/// The user and group that a process is.
pub const USER: u32 = 1099;

/// A process to run in a sandbox.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program: a path within the sandbox.
    pub command: OsString,
    /// Its arguments, without `argv[0]`.
    pub args: Vec<OsString>,
    /// Its environment, all of it (`PWD` is added by bubblewrap).
    pub env: Vec<(OsString, OsString)>,
    /// Where it runs: a path within the sandbox.
    pub current_dir: PathBuf,
    /// What it sees beside the root, in this order: a mount may stand in an earlier one.
    pub mounts: Vec<Mount>,
    /// Whether it sees the network.
    pub networking: bool,
    /// What it may use up.
    pub limits: Limits,
    /// The control group that it is in, where the limits for all its processes are set.
    pub group: Option<Arc<Group>>,
    /// Where its streams go.
    pub streams: Streams,
}

/// Something that stands in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub guest: PathBuf,
    /// What.
    pub what: What,
}

/// What stands in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file or directory of the host, to be read.
    ReadOnly(PathBuf),
    /// A file or directory of the host, to be written.
    Writable(PathBuf),
    /// A symbolic link.
    Link(OsString),
}

/// Where the streams of a process go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// To the log; there is nothing on standard input.
    Log,
    /// They are the host's own.
    Inherited,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By itself, or by a signal.
    Exit(Exit),
    /// It could not be started: what the sandbox says (no such program, no permission).
    NotStarted(String),
    /// It was stopped, because nobody waits for it.
    Stopped,
    /// It was stopped after this many seconds.
    TimedOut(u64),
    /// It was killed because all its processes together used more than so many bytes of memory.
    OutOfMemory(u64),
}

/// What is told to and asked of who waits, while a process runs.
pub trait Attend {
    /// It wrote something.
    fn log(&self, stream: Stream, bytes: &[u8]);
    /// Whether it is to be stopped.
    fn stop(&self) -> bool;
}

/// How processes are run.
#[derive(Debug, Clone)]
pub struct Sandbox {
    means: Means,
}

#[derive(Debug, Clone)]
enum Means {
    /// By bubblewrap, over this root.
    Bubblewrap { program: PathBuf, root: PathBuf },
    /// Not at all.
    None,
}

impl Sandbox {
    /// A real one. `scratch` gets the read-only root that all sandboxes share.
    ///
    /// # Errors
    /// When there is no bubblewrap, or the kernel forbids namespaces: a sandbox is tried.
    pub fn new(world: &dyn World, scratch: &Path) -> Result<Self, SandboxError> {
        let program = bubblewrap::find(world)?;
        let root = root::make(world, scratch)?;
        let sandbox = Self { means: Means::Bubblewrap { program, root } };
        sandbox.try_out()?;
        Ok(sandbox)
    }

    /// None: processes run as they are, see the whole machine, and may do all that the host may. Paths are real
    /// ones, so what a process writes may name them.
    #[must_use]
    pub fn none() -> Self {
        Self { means: Means::None }
    }

    /// Whether it is a real one.
    #[must_use]
    pub fn is_real(&self) -> bool {
        matches!(self.means, Means::Bubblewrap { .. })
    }

    /// Runs a process to its end, and everything that it started.
    ///
    /// # Errors
    /// When it cannot be run; a process that fails is [`Ended`].
    pub fn run(&self, config: &Config, attend: &dyn Attend) -> Result<Ended, SandboxError> {
        match &self.means {
            Means::Bubblewrap { program, root } => {
                let arguments = bubblewrap::arguments(config, root);
                spawn::sandboxed(program, arguments, config, attend)
            }
            Means::None => spawn::plain(config, attend),
        }
    }

    /// Runs a shell that does nothing.
    fn try_out(&self) -> Result<(), SandboxError> {
        let config = Config {
            command: "/bin/sh".into(),
            args: vec!["-c".into(), ":".into()],
            env: Vec::new(),
            current_dir: "/".into(),
            mounts: Vec::new(),
            networking: false,
            limits: Limits { seconds: Some(30), ..Limits::default() },
            group: None,
            streams: Streams::Log,
        };
        let said = std::cell::RefCell::new(Vec::new());
        let ended = self.run(&config, &Listener(&said))?;
        if ended == Ended::Exit(Exit::Code(0)) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said.borrow()).trim().to_owned();
        Err(SandboxError::Forbidden(if said.is_empty() { format!("{ended:?}") } else { said }))
    }
}

/// Keeps what is said.
struct Listener<'a>(&'a std::cell::RefCell<Vec<u8>>);

impl Attend for Listener<'_> {
    fn log(&self, _: Stream, bytes: &[u8]) {
        self.0.borrow_mut().extend_from_slice(bytes);
    }

    fn stop(&self) -> bool {
        false
    }
}
