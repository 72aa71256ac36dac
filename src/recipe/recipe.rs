//! Recipes: build steps as data.

use std::collections::{BTreeMap, BTreeSet};

use super::artifact::{Artifact, ArtifactKind, Directory, File};
use super::bytes::ByteString;
use super::digest::{BlobDigest, RecipeHash};
use super::download::{ArchiveFormat, CompressionFormat, Download};
use super::error::{Cause, Misfit, RecipeError, quote};
use super::json::{Json, JsonForm};
use super::process::{CompleteProcessRecipe, ProcessRecipe};

/// A build step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// A file that is there already.
    File {
        /// Its bytes.
        content_blob: BlobDigest,
        /// Whether it may be executed.
        executable: bool,
        /// What it needs at run time.
        resources: Box<Recipe>,
    },
    /// A symbolic link.
    Symlink {
        /// What it points at.
        target: ByteString,
    },
    /// A directory that is there already.
    Directory(Directory),
    /// A file made from these bytes.
    CreateFile {
        /// The bytes.
        content: ByteString,
        /// Whether it may be executed.
        executable: bool,
        /// What it needs at run time.
        resources: Box<Recipe>,
    },
    /// A directory made from what these recipes give.
    CreateDirectory {
        /// The entries by name.
        entries: BTreeMap<ByteString, Recipe>,
    },
    /// What a process leaves.
    Process(Box<ProcessRecipe>),
    /// What a process leaves, all of whose inputs are baked.
    CompleteProcess(Box<CompleteProcessRecipe>),
    /// One directory out of several, later ones before earlier ones.
    Merge {
        /// The directories.
        directories: Vec<Recipe>,
    },
    /// What stands at a path in a directory.
    Get {
        /// The directory.
        directory: Box<Recipe>,
        /// The path.
        path: ByteString,
    },
    /// A directory with something at a path.
    Insert {
        /// The directory.
        directory: Box<Recipe>,
        /// The path.
        path: ByteString,
        /// What to put there; nothing is to stand there when `None`.
        recipe: Option<Box<Recipe>>,
    },
    /// A directory with only what matches a pattern.
    Glob {
        /// The directory.
        directory: Box<Recipe>,
        /// The patterns: in JSON, as Brioche writes them, arrays of byte values (strings are read too,
        /// as UTF-8: they are not tick-encoded).
        patterns: BTreeSet<ByteString>,
    },
    /// What stands some levels down in a directory that has one entry on each.
    Peel {
        /// The directory.
        directory: Box<Recipe>,
        /// How many levels.
        depth: u32,
    },
    /// The same, which must be of this kind.
    Cast {
        /// What to bake.
        recipe: Box<Recipe>,
        /// Of which kind it must be.
        to: ArtifactKind,
    },
    /// A file with other permissions.
    SetPermissions {
        /// The file.
        file: Box<Recipe>,
        /// Whether it may be executed; as it was when `None`.
        executable: Option<bool>,
    },
    /// A directory with all resources of the files in it gathered.
    CollectReferences {
        /// The directory.
        recipe: Box<Recipe>,
    },
    /// A directory whose files are given those of its resources that they need.
    AttachResources {
        /// The directory.
        recipe: Box<Recipe>,
    },
    /// What the recipe with this hash gives.
    Proxy {
        /// The hash.
        recipe: RecipeHash,
    },
    /// The same, to be copied to the remote cache.
    Sync {
        /// What to bake.
        recipe: Box<Recipe>,
    },
    /// A file from the network.
    Download(Download),
    /// What is in an archive.
    Unarchive {
        /// The archive.
        file: Box<Recipe>,
        /// What kind of archive.
        archive: ArchiveFormat,
        /// How it is compressed.
        compression: CompressionFormat,
    },
}

/// The recipe has to be baked before it is an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recipe is not an artifact yet")]
pub struct RecipeIncomplete;

impl Recipe {
    /// The hash: BLAKE3 of the canonical JSON.
    #[must_use]
    pub fn hash(&self) -> RecipeHash {
        RecipeHash::of(self.to_json().as_bytes())
    }

    /// The canonical JSON (RFC 8785), fields at their defaults left out.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.write().to_canonical()
    }

    /// Reads a recipe's JSON, strictly: all of the text, no unknown or repeated field, no other type
    /// than the field has. The nesting is limited, so that no text exhausts the stack.
    ///
    /// Brioche itself also reads `meta` beside a nested recipe (where a script made it) and ignores it.
    /// It is never in what Brioche stores or hashes, and refused here.
    ///
    /// # Errors
    /// When the text is not JSON, or not a recipe.
    pub fn from_json(text: &[u8]) -> Result<Self, RecipeError> {
        Ok(Self::read(Json::parse(text)?)?)
    }

    /// The artifact that this recipe is.
    ///
    /// # Errors
    /// When it has to be baked first.
    pub fn to_artifact(&self) -> Result<Artifact, RecipeIncomplete> {
        match self {
            Self::File { content_blob, executable, resources } => match resources.to_artifact()? {
                Artifact::Directory(resources) => {
                    let (content_blob, executable) = (*content_blob, *executable);
                    Ok(Artifact::File(File { content_blob, executable, resources }))
                }
                Artifact::File(_) | Artifact::Symlink { .. } => Err(RecipeIncomplete),
            },
            Self::Symlink { target } => Ok(Artifact::Symlink { target: target.clone() }),
            Self::Directory(directory) => Ok(Artifact::Directory(directory.clone())),
            Self::CreateDirectory { entries } if entries.is_empty() => {
                Ok(Artifact::Directory(Directory::default()))
            }
            Self::Sync { recipe } => recipe.to_artifact(),
            _ => Err(RecipeIncomplete),
        }
    }
}

impl From<Artifact> for Recipe {
    fn from(artifact: Artifact) -> Self {
        match artifact {
            Artifact::File(File { content_blob, executable, resources }) => {
                Self::File { content_blob, executable, resources: Box::new(Self::Directory(resources)) }
            }
            Artifact::Symlink { target } => Self::Symlink { target },
            Artifact::Directory(directory) => Self::Directory(directory),
        }
    }
}

impl From<Directory> for Recipe {
    fn from(directory: Directory) -> Self {
        Self::Directory(directory)
    }
}

impl From<ProcessRecipe> for Recipe {
    fn from(process: ProcessRecipe) -> Self {
        Self::Process(Box::new(process))
    }
}

impl From<CompleteProcessRecipe> for Recipe {
    fn from(process: CompleteProcessRecipe) -> Self {
        Self::CompleteProcess(Box::new(process))
    }
}

impl JsonForm for Recipe {
    fn write(&self) -> Json<'_> {
        match self {
            Self::File { content_blob, executable, resources } => Json::tagged(
                "file",
                [
                    ("contentBlob", content_blob.write()),
                    ("executable", executable.write()),
                    ("resources", resources.write()),
                ],
            ),
            Self::Symlink { target } => Json::tagged("symlink", [("target", target.write())]),
            Self::Directory(directory) => directory.write(),
            Self::CreateFile { content, executable, resources } => Json::tagged(
                "create_file",
                [
                    ("content", content.write()),
                    ("executable", executable.write()),
                    ("resources", resources.write()),
                ],
            ),
            Self::CreateDirectory { entries } => {
                Json::tagged("create_directory", [("entries", entries.write())])
            }
            Self::Process(process) => process.write(),
            Self::CompleteProcess(process) => process.write(),
            Self::Merge { directories } => Json::tagged("merge", [("directories", directories.write())]),
            Self::Get { directory, path } => {
                Json::tagged("get", [("directory", directory.write()), ("path", path.write())])
            }
            Self::Insert { directory, path, recipe } => Json::tagged(
                "insert",
                [("directory", directory.write()), ("path", path.write()), ("recipe", recipe.write())],
            ),
            Self::Glob { directory, patterns } => {
                let patterns = Json::Array(patterns.iter().map(write_pattern).collect());
                Json::tagged("glob", [("directory", directory.write()), ("patterns", patterns)])
            }
            Self::Peel { directory, depth } => {
                Json::tagged("peel", [("directory", directory.write()), ("depth", depth.write())])
            }
            Self::Cast { recipe, to } => {
                Json::tagged("cast", [("recipe", recipe.write()), ("to", to.write())])
            }
            Self::SetPermissions { file, executable } => {
                Json::tagged("set_permissions", [("file", file.write()), ("executable", executable.write())])
            }
            Self::CollectReferences { recipe } => {
                Json::tagged("collect_references", [("recipe", recipe.write())])
            }
            Self::AttachResources { recipe } => {
                Json::tagged("attach_resources", [("recipe", recipe.write())])
            }
            Self::Proxy { recipe } => Json::tagged("proxy", [("recipe", recipe.write())]),
            Self::Sync { recipe } => Json::tagged("sync", [("recipe", recipe.write())]),
            Self::Download(Download { url, hash }) => {
                Json::tagged("download", [("url", url.write()), ("hash", hash.write())])
            }
            Self::Unarchive { file, archive, compression } => Json::tagged(
                "unarchive",
                [("file", file.write()), ("archive", archive.write()), ("compression", compression.write())],
            ),
        }
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        let mut fields = json.fields()?;
        let recipe = match &*fields.tag()? {
            "file" => Self::File {
                content_blob: fields.required("contentBlob")?,
                executable: fields.required("executable")?,
                resources: fields.required("resources")?,
            },
            "symlink" => Self::Symlink { target: fields.required("target")? },
            "directory" => Self::Directory(Directory::read_fields(&mut fields)?),
            "create_file" => Self::CreateFile {
                content: fields.required("content")?,
                executable: fields.required("executable")?,
                resources: fields.required("resources")?,
            },
            "create_directory" => Self::CreateDirectory { entries: fields.required("entries")? },
            "process" => ProcessRecipe::read_fields(&mut fields)?.into(),
            "complete_process" => CompleteProcessRecipe::read_fields(&mut fields)?.into(),
            "merge" => Self::Merge { directories: fields.required("directories")? },
            "get" => Self::Get { directory: fields.required("directory")?, path: fields.required("path")? },
            "insert" => Self::Insert {
                directory: fields.required("directory")?,
                path: fields.required("path")?,
                recipe: fields.optional("recipe")?.flatten(),
            },
            "glob" => Self::Glob {
                directory: fields.required("directory")?,
                patterns: fields.required::<Vec<Pattern>>("patterns")?.into_iter().map(|p| p.0).collect(),
            },
            "peel" => {
                Self::Peel { directory: fields.required("directory")?, depth: fields.required("depth")? }
            }
            "cast" => Self::Cast { recipe: fields.required("recipe")?, to: fields.required("to")? },
            "set_permissions" => Self::SetPermissions {
                file: fields.required("file")?,
                executable: fields.optional("executable")?.flatten(),
            },
            "collect_references" => Self::CollectReferences { recipe: fields.required("recipe")? },
            "attach_resources" => Self::AttachResources { recipe: fields.required("recipe")? },
            "proxy" => Self::Proxy { recipe: fields.required("recipe")? },
            "sync" => Self::Sync { recipe: fields.required("recipe")? },
            "download" => {
                Self::Download(Download { url: fields.required("url")?, hash: fields.required("hash")? })
            }
            "unarchive" => Self::Unarchive {
                file: fields.required("file")?,
                archive: fields.required("archive")?,
                compression: fields.optional("compression")?.unwrap_or_default(),
            },
            other => return Err(Cause::NoSuch("type of recipe", quote(other)).into()),
        };
        fields.finish()?;
        Ok(recipe)
    }
}

fn write_pattern(pattern: &ByteString) -> Json<'_> {
    Json::Array(pattern.as_bytes().iter().map(|byte| Json::Number((*byte).into())).collect())
}

/// A pattern of a glob: an array of bytes, or UTF-8.
struct Pattern(ByteString);

impl JsonForm for Pattern {
    fn write(&self) -> Json<'_> {
        write_pattern(&self.0)
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        if let Json::String(text) = json {
            return Ok(Self(text.into_owned().into()));
        }
        let byte = |number: u32| u8::try_from(number).map_err(|_| Cause::Kind("a byte", "a larger number"));
        let bytes = Vec::<u32>::read(json)?.into_iter().map(byte).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(bytes.into()))
    }
}
