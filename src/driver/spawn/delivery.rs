//! How outputs come from a host: in its answer where they are small, else on the disk.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Host, Local};
use crate::recipe::Recipe;
use crate::transport::socket::{BakeRequest, Deliver};
use crate::transport::wire::{Content, Delivered, Finished};
use crate::world::World;

/// A directory that is made when it is needed: to make one may take longer than to find an output.
pub(super) struct Temporary {
    place: PathBuf,
    made: OnceCell<TempDir>,
}

impl Temporary {
    /// In this directory.
    pub(super) fn new(place: &Path) -> Self {
        Self { place: place.to_owned(), made: OnceCell::new() }
    }

    pub(super) fn path(&self) -> Result<&Path, Local> {
        if self.made.get().is_none() {
            if !self.place.is_absolute() {
                return Err(Local::new("temporary", "the host names no directory for what is on its way"));
            }
            let made = tempfile::Builder::new().prefix("brioche-cc-").tempdir_in(&self.place);
            let _ = self.made.set(made.map_err(|error| Local::new("temporary", error))?);
        }
        self.made.get().map(TempDir::path).ok_or_else(|| Local::new("temporary", "it is gone"))
    }
}

/// An output that was delivered: in the answer where it is small, else on the disk.
pub(super) enum Brought {
    Inline(Vec<Content>),
    At(PathBuf),
}

impl Brought {
    /// A file of it, by its name; of a file alone, the empty one.
    pub(super) fn read(&self, world: &dyn World, name: &str) -> Result<Vec<u8>, Local> {
        let missing = |why: &dyn std::fmt::Display| Local::new("output-missing", format!("{name}: {why}"));
        match self {
            Self::Inline(contents) => {
                let content = contents.iter().find(|content| content.name == name.as_bytes());
                content.map(|content| content.bytes.clone()).ok_or_else(|| missing(&"there is none"))
            }
            Self::At(path) if name.is_empty() => world.read(path).map_err(|error| missing(&error)),
            Self::At(path) => world.read(&path.join(name)).map_err(|error| missing(&error)),
        }
    }
}

impl Host<'_> {
    /// What a bake delivered; what is too large for an answer is asked for once more.
    pub(super) fn output(&mut self, delivered: &mut Delivered, name: &str) -> Result<Brought, Local> {
        if !delivered.contents.is_empty() {
            return Ok(Brought::Inline(std::mem::take(&mut delivered.contents)));
        }
        let path = self.temporary.path()?.join(name);
        let recipe = Recipe::Proxy { recipe: delivered.recipe };
        let request = BakeRequest { recipe: &recipe, output: Deliver::At(&path), detached: false };
        match self.client.bake(request, &mut |_, _, _| ())? {
            Finished::Succeeded(_) => Ok(Brought::At(path)),
            Finished::Failed { why } => Err(Local::new("bake-failed", why)),
        }
    }
}
