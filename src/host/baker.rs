//! What stands behind the protocol: an engine that imports, bakes and exports, in terms of plain data.

use crate::recipe::digest::{ArtifactHash, RecipeHash, RecordName};
use crate::recipe::{Artifact, Recipe};

use super::artifacts::Owner;
use super::error::HostError;
use super::files::Place;
use super::permits::Slot;
use super::session::Watch;
use crate::transport::wire::Content;

/// An engine that bakes. [`super::Engine`] is one of our own; a host that has another puts it here.
///
/// It is called from several threads at once. What a process may ask for is checked before it is asked.
pub trait Baker: Send + Sync {
    /// Takes what stands at a place as an artifact: its bytes are read from there, once, and whatever happens to
    /// the place meanwhile, what is hashed is what is kept. It ends early once nobody waits: a file may be endless.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn import(&self, place: &Place<'_>, owner: Owner, watch: &dyn Watch) -> Result<ArtifactHash, HostError>;

    /// The artifact with this hash; `None` when it is not here (any more).
    ///
    /// # Errors
    /// When that cannot be told.
    fn artifact(&self, hash: &ArtifactHash) -> Result<Option<Artifact>, HostError>;

    /// Bakes a recipe, or finds what it was baked to before.
    ///
    /// # Errors
    /// When the recipe is refused or something is broken; a process that fails is [`Baked::Failed`].
    fn bake(&self, recipe: &Recipe, order: &Order<'_>) -> Result<Baked, HostError>;

    /// Puts an artifact at a place where nothing stands, all of it or nothing, its bytes verified.
    ///
    /// # Errors
    /// [`HostError::Missing`] when it is not here any more: then it is baked again.
    fn export(&self, artifact: &ArtifactHash, place: &Place<'_>) -> Result<(), HostError>;

    /// The files of a small artifact, as [`Delivered::contents`](crate::transport::wire::Delivered::contents) has them; none of any other. An engine that does
    /// not look into artifacts says so of all.
    ///
    /// # Errors
    /// As [`Baker::export`].
    fn contents(&self, artifact: &ArtifactHash) -> Result<Vec<Content>, HostError> {
        let _ = artifact;
        Ok(Vec::new())
    }

    /// What was noted under a name.
    ///
    /// # Errors
    /// When that cannot be told.
    fn get_note(&self, name: &RecordName) -> Result<Option<Vec<u8>>, HostError>;

    /// Notes something under a name.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn put_note(&self, name: &RecordName, note: &[u8]) -> Result<(), HostError>;
}

/// Who wants something baked, and how.
pub struct Order<'a> {
    /// The recipe of the process that asks, if it has one.
    pub outer: Option<RecipeHash>,
    /// Who waits.
    pub watch: &'a dyn Watch,
    /// The slot of the process that asks: lent on while it waits.
    pub slot: Option<&'a Slot>,
    /// Not to use what was baked before: not all of it is there any more.
    pub afresh: bool,
}

/// What came of a bake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baked {
    /// An artifact.
    Done(Output),
    /// A process failed.
    Failed {
        /// How it ended, in words.
        why: String,
    },
}

/// What a bake gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// The artifact.
    pub artifact: ArtifactHash,
    /// Nothing was run for it.
    pub hit: bool,
    /// How long its processes ran when they were baked, milliseconds.
    pub took: u64,
}
