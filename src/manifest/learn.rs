//! From a recording of a compile to what it saw.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Digester;
use super::lookups::{Lookups, without_slash};
use super::seen::{
    Present, Seen, SeenFile, first_same, kind, path as as_path, resolution_of, target_of, twin_of, value_of,
};
use crate::preprocess::Traits;
use crate::recipe::digest::BlobDigest;
use crate::world::{Access, FileState, Kind, Recording, Stat, What, World};

/// What a compile saw; [`Learned::seen`] is its form in a manifest. Paths are those of the recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned<'r> {
    started: i128,
    files: Vec<(&'r [u8], BlobDigest, Stat)>,
    lookups: Lookups<'r>,
    present: Vec<(&'r [u8], Kind, Stat)>,
    links: Vec<(&'r [u8], BlobDigest)>,
    resolved: Vec<(&'r [u8], BlobDigest)>,
    /// What was on the way of those, or they themselves, and no link.
    plain: FxHashSet<&'r [u8]>,
    /// What was read and is no link itself.
    no_links: FxHashSet<&'r [u8]>,
    traits: Traits,
    variables: Vec<(&'r [u8], Option<BlobDigest>)>,
}

/// Why nothing can be learned from a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlearnable {
    /// A file or a name changed while the compile ran.
    Changed,
    /// What was read can't be told by its bytes.
    Special,
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
    /// Whether variables that were asked for are learned; else the invocation's name has what matters.
    pub variables: bool,
}

/// Where nothing that stands there decides what a compiler makes.
const VIRTUAL: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];

impl<'r> Learned<'r> {
    /// Learns what a compile saw. Everything is looked at again: what the compile saw must be there still,
    /// unchanged since before it was used.
    ///
    /// # Errors
    /// [`Unlearnable`].
    pub fn of(
        world: &dyn World,
        digester: &dyn Digester,
        recording: &'r Recording,
        knowledge: Knowledge<'_>,
    ) -> Result<Self, Unlearnable> {
        let written = written(recording)?;
        let made = made(&written, world);
        let directory = knowledge.directory.map(|path| path.as_os_str().as_bytes());
        let driver = recording.program.as_os_str();
        let matters = |access: &&Access| {
            let path = bytes(&access.path);
            let aside = is_virtual(path)
                || written.contains(&path)
                || as_path(path).ancestors().any(|place| made.contains(bytes(place)))
                || directory.contains(&path)
                || knowledge.driver_aside && access.program.as_os_str() == driver;
            !aside
        };
        let started = knowledge.started;
        let mut learned = Self { started, lookups: Lookups::new(started), ..Self::default() };
        let mut read: FxHashSet<&[u8]> = FxHashSet::default();
        let mut missing: FxHashSet<&[u8]> = FxHashSet::default();
        for access in recording.accesses.iter().filter(matters) {
            let path = bytes(&access.path);
            let as_it_was = match access.what {
                What::Read(then) if read.insert(path) => learned.read(world, digester, path, then)?,
                What::Missing(_) if missing.insert(path) => learned.lookups.missing(world, path),
                What::Present(kind) => learned.present(world, path, kind),
                What::Link => learned.link(world, path),
                What::Resolved => learned.resolved(world, path),
                What::Listed => learned.lookups.listed(world, path, false),
                What::ListedCrates => learned.lookups.listed(world, path, true),
                What::Read(_) | What::Missing(_) | What::Written => true,
            };
            if !as_it_was {
                return Err(Unlearnable::Changed);
            }
        }
        if knowledge.variables {
            let asked = recording.variables.iter().filter(|name| !recording.unasked.contains(name));
            let names = asked.map(|name| name.as_bytes());
            learned.variables = names.map(|name| (name, value_of(world, name))).collect();
        }
        // What was read needs no looking at. A directory was only opened.
        let files: FxHashSet<&[u8]> = learned.files.iter().map(|(path, _, _)| *path).collect();
        learned.present.retain(|(path, _, _)| !files.contains(path));
        // What came and went while the compile ran.
        if missing.is_disjoint(&read) { Ok(learned) } else { Err(Unlearnable::Changed) }
    }

    /// The files that were read, with their digests and sizes.
    #[must_use]
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&'r Path, BlobDigest, u64)> {
        self.files.iter().map(|(path, digest, stat)| (as_path(path), *digest, stat.size))
    }

    /// What the files mention.
    #[must_use]
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// Its form in a manifest.
    #[must_use]
    pub fn seen(&self) -> Seen<'_> {
        let read: FxHashSet<&[u8]> = self.files.iter().map(|(path, _, _)| *path).collect();
        let mut plain: Vec<&[u8]> = self.plain.iter().filter(|path| !read.contains(*path)).copied().collect();
        plain.sort_unstable();
        let stats: Vec<Stat> = self.present.iter().map(|(_, _, stat)| *stat).collect();
        let present = self.present.iter().enumerate().map(|(index, (path, kind, stat))| Present {
            path,
            kind: *kind,
            same_as: u32::try_from(first_same(&stats[..index], stat)).unwrap_or(u32::MAX),
        });
        Seen {
            files: self.seen_files(),
            searched: self.lookups.searched(),
            absent: self.lookups.absent().to_vec(),
            present: present.collect(),
            links: self.links.clone(),
            plain,
            resolved: self.resolved.clone(),
            variables: self.variables.clone(),
        }
    }

    fn seen_files(&self) -> Vec<SeenFile<'_>> {
        let mut firsts: FxHashMap<BlobDigest, u32> = FxHashMap::default();
        let file = |(index, (path, digest, stat)): (usize, &(&'r [u8], BlobDigest, Stat))| {
            let first = *firsts.entry(*digest).or_insert(u32::try_from(index).unwrap_or(u32::MAX));
            let other = self.files.get(first as usize).filter(|_| (first as usize) < index);
            SeenFile {
                path,
                digest: *digest,
                state: FileState::of(stat).filter(|_| stat.is_settled(self.started)),
                plain: self.plain.contains(path),
                twin: other.map(|(_, _, other)| twin_of(first, stat, other)),
            }
        };
        self.files.iter().enumerate().map(file).collect()
    }

    /// A file was read; false when it is not as it was then.
    fn read(
        &mut self,
        world: &dyn World,
        digester: &dyn Digester,
        bytes: &'r [u8],
        then: Stat,
    ) -> Result<bool, Unlearnable> {
        if then.is_dir() {
            // A directory can be opened, and then not read.
            return Ok(self.present(world, bytes, Kind::Directory));
        }
        if !then.is_file() {
            return Err(Unlearnable::Special);
        }
        let path = as_path(bytes);
        let Ok(there) = world.lstat(path) else { return Ok(false) };
        if !there.is_symlink() {
            self.no_links.insert(bytes);
        }
        let stat = if there.is_symlink() { world.stat(path).ok() } else { Some(there) };
        let Some(stat) = stat.filter(|stat| stat.same_content(&then)) else { return Ok(false) };
        let Ok(facts) = digester.facts(path, &stat) else { return Ok(false) };
        self.traits.0 |= facts.traits.0;
        self.files.push((bytes, facts.digest, stat));
        Ok(true)
    }

    /// Something was looked at; false when it is not as it was then.
    fn present(&mut self, world: &dyn World, path: &'r [u8], then: Kind) -> bool {
        let path = without_slash(path);
        if self.present.iter().any(|(other, _, _)| *other == path) {
            return true;
        }
        let stat = world.stat(as_path(path)).ok().filter(|stat| kind(stat) == then);
        self.present.extend(stat.map(|stat| (path, then, stat)));
        stat.is_some()
    }

    /// Links on the way were resolved; false when nothing is there any more. Where there was none, a path
    /// resolves to itself as long as none gets there.
    fn resolved(&mut self, world: &dyn World, bytes: &'r [u8]) -> bool {
        let way = as_path(bytes).ancestors().filter(|place| place.file_name().is_some());
        let way: Vec<&[u8]> = way.map(|place| without_slash(place.as_os_str().as_bytes())).collect();
        let is_plain = |place: &&[u8]| {
            self.plain.contains(place)
                || self.no_links.contains(place)
                || world.lstat(as_path(place)).is_ok_and(|stat| !stat.is_symlink())
        };
        if way.iter().all(is_plain) {
            self.plain.extend(way);
            return true;
        }
        let target = resolution_of(world, as_path(bytes));
        self.resolved.extend(target.map(|target| (bytes, target)));
        target.is_some()
    }

    /// A link was read; false when there is none any more.
    fn link(&mut self, world: &dyn World, path: &'r [u8]) -> bool {
        let target = target_of(world, as_path(path));
        self.links.extend(target.map(|target| (path, target)));
        target.is_some()
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Whether a path is in a file system that the kernel makes up.
fn is_virtual(path: &[u8]) -> bool {
    VIRTUAL.iter().any(|place| path.strip_prefix(*place).is_some_and(|rest| matches!(rest, [] | [b'/', ..])))
}

/// What was made and is gone again: nothing below it was there before, or is now.
fn made<'r>(written: &FxHashSet<&'r [u8]>, world: &dyn World) -> FxHashSet<&'r [u8]> {
    written.iter().filter(|path| world.lstat(as_path(path)).is_err()).copied().collect()
}

/// The paths that were made or changed. What a compile read before it changed it was its input, and is gone.
fn written(recording: &Recording) -> Result<FxHashSet<&[u8]>, Unlearnable> {
    let accesses = || recording.accesses.iter().map(|access| (bytes(&access.path), access.what));
    let written: FxHashSet<&[u8]> =
        accesses().filter(|(_, what)| *what == What::Written).map(|(path, _)| path).collect();
    let mut by_now: FxHashSet<&[u8]> = FxHashSet::default();
    for (path, what) in accesses().filter(|(path, _)| written.contains(path) && !is_virtual(path)) {
        match what {
            What::Written => {
                by_now.insert(path);
            }
            What::Read(_) if !by_now.contains(path) => return Err(Unlearnable::Special),
            _ => {}
        }
    }
    Ok(written)
}
