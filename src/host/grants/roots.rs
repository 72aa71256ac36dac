//! Paths as a process names them, and what they mean on the host's side.
//!
//! A path is cut into the root that it begins with and the rest, and the rest is resolved by the kernel beneath
//! the root's opened directory (`openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`): links that lead
//! out, `..`, and `/proc`'s links are refused by the kernel, whatever is renamed meanwhile. The last name is
//! never followed. Where something else is mounted over a place in the process's view, the host's view would
//! show what is beneath it, so paths to or above such a place are refused.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::host::error::HostError;
use crate::host::files::{self, Place};

/// A place that a process sees, with all that is in it.
#[derive(Debug)]
pub struct Root {
    /// Where the process sees it.
    pub path: PathBuf,
    /// The directory on the host's side.
    pub directory: OwnedFd,
    /// Whether the process may write there.
    pub writable: bool,
    /// Which links on the way are followed.
    pub links: Links,
}

/// Which links on the way to a name are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those that stay in the root.
    Within,
    /// None.
    None,
    /// All, for the root of the process is that of the host.
    All,
}

/// All that a process sees.
#[derive(Debug, Default)]
pub struct Roots {
    /// The places that it may name.
    pub roots: Vec<Root>,
    /// Other places where something is mounted for it.
    pub covered: Vec<PathBuf>,
}

/// A name in a directory that is open.
#[derive(Debug)]
pub(super) struct Found<'a> {
    directory: Rc<OwnedFd>,
    /// Nothing else is mounted in the directory, which is in a root, at any depth.
    plain: bool,
    name: OsString,
    shown: &'a Path,
}

impl Found<'_> {
    /// The same for a path that is spelled like this one but for the last name: what was looked into for this one
    /// holds for it.
    fn beside<'a>(&self, path: &'a Path) -> Option<Found<'a>> {
        let (directory, name) = split_last(path)?;
        let is_beside = self.plain && split_last(self.shown)?.0 == directory;
        let name = OsStr::from_bytes(name).to_owned();
        is_beside.then(|| Found { directory: Rc::clone(&self.directory), plain: true, name, shown: path })
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { directory: self.directory.as_fd(), name: &self.name, shown: self.shown }
    }
}

impl Roots {
    /// What a process means by a path. `before` was found for the same request: a directory that both are in, as
    /// the paths are spelled, is opened once.
    pub(super) fn find<'a>(
        &self,
        path: &'a Path,
        before: Option<&Found<'_>>,
    ) -> Result<Found<'a>, HostError> {
        if let Some(beside) = before.and_then(|before| before.beside(path)) {
            return Ok(beside);
        }
        let (root, rest) = self.split(path)?;
        let mut found = resolve(root, rest, path)?;
        let has_mounts =
            |directory: &Path| self.mounts().any(|other| other.starts_with(directory) && other != directory);
        let directory = path.parent().filter(|_| !rest.as_os_str().is_empty());
        found.plain = directory.is_some_and(|directory| !has_mounts(directory));
        Ok(found)
    }

    /// The same, where something is to be put: in a place that the process may write to, at a name that is not
    /// taken.
    pub(super) fn find_new<'a>(&self, path: &'a Path) -> Result<Found<'a>, HostError> {
        let (root, rest) = self.split(path)?;
        if !root.writable {
            return Err(HostError::ReadOnly(path.to_owned()));
        }
        let found = resolve(root, rest, path)?;
        match files::look(found.directory.as_fd(), &found.name) {
            Ok(_) => Err(HostError::Exists(path.to_owned())),
            Err(Errno::NOENT) => Ok(found),
            Err(error) => Err(HostError::io("look at", path)(error)),
        }
    }

    /// The root of a path, and the rest.
    fn split<'a>(&self, path: &'a Path) -> Result<(&Root, &'a Path), HostError> {
        let outside = |why| Err(HostError::OutsideRoots { path: path.to_owned(), why });
        let bytes = path.as_os_str().as_bytes();
        if !bytes.starts_with(b"/") {
            return outside("it is not absolute");
        }
        if bytes.contains(&0) {
            return outside("it has a zero byte in it");
        }
        if bytes.split(|b| *b == b'/').any(|part| part == b"..") {
            return outside("it has `..` in it");
        }
        let roots = self.roots.iter().filter(|root| path.starts_with(&root.path));
        let Some(root) = roots.max_by_key(|root| root.path.components().count()) else {
            return outside("it is in no place that this process sees");
        };
        for other in self.mounts().filter(|other| *other != root.path && other.starts_with(&root.path)) {
            if path.starts_with(other) || other.starts_with(path) {
                return outside("something else is mounted there");
            }
        }
        let rest = path.strip_prefix(&root.path).unwrap_or(path);
        Ok((root, rest))
    }

    /// Where something is mounted.
    fn mounts(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|root| &root.path).chain(&self.covered).map(PathBuf::as_path)
    }
}

/// A path's directory as it is spelled, and the last name; `None` where that is no entry's name.
fn split_last(path: &Path) -> Option<(&[u8], &[u8])> {
    let bytes = path.as_os_str().as_bytes();
    let (directory, name) = bytes.split_at(memchr::memrchr(b'/', bytes)? + 1);
    files::is_name(name).then_some((directory, name))
}

fn resolve<'a>(root: &Root, rest: &Path, shown: &'a Path) -> Result<Found<'a>, HostError> {
    let (parent, name) = match (rest.parent(), rest.file_name()) {
        (Some(parent), Some(name)) => (parent, name),
        _ => (Path::new(""), OsStr::new(".")),
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let name = name.to_owned();
    // `a/b/.` and `a/b/` mean what is there, if it is a directory; the name without a link followed is the same.
    let directory = open_beneath(root, parent).map_err(|error| refused(error, shown))?;
    Ok(Found { directory: Rc::new(directory), plain: false, name, shown })
}

fn open_beneath(root: &Root, path: &Path) -> Result<OwnedFd, Errno> {
    /// Somebody renames directories as fast as we look.
    const PATIENCE: usize = 64;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let how = match root.links {
        Links::Within => beneath,
        Links::None => beneath | ResolveFlags::NO_SYMLINKS,
        Links::All => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    };
    let mut last = Errno::AGAIN;
    for _ in 0..PATIENCE {
        match openat2(&root.directory, path, flags, Mode::empty(), how) {
            Err(error @ (Errno::AGAIN | Errno::INTR)) => last = error,
            other => return other,
        }
    }
    Err(last)
}

fn refused(error: Errno, path: &Path) -> HostError {
    let path = path.to_owned();
    match error {
        Errno::XDEV => HostError::OutsideRoots { path, why: "a link on the way leads out" },
        Errno::LOOP => HostError::OutsideRoots { path, why: "a link on the way is not followed" },
        Errno::NOENT | Errno::NOTDIR => HostError::NotThere(path),
        error => HostError::io("open the directory of", &path)(error),
    }
}
