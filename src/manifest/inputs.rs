//! The files that a compile read.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::preprocess::{FileFacts, Traits};
use crate::recipe::digest::BlobDigest;
use crate::world::{Stat, World};

/// Gives the facts of a file's bytes, perhaps from memory.
pub trait Digester: Sync {
    /// The facts of the file at `path`, whose identity is `stat`.
    ///
    /// # Errors
    /// What reading the file says; that it is not the file of this identity any more.
    fn facts(&self, path: &Path, stat: &Stat) -> io::Result<FileFacts>;
}

/// One file and what was in it; no facts when there was no readable file of that name (a `#line`
/// directive can name anything).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    #[serde(with = "path_bytes")]
    path: PathBuf,
    facts: Option<FileFacts>,
}

impl Input {
    /// The path as the preprocessor names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was in it.
    #[must_use]
    pub fn facts(&self) -> Option<&FileFacts> {
        self.facts.as_ref()
    }
}

/// The files of one compile, in the order in which they were entered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSet(Vec<Input>);

/// How an earlier compile's inputs compare with the present ones, given equal preprocessed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Every byte is the same.
    Exact,
    /// Some file is another one: the first of them, and the traits of all that differ, then and now.
    Differs {
        /// The first file that differs.
        path: PathBuf,
        /// What the differing files mention.
        traits: Traits,
        /// Whether the tabs that indent lines differ somewhere.
        layout: bool,
    },
}

impl InputSet {
    /// The inputs.
    #[must_use]
    pub fn files(&self) -> &[Input] {
        &self.0
    }

    /// Whether a file is among them.
    #[must_use]
    pub fn names(&self, path: &Path) -> bool {
        self.0.iter().any(|input| same_place(&input.path, path))
    }

    /// What all files together mention.
    #[must_use]
    pub fn traits(&self) -> Traits {
        Traits(self.0.iter().filter_map(Input::facts).fold(0, |all, facts| all | facts.traits.0))
    }

    /// The same with other names.
    #[must_use]
    pub fn renamed(&self, rename: &dyn Fn(&Path) -> PathBuf) -> Self {
        Self(self.0.iter().map(|Input { path, facts }| Input { path: rename(path), facts: *facts }).collect())
    }

    /// Whether a compile of them may hold the time of day.
    #[must_use]
    pub fn holds_time(&self, world: &dyn World) -> bool {
        self.traits().has(Traits::TIME) && world.environment().get("SOURCE_DATE_EPOCH").is_none()
    }

    /// Compares an earlier set (`self`) with the present one.
    #[must_use]
    pub fn compare(&self, now: &Self) -> Match {
        let mut first = None;
        let mut traits = 0;
        let mut layout = self.0.len() != now.0.len();
        let pairs = self.0.iter().zip(&now.0).filter(|(old, new)| old != new);
        for (old, new) in pairs {
            first.get_or_insert_with(|| new.path.clone());
            let facts = [old, new].map(|input| input.facts.unwrap_or(UNKNOWN));
            traits |= facts[0].traits.0 | facts[1].traits.0;
            layout |= facts[0].layout != facts[1].layout;
        }
        if first.is_none() && self.0.len() != now.0.len() {
            let longer = if self.0.len() > now.0.len() { self } else { now };
            first = longer.0.get(self.0.len().min(now.0.len())).map(|input| input.path.clone());
            traits = u32::MAX;
        }
        match first {
            None => Match::Exact,
            Some(path) => Match::Differs { path, traits: Traits(traits), layout },
        }
    }
}

/// A file of which nothing is known may mention anything.
const UNKNOWN: FileFacts =
    FileFacts { digest: BlobDigest::from_bytes([0; 32]), traits: Traits(u32::MAX), layout: u64::MAX };

/// The present state of a set of files, with the identities that tell later whether it still holds.
#[derive(Debug, Clone)]
pub struct Snapshot {
    inputs: InputSet,
    stats: Vec<Option<Stat>>,
}

impl Snapshot {
    /// Looks at these files.
    #[must_use]
    pub fn take(world: &dyn World, digester: &dyn Digester, paths: &[PathBuf]) -> Self {
        let looked = paths.iter().map(|path| {
            let stat = world.stat(path).ok().filter(Stat::is_file);
            let facts = stat.and_then(|stat| digester.facts(&world.absolute(path), &stat).ok());
            (Input { path: path.clone(), facts }, stat)
        });
        let (inputs, stats) = looked.unzip();
        Self { inputs: InputSet(inputs), stats }
    }

    /// The inputs, some of them with other bytes than those that stand there now.
    #[must_use]
    pub fn with(mut self, earlier: &[(PathBuf, FileFacts)]) -> InputSet {
        for Input { path, facts } in &mut self.inputs.0 {
            if let Some((_, then)) = earlier.iter().find(|(other, _)| same_place(other, path)) {
                *facts = Some(*then);
            }
        }
        self.inputs
    }

    /// The inputs.
    #[must_use]
    pub fn inputs(&self) -> &InputSet {
        &self.inputs
    }

    /// Whether every file still has the identity that it had.
    #[must_use]
    pub fn still_holds(&self, world: &dyn World) -> bool {
        self.inputs.0.iter().zip(&self.stats).all(|(input, then)| {
            let now = world.stat(&input.path).ok().filter(Stat::is_file);
            match (then, now) {
                (Some(then), Some(now)) => then.same_content(&now),
                (None, None) => true,
                _ => false,
            }
        })
    }

    /// Whether every file still has the bytes that it had, read again.
    #[must_use]
    pub fn holds_by_content(&self, world: &dyn World) -> bool {
        self.inputs.0.iter().all(|input| {
            let digest = world.read(&input.path).ok().map(|bytes| BlobDigest::of(&bytes));
            digest == input.facts.map(|facts| facts.digest)
        })
    }

    /// Whether no file can have changed unseen since `instant` (nanoseconds since the epoch): all times
    /// lie clearly before it.
    #[must_use]
    pub fn is_settled(&self, instant: i128) -> bool {
        self.stats.iter().flatten().all(|stat| stat.is_settled(instant))
    }
}

/// Whether two spellings differ in nothing but `.` directories.
pub(super) fn same_place(one: &Path, other: &Path) -> bool {
    let plain = |path: &'_ Path| {
        path.components()
            .filter(|c| *c != Component::CurDir)
            .map(|c| c.as_os_str().to_owned())
            .collect::<Vec<_>>()
    };
    one == other || plain(one) == plain(other)
}

mod path_bytes {
    use super::{OsStrExt, OsString, OsStringExt, Path, PathBuf};

    pub(super) fn serialize<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(path.as_os_str().as_bytes())
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        let bytes: Vec<u8> = serde::Deserialize::deserialize(deserializer)?;
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }
}
