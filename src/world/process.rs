//! Running a program: its streams as they come, a terminal where it expects one, signals handed on.

use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::{Command, Exit, Sink, Stdin, Stream};

/// The signals that ask us to end. They are caught while a program runs, so that it can end first and
/// temporary files go.
#[derive(Debug)]
pub(super) struct Signals {
    wake: UnixStream,
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches the signals that we were not started to ignore (`nohup`, a shell's background jobs).
    pub(super) fn install() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        let received = Arc::new(AtomicUsize::new(0));
        let ignored = ignored_signals();
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            if ignored & (1 << (signal - 1)) == 0 {
                let number = usize::try_from(signal).unwrap_or(0);
                signal_hook::flag::register_usize(signal, Arc::clone(&received), number)?;
                signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
            }
        }
        Ok(Self { wake, received })
    }

    /// The number of the last signal received, zero before.
    pub(super) fn number(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.received)
    }

    /// The last signal received, if any.
    pub(super) fn received(&self) -> Option<i32> {
        match self.received.load(Ordering::SeqCst) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        }
    }
}

/// The mask of ignored signals, from `/proc/self/status` (proc(5), `SigIgn`); none where it can't be read.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

/// Runs a program to its end; see [`super::World::run`].
pub(super) fn run(command: &Command, signals: Option<&Signals>, sink: Sink<'_>) -> io::Result<Exit> {
    let terminal = if command.terminal { open_terminal().ok() } else { None };
    let (mut child, error_end) = spawn(command, terminal)?;
    let streams = [
        (Stream::Stdout, child.stdout.take().map(OwnedFd::from)),
        (Stream::Stderr, error_end.or_else(|| child.stderr.take().map(OwnedFd::from))),
    ];
    let pumped = pump(&child, streams, signals, sink);
    if pumped.is_err() {
        let _ = child.kill();
    }
    let status = child.wait()?;
    pumped?;
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(SIGTERM)),
    })
}

/// Starts the child; with a terminal, also gives the end of it from which its errors are read.
fn spawn(command: &Command, terminal: Option<(OwnedFd, OwnedFd)>) -> io::Result<(Child, Option<OwnedFd>)> {
    let mut std_command = std::process::Command::new(&command.program);
    std_command
        .args(&command.args)
        .env_clear()
        .envs(command.environment.iter())
        .stdin(standard_input(&command.stdin)?)
        .stdout(Stdio::piped());
    // Where nothing is to be changed in the child, it is started without copying our memory's tables.
    let here = rustix::process::getcwd(Vec::new());
    if here.map_or(true, |here| here.as_bytes() != command.cwd.as_os_str().as_encoded_bytes()) {
        std_command.current_dir(&command.cwd);
    }
    if let Some(argv0) = &command.argv0 {
        std_command.arg0(argv0);
    }
    let (ours, theirs) =
        terminal.map_or((None, Stdio::piped()), |(ours, theirs)| (Some(ours), theirs.into()));
    let child = std_command.stderr(theirs).spawn()?;
    Ok((child, ours))
}

/// Bytes go through an unlinked file, so that nobody waits for anybody to read them.
fn standard_input(stdin: &Stdin) -> io::Result<Stdio> {
    Ok(match stdin {
        Stdin::Empty => Stdio::null(),
        Stdin::Inherited => Stdio::inherit(),
        Stdin::Bytes(bytes) => {
            let mut file = tempfile::tempfile()?;
            file.write_all(bytes)?;
            file.rewind()?;
            file.into()
        }
    })
}

/// A terminal like the one that our standard error is: same size, and no newline translation, so that
/// the bytes read are the bytes written.
fn open_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut modes = tcgetattr(&theirs)?;
    modes.output_modes -= OutputModes::OPOST;
    tcsetattr(&theirs, OptionalActions::Now, &modes)?;
    if let Ok(size) = tcgetwinsize(rustix::stdio::stderr()) {
        tcsetwinsize(&ours, size)?;
    }
    Ok((ours, theirs))
}

/// Hands what the child writes to the sink until it has ended and all that it wrote is read. A
/// grandchild that keeps a stream open does not hold us up.
fn pump(
    child: &Child,
    mut streams: [(Stream, Option<OwnedFd>); 2],
    signals: Option<&Signals>,
    sink: Sink<'_>,
) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let exited = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    for fd in streams.iter().filter_map(|(_, fd)| fd.as_ref()) {
        rustix::io::ioctl_fionbio(fd, true)?;
    }
    let mut buffer = vec![0; 1 << 16];
    let mut signalled = false;
    while streams.iter().any(|(_, fd)| fd.is_some()) {
        let wake = signals.filter(|_| !signalled).map(|signals| signals.wake.as_fd());
        let ready = wait(&streams, wake, exited.as_ref())?;
        if ready.signal {
            signalled = true;
            let signal = signals.and_then(Signals::received).and_then(Signal::from_named_raw);
            if let (Some(pid), Some(signal)) = (pid, signal) {
                let _ = kill_process(pid, signal);
            }
        }
        for (stream, fd) in &mut streams {
            if drain(fd, *stream, &mut buffer, sink)? {
                *fd = None;
            }
        }
        if ready.exited {
            break;
        }
    }
    Ok(())
}

/// What poll found besides readable streams.
struct Ready {
    signal: bool,
    exited: bool,
}

fn wait(
    streams: &[(Stream, Option<OwnedFd>)],
    wake: Option<std::os::fd::BorrowedFd<'_>>,
    exited: Option<&OwnedFd>,
) -> io::Result<Ready> {
    let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
    let mut push = |fd| {
        fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        fds.len() - 1
    };
    let wake = wake.map(&mut push);
    let exited = exited.map(|fd| push(fd.as_fd()));
    for fd in streams.iter().filter_map(|(_, fd)| fd.as_ref()) {
        push(fd.as_fd());
    }
    loop {
        match poll(&mut fds, None) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let is_ready = |index: Option<usize>| index.is_some_and(|i| !fds[i].revents().is_empty());
    Ok(Ready { signal: is_ready(wake), exited: is_ready(exited) })
}

/// Reads what is there; true at the end of the stream.
fn drain(fd: &mut Option<OwnedFd>, stream: Stream, buffer: &mut [u8], sink: Sink<'_>) -> io::Result<bool> {
    use rustix::io::Errno;
    let Some(open) = fd else { return Ok(false) };
    loop {
        match rustix::io::read(&*open, &mut *buffer) {
            // A terminal says EIO once its other side is closed.
            Ok(0) | Err(Errno::IO) => return Ok(true),
            Ok(count) => sink(stream, &buffer[..count]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}
