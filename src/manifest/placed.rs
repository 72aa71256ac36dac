//! A world in which paths have names that do not depend on where a build stands.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Digester;
use crate::paths::{Places, Spelling};
use crate::preprocess::FileFacts;
use crate::world::{Command, Environment, Exit, Parts, Recording, Redirect, Sink, Stat, World};

/// Another world, in which some directories have [names](Places): it takes names for paths, and tells
/// variables and resolved links by them. What has no name is what it is.
pub struct PlacedWorld<'a> {
    world: &'a dyn World,
    places: &'a Places,
    environment: Environment,
}

impl<'a> PlacedWorld<'a> {
    /// Names these directories of a world.
    #[must_use]
    pub fn new(world: &'a dyn World, places: &'a Places) -> Self {
        let named = |(name, value): (&std::ffi::OsStr, &std::ffi::OsStr)| {
            let value = places.named(value.as_bytes(), Spelling::Plain);
            (name.to_owned(), std::ffi::OsStr::from_bytes(&value).to_owned())
        };
        Self { world, places, environment: Environment::new(world.environment().iter().map(named).collect()) }
    }

    /// The world itself.
    #[must_use]
    pub fn inner(&self) -> &'a dyn World {
        self.world
    }

    fn path<'p>(&self, name: &'p Path) -> io::Result<std::borrow::Cow<'p, Path>> {
        self.places.path(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl World for PlacedWorld<'_> {
    fn cwd(&self) -> &Path {
        self.world.cwd()
    }

    fn environment(&self) -> &Environment {
        &self.environment
    }

    fn now(&self) -> i128 {
        self.world.now()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.world.read(&self.path(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Parts>> {
        self.world.open(&self.path(path)?)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.world.stat(&self.path(path)?)
    }

    fn lstat(&self, path: &Path) -> io::Result<Stat> {
        self.world.lstat(&self.path(path)?)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let real = self.world.canonicalize(&self.path(path)?)?;
        Ok(std::ffi::OsStr::from_bytes(&self.places.name(real.as_os_str().as_bytes())).into())
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let target = self.world.read_link(&self.path(path)?)?;
        Ok(std::ffi::OsStr::from_bytes(&self.places.name(target.as_os_str().as_bytes())).into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.world.list(&self.path(path)?)
    }

    fn read_stdin(&self) -> io::Result<Vec<u8>> {
        self.world.read_stdin()
    }

    fn run(&self, command: &Command, sink: Sink<'_>) -> io::Result<Exit> {
        self.world.run(command, sink)
    }

    fn records(&self) -> bool {
        self.world.records()
    }

    fn run_recorded(
        &self,
        command: &Command,
        redirects: &[(PathBuf, Redirect)],
        sink: Sink<'_>,
    ) -> io::Result<(Exit, Option<Recording>)> {
        self.world.run_recorded(command, redirects, sink)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        self.places.path(path).map_or_else(|| path.to_owned(), |path| self.world.absolute(&path))
    }
}

/// Digests of files by their names.
pub struct PlacedDigester<'a> {
    /// Gives digests by paths.
    pub digester: &'a dyn Digester,
    /// The directories that have names.
    pub places: &'a Places,
}

impl Digester for PlacedDigester<'_> {
    fn facts(&self, path: &Path, stat: &Stat) -> io::Result<FileFacts> {
        let path = self.places.path(path).ok_or(io::ErrorKind::NotFound)?;
        self.digester.facts(&path, stat)
    }
}
