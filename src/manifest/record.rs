//! A manifest: what earlier compiles of one invocation saw, each with what came of it.

use serde::{Deserialize, Serialize};

use super::Seen;
use crate::recipe::digest::UnitKey;

/// The first byte of a record; a change of what follows, [`Seen`] among it, comes with another one.
const FORMAT: u8 = 2;
/// How many versions of the world one manifest remembers.
const MOST: usize = 8;
/// How large it may get, bytes, so that reading it stays cheap.
const LARGE: usize = 256 << 10;

/// One version of the world, and what came of compiling in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version<'a> {
    /// What the compile saw; not decoded, for mostly the first version is the one.
    seen: &'a [u8],
    /// The key of its preprocessed text, where it was preprocessed.
    pub text: Option<UnitKey>,
    /// What came of it, for whoever bakes to read.
    pub result: &'a [u8],
}

impl<'a> Version<'a> {
    /// What the compile saw; nothing where its bytes are not understood.
    #[must_use]
    pub fn seen(&self) -> Option<Seen<'a>> {
        postcard::from_bytes(self.seen).ok()
    }

    /// Whether two versions are of the same world.
    #[must_use]
    pub fn is_of_same_world(&self, other: &Version<'_>) -> bool {
        self.seen == other.seen
    }
}

/// What is remembered of an invocation, newest first. One without versions says that the invocation was
/// seen, and that nothing could be learned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest<'a> {
    #[serde(borrow)]
    versions: Vec<Version<'a>>,
}

impl<'a> Manifest<'a> {
    /// Reads a record; `None` when it is none, or of another format.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (format, manifest) = bytes.split_first()?;
        postcard::from_bytes(manifest).ok().filter(|_| *format == FORMAT)
    }

    /// The record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }

    /// The record with a new version in front, in place of earlier ones of the same world for which
    /// `replaces` holds. The oldest go where it gets too many, or too large.
    #[must_use]
    pub fn with(
        mut self,
        seen: &Seen<'_>,
        text: Option<UnitKey>,
        result: &[u8],
        replaces: &dyn Fn(&Version<'_>) -> bool,
    ) -> Vec<u8> {
        let seen = postcard::to_stdvec(seen).unwrap_or_default();
        let newest = Version { seen: &seen, text, result };
        self.versions.retain(|other| !(other.is_of_same_world(&newest) && replaces(other)));
        let mut versions = vec![newest];
        let mut size = seen.len() + result.len();
        for version in self.versions {
            size += version.seen.len() + version.result.len();
            if versions.len() < MOST && size <= LARGE {
                versions.push(version);
            }
        }
        Manifest { versions }.encode()
    }

    /// The versions, newest first.
    #[must_use]
    pub fn versions(&self) -> &[Version<'a>] {
        &self.versions
    }

    /// The versions, to be changed.
    pub fn versions_mut(&mut self) -> &mut [Version<'a>] {
        &mut self.versions
    }
}
