//! What a process may ask for: a [`Session`] over a [`Baker`].
//!
//! The restrictions are the proposal's. A recipe may name only artifacts that the process was given (with all
//! that is in them), made, or got from a bake; it may not be unsafe, or for another platform, where the process
//! may not; and a path that the process names means what it means to the process, and nothing outside of that.
//! All of it is checked before anything is looked up, so that nobody learns whether others had something baked.
//!
//! | token | means |
//! |---|---|
//! | `not-granted` | an artifact, or a `proxy`'s recipe, that is not the process's own |
//! | `unsafe-not-allowed` | a process with `networking` |
//! | `wrong-platform` | a process for another machine |
//! | `unsupported-recipe` | a type of recipe that the host does not bake |
//! | `bad-recipe`, `bad-name` | parts that do not fit together; a name that is none |
//! | `outside-roots` | a path that is not absolute, has `..` in it, leads out by a link, or to what stands elsewhere |
//! | `not-there`, `exists`, `read-only` | nothing where something must be, something where nothing may, no right to write |
//! | `special-file`, `not-readable`, `too-large` | what is no part of an artifact, not the process's to read, or endless |
//! | `missing` | what an artifact is made of is not kept any more |
//! | `cancelled` | nobody waits |
//! | `no-sandbox`, `store`, `io` | the host's own troubles |

mod check;
mod held;
mod roots;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::artifacts::Owner;
use super::baker::{Baked, Baker, Order, Output};
use super::error::HostError;
use super::permits::Slot;
use super::session::{Session, Watch};
use crate::recipe::digest::{ArtifactHash, RecipeHash, RecordName};
use crate::recipe::{Platform, Recipe, Symbol};
use crate::transport::socket::Deliver;
use crate::transport::wire::{Delivered, Finished, Input, Inputs, WireError};
use held::Held;
use roots::Found;

pub use roots::{Links, Root, Roots};

/// What a process was given.
#[derive(Debug)]
pub struct Grant {
    /// The hash of its recipe.
    pub recipe: Option<RecipeHash>,
    /// Its input artifacts, and where it sees them.
    pub inputs: Vec<(ArtifactHash, PathBuf)>,
    /// What the symbols of its recipe stand for.
    pub symbols: Vec<(Symbol, PathBuf)>,
    /// What it may.
    pub rights: Rights,
    /// The places that it sees.
    pub roots: Roots,
    /// A directory in one of them, as it sees it, for what is on its way between it and the host; what is in there
    /// goes when the session has ended.
    pub scratch: PathBuf,
    /// Whether it sees what a bake would, where none of its places is.
    pub like_a_bake: bool,
    /// Whose files it may give.
    pub owner: Owner,
}

/// What a process may have its recipes do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Use the network, which is unsafe.
    pub networking: bool,
    /// Run on these machines.
    pub platforms: Vec<Platform>,
}

/// The session of one process.
pub struct Grants {
    baker: Arc<dyn Baker>,
    grant: Grant,
    held: Mutex<Held>,
    slot: Option<Slot>,
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grants").field("grant", &self.grant).finish_non_exhaustive()
    }
}

impl Grants {
    /// A session. `slot` is the process's own permit, lent on while it waits for a bake.
    #[must_use]
    pub fn new(baker: Arc<dyn Baker>, grant: Grant, slot: Option<Slot>) -> Self {
        let held = Held::new(grant.inputs.iter().map(|(artifact, _)| *artifact));
        Self { baker, grant, held: Mutex::new(held), slot }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take<'a>(
        &self,
        path: &'a Path,
        before: &mut Option<Found<'a>>,
        watch: &dyn Watch,
    ) -> Result<ArtifactHash, HostError> {
        if watch.is_cancelled() {
            return Err(HostError::Cancelled);
        }
        let found = before.insert(self.grant.roots.find(path, before.as_ref())?);
        let artifact = self.baker.import(&found.place(), self.grant.owner, watch)?;
        self.held().add(artifact);
        Ok(artifact)
    }

    fn bake_checked(
        &self,
        recipe: &Recipe,
        output: Deliver<'_>,
        watch: &dyn Watch,
    ) -> Result<Finished, HostError> {
        check::recipe(
            recipe,
            &self.grant.rights,
            &mut |hash| self.held().has(hash, &*self.baker),
            &|hash| self.held().has_baked(hash),
        )?;
        let place = match output {
            Deliver::At(path) => Some(self.grant.roots.find_new(path)?),
            Deliver::Nowhere | Deliver::Inline => None,
        };
        let mut afresh = false;
        loop {
            let outer = self.grant.recipe;
            let order = Order { outer, watch, slot: self.slot.as_ref(), afresh };
            let Output { artifact, hit, took } = match self.baker.bake(recipe, &order)? {
                Baked::Done(output) => output,
                Baked::Failed { why } => return Ok(Finished::Failed { why }),
            };
            let delivered = match &place {
                Some(found) => self.baker.export(&artifact, &found.place()).map(|()| Vec::new()),
                None if output == Deliver::Inline => self.baker.contents(&artifact),
                None => Ok(Vec::new()),
            };
            match delivered {
                // It was trimmed, or turned out to be damaged.
                Err(HostError::Missing(_)) if !afresh => afresh = true,
                Err(error) => return Err(error),
                Ok(contents) => {
                    let recipe = self.held().add_baked(recipe, artifact);
                    return Ok(Finished::Succeeded(Delivered { artifact, recipe, hit, took, contents }));
                }
            }
        }
    }
}

impl Session for Grants {
    fn inputs(&self) -> Result<Inputs, WireError> {
        use std::os::unix::ffi::OsStrExt;
        let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
        let Grant { recipe, inputs, symbols, scratch, like_a_bake, .. } = &self.grant;
        Ok(Inputs {
            artifacts: inputs
                .iter()
                .map(|(artifact, path)| Input { artifact: *artifact, path: bytes(path) })
                .collect(),
            symbols: symbols.iter().map(|(symbol, path)| (symbol.name().to_owned(), bytes(path))).collect(),
            scratch: bytes(scratch),
            like_a_bake: *like_a_bake,
            recipe: *recipe,
        })
    }

    fn create_artifacts(&self, paths: &[&Path], watch: &dyn Watch) -> Vec<Result<ArtifactHash, WireError>> {
        let mut before = None;
        paths.iter().map(|path| Ok(self.take(path, &mut before, watch)?)).collect()
    }

    fn bake(&self, recipe: &Recipe, output: Deliver<'_>, watch: &dyn Watch) -> Result<Finished, WireError> {
        Ok(self.bake_checked(recipe, output, watch)?)
    }

    fn get_note(&self, name: &RecordName) -> Result<Option<Vec<u8>>, WireError> {
        Ok(self.baker.get_note(name)?)
    }

    fn put_note(&self, name: &RecordName, note: &[u8]) -> Result<(), WireError> {
        Ok(self.baker.put_note(name, note)?)
    }
}
