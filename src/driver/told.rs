//! What the wrapper tells of a source that it preprocessed in a bake, and how another process makes sure that its
//! own preprocessor would say the same.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::manifest::{Digester, Mismatch, PlacedDigester, PlacedWorld, Seen};
use crate::paths;
use crate::preprocess::{FileFacts, Rules};
use crate::recipe::digest::BlobDigest;
use crate::world::{Stat, World};

/// What stands in [`TOLD`](crate::planner::tree::TOLD), by this version.
const FORMAT: u8 = 1;

/// What the wrapper tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    format: u8,
    /// A reason why the text may not serve, or what the preprocessor saw.
    pub(super) outcome: Result<Looked, String>,
}

/// What the preprocessor saw, by the names of places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Looked {
    /// A [`Seen`].
    pub(super) seen: Vec<u8>,
    /// The dependency file, where the unit has one.
    pub(super) rules: Option<Rules>,
}

impl Told {
    pub(super) fn new(outcome: Result<Looked, String>) -> Self {
        Self { format: FORMAT, outcome }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok().filter(|told: &Self| told.format == FORMAT)
    }
}

impl Looked {
    /// The files that were read, where they are here.
    pub(super) fn files(&self, places: &paths::Places) -> Vec<PathBuf> {
        let seen = postcard::from_bytes::<Seen<'_>>(&self.seen);
        let names: Vec<&Path> = seen.iter().flat_map(Seen::files).map(|(name, _)| name).collect();
        names.into_iter().filter_map(|name| Some(places.path(name)?.into_owned())).collect()
    }

    /// Whether a preprocessor here would see the same. The files named by `given` are known to have the bytes that
    /// it saw.
    pub(super) fn holds(
        &self,
        world: &dyn World,
        places: &paths::Places,
        given: &dyn Fn(&Path) -> bool,
    ) -> Result<(), Mismatch> {
        let broken = || Mismatch::Other(PathBuf::new());
        let seen: Seen<'_> = postcard::from_bytes(&self.seen).map_err(|_| broken())?;
        let named = |(name, digest): (&Path, BlobDigest)| Some((places.path(name)?.into_owned(), digest));
        let known: HashMap<PathBuf, BlobDigest> =
            seen.files().filter_map(named).filter(|(path, _)| given(&world.absolute(path))).collect();
        let digester = Given { world, known };
        let digester = PlacedDigester { digester: &digester, places };
        seen.holds(&PlacedWorld::new(world, places), &digester, true)
    }
}

/// Digests that are known, and those of files that are read.
struct Given<'a> {
    world: &'a dyn World,
    known: HashMap<PathBuf, BlobDigest>,
}

impl Digester for Given<'_> {
    fn facts(&self, path: &Path, _: &Stat) -> io::Result<FileFacts> {
        match self.known.get(path) {
            Some(digest) => {
                Ok(FileFacts { digest: *digest, traits: crate::preprocess::Traits::default(), layout: 0 })
            }
            None => Ok(FileFacts::of(&self.world.read(path)?)),
        }
    }
}
