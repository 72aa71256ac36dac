//! From a recording of a compile to what it saw.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Digester;
use super::seen::{
    Present, Searched, Seen, SeenFile, first_same, is_absent, kind, resolution_of, target_of, twin_of,
};
use crate::preprocess::Traits;
use crate::recipe::digest::BlobDigest;
use crate::world::{Access, DirectoryState, FileState, Kind, Recording, Stat, What, World};

/// What a compile saw, owned; [`Learned::seen`] is its form in a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    files: Vec<(PathBuf, BlobDigest, Stat)>,
    searched: BTreeMap<PathBuf, Names>,
    absent: Vec<PathBuf>,
    present: Vec<(PathBuf, Kind, Stat)>,
    links: Vec<(PathBuf, BlobDigest)>,
    resolved: Vec<(PathBuf, BlobDigest)>,
    plain: BTreeSet<PathBuf>,
    /// What was read and is no link itself.
    no_links: HashSet<PathBuf>,
    traits: Traits,
    started: i128,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    is_directory: bool,
    state: Option<DirectoryState>,
    absent: Vec<PathBuf>,
    listed: bool,
}

/// Why nothing can be learned from a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlearnable {
    /// This changed while the compile ran.
    Changed(PathBuf),
    /// This was read and can't be told by its bytes.
    Special(PathBuf),
}

/// What is known beforehand of a recording.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    /// When the command was started, nanoseconds since the epoch.
    pub started: i128,
    /// Whether what the driver itself does decides nothing but which programs run (gcc's), for which the
    /// toolchain's identity answers.
    pub driver_aside: bool,
    /// The names of the working directory. Whether it shows in the output is decided by the invocation.
    pub directory: [&'a Path; 2],
}

/// Where nothing that stands there decides what a compiler makes.
const VIRTUAL: [&str; 3] = ["/proc", "/sys", "/dev"];

impl Learned {
    /// Learns what a compile saw. Everything is looked at again: what the compile saw must be there still,
    /// unchanged since before it was used.
    ///
    /// # Errors
    /// [`Unlearnable`].
    pub fn of(
        world: &dyn World,
        digester: &dyn Digester,
        recording: &Recording,
        knowledge: Knowledge<'_>,
    ) -> Result<Self, Unlearnable> {
        let written: HashSet<&Path> = recording
            .accesses
            .iter()
            .filter(|access| access.what == What::Written)
            .map(|access| &*access.path)
            .collect();
        let matters = |access: &&Access| {
            let path = access.path.as_path();
            let aside = VIRTUAL.iter().any(|place| path.starts_with(place))
                || written.contains(path)
                || knowledge.directory.contains(&path)
                || knowledge.driver_aside && *access.program == *recording.program;
            !aside
        };
        let mut learned = Self { started: knowledge.started, ..Self::default() };
        let mut read: HashMap<&Path, Stat> = HashMap::new();
        let mut missing: HashSet<&Path> = HashSet::new();
        for access in recording.accesses.iter().filter(matters) {
            let path = access.path.as_path();
            match access.what {
                What::Read(then) => {
                    if read.insert(path, then).is_none() {
                        learned.read(world, digester, path, then)?;
                    }
                }
                What::Missing(_) => {
                    if missing.insert(path) {
                        learned.missing(world, path, knowledge.started)?;
                    }
                }
                What::Present(kind) => learned.present(world, path, kind)?,
                What::Link => learned.link(world, path)?,
                What::Resolved => learned.resolved(world, path)?,
                What::Listed => learned.listed(world, path, knowledge.started)?,
                What::Written => {}
            }
        }
        learned.present.retain(|(path, _, _)| !read.contains_key(path.as_path()));
        // What came and went while the compile ran.
        match missing.into_iter().find(|path| read.contains_key(path)) {
            Some(path) => Err(Unlearnable::Changed(path.to_owned())),
            None => Ok(learned),
        }
    }

    /// The files that were read, with their digests and sizes.
    #[must_use]
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&Path, BlobDigest, u64)> {
        self.files.iter().map(|(path, digest, stat)| (path.as_path(), *digest, stat.size))
    }

    /// What the files mention.
    #[must_use]
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// Its form in a manifest.
    #[must_use]
    pub fn seen(&self) -> Seen<'_> {
        let mut firsts: HashMap<BlobDigest, u32> = HashMap::new();
        let mut files: Vec<SeenFile<'_>> = Vec::with_capacity(self.files.len());
        for (index, (path, digest, stat)) in self.files.iter().enumerate() {
            let first = *firsts.entry(*digest).or_insert(u32::try_from(index).unwrap_or(u32::MAX));
            let other = self.files.get(first as usize).filter(|_| (first as usize) < index);
            let twin = other.map(|(_, _, other)| twin_of(first, stat, other));
            let state = FileState::of(stat).filter(|_| stat.is_settled(self.started));
            files.push(SeenFile {
                path: bytes(path),
                digest: *digest,
                state,
                plain: self.plain.contains(path),
                twin,
            });
        }
        let read: HashSet<&Path> = self.files.iter().map(|(path, _, _)| path.as_path()).collect();
        let plain = self.plain.iter().filter(|path| !read.contains(path.as_path()));
        let searched = self.searched.iter().map(|(path, names)| Searched {
            path: bytes(path),
            state: names.state,
            names: names.absent.iter().map(|name| bytes(name)).collect(),
            listed: names.listed,
        });
        let stats: Vec<Stat> = self.present.iter().map(|(_, _, stat)| *stat).collect();
        let present = self.present.iter().enumerate().map(|(index, (path, kind, stat))| Present {
            path: bytes(path),
            kind: *kind,
            same_as: u32::try_from(first_same(&stats[..index], stat)).unwrap_or(u32::MAX),
        });
        Seen {
            files,
            searched: searched.collect(),
            absent: self.absent.iter().map(|path| bytes(path)).collect(),
            present: present.collect(),
            links: self.links.iter().map(|(path, target)| (bytes(path), *target)).collect(),
            plain: plain.map(|path| bytes(path)).collect(),
            resolved: self.resolved.iter().map(|(path, target)| (bytes(path), *target)).collect(),
        }
    }

    fn read(
        &mut self,
        world: &dyn World,
        digester: &dyn Digester,
        path: &Path,
        then: Stat,
    ) -> Result<(), Unlearnable> {
        if then.is_dir() {
            // A directory can be opened, and then not read.
            return self.present(world, path, Kind::Directory);
        }
        if !then.is_file() {
            return Err(Unlearnable::Special(path.to_owned()));
        }
        let changed = || Unlearnable::Changed(path.to_owned());
        let there = world.lstat(path).map_err(|_| changed())?;
        let stat = if there.is_symlink() { world.stat(path).map_err(|_| changed())? } else { there };
        if !stat.same_content(&then) {
            return Err(changed());
        }
        if !there.is_symlink() {
            self.no_links.insert(path.to_owned());
        }
        let facts = digester.facts(path, &stat).map_err(|_| changed())?;
        self.traits.0 |= facts.traits.0;
        self.files.push((path.to_owned(), facts.digest, stat));
        Ok(())
    }

    fn missing(&mut self, world: &dyn World, path: &Path, started: i128) -> Result<(), Unlearnable> {
        if self.is_absent_in_known_directory(world, path) {
            return Ok(());
        }
        if !is_absent(world, path) {
            return Err(Unlearnable::Changed(path.to_owned()));
        }
        // The first name on the way that is missing stands for all below it.
        let mut name = path;
        while let Some(parent) = name.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            match world.stat(parent) {
                Ok(stat) if stat.is_dir() => break,
                // Something else stands there.
                Ok(_) => return self.alone(path),
                Err(_) => name = parent,
            }
        }
        let dangles = world.lstat(name).is_ok();
        match (name.parent(), name.file_name()) {
            (Some(directory), Some(last)) if !dangles => {
                let names = self.directory(world, directory, started);
                let last = PathBuf::from(last);
                if !names.absent.contains(&last) {
                    names.absent.push(last);
                }
                Ok(())
            }
            _ => self.alone(path),
        }
    }

    /// The usual case, and one system call: no such name in a directory that is known already.
    fn is_absent_in_known_directory(&mut self, world: &dyn World, path: &Path) -> bool {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let Some(names) = self.searched.get_mut(directory).filter(|names| names.is_directory) else {
            return false;
        };
        let absent = world.lstat(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if absent {
            names.absent.push(PathBuf::from(name));
        }
        absent
    }

    #[allow(clippy::unnecessary_wraps, reason = "the last step of those that can fail")]
    fn alone(&mut self, path: &Path) -> Result<(), Unlearnable> {
        self.absent.push(path.to_owned());
        Ok(())
    }

    fn listed(&mut self, world: &dyn World, path: &Path, started: i128) -> Result<(), Unlearnable> {
        let names = self.directory(world, path, started);
        names.listed = true;
        if names.state.is_some() { Ok(()) } else { Err(Unlearnable::Changed(path.to_owned())) }
    }

    /// What is known of a directory. Its state is only worth keeping when it was the same before the compile
    /// began.
    fn directory(&mut self, world: &dyn World, path: &Path, started: i128) -> &mut Names {
        self.searched.entry(path.to_owned()).or_insert_with(|| {
            let stat = world.stat(path).ok().filter(Stat::is_dir);
            let settled = stat.filter(|stat| stat.is_settled(started));
            let state = settled.and_then(|stat| DirectoryState::of(&stat));
            Names { is_directory: stat.is_some(), state, ..Names::default() }
        })
    }

    fn present(&mut self, world: &dyn World, path: &Path, then: Kind) -> Result<(), Unlearnable> {
        if self.present.iter().any(|(other, _, _)| other == path) {
            return Ok(());
        }
        match world.stat(path) {
            Ok(stat) if kind(&stat) == then => {
                self.present.push((path.to_owned(), then, stat));
                Ok(())
            }
            _ => Err(Unlearnable::Changed(path.to_owned())),
        }
    }

    /// Where no link is on the way, a path resolves to itself as long as none gets there.
    fn resolved(&mut self, world: &dyn World, path: &Path) -> Result<(), Unlearnable> {
        let way: Vec<&Path> = path.ancestors().filter(|place| place.file_name().is_some()).collect();
        if way.iter().all(|place| {
            self.plain.contains(*place) || self.no_links.contains(*place) || is_plain(world, place)
        }) {
            self.plain.extend(way.into_iter().map(Path::to_owned));
            return Ok(());
        }
        let target = resolution_of(world, path).ok_or_else(|| Unlearnable::Changed(path.to_owned()))?;
        self.resolved.push((path.to_owned(), target));
        Ok(())
    }

    fn link(&mut self, world: &dyn World, path: &Path) -> Result<(), Unlearnable> {
        let target = target_of(world, path).ok_or_else(|| Unlearnable::Changed(path.to_owned()))?;
        self.links.push((path.to_owned(), target));
        Ok(())
    }
}

/// Whether something stands at a path that is no link.
fn is_plain(world: &dyn World, path: &Path) -> bool {
    world.lstat(path).is_ok_and(|stat| !stat.is_symlink())
}

/// A path as a manifest has it: a slash at the end of a directory's name says nothing more.
fn bytes(path: &Path) -> &[u8] {
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_suffix(b"/") {
        Some(shorter) if !shorter.is_empty() => shorter,
        _ => bytes,
    }
}
