//! What bubblewrap says of itself: the first process of the sandbox, and how the command ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long the kernel may take to end what is left in a sandbox.
const TEARDOWN: Duration = Duration::from_secs(10);

/// The reader of what bubblewrap says.
pub(super) struct Status {
    pipe: OwnedFd,
    text: Vec<u8>,
    first: Option<OwnedFd>,
    ended: bool,
}

impl Status {
    pub(super) fn new(pipe: OwnedFd) -> Self {
        Self { pipe, text: Vec::new(), first: None, ended: false }
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
            self.first = pidfd_open(pid, PidfdFlags::empty()).ok();
        }
    }

    /// Waits until the first process of the sandbox is gone: the kernel has ended all others then.
    pub(super) fn wait_for_all(&mut self) {
        while self.pipe().is_some_and(|pipe| ready(pipe, Duration::ZERO)) {
            self.read();
        }
        if let Some(first) = &self.first {
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
