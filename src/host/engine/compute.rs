//! Recipes that are computed, without a process.

use std::collections::BTreeMap;

use super::{Baking, Unbaked};
use crate::host::error::HostError;
use crate::host::files;
use crate::recipe::digest::{ArtifactHash, RecipeHash};
use crate::recipe::{Artifact, ArtifactKind, ByteString, Directory, File, Recipe};

impl Baking<'_> {
    /// Bakes a recipe. What the artifact names is kept; itself it is not yet.
    pub(crate) fn recipe(&self, recipe: &Recipe) -> Result<Artifact, Unbaked> {
        match recipe {
            Recipe::File { content_blob, executable, resources } => {
                let resources = self.directory(resources, "the resources of a file")?;
                Ok(Artifact::File(File { content_blob: *content_blob, executable: *executable, resources }))
            }
            Recipe::Symlink { target } => Ok(Artifact::Symlink { target: target.clone() }),
            Recipe::Directory(directory) => Ok(Artifact::Directory(directory.clone())),
            Recipe::CreateFile { content, executable, resources } => {
                let resources = self.directory(resources, "the resources of a file")?;
                let content_blob = self.engine.artifacts.put_blob(content.as_bytes())?;
                Ok(Artifact::File(File { content_blob, executable: *executable, resources }))
            }
            Recipe::CreateDirectory { entries } => self.create_directory(entries),
            Recipe::Merge { directories } => self.merge(directories),
            Recipe::Get { directory, path } => self.get(directory, path),
            Recipe::Insert { directory, path, recipe } => self.insert(directory, path, recipe.as_deref()),
            Recipe::Cast { recipe, to } => {
                let artifact = self.recipe(recipe)?;
                expect(&artifact, *to, "what is cast")?;
                Ok(artifact)
            }
            Recipe::Sync { recipe } => self.recipe(recipe),
            Recipe::Proxy { recipe } => self.proxy(recipe),
            Recipe::Process(process) => self.process(process),
            Recipe::CompleteProcess(process) => self.complete_process(process),
            Recipe::Glob { .. } => unsupported("glob"),
            Recipe::Peel { .. } => unsupported("peel"),
            Recipe::SetPermissions { .. } => unsupported("set_permissions"),
            Recipe::CollectReferences { .. } => unsupported("collect_references"),
            Recipe::AttachResources { .. } => unsupported("attach_resources"),
            Recipe::Download(_) => unsupported("download"),
            Recipe::Unarchive { .. } => unsupported("unarchive"),
        }
    }

    /// Bakes a recipe that must give a directory.
    pub(super) fn directory(&self, recipe: &Recipe, what: &'static str) -> Result<Directory, Unbaked> {
        match self.recipe(recipe)? {
            Artifact::Directory(directory) => Ok(directory),
            other => {
                Err(HostError::WrongKind { what, expected: ArtifactKind::Directory, found: other.kind() }
                    .into())
            }
        }
    }

    fn create_directory(&self, entries: &BTreeMap<ByteString, Recipe>) -> Result<Artifact, Unbaked> {
        let mut directory = Directory::default();
        for (name, recipe) in entries {
            files::as_name(name.as_bytes())?;
            let hash = self.engine.artifacts.save(&self.recipe(recipe)?)?;
            directory.entries.insert(name.clone(), hash);
        }
        Ok(Artifact::Directory(directory))
    }

    fn merge(&self, recipes: &[Recipe]) -> Result<Artifact, Unbaked> {
        let mut merged = Directory::default();
        for recipe in recipes {
            let directory = self.directory(recipe, "what is merged")?;
            merged = self.merge_two(merged, directory)?;
        }
        Ok(Artifact::Directory(merged))
    }

    /// Directories that both have become one, of all else the later is taken.
    fn merge_two(&self, mut earlier: Directory, later: Directory) -> Result<Directory, HostError> {
        let artifacts = &self.engine.artifacts;
        for (name, hash) in later.entries {
            let both = match earlier.entries.get(&name) {
                Some(before) if *before != hash => Some((artifacts.need(before)?, artifacts.need(&hash)?)),
                _ => None,
            };
            let hash = match both {
                Some((Artifact::Directory(one), Artifact::Directory(other))) => {
                    artifacts.save(&Artifact::Directory(self.merge_two(one, other)?))?
                }
                _ => hash,
            };
            earlier.entries.insert(name, hash);
        }
        Ok(earlier)
    }

    fn get(&self, directory: &Recipe, path: &ByteString) -> Result<Artifact, Unbaked> {
        let directory = self.directory(directory, "what something is got from")?;
        let found = self.engine.artifacts.entry(&directory, path.as_bytes())?;
        found.ok_or_else(|| bad(format!("there is nothing at {path} in the directory")))
    }

    fn insert(
        &self,
        directory: &Recipe,
        path: &ByteString,
        recipe: Option<&Recipe>,
    ) -> Result<Artifact, Unbaked> {
        let directory = self.directory(directory, "what something is inserted into")?;
        let parts: Vec<&[u8]> = path.as_bytes().split(|b| *b == b'/').filter(|p| !p.is_empty()).collect();
        for part in &parts {
            files::as_name(part)?;
        }
        let artifacts = &self.engine.artifacts;
        let new = match recipe {
            Some(recipe) => Some(artifacts.save(&self.recipe(recipe)?)?),
            None => None,
        };
        match parts.split_first() {
            Some((first, rest)) => Ok(Artifact::Directory(self.insert_at(directory, first, rest, new)?)),
            None => Err(bad("an insert needs a path".to_owned())),
        }
    }

    fn insert_at(
        &self,
        mut directory: Directory,
        name: &[u8],
        rest: &[&[u8]],
        new: Option<ArtifactHash>,
    ) -> Result<Directory, Unbaked> {
        let artifacts = &self.engine.artifacts;
        let name = ByteString::from(name);
        let hash = match rest.split_first() {
            None => new,
            Some((next, rest)) => {
                let inner = match directory.entries.get(&name) {
                    None if new.is_none() => return Ok(directory),
                    None => Directory::default(),
                    Some(hash) => match artifacts.need(hash)? {
                        Artifact::Directory(inner) => inner,
                        _ => return Err(bad(format!("{name} on the way is no directory"))),
                    },
                };
                let inner = self.insert_at(inner, next, rest, new)?;
                Some(artifacts.save(&Artifact::Directory(inner))?)
            }
        };
        match hash {
            Some(hash) => directory.entries.insert(name, hash),
            None => directory.entries.remove(&name),
        };
        Ok(directory)
    }

    /// What an artifact or a recipe of this hash was baked to: the session has checked whose it is.
    fn proxy(&self, hash: &RecipeHash) -> Result<Artifact, Unbaked> {
        let artifacts = &self.engine.artifacts;
        if let Some(artifact) = artifacts.load(&ArtifactHash::from_bytes(*hash.as_bytes()))? {
            return Ok(artifact);
        }
        match self.engine.result(hash)? {
            Some(result) => Ok(artifacts.need(&result.artifact)?),
            None => Err(artifacts.missing(hash).into()),
        }
    }
}

fn unsupported(name: &'static str) -> Result<Artifact, Unbaked> {
    Err(HostError::Unsupported(name).into())
}

pub(super) fn bad(why: String) -> Unbaked {
    HostError::BadRecipe(why).into()
}

fn expect(artifact: &Artifact, expected: ArtifactKind, what: &'static str) -> Result<(), HostError> {
    if artifact.kind() == expected {
        Ok(())
    } else {
        Err(HostError::WrongKind { what, expected, found: artifact.kind() })
    }
}
