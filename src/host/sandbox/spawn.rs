//! Starting a process, and its end.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::bubblewrap::STATUS;
use super::error::SandboxError;
use super::pump::{Over, pump};
use super::status::Status;
use super::{Attend, Config, Ended, Streams};
use crate::world::{Exit, Stream};

/// Runs bubblewrap, which runs the process.
pub(super) fn sandboxed(
    program: &Path,
    arguments: Vec<OsString>,
    config: &Config,
    attend: &dyn Attend,
) -> Result<Ended, SandboxError> {
    speakable(config)?;
    let (status, theirs) = io::pipe().map_err(SandboxError::io("make a pipe for", program))?;
    let mut status = Status::new(status.into(), program, &arguments);
    let mut command = Command::new(program);
    // Its own environment is none of the recipe's: the loader would listen to it before there is a sandbox.
    command.args(arguments).env_clear().current_dir("/");
    prepare(&mut command, config, Some(OwnedFd::from(theirs)))?;
    let tail = Tail { attend, last: std::cell::RefCell::default() };
    let (exit, over) = wait(command, program, config, &tail, Some(&mut status))?;
    match over {
        Over::Stop => return Ok(Ended::Stopped),
        Over::Late => return Ok(Ended::TimedOut(config.limits.seconds.unwrap_or(0))),
        Over::Ended => {}
    }
    if let Some(bytes) = out_of_memory(config) {
        return Ok(Ended::OutOfMemory(bytes));
    }
    let said = tail.text();
    match status.reported() {
        // A shell's way to tell of a signal, which is bubblewrap's too.
        Some(code) if code > 128 && code <= 128 + 64 => Ok(Ended::Exit(Exit::Signal(code - 128))),
        Some(1) if said.starts_with("bwrap: execvp ") => Ok(Ended::NotStarted(said)),
        Some(code) => Ok(Ended::Exit(Exit::Code(code))),
        None if said.starts_with("bwrap: execvp ") || said.starts_with("bwrap: Can't chdir ") => {
            Ok(Ended::NotStarted(said))
        }
        None if said.is_empty() => Ok(Ended::Exit(exit)),
        None => Err(SandboxError::Forbidden(said)),
    }
}

/// Runs the process as it is.
pub(super) fn plain(config: &Config, attend: &dyn Attend) -> Result<Ended, SandboxError> {
    speakable(config)?;
    let program = Path::new(&config.command);
    let mut command = Command::new(program);
    command.args(&config.args).env_clear().envs(config.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&config.current_dir);
    prepare(&mut command, config, None)?;
    match wait(command, program, config, attend, None) {
        Ok((_, Over::Stop)) => Ok(Ended::Stopped),
        Ok((_, Over::Late)) => Ok(Ended::TimedOut(config.limits.seconds.unwrap_or(0))),
        Ok((exit, Over::Ended)) => Ok(out_of_memory(config).map_or(Ended::Exit(exit), Ended::OutOfMemory)),
        Err(SandboxError::Io { action: "start", source, .. }) => {
            Ok(Ended::NotStarted(format!("{}: {source}", program.display())))
        }
        Err(error) => Err(error),
    }
}

/// Whatever has a zero byte in it, or is no name of a variable, no process can get.
fn speakable(config: &Config) -> Result<(), SandboxError> {
    let Config { command, args, env, current_dir, mounts: _, networking: _, limits: _, group: _, streams: _ } =
        config;
    let has_zero = |text: &OsString| text.as_bytes().contains(&0);
    if has_zero(command) || args.iter().any(has_zero) || current_dir.as_os_str().as_bytes().contains(&0) {
        return Err(SandboxError::Unspeakable("an argument with a zero byte"));
    }
    if env.iter().any(|(name, value)| has_zero(name) || has_zero(value)) {
        return Err(SandboxError::Unspeakable("a variable with a zero byte"));
    }
    if env.iter().any(|(name, _)| name.is_empty() || name.as_bytes().contains(&b'=')) {
        return Err(SandboxError::Unspeakable("a variable whose name is empty or has an = in it"));
    }
    Ok(())
}

/// What the process does between `fork` and `exec`.
#[allow(unsafe_code, reason = "limits, and the signal for our death, are set by the child itself")]
fn prepare(command: &mut Command, config: &Config, status: Option<OwnedFd>) -> Result<(), SandboxError> {
    let limits = config.limits.clone();
    let door = config.group.as_ref().map(|group| group.door()).transpose();
    let door = door.map_err(SandboxError::io("open the control group of", Path::new(&config.command)))?;
    let host = rustix::process::getpid();
    // SAFETY: between fork and exec, only system calls are made: no memory is allocated, no lock taken.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // We may have died just before.
            if rustix::process::getppid() != Some(host) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if let Some(status) = &status {
                hand_on(status)?;
            }
            if let Some(door) = &door {
                rustix::io::write(door, b"0")?;
            }
            limits.apply(door.is_some())
        });
    }
    Ok(())
}

/// The limit, if something of the process's group was killed for it.
fn out_of_memory(config: &Config) -> Option<u64> {
    let group = config.group.as_ref()?;
    config.limits.total_memory.filter(|_| group.ran_out_of_memory())
}

/// Gives a descriptor the number that the program expects.
#[allow(unsafe_code, reason = "the number that bubblewrap is told")]
fn hand_on(status: &OwnedFd) -> io::Result<()> {
    use std::os::fd::FromRawFd;
    if status.as_raw_fd() == STATUS {
        return Ok(rustix::io::fcntl_setfd(status, FdFlags::empty())?);
    }
    // SAFETY: in the child, nobody uses this number any more: what it meant closes on exec. It is not dropped.
    let mut target = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(STATUS) });
    Ok(rustix::io::dup2(status, &mut target)?)
}

/// Runs a command to its end.
fn wait(
    mut command: Command,
    program: &Path,
    config: &Config,
    attend: &dyn Attend,
    mut status: Option<&mut Status>,
) -> Result<(Exit, Over), SandboxError> {
    if config.streams == Streams::Log {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A sandbox's first process waits for bubblewrap's own before it ends with it, and would for ever if that is
        // killed just when it has started the other: a signal to both reaches either both or none.
        command.process_group(0);
    }
    let deadline = config.limits.seconds.and_then(|s| Instant::now().checked_add(Duration::from_secs(s)));
    let mut child = command.spawn().map_err(SandboxError::io("start", program))?;
    // What the command holds (the other end of a pipe) is the child's alone.
    drop(command);
    let mut streams: Vec<_> = [
        (Stream::Stdout, child.stdout.take().map(OwnedFd::from)),
        (Stream::Stderr, child.stderr.take().map(OwnedFd::from)),
    ]
    .into_iter()
    .filter_map(|(stream, fd)| Some((stream, fd?)))
    .collect();
    let over = match open(&child) {
        Ok(process) => pump(process.as_fd(), &mut streams, attend, deadline, status.as_deref_mut()),
        Err(error) => Err(error),
    };
    end(&mut child, config.streams);
    let ended = child.wait().map_err(SandboxError::io("wait for", program))?;
    if let Some(status) = status {
        status.end();
    }
    let over = over.map_err(SandboxError::io("wait for", program))?;
    Ok((exit(ended), over))
}

fn open(child: &Child) -> Result<OwnedFd, rustix::io::Errno> {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty())
}

/// Ends it, if it has not, and those that it left behind in its process group.
fn end(child: &mut Child, streams: Streams) {
    // It is not waited for yet, so its number is still its own.
    let _ = child.kill();
    if streams == Streams::Log {
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(9)),
    }
}

/// Hands everything on, and keeps the last line that came on standard error.
struct Tail<'a> {
    attend: &'a dyn Attend,
    last: std::cell::RefCell<Vec<u8>>,
}

impl Tail<'_> {
    fn text(&self) -> String {
        let last = self.last.borrow();
        let line = last.trim_ascii().rsplit(|b| *b == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }
}

impl Attend for Tail<'_> {
    fn log(&self, stream: Stream, bytes: &[u8]) {
        const KEPT: usize = 1024;
        self.attend.log(stream, bytes);
        if stream == Stream::Stderr {
            let mut last = self.last.borrow_mut();
            last.extend_from_slice(bytes);
            let surplus = last.len().saturating_sub(KEPT);
            last.drain(..surplus);
        }
    }

    fn stop(&self) -> bool {
        self.attend.stop()
    }
}
