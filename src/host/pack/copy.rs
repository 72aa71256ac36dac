//! Copies, made where nothing stands yet; what is there already stays.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::PackError;

/// Makes a directory and those above it.
pub(super) fn directory(path: &Path) -> Result<(), PackError> {
    fs::create_dir_all(path).map_err(PackError::io("make the directory", path))
}

fn parent(path: &Path) -> Result<(), PackError> {
    path.parent().map_or(Ok(()), directory)
}

/// Whether something stands there.
fn taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Copies a file, its executable bit too.
pub(super) fn file(from: &Path, to: &Path) -> Result<(), PackError> {
    if taken(to) {
        return Ok(());
    }
    parent(to)?;
    fs::copy(from, to).map_err(PackError::io("copy", from))?;
    let mode = fs::metadata(from).map_or(0, |m| m.permissions().mode());
    let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(PackError::io("change the mode of", to))
}

/// Writes a script.
pub(super) fn script(text: &str, to: &Path) -> Result<(), PackError> {
    if taken(to) {
        return Ok(());
    }
    parent(to)?;
    fs::write(to, text).map_err(PackError::io("write", to))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))
        .map_err(PackError::io("change the mode of", to))
}

/// Makes a link.
pub(super) fn link(target: impl AsRef<OsStr>, at: &Path) -> Result<(), PackError> {
    if taken(at) {
        return Ok(());
    }
    parent(at)?;
    symlink(target.as_ref(), at).map_err(PackError::io("make the link", at))
}

/// Copies a tree; links that stay within it as links, others as what they lead to, dangling ones not at all.
pub(super) fn tree(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), PackError> {
    directory(to)?;
    let entries = fs::read_dir(from).map_err(PackError::io("list", from))?;
    for entry in entries {
        let entry = entry.map_err(PackError::io("list", from))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if !wanted(&path) {
            continue;
        }
        let kind = entry.file_type().map_err(PackError::io("look at", &path))?;
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(PackError::io("read the link", &path))?;
            if target.components().count() == 1 && !target.is_absolute() {
                link(target, &place)?;
            } else if path.is_dir() {
                tree(&path, &place, wanted)?;
            } else if path.is_file() {
                file(&path, &place)?;
            }
        } else if kind.is_dir() {
            tree(&path, &place, wanted)?;
        } else if kind.is_file() {
            file(&path, &place)?;
        }
    }
    Ok(())
}
