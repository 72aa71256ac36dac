//! What gathers while a command line is read, before the rules across options run.

use std::ffi::{OsStr, OsString};

use super::language::Kind;
use super::{Arg, Compiler, Facts, Family, Mode, Refusal, Role};

/// Where `-save-temps` puts its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveTemps {
    /// As other auxiliary files (`-save-temps` alone).
    Plain,
    /// Into the working directory.
    Cwd,
    /// Beside the output.
    Obj,
}

/// An argument that is no option.
#[derive(Debug, Clone)]
pub struct Input {
    /// As spelled.
    pub path: OsString,
    /// Its index among the arguments.
    pub arg: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether `-x` said so.
    pub given: bool,
}

/// How far the driver was told to go.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option that was seen")]
pub struct Stops {
    /// `-E`.
    pub preprocess: bool,
    /// `-S`.
    pub assembly: bool,
    /// `-c`.
    pub object: bool,
    /// `-M` or `-MM`.
    pub dependencies: bool,
    /// `-fsyntax-only`.
    pub syntax: bool,
    /// Prints something about itself and does no work.
    pub info: bool,
    /// LLVM's own products, modules, rewriters.
    pub other: bool,
}

/// The options about dependency files.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option that was seen")]
pub struct Deps {
    /// `-MD`.
    pub md: bool,
    /// `-MMD`.
    pub mmd: bool,
    /// The last `-MF`.
    pub file: Option<OsString>,
    /// `-MT` and `-MQ` with their values, in order.
    pub targets: Vec<(&'static str, OsString)>,
    /// `-MP`.
    pub phony: bool,
    /// `-MG`.
    pub missing: bool,
    /// `-MV`.
    pub nmake: bool,
    /// What `-Wp,` asked of gcc's preprocessor itself: system headers or not, and the file.
    pub passed: Option<(bool, OsString)>,
    /// Targets that came by `-Wp,`.
    pub passed_targets: Vec<(&'static str, OsString)>,
}

/// The state of debug options.
#[derive(Debug, Clone, Copy, Default)]
pub struct DebugState {
    /// 0 to 3, as `-g0` to `-g3`.
    pub level: u8,
    /// `-gtoggle` was given.
    pub toggled: bool,
    /// `-gsplit-dwarf` holds.
    pub split: bool,
    /// Macro information was asked for by its own option.
    pub macros: bool,
}

/// The state of warning options that look at layout.
#[derive(Debug, Clone, Copy, Default)]
pub struct WarningState {
    /// `-Wextra` holds.
    pub extra: bool,
    /// `-Wall` holds.
    pub all: bool,
    /// An explicit `-Wimplicit-fallthrough` level.
    pub fallthrough: Option<u8>,
    /// Others that look at layout or comments.
    pub layout: bool,
}

/// Auxiliary files that were asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras {
    /// `-ftest-coverage`.
    pub notes: bool,
    /// `-fstack-usage`.
    pub stack_usage: bool,
    /// `-fcallgraph-info`.
    pub call_graph: bool,
}

/// gcc's `-dumpdir` and its relatives.
#[derive(Debug, Clone, Default)]
pub struct DumpNames {
    /// `-dumpdir`.
    pub dir: Option<OsString>,
    /// `-dumpbase`.
    pub base: Option<OsString>,
    /// `-dumpbase-ext`.
    pub ext: Option<OsString>,
}

/// A piece of `-Wp,`, `-Wl,`, … with the index of its argument.
pub type Piece = (usize, OsString);

/// What the options read so far say.
#[derive(Debug)]
pub struct Draft {
    /// The driver.
    pub compiler: Compiler,
    /// The arguments so far.
    pub args: Vec<Arg>,
    /// The inputs so far.
    pub inputs: Vec<Input>,
    /// The language that `-x` set for the inputs to come.
    pub language: Option<Kind>,
    /// An `-x` stood before the next input (g++ leaves that one alone).
    pub language_seen: bool,
    /// The last `-o`.
    pub output: Option<OsString>,
    /// Where to stop.
    pub stops: Stops,
    /// Dependency options.
    pub deps: Deps,
    /// Debug options.
    pub debug: DebugState,
    /// Warning options.
    pub warnings: WarningState,
    /// Auxiliary files.
    pub extras: Extras,
    /// The option that has the command line recorded or printed.
    pub recording: Option<OsString>,
    /// Names for dumps.
    pub dump: DumpNames,
    /// `-save-temps`.
    pub save_temps: Option<SaveTemps>,
    /// Whether `-save-temps=` came after the last `-dumpdir`.
    pub save_temps_last: bool,
    /// Every `-arch`.
    pub arches: Vec<OsString>,
    /// An option decides the mode, whatever the others say.
    pub forced: Option<Mode>,
    /// Pieces for the preprocessor.
    pub to_preprocessor: Vec<Piece>,
    /// Pieces for the assembler.
    pub to_assembler: Vec<Piece>,
    /// Pieces for the linker.
    pub to_linker: Vec<Piece>,
    /// Pieces for clang's `-cc1`.
    pub to_cc1: Vec<Piece>,
    /// Facts that one option alone decides.
    pub facts: Facts,
    /// Why the whole cannot be cached.
    pub refusals: Vec<Refusal>,
    /// Why it cannot if it links.
    pub link_refusals: Vec<Refusal>,
    /// The driver will refuse the command line.
    pub error: bool,
    /// The index that the option being acted on will have in `args`.
    pub here: usize,
}

impl Draft {
    /// An empty draft for `compiler`.
    #[must_use]
    pub fn new(compiler: Compiler) -> Self {
        Self {
            compiler,
            args: Vec::new(),
            inputs: Vec::new(),
            language: None,
            language_seen: false,
            output: None,
            stops: Stops::default(),
            deps: Deps::default(),
            debug: DebugState::default(),
            warnings: WarningState::default(),
            extras: Extras::default(),
            recording: None,
            dump: DumpNames::default(),
            save_temps: None,
            save_temps_last: false,
            arches: Vec::new(),
            forced: None,
            to_preprocessor: Vec::new(),
            to_assembler: Vec::new(),
            to_linker: Vec::new(),
            to_cc1: Vec::new(),
            facts: Facts::default(),
            refusals: Vec::new(),
            link_refusals: Vec::new(),
            error: false,
            here: 0,
        }
    }

    /// Adds an input.
    pub fn input(&mut self, path: &OsStr) {
        // g++ writes `-x c++ FILE -x none` for these names, unless an `-x` stands right before: its
        // value holds no longer than that.
        let bytes = path.as_encoded_bytes();
        let gxx = self.compiler.cxx && self.compiler.family == Family::Gcc && !self.language_seen;
        if gxx && bytes.len() > 2 && [b".c", b".i", b".h"].iter().any(|end| bytes.ends_with(*end)) {
            self.language = None;
        }
        let given = self.language.is_some();
        let kind = match self.language {
            Some(kind) => kind,
            None => super::language::by_name_of_file(self.compiler, path, self.language_seen),
        };
        self.language_seen = false;
        let arg = self.args.len();
        self.inputs.push(Input { path: path.to_owned(), arg, kind, given });
        self.args.push(Arg { name: "", role: Role::Input, tokens: vec![path.to_owned()], value: None });
    }

    /// Records that the driver itself refuses the command line.
    pub fn fail(&mut self, argument: &OsStr, why: &'static str) {
        self.error = true;
        self.refusals.push(Refusal::new("driver-error", argument, why));
    }
}
