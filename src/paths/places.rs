//! Directories of a build that may stand elsewhere the next time: a checkout, the directory of results, a
//! package's own.
//!
//! Where a path below one of them is written down, a *name* stands for the directory: a null byte, which no
//! path has, and a byte for the directory. What is written down so means, for another build, the same place
//! below its own directory.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use memchr::memmem;

/// The directories of one build, in an order that is the same for every build of the same command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(Vec<Vec<u8>>);

/// The first byte of a name.
const MARK: u8 = 0;
/// The second byte of the first directory's name; no byte that a path is split at.
const FIRST: u8 = 128;
/// How many there can be.
const MOST: usize = 120;

/// How a text spells a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As it is.
    Plain,
    /// As in a string of JSON.
    Json,
}

impl Spelling {
    /// A path as it is spelled.
    #[must_use]
    pub fn of(self, path: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Plain => Cow::Borrowed(path),
            Self::Json => escaped(path, b"\\\""),
        }
    }
}

/// A path with a backslash before some bytes.
fn escaped<'p>(path: &'p [u8], special: &[u8]) -> Cow<'p, [u8]> {
    if !path.iter().any(|byte| special.contains(byte)) {
        return Cow::Borrowed(path);
    }
    let spell = |byte: &u8| if special.contains(byte) { vec![b'\\', *byte] } else { vec![*byte] };
    Cow::Owned(path.iter().flat_map(spell).collect())
}

impl Places {
    /// Takes these directories, each once. Those that are relative, or not plainly spelled, stay what they
    /// are.
    pub fn new<'p>(directories: impl IntoIterator<Item = &'p OsStr>) -> Self {
        let mut places: Vec<Vec<u8>> = Vec::new();
        for directory in directories {
            let bytes = directory.as_bytes();
            if is_plain(directory) && !places.iter().any(|place| place == bytes) && places.len() < MOST {
                places.push(bytes.to_vec());
            }
        }
        Self(places)
    }

    /// The directories.
    #[must_use]
    pub fn directories(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The index of a directory.
    #[must_use]
    pub fn index(&self, directory: &OsStr) -> Option<usize> {
        self.0.iter().position(|place| place == directory.as_bytes())
    }

    /// The directory, the longest, that a path is or is below, and what follows it.
    fn split<'p>(&self, path: &'p [u8]) -> Option<(usize, &'p [u8])> {
        let below = |(index, place): (usize, &Vec<u8>)| {
            let rest = path.strip_prefix(place.as_slice())?;
            matches!(rest, [] | [b'/', ..]).then_some((index, rest))
        };
        self.0.iter().enumerate().filter_map(below).min_by_key(|(_, rest)| rest.len())
    }

    /// The index of the directory that a path is, or is below.
    #[must_use]
    pub fn of(&self, path: &[u8]) -> Option<usize> {
        self.split(path).map(|(index, _)| index)
    }

    /// The name of a path.
    #[must_use]
    pub fn name<'p>(&self, path: &'p [u8]) -> Cow<'p, [u8]> {
        match self.split(path) {
            Some((index, rest)) => Cow::Owned([&mark(index), rest].concat()),
            None => Cow::Borrowed(path),
        }
    }

    /// The path of a name; `None` where it stands for a directory that there is not.
    #[must_use]
    pub fn path<'p>(&self, name: &'p Path) -> Option<Cow<'p, Path>> {
        match name.as_os_str().as_bytes() {
            [MARK, index, rest @ ..] => {
                let place = self.0.get(usize::from(index.checked_sub(FIRST)?))?;
                let path = [place, rest].concat();
                Some(Cow::Owned(Path::new(OsStr::from_bytes(&path)).to_owned()))
            }
            _ => Some(Cow::Borrowed(name)),
        }
    }

    /// Which of them stand in these bytes, as any part of them.
    #[must_use]
    pub fn are_in(&self, bytes: &[u8]) -> Vec<usize> {
        let found = |(index, place): (usize, &Vec<u8>)| memmem::find(bytes, place).map(|_| index);
        self.0.iter().enumerate().filter_map(found).collect()
    }

    /// Which of them stand in these bytes with their spaces escaped, as dependency files have them.
    #[must_use]
    pub fn are_escaped_in(&self, bytes: &[u8]) -> Vec<usize> {
        let spaced = self.0.iter().enumerate().filter(|(_, place)| place.contains(&b' '));
        let found = spaced.filter(|(_, place)| memmem::find(bytes, &escaped(place, b" ")).is_some());
        found.map(|(index, _)| index).collect()
    }

    /// A text with names in place of the directories.
    #[must_use]
    pub fn named(&self, text: &[u8], spelling: Spelling) -> Vec<u8> {
        let spelled: Vec<Cow<'_, [u8]>> = self.0.iter().map(|place| spelling.of(place)).collect();
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        for at in memchr::memchr_iter(b'/', text) {
            if at < done || text[..at].last().copied().is_some_and(goes_on) {
                continue;
            }
            let whole = |(_, place): &(usize, &Cow<'_, [u8]>)| {
                text[at..].starts_with(place) && !text.get(at + place.len()).copied().is_some_and(goes_on)
            };
            let longest = spelled.iter().enumerate().filter(whole).max_by_key(|(_, place)| place.len());
            if let Some((index, place)) = longest {
                out.extend_from_slice(&text[done..at]);
                out.extend_from_slice(&mark(index));
                done = at + place.len();
            }
        }
        out.extend_from_slice(&text[done..]);
        out
    }

    /// A text with the directories in place of names; `None` where it names one that there is not.
    #[must_use]
    pub fn spelled(&self, text: &[u8], spelling: Spelling) -> Option<Vec<u8>> {
        let mut parts = text.split(|byte| *byte == MARK);
        let mut out = parts.next().unwrap_or_default().to_vec();
        for part in parts {
            let (index, rest) = part.split_first()?;
            let place = self.0.get(usize::from(index.checked_sub(FIRST)?))?;
            out.extend_from_slice(&spelling.of(place));
            out.extend_from_slice(rest);
        }
        Some(out)
    }
}

fn mark(index: usize) -> [u8; 2] {
    [MARK, FIRST + u8::try_from(index).unwrap_or(0)]
}

/// Whether a path is absolute, below `/`, and spelled without anything that could be left out.
fn is_plain(path: &OsStr) -> bool {
    let rebuilt: std::path::PathBuf = Path::new(path).components().collect();
    let up = Path::new(path).components().any(|part| part == Component::ParentDir);
    rebuilt.as_os_str() == path && rebuilt.is_absolute() && !up && rebuilt.parent().is_some()
}

/// Whether a name of a file goes on with this byte.
fn goes_on(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-+@~%,#".contains(&byte) || byte > 127
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(list: &[&str]) -> Places {
        Places::new(list.iter().map(OsStr::new))
    }

    #[test]
    fn a_path_has_the_name_of_the_nearest_directory_and_comes_back_elsewhere() {
        let here = places(&["/w/t/deps", "/w", "/w", "relative", "/w/x/../y", "/"]);
        assert_eq!(here.directories(), [b"/w/t/deps".to_vec(), b"/w".to_vec()]);
        let there = places(&["/else/deps", "/v"]);
        for (path, moved) in [
            ("/w/t/deps/a.rlib", "/else/deps/a.rlib"),
            ("/w/t/deps", "/else/deps"),
            ("/w/t/deps2", "/v/t/deps2"),
            ("/www/a", "/www/a"),
            ("src/a.rs", "src/a.rs"),
        ] {
            let name = here.name(path.as_bytes());
            let name = Path::new(OsStr::from_bytes(&name)).to_owned();
            assert_eq!(here.path(&name).as_deref(), Some(Path::new(path)), "{path}");
            assert_eq!(there.path(&name).as_deref(), Some(Path::new(moved)), "{path}");
        }
    }

    #[test]
    fn texts_are_moved_in_their_own_spelling() {
        let (here, there) = (places(&["/w/a b"]), places(&["/v \"c\""]));
        let moved = |text: &str, spelling| {
            let named = here.named(text.as_bytes(), spelling);
            String::from_utf8(there.spelled(&named, spelling).expect("a directory")).expect("text")
        };
        assert_eq!(here.are_escaped_in(b"/v: /w/a\\ b/x"), [0]);
        assert_eq!(here.are_escaped_in(b"/w/a b/x: y"), [0; 0]);
        assert_eq!(moved("{\"artifact\":\"/w/a b/x\"}", Spelling::Json), "{\"artifact\":\"/v \\\"c\\\"/x\"}");
        assert_eq!(moved("/w/a b:/x/w/a b", Spelling::Plain), "/v \"c\":/x/w/a b");
        assert_eq!(places(&[]).spelled(&here.named(b"/w/a b", Spelling::Plain), Spelling::Plain), None);
    }
}
