//! How the program was called, and which compiler it stands for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::argparse::compiler_from_name;
use crate::argparse::rustc::rust_tool_from_name;
use crate::world::{Stat, World};

/// A call of the program.
#[derive(Debug, Clone)]
pub struct Call {
    /// The program's own file (`/proc/self/exe`).
    pub executable: PathBuf,
    /// `argv[0]`.
    pub argv0: OsString,
    /// The arguments.
    pub args: Vec<OsString>,
}

/// A compiler's command line, to be baked or executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompilerCall {
    /// The compiler's file.
    pub program: PathBuf,
    /// `argv[0]` for it.
    pub argv0: OsString,
    /// The other arguments.
    pub args: Vec<OsString>,
}

/// What a call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// In Brioche's layout: the real compiler stands in `libexec`.
    Layout {
        /// The real compiler.
        compiler: PathBuf,
        /// The canonical path of its sysroot.
        sysroot: PathBuf,
    },
    /// As `brioche-cc COMPILER ARGS…`, or under a compiler's name.
    Compiler(CompilerCall),
    /// As `brioche-cc NAME ARGS…`, and there is no program of that name.
    Missing(OsString),
    /// As a tool of its own, or with no argument at all.
    Tool,
    /// Under a compiler's name, or in Brioche's layout, but what that takes is missing. Says what the
    /// wrapper of Brioche says today.
    Broken(String),
}

/// Tells how the program was called.
#[must_use]
pub fn who(world: &dyn World, call: &Call) -> Called {
    if let Some(called) = brioche_layout(world, &call.executable) {
        return called;
    }
    let name = Path::new(&call.argv0).file_name().unwrap_or_default();
    if is_compilers(name) {
        return masquerading(world, call, name);
    }
    let Some((first, rest)) = call.args.split_first() else { return Called::Tool };
    let args = rest.to_vec();
    match first.as_bytes() {
        // As after `env` or `nice`: what follows is a command line.
        b"--" => who(world, &Call { args, ..call.clone() }),
        option if option.starts_with(b"-") => Called::Tool,
        _ => match find(world, first, &call.executable) {
            Found::Program(program) => Called::Compiler(CompilerCall { program, argv0: first.clone(), args }),
            Found::Behind(program) => Called::Compiler(behind(program, args)),
            // A link of ours, named by its path as build tools remember it; or `brioche-cc` twice.
            Found::Ourselves if is_path(first) || !is_compilers(first) => {
                who(world, &Call { argv0: first.clone(), args, ..call.clone() })
            }
            Found::Ourselves | Found::Nothing => Called::Missing(first.clone()),
        },
    }
}

/// The program's own name.
const OWN_NAME: &str = "brioche-cc";

/// Whether a name is that of a compiler that we know.
fn is_compilers(name: &OsStr) -> bool {
    compiler_from_name(name).is_some() || rust_tool_from_name(name).is_some()
}

fn is_path(name: &OsStr) -> bool {
    name.as_bytes().contains(&b'/')
}

/// A call of the compiler that stands behind a name of ours: gcc looks for itself on `PATH` when it is called
/// by a bare name, and would find us.
fn behind(program: PathBuf, args: Vec<OsString>) -> CompilerCall {
    CompilerCall { argv0: program.clone().into_os_string(), program, args }
}

/// Where the libexec of Brioche's layout would be.
fn resources(executable: &Path) -> PathBuf {
    let prefix = executable.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    prefix.join("libexec").join("brioche-cc")
}

fn brioche_layout(world: &dyn World, executable: &Path) -> Option<Called> {
    let resources = resources(executable);
    world.stat(&resources).ok().filter(crate::world::Stat::is_dir)?;
    let name = executable.file_name()?;
    let compiler = resources.join(name);
    // Under its own name it stands for no compiler there either: `RUSTC_WRAPPER` of a toolchain in this layout.
    if name == OWN_NAME && world.stat(&compiler).is_err() {
        return None;
    }
    Some(match world.canonicalize(&resources.join("sysroot")) {
        Ok(sysroot) => Called::Layout { compiler, sysroot },
        Err(error) => {
            Called::Broken(format!("failed to get sysroot path from 'libexec/brioche-cc/sysroot': {error}"))
        }
    })
}

fn masquerading(world: &dyn World, call: &Call, name: &OsStr) -> Called {
    match find(world, name, &call.executable) {
        Found::Program(program) | Found::Behind(program) => {
            Called::Compiler(behind(program, call.args.clone()))
        }
        Found::Ourselves | Found::Nothing => Called::Broken(format!(
            "failed to find c resource dir: {}",
            resources(&call.executable).display()
        )),
    }
}

/// What a shell would run for a name.
enum Found {
    /// This.
    Program(PathBuf),
    /// Ourselves; but for us, this.
    Behind(PathBuf),
    /// Ourselves, and there is nothing else.
    Ourselves,
    /// There is no such program.
    Nothing,
}

/// The program that a shell would run for `name`, but for ourselves.
fn find(world: &dyn World, name: &OsStr, executable: &Path) -> Found {
    let mut ourselves = false;
    let usable = |path: PathBuf| {
        let stat = world.stat(&path).ok().filter(|stat| stat.is_file() && stat.mode & 0o111 != 0)?;
        let ours = is_ourselves(world, &path, &stat, executable);
        ourselves |= ours;
        (!ours).then_some(path)
    };
    let found = on_path(world, name).into_iter().find_map(usable);
    match found {
        Some(program) if ourselves => Found::Behind(program),
        Some(program) => Found::Program(program),
        None if ourselves => Found::Ourselves,
        None => Found::Nothing,
    }
}

/// The paths that a name stands for, in the order in which a shell tries them.
pub(super) fn on_path(world: &dyn World, name: &OsStr) -> Vec<PathBuf> {
    if is_path(name) {
        return vec![world.absolute(Path::new(name))];
    }
    let path = world.environment().get("PATH").unwrap_or(OsStr::new("/bin:/usr/bin")).to_owned();
    let directories = path.as_bytes().split(|b| *b == b':').map(|directory| match directory {
        b"" => world.cwd().to_owned(),
        named => world.absolute(Path::new(OsStr::from_bytes(named))),
    });
    let mut paths = Vec::new();
    for path in directories.map(|directory| directory.join(name)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// The file name at the end of a chain of links.
fn last_name(world: &dyn World, path: &Path) -> Option<OsString> {
    let mut path = path.to_owned();
    for _ in 0..16 {
        let Ok(target) = world.read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    path.file_name().map(OsStr::to_owned)
}

/// Whether this is our own file, or a copy of it under another name: two copies that took each other for
/// the compiler would call each other for ever.
fn is_ourselves(world: &dyn World, path: &Path, theirs: &Stat, executable: &Path) -> bool {
    let Ok(ours) = world.stat(executable) else { return false };
    let same_file = (theirs.device, theirs.inode) == (ours.device, ours.inode);
    let same_bytes = || match (world.read(path), world.read(executable)) {
        (Ok(theirs), Ok(ours)) => theirs == ours,
        _ => false,
    };
    same_file
        || last_name(world, path) == Some("brioche-cc".into())
        || theirs.size == ours.size && same_bytes()
}
