//! What bubblewrap says of itself: the first process of the sandbox, and how the command ended.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long the kernel may take to end what is left in a sandbox.
const TEARDOWN: Duration = Duration::from_secs(10);

/// The reader of what bubblewrap says.
pub(super) struct Status {
    pipe: OwnedFd,
    /// Bubblewrap's own, which the first process of the sandbox has as well.
    command_line: Vec<u8>,
    text: Vec<u8>,
    first: Option<OwnedFd>,
    ended: bool,
}

impl Status {
    pub(super) fn new(pipe: OwnedFd, program: &Path, arguments: &[OsString]) -> Self {
        let words = std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
        let command_line = words.flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        Self { pipe, command_line, text: Vec::new(), first: None, ended: false }
    }

    /// What to wait on; nothing more comes after the end.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        (!self.ended).then(|| self.pipe.as_fd())
    }

    /// Reads what is there.
    pub(super) fn read(&mut self) {
        let mut buffer = [0; 512];
        match rustix::io::read(&self.pipe, &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.text.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(_) => self.ended = true,
        }
        if self.first.is_none()
            && let Some(pid) = self.number("child-pid").and_then(Pid::from_raw)
        {
            self.first = self.open(pid);
        }
    }

    /// Opens the first process of the sandbox; `None` when it is gone, and its number perhaps another's.
    fn open(&self, pid: Pid) -> Option<OwnedFd> {
        let opened = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let command_line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
        (command_line == self.command_line).then_some(opened)
    }

    /// Ends the first process of the sandbox, which asks to end with bubblewrap's own only once it is set up, and
    /// waits until it is gone: the kernel has ended all others then.
    pub(super) fn end(&mut self) {
        while self.pipe().is_some_and(|pipe| ready(pipe, Duration::ZERO)) {
            self.read();
        }
        if let Some(first) = &self.first {
            let _ = pidfd_send_signal(first, Signal::KILL);
            ready(first.as_fd(), TEARDOWN);
        }
    }

    /// The exit code, which is told once the sandbox is made and the command has run.
    pub(super) fn reported(&self) -> Option<i32> {
        self.number("exit-code")
    }

    fn number(&self, field: &str) -> Option<i32> {
        serde_json::Deserializer::from_slice(&self.text)
            .into_iter::<serde_json::Value>()
            .map_while(Result::ok)
            .find_map(|value| i32::try_from(value.get(field)?.as_i64()?).ok())
    }
}

/// Whether there is something to read, or will be in time.
fn ready(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let within = Timespec::try_from(within).ok();
    let poll = || poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], within.as_ref());
    matches!(rustix::io::retry_on_intr(poll), Ok(count) if count > 0)
}
