//! The store on disk: what comes back, what is damaged, who else is there.
#![allow(clippy::disallowed_methods, reason = "tests have an environment and a clock")]

mod compressed;
mod damage;
mod identity;
mod limits;
mod placing;
mod processes;
pub(crate) mod roles;
mod round_trip;
mod statistics;
mod unusable;

use std::fs;
use std::path::{Path, PathBuf};

use bakeplan::recipe::digest::RecordName;
use bakeplan::store::{Options, Store};

/// Large enough that nothing is trimmed.
const ROOMY: u64 = 1 << 30;

fn options(dir: &Path) -> Options {
    Options { dir: dir.to_owned(), max_size: ROOMY, read_only: false }
}

fn open(dir: &Path) -> Store {
    Store::open(options(dir)).expect("a store that can be opened")
}

fn open_limited(dir: &Path, max_size: u64) -> Store {
    Store::open(Options { max_size, ..options(dir) }).expect("a store that can be opened")
}

fn open_read_only(dir: &Path) -> Store {
    Store::open(Options { read_only: true, ..options(dir) }).expect("a store that can be opened")
}

fn name(of: &str) -> RecordName {
    RecordName::of(of.as_bytes())
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// All files below a directory, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else { return found };
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The only file below a directory.
fn only_file(dir: &Path) -> PathBuf {
    let mut found = files(dir);
    assert_eq!(found.len(), 1, "one file in {}: {found:?}", dir.display());
    found.remove(0)
}
