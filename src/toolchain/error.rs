//! Why a compiler could not be identified.

use std::io;
use std::path::PathBuf;

/// Why a compiler could not be identified. The compile can still happen, without us.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// There is nothing at the driver's path.
    #[error("no compiler at {path}: {source}")]
    Missing {
        /// The driver's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The driver is a directory, a device, ….
    #[error("{0} is not a file")]
    NotAFile(PathBuf),
    /// A program is a script or in a format that we don't know: what it runs cannot be told.
    #[error("{name} ({path}) is a script or no ELF program, so what it runs cannot be told")]
    NotABinary {
        /// What it serves as.
        name: String,
        /// Where it stands.
        path: PathBuf,
    },
    /// A program is a launcher with the place of the real one packed into it.
    #[error("{name} ({path}) is a packed launcher, so what it runs cannot be told")]
    Packed {
        /// What it serves as.
        name: String,
        /// Where it stands.
        path: PathBuf,
    },
    /// The driver is a compile cache or distributor, or the program that asks.
    #[error("{0} is a compile cache itself")]
    Cache(PathBuf),
    /// The driver is neither gcc nor clang.
    #[error("{0} is neither gcc nor clang")]
    UnknownFamily(PathBuf),
    /// The driver leaves the work to another driver.
    #[error("{driver} leaves the work to {to}, so what is run cannot be told")]
    Delegates {
        /// The driver.
        driver: PathBuf,
        /// The other one.
        to: PathBuf,
    },
    /// A program that the request needs is not there.
    #[error("the compiler has no {0}")]
    MissingPart(String),
    /// A question to the driver or to a loader was not answered.
    #[error("{program} did not answer {question}: {why}")]
    Probe {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        question: String,
        /// The status, or the first line that it said.
        why: String,
    },
    /// A library that a program needs is not there.
    #[error("{program} needs {library}, which is not found")]
    MissingLibrary {
        /// The program.
        program: PathBuf,
        /// The library.
        library: String,
    },
    /// A part could not be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The part.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The compiler is being replaced while we look.
    #[error("{0} changes while it is looked at")]
    Changing(PathBuf),
}

impl ToolchainError {
    /// The stable token.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "compiler-missing",
            Self::NotAFile(_) => "compiler-not-a-file",
            Self::NotABinary { .. } => "compiler-script",
            Self::Packed { .. } => "compiler-packed",
            Self::Cache(_) => "compiler-is-a-cache",
            Self::UnknownFamily(_) => "compiler-unknown",
            Self::Delegates { .. } => "compiler-delegates",
            Self::MissingPart(_) => "compiler-part-missing",
            Self::Probe { .. } => "compiler-probe",
            Self::MissingLibrary { .. } => "compiler-library-missing",
            Self::Unreadable { .. } => "compiler-unreadable",
            Self::Changing(_) => "compiler-changing",
        }
    }
}
