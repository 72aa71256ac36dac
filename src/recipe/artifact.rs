//! Artifacts: recipes that are baked already.

use std::collections::BTreeMap;

use super::bytes::ByteString;
use super::digest::{ArtifactHash, BlobDigest, RecipeHash};
use super::error::{Cause, Misfit, RecipeError, quote};
use super::json::{Fields, Json, JsonForm};

/// A file, a symbolic link or a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Artifact {
    /// A file.
    File(File),
    /// A symbolic link.
    Symlink {
        /// What it points at, as written in the link.
        target: ByteString,
    },
    /// A directory.
    Directory(Directory),
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct File {
    /// Its bytes.
    pub content_blob: BlobDigest,
    /// Whether it may be executed; there are no other permissions.
    pub executable: bool,
    /// What it needs at run time, as `brioche-pack` lays it out; usually nothing.
    pub resources: Directory,
}

/// A directory. It names its entries by their hashes, so that a tree of any size is a small value.
///
/// Names are not checked here: whoever writes a directory to disk must refuse those that are no file
/// names (empty, `.`, `..`, with a slash or a NUL).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Directory {
    /// The entries by name.
    pub entries: BTreeMap<ByteString, ArtifactHash>,
}

/// Which kind of artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArtifactKind {
    /// [`Artifact::File`].
    File,
    /// [`Artifact::Symlink`].
    Symlink,
    /// [`Artifact::Directory`].
    Directory,
}

impl Artifact {
    /// The hash: BLAKE3 of the canonical JSON. The same as that of the recipe that is this artifact.
    #[must_use]
    pub fn hash(&self) -> ArtifactHash {
        ArtifactHash::of(self.to_json().as_bytes())
    }

    /// The canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.write().to_canonical()
    }

    /// Reads an artifact's JSON, strictly.
    ///
    /// # Errors
    /// When the text is not JSON, or not an artifact.
    pub fn from_json(text: &[u8]) -> Result<Self, RecipeError> {
        Ok(Self::read(Json::parse(text)?)?)
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> ArtifactKind {
        match self {
            Self::File(_) => ArtifactKind::File,
            Self::Symlink { .. } => ArtifactKind::Symlink,
            Self::Directory(_) => ArtifactKind::Directory,
        }
    }
}

impl From<ArtifactHash> for RecipeHash {
    /// An artifact is a recipe with the same JSON.
    fn from(hash: ArtifactHash) -> Self {
        Self::from_bytes(*hash.as_bytes())
    }
}

impl File {
    /// A file without resources.
    #[must_use]
    pub fn new(content_blob: BlobDigest, executable: bool) -> Self {
        Self { content_blob, executable, resources: Directory::default() }
    }
}

impl Directory {
    pub(super) fn read_fields(fields: &mut Fields<'_>) -> Result<Self, Misfit> {
        Ok(Self { entries: fields.required("entries")? })
    }
}

impl JsonForm for Directory {
    fn write(&self) -> Json<'_> {
        let Self { entries } = self;
        Json::tagged("directory", [("entries", entries.write())])
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        match Artifact::read(json)? {
            Artifact::Directory(directory) => Ok(directory),
            other => Err(Cause::Wrong("a directory", other.kind().name()).into()),
        }
    }
}

impl JsonForm for Artifact {
    fn write(&self) -> Json<'_> {
        match self {
            Self::File(File { content_blob, executable, resources }) => Json::tagged(
                "file",
                [
                    ("contentBlob", content_blob.write()),
                    ("executable", executable.write()),
                    ("resources", resources.write()),
                ],
            ),
            Self::Symlink { target } => Json::tagged("symlink", [("target", target.write())]),
            Self::Directory(directory) => directory.write(),
        }
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        let mut fields = json.fields()?;
        let artifact = match &*fields.tag()? {
            "file" => Self::File(File {
                content_blob: fields.required("contentBlob")?,
                executable: fields.required("executable")?,
                resources: fields.required("resources")?,
            }),
            "symlink" => Self::Symlink { target: fields.required("target")? },
            "directory" => Self::Directory(Directory::read_fields(&mut fields)?),
            other => return Err(Cause::NoSuch("type of artifact", quote(other)).into()),
        };
        fields.finish()?;
        Ok(artifact)
    }
}

impl ArtifactKind {
    const ALL: [Self; 3] = [Self::File, Self::Symlink, Self::Directory];

    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Symlink => "symlink",
            Self::Directory => "directory",
        }
    }
}

impl JsonForm for ArtifactKind {
    fn write(&self) -> Json<'_> {
        Json::word(self.name())
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        json.one_of("kind of artifact", Self::ALL, Self::name)
    }
}
