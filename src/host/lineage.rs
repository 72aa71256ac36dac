//! Which process asked for which bake, and what came of it.
//!
//! A log of lines, each a newline, JSON, a space and eight hexadecimal digits of the JSON's BLAKE3, appended in
//! one write: a line that is cut off when a host is killed spoils itself alone. A log that is long takes the
//! place of the one before it, so two at most are kept. What a bake's processes wrote is a blob in the store,
//! named by its digest.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::engine::Baking;
use super::error::HostError;
use super::files;
use crate::recipe::digest::{BlobDigest, RecipeHash};
use crate::store::Store;

/// A log that is longer makes room for a new one.
const LONG: u64 = 16 << 20;

/// What came of a bake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was baked before.
    Hit,
    /// It was baked.
    Baked,
    /// It was being baked for somebody else.
    Joined,
    /// Its process failed.
    Failed,
    /// Something was broken, or nobody waited.
    Error,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The recipe of the process that asked, if it has one.
    pub outer: Option<String>,
    /// The recipe that was asked for.
    pub inner: String,
    /// The complete process that it became, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub complete: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// How long the process ran when it was baked, milliseconds.
    pub took: u64,
    /// The digest of what its processes wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log: Option<String>,
}

impl Entry {
    /// The names of the columns of an entry as it is displayed.
    pub const HEADER: &str = "when           for whom     outcome  process recipe";
}

impl std::fmt::Display for Entry {
    /// When (seconds since 1970), the start of the hash of who asked, what came of it, how long the process ran,
    /// the hash of what was asked for.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, outer, inner, complete: _, outcome, took, log: _ } = self;
        let outer = outer.as_ref().and_then(|hex| hex.get(..12)).unwrap_or("-");
        let outcome = match outcome {
            Outcome::Hit => "hit",
            Outcome::Baked => "baked",
            Outcome::Joined => "joined",
            Outcome::Failed => "failed",
            Outcome::Error => "error",
        };
        write!(f, "{}.{:03} {outer:12} {outcome:6} {took:6} ms {inner}", at / 1000, at % 1000)
    }
}

/// A bake that was asked for.
pub(crate) struct Asked {
    at: i64,
    outer: Option<RecipeHash>,
    inner: RecipeHash,
    complete: Option<RecipeHash>,
    outcome: Outcome,
    took: u64,
    log: Option<BlobDigest>,
}

impl Asked {
    pub(crate) fn new(
        baking: &Baking<'_>,
        inner: RecipeHash,
        complete: Option<RecipeHash>,
        outcome: Outcome,
        took: u64,
        log: Option<BlobDigest>,
    ) -> Self {
        let at = i64::try_from(baking.engine.world.now() / 1_000_000).unwrap_or(0);
        Self { at, outer: baking.order.outer, inner, complete, outcome, took, log }
    }
}

/// The log, in a directory of its own.
#[derive(Debug, Clone)]
pub struct Lineage {
    dir: PathBuf,
    store: Arc<Store>,
}

impl Lineage {
    /// The one in this directory.
    #[must_use]
    pub fn new(dir: PathBuf, store: Arc<Store>) -> Self {
        Self { dir, store }
    }

    /// Adds a line. One that cannot be written is lost: nothing depends on it.
    pub(crate) fn add(&self, asked: &Asked) {
        let Asked { at, outer, inner, complete, outcome, took, log } = asked;
        let entry = Entry {
            at: *at,
            outer: outer.map(|hash| hash.to_hex()),
            inner: inner.to_hex(),
            complete: complete.map(|hash| hash.to_hex()),
            outcome: *outcome,
            took: *took,
            log: log.map(|digest| digest.to_hex()),
        };
        if !self.store.is_read_only() {
            let _ = self.append(&entry);
        }
    }

    fn append(&self, entry: &Entry) -> std::io::Result<()> {
        let json = serde_json::to_string(entry)?;
        let line = format!("\n{json} {}", checksum(&json));
        let path = self.dir.join("log");
        let open = || OpenOptions::new().append(true).create(true).open(&path);
        let mut file = open().or_else(|_| fs::create_dir_all(&self.dir).and_then(|()| open()))?;
        file.write_all(line.as_bytes())?;
        if file.metadata()?.len() > LONG {
            self.rotate()?;
        }
        Ok(())
    }

    fn rotate(&self) -> std::io::Result<()> {
        let path = self.dir.join("log");
        let lock = File::create(self.dir.join("lock"))?;
        let held = files::lock(&lock, FlockOperation::NonBlockingLockExclusive)?.is_some();
        if held && fs::metadata(&path)?.len() > LONG {
            fs::rename(&path, self.dir.join("log.old"))?;
        }
        Ok(())
    }

    /// All lines that are whole, the oldest first.
    ///
    /// # Errors
    /// When a log is there and cannot be read.
    pub fn read(&self) -> Result<Vec<Entry>, HostError> {
        let mut entries = Vec::new();
        for name in ["log.old", "log"] {
            let path = self.dir.join(name);
            let text = match fs::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(HostError::io("read", &path)(error)),
            };
            entries.extend(text.split(|b| *b == b'\n').filter_map(parse));
        }
        Ok(entries)
    }

    /// What the processes of a bake wrote, if it is still kept.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn log(&self, entry: &Entry) -> Result<Option<Vec<u8>>, HostError> {
        match entry.log.as_ref().and_then(|hex| hex.parse::<BlobDigest>().ok()) {
            Some(digest) => Ok(self.store.read_blob(&digest)?),
            None => Ok(None),
        }
    }
}

fn parse(line: &[u8]) -> Option<Entry> {
    let (json, sum) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    if sum != checksum(json) {
        return None;
    }
    serde_json::from_str(json).ok()
}

fn checksum(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..8].to_owned()
}
