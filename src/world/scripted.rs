//! A world that a test writes down: files in memory, programs as closures, a clock that stands still.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Command, Environment, Exit, Sink, Stat, Stream, World};

type Program = Box<dyn Fn(&Command) -> (Exit, Vec<u8>, Vec<u8>) + Sync>;

/// Files, programs and a clock, as told.
#[derive(Default)]
pub struct ScriptedWorld {
    cwd: PathBuf,
    environment: Environment,
    files: BTreeMap<PathBuf, (Vec<u8>, Stat)>,
    programs: BTreeMap<PathBuf, Program>,
    now: i128,
}

impl ScriptedWorld {
    /// An empty world with this working directory.
    #[must_use]
    pub fn new(cwd: impl Into<PathBuf>) -> Self {
        Self { cwd: cwd.into(), now: 1_000_000_000_000, ..Self::default() }
    }

    /// Adds a file that was last changed at `modified` (nanoseconds since the epoch).
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>, modified: i128) -> Self {
        let bytes = bytes.into();
        let stat = Stat {
            device: 1,
            inode: self.files.len() as u64 + 1,
            mode: 0o100_644,
            links: 1,
            size: bytes.len() as u64,
            modified,
            changed: modified,
        };
        self.files.insert(self.cwd.join(path), (bytes, stat));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    /// Adds a program: what it answers to a command.
    #[must_use]
    pub fn program(
        mut self,
        path: impl Into<PathBuf>,
        answer: impl Fn(&Command) -> (Exit, Vec<u8>, Vec<u8>) + Sync + 'static,
    ) -> Self {
        self.programs.insert(path.into(), Box::new(answer));
        self
    }

    fn find(&self, path: &Path) -> io::Result<&(Vec<u8>, Stat)> {
        self.files.get(&self.cwd.join(path)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl World for ScriptedWorld {
    fn cwd(&self) -> &Path {
        &self.cwd
    }

    fn environment(&self) -> &Environment {
        &self.environment
    }

    fn now(&self) -> i128 {
        self.now
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.find(path).map(|(bytes, _)| bytes.clone())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.find(path).map(|(_, stat)| *stat)
    }

    fn lstat(&self, path: &Path) -> io::Result<Stat> {
        self.stat(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.find(path).map(|_| self.cwd.join(path))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        Err(self.find(path).map_or_else(|error| error, |_| io::ErrorKind::InvalidInput.into()))
    }

    fn read_stdin(&self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn run(&self, command: &Command, sink: Sink<'_>) -> io::Result<Exit> {
        let program = self.programs.get(&command.program).ok_or(io::ErrorKind::NotFound)?;
        let (exit, out, err) = program(command);
        sink(Stream::Stdout, &out);
        sink(Stream::Stderr, &err);
        Ok(exit)
    }
}
