//! rustc's command lines: argv → [`CrateInvocation`], with [`Refusal`]s where it cannot be cached.
//!
//! The same way as for gcc and clang: what an option does stands in one row of a table ([`table`]), an option
//! that no row knows is refused, and nothing is read but `@file`s and, where the command line does not say
//! what the crate is called or which kind it is, the first lines of its source.
//!
//! | step | module |
//! |---|---|
//! | `@file`s are expanded, each argument finds its row, whose act records into the invocation | `scan`, [`table`], `acts` |
//! | attributes of the source that name the crate | `attributes` |
//! | the names of the files that the compile leaves | `outputs` |

mod acts;
mod attributes;
mod invocation;
mod outputs;
mod scan;
pub mod spec;
pub mod table;

use std::ffi::{OsStr, OsString};

pub use invocation::{
    CrateArg, CrateInvocation, CrateRole, CrateType, Emit, Extern, Native, NativeKind, Search, SearchKind,
    Words,
};

use super::{Mode, ReadFile, Refusal};

/// The programs of Rust's that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RustTool {
    /// The compiler.
    Rustc,
    /// Clippy's driver: the compiler with more lints. Its first argument may be the compiler's path.
    Clippy,
    /// The documentation's maker.
    Rustdoc,
}

impl RustTool {
    /// The stable name, as in `--plan=json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rustc => "rustc",
            Self::Clippy => "clippy-driver",
            Self::Rustdoc => "rustdoc",
        }
    }
}

/// The tool that a program's file name says.
#[must_use]
pub fn rust_tool_from_name(name: &OsStr) -> Option<RustTool> {
    let name = name.as_encoded_bytes();
    match &name[name.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1)..] {
        b"rustc" => Some(RustTool::Rustc),
        b"clippy-driver" => Some(RustTool::Clippy),
        b"rustdoc" => Some(RustTool::Rustdoc),
        _ => None,
    }
}

/// What `tool` would do when called with `args` (without the program's name). `@file`s and the source's
/// attributes are read through `files`.
#[must_use]
pub fn parse(tool: RustTool, args: &[OsString], files: &dyn ReadFile) -> CrateInvocation {
    let mut invocation = CrateInvocation::new(tool);
    if tool == RustTool::Rustdoc {
        invocation.refuse("rustdoc", "", "documentation is not cached");
        invocation.mode = Mode::Other;
        return invocation;
    }
    // Called as a wrapper, clippy's driver is given the compiler that it stands for.
    let wrapped = tool == RustTool::Clippy
        && args.first().is_some_and(|first| rust_tool_from_name(first) == Some(RustTool::Rustc));
    scan::scan(&mut invocation, &args[usize::from(wrapped)..], files);
    finish(&mut invocation, files);
    invocation
}

/// The rules across options.
fn finish(invocation: &mut CrateInvocation, files: &dyn ReadFile) {
    if invocation.mode == Mode::Info {
        return;
    }
    let source = match invocation.sources.as_slice() {
        [] => {
            invocation.mode = Mode::Error;
            return invocation.refuse("driver-error", "", "there is no source");
        }
        [source] => source.clone(),
        [_, second, ..] => {
            let second = second.clone();
            invocation.mode = Mode::Error;
            return invocation.refuse("driver-error", second, "there is one source too many");
        }
    };
    if source == "-" {
        return invocation.refuse("stdin-source", source, "the source comes by standard input");
    }
    if invocation.emits.is_empty() {
        invocation.emits.push((Emit::Link, None));
    }
    if invocation.name.is_none() || invocation.types.is_empty() && !invocation.test {
        match files.read(source.as_ref()) {
            Some(text) if attributes::name_the_crate(&text) => {
                invocation.refuse("crate-attributes", source, "the source itself says what the crate is");
            }
            Some(_) => {}
            None => invocation.refuse("missing-source", source, "whether it names the crate can't be read"),
        }
    }
    outputs::name_all(invocation);
}

impl CrateInvocation {
    /// Adds a refusal.
    fn refuse(&mut self, token: &'static str, argument: impl Into<OsString>, why: &'static str) {
        self.refusals.push(Refusal::new(token, argument, why));
    }
}
