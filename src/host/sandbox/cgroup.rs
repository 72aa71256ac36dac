//! Control groups (version 2): limits that hold for a process and all that it starts, however often it forks.
//!
//! A host has a group of its own, below the nearest group above it that hands `memory` and `pids` down and that it may
//! write to; each process gets one in there. On most machines that is so for root, and for users whose session is
//! systemd's `user@.service`. It is files that are written, nothing else.
//!
//! ```text
//! <above the host's own>/bakeplan-<host>/<n>    one process and all that it started
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Limits;

/// What has to be handed down.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];
/// Bubblewrap's own processes.
const OWN: u64 = 2;

/// The group of a host.
#[derive(Debug)]
pub(crate) struct Groups {
    dir: PathBuf,
    count: AtomicU64,
}

/// The group of a process; all in it end when this is dropped.
#[derive(Debug)]
pub struct Group {
    dir: PathBuf,
}

impl Groups {
    /// Makes a group with this name; `note` is told where before it is made. Otherwise says why there is none.
    pub(crate) fn new(name: &str, note: &dyn Fn(&Path) -> io::Result<()>) -> Result<Self, String> {
        let (top, own) = own_group()?;
        let mut why = "no group above this process hands memory and pids down".to_owned();
        for above in own.ancestors().take_while(|above| above.starts_with(&top)) {
            if !hands_down(above, above == own) {
                continue;
            }
            let dir = above.join(name);
            let made = may_move(above).and_then(|()| note(&dir)).and_then(|()| fs::create_dir(&dir));
            match made.and_then(|()| fs::write(dir.join("cgroup.subtree_control"), "+memory +pids")) {
                Ok(()) => return Ok(Self { dir, count: AtomicU64::new(0) }),
                Err(error) => why = format!("{}: {error}", dir.display()),
            }
            let _ = fs::remove_dir(&dir);
        }
        Err(why)
    }

    /// A group for one process.
    pub(crate) fn group(&self, limits: &Limits) -> io::Result<Group> {
        let dir = self.dir.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&dir)?;
        let group = Group { dir };
        if let Some(bytes) = limits.total_memory {
            group.set("memory.max", &bytes.to_string())?;
            // Where nothing is swapped there is no such file.
            let _ = group.set("memory.swap.max", "0");
            // Not one process of it, at which the others go on.
            let _ = group.set("memory.oom.group", "1");
        }
        if let Some(count) = limits.processes {
            group.set("pids.max", &count.saturating_add(OWN).to_string())?;
        }
        Ok(group)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        remove_groups(&self.dir);
    }
}

impl Group {
    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.dir.join(file), value)
    }

    /// Who writes `0` to it is in the group from then on.
    pub(super) fn door(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.dir.join("cgroup.procs"))
    }

    /// Whether something was killed because memory was used up.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.dir.join("memory.events")).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count != "0")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        end(&self.dir);
    }
}

/// Removes the group of a host, with all that is in it.
pub(crate) fn remove_groups(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            end(&entry.path());
        }
    }
    end(dir);
}

/// Ends all in a group, and removes it.
fn end(dir: &Path) {
    /// The kernel takes its time for a group that was out of memory.
    const TRIES: u32 = 500;
    let _ = fs::write(dir.join("cgroup.kill"), "1");
    for _ in 0..TRIES {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(2));
            }
            _ => return,
        }
    }
}

/// Where groups are mounted, and that of this process.
fn own_group() -> Result<(PathBuf, PathBuf), String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let mounts = read("/proc/self/mountinfo")?;
    let (root, top) = mounts.lines().find_map(mounted).ok_or("no cgroup2 is mounted")?;
    let groups = read("/proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::")).ok_or("no cgroup2")?;
    let below = Path::new(own).strip_prefix(root).map_err(|_| "this process's group is not to be seen")?;
    Ok((top.into(), Path::new(top).join(below)))
}

/// What is mounted where, if a line is of a `cgroup2`.
fn mounted(line: &str) -> Option<(&str, &str)> {
    let (mount, system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let found = (fields.next()?, fields.next()?);
    system.starts_with("cgroup2 ").then_some(found)
}

/// Whether groups below one have what is needed. For our own we ask for it, which the kernel refuses while there are
/// processes in it, but for the topmost.
fn hands_down(dir: &Path, own: bool) -> bool {
    let control = dir.join("cgroup.subtree_control");
    let has = || {
        let handed = fs::read_to_string(&control).unwrap_or_default();
        CONTROLLERS.iter().all(|wanted| handed.split_whitespace().any(|there| there == *wanted))
    };
    has() || (own && fs::write(&control, "+memory +pids").is_ok() && has())
}

/// Whether processes may be moved from one group below this one to another.
fn may_move(dir: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(dir.join("cgroup.procs")).map(drop)
}
