//! What a process holds: artifacts that it was given, made or got, and the recipes that were baked for it.

use std::collections::HashSet;

use crate::host::baker::Baker;
use crate::recipe::digest::{ArtifactHash, RecipeHash};
use crate::recipe::{Artifact, Recipe};

/// What a process holds.
#[derive(Debug)]
pub(super) struct Held {
    artifacts: HashSet<ArtifactHash>,
    /// Those whose inside was not looked at: it is, once something is named that is not held itself.
    closed: Vec<ArtifactHash>,
    baked: HashSet<RecipeHash>,
}

impl Held {
    pub(super) fn new(given: impl Iterator<Item = ArtifactHash>) -> Self {
        let artifacts: HashSet<_> = given.collect();
        let closed = artifacts.iter().copied().collect();
        Self { artifacts, closed, baked: HashSet::new() }
    }

    pub(super) fn add(&mut self, artifact: ArtifactHash) {
        if self.artifacts.insert(artifact) {
            self.closed.push(artifact);
        }
    }

    /// Adds what a recipe was baked to. What it takes a part of was baked on the way, and may be named too.
    pub(super) fn add_baked(&mut self, recipe: &Recipe, artifact: ArtifactHash) -> RecipeHash {
        let hash = recipe.hash();
        self.baked.insert(hash);
        self.add(artifact);
        let mut whole = recipe;
        while let Recipe::Get { directory, .. } = whole {
            whole = directory;
            self.baked.insert(whole.hash());
        }
        hash
    }

    /// Whether an artifact is held, or is within one that is.
    pub(super) fn has(&mut self, hash: &ArtifactHash, baker: &dyn Baker) -> bool {
        let mut gone = Vec::new();
        while !self.artifacts.contains(hash) {
            let Some(next) = self.closed.pop() else { break };
            match baker.artifact(&next) {
                Ok(Some(Artifact::Directory(directory))) => {
                    directory.entries.into_values().for_each(|entry| self.add(entry));
                }
                Ok(Some(Artifact::File(file))) => {
                    file.resources.entries.into_values().for_each(|entry| self.add(entry));
                }
                Ok(Some(Artifact::Symlink { .. })) => {}
                // It may be given again, and is looked at again then.
                Ok(None) | Err(_) => gone.push(next),
            }
        }
        self.closed.append(&mut gone);
        self.artifacts.contains(hash)
    }

    pub(super) fn has_baked(&self, recipe: &RecipeHash) -> bool {
        self.baked.contains(recipe)
    }
}
