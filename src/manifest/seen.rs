//! What a compile saw of the file system: what it read, and what it looked for in vain.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Digester;
use crate::planner::environment;
use crate::recipe::digest::BlobDigest;
use crate::world::{DirectoryState, FileState, Kind, Stat, World};

/// All that a compile saw, so that a later one that would see the same can be told. Paths are as the
/// compiler spelled them; relative ones mean the working directory of whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<'a> {
    /// The files that were read.
    #[serde(borrow)]
    pub(super) files: Vec<SeenFile<'a>>,
    /// The directories in which names were looked up in vain.
    #[serde(borrow)]
    pub(super) searched: Vec<Searched<'a>>,
    /// Paths at which nothing was found and of which no directory's times tell: behind dangling links,
    /// below files.
    #[serde(borrow)]
    pub(super) absent: Vec<&'a [u8]>,
    /// What was looked at and not read.
    #[serde(borrow)]
    pub(super) present: Vec<Present<'a>>,
    /// Links that were read as links, and where they led.
    #[serde(borrow)]
    pub(super) links: Vec<(&'a [u8], BlobDigest)>,
    /// Paths whose every link was resolved, and what they came to; those that had a link on the way.
    #[serde(borrow)]
    pub(super) resolved: Vec<(&'a [u8], BlobDigest)>,
    /// What was on the way of the others, and must not be a link: directories.
    #[serde(borrow)]
    pub(super) plain: Vec<&'a [u8]>,
    /// Variables of the environment that were asked for, and digests of what they held.
    #[serde(borrow)]
    pub(super) variables: Vec<(&'a [u8], Option<BlobDigest>)>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenFile<'a> {
    pub(super) path: &'a [u8],
    pub(super) digest: BlobDigest,
    /// While it looks like this, its digest need not be looked up. `None` where it had changed so shortly
    /// before that this can't be said.
    pub(super) state: Option<FileState>,
    /// Its links were resolved, and it was none itself.
    pub(super) plain: bool,
    /// An earlier file of the same bytes, and how the two are related.
    pub(super) twin: Option<Twin>,
}

/// Two files of equal bytes. `#pragma once` takes one for the other where they are one file (clang), or
/// have one modification time (gcc).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Twin {
    /// The index of the other.
    pub(super) of: u32,
    pub(super) same_file: bool,
    pub(super) same_time: bool,
}

/// A directory in which names were looked up in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Searched<'a> {
    pub(super) path: &'a [u8],
    /// While it looks like this, none of its names has changed. `None` where it had changed so shortly
    /// before that this can't be said, or is no directory.
    pub(super) state: Option<DirectoryState>,
    pub(super) names: Vec<&'a [u8]>,
    /// Its names were asked for.
    pub(super) listed: Option<Listing>,
}

/// The names of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    /// Only those of crates made a difference.
    crates: bool,
    digest: BlobDigest,
}

impl Listing {
    /// The names in a directory now.
    pub(super) fn of(world: &dyn World, directory: &Path, crates: bool) -> Option<Self> {
        let mut names = world.list(directory).ok()?;
        names.retain(|name| !crates || is_crate(name.as_bytes()));
        names.sort_unstable();
        let mut all = Vec::new();
        for name in names {
            all.extend_from_slice(name.as_bytes());
            all.push(0);
        }
        Some(Self { crates, digest: BlobDigest::of(&all) })
    }
}

/// Whether a file may be a crate, by its name.
fn is_crate(name: &[u8]) -> bool {
    [&b".rlib"[..], b".rmeta", b".so"].iter().any(|extension| name.ends_with(extension))
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Present<'a> {
    pub(super) path: &'a [u8],
    pub(super) kind: Kind,
    /// The index of the first of these that is the same thing: compilers leave out a directory that they
    /// are given twice.
    pub(super) same_as: u32,
}

/// Why what an earlier compile saw would not be seen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// A file that was read has other bytes, or can't be read any more.
    Changed(PathBuf),
    /// Something stands where nothing did, so that a lookup that failed would succeed.
    Appeared(PathBuf),
    /// What was looked at is gone, or something else.
    Other(PathBuf),
    /// A variable of the environment has another value.
    Variable(PathBuf),
}

impl Mismatch {
    /// A stable word.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::Changed(_) => "input-changed",
            Self::Appeared(_) => "absent-appeared",
            Self::Other(_) => "lookup-changed",
            Self::Variable(_) => "variable-changed",
        }
    }

    /// What it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Changed(path) | Self::Appeared(path) | Self::Other(path) | Self::Variable(path) => path,
        }
    }
}

/// A path of a manifest.
pub(super) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// What a path's stat says it is.
pub(super) fn kind(stat: &Stat) -> Kind {
    if stat.is_file() {
        Kind::File
    } else if stat.is_dir() {
        Kind::Directory
    } else {
        Kind::Other
    }
}

impl Seen<'_> {
    /// The same for another machine or sandbox: nothing in it is told by identities and times.
    #[must_use]
    pub fn for_elsewhere(mut self) -> Self {
        self.files.iter_mut().for_each(|file| file.state = None);
        self.searched.iter_mut().for_each(|searched| searched.state = None);
        self
    }

    /// The same of a crate: rustc takes no file for another of the same bytes.
    #[must_use]
    pub fn of_crate_for_elsewhere(self) -> Self {
        let mut seen = self.for_elsewhere();
        seen.files.iter_mut().for_each(|file| file.twin = None);
        seen
    }

    /// The files that were read, with their digests.
    #[must_use]
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&Path, BlobDigest)> {
        self.files.iter().map(|file| (path(file.path), file.digest))
    }

    /// What was looked at and not read, what was on the way to something, and the directories in which something
    /// was looked for.
    pub fn present(&self) -> impl Iterator<Item = &Path> {
        let present = self.present.iter().map(|present| path(present.path));
        let searched = self.searched.iter().map(|searched| path(searched.path));
        present.chain(self.plain.iter().map(|bytes| path(bytes))).chain(searched)
    }

    /// The links that were read, and the paths that lead over links and were resolved.
    pub fn linked(&self) -> impl Iterator<Item = &Path> {
        self.links.iter().chain(&self.resolved).map(|(bytes, _)| path(bytes))
    }

    /// The directories whose names were all asked for.
    pub fn listed(&self) -> impl Iterator<Item = &Path> {
        let lists = |searched: &&Searched<'_>| searched.listed.is_some_and(|listing| !listing.crates);
        self.searched.iter().filter(lists).map(|searched| path(searched.path))
    }

    /// The variables of the environment that were asked for.
    #[must_use]
    pub fn variables(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.variables.iter().map(|(name, _)| OsStr::from_bytes(name))
    }

    /// Whether a compile now would see the same: first what it read, then what it found, last what it
    /// did not find (left out where `absences` is false, which only tests of tests want).
    ///
    /// # Errors
    /// The first thing that is not as it was.
    pub fn holds(&self, world: &dyn World, digester: &dyn Digester, absences: bool) -> Result<(), Mismatch> {
        self.variables_hold(world)?;
        self.files_hold(world, digester)?;
        self.links_hold(world)?;
        let mut looked = Looked { world, known: Vec::new() };
        self.plain_holds(&mut looked)?;
        self.present_holds(&mut looked)?;
        if absences { self.absences_hold(&mut looked) } else { Ok(()) }
    }

    /// The files whose bytes are other ones now, or that can't be read any more.
    #[must_use]
    pub fn changed(&self, world: &dyn World, digester: &dyn Digester) -> Vec<(PathBuf, BlobDigest)> {
        let differs = |file: &&SeenFile<'_>| {
            look(world, digester, file).is_none_or(|(_, digest)| digest != file.digest)
        };
        self.files.iter().filter(differs).map(|file| (path(file.path).to_owned(), file.digest)).collect()
    }

    /// The paths that were looked up in vain and at which something stands now.
    #[must_use]
    pub fn appeared(&self, world: &dyn World) -> Vec<PathBuf> {
        let named = self.searched.iter().flat_map(|searched| {
            let directory = path(searched.path);
            searched.names.iter().map(move |name| directory.join(path(name)))
        });
        let alone = self.absent.iter().map(|absent| path(absent).to_owned());
        named.chain(alone).filter(|path| !is_absent(world, path)).collect()
    }

    fn variables_hold(&self, world: &dyn World) -> Result<(), Mismatch> {
        match self.variables.iter().find(|(name, then)| value_of(world, name) != *then) {
            Some((name, _)) => Err(Mismatch::Variable(path(name).to_owned())),
            None => Ok(()),
        }
    }

    fn files_hold(&self, world: &dyn World, digester: &dyn Digester) -> Result<(), Mismatch> {
        let twins = self.files.iter().any(|file| file.twin.is_some());
        let mut stats = Vec::with_capacity(if twins { self.files.len() } else { 0 });
        for file in &self.files {
            let changed = || Mismatch::Changed(path(file.path).to_owned());
            let (stat, digest) = look(world, digester, file).ok_or_else(changed)?;
            if digest != file.digest {
                return Err(changed());
            }
            if twins {
                let other = file
                    .twin
                    .and_then(|twin| stats.get(twin.of as usize).map(|other| twin_of(twin.of, &stat, other)));
                if other != file.twin {
                    return Err(changed());
                }
                stats.push(stat);
            }
        }
        Ok(())
    }

    fn links_hold(&self, world: &dyn World) -> Result<(), Mismatch> {
        let links = self.links.iter().map(|(link, then)| (link, then, target_of(world, path(link))));
        let resolved =
            self.resolved.iter().map(|(link, then)| (link, then, resolution_of(world, path(link))));
        match links.chain(resolved).find(|(_, then, now)| now.as_ref() != Some(*then)) {
            Some((link, _, _)) => Err(Mismatch::Other(path(link).to_owned())),
            None => Ok(()),
        }
    }

    fn plain_holds<'p>(&'p self, looked: &mut Looked<'_, 'p>) -> Result<(), Mismatch> {
        match self.plain.iter().find(|bytes| !looked.is_plain(bytes)) {
            Some(bytes) => Err(Mismatch::Other(path(bytes).to_owned())),
            None => Ok(()),
        }
    }

    fn present_holds<'p>(&'p self, looked: &mut Looked<'_, 'p>) -> Result<(), Mismatch> {
        let mut stats: Vec<Stat> = Vec::with_capacity(self.present.len());
        for present in &self.present {
            let other = || Mismatch::Other(path(present.path).to_owned());
            let stat = looked.stat(present.path).ok_or_else(other)?;
            if kind(&stat) != present.kind || first_same(&stats, &stat) != present.same_as as usize {
                return Err(other());
            }
            stats.push(stat);
        }
        Ok(())
    }

    fn absences_hold<'p>(&'p self, looked: &mut Looked<'_, 'p>) -> Result<(), Mismatch> {
        let world = looked.world;
        for searched in &self.searched {
            let directory = path(searched.path);
            let now = looked.stat(searched.path).and_then(|stat| DirectoryState::of(&stat));
            if now.is_some() && now == searched.state {
                continue;
            }
            let lists_the_same = |then: Listing| Listing::of(world, directory, then.crates) == Some(then);
            if !searched.listed.is_none_or(lists_the_same) {
                return Err(Mismatch::Other(directory.to_owned()));
            }
            let names = searched.names.iter().map(|name| directory.join(path(name)));
            if let Some(there) = names.into_iter().find(|name| !is_absent(world, name)) {
                return Err(Mismatch::Appeared(there));
            }
        }
        match self.absent.iter().map(|absent| path(absent)).find(|absent| !is_absent(world, absent)) {
            Some(there) => Err(Mismatch::Appeared(there.to_owned())),
            None => Ok(()),
        }
    }
}

/// Directories that were looked at in this check, each once.
struct Looked<'w, 'p> {
    world: &'w dyn World,
    known: Vec<(&'p [u8], Option<Stat>)>,
}

impl<'p> Looked<'_, 'p> {
    /// What stands at a path, links followed.
    fn stat(&mut self, bytes: &'p [u8]) -> Option<Stat> {
        if let Some((_, stat)) = self.known.iter().find(|(other, _)| *other == bytes) {
            return *stat;
        }
        let stat = self.world.stat(path(bytes)).ok();
        self.known.push((bytes, stat));
        stat
    }

    /// Whether no link stands at a path.
    fn is_plain(&mut self, bytes: &'p [u8]) -> bool {
        let stat = self.world.lstat(path(bytes)).ok().filter(|stat| !stat.is_symlink());
        self.known.push((bytes, stat));
        stat.is_some()
    }
}

/// A readable file's stat and digest.
fn look(world: &dyn World, digester: &dyn Digester, file: &SeenFile<'_>) -> Option<(Stat, BlobDigest)> {
    let path = path(file.path);
    let stat = if file.plain { world.lstat(path) } else { world.stat(path) };
    let stat = stat.ok().filter(Stat::is_file)?;
    let as_it_was = file.state.is_some() && file.state == FileState::of(&stat);
    let digest = if as_it_was { file.digest } else { digester.facts(path, &stat).ok()?.digest };
    Some((stat, digest))
}

/// The name that stands for all variables, for whoever lists them.
pub const ALL_VARIABLES: &str = "";

/// A digest of what a variable holds.
pub(super) fn value_of(world: &dyn World, name: &[u8]) -> Option<BlobDigest> {
    if name == ALL_VARIABLES.as_bytes() {
        return Some(all_variables(world));
    }
    let value = world.environment().get(std::str::from_utf8(name).ok()?)?;
    Some(BlobDigest::of(value.as_bytes()))
}

/// A digest of the environment, but for what decides nothing whoever asks for it.
fn all_variables(world: &dyn World) -> BlobDigest {
    let mut variables: Vec<_> =
        world.environment().iter().filter(|(name, _)| !environment::is_unasked(name)).collect();
    variables.sort_unstable();
    let mut all = Vec::new();
    for (name, value) in variables {
        for part in [name, value] {
            all.extend_from_slice(part.as_bytes());
            all.push(0);
        }
    }
    BlobDigest::of(&all)
}

/// Whether nothing stands at a path. A loop of links is not nothing, nor is what may not be looked at:
/// compilers fail there, where they pass over what is missing.
pub(super) fn is_absent(world: &dyn World, path: &Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    world.stat(path).is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// How a file is related to another of the same bytes.
pub(super) fn twin_of(of: u32, stat: &Stat, other: &Stat) -> Twin {
    let same_file = (stat.device, stat.inode) == (other.device, other.inode);
    Twin { of, same_file, same_time: stat.modified == other.modified }
}

/// The index of the first of these that is the same thing as the one that follows them.
pub(super) fn first_same(earlier: &[Stat], stat: &Stat) -> usize {
    let same = |other: &Stat| (stat.device, stat.inode) == (other.device, other.inode);
    earlier.iter().position(same).unwrap_or(earlier.len())
}

/// A digest over where a link leads.
pub(super) fn target_of(world: &dyn World, path: &Path) -> Option<BlobDigest> {
    world.read_link(path).ok().map(|target| BlobDigest::of(target.as_os_str().as_bytes()))
}

/// A digest over the path without links.
pub(super) fn resolution_of(world: &dyn World, path: &Path) -> Option<BlobDigest> {
    let real = world.canonicalize(path).ok()?;
    // A relative path means another place elsewhere, and the same to a compiler.
    let real = if path.is_relative() { real.strip_prefix(world.cwd()).unwrap_or(&real) } else { &real };
    Some(BlobDigest::of(real.as_os_str().as_bytes()))
}
