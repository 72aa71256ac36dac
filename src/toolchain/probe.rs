//! Questions to programs: drivers and loaders.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::error::ToolchainError;
use crate::world::{Command, World, output};

/// Whatever makes a driver or a loader do something beside answering, or say it in another language.
const SIDE_EFFECTS: [&str; 12] = [
    "CC_LOG_DIAGNOSTICS",
    "CC_PRINT_HEADERS",
    "CC_PRINT_OPTIONS",
    "CC_PRINT_PROC_STAT",
    "DEPENDENCIES_OUTPUT",
    "SUNPRO_DEPENDENCIES",
    "LD_DEBUG",
    "LD_PROFILE",
    "LD_SHOW_AUXV",
    "LD_TRACE_LOADED_OBJECTS",
    "LD_VERBOSE",
    "LD_WARN",
];

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// What it is told that it is called by.
    pub(super) argv0: &'a OsStr,
}

/// What a program said.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether its status was 0.
    pub(super) success: bool,
    /// Standard output.
    pub(super) out: Vec<u8>,
    /// Standard error.
    pub(super) err: Vec<u8>,
}

/// Asks a program, in the environment as it is but for the language, and tells its answer whatever its
/// status.
///
/// # Errors
/// [`ToolchainError::Probe`] when it could not be run.
pub(super) fn ask_anyway(
    world: &dyn World,
    program: Program<'_>,
    options: &[OsString],
    question: &[&str],
) -> Result<Answer, ToolchainError> {
    let mut environment = world.environment().clone();
    for name in SIDE_EFFECTS {
        environment.remove(name);
    }
    environment.set("LC_ALL", "C");
    let args: Vec<_> = options.iter().cloned().chain(question.iter().map(OsString::from)).collect();
    let command = Command {
        program: program.path.to_owned(),
        argv0: Some(program.argv0.to_owned()),
        args,
        environment,
        cwd: world.cwd().to_owned(),
        stdin: crate::world::Stdin::Empty,
        terminal: false,
    };
    let (exit, out, err) =
        output(world, &command).map_err(|why| failed(program.path, &command.args, why.to_string()))?;
    Ok(Answer { success: exit.success(), out, err })
}

/// Asks a program that must answer.
///
/// # Errors
/// [`ToolchainError::Probe`] when it could not be run or its status was not 0.
pub(super) fn ask(
    world: &dyn World,
    program: Program<'_>,
    options: &[OsString],
    question: &[&str],
) -> Result<Answer, ToolchainError> {
    let answer = ask_anyway(world, program, options, question)?;
    if answer.success {
        return Ok(answer);
    }
    let said = String::from_utf8_lossy(&answer.err).lines().next().unwrap_or("it failed").to_owned();
    let args: Vec<_> = options.iter().cloned().chain(question.iter().map(OsString::from)).collect();
    Err(failed(program.path, &args, said))
}

/// Asks for a path: the first line of standard output.
///
/// # Errors
/// As [`ask`].
pub(super) fn ask_path(
    world: &dyn World,
    program: Program<'_>,
    options: &[OsString],
    question: &str,
) -> Result<PathBuf, ToolchainError> {
    let mut out = ask(world, program, options, &[question])?.out;
    out.truncate(out.iter().position(|b| *b == b'\n').unwrap_or(out.len()));
    Ok(PathBuf::from(OsString::from_vec(out)))
}

/// The error of an answer that cannot be understood.
pub(super) fn failed(program: &Path, args: &[OsString], why: String) -> ToolchainError {
    let question = args.join(OsStr::new(" ")).to_string_lossy().into_owned();
    ToolchainError::Probe { program: program.to_owned(), question, why }
}

/// What follows a label, on each line that begins with it.
pub(super) fn after<'a>(text: &'a [u8], label: &'a str) -> impl Iterator<Item = &'a OsStr> {
    let rest = move |line: &'a [u8]| line.strip_prefix(label.as_bytes()).map(OsStr::from_bytes);
    text.split(|b| *b == b'\n').filter_map(rest)
}
