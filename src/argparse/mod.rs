//! Command lines: argv → [`Invocation`], with [`Refusal`]s where it cannot be cached.
//!
//! Pure: response files come through an injected reader, nothing else is read. What an option does
//! stands in one table row ([`spec::Spec`]); an option that no row knows is refused.
//!
//! | step | module |
//! |---|---|
//! | response files are expanded | `response` |
//! | each argument finds its row, whose act records into a [`draft::Draft`] | `scan`, [`table`], `acts` |
//! | what is passed on to preprocessor, assembler, linker and `-cc1` is looked into | `passed`, `linker` |
//! | rules across options run once: mode, sources, names, facts, refusals | `finish`, `names`, `targets` |

mod acts;
mod compiler;
pub mod draft;
mod finish;
mod invocation;
pub mod language;
mod linker;
mod names;
mod passed;
pub(crate) mod refusal;
mod response;
pub mod rustc;
mod scan;
pub mod spec;
pub mod table;
mod targets;

use std::ffi::OsString;

pub use compiler::compiler_from_name;
pub use invocation::{
    Arg, Compiler, DISCARD, Debug, DependencyFile, Facts, Family, Invocation, Language, Mode, Output,
    OutputKind, Role, Source, Version,
};
pub use refusal::Refusal;
pub use response::ReadFile;

/// What `compiler` would do when called with `args` (without the program's name). Response files are
/// read through `files`.
#[must_use]
pub fn parse(compiler: &Compiler, args: &[OsString], files: &dyn ReadFile) -> Invocation {
    let (args, expansion) = response::expand(compiler.family, args, files);
    let mut draft = scan::scan(scan::called_as(*compiler, &args), &args);
    draft.facts.response_files = expansion.used;
    if expansion.endless {
        draft.refusals.push(Refusal::new("endless-response-files", "@", "response files without end"));
    }
    finish::finish(draft)
}
