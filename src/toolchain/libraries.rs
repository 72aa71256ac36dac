//! Programs with the shared libraries that they load.
//!
//! Which file a library's name means is told by the program's own loader (`ld.so --list`, what `ldd`
//! does without running anything of the program). Doing the loader's work ourselves would mean its
//! cache's format, `LD_LIBRARY_PATH`, `RPATH` that is inherited and `RUNPATH` that is not, hardware
//! capabilities, audit modules and preloading, each as this very version of it has them: every
//! difference would be a library that we don't see. The loader is a part too.
//!
//! What it answers holds while the libraries are the same and nothing appears where it looked before:
//! its cache and its list of preloads, the directories of `LD_LIBRARY_PATH`, those of `RPATH` and
//! `RUNPATH`. Libraries that a program opens by itself while it runs (`gconv` modules, plugins) are
//! unknown here.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::elf::{self, Facts};
use super::error::ToolchainError;
use super::probe::{self, Program};
use super::search;
use super::survey::Survey;

/// Where the loaders look before they look at directories.
const LOADER_FILES: [&str; 2] = ["/etc/ld.so.cache", "/etc/ld.so.preload"];

/// Below each directory these are looked into first (the last five by glibc up to 2.36).
const CAPABILITIES: [&str; 8] = [
    "glibc-hwcaps/x86-64-v4",
    "glibc-hwcaps/x86-64-v3",
    "glibc-hwcaps/x86-64-v2",
    "tls",
    "tls/x86_64",
    "x86_64",
    "haswell",
    "atomics",
];

/// The libraries that a compiler of glibc's world has loaded before it loads any of its own.
const RUNTIME: [&[u8]; 7] = [
    b"libc.so.6",
    b"libdl.so.2",
    b"libgcc_s.so.1",
    b"libm.so.6",
    b"libpthread.so.0",
    b"librt.so.1",
    b"libutil.so.1",
];

/// Whether a library of these bytes, loaded into a compiler, brings no other with it.
#[must_use]
pub fn comes_alone(bytes: &[u8]) -> bool {
    let is_loaded = |name: &Vec<u8>| RUNTIME.contains(&name.as_slice()) || name.starts_with(b"ld-linux");
    elf::parse(bytes).is_some_and(|facts| facts.needed.iter().all(is_loaded))
}

/// Adds a program and the libraries that it loads.
///
/// # Errors
/// It is missing, cannot be read, is no program whose doings can be told, or lacks a library.
pub(super) fn add_program(survey: &mut Survey<'_>, name: &str, path: &Path) -> Result<Facts, ToolchainError> {
    let facts = survey.add_elf(name, path)?;
    match facts.interpreter() {
        Some(loader) => add_libraries(survey, name, path, &facts, &loader)?,
        None if facts.packed => {
            return Err(ToolchainError::Packed { name: name.to_owned(), path: path.to_owned() });
        }
        None => {}
    }
    Ok(facts)
}

/// Adds a shared library that a program with this loader opens, and the libraries that it loads.
///
/// # Errors
/// As [`add_program`].
pub(super) fn add_plugin(
    survey: &mut Survey<'_>,
    name: &str,
    path: &Path,
    loader: Option<&Path>,
) -> Result<(), ToolchainError> {
    let facts = survey.add_elf(name, path)?;
    loader.map_or(Ok(()), |loader| add_libraries(survey, name, path, &facts, loader))
}

fn add_libraries(
    survey: &mut Survey<'_>,
    name: &str,
    path: &Path,
    facts: &Facts,
    loader: &Path,
) -> Result<(), ToolchainError> {
    let unreadable = |source| ToolchainError::Unreadable { path: path.to_owned(), source };
    // The kernel resolves links before a program is loaded, so `$ORIGIN` is the directory of the file
    // itself; the loader, asked to list, takes the path as it gets it.
    let canonical = survey.world.canonicalize(path).map_err(unreadable)?;
    let loader_itself = Program { path: loader, argv0: loader.as_os_str() };
    let answer = probe::ask(survey.world, loader_itself, &["--list".into(), canonical.clone().into()], &[])?;
    let mut names = BTreeSet::new();
    let mut directories = origin_search(facts, &canonical);
    for line in answer.out.split(|b| *b == b'\n') {
        match listed(line) {
            Listed::File(soname, file) => {
                let part = format!("{name}:{}", soname.to_string_lossy());
                let facts = survey.add_elf(&part, &file)?;
                directories.extend(origin_search(&facts, &file));
                names.insert(soname);
            }
            Listed::Missing(soname) => {
                let library = soname.to_string_lossy().into_owned();
                return Err(ToolchainError::MissingLibrary { program: path.to_owned(), library });
            }
            Listed::Nothing => {}
        }
    }
    for file in LOADER_FILES {
        survey.look(Path::new(file));
    }
    let preloads = survey.world.environment().get("LD_PRELOAD").unwrap_or_default();
    for preload in preloads.as_bytes().split(|b| matches!(b, b' ' | b':')).filter(|p| !p.is_empty()) {
        let preload = Path::new(OsStr::from_bytes(preload));
        if preload.as_os_str().as_bytes().contains(&b'/') {
            survey.look(preload);
        } else {
            names.insert(preload.into());
        }
    }
    for directory in directories {
        watch_directory(survey, &directory);
    }
    watch_by_name(survey, loader, &names);
    Ok(())
}

fn origin_search(facts: &Facts, file: &Path) -> BTreeSet<PathBuf> {
    file.parent().map(|origin| facts.search(origin)).unwrap_or_default().into_iter().collect()
}

/// A directory of a program's own search path: they are few and change seldom, so the directory as a
/// whole is watched.
fn watch_directory(survey: &mut Survey<'_>, directory: &Path) {
    if survey.look(directory).is_none() {
        return;
    }
    for below in CAPABILITIES.map(|below| directory.join(below)) {
        // One that is missing shows in the directory when it comes.
        if survey.world.stat(&below).is_ok() {
            survey.look(&below);
        }
    }
}

/// The user's directories may be those that a build fills, so only the names that count are watched.
fn watch_by_name(survey: &mut Survey<'_>, loader: &Path, names: &BTreeSet<OsString>) {
    let list = survey.world.environment().get("LD_LIBRARY_PATH").unwrap_or_default().as_bytes();
    let list: Vec<u8> = list.iter().map(|b| if *b == b';' { b':' } else { *b }).collect();
    let mut directories = search::entries(survey.world, Some(OsStr::from_bytes(&list)));
    if let Some(rest) = loader.file_name().and_then(|n| n.to_str()?.strip_prefix("ld-musl-")) {
        // musl has no cache: a list of directories in a file, or these.
        survey.look(Path::new(&format!("/etc/ld-musl-{}.path", rest.trim_end_matches(".so.1"))));
        directories.extend(["/lib", "/usr/local/lib", "/usr/lib"].map(PathBuf::from));
    }
    for directory in directories {
        for below in CAPABILITIES.into_iter().chain([""]) {
            for name in names {
                survey.look(&directory.join(below).join(name));
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Listed {
    File(OsString, PathBuf),
    Missing(OsString),
    Nothing,
}

/// A line of the list: `\tNAME => /PATH (0xADDRESS)`, `\t/PATH (0xADDRESS)`, `\tNAME => not found`, or
/// something that is no file (`linux-vdso.so.1 (0x…)`, `statically linked`).
fn listed(line: &[u8]) -> Listed {
    let line = line.trim_ascii();
    let arrow = b" => ";
    let (name, rest) = match line.windows(arrow.len()).position(|w| w == arrow) {
        Some(at) => (line.get(..at), line.get(at + arrow.len()..)),
        None => (None, Some(line)),
    };
    let Some(rest) = rest else { return Listed::Nothing };
    if let (Some(name), b"not found") = (name, rest) {
        return Listed::Missing(OsStr::from_bytes(name).to_owned());
    }
    let address = b" (0x";
    let end = rest.windows(address.len()).rposition(|w| w == address).unwrap_or(rest.len());
    let path = Path::new(OsStr::from_bytes(rest.get(..end).unwrap_or(rest)));
    match path.file_name() {
        Some(own) if path.is_absolute() => {
            let name = name.map_or(own, OsStr::from_bytes);
            Listed::File(Path::new(name).file_name().unwrap_or(own).to_owned(), path.to_owned())
        }
        _ => Listed::Nothing,
    }
}
