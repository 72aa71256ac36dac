//! The world itself.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rustix::fs::MemfdFlags;

use super::process::{self, Signals};
#[cfg(target_os = "linux")]
use super::record::Recorder;
use super::{Command, Environment, Exit, Parts, Recording, Redirect, Sink, Stat, World, nanoseconds};

/// The process's own surroundings: the directory and environment it was started with, the real file
/// system, clock and processes.
#[derive(Debug)]
pub struct RealWorld {
    cwd: PathBuf,
    environment: Environment,
    signals: OnceLock<Option<Signals>>,
    #[cfg(target_os = "linux")]
    recorder: OnceLock<Option<Recorder>>,
}

impl RealWorld {
    /// A world with this working directory (absolute) and environment.
    #[must_use]
    pub fn new(cwd: PathBuf, environment: Environment) -> Self {
        Self {
            cwd,
            environment,
            signals: OnceLock::new(),
            #[cfg(target_os = "linux")]
            recorder: OnceLock::new(),
        }
    }

    /// As [`World::absolute`], without a copy of what is so already.
    fn place<'p>(&self, path: &'p Path) -> Cow<'p, Path> {
        if path.is_absolute() { Cow::Borrowed(path) } else { Cow::Owned(self.cwd.join(path)) }
    }

    /// A regular file, and how long it is.
    fn regular(&self, path: &Path) -> io::Result<(File, u64)> {
        // Not to hang on a FIFO, which is refused below.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(self.place(path))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok((file, metadata.len()))
    }
}

#[cfg(target_os = "linux")]
impl RealWorld {
    fn recorder(&self) -> Option<&Recorder> {
        self.recorder.get_or_init(Recorder::new).as_ref()
    }
}

impl From<&std::fs::Metadata> for Stat {
    fn from(metadata: &std::fs::Metadata) -> Self {
        let time = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            mode: metadata.mode(),
            links: metadata.nlink(),
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl World for RealWorld {
    fn cwd(&self) -> &Path {
        &self.cwd
    }

    fn environment(&self) -> &Environment {
        &self.environment
    }

    #[allow(clippy::disallowed_methods, reason = "this is where the clock comes in")]
    fn now(&self) -> i128 {
        nanoseconds(SystemTime::now())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (mut file, size) = self.regular(path)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Parts>> {
        Ok(Box::new(self.regular(path)?.0))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        std::fs::metadata(self.place(path)).map(|m| Stat::from(&m))
    }

    fn lstat(&self, path: &Path) -> io::Result<Stat> {
        std::fs::symlink_metadata(self.place(path)).map(|m| Stat::from(&m))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(self.absolute(path))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::read_link(self.place(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(self.absolute(path))?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read_stdin(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        let again = rustix::fs::memfd_create("stdin", MemfdFlags::CLOEXEC)?;
        let mut again = File::from(again);
        again.write_all(&bytes)?;
        again.rewind()?;
        rustix::stdio::dup2_stdin(&again)?;
        Ok(bytes)
    }

    fn interrupted(&self) -> Option<i32> {
        self.signals.get().and_then(Option::as_ref).and_then(Signals::received)
    }

    fn heed_signals(&self) -> Option<Arc<AtomicUsize>> {
        let signals = self.signals.get_or_init(|| Signals::install().ok());
        signals.as_ref().map(Signals::number)
    }

    fn run(&self, command: &Command, sink: Sink<'_>) -> io::Result<Exit> {
        let signals = self.signals.get_or_init(|| Signals::install().ok());
        process::run(command, signals.as_ref(), sink)
    }

    #[cfg(target_os = "linux")]
    fn records(&self) -> bool {
        Recorder::fits(&self.environment) && self.recorder().is_some()
    }

    #[cfg(target_os = "linux")]
    fn run_recorded(
        &self,
        command: &Command,
        redirects: &[(PathBuf, Redirect)],
        sink: Sink<'_>,
    ) -> io::Result<(Exit, Option<Recording>)> {
        let recorder = self.recorder().filter(|_| Recorder::fits(&command.environment));
        match recorder.map(|recorder| recorder.prepare(command, redirects)) {
            Some(Ok((log, command))) => {
                let exit = self.run(&command, sink)?;
                Ok((exit, log.read()))
            }
            _ if redirects.is_empty() => Ok((self.run(command, sink)?, None)),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
