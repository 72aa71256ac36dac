//! Directories for processes while they run, and what is left of them when a host is killed.
//!
//! ```text
//! <scratch>/runs/<host>/<n>      a sandboxed process
//! <scratch>/runs/<host>/private-<n>  a link to a directory that stands elsewhere: a socket's, a plain child's scratch
//! <scratch>/runs/<host>.lock     held by that host while it lives
//! <scratch>/runs/<host>/group    a link to its control group
//! <scratch>/plain/<recipe>       a process without a sandbox: its paths are real, so they are always the same
//! <scratch>/plain/<recipe>.lock  held while it runs
//! ```
//!
//! Whoever gets the lock of a host that is gone removes its directory. Mounts need no sweeping: they end with the
//! sandboxes, and these with their host. There is one exception: bubblewrap's first process waits for the one that
//! started it before it asks to end with it, and waits for ever when both were killed just then. It is known by the
//! directory that it was to mount.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::host::error::HostError;
use crate::host::files;
use crate::host::sandbox::{Group, Groups, Limits, remove_groups};
use crate::recipe::digest::RecipeHash;

/// The directories of one host.
#[derive(Debug)]
pub(crate) struct Runs {
    dir: PathBuf,
    plain: PathBuf,
    count: AtomicU64,
    groups: OnceLock<Result<Groups, String>>,
    _lock: Lock,
}

/// A directory for one process, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    parent: OwnedFd,
    _lock: Option<Lock>,
}

/// A directory for this user alone, which stands elsewhere. It goes when this is dropped, or with what its host has
/// left.
#[derive(Debug)]
pub(crate) struct PrivateDir {
    directory: tempfile::TempDir,
    note: PathBuf,
}

impl PrivateDir {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // The directory first: what is not noted would stay.
        remove(self.directory.path());
        let _ = std::fs::remove_file(&self.note);
    }
}

/// A lock file that goes when it is dropped.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While we hold it: nobody else can hold what stands at the path.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Runs {
    /// Takes a directory, and removes those of hosts that are gone.
    pub(crate) fn open(scratch: &Path) -> Result<Self, HostError> {
        let (runs, plain) = (scratch.join("runs"), scratch.join("plain"));
        for dir in [&runs, &plain] {
            std::fs::create_dir_all(dir).map_err(HostError::io("make the directory", dir))?;
            sweep(dir);
        }
        let name = files::temporary_name();
        let name = name.to_string_lossy().trim_start_matches(".brioche-host-").to_owned();
        let lock = wait_for(&runs.join(format!("{name}.lock")))?;
        let dir = runs.join(name);
        std::fs::create_dir(&dir).map_err(HostError::io("make the directory", &dir))?;
        Ok(Self { dir, plain, count: AtomicU64::new(0), groups: OnceLock::new(), _lock: lock })
    }

    /// Where processes without a sandbox have their directories.
    pub(crate) fn plain_dir(&self) -> &Path {
        &self.plain
    }

    /// A new directory.
    pub(crate) fn run(&self) -> Result<Run, HostError> {
        let name = OsString::from(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        make(&self.dir, &name, None)
    }

    /// The control groups of this host's processes; why there are none.
    pub(crate) fn groups(&self) -> &Result<Groups, String> {
        self.groups.get_or_init(|| {
            let name = group_name(&self.dir);
            Groups::new(&name, &|path| {
                let note = self.dir.join(GROUP);
                let _ = std::fs::remove_file(&note);
                std::os::unix::fs::symlink(path, &note)
            })
        })
    }

    /// A control group for a process with limits that are for all that it starts; `None` where there are none.
    pub(crate) fn group(&self, limits: &Limits) -> Result<Option<Group>, HostError> {
        if !limits.are_for_all() {
            return Ok(None);
        }
        let group = self.groups().as_ref().ok().map(|groups| groups.group(limits));
        group.transpose().map_err(HostError::io("make a control group for a process in", &self.dir))
    }

    /// A directory for this user alone in another.
    pub(crate) fn private_dir(&self, within: &Path) -> Result<PrivateDir, HostError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", private_prefix(&self.dir));
        let note = self.dir.join(format!("{NOTE}{number}"));
        let path = within.join(&name);
        std::os::unix::fs::symlink(&path, &note).map_err(HostError::io("make the link", &note))?;
        let made = tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(0)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(within);
        made.map(|directory| PrivateDir { directory, note: note.clone() }).map_err(|error| {
            let _ = std::fs::remove_file(&note);
            HostError::io("make a directory in", within)(error)
        })
    }

    /// The directory of a process without a sandbox; waits while another host has it.
    pub(crate) fn plain_run(&self, recipe: &RecipeHash) -> Result<Run, HostError> {
        let path = self.plain.join(format!("{recipe}.lock"));
        let lock = wait_for(&path)?;
        make(&self.plain, &OsString::from(recipe.to_hex()), Some(lock))
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        // Before the note of where they are.
        drop(self.groups.take());
        remove(&self.dir);
    }
}

impl Run {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(name) = self.path.file_name() {
            let _ = files::remove(self.parent.as_fd(), name);
        }
    }
}

fn make(dir: &Path, name: &OsStr, lock: Option<Lock>) -> Result<Run, HostError> {
    let parent = files::open_directory(dir)?;
    let path = dir.join(name);
    files::remove(parent.as_fd(), name).map_err(HostError::io("remove", &path))?;
    std::fs::create_dir(&path).map_err(HostError::io("make the directory", &path))?;
    Ok(Run { path, parent, _lock: lock })
}

/// Takes a lock. Another host that sweeps may have it for a moment, between our making it and our holding it.
fn wait_for(path: &Path) -> Result<Lock, HostError> {
    loop {
        if let Some(lock) = hold(path, FlockOperation::LockExclusive)? {
            return Ok(lock);
        }
    }
}

/// Takes a lock; `None` when somebody else has it or has just removed it.
fn hold(path: &Path, how: FlockOperation) -> Result<Option<Lock>, HostError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(HostError::io("open", path))?;
    if files::lock(&file, how).map_err(HostError::io("lock", path))?.is_none() {
        return Ok(None);
    }
    let ours = file.metadata().map_err(HostError::io("look at", path))?;
    let there = std::fs::symlink_metadata(path).ok();
    let is_there = there.is_some_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    Ok(is_there.then(|| Lock { path: path.to_owned(), _file: file }))
}

/// Removes what hosts that are gone have left.
fn sweep(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "lock")
            && let Ok(Some(_lock)) = hold(&path, FlockOperation::NonBlockingLockExclusive)
        {
            let directory = path.with_extension("");
            end_processes(&directory);
            remove_private(&directory);
            remove_noted_groups(&directory);
            remove(&directory);
        }
    }
}

/// How the link to a host's control group is called.
const GROUP: &str = "group";

fn group_name(host: &Path) -> String {
    format!("bakeplan-{}", host.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes the control groups that a host has left.
fn remove_noted_groups(directory: &Path) {
    if let Ok(groups) = std::fs::read_link(directory.join(GROUP))
        && groups.file_name().is_some_and(|name| *name == *group_name(directory))
    {
        remove_groups(&groups);
    }
}

/// How links to directories that stand elsewhere are called.
const NOTE: &str = "private-";

/// How the names of such directories of a host begin.
fn private_prefix(host: &Path) -> String {
    format!("brioche-host-{}-", host.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes the directories elsewhere that a host has left.
fn remove_private(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let prefix = private_prefix(directory);
    for entry in entries.flatten().filter(|entry| entry.file_name().as_bytes().starts_with(NOTE.as_bytes())) {
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        if target.file_name().is_some_and(|name| name.as_bytes().starts_with(prefix.as_bytes())) {
            remove(&target);
        }
    }
}

/// Ends what was to mount something below a directory of a host that is gone.
fn end_processes(directory: &Path) {
    /// How long the kernel may take to end a process.
    const PATIENCE: Duration = Duration::from_secs(5);
    let begun = Instant::now();
    // One that is killed while it starts another ends once it has done so.
    while kill_processes(directory) && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills the processes whose command line names something below a directory; whether there were any.
fn kill_processes(directory: &Path) -> bool {
    let needle = [directory.as_os_str().as_bytes(), b"/"].concat();
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let mut found = false;
    for process in processes.flatten() {
        let number = process.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(process_id) = number.and_then(rustix::process::Pid::from_raw) else { continue };
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if command.starts_with(b"/") && memchr::memmem::find(&command, &needle).is_some() {
            let killed = rustix::process::kill_process(process_id, rustix::process::Signal::KILL);
            found |= killed.is_ok();
        }
    }
    found
}

fn remove(path: &Path) {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
        && let Ok(parent) = files::open_directory(parent)
    {
        let _ = files::remove(parent.as_fd(), name);
    }
}
