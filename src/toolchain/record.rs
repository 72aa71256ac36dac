//! The record of an answer: the answer itself, and every place that it depends on.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::encoding::{Encoding, seal, unseal};
use super::memo::Memo;
use super::request::{Part, Request, Toolchain};
use super::watch::{self, Watch};
use crate::argparse::{Compiler, Family, Version};
use crate::recipe::digest::{BlobDigest, RecordName};
use crate::world::{DirectoryState, Stat, World};

/// The variables that choose programs, libraries or configuration files.
const VARIABLES: [&str; 8] = [
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "GLIBC_TUNABLES",
    "HOME",
    "LIBRARY_PATH",
    "LPATH",
    "PATH",
    "XDG_CONFIG_HOME",
];

/// Whatever starts so is read by the loader or by clang's driver.
const PREFIXES: [&[u8]; 3] = [b"LD_", b"CCC_", b"CLANG_"];

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    clang: bool,
    cxx: bool,
    version: (u16, u16),
    #[serde(borrow)]
    parts: Vec<(&'a str, &'a [u8], BlobDigest)>,
    #[serde(borrow)]
    places: Vec<Place<'a>>,
    #[serde(borrow)]
    absences: Vec<Absence<'a>>,
}

/// Names that were not there, in a directory whose times tell whether any of them is now.
#[derive(Serialize, Deserialize)]
struct Absence<'a> {
    directory: &'a [u8],
    state: DirectoryState,
    #[serde(borrow)]
    names: Vec<&'a [u8]>,
}

#[derive(Serialize, Deserialize)]
struct Place<'a> {
    path: &'a [u8],
    stat: Option<Stat>,
    digest: Option<BlobDigest>,
    settled: bool,
}

/// Those whose value is a list of paths: one that is relative or empty depends on the working directory.
const LISTS: [&str; 8] = [
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LIBRARY_PATH",
    "LPATH",
    "PATH",
];

/// The name under which the answer to a request is filed: everything that decides where is looked.
pub(super) fn name(world: &dyn World, request: &Request<'_>) -> RecordName {
    let Request { driver, argv0, cxx, options, frontends, links } = request;
    let mut encoding = Encoding::new("bakeplan toolchain record 2");
    encoding.field(driver.as_os_str().as_bytes());
    encoding.field(argv0.as_bytes());
    encoding.number(u64::from(*cxx));
    encoding.number(options.len() as u64);
    for option in *options {
        encoding.field(option.as_bytes());
    }
    let mut frontends = frontends.to_vec();
    frontends.sort_unstable();
    frontends.dedup();
    encoding.number(frontends.len() as u64);
    for frontend in frontends {
        encoding.number(frontend as u64);
    }
    encoding.number(u64::from(*links));
    let lists_depend_on_cwd = add_variables(world, &mut encoding);
    let argv0_is_relative = argv0.as_bytes().contains(&b'/') && !argv0.as_bytes().starts_with(b"/");
    let relative =
        argv0_is_relative || options.iter().any(|option| depends_on_cwd(option)) || lists_depend_on_cwd;
    if relative {
        encoding.field(world.cwd().as_os_str().as_bytes());
    }
    RecordName::of(encoding.bytes())
}

/// The name under which a program's answer is filed.
pub(super) fn program_name(world: &dyn World, program: &Path) -> RecordName {
    let mut encoding = Encoding::new("bakeplan program record 1");
    encoding.field(program.as_os_str().as_bytes());
    if add_variables(world, &mut encoding) {
        encoding.field(world.cwd().as_os_str().as_bytes());
    }
    RecordName::of(encoding.bytes())
}

/// Adds the variables that decide where is looked; whether one of them depends on the working directory.
fn add_variables(world: &dyn World, encoding: &mut Encoding) -> bool {
    let mut variables: Vec<_> = world.environment().iter().filter(|(name, _)| matters(name)).collect();
    variables.sort_unstable();
    encoding.number(variables.len() as u64);
    for (name, value) in &variables {
        encoding.field(name.as_bytes());
        encoding.field(value.as_bytes());
    }
    variables.iter().any(|(name, value)| is_list(name) && has_relative_entry(value))
}

fn matters(name: &OsStr) -> bool {
    VARIABLES.iter().any(|v| *v == name) || PREFIXES.iter().any(|p| name.as_bytes().starts_with(p))
}

/// Whether a variable is a list of paths.
fn is_list(name: &OsStr) -> bool {
    LISTS.iter().any(|list| *list == name)
}

fn has_relative_entry(list: &OsStr) -> bool {
    list.as_bytes().split(|b| *b == b':').any(|entry| !entry.starts_with(b"/"))
}

/// Whether an option may name a file relative to the working directory. When in doubt, it does.
fn depends_on_cwd(option: &OsStr) -> bool {
    let bytes = option.as_bytes();
    if let Some(at) = bytes.iter().position(|b| *b == b'/') {
        let before = bytes.get(..at).unwrap_or_default();
        return !(before.is_empty() || before.ends_with(b"=") || before == b"-B");
    }
    let plain: [&[u8]; 6] = [b"-m", b"-f", b"-p", b"-no-", b"--target=", b"-target"];
    !plain.iter().any(|prefix| bytes.starts_with(prefix))
}

/// The record of an answer.
pub(super) fn store(world: &dyn World, name: &RecordName, toolchain: &Toolchain, watch: &Watch) -> Vec<u8> {
    let Toolchain { digest: _, compiler, parts } = toolchain;
    store_parts(world, name, Some(*compiler), parts, watch)
}

/// The record of an answer about a compiler, or about another program.
pub(super) fn store_parts(
    world: &dyn World,
    name: &RecordName,
    compiler: Option<Compiler>,
    parts: &[Part],
    watch: &Watch,
) -> Vec<u8> {
    let (places, absences) = places(world, watch);
    let version = compiler.map(|compiler| compiler.version).unwrap_or_default();
    let record = Record {
        clang: compiler.is_some_and(|compiler| compiler.family == Family::Clang),
        cxx: compiler.is_some_and(|compiler| compiler.cxx),
        version: (version.0, version.1),
        parts: parts.iter().map(|p| (p.name.as_str(), bytes(&p.path), p.digest)).collect(),
        places,
        absences,
    };
    seal(name, &record)
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// The places one by one, and those where nothing was by the directory that would hold them.
fn places<'w>(world: &dyn World, watch: &'w Watch) -> (Vec<Place<'w>>, Vec<Absence<'w>>) {
    let mut absences: Vec<Absence<'w>> = Vec::new();
    let mut places = Vec::new();
    for (path, seen) in watch.iter() {
        let absent = if seen.stat.is_none() { absent_name(world, path) } else { None };
        match absent {
            Some((directory, state, name)) => {
                let directory = bytes(directory);
                match absences.iter_mut().find(|absence| absence.directory == directory) {
                    Some(absence) => absence.names.push(bytes(name)),
                    None => absences.push(Absence { directory, state, names: vec![bytes(name)] }),
                }
            }
            None => places.push(Place {
                path: bytes(path),
                stat: seen.stat,
                digest: seen.digest,
                settled: seen.settled,
            }),
        }
    }
    (places, absences)
}

/// The directory in which there is no such name, where its times tell; not behind a link that dangles.
fn absent_name<'p>(world: &dyn World, path: &'p Path) -> Option<(&'p Path, DirectoryState, &'p Path)> {
    let directory = path.parent()?;
    let stat = world.stat(directory).ok().filter(|stat| stat.is_settled(world.now()))?;
    let state = DirectoryState::of(&stat)?;
    world.lstat(path).is_err().then_some((directory, state, Path::new(path.file_name()?)))
}

fn still_absent(world: &dyn World, absence: &Absence<'_>) -> bool {
    let directory = Path::new(OsStr::from_bytes(absence.directory));
    let now = world.stat(directory).ok().and_then(|stat| DirectoryState::of(&stat));
    let is_gone = |name: &&[u8]| world.stat(&directory.join(OsStr::from_bytes(name))).is_err();
    now == Some(absence.state) || absence.names.iter().all(is_gone)
}

/// The answer in a record, if everything that it depends on is as it was.
///
/// A file whose stat had not settled when it was recorded is hashed again; once it has settled, the
/// record says so.
pub(super) fn restore(
    world: &dyn World,
    memo: &dyn Memo,
    name: &RecordName,
    bytes: &[u8],
) -> Option<Toolchain> {
    let record = still_holding(world, memo, name, bytes)?;
    let Record { clang, cxx, version: (major, minor), parts, .. } = record;
    let family = if clang { Family::Clang } else { Family::Gcc };
    let compiler = Compiler { family, cxx, version: Version(major, minor) };
    Some(Toolchain::new(compiler, parts.into_iter().map(part).collect()))
}

/// The parts of a program in a record, and the places where nothing was, under the same condition.
pub(super) fn restore_parts(
    world: &dyn World,
    memo: &dyn Memo,
    name: &RecordName,
    bytes: &[u8],
) -> Option<(Vec<Part>, Vec<PathBuf>)> {
    let Record { parts, places, absences, .. } = still_holding(world, memo, name, bytes)?;
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let mut absent: Vec<PathBuf> =
        places.into_iter().filter(|place| place.stat.is_none()).map(|place| path(place.path)).collect();
    for Absence { directory, names, .. } in absences {
        let directory = path(directory);
        absent.extend(names.into_iter().map(|name| directory.join(path(name))));
    }
    Some((parts.into_iter().map(part).collect(), absent))
}

fn part((name, path, digest): (&str, &[u8], BlobDigest)) -> Part {
    Part { name: name.to_owned(), path: PathBuf::from(OsStr::from_bytes(path)), digest }
}

/// A record, if everything that it depends on is as it was.
fn still_holding<'b>(
    world: &dyn World,
    memo: &dyn Memo,
    name: &RecordName,
    bytes: &'b [u8],
) -> Option<Record<'b>> {
    let mut record: Record<'b> = unseal(name, bytes)?;
    let now = world.now();
    let mut refreshed = false;
    for place in &mut record.places {
        let path = Path::new(OsStr::from_bytes(place.path));
        if !watch::same(world, path, place.stat.as_ref()) {
            return None;
        }
        if !place.settled {
            // Without a digest it is a directory or the like: nothing but its stat can be compared.
            let (stat, digest) = place.stat.zip(place.digest)?;
            if memo.digest(world, path, &stat).ok()? != digest || !watch::same(world, path, Some(&stat)) {
                return None;
            }
            place.settled = stat.is_settled(now);
            refreshed |= place.settled;
        }
    }
    if !record.absences.iter().all(|absence| still_absent(world, absence)) {
        return None;
    }
    if refreshed {
        memo.save(name, &seal(name, &record));
    }
    Some(record)
}
