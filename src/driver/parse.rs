//! What a command line means, and what can be told before the compiler itself is looked at.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::context::refused;
use super::{Aside, CompilerCall};
use crate::argparse::{self, Compiler, Family, Invocation};
use crate::planner::{self, environment};
use crate::world::World;

/// Reads response files.
pub(super) fn reader(world: &dyn World) -> impl Fn(&Path) -> Option<Vec<u8>> {
    |path| world.read(path).ok()
}

/// The compiler that the names tell: the one that it is called by, and the one that is behind it, for
/// `cc` and `c++` are links to one or the other.
pub(super) fn compiler(world: &dyn World, name: &OsStr, program: &Path) -> Option<Compiler> {
    let named = |path: &Path| path.file_name().and_then(argparse::compiler_from_name);
    let called = named(Path::new(name))?;
    // A name that says what it is is believed until the compiler itself was looked at.
    let name = name.as_encoded_bytes();
    if called.family == Family::Clang || name.ends_with(b"gcc") || name.ends_with(b"g++") {
        return Some(called);
    }
    let behind = world.canonicalize(program).ok().and_then(|path| named(&path));
    Some(Compiler { family: behind.unwrap_or(called).family, ..called })
}

/// Parses by the rules of the compiler that the name tells, and refuses what can be refused before
/// the compiler itself is looked at.
pub(super) fn invocation(world: &dyn World, name: &OsStr, call: &CompilerCall) -> Result<Invocation, Aside> {
    let Some(compiler) = compiler(world, name, &call.program) else {
        return Err(refused("unknown-compiler", name, "only gcc, clang and rustc are known"));
    };
    let forbidden = environment::refusals(world.environment());
    if !forbidden.is_empty() {
        return Err(Aside::Refused(forbidden));
    }
    let invocation = argparse::parse(&compiler, &call.args, &reader(world));
    planner::plan(&invocation).map_err(Aside::Refused)?;
    Ok(invocation)
}

/// What can be read only once (a pipe, a terminal) must be left to the compiler, and so must sources
/// that are not there.
pub(super) fn refuse_sources(world: &dyn World, invocation: &Invocation) -> Result<(), Aside> {
    let included = invocation.args.iter().filter(|arg| matches!(arg.name, "-include" | "-imacros"));
    let included = included.filter_map(|arg| arg.value.as_ref());
    let sources = invocation.sources.iter().map(|source| &source.path);
    let sources = sources.filter(|path| path.as_os_str() != "-").map(|path| (path, true));
    let names = sources.chain(included.map(|name| (name, false)));
    let mut missing = None;
    for (name, is_source) in names {
        match world.stat(Path::new(name)) {
            Ok(stat) if !stat.is_file() && !stat.is_dir() && name.as_os_str() != "/dev/null" => {
                return Err(refused("special-file", name, "it can be read only once"));
            }
            Err(_) if is_source => missing = missing.or(Some(name)),
            _ => {}
        }
    }
    match missing {
        Some(name) => Err(refused("missing-source", name, "the compiler will say so")),
        None => Ok(()),
    }
}

/// `$PWD` where it names the working directory, as gcc and clang take it; else the real path.
pub(super) fn directory(world: &dyn World) -> OsString {
    let named = world.environment().get("PWD").map(PathBuf::from).filter(|path| path.is_absolute());
    let cwd = world.cwd();
    let same = |path: &PathBuf| {
        path.as_os_str() == cwd.as_os_str()
            || match (world.stat(path), world.stat(cwd)) {
                (Ok(named), Ok(real)) => (named.device, named.inode) == (real.device, real.inode),
                _ => false,
            }
    };
    named.filter(same).unwrap_or_else(|| cwd.to_owned()).into_os_string()
}
