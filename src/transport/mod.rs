//! Where a compile is baked. A transport takes the proposal's three messages; a [`Job`] carries what each
//! kind of transport needs.

pub(crate) mod crates;
mod entry;
mod local;
mod outputs;
pub(crate) mod placing;
pub mod socket;
mod texts;
pub mod wire;

use std::io;
use std::path::{Path, PathBuf};

pub use entry::Explanation;
pub use local::{Direct, LocalTransport, Reads};

use crate::argparse::rustc::CrateInvocation;
use crate::argparse::{Family, Output};
use crate::paths::Places;
use crate::planner::roots::Roots;
use crate::recipe::digest::{ArtifactHash, BlobDigest, RecordName, UnitKey};
use crate::toolchain::Program;
use crate::world::{Command, Exit, Recording, Sink};

/// A transport that is broken. A compile that fails is none: it is a [`Baked`].
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The compiler could not be run.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The compiler.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file could not be taken or put.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl TransportError {
    /// A stable word for statistics.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Run { .. } => "run",
            Self::File { .. } => "file",
        }
    }
}

/// Whose habits of writing files are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habits {
    /// gcc's and GNU as's.
    Gcc,
    /// clang's.
    Clang,
    /// rustc's.
    Rustc,
}

impl From<Family> for Habits {
    fn from(family: Family) -> Self {
        match family {
            Family::Gcc => Self::Gcc,
            Family::Clang => Self::Clang,
        }
    }
}

/// When an earlier result may serve though other bytes were read, given equal preprocessed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SemanticRules {
    /// Whether it may at all for this unit.
    pub allowed: bool,
    /// A warning depends on "falls through" comments, at this level.
    pub fallthrough: Option<u8>,
    /// A warning depends on how lines are indented.
    pub layout: bool,
}

/// A unit to bake, with all that it takes.
pub struct Job<'a> {
    /// The name of the invocation: everything that is known without reading a source.
    pub invocation: RecordName,
    /// What there is to say of the unit when somebody asks why it does not hit.
    pub explanation: &'a Explanation,
    /// The name of "this unit" across its versions: same place, source and output.
    pub unit: RecordName,
    /// The user's own command, or the unit's part of it.
    pub command: Command,
    /// The files that it leaves, in their final places.
    pub outputs: Vec<Output>,
    /// Digest over what decides how diagnostics look.
    pub presentation: BlobDigest,
    /// The preprocessed text, where the unit was preprocessed.
    pub text: Option<Text<'a>>,
    /// What there is to know of a crate, where the unit is one.
    pub krate: Option<CrateJob<'a>>,
}

/// How the compiler is helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// By a program that it runs.
    Program,
    /// By a library that it loads.
    Library,
}

/// What there is to know of a crate that is baked.
#[derive(Clone, Copy)]
pub struct CrateJob<'a> {
    /// Its command line.
    pub invocation: &'a CrateInvocation,
    /// The directories of the build, which may stand elsewhere the next time.
    pub places: &'a Places,
    /// Those, by their index, on which a result depends whatever its bytes show.
    pub bound: &'a [usize],
    /// Identifies a program that the compiler ran, or a library of macros that it loaded.
    pub program: &'a (dyn Fn(&Path, Helper) -> Option<Program> + Sync),
    /// No other program may run beside the compiler.
    pub alone: bool,
}

/// The preprocessed text of a unit.
pub struct Text<'a> {
    /// The unit's local key.
    pub key: UnitKey,
    /// Whether the preprocessor had nothing to say; what it says may depend on comments.
    pub quiet: bool,
    /// The files that the preprocessor read.
    pub inputs: &'a [PathBuf],
    /// The dependency file of this very run, where one is among the outputs.
    pub dependencies: Option<&'a [u8]>,
    /// What may serve.
    pub semantic: SemanticRules,
    /// When the preprocessor was started, nanoseconds since the epoch.
    pub started: i128,
    /// Whether the preprocessor, run again, gives the same text again.
    pub confirm: &'a (dyn Fn() -> bool + Sync),
    /// What the preprocessor's processes did, where that is known.
    pub recording: Option<&'a Recording>,
    /// Where the text is the same in other places, its key there as here.
    pub shared: Option<Shared<'a>>,
}

/// What stands for a text at several places; see [`crate::planner::roots`].
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// The key without the directories' names.
    pub key: UnitKey,
    /// The directories.
    pub roots: &'a Roots,
}

/// How a unit was baked. Its outputs are in place, and its diagnostics were given to the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baked {
    /// An earlier result served.
    Hit(Hit),
    /// The compiler ran.
    Compiled {
        /// How it ended.
        exit: Exit,
        /// Whether the result was kept, and if not, why.
        kept: Kept,
    },
}

/// An earlier result that served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// What is the same.
    pub how: How,
    /// How long the compile took when it ran, milliseconds.
    pub saved: u64,
}

/// What is the same as when a result was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Everything that it saw; nothing was preprocessed.
    Direct,
    /// Everything that it read, and the preprocessed text.
    Exact,
    /// The preprocessed text; some file has other bytes.
    Semantic,
}

/// Whether a compile's result was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It was.
    Stored,
    /// The store is only read.
    ReadOnly,
    /// The compile failed.
    Failed,
    /// A file that it read changed meanwhile.
    InputsChanged,
    /// It holds the time of day.
    TimeMacro,
    /// It read a precompiled header.
    Precompiled,
    /// It asked for the date; the next time, its preprocessed text decides.
    Dated,
    /// A macro asked for the time of day.
    Timed,
    /// It continued an earlier session of `-C incremental`.
    Continued,
    /// It wrote something else than results.
    WroteMore,
    /// It ran programs, and was to run none.
    RanPrograms,
    /// It is not known what it read.
    NotRecorded,
    /// It did not leave the files that it should.
    OutputMissing,
    /// It was compared with a stored result (`BRIOCHE_CC_VERIFY`).
    Verified {
        /// Whether they were the same.
        same: bool,
    },
    /// The store failed.
    StoreFailed {
        /// How, in words.
        why: String,
    },
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stored => "stored",
            Self::ReadOnly => "not stored: the store is only read",
            Self::Failed => "not stored: the compile failed",
            Self::InputsChanged => "not stored: a file that it read changed meanwhile",
            Self::TimeMacro => "not stored: it holds the time of day",
            Self::Precompiled => "not stored: it read a precompiled header",
            Self::Dated => "not stored: it asked for the date",
            Self::Timed => "not stored: it asked for the time of day",
            Self::Continued => "not stored: it continued an earlier session",
            Self::WroteMore => "not stored: it wrote more than results",
            Self::RanPrograms => "not stored: a macro ran a program",
            Self::NotRecorded => "not stored: it is not known what it read",
            Self::OutputMissing => "not stored: an output is missing",
            Self::Verified { same: true } => "compared with the stored result: the same",
            Self::Verified { same: false } => "compared with the stored result: different",
            Self::StoreFailed { why } => return write!(f, "not stored: {why}"),
        })
    }
}

/// An artifact that the calling process sees, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputArtifact {
    /// Its hash.
    pub artifact: ArtifactHash,
    /// Its place.
    pub path: PathBuf,
}

/// The three messages of the proposal.
pub trait Transport: Sync {
    /// *get-inputs*: the artifacts that the calling process sees. None, where nothing gave it any.
    ///
    /// # Errors
    /// When the transport is broken.
    fn get_inputs(&self) -> Result<Vec<InputArtifact>, TransportError>;

    /// *create-artifact*: takes a file as an artifact.
    ///
    /// # Errors
    /// When the file can't be read or kept.
    fn create_artifact(&self, path: &Path) -> Result<ArtifactHash, TransportError>;

    /// *bake-recipe*: bakes a unit and puts its outputs in place.
    ///
    /// # Errors
    /// When the transport is broken *before* anything was put in place or run: the caller may run the
    /// compiler itself.
    fn bake(&self, job: &Job<'_>, sink: Sink<'_>) -> Result<Baked, TransportError>;
}
