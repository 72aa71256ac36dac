//! The embedded engine: it bakes in a sandbox, and keeps what it baked in the store.
//!
//! | recipe | is baked by |
//! |---|---|
//! | `file`, `symlink`, `directory` | being what it is; all that it names must be here |
//! | `create_file`, `create_directory`, `merge`, `get`, `insert`, `cast`, `sync` | computing it |
//! | `proxy` | finding what was baked for it |
//! | `process` | baking its inputs, its dependencies becoming environment, then as `complete_process` |
//! | `complete_process` | running it, unless that was done before |
//!
//! Others are refused by name. What a process was baked to is a record under the recipe's hash, for the
//! `process` and for the `complete_process` that it became. A record is only a hint where to look: what it names
//! is verified when it is read, and where something is missing the process runs again. A process that fails
//! leaves no record.

mod complete;
mod compute;
mod flights;
mod process;
mod results;
mod runs;
mod session;
mod verify;

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use crate::recipe::digest::{ArtifactHash, RecordName};
use crate::recipe::{Artifact, Recipe};
use crate::store::{RecordKind, Store};
use crate::transport::wire::Content;
use crate::world::World;

use super::artifacts::{Artifacts, Locals, Owner};
use super::baker::{Baked, Baker, Order, Output};
use super::error::HostError;
use super::files::Place;
use super::lineage::Lineage;
use super::permits::Permits;
use super::sandbox::{Limits, Sandbox};
use super::session::Watch;
use flights::Flights;
use runs::Runs;

pub(crate) use process::{SOCKET, Scene};
pub(crate) use runs::PrivateDir;
pub use verify::Verified;

/// What an engine is made of.
#[derive(Clone)]
pub struct EngineOptions {
    /// Where results are kept.
    pub store: Arc<Store>,
    /// Environment and clock.
    pub world: Arc<dyn World + Send + Sync>,
    /// A directory for what processes see while they run, on the disk; [`EngineOptions::new`] takes one beside
    /// the store's own.
    pub scratch: PathBuf,
    /// How processes are run.
    pub sandbox: Sandbox,
    /// How many run at once.
    pub processes: usize,
    /// What each may use up.
    pub limits: Limits,
    /// How many bytes of directories on disk are kept for the next process that needs them.
    pub locals_size: u64,
}

impl EngineOptions {
    /// The usual limit of the directories on disk.
    pub const LOCALS: u64 = 4 << 30;

    /// An engine with the usual limits.
    #[must_use]
    pub fn new(store: Arc<Store>, world: Arc<dyn World + Send + Sync>, sandbox: Sandbox) -> Self {
        let scratch = Self::scratch(&store);
        let processes = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let limits = Limits { seconds: Some(3600), ..Limits::default() };
        Self { store, world, scratch, sandbox, processes, limits, locals_size: Self::LOCALS }
    }

    /// The directory beside a store's own that an engine uses.
    #[must_use]
    pub fn scratch(store: &Store) -> PathBuf {
        store.dir().join("host")
    }
}

/// The embedded engine. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) artifacts: Artifacts,
    pub(crate) locals: Arc<Locals>,
    pub(crate) sandbox: Sandbox,
    pub(crate) limits: Limits,
    pub(crate) permits: Arc<Permits>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) lineage: Lineage,
    pub(crate) world: Arc<dyn World + Send + Sync>,
    /// Is there once something was missing.
    lost: PathBuf,
    flights: Arc<Flights>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets an engine up, and removes what one that was killed left behind.
    ///
    /// # Errors
    /// When the scratch directory cannot be written.
    pub fn new(options: EngineOptions) -> Result<Self, HostError> {
        let EngineOptions { store, world, scratch, sandbox, processes, limits, locals_size } = options;
        let lineage = Lineage::new(scratch.join("lineage"), Arc::clone(&store));
        let artifacts = Artifacts::new(store, Arc::clone(&world));
        let locals = Arc::new(Locals::open(scratch.join("locals"), artifacts.clone(), locals_size)?);
        locals.sweep();
        let runs = Arc::new(Runs::open(&scratch)?);
        let permits = Permits::new(processes);
        let lost = scratch.join("lost");
        let flights = Arc::default();
        Ok(Self { artifacts, locals, sandbox, limits, permits, runs, lineage, world, lost, flights })
    }

    /// The artifacts that it knows.
    #[must_use]
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// What it has baked for whom.
    #[must_use]
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The permits of its processes.
    #[must_use]
    pub fn permits(&self) -> &Arc<Permits> {
        &self.permits
    }

    /// Whether limits of memory and processes hold for all processes of a bake together; otherwise why they hold for
    /// each alone.
    ///
    /// # Errors
    /// Why there are no control groups here.
    pub fn limits_whole_bakes(&self) -> Result<(), String> {
        self.runs.groups().as_ref().map(drop).map_err(Clone::clone)
    }

    /// Whether something was missing since this was last asked, by this host or another on the same directory: what
    /// is remembered of inputs may not be all there.
    pub(crate) fn take_loss(&self) -> bool {
        std::fs::remove_file(&self.lost).is_ok()
    }

    /// Removes directories on disk that nobody uses, until at most so many bytes of them are left.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn trim(&self, locals_size: u64) -> Result<(), HostError> {
        self.locals.trim(locals_size)
    }
}

/// One order while it is carried out.
pub(crate) struct Baking<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) order: &'a Order<'a>,
    /// Whether a process was run.
    ran: Cell<bool>,
    /// How long processes ran, now or when they were baked, milliseconds.
    took: Cell<u64>,
}

impl<'a> Baking<'a> {
    pub(crate) fn new(engine: &'a Engine, order: &'a Order<'a>) -> Self {
        Self { engine, order, ran: Cell::new(false), took: Cell::new(0) }
    }
}

/// Why there is no artifact.
pub(crate) enum Unbaked {
    /// A process failed.
    Failed(String),
    /// Something else.
    Error(HostError),
}

impl<E: Into<HostError>> From<E> for Unbaked {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Baker for Engine {
    fn import(&self, place: &Place<'_>, owner: Owner, watch: &dyn Watch) -> Result<ArtifactHash, HostError> {
        self.artifacts.import_while(place, owner, &|| watch.is_cancelled())
    }

    fn artifact(&self, hash: &ArtifactHash) -> Result<Option<Artifact>, HostError> {
        self.artifacts.load(hash)
    }

    fn bake(&self, recipe: &Recipe, order: &Order<'_>) -> Result<Baked, HostError> {
        let baking = Baking::new(self, order);
        match baking.recipe(recipe).and_then(|artifact| Ok(self.artifacts.save(&artifact)?)) {
            Ok(artifact) => {
                Ok(Baked::Done(Output { artifact, hit: !baking.ran.get(), took: baking.took.get() }))
            }
            Err(Unbaked::Failed(why)) => Ok(Baked::Failed { why }),
            Err(Unbaked::Error(error)) => {
                if error.is_missing() {
                    let _ = std::fs::write(&self.lost, "");
                }
                Err(error)
            }
        }
    }

    fn export(&self, artifact: &ArtifactHash, place: &Place<'_>) -> Result<(), HostError> {
        self.artifacts.export(artifact, place)
    }

    fn contents(&self, artifact: &ArtifactHash) -> Result<Vec<Content>, HostError> {
        self.artifacts.contents(artifact)
    }

    fn get_note(&self, name: &RecordName) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.artifacts.store().load(RecordKind::Note, name)?)
    }

    fn put_note(&self, name: &RecordName, note: &[u8]) -> Result<(), HostError> {
        Ok(self.artifacts.store().save(RecordKind::Note, name, note)?)
    }
}
