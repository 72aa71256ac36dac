//! A compile as a Brioche process.
//!
//! A process that fails leaves nothing, and what a process writes to its standard streams goes to a log
//! that is no part of its artifact. So that what a successful compile said can be said again on a hit, a
//! shell puts the streams into the output:
//!
//! ```text
//! command  /bin/sh
//! args     -c
//!          exec "$@" >"$BRIOCHE_OUTPUT/stdout" 2>"$BRIOCHE_OUTPUT/stderr"
//!          sh
//!          COMPILER ARGUMENT…
//! ```
//!
//! The `sh` after the script is its `$0`: the first argument after a script never is part of `"$@"`, so
//! without it the compiler would be. `exec` leaves one process, whose exit status is the compiler's.
//! The output is a directory from the start, by the scaffold, for the compiler to put its files into.

use std::collections::BTreeMap;

use super::artifact::Directory;
use super::bytes::ByteString;
use super::process::{Platform, ProcessRecipe};
use super::recipe::Recipe;
use super::template::{ProcessTemplate, Symbol, Template};

/// The script that runs a compiler.
pub const COMPILE_SCRIPT: &str = r#"exec "$@" >"$BRIOCHE_OUTPUT/stdout" 2>"$BRIOCHE_OUTPUT/stderr""#;

/// The name, in the output, of what the compiler wrote to standard output.
pub const STDOUT: &str = "stdout";

/// The name, in the output, of what the compiler wrote to standard error.
pub const STDERR: &str = "stderr";

/// The variable that tells the script where the output is.
const OUTPUT_VARIABLE: &str = "BRIOCHE_OUTPUT";

/// A compile to bake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compile {
    /// The compiler's path, in its toolchain's artifact.
    pub compiler: ProcessTemplate,
    /// Its arguments. Outputs stand at the output path, under other names than [`STDOUT`] and
    /// [`STDERR`].
    pub args: Vec<ProcessTemplate>,
    /// The environment that it needs. `BRIOCHE_OUTPUT` is added, and the compiler sees it too.
    pub env: BTreeMap<ByteString, ProcessTemplate>,
    /// What the work directory holds.
    pub work_dir: Recipe,
    /// Where the compiler runs, usually just [`Symbol::WorkDir`].
    pub current_dir: ProcessTemplate,
    /// The machine that it runs on.
    pub platform: Platform,
}

/// The recipe of a compile. It is never unsafe, and gives a directory: the compiler's files, [`STDOUT`]
/// and [`STDERR`].
#[must_use]
pub fn compile_process(compile: Compile) -> Recipe {
    let Compile { compiler, args, mut env, work_dir, current_dir, platform } = compile;
    let shell = ["-c", COMPILE_SCRIPT, "sh"].map(Template::literal);
    env.insert(OUTPUT_VARIABLE.into(), Template::symbol(Symbol::OutputPath));
    let process = ProcessRecipe {
        command: Template::literal("/bin/sh"),
        args: shell.into_iter().chain([compiler]).chain(args).collect(),
        env,
        current_dir,
        dependencies: Vec::new(),
        work_dir: Box::new(work_dir),
        output_scaffold: Some(Box::new(Recipe::Directory(Directory::default()))),
        platform,
        networking: false,
    };
    process.into()
}
