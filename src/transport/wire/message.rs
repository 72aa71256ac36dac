//! The messages, in the order in which postcard numbers them: new ones go last.

use serde::{Deserialize, Serialize};

use crate::recipe::digest::{ArtifactHash, RecipeHash, RecordName};
use crate::world::Stream;

use super::bounded::{Bytes, List, Many, Maybe, Named, Text};
use super::{MAGIC, VERSION, decode, limits, token};

/// The first frame of a connection, from the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// `bakeplan`.
    pub magic: [u8; 8],
    /// The version of the protocol.
    pub version: u16,
    /// What the client can do beyond that version, a bit each; none is defined yet.
    pub capabilities: u64,
}

impl Hello {
    /// What this crate says.
    #[must_use]
    pub fn new() -> Self {
        Self { magic: MAGIC, version: VERSION, capabilities: 0 }
    }

    /// Reads the first frame of a connection. The form of magic and version is the same in all versions.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        let Some(rest) = body.strip_prefix(&MAGIC) else {
            return Err(WireError::new(token::NOT_BAKEPLAN, "this is a host of the protocol `bakeplan`"));
        };
        match postcard::take_from_bytes::<u16>(rest) {
            Ok((VERSION, _)) => {
                decode(body).map_err(|error| WireError::new(error.token(), error.to_string()))
            }
            Ok((version, _)) => {
                let message = format!("the client speaks version {version}, the host version {VERSION}");
                Err(WireError::new(token::VERSION, message))
            }
            Err(_) => Err(WireError::new(token::MALFORMED, "the first frame ends too early")),
        }
    }
}

impl Default for Hello {
    fn default() -> Self {
        Self::new()
    }
}

/// The first frame from the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    /// Requests may follow.
    Welcome {
        /// `bakeplan`.
        magic: [u8; 8],
        /// The version of the protocol.
        version: u16,
        /// What both can do.
        capabilities: u64,
    },
    /// The host closes the connection after this.
    Refused(WireError),
}

/// A frame from the client after its first. Several may be under way at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; no other request under way has it.
    pub id: u32,
    /// What it asks for.
    pub ask: Ask,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// *get-inputs*: which artifacts does this process see, and where?
    GetInputs,
    /// *create-artifact*: take what stands at each of these paths (as the client sees them) as an artifact.
    CreateArtifacts {
        /// Absolute paths.
        #[serde(with = "Many::<{ limits::PATHS }, { limits::PATH }>")]
        paths: Vec<Vec<u8>>,
    },
    /// *bake-recipe*: bake this.
    BakeRecipe {
        /// The recipe's JSON, in any spelling; the host hashes its canonical form.
        #[serde(with = "Bytes::<{ limits::RECIPE }>")]
        recipe: Vec<u8>,
        /// Where the output goes.
        delivery: Delivery,
        /// The bake goes on when the client goes away; only a cancel ends it.
        detached: bool,
    },
    /// Nobody waits for this request any more; its answer may still come. A cancel is not answered itself,
    /// and its own id means nothing.
    Cancel {
        /// The request.
        of: u32,
    },
    /// What was noted under this name, by any client of the host. The answer is a hint that its reader must
    /// check, never a claim that anything is built on.
    GetNote {
        /// The name.
        name: RecordName,
    },
    /// Note this under a name.
    PutNote {
        /// The name.
        name: RecordName,
        /// What to note.
        #[serde(with = "Bytes::<{ limits::NOTE }>")]
        note: Vec<u8>,
    },
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Nowhere: it is there to be named.
    Nowhere,
    /// To a path, as the client sees it.
    At {
        /// An absolute path at which nothing stands yet.
        #[serde(with = "Bytes::<{ limits::PATH }>")]
        path: Vec<u8>,
    },
    /// Into the answer, where it is small: see [`Delivered::contents`]. Else nowhere.
    Inline,
}

/// A frame from the host after its first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request that it answers.
    pub id: u32,
    /// What it says.
    pub say: Say,
}

/// What a host says. Everything but [`Say::Log`] and [`Say::Alive`] ends the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Say {
    /// To [`Ask::GetInputs`].
    Inputs(Inputs),
    /// To [`Ask::CreateArtifacts`]: what was made of each path, or why nothing was.
    Artifacts(
        #[serde(with = "List::<Result<ArtifactHash, WireError>, { limits::PATHS }>")]
        Vec<Result<ArtifactHash, WireError>>,
    ),
    /// While a recipe is baked: what its processes write.
    Log {
        /// Where they write it.
        stream: Stream,
        /// What they write.
        #[serde(with = "Bytes::<{ limits::LOG }>")]
        bytes: Vec<u8>,
    },
    /// *bake-finished*, to [`Ask::BakeRecipe`].
    BakeFinished(Finished),
    /// To [`Ask::GetNote`].
    Note(#[serde(with = "Maybe::<{ limits::NOTE }>")] Option<Vec<u8>>),
    /// To [`Ask::PutNote`].
    Noted,
    /// To any request: it is refused, or something is broken.
    Error(WireError),
    /// To a request under way: it still is.
    Alive,
}

/// The id of an answer that is none: it says why the host closes the connection. No request may have it.
pub const NOBODY: u32 = u32::MAX;

/// What a process sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The artifacts that it was given, each at a path.
    #[serde(with = "List::<Input, { limits::ARTIFACTS }>")]
    pub artifacts: Vec<Input>,
    /// The paths that the symbols of its recipe stand for: the symbol's name as in a recipe's JSON
    /// (`home_dir`, `work_dir`, `output_path`, `temp_dir`, …), and the path.
    #[serde(with = "Named::<{ limits::SYMBOLS }, { limits::SYMBOL }, { limits::PATH }>")]
    pub symbols: Vec<(String, Vec<u8>)>,
    /// A directory for what is on its way between this process and the host: texts, large outputs. What is left
    /// there goes when the session ends, so that nothing stays of a client that is killed.
    #[serde(with = "Bytes::<{ limits::PATH }>")]
    pub scratch: Vec<u8>,
    /// Whether it sees what a bake would see where none of these places is: both nothing of the machine, or both all
    /// of it. Where not, what looks around as a preprocessor does sees something else in a bake.
    pub like_a_bake: bool,
    /// The hash of its own recipe.
    pub recipe: Option<RecipeHash>,
}

/// One artifact that a process sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its hash.
    pub artifact: ArtifactHash,
    /// Its place.
    #[serde(with = "Bytes::<{ limits::PATH }>")]
    pub path: Vec<u8>,
}

/// How a bake ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finished {
    /// There is an output.
    Succeeded(Delivered),
    /// A process failed; what it wrote came as [`Say::Log`].
    Failed {
        /// How it ended, in words.
        #[serde(with = "Text::<{ limits::MESSAGE }>")]
        why: String,
    },
}

/// An output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The output.
    pub artifact: ArtifactHash,
    /// The recipe's hash.
    pub recipe: RecipeHash,
    /// It was there already; nothing was run.
    pub hit: bool,
    /// How long its process ran when it was baked, milliseconds.
    pub took: u64,
    /// The files of it, where that was asked for and they are few and small ([`limits::INLINE`]): of a directory that
    /// has nothing but files, by their names; a file alone has the empty name. No file is executable or has
    /// resources. None, where any of this is not so.
    #[serde(with = "List::<Content, { limits::CONTENTS }>")]
    pub contents: Vec<Content>,
}

/// A small file of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its name in the output.
    #[serde(with = "Bytes::<{ limits::NAME }>")]
    pub name: Vec<u8>,
    /// What it holds.
    #[serde(with = "Bytes::<{ limits::INLINE }>")]
    pub bytes: Vec<u8>,
}

/// A refusal or an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({token})")]
pub struct WireError {
    /// A stable word.
    #[serde(with = "Text::<{ limits::TOKEN }>")]
    pub token: String,
    /// One line for people.
    #[serde(with = "Text::<{ limits::MESSAGE }>")]
    pub message: String,
}

impl WireError {
    /// An error; what is beyond the protocol's limits is cut off.
    #[must_use]
    pub fn new(token: impl Into<String>, message: impl Into<String>) -> Self {
        Self { token: cut(token.into(), limits::TOKEN), message: cut(message.into(), limits::MESSAGE) }
    }
}

/// The start of a text, at most this many bytes.
fn cut(mut text: String, limit: usize) -> String {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}
