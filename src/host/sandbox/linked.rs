//! A program with what it loads: what has to be taken along for it to run elsewhere.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::read::elf::{FileHeader, ProgramHeader};

use super::error::SandboxError;
use crate::world::{self, Command, Environment, Stdin, World};

/// What a program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Linked {
    /// Nothing: it is static, or it is a script.
    Alone,
    /// A loader, and libraries: each with the name by which it is asked for.
    Dynamic {
        /// The loader's path as the program names it.
        loader: PathBuf,
        /// The libraries, without the loader.
        libraries: Vec<(OsString, PathBuf)>,
    },
}

/// Looks at a program (or at a library that a program with this loader opens).
pub(crate) fn linked(world: &dyn World, path: &Path, loader: Option<&Path>) -> Result<Linked, SandboxError> {
    let bytes = world.read(path).map_err(SandboxError::io("read", path))?;
    let own = interpreter(&bytes);
    let Some(loader) = own.as_deref().or(loader) else { return Ok(Linked::Alone) };
    let wrong = |why: String| SandboxError::Root { program: path.to_owned(), why };
    // So that `$ORIGIN` is where the file itself is.
    let real = world.canonicalize(path).map_err(SandboxError::io("resolve", path))?;
    let command = Command {
        program: loader.to_owned(),
        argv0: None,
        args: vec!["--list".into(), real.into()],
        environment: Environment::default(),
        cwd: "/".into(),
        stdin: Stdin::Empty,
        terminal: false,
    };
    let (exit, out, err) = world::output(world, &command).map_err(SandboxError::io("run", loader))?;
    if !exit.success() {
        return Err(wrong(String::from_utf8_lossy(&err).trim().to_owned()));
    }
    let mut libraries = Vec::new();
    for line in out.split(|b| *b == b'\n') {
        match listed(line) {
            Some((name, Some(file))) if !same(world, &file, loader) => libraries.push((name, file)),
            Some((_, Some(_))) | None => {}
            Some((name, None)) => return Err(wrong(format!("it lacks {}", name.display()))),
        }
    }
    Ok(Linked::Dynamic { loader: loader.to_owned(), libraries })
}

fn same(world: &dyn World, one: &Path, other: &Path) -> bool {
    one == other || world.canonicalize(one).ok() == world.canonicalize(other).ok()
}

/// The loader that an ELF program asks for.
fn interpreter(bytes: &[u8]) -> Option<PathBuf> {
    let of = |found: &[u8]| PathBuf::from(OsStr::from_bytes(found));
    match object::FileKind::parse(bytes).ok()? {
        object::FileKind::Elf64 => asked::<object::elf::FileHeader64<Endianness>>(bytes).map(of),
        object::FileKind::Elf32 => asked::<object::elf::FileHeader32<Endianness>>(bytes).map(of),
        _ => None,
    }
}

fn asked<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<&[u8]> {
    let header = H::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).ok()?;
    segments.iter().find_map(|segment| segment.interpreter(endian, bytes).ok().flatten())
}

/// A line of the loader's list: `NAME => /PATH (0x…)`, `/PATH (0x…)`, `NAME => not found`.
fn listed(line: &[u8]) -> Option<(OsString, Option<PathBuf>)> {
    let text = line.trim_ascii();
    let (name, rest) = match text.windows(4).position(|window| window == b" => ") {
        Some(at) => (text.get(..at)?, text.get(at + 4..)?),
        None => (text, text),
    };
    if rest == b"not found" {
        return Some((OsStr::from_bytes(name).to_owned(), None));
    }
    let end = rest.windows(4).rposition(|window| window == b" (0x").unwrap_or(rest.len());
    let path = Path::new(OsStr::from_bytes(rest.get(..end)?));
    let name = Path::new(OsStr::from_bytes(name)).file_name()?;
    if !path.is_absolute() {
        return None;
    }
    let name = if name.as_bytes().ends_with(b")") { path.file_name()? } else { name };
    Some((name.to_owned(), Some(path.to_owned())))
}
