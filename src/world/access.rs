//! What the processes of a command did with the file system.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Stat;

/// What the processes of a command did with the file system, each thing once, in the order in which it
/// first happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// The file of the program that was run.
    pub program: PathBuf,
    /// Every path that was used.
    pub accesses: Vec<Access>,
    /// Whether a process asked what a time is in calendar terms, as `__DATE__`, `__TIME__` and
    /// `__TIMESTAMP__` do, however they are spelled.
    pub clock: bool,
    /// The files of all programs that ran, each once.
    pub programs: Vec<Arc<Path>>,
    /// The variables of the environment that were asked for by name, each once.
    pub variables: Vec<OsString>,
    /// Variables whose values decide nothing here, whoever asks for them.
    pub unasked: Vec<OsString>,
    /// The programs that asked for the time of day, each with the object in it whose code did: itself or a
    /// library.
    pub timed: Vec<(Arc<Path>, PathBuf)>,
    /// The directories that were listed, each with the program and the object in it whose code did; none where that
    /// is not known.
    pub listers: Vec<(PathBuf, Arc<Path>, Option<PathBuf>)>,
    /// What was started, as it was asked for: by path, or by a name that is looked up on `PATH`.
    pub started: Vec<PathBuf>,
}

/// One path that one program used in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The program's file.
    pub program: Arc<Path>,
    /// The path as the program spelled it.
    pub path: PathBuf,
    /// What came of it.
    pub what: What,
}

/// What came of using a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was opened for reading; what stood there at that moment. It was opened at least one tick of the
    /// clock after its last change, so that any later change shows in its times.
    Read(Stat),
    /// Nothing was found, for this reason (`errno`).
    Missing(i32),
    /// Something was found and not opened.
    Present(Kind),
    /// A symbolic link was read.
    Link,
    /// Every link on the way was resolved.
    Resolved,
    /// A directory's names were listed.
    Listed,
    /// A directory's names were listed, and only those of crates made a difference.
    ListedCrates,
    /// It was made, written, renamed or removed.
    Written,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Something else.
    Other,
}

/// What a path means to a command, in place of what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    /// This file.
    To(PathBuf),
    /// Nothing.
    Absent,
}
