//! A manifest: what earlier compiles of one invocation saw, each with what came of it.

use serde::{Deserialize, Serialize};

use super::Seen;
use crate::recipe::digest::UnitKey;

/// How many versions of the world one manifest remembers.
const MOST: usize = 8;
/// How large it may get, bytes, so that reading it stays cheap.
const LARGE: usize = 256 << 10;

/// One version of the world, and what came of compiling in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version<'a> {
    /// What the compile saw.
    #[serde(borrow)]
    pub seen: Seen<'a>,
    /// The key of its preprocessed text, where it was preprocessed.
    pub text: Option<UnitKey>,
    /// What came of it, for whoever bakes to read.
    pub result: &'a [u8],
}

/// What is remembered of an invocation, newest first. One without versions says that the invocation was
/// seen, and that nothing could be learned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest<'a> {
    #[serde(borrow)]
    versions: Vec<Version<'a>>,
}

impl<'a> Manifest<'a> {
    /// Reads a record; anything that is none is as good as nothing.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Self {
        postcard::from_bytes(bytes).unwrap_or_default()
    }

    /// The record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Adds the newest version, in place of an earlier one of the same world for which `replaces` holds. The
    /// oldest go where it gets too many, or too large.
    pub fn add(&mut self, version: Version<'a>, replaces: &dyn Fn(&Version<'_>) -> bool) {
        self.versions.retain(|other| !(other.seen == version.seen && replaces(other)));
        self.versions.insert(0, version);
        self.versions.truncate(MOST);
        while self.versions.len() > 1 && self.encode().len() > LARGE {
            self.versions.pop();
        }
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
