//! The machine's own compilers as one artifact, packed once.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::{Pack, find, identify, pack};
use crate::host::artifacts::Owner;
use crate::host::engine::Engine;
use crate::host::error::HostError;
use crate::host::files::{self, Place};
use crate::recipe::digest::{ArtifactHash, BlobDigest, RecordName};
use crate::store::{RecordKind, Remembered, Store};
use crate::toolchain::Memo;
use crate::world::{Stat, World};

/// The names that are looked for.
const NAMES: [&str; 6] = ["gcc", "g++", "cc", "c++", "clang", "clang++"];

/// The machine's compilers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// The artifact.
    pub artifact: ArtifactHash,
    /// Where the compilers stand on the machine: a path below here is the same path in the artifact.
    pub top: PathBuf,
}

/// The compilers that `PATH` finds, those that stand together with the first of them. `None` when there are none.
/// `whole` says that every byte must be in the store then, which is looked into.
///
/// # Errors
/// When they cannot be packed.
pub fn system(engine: &Engine, world: &dyn World, whole: bool) -> Result<Option<System>, HostError> {
    let memo = StoreMemo(engine.artifacts().store());
    let mut top = None;
    let mut found: Vec<OsString> = Vec::new();
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"bakeplan packed system 1\0");
    for name in NAMES {
        let Ok(driver) = find(world, OsStr::new(name)) else { continue };
        let own_top = driver.parent().and_then(Path::parent).map(Path::to_owned);
        if top.is_some() && top != own_top {
            continue;
        }
        // One that cannot be identified is left out; the others serve.
        let Ok(toolchain) = identify(world, &memo, &driver) else { continue };
        top = own_top;
        hasher.update(driver.as_os_str().as_encoded_bytes()).update(&[0]);
        hasher.update(toolchain.digest.as_bytes());
        found.push(driver.into());
    }
    let Some(top) = top else { return Ok(None) };
    let name = RecordName::from(hasher.finalize());
    let store = engine.artifacts().store();
    let known = store.load(RecordKind::Tree, &name)?.and_then(|bytes| bytes.try_into().ok());
    let artifacts = engine.artifacts();
    if let Some(artifact) = known.map(ArtifactHash::from_bytes)
        && artifacts.load(&artifact)?.is_some()
        && (!whole || artifacts.is_whole(&artifact)?)
    {
        return Ok(Some(System { artifact, top }));
    }
    let artifact = pack_new(engine, world, &memo, found)?;
    let _ = store.save(RecordKind::Tree, &name, artifact.as_bytes());
    Ok(Some(System { artifact, top }))
}

fn pack_new(
    engine: &Engine,
    world: &dyn World,
    memo: &dyn Memo,
    compilers: Vec<OsString>,
) -> Result<ArtifactHash, HostError> {
    use std::os::fd::AsFd;
    let run = engine.runs.run()?;
    let into = run.path().join("packed");
    pack(world, memo, &into, &Pack { compilers, ..Pack::default() })?;
    let opened = files::open_directory(run.path())?;
    let place = Place { directory: opened.as_fd(), name: OsStr::new("packed"), shown: &into };
    engine.artifacts().import(&place, Owner::Host)
}

/// What a store remembers of compilers.
pub(super) struct StoreMemo<'a>(&'a Store);

impl Memo for StoreMemo<'_> {
    fn load(&self, name: &RecordName) -> Option<Vec<u8>> {
        self.0.load(RecordKind::Toolchain, name).ok().flatten()
    }

    fn save(&self, name: &RecordName, bytes: &[u8]) {
        let _ = self.0.save(RecordKind::Toolchain, name, bytes);
    }

    fn digest(&self, world: &dyn World, path: &Path, stat: &Stat) -> io::Result<BlobDigest> {
        if let Some(known) = self.0.identity().get(stat) {
            return Ok(known.digest);
        }
        let read_at = world.now();
        let digest = BlobDigest::of_all(&mut world.open(path)?)?;
        if world.stat(path).is_ok_and(|now| now.same_content(stat)) {
            self.0.identity().put(stat, read_at, &Remembered { digest, traits: u32::MAX, layout: u64::MAX });
        }
        Ok(digest)
    }
}
