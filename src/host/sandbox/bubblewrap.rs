//! The command line of bubblewrap.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::SandboxError;
use super::{Config, Mount, USER, What};
use crate::world::World;

/// Finds `bwrap` on the host's `PATH`.
pub(super) fn find(world: &dyn World) -> Result<PathBuf, SandboxError> {
    let path = world.environment().get("PATH").unwrap_or(OsStr::new("/usr/bin:/bin"));
    let is_program = |path: &PathBuf| world.stat(path).is_ok_and(|s| s.is_file() && s.mode & 0o111 != 0);
    path.as_bytes()
        .split(|b| *b == b':')
        .filter(|dir| dir.starts_with(b"/"))
        .map(|dir| Path::new(OsStr::from_bytes(dir)).join("bwrap"))
        .find(is_program)
        .ok_or(SandboxError::NoBubblewrap)
}

/// The descriptor on which bubblewrap says how things went.
pub(super) const STATUS: i32 = 3;

/// Its arguments, the command's included. Nothing of the recipe stands where bubblewrap would take it for an
/// option.
pub(super) fn arguments(config: &Config, root: &Path) -> Vec<OsString> {
    let Config { command, args, env, current_dir, mounts, networking, limits: _, group: _, streams: _ } =
        config;
    let mut line = Line(Vec::with_capacity(64 + args.len() + 3 * env.len() + 3 * mounts.len()));
    line.add(["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
    if !networking {
        line.add(["--unshare-net"]);
    }
    let user = USER.to_string();
    line.add(["--uid", &user, "--gid", &user, "--hostname", "localhost", "--cap-drop", "ALL"]);
    line.add(["--die-with-parent", "--new-session", "--json-status-fd", &STATUS.to_string()]);
    line.add([OsStr::new("--ro-bind"), root.as_os_str(), OsStr::new("/")]);
    line.add(["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/home"]);
    for mount in mounts {
        line.mount(mount);
    }
    line.add(["--remount-ro", "/home", "--clearenv"]);
    for (name, value) in env {
        line.add([OsStr::new("--setenv"), name, value]);
    }
    line.add([OsStr::new("--chdir"), current_dir.as_os_str(), OsStr::new("--"), command]);
    line.add(args);
    line.0
}

struct Line(Vec<OsString>);

impl Line {
    fn add<T: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = T>) {
        self.0.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
    }

    fn mount(&mut self, Mount { guest, what }: &Mount) {
        let (option, from) = match what {
            What::ReadOnly(host) => ("--ro-bind", host.as_os_str()),
            What::Writable(host) => ("--bind", host.as_os_str()),
            What::Link(target) => ("--symlink", target.as_os_str()),
        };
        self.add([OsStr::new(option), from, guest.as_os_str()]);
    }
}
