//! Lookups that failed, by the directory in which they did.

use std::collections::BTreeMap;
use std::io;

use rustc_hash::FxHashSet;

use super::seen::{Listing, Searched, is_absent, path};
use crate::world::{DirectoryState, Stat, World};

/// Names that were looked up in vain. Paths are those of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lookups<'r> {
    /// When the compile was started. A directory's state is only worth keeping when it was the same before.
    started: i128,
    /// Directories that are there.
    there: BTreeMap<&'r [u8], Names<'r>>,
    /// Directories that are not; a lookup of their own names, which failed as well, stands for all below.
    gone: FxHashSet<&'r [u8]>,
    /// Paths of which no directory's times tell.
    alone: Vec<&'r [u8]>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names<'r> {
    state: Option<DirectoryState>,
    absent: Vec<&'r [u8]>,
    listed: Option<Listing>,
}

impl<'r> Lookups<'r> {
    pub(super) fn new(started: i128) -> Self {
        Self { started, ..Self::default() }
    }

    /// Something was looked up in vain; false when it is there now.
    pub(super) fn missing(&mut self, world: &dyn World, bytes: &'r [u8]) -> bool {
        let Some((directory, name)) = split(bytes) else { return self.alone(world, bytes) };
        if self.gone.contains(directory) {
            return true;
        }
        if !self.there.contains_key(directory) {
            match world.stat(path(directory)) {
                Ok(stat) if stat.is_dir() => self.enter(directory, &stat),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.gone.insert(directory);
                    return self.missing(world, directory);
                }
                // Something else stands there.
                _ => return self.alone(world, bytes),
            }
        }
        // A link that dangles is a name in the directory, though nothing is found by it.
        let nothing = world.lstat(path(bytes)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        match self.there.get_mut(directory).filter(|_| nothing) {
            Some(names) => {
                names.absent.push(name);
                true
            }
            None => self.alone(world, bytes),
        }
    }

    fn alone(&mut self, world: &dyn World, bytes: &'r [u8]) -> bool {
        self.alone.push(bytes);
        is_absent(world, path(bytes))
    }

    fn enter(&mut self, directory: &'r [u8], stat: &Stat) {
        let state = Some(stat).filter(|stat| stat.is_settled(self.started));
        let state = state.and_then(DirectoryState::of);
        self.there.entry(directory).or_insert(Names { state, ..Names::default() });
    }

    /// A directory's names were listed; false when it may have had others then.
    pub(super) fn listed(&mut self, world: &dyn World, bytes: &'r [u8], crates: bool) -> bool {
        let Some(stat) = world.stat(path(bytes)).ok().filter(Stat::is_dir) else { return false };
        let listing = Listing::of(world, path(bytes), crates);
        self.enter(bytes, &stat);
        let unchanged = stat.modified.max(stat.changed) < self.started;
        self.there.get_mut(bytes).is_some_and(|names| {
            names.listed = listing;
            names.listed.is_some() && (names.state.is_some() || crates && unchanged)
        })
    }

    /// The directories, in their form in a manifest.
    pub(super) fn searched(&self) -> Vec<Searched<'_>> {
        let searched = |(path, names): (&&'r [u8], &Names<'r>)| {
            let mut absent = names.absent.clone();
            absent.sort_unstable();
            absent.dedup();
            Searched { path, state: names.state, names: absent, listed: names.listed }
        };
        self.there.iter().map(searched).collect()
    }

    /// The paths of which no directory's times tell.
    pub(super) fn absent(&self) -> &[&'r [u8]] {
        &self.alone
    }
}

/// The directory of a path, and its name in there; `None` for what has no name of its own.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = without_slash(path);
    let at = memchr::memrchr(b'/', path).map_or(0, |at| at + 1);
    let (directory, name) = path.split_at(at);
    let named = !matches!(name, b"" | b"." | b"..");
    named.then_some((without_slash(directory), name))
}

/// A path as a manifest has it: a slash at the end of a directory's name says nothing more.
pub(super) fn without_slash(path: &[u8]) -> &[u8] {
    match path.strip_suffix(b"/") {
        Some(shorter) if !shorter.is_empty() => without_slash(shorter),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_as_the_system_reads_them() {
        let parts = |path: &'static str| {
            let text = |bytes| std::str::from_utf8(bytes).expect("text");
            split(path.as_bytes()).map(|(directory, name)| (text(directory), text(name)))
        };
        assert_eq!(parts("/usr/include/a.h"), Some(("/usr/include", "a.h")));
        assert_eq!(parts("a.h"), Some(("", "a.h")));
        assert_eq!(parts("/a.h"), Some(("/", "a.h")));
        assert_eq!(parts("one//sub//"), Some(("one", "sub")));
        assert_eq!(parts("./a.h"), Some((".", "a.h")));
        for nameless in ["", "/", "..", "one/..", "one/."] {
            assert_eq!(parts(nameless), None, "{nameless}");
        }
    }
}
