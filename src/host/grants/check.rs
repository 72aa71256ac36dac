//! Whether a process may have a recipe baked.

use super::Rights;
use crate::host::error::HostError;
use crate::recipe::digest::{ArtifactHash, RecipeHash};
use crate::recipe::{
    Artifact, CompleteProcessRecipe, CompleteProcessTemplate, Directory, File, Platform, ProcessRecipe,
    ProcessTemplate, Recipe,
};

type HasArtifact<'a> = &'a mut dyn FnMut(&ArtifactHash) -> bool;
type HasBaked<'a> = &'a dyn Fn(&RecipeHash) -> bool;

/// Looks at all of a recipe.
pub(super) fn recipe(
    recipe: &Recipe,
    rights: &Rights,
    has: HasArtifact<'_>,
    baked: HasBaked<'_>,
) -> Result<(), HostError> {
    Check { rights, has, baked }.recipe(recipe)
}

struct Check<'a> {
    rights: &'a Rights,
    has: HasArtifact<'a>,
    baked: HasBaked<'a>,
}

impl Check<'_> {
    fn recipe(&mut self, recipe: &Recipe) -> Result<(), HostError> {
        match recipe {
            // What is written out in a recipe is still only a name for bytes that somebody else has.
            Recipe::File { content_blob, executable, resources } => {
                let (content_blob, executable) = (*content_blob, *executable);
                if let Ok(Artifact::Directory(resources)) = resources.to_artifact() {
                    return self.artifact(&Artifact::File(File { content_blob, executable, resources }));
                }
                self.artifact(&Artifact::File(File::new(content_blob, executable)))?;
                self.recipe(resources)
            }
            // It reaches the network, whatever it then finds there.
            Recipe::Download(_) if !self.rights.networking => Err(HostError::UnsafeNotAllowed),
            Recipe::Symlink { .. } | Recipe::Download(_) => Ok(()),
            Recipe::Directory(directory) => self.artifact(&Artifact::Directory(directory.clone())),
            Recipe::CreateFile { content: _, executable: _, resources } => self.recipe(resources),
            Recipe::CreateDirectory { entries } => entries.values().try_for_each(|entry| self.recipe(entry)),
            Recipe::Process(process) => self.process(process),
            Recipe::CompleteProcess(process) => self.complete_process(process),
            Recipe::Merge { directories } => directories.iter().try_for_each(|inner| self.recipe(inner)),
            Recipe::Insert { directory, path: _, recipe } => {
                self.recipe(directory)?;
                recipe.as_ref().map_or(Ok(()), |inner| self.recipe(inner))
            }
            Recipe::Proxy { recipe } => self.proxy(recipe),
            Recipe::Get { directory: inner, .. }
            | Recipe::Glob { directory: inner, .. }
            | Recipe::Peel { directory: inner, .. }
            | Recipe::Cast { recipe: inner, .. }
            | Recipe::SetPermissions { file: inner, .. }
            | Recipe::CollectReferences { recipe: inner }
            | Recipe::AttachResources { recipe: inner }
            | Recipe::Sync { recipe: inner }
            | Recipe::Unarchive { file: inner, .. } => self.recipe(inner),
        }
    }

    fn process(&mut self, process: &ProcessRecipe) -> Result<(), HostError> {
        let ProcessRecipe {
            command,
            args,
            env,
            current_dir,
            dependencies,
            work_dir,
            output_scaffold,
            platform,
            networking,
        } = process;
        self.rights(*platform, *networking)?;
        for template in [command, current_dir].into_iter().chain(args).chain(env.values()) {
            self.template(template)?;
        }
        let others = dependencies.iter().chain([&**work_dir]).chain(output_scaffold.as_deref());
        for inner in others {
            self.recipe(inner)?;
        }
        Ok(())
    }

    fn template(&mut self, template: &ProcessTemplate) -> Result<(), HostError> {
        template.inputs().try_for_each(|input| self.recipe(input))
    }

    fn complete_process(&mut self, process: &CompleteProcessRecipe) -> Result<(), HostError> {
        let CompleteProcessRecipe {
            command,
            args,
            env,
            current_dir,
            work_dir,
            output_scaffold,
            platform,
            networking,
        } = process;
        self.rights(*platform, *networking)?;
        for template in [command, current_dir].into_iter().chain(args).chain(env.values()) {
            self.complete_template(template)?;
        }
        self.directory(work_dir)?;
        output_scaffold.as_ref().map_or(Ok(()), |artifact| self.artifact(artifact))
    }

    fn complete_template(&mut self, template: &CompleteProcessTemplate) -> Result<(), HostError> {
        template.inputs().try_for_each(|input| self.artifact(input))
    }

    fn rights(&self, platform: Platform, networking: bool) -> Result<(), HostError> {
        if networking && !self.rights.networking {
            return Err(HostError::UnsafeNotAllowed);
        }
        if !self.rights.platforms.contains(&platform) {
            return Err(HostError::WrongPlatform(platform.name()));
        }
        Ok(())
    }

    /// A link says all that it is. A file is its bytes, which must be held; a directory is held itself, or made
    /// of entries that are.
    fn artifact(&mut self, artifact: &Artifact) -> Result<(), HostError> {
        match artifact {
            Artifact::Symlink { .. } => Ok(()),
            Artifact::Directory(directory) => self.directory(directory),
            Artifact::File(_) => self.hash(&artifact.hash()),
        }
    }

    fn directory(&mut self, directory: &Directory) -> Result<(), HostError> {
        if directory.entries.values().all(|entry| (self.has)(entry)) {
            return Ok(());
        }
        self.hash(&Artifact::Directory(directory.clone()).hash())
    }

    fn hash(&mut self, hash: &ArtifactHash) -> Result<(), HostError> {
        if (self.has)(hash) { Ok(()) } else { Err(HostError::NotGranted(*hash)) }
    }

    /// The hash of an artifact that is held, or of a recipe that was baked for this process.
    fn proxy(&mut self, hash: &RecipeHash) -> Result<(), HostError> {
        let artifact = ArtifactHash::from_bytes(*hash.as_bytes());
        if (self.baked)(hash) || (self.has)(&artifact) { Ok(()) } else { Err(HostError::NotBaked(*hash)) }
    }
}
