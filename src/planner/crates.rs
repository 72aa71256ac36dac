//! The name of a crate's invocation, and the one table of what enters it: everything that is known of a
//! compile without reading a file. What the compile reads beside that stands in its manifest
//! ([`crate::manifest`]), recorded from the compiler itself.
//!
//! | field | what | why |
//! |---|---|---|
//! | `format` | the version of this table | a change of it is a decision |
//! | `toolchain` | digest over rustc (or clippy's driver) and the libraries that it loads | another compiler, another crate |
//! | `tool` | rustc or clippy's driver | |
//! | `arguments` | in order, names and values: all but what is left out below; in values, names stand for the directories of the build | |
//! | `processor` | the processor's model and features under `-C target-cpu=native` | |
//!
//! In the manifest, for each state of the world in which it was compiled:
//!
//! | what | why |
//! |---|---|
//! | sources, `include!`d files, other crates, native libraries, the standard library, target files, profiles: all that was read, by content | |
//! | what was looked for in vain: modules at their other place, libraries earlier in the search path | |
//! | the linker and all programs that were run, with their libraries, by content | they make the result |
//! | the names of crates in `-L` directories where crates are searched for by name | another one could be taken |
//! | variables that the compiler or a macro asked for, with their values (`env!`, `std::env::var`); all variables where a macro lists them | |
//! | the places that the result holds, or depends on: of the working directory, where metadata or debug information is made and it is not remapped; of any directory whose name stands in a result, or may where it can't be searched, or near which a macro reached something that is not below it, or above which clippy looked for its configuration | |
//!
//! Left out on purpose:
//!
//! | what | why |
//! |---|---|
//! | `--check-cfg`, where `--cap-lints allow` silences all lints | only a lint looks at it |
//! | `--color`, `--diagnostic-width`, `-v` | only the looks of diagnostics; a result that has any is told by them |
//! | `CARGO_MAKEFLAGS`, `MAKEFLAGS`, `MFLAGS` | the jobserver |
//! | `BRIOCHE_HOST_SOCKET_PATH`, `BRIOCHE_CC_SPAWN_RECIPES` | where a compile is baked |
//! | `RUST_BACKTRACE`, `RUST_LIB_BACKTRACE`, `RUST_MIN_STACK` | what a crash looks like |
//! | `TMPDIR`, `TMP`, `TEMP` | where files are that are gone again |
//! | `TERM`, `COLORTERM`, `LANG` and the like | only the looks of diagnostics |
//! | other `CARGO_*`, tokens of registries, `RUSTFLAGS` | nothing, unless they are asked for |
//! | other files of `-L dependency=` directories | a crate that a crate depends on is told by a hash |
//! | what is below the directory of `-C incremental` | the compiler's own memory; a result that continued an earlier session is not kept |
//!
//! A variable of this list counts as soon as the source asks for it by `env!` or `option_env!`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::key::{FieldWriter, KeyHasher, KeyRecord};
use crate::argparse::rustc::{CrateInvocation, CrateRole, CrateType, Emit};
use crate::paths::{Places, Spelling};
use crate::recipe::digest::{RecordName, ToolchainDigest};

/// Everything that the name of a crate's invocation is made of.
#[derive(Debug, Clone, Copy)]
pub struct CrateInputs<'a> {
    /// The invocation.
    pub invocation: &'a CrateInvocation,
    /// The compiler's identity.
    pub toolchain: ToolchainDigest,
    /// The directories of the build: [`places`].
    pub places: &'a Places,
    /// The processor, where the invocation asks for the native one; else empty.
    pub processor: &'a [u8],
}

/// Writes the fields: the table in this module's documentation.
pub fn write(inputs: &CrateInputs<'_>, writer: &mut dyn FieldWriter) {
    let CrateInputs { invocation, toolchain, places, processor } = *inputs;
    writer.field("format", &[b"crate 2"]);
    writer.field("toolchain", &[toolchain.as_bytes()]);
    writer.field("tool", &[invocation.tool.name().as_bytes()]);
    let enters = |role| match role {
        CrateRole::Input | CrateRole::Compile => true,
        CrateRole::Expect => !invocation.lints_silenced,
        CrateRole::Presentation => false,
    };
    let entering = invocation.args.iter().filter(|arg| enters(arg.role));
    let arguments: Vec<Vec<u8>> = entering
        .flat_map(|arg| {
            let value = places.named(arg.value.as_encoded_bytes(), Spelling::Plain);
            [arg.name.as_bytes().to_vec(), value]
        })
        .collect();
    writer.field("arguments", &slices(&arguments));
    writer.field("processor", &[processor]);
}

fn slices(values: &[Vec<u8>]) -> Vec<&[u8]> {
    values.iter().map(Vec::as_slice).collect()
}

/// The name of an invocation.
#[must_use]
pub fn invocation_name(inputs: &CrateInputs<'_>) -> RecordName {
    let mut hasher = KeyHasher::default();
    write(inputs, &mut hasher);
    RecordName::from_bytes(*hasher.finish().as_bytes())
}

/// The fields, kept.
#[must_use]
pub fn record(inputs: &CrateInputs<'_>) -> KeyRecord {
    let mut record = KeyRecord::default();
    write(inputs, &mut record);
    record
}

/// The arguments that only change how diagnostics look.
#[must_use]
pub fn presentation_arguments(invocation: &CrateInvocation) -> Vec<&[u8]> {
    let looks = invocation.args.iter().filter(|arg| arg.role == CrateRole::Presentation);
    looks.flat_map(|arg| [arg.name.as_bytes(), arg.value.as_encoded_bytes()]).collect()
}

/// The directories of a build that may stand elsewhere the next time, as far as a command line tells: the
/// working directory, `OUT_DIR`, where results go, where crates are taken from.
#[must_use]
pub fn places(invocation: &CrateInvocation, cwd: &Path, out_dir: Option<&OsStr>) -> Places {
    let parent = |path: &OsString| Path::new(path).parent().map(|parent| parent.as_os_str().to_owned());
    let named = invocation.emits.iter().filter_map(|(_, path)| path.as_ref());
    let externs = invocation.externs.iter().filter_map(|other| other.path.as_ref());
    let mut directories = vec![cwd.as_os_str().to_owned()];
    directories.extend(out_dir.map(OsStr::to_owned));
    directories.extend(invocation.out_dir.clone());
    directories.extend(invocation.output.iter().chain(named).filter_map(parent));
    directories.extend(invocation.searches.iter().map(|search| search.path.clone()));
    directories.extend(externs.filter_map(parent));
    directories.extend(invocation.incremental.clone());
    directories.extend(invocation.remaps.iter().map(|(from, _)| from.clone()));
    Places::new(directories.iter().map(OsString::as_os_str))
}

/// The places, by their index, on which a result depends whatever its bytes show.
#[must_use]
pub fn bound(invocation: &CrateInvocation, places: &Places, cwd: &Path) -> Vec<usize> {
    if invocation.rpath {
        return (0..places.directories().len()).collect();
    }
    let metadata = invocation.emits(Emit::Metadata)
        || invocation.emits(Emit::Link) && invocation.made().iter().copied().any(CrateType::has_metadata);
    let remapped = invocation.remaps.iter().any(|(from, _)| cwd.starts_with(from));
    let holds_cwd = (metadata || invocation.debug) && !remapped || invocation.opaque;
    places.index(cwd.as_os_str()).filter(|_| holds_cwd).into_iter().collect()
}
