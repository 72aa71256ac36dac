//! What a command line means: the result of parsing, before anything is decided about it.

use std::ffi::{OsStr, OsString};

use super::Refusal;

/// The two families of drivers whose command lines are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// GNU gcc and g++.
    Gcc,
    /// LLVM clang and clang++.
    Clang,
}

/// A compiler's major and minor version; `(0, 0)` when it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16, pub u16);

/// The driver that a command line is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compiler {
    /// Whose rules hold.
    pub family: Family,
    /// Called as a C++ driver (`g++`, `clang++`, `c++`).
    pub cxx: bool,
    /// Its version.
    pub version: Version,
}

/// A parsed command line. It is complete for refused ones too, as far as the driver's rules could be
/// followed.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The driver.
    pub compiler: Compiler,
    /// Every option and input in order, response files expanded.
    pub args: Vec<Arg>,
    /// What the driver would do.
    pub mode: Mode,
    /// Whether it would run the linker.
    pub links: bool,
    /// The inputs that are compiled, assembled or preprocessed, in order.
    pub sources: Vec<Source>,
    /// The value of the last `-o`.
    pub output: Option<OsString>,
    /// What the options say together.
    pub facts: Facts,
    /// Why the whole is not cacheable; empty when it is.
    pub refusals: Vec<Refusal>,
}

/// One option with its value, or one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// The option's spelling in the table (`-I`, `-std=`); empty for an input.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// The arguments as the user spelled them (one, or two where the value is separate).
    pub tokens: Vec<OsString>,
    /// Its value, if it takes one.
    pub value: Option<OsString>,
}

/// What an argument is for, which decides to which command it goes and whether it enters the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A source file, or an input for the linker.
    Input,
    /// `-x LANG`: the language of the sources after it.
    Language,
    /// Only the preprocessor acts on it (`-I`, `-D`, `-include`, …): its effect shows in the
    /// preprocessed text, so it goes to `-E` and not into the key.
    Preprocess,
    /// Decides what code is made or which warnings are given: goes to `-E` and the compile, and
    /// into the key. What is not sure to belong elsewhere is this.
    Compile,
    /// Only the assembler acts on it (`-Wa,…`): goes to the compile and into the key.
    Assemble,
    /// Only the linker acts on it (`-l`, `-L`, `-Wl,…`): goes to the link.
    Link,
    /// Names outputs or says where to stop (`-o`, `-c`, `-S`): written anew for each command.
    Output,
    /// Asks for dependency output (`-MD`, `-MF`, …): written anew, not in the key.
    Dependencies,
    /// Only changes how diagnostics look (`-fdiagnostics-color`): goes to `-E` and the compile; in the
    /// key of a result that has diagnostics.
    Presentation,
    /// Changes which programs or libraries of the toolchain serve, or how the driver runs them (`-B`,
    /// `-pipe`, `-no-canonical-prefixes`): goes everywhere and into the key.
    Driver,
}

/// What the driver would do; see the `--plan=json` contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `-c`.
    Object,
    /// `-S`.
    Assembly,
    /// `-E`.
    Preprocess,
    /// `-M`, `-MM`.
    Dependencies,
    /// Compiles what there is to compile, and links.
    Link,
    /// Makes a precompiled header.
    Pch,
    /// `-fsyntax-only`.
    Syntax,
    /// Prints something about itself (`--version`, `-print-…`, `-###`).
    Info,
    /// Has nothing to do.
    None,
    /// The driver itself refuses the command line.
    Error,
    /// Sources that end in different kinds of output.
    Mixed,
    /// LLVM IR, modules, `-cc1`, rewriters, …. Not refused, and with an object among a source's outputs,
    /// it is clang's `-c` under `-flto`, whose objects are bitcode.
    Other,
    /// rustc compiles a crate.
    Crate,
}

/// A source file of the invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As spelled.
    pub path: OsString,
    /// Its index in [`Invocation::args`].
    pub arg: usize,
    /// Its language.
    pub language: Language,
    /// Whether an `-x` before it said so (else its name did).
    pub language_given: bool,
    /// The files that its compile leaves, each with the name that the driver gives it. No object when
    /// the object is a temporary of a link; one that `-save-temps` keeps is none.
    pub outputs: Vec<Output>,
    /// The dependency file among them, with what its content depends on. Several sources may name the same
    /// one: drivers write it for each in order, so the last one's stays.
    pub dependencies: Option<DependencyFile>,
    /// Options that a compile of this source alone must be given so that names derived from a whole
    /// compile-and-link come out the same (gcc from 11 on: `-dumpdir`, `-dumpbase`, `-dumpbase-ext`). Given
    /// too where the user wrote one of these, whatever the mode.
    pub naming: Vec<OsString>,
    /// Why this source is not cacheable; empty when it is.
    pub refusals: Vec<Refusal>,
}

impl Source {
    /// Where its object goes, if that is no temporary.
    #[must_use]
    pub fn object(&self) -> Option<&OsStr> {
        let object = self.outputs.iter().find(|output| output.kind == OutputKind::Object);
        object.map(|output| output.path.as_os_str())
    }
}

/// One file that a compile leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Output {
    /// What is in it.
    pub kind: OutputKind,
    /// Where the driver puts it, relative to the working directory where it was given so. `-` is
    /// standard output.
    pub path: OsString,
    /// Whether the compiler may leave it out (no `.su` under LTO, no `.dwo` without debug information).
    pub optional: bool,
}

/// The kinds of files that compiles leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum OutputKind {
    /// An object file (under LTO too).
    Object,
    /// Assembly.
    Assembly,
    /// A dependency file.
    Dependencies,
    /// Split debug information.
    Dwo,
    /// Coverage notes.
    Gcno,
    /// `-fstack-usage`.
    StackUsage,
    /// `-fcallgraph-info`.
    CallGraph,
    /// `-save-temps`: preprocessed text.
    TemporaryPreprocessed,
    /// `-save-temps`: assembly.
    TemporaryAssembly,
    /// `-save-temps` of clang: bitcode.
    TemporaryBitcode,
    /// Preprocessed text (`-E`).
    Preprocessed,
    /// A precompiled header.
    Pch,
    /// What other crates must know of a crate (`.rmeta`).
    Metadata,
    /// A Rust library.
    Rlib,
    /// A library that is loaded, for Rust or for C, or macros.
    SharedLibrary,
    /// A library for C that is linked.
    StaticLibrary,
    /// A program.
    Executable,
    /// LLVM's code as text.
    LlvmIr,
    /// LLVM's code.
    Bitcode,
    /// A summary of LLVM's code.
    ThinLinkBitcode,
    /// The compiler's own code as text.
    Mir,
}

/// The output that is no file: what a compile writes there is gone.
pub const DISCARD: &str = "/dev/null";

impl Output {
    /// Whether it goes to [`DISCARD`].
    #[must_use]
    pub fn is_discarded(&self) -> bool {
        self.path == DISCARD
    }
}

impl OutputKind {
    /// The stable name, as in `--plan=json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Assembly => "assembly",
            Self::Dependencies => "dependencies",
            Self::Dwo => "dwo",
            Self::Gcno => "gcno",
            Self::StackUsage => "stack-usage",
            Self::CallGraph => "callgraph",
            Self::TemporaryPreprocessed => "temporary-preprocessed",
            Self::TemporaryAssembly => "temporary-assembly",
            Self::TemporaryBitcode => "temporary-bitcode",
            Self::Preprocessed => "preprocessed",
            Self::Pch => "pch",
            Self::Metadata => "metadata",
            Self::Rlib => "rlib",
            Self::SharedLibrary => "shared-library",
            Self::StaticLibrary => "static-library",
            Self::Executable => "executable",
            Self::LlvmIr => "llvm-ir",
            Self::Bitcode => "llvm-bitcode",
            Self::ThinLinkBitcode => "thin-link-bitcode",
            Self::Mir => "mir",
        }
    }
}

/// A dependency file that a source's compile writes, and how to write it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencyFile {
    /// Where the driver puts it; `-` is standard output.
    pub path: OsString,
    /// System headers too (`-MD`), or not (`-MMD`).
    pub system: bool,
    /// The other options that reproduce its content, the driver's default target made explicit:
    /// `-MT`/`-MQ` and their values as separate arguments, `-MP`, `-MG`, `-MV`. Given to
    /// `COMPILER -E -MD -MF FILE …` they yield the same bytes as the compile.
    pub options: Vec<OsString>,
}

/// A level of debug information.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Debug {
    /// None.
    #[default]
    None,
    /// Some (`-g`, `-g1`, `-gline-tables-only`, …).
    Some,
    /// Macros too (gcc `-g3`; clang only with `-fdebug-macro`).
    Macros,
}

/// What the options say together, once all are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each asked for by name")]
pub struct Facts {
    /// Debug information is made.
    pub debug: Debug,
    /// Debug information goes to a `.dwo`.
    pub split_dwarf: bool,
    /// Objects hold intermediate code (`-flto`).
    pub lto: bool,
    /// Coverage or profile instrumentation (`--coverage`, `-fprofile-…`, `-fcoverage-mapping`).
    pub coverage: bool,
    /// Any `-fsanitize=`.
    pub sanitize: bool,
    /// The command line itself is recorded in the object (`-frecord-gcc-switches`,
    /// `-grecord-command-line`, …): everything spelled enters the key.
    pub records_command_line: bool,
    /// The working directory may show in an output though there is no debug information (coverage,
    /// `-fworking-directory`, …).
    pub records_cwd: bool,
    /// A warning depends on "falls through" comments (gcc `-Wimplicit-fallthrough=`, in `-Wextra`), and
    /// any comment counts (level 1).
    pub fallthrough: Option<u8>,
    /// Warnings are on that look at comments or indentation beyond what `-E` itself reports
    /// (`-Wmisleading-indentation` in `-Wall`, clang's `-Wdocumentation`).
    pub layout_warnings: bool,
    /// One of them by its own name, not by that of a group (`-Wdocumentation`).
    pub comment_warnings: bool,
    /// `-save-temps`.
    pub save_temps: bool,
    /// Files that the compile reads and the preprocessed text does not show (`-fprofile-use=`,
    /// `-fsanitize-ignorelist=`, `-fplugin=` …): their content enters the key.
    pub files: Vec<OsString>,
    /// `native` was given for the architecture or the CPU: what this machine is enters the key.
    pub native: bool,
    /// Directories of `-B`, where the driver looks for its programs first.
    pub program_dirs: Vec<OsString>,
    /// Response files were expanded.
    pub response_files: bool,
}

/// A language, as for `-x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Language {
    /// The spelling (`c`, `c++-cpp-output`, `assembler-with-cpp`).
    pub name: &'static str,
    /// Whether a compile runs the preprocessor on it.
    pub preprocessed: bool,
}
