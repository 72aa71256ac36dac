//! Roots whose place must not matter, and the mapping of paths below them.
//!
//! In Brioche's sandbox every absolute path holds the outer recipe's hash. A [`PathMap`] lists the roots
//! of such paths (an input's path, the work directory, …) with what stands for each: a component of a
//! template, or a name in text. It maps a path *value*, never a part of some other text: a path inside
//! any other token is program data. Names in text are mapped back by [`PathMap::unmap`] and
//! [`PathMap::unmap_text`].
//!
//! A root is a prefix by whole components (`/a/b` has `/a/b/c` below it, not `/a/bc`), compared byte by
//! byte: a path spelled in another way (`/a//b`) is not mapped, which is safe, since what is not mapped
//! stays in the key as it is.

mod places;
mod text;

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

pub use places::{Places, Spelling};

/// A path without `.` and `..`, by its text alone: links are not looked at.
#[must_use]
pub fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Why roots and names cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathMapError {
    /// A root is not an absolute path below `/`, spelled without `//`, `.` or `..`.
    #[error("the root {0:?} is not a plain absolute path below /")]
    Root(String),
    /// A root is given twice.
    #[error("the root {0:?} is given twice")]
    Twice(String),
    /// A name is empty or ends in `/`.
    #[error("the name {0:?} is empty or ends in a slash")]
    Name(String),
    /// A name is another one, or is below it.
    #[error("the name {0:?} is, or is below, the name {1:?}")]
    Names(String, String),
    /// A path that is below no root begins with a name, and would come back as something else.
    #[error("the path {0:?} begins with a name that stands for a root")]
    Clash(String),
}

/// Roots, and what stands for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMap<T> {
    /// Longest first.
    roots: Vec<(Vec<u8>, T)>,
}

/// A path below a root.
#[derive(Debug, PartialEq, Eq)]
pub struct Located<'a, T> {
    /// What stands for the root.
    pub root: &'a T,
    /// What follows the root: nothing, or a slash and more.
    pub rest: &'a [u8],
}

impl<T> Default for PathMap<T> {
    /// No roots: nothing is mapped.
    fn default() -> Self {
        Self { roots: Vec::new() }
    }
}

impl<T> PathMap<T> {
    /// A map of these roots. Trailing slashes are dropped.
    ///
    /// # Errors
    /// When a root is no plain absolute path, or is given twice.
    pub fn new<R: AsRef<[u8]>>(roots: impl IntoIterator<Item = (R, T)>) -> Result<Self, PathMapError> {
        let mut sorted: Vec<(Vec<u8>, T)> = Vec::new();
        for (root, stand_in) in roots {
            let root = root.as_ref();
            let end = root.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
            let plain = root.first() == Some(&b'/')
                && end > 0
                && root[1..end].split(|b| *b == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
                && !root.contains(&0);
            if !plain {
                return Err(PathMapError::Root(lossy(root)));
            }
            let root = &root[..end];
            if sorted.iter().any(|(known, _)| known == root) {
                return Err(PathMapError::Twice(lossy(root)));
            }
            sorted.push((root.to_vec(), stand_in));
        }
        sorted.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Ok(Self { roots: sorted })
    }

    /// Whether there are no roots.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The roots, longest first, and what stands for each.
    pub fn roots(&self) -> impl Iterator<Item = (&[u8], &T)> {
        self.roots.iter().map(|(root, stand_in)| (root.as_slice(), stand_in))
    }

    /// The longest root that a path is, or is below. `None` too for a path that leaves its root again by
    /// `..`: where that leads depends on where the root stands.
    #[must_use]
    pub fn locate<'a>(&'a self, path: &'a [u8]) -> Option<Located<'a, T>> {
        let below = |(prefix, root): &'a (Vec<u8>, T)| {
            let rest = below(prefix, path)?;
            Some(Located { root, rest })
        };
        self.roots.iter().find_map(below).filter(|located| stays(located.rest))
    }
}

impl<T: AsRef<[u8]>> PathMap<T> {
    /// A map whose roots stand under names in text.
    ///
    /// # Errors
    /// As [`Self::new`]; and when a name is empty, ends in a slash, or is the same as another or below
    /// it, so that it could not be told what it stands for.
    pub fn named<R: AsRef<[u8]>>(roots: impl IntoIterator<Item = (R, T)>) -> Result<Self, PathMapError> {
        let map = Self::new(roots)?;
        for (index, (_, name)) in map.roots.iter().enumerate() {
            let name = name.as_ref();
            if name.is_empty() || name.ends_with(b"/") {
                return Err(PathMapError::Name(lossy(name)));
            }
            let mut others = map.roots.iter().enumerate().filter(|(other, _)| *other != index);
            if let Some((_, (_, other))) =
                others.find(|(_, (_, other))| below(other.as_ref(), name).is_some())
            {
                return Err(PathMapError::Names(lossy(name), lossy(other.as_ref())));
            }
        }
        Ok(map)
    }

    /// A path value with its root's name in place of the root; the path itself when it is below none.
    ///
    /// # Errors
    /// [`PathMapError::Clash`] when the path is below no root but begins with a name: [`Self::unmap`]
    /// would make something else of it.
    pub fn map<'a>(&self, path: &'a [u8]) -> Result<Cow<'a, [u8]>, PathMapError> {
        match self.locate(path) {
            Some(Located { root, rest }) => Ok(Cow::Owned([root.as_ref(), rest].concat())),
            None if self.named_root(path).is_some() => Err(PathMapError::Clash(lossy(path))),
            None => Ok(Cow::Borrowed(path)),
        }
    }

    /// The path value that [`Self::map`] made this of.
    #[must_use]
    pub fn unmap<'a>(&self, path: &'a [u8]) -> Cow<'a, [u8]> {
        match self.named_root(path) {
            Some((root, rest)) => Cow::Owned([root, rest].concat()),
            None => Cow::Borrowed(path),
        }
    }

    /// The root whose name a path begins with, and what follows the name.
    fn named_root<'a>(&self, path: &'a [u8]) -> Option<(&[u8], &'a [u8])> {
        self.roots.iter().find_map(|(root, name)| Some((root.as_slice(), below(name.as_ref(), path)?)))
    }
}

/// What follows a prefix of whole components.
fn below<'a>(prefix: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether a relative path never leaves where it starts.
fn stays(rest: &[u8]) -> bool {
    let mut depth = 0_usize;
    for part in rest.split(|b| *b == b'/') {
        depth = match part {
            b"" | b"." => depth,
            b".." if depth == 0 => return false,
            b".." => depth - 1,
            _ => depth + 1,
        };
    }
    true
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
