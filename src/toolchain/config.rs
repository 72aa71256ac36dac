//! Files that configure a driver, and the files that they include.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::error::ToolchainError;
use crate::world::World;

fn read(world: &dyn World, path: &Path) -> Result<Vec<u8>, ToolchainError> {
    world.read(path).map_err(|source| ToolchainError::Unreadable { path: path.to_owned(), source })
}

/// The names in `%include <name>` and `%include_noerr <name>` of a specs file.
///
/// # Errors
/// [`ToolchainError::Unreadable`].
pub(super) fn specs_includes(world: &dyn World, path: &Path) -> Result<Vec<OsString>, ToolchainError> {
    let name = |line: &[u8]| {
        let rest = line.trim_ascii_start().strip_prefix(b"%include")?;
        let rest = rest.strip_prefix(b"_noerr").unwrap_or(rest).trim_ascii();
        let name = rest.strip_prefix(b"<")?.strip_suffix(b">")?;
        Some(OsStr::from_bytes(name).to_owned())
    };
    Ok(read(world, path)?.split(|b| *b == b'\n').filter_map(name).collect())
}

/// The files in `@file` of a clang configuration file: relative ones stand beside it, and `<CFGDIR>` is
/// its directory. Words are taken apart at white space only, so a name with a space in it is one that is
/// not found.
///
/// # Errors
/// [`ToolchainError::Unreadable`].
pub(super) fn clang_includes(world: &dyn World, path: &Path) -> Result<Vec<PathBuf>, ToolchainError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let name = |word: &[u8]| {
        let bare: Vec<u8> = word.iter().copied().filter(|b| !matches!(b, b'"' | b'\'')).collect();
        let name = bare.strip_prefix(b"@")?;
        let name = match name.strip_prefix(b"<CFGDIR>") {
            Some(rest) => [directory.as_os_str().as_bytes(), rest].concat(),
            None => name.to_vec(),
        };
        Some(directory.join(OsString::from_vec(name)))
    };
    Ok(read(world, path)?.split(u8::is_ascii_whitespace).filter_map(name).collect())
}
