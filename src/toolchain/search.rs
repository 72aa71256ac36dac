//! Search paths: lists of directories, and what is found on them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::ToolchainError;
use super::survey::Survey;
use crate::world::{Stat, World};

/// The directories of a `:`-list; an empty entry is the working directory.
pub(super) fn entries(world: &dyn World, list: Option<&OsStr>) -> Vec<PathBuf> {
    let list = list.map_or(&b""[..], OsStr::as_bytes);
    if list.is_empty() {
        return Vec::new();
    }
    list.split(|b| *b == b':').map(|entry| world.absolute(Path::new(OsStr::from_bytes(entry)))).collect()
}

/// The directories of `PATH`.
pub(super) fn path(world: &dyn World) -> Vec<PathBuf> {
    // What `execvp` takes when there is none.
    let list = world.environment().get("PATH").unwrap_or(OsStr::new("/bin:/usr/bin"));
    entries(world, Some(list))
}

/// The first program of a name on `PATH`; every place before it is watched.
///
/// # Errors
/// [`ToolchainError::MissingPart`].
pub(super) fn on_path(survey: &mut Survey<'_>, name: &Path) -> Result<PathBuf, ToolchainError> {
    let found = path(survey.world).into_iter().map(|directory| directory.join(name)).find(|candidate| {
        let stat = survey.look(candidate);
        stat.is_some_and(|stat| is_program(&stat))
    });
    found.ok_or_else(|| ToolchainError::MissingPart(name.to_string_lossy().into_owned()))
}

/// A program by the path that a driver gave: as it is, or looked up when it is only a name.
///
/// # Errors
/// [`ToolchainError::MissingPart`].
pub(super) fn resolve(survey: &mut Survey<'_>, given: &Path) -> Result<PathBuf, ToolchainError> {
    if given.as_os_str().as_bytes().contains(&b'/') {
        Ok(survey.world.absolute(given))
    } else {
        on_path(survey, given)
    }
}

/// Watches the places that are tried for any of these names, up to and with the one where it was
/// found. A prefix is put before the name as it is (`dir/`, `dir/triple-`).
///
/// Drivers list the same directory several times in different spellings; the first spelling is taken.
pub(super) fn watch_prefixes(
    survey: &mut Survey<'_>,
    prefixes: &[Vec<u8>],
    names: &[&str],
    found: Option<&Path>,
) {
    let mut known = BTreeSet::new();
    for prefix in prefixes {
        let directory = survey.world.absolute(Path::new(OsStr::from_bytes(prefix)));
        if !known.insert(survey.world.canonicalize(&directory).unwrap_or(directory)) {
            continue;
        }
        for name in names {
            let candidate = [prefix, name.as_bytes()].concat();
            let candidate = survey.world.absolute(Path::new(OsStr::from_bytes(&candidate)));
            survey.look(&candidate);
            if found == Some(&candidate) {
                return;
            }
        }
    }
}

/// The values of `-B` and `--prefix`.
pub(super) fn option_prefixes(options: &[OsString]) -> Vec<Vec<u8>> {
    let mut prefixes = Vec::new();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let option = option.as_bytes();
        let spellings: [&[u8]; 3] = [b"--prefix=", b"--prefix", b"-B"];
        match spellings.iter().find_map(|spelling| option.strip_prefix(*spelling)) {
            Some(b"") => prefixes.extend(rest.next().map(|value| value.as_bytes().to_vec())),
            Some(value) => prefixes.push(value.to_vec()),
            None => {}
        }
    }
    prefixes
}

/// Watches for values of `-B` to become directories: a driver takes one that is none for the beginning
/// of names.
pub(super) fn watch_missing_prefixes(survey: &mut Survey<'_>, options: &[OsString]) {
    for prefix in option_prefixes(options) {
        let path = survey.world.absolute(Path::new(OsStr::from_bytes(&prefix)));
        if survey.world.stat(&path).is_err() {
            survey.look(&path);
        }
    }
}

/// Whether this can be executed, as far as its mode tells.
pub(super) fn is_program(stat: &Stat) -> bool {
    stat.is_file() && stat.mode & 0o111 != 0
}
