//! Which compiler is this? Its identity by content: the driver, the programs that it runs (`cc1`,
//! `as`, `collect2`, the linker, …), the files that configure them (specs, clang configuration files)
//! and every shared library that any of them loads.
//!
//! | enters the digest | how it is found |
//! |---|---|
//! | family, C or C++ driver, version | `--version`, `-dumpfullversion -dumpversion` |
//! | the driver | the request |
//! | gcc: `cc1`, `cc1plus`, `cc1obj`, `cc1objplus`, `as` | `-print-prog-name=`, then `PATH` |
//! | gcc, where it links: `collect2`, `ld`, `lto-wrapper`, `lto1`, the LTO plugin | the same, `-print-file-name=` |
//! | gcc: specs, the files that they include | `-print-file-name=` |
//! | clang: the programs beside itself, a linker's plugin | `-###` |
//! | clang: configuration files, the files that they include | `Configuration file:` |
//! | clang: the sanitizers' own lists | `-print-resource-dir` |
//! | clang: which distribution this is | `/etc/os-release` and the like |
//! | the libraries of each program, its loader among them | the loader's `--list` |
//!
//! Names and bytes enter, paths do not: the same compiler at another place is the same compiler.
//! Headers, start files and run-time libraries are no parts of it: they are inputs of the compile or
//! of the link.
//!
//! Finding all this takes a dozen processes and reads every byte once, so it is remembered (see
//! [`Memo`]) with the identity of each file and with every place that was looked at in vain. As long
//! as one `stat` of each says the same, the answer is the same.

mod clang;
mod config;
mod cpu;
mod driver;
mod elf;
mod encoding;
mod error;
mod gcc;
mod libraries;
mod memo;
mod probe;
mod program;
mod record;
mod request;
mod search;
mod survey;
mod version;
mod watch;

pub use cpu::cpu_identity;
pub use error::ToolchainError;
pub use libraries::comes_alone;
pub use memo::Memo;
pub use program::{Program, identify_helper, identify_library, identify_program};
pub use request::{Frontend, Part, Request, Toolchain};

use crate::argparse::Family;
use crate::world::World;
use survey::Survey;

/// A compiler that is being replaced may be seen half old, half new; after this many looks we give up.
const ATTEMPTS: usize = 3;

/// Identifies the compiler that serves a request.
///
/// When the memo knows the answer, this runs no program and reads no file: it stats each part and
/// each place where a part could newly appear.
///
/// # Errors
/// [`ToolchainError`]: there is no such compiler, or it is one whose identity cannot be told.
pub fn identify(
    world: &dyn World,
    memo: &dyn Memo,
    request: &Request<'_>,
) -> Result<Toolchain, ToolchainError> {
    let name = record::name(world, request);
    if let Some(known) = memo.load(&name).and_then(|bytes| record::restore(world, memo, &name, &bytes)) {
        return Ok(known);
    }
    for _ in 0..ATTEMPTS {
        let mut survey = Survey::new(world, memo);
        let toolchain = survey_all(&mut survey, request)?;
        if survey.watch.holds(world) {
            memo.save(&name, &record::store(world, &name, &toolchain, &survey.watch));
            return Ok(toolchain);
        }
    }
    Err(ToolchainError::Changing(request.driver.to_owned()))
}

fn survey_all(survey: &mut Survey<'_>, request: &Request<'_>) -> Result<Toolchain, ToolchainError> {
    let driver = driver::examine(survey, request.driver)?;
    let compiler = version::compiler(survey.world, request)?;
    match compiler.family {
        Family::Gcc => gcc::survey(survey, request, &driver)?,
        Family::Clang => clang::survey(survey, request, &driver)?,
    }
    Ok(Toolchain::new(compiler, std::mem::take(&mut survey.parts)))
}
