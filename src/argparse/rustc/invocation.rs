//! What a command line of rustc means.

use std::ffi::{OsStr, OsString};

use super::RustTool;
use super::spec::Shape;
use super::table::find;
use crate::argparse::{Mode, Output, Refusal};

/// A parsed command line. It is complete for refused ones too, as far as the compiler's rules could be
/// followed.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each asked for by name")]
pub struct CrateInvocation {
    /// Who was called.
    pub tool: RustTool,
    /// Every option and input in order, `@file`s expanded.
    pub args: Vec<CrateArg>,
    /// [`Mode::Crate`]; [`Mode::Info`] where it only prints something; [`Mode::Error`] where the compiler
    /// refuses it; [`Mode::Other`].
    pub mode: Mode,
    /// The inputs; a compile has one.
    pub sources: Vec<OsString>,
    /// `--crate-name`.
    pub name: Option<OsString>,
    /// `--crate-type`, each once, in order.
    pub types: Vec<CrateType>,
    /// `--test`: the result is a test program, whatever the types say.
    pub test: bool,
    /// `--emit`, each once, in order; where one is to be written, if that was said.
    pub emits: Vec<(Emit, Option<OsString>)>,
    /// `--out-dir`.
    pub out_dir: Option<OsString>,
    /// `-o`.
    pub output: Option<OsString>,
    /// `-C extra-filename`.
    pub extra_filename: OsString,
    /// `--target`.
    pub target: Option<OsString>,
    /// `--extern`, in order.
    pub externs: Vec<Extern>,
    /// `-L`, in order.
    pub searches: Vec<Search>,
    /// `-l`, in order.
    pub natives: Vec<Native>,
    /// `-C incremental`.
    pub incremental: Option<OsString>,
    /// `--remap-path-prefix`: from what to what.
    pub remaps: Vec<(OsString, OsString)>,
    /// `--cap-lints allow`: no lint says anything.
    pub lints_silenced: bool,
    /// Debug information is made, which names the working directory.
    pub debug: bool,
    /// Results hold what can't be searched for paths: bitcode, compressed tables of coverage.
    pub opaque: bool,
    /// Results hold the places of libraries (`-C rpath`).
    pub rpath: bool,
    /// `-C target-cpu=native`: what this machine is decides the code.
    pub native: bool,
    /// `-C split-debuginfo`, where it is said.
    pub split_debuginfo: Option<OsString>,
    /// `-C target-feature=+crt-static`: some kinds of crates are then left out.
    pub crt_static: bool,
    /// `-C codegen-units`, where it is said.
    pub codegen_units: Option<OsString>,
    /// The files that the compile leaves.
    pub outputs: Vec<Output>,
    /// Why it is not cacheable; empty when it is.
    pub refusals: Vec<Refusal>,
}

/// One option with its value, or the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrateArg {
    /// The option's spelling in the table (`--crate-name`, `-C opt-level`); empty for the source.
    pub name: &'static str,
    /// What it is for.
    pub role: CrateRole,
    /// Its value, if it takes one; the source.
    pub value: OsString,
}

impl CrateArg {
    /// How it is said to the compiler again.
    #[must_use]
    pub fn words(&self) -> Words {
        /// The options of `-C` that may have a value of no bytes; the others are said by their names alone.
        const MAY_BE_EMPTY: [&str; 4] = ["ar", "extra-filename", "link-args", "metadata"];
        let value = !self.value.is_empty();
        let (before, front, takes) = match (self.name, self.name.as_bytes()) {
            ("", _) => (None, String::new(), true),
            (name, [b'-', b'-', ..]) => match find(name).map(|row| row.shape) {
                Some(Shape::Flag) => (None, name.to_owned(), false),
                _ => (None, format!("{name}="), true),
            },
            (name, [b'-', ..]) => match find(name).map(|row| row.shape) {
                Some(Shape::Flag) => (None, name.to_owned(), false),
                _ => (Some(name), String::new(), true),
            },
            (name, _) if value || MAY_BE_EMPTY.contains(&name) => (Some("-C"), format!("{name}="), true),
            (name, _) => (Some("-C"), name.to_owned(), false),
        };
        Words { before, front, takes }
    }
}

/// How an argument is said; see [`CrateArg::words`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// A word of its own, before.
    pub before: Option<&'static str>,
    /// The beginning of the word.
    pub front: String,
    /// Whether the value follows in that word.
    pub takes: bool,
}

/// What an argument is for, which decides whether it enters the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrateRole {
    /// The source.
    Input,
    /// Decides what is made, or what is said of it. What is not sure to belong elsewhere is this.
    Compile,
    /// Which names and values of `cfg` are expected: decides what a lint says, where lints say anything.
    Expect,
    /// Only changes how diagnostics look: counts for a result that has any.
    Presentation,
}

/// The kinds of crates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrateType {
    /// A program.
    Bin,
    /// `lib` and `rlib`.
    Rlib,
    /// A Rust library that is loaded.
    Dylib,
    /// A library for C that is loaded.
    Cdylib,
    /// A library for C that is linked.
    Staticlib,
    /// Macros that the compiler loads.
    ProcMacro,
}

impl CrateType {
    /// Whether a result of this kind holds what other crates must know of it. The working directory decides
    /// a hash in there even where it does not stand in the bytes.
    #[must_use]
    pub fn has_metadata(self) -> bool {
        matches!(self, Self::Rlib | Self::Dylib | Self::ProcMacro)
    }
}

/// The kinds of files that `--emit` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Emit {
    /// `asm`.
    Assembly,
    /// `dep-info`.
    DepInfo,
    /// `link`: the crate itself.
    Link,
    /// `llvm-bc`.
    Bitcode,
    /// `llvm-ir`.
    LlvmIr,
    /// `metadata`.
    Metadata,
    /// `mir`.
    Mir,
    /// `obj`.
    Object,
    /// `thin-link-bitcode`.
    ThinLinkBitcode,
}

/// `--extern [OPTIONS:]NAME[=PATH]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extern {
    /// The name.
    pub name: OsString,
    /// The file; searched for where it is not said.
    pub path: Option<OsString>,
}

/// `-L [KIND=]PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What is searched for there.
    pub kind: SearchKind,
    /// The directory.
    pub path: OsString,
}

/// What is searched for in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchKind {
    /// Crates that crates depend on; each has been chosen already, and is told by a hash.
    Dependency,
    /// Native libraries, which are looked up by name.
    Native,
    /// Crates by name, or everything.
    Crates,
}

/// `-l [KIND[:MODIFIERS]=]NAME[:OTHER]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// The kind.
    pub kind: NativeKind,
    /// What it may be called.
    pub names: Vec<OsString>,
    /// `+verbatim`: its name is that of its file.
    pub verbatim: bool,
}

impl Native {
    /// The names of the files that the compiler itself may take for it.
    pub fn archives(&self) -> impl Iterator<Item = OsString> {
        let archive = |name: &OsString| [OsStr::new("lib"), name, OsStr::new(".a")].into_iter().collect();
        self.names.iter().map(move |name| if self.verbatim { name.clone() } else { archive(name) })
    }
}

/// The kinds of native libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NativeKind {
    /// `static`.
    Static,
    /// `dylib`, or none that is said: the source may say that it is static.
    Dynamic,
    /// Those of other systems, and what is no library.
    Other,
}

impl CrateInvocation {
    pub(super) fn new(tool: RustTool) -> Self {
        Self {
            tool,
            args: Vec::new(),
            mode: Mode::Crate,
            sources: Vec::new(),
            name: None,
            types: Vec::new(),
            test: false,
            emits: Vec::new(),
            out_dir: None,
            output: None,
            extra_filename: OsString::new(),
            target: None,
            externs: Vec::new(),
            searches: Vec::new(),
            natives: Vec::new(),
            incremental: None,
            remaps: Vec::new(),
            lints_silenced: false,
            debug: false,
            opaque: false,
            rpath: false,
            native: false,
            split_debuginfo: None,
            crt_static: false,
            codegen_units: None,
            outputs: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// The source; empty when there is none.
    #[must_use]
    pub fn source(&self) -> &OsStr {
        self.sources.first().map(OsString::as_os_str).unwrap_or_default()
    }

    /// The kinds of crates that are made.
    #[must_use]
    pub fn made(&self) -> &[CrateType] {
        if self.test || self.types.is_empty() { &[CrateType::Bin] } else { &self.types }
    }

    /// Whether more than a library for other crates is made: what the other crates hold is put together, mostly by a
    /// linker.
    #[must_use]
    pub fn links(&self) -> bool {
        self.emits(Emit::Link) && self.made().iter().any(|made| *made != CrateType::Rlib)
    }

    /// Whether this kind of file is asked for.
    #[must_use]
    pub fn emits(&self, emit: Emit) -> bool {
        self.emits.iter().any(|(other, _)| *other == emit)
    }
}
