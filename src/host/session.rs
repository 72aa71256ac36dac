//! What a host does for one outer process. The server loop speaks the protocol; this decides and bakes.

use std::path::Path;

use crate::recipe::Recipe;
use crate::recipe::digest::{ArtifactHash, RecordName};
use crate::transport::socket::Deliver;
use crate::transport::wire::{Finished, Inputs, WireError};
use crate::world::Stream;

/// One outer process's view of a host. Its methods are called from several threads at once.
pub trait Session: Send + Sync {
    /// *get-inputs*: the artifacts that the process was given, and where it sees them.
    ///
    /// # Errors
    /// When the session can't tell.
    fn inputs(&self) -> Result<Inputs, WireError>;

    /// *create-artifact*: takes what stands at each of these absolute paths, as the process sees them, as an
    /// artifact. The answer has as many items, in the same order: an error where the path is not the process's to
    /// give, or can't be read.
    fn create_artifacts(&self, paths: &[&Path], watch: &dyn Watch) -> Vec<Result<ArtifactHash, WireError>>;

    /// *bake-recipe*: bakes, or finds what was baked before, and delivers the output: at a path as the process
    /// sees it, or in the answer.
    ///
    /// # Errors
    /// When the recipe is refused, or something is broken. A process that fails is [`Finished::Failed`].
    fn bake(&self, recipe: &Recipe, output: Deliver<'_>, watch: &dyn Watch) -> Result<Finished, WireError>;

    /// What was noted under a name.
    ///
    /// # Errors
    /// When it can't be told.
    fn get_note(&self, name: &RecordName) -> Result<Option<Vec<u8>>, WireError>;

    /// Notes something under a name, in place of what was there.
    ///
    /// # Errors
    /// When it can't be kept.
    fn put_note(&self, name: &RecordName, note: &[u8]) -> Result<(), WireError>;
}

/// Who waits for a bake.
pub trait Watch: Send + Sync {
    /// Tells what the bake's processes write. It never blocks for long: what can't be sent is dropped.
    fn log(&self, stream: Stream, bytes: &[u8]);

    /// Whether nobody waits any more: the bake may end early.
    fn is_cancelled(&self) -> bool;

    /// Whether nobody waits in the first place: the bake goes on when the client goes away, and runs when
    /// nothing else wants to.
    fn is_detached(&self) -> bool {
        false
    }
}
