//! Running the preprocessor, and reading what it says: the text, the files it entered, the dependency
//! file. Reaches the world only through [`World`].

pub mod assembler;
mod code;
mod facts;
mod indentation;
pub mod markers;
mod rules;
mod tokens;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use code::differs_in_code;
pub use facts::{FileFacts, Traits};
pub use indentation::may_mislead;
pub use rules::Rules;

use crate::argparse::{Debug, Family, Invocation, Refusal, Role, Source};
use crate::world::{Command, Environment, Exit, Recording, Redirect, Stdin, Stream, World};

/// The driver to run: its file and the name it was called by.
#[derive(Debug, Clone, Copy)]
pub struct Driver<'a> {
    /// The file to execute.
    pub program: &'a Path,
    /// `argv[0]` as the user gave it.
    pub argv0: &'a std::ffi::OsStr,
    /// The environment of the user's own command.
    pub environment: &'a Environment,
    /// The source that comes by standard input, if one does.
    pub stdin: Option<&'a Arc<[u8]>>,
}

impl Driver<'_> {
    /// What a command on this source gets as standard input.
    #[must_use]
    pub fn stdin_of(&self, source: &Source) -> Stdin {
        let given = self.stdin.filter(|_| source.path == "-");
        given.map_or(Stdin::Empty, |bytes| Stdin::Bytes(Arc::clone(bytes)))
    }

    /// The command that runs the driver with these arguments.
    #[must_use]
    pub fn command(&self, world: &dyn World, args: Vec<OsString>) -> Command {
        Command {
            program: self.program.to_owned(),
            argv0: Some(self.argv0.to_owned()),
            args,
            environment: self.environment.clone(),
            cwd: world.cwd().to_owned(),
            stdin: Stdin::Empty,
            terminal: false,
        }
    }
}

/// A unit's input, preprocessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preprocessed {
    /// The text that the compiler proper would see. For a source that is not preprocessed (`.i`, `.s`),
    /// the source itself.
    pub text: Vec<u8>,
    /// What the preprocessor wrote to standard error: warnings such as `-Wcomment`, `-Wundef`.
    pub messages: Vec<u8>,
    /// The dependency file, where the invocation asks for one.
    pub dependencies: Option<Vec<u8>>,
    /// The files that were read, the source among them, as the preprocessor names them.
    pub files: Vec<PathBuf>,
    /// What its processes did with the file system, where that is known.
    pub recording: Option<Recording>,
}

/// What came of preprocessing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The text.
    Done(Box<Preprocessed>),
    /// The preprocessor failed: the compiler's own run will say why.
    Failed,
    /// The text shows that the unit can't be cached.
    Refused(Refusal),
}

/// The arguments that preprocess one source to standard output, its dependency file (if there is one) to
/// `dependencies`.
#[must_use]
pub fn arguments(invocation: &Invocation, source: &Source, dependencies: &Path) -> Vec<OsString> {
    let goes = |role| matches!(role, Role::Preprocess | Role::Compile | Role::Presentation | Role::Driver);
    let mut args: Vec<OsString> =
        invocation.args.iter().filter(|arg| goes(arg.role)).flat_map(|arg| arg.tokens.clone()).collect();
    args.push("-E".into());
    if invocation.compiler.family == Family::Gcc {
        // Has gcc name a precompiled header that it would use, instead of quietly reading the header.
        args.push("-fpch-preprocess".into());
    }
    if invocation.facts.debug == Debug::Macros {
        // The definitions go into the debug information.
        args.push("-dD".into());
    }
    if let Some(file) = &source.dependencies {
        args.extend([if file.system { "-MD" } else { "-MMD" }.into(), "-MF".into(), dependencies.into()]);
        args.extend(file.options.iter().cloned());
    }
    args.extend(source_arguments(source));
    args
}

/// The arguments that name the source: with its `-x` if it was given one, and safe from being taken for
/// an option.
#[must_use]
pub fn source_arguments(source: &Source) -> Vec<OsString> {
    let mut args = Vec::new();
    if source.language_given {
        args.extend(["-x".into(), source.language.name.into()]);
    }
    if source.path != "-" && source.path.as_encoded_bytes().starts_with(b"-") {
        args.push("--".into());
    }
    args.push(source.path.clone());
    args
}

/// Where a preprocessor may write, what it sees in place of what is there, and what else it is told.
#[derive(Debug, Clone, Copy)]
pub struct Scratch<'a> {
    /// A directory for temporary files.
    pub directory: &'a Path,
    /// Paths that mean something else; see [`World::run_recorded`].
    pub redirects: &'a [(PathBuf, Redirect)],
    /// Options that go before the user's own.
    pub options: &'a [OsString],
}

/// Preprocesses one source of the invocation.
///
/// # Errors
/// When the driver can't be run, or a file that it wrote can't be read.
pub fn preprocess(
    world: &dyn World,
    driver: Driver<'_>,
    invocation: &Invocation,
    source: &Source,
    scratch: Scratch<'_>,
) -> io::Result<Outcome> {
    if let Some(refusal) = precompiled_header(world, invocation) {
        return Ok(Outcome::Refused(refusal));
    }
    if !source.language.preprocessed {
        if !scratch.redirects.is_empty() {
            return Ok(Outcome::Failed);
        }
        return Ok(plain_source(world, driver, source));
    }
    let wanted = source.dependencies.is_some();
    let file =
        wanted.then(|| tempfile::Builder::new().prefix("cc").suffix(".d").tempfile_in(scratch.directory));
    let file = file.transpose()?;
    let mut args = scratch.options.to_vec();
    args.extend(arguments(invocation, source, file.as_ref().map_or(Path::new(""), |file| file.path())));
    let command = Command { stdin: driver.stdin_of(source), ..driver.command(world, args) };
    let (mut text, mut messages) = (Vec::new(), Vec::new());
    let (exit, recording) =
        world.run_recorded(&command, scratch.redirects, &mut |stream, bytes| match stream {
            Stream::Stdout => text.extend_from_slice(bytes),
            Stream::Stderr => messages.extend_from_slice(bytes),
        })?;
    if exit != Exit::Code(0) {
        return Ok(Outcome::Failed);
    }
    if let Some(refusal) = refuse_text(source, &text) {
        return Ok(Outcome::Refused(refusal));
    }
    let files = markers::files(&text);
    let dependencies = file.map(|file| world.read(file.path())).transpose()?;
    Ok(Outcome::Done(Box::new(Preprocessed { text, messages, dependencies, files, recording })))
}

fn plain_source(world: &dyn World, driver: Driver<'_>, source: &Source) -> Outcome {
    let path = PathBuf::from(&source.path);
    let given = driver.stdin.filter(|_| source.path == "-");
    let Ok(text) = given.map_or_else(|| world.read(&path), |bytes| Ok(bytes.to_vec())) else {
        return Outcome::Failed;
    };
    match refuse_text(source, &text) {
        Some(refusal) => Outcome::Refused(refusal),
        None => Outcome::Done(Box::new(Preprocessed {
            text,
            messages: Vec::new(),
            dependencies: None,
            files: vec![path],
            recording: None,
        })),
    }
}

/// clang's driver takes `FILE.pch` or `FILE.gch` for `-include FILE` where it exists.
fn precompiled_header(world: &dyn World, invocation: &Invocation) -> Option<Refusal> {
    if invocation.compiler.family != Family::Clang {
        return None;
    }
    let included = invocation.args.iter().filter(|arg| arg.name == "-include");
    included.filter_map(|arg| arg.value.as_ref()).find_map(|value| {
        [".pch", ".gch"].into_iter().find_map(|suffix| {
            let mut file = value.clone();
            file.push(suffix);
            let exists = world.stat(Path::new(&file)).is_ok();
            exists.then(|| {
                Refusal::new("precompiled-header", file, "a precompiled header stands in for the include")
            })
        })
    })
}

/// What the text shows that can't be cached.
fn refuse_text(source: &Source, text: &[u8]) -> Option<Refusal> {
    let refuse = |token, why| Some(Refusal::new(token, source.path.clone(), why));
    let assembly = source.language.name.starts_with("assembler");
    if memchr::memmem::find(text, b"#pragma GCC pch_preprocess").is_some() {
        return refuse("precompiled-header", "a precompiled header is used");
    }
    if assembly && assembler::assembly_reads_files(text) || !assembly && assembler::text_reads_files(text) {
        return refuse("assembler-include", "the assembler may read a file that only it sees");
    }
    None
}
