//! Brioche's data model: recipes, artifacts, templates, digests.
//!
//! A recipe is a build step as data, an artifact a recipe that is baked. Both are known by their hash:
//! BLAKE3 of their JSON in the canonical form of RFC 8785, fields at their default left out. These are
//! the hashes that Brioche 0.1 gives them.
//!
//! Defaults that are left out: `currentDir` when it is exactly the work directory, empty `dependencies`,
//! absent `outputScaffold`, `unsafe` and `networking` when false. Nothing else is: an `insert` without a
//! recipe and a `set_permissions` that sets nothing say `null`, an `unarchive` names its compression.

mod artifact;
mod bytes;
mod compile;
pub mod digest;
mod download;
mod error;
mod json;
mod process;
#[allow(clippy::module_inception, reason = "the room is named after what it is about")]
mod recipe;
mod template;

pub use artifact::{Artifact, ArtifactKind, Directory, File};
pub use bytes::{BadTicks, ByteString};
pub use compile::{COMPILE_SCRIPT, Compile, STDERR, STDOUT, compile_process};
pub use download::{ArchiveFormat, CompressionFormat, Download, DownloadHash, DownloadUrl};
pub use error::{Cause, Misfit, RecipeError};
pub use process::{CompleteProcessRecipe, Platform, ProcessRecipe};
pub use recipe::{Recipe, RecipeIncomplete};
pub use template::{CompleteProcessTemplate, Component, ProcessTemplate, Symbol, Template};
