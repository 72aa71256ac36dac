//! Waiting for a process: its streams, its end, and whether anybody still waits.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Attend;
use super::status::Status;
use crate::world::Stream;

/// How often is asked whether anybody still waits.
const OFTEN: Duration = Duration::from_millis(50);
/// How long a stream is read that somebody holds open when the process is gone.
const AFTER: Duration = Duration::from_secs(2);

/// Why it was waited no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// It has ended, and its streams with it.
    Ended,
    /// It is to be stopped.
    Stop,
    /// Its time is up.
    Late,
}

/// Hands on what comes from the streams until the process ends.
pub(super) fn pump(
    process: BorrowedFd<'_>,
    streams: &mut Vec<(Stream, OwnedFd)>,
    attend: &dyn Attend,
    deadline: Option<Instant>,
    mut status: Option<&mut Status>,
) -> Result<Over, Errno> {
    let mut gone: Option<Instant> = None;
    let mut buffer = vec![0; 32 * 1024];
    loop {
        if gone.is_some_and(|since| streams.is_empty() || since.elapsed() > AFTER) {
            return Ok(Over::Ended);
        }
        if gone.is_none() && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Over::Late);
        }
        if gone.is_none() && attend.stop() {
            return Ok(Over::Stop);
        }
        let said = status.as_deref().and_then(Status::pipe);
        let alive = gone.is_none().then_some(process);
        let mut ready: Vec<PollFd<'_>> = streams
            .iter()
            .map(|(_, fd)| fd.as_fd())
            .chain(alive)
            .chain(said)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut ready, Timespec::try_from(OFTEN).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut others = ready.iter().skip(streams.len());
        if gone.is_none() && others.next() == Some(&true) {
            gone = Some(Instant::now());
        }
        if let Some(status) = status.as_deref_mut().filter(|_| others.next() == Some(&true)) {
            status.read();
        }
        read_ready(streams, &ready, &mut buffer, attend);
    }
}

/// Reads from those that have something; those that are at their end go.
fn read_ready(streams: &mut Vec<(Stream, OwnedFd)>, ready: &[bool], buffer: &mut [u8], attend: &dyn Attend) {
    let mut at = 0;
    streams.retain(|(stream, fd)| {
        let is_ready = ready.get(at).copied().unwrap_or(false);
        at += 1;
        if !is_ready {
            return true;
        }
        match rustix::io::read(fd.as_fd(), &mut *buffer) {
            Ok(0) => false,
            Ok(count) => {
                attend.log(*stream, buffer.get(..count).unwrap_or_default());
                true
            }
            Err(Errno::INTR | Errno::AGAIN) => true,
            Err(_) => false,
        }
    });
}
