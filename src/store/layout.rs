//! Where things stand on disk, and the marker that says which version wrote them.
//!
//! ```text
//! <dir>/VERSION                the version of this layout, a number
//! <dir>/CACHEDIR.TAG           tells backup programs to leave the directory out
//! <dir>/v1/blobs/ab/<hex>      blobs: the bytes alone, the name is their BLAKE3
//! <dir>/v1/compressed/ab/<hex>  the same, smaller: see `compress`
//! <dir>/v1/<kind>/ab/<hex>     records, each sealed by a checksum over kind, name and bytes
//! <dir>/v1/identity            remembered digests of files, a table of fixed size
//! <dir>/v1/statistics/         a log of events, and what older logs add up to
//! <dir>/v1/locks/<hex>         lock files, there only while somebody holds or awaits them
//! <dir>/v1/tmp/                files that are being written
//! <dir>/v1/gc.lock             held by the process that trims
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::files;
use crate::recipe::digest::{BlobDigest, RecordName};

/// The version of the layout and of every format in it.
pub(super) const VERSION: u32 = 1;

/// Tells what a record is for; each kind is a directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// What compiles of some preprocessed text produced: digests of outputs and diagnostics.
    Result,
    /// What an invocation read and looked for, and what came of it. These are the store's entries.
    Manifest,
    /// A compiler's identity.
    Toolchain,
    /// What a key was made of, for *explain*.
    Explanation,
    /// An artifact of a host: a tree over blobs.
    Artifact,
    /// Which artifact a recipe was baked to.
    Bake,
    /// What clients of a host noted for each other.
    Note,
    /// What a directory looked like when a host read or wrote it.
    Tree,
}

impl RecordKind {
    /// The name of the kind's directory.
    #[must_use]
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Result => "results",
            Self::Manifest => "manifests",
            Self::Toolchain => "toolchains",
            Self::Explanation => "explanations",
            Self::Artifact => "artifacts",
            Self::Bake => "bakes",
            Self::Note => "notes",
            Self::Tree => "trees",
        }
    }
}

/// The directory of the blobs.
pub(super) const BLOBS: &str = "blobs";
/// That of the blobs that are compressed.
pub(super) const COMPRESSED: &str = "compressed";
/// The directories below `v1/` that hold neither blobs nor records.
pub(super) const OWN: [&str; 3] = ["tmp", "locks", "statistics"];

/// The paths of one store.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    dir: PathBuf,
    root: PathBuf,
    pub(super) read_only: bool,
}

impl Layout {
    /// Looks at the marker; a directory that is not there yet is a store that is empty.
    pub(super) fn open(dir: PathBuf, read_only: bool) -> Result<Self, StoreError> {
        let marker = dir.join("VERSION");
        if let Some(bytes) = files::read(&marker)? {
            let found = String::from_utf8_lossy(&bytes).trim().to_owned();
            // Empty: its writer was stopped between creating and writing it.
            if !found.is_empty() && found != VERSION.to_string() {
                return Err(StoreError::Version { dir, found });
            }
        }
        let root = dir.join(format!("v{VERSION}"));
        Ok(Self { dir, root, read_only })
    }

    /// The directory as the user named it.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Everything of this version.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// An error unless the store may be written.
    pub(super) fn writable(&self) -> Result<(), StoreError> {
        if self.read_only { Err(StoreError::ReadOnly { dir: self.dir.clone() }) } else { Ok(()) }
    }

    pub(super) fn blob(&self, digest: &BlobDigest) -> PathBuf {
        self.sharded(BLOBS, &digest.to_hex())
    }

    /// Where a blob stands when it is compressed.
    pub(super) fn compressed(&self, digest: &BlobDigest) -> PathBuf {
        self.sharded(COMPRESSED, &digest.to_hex())
    }

    pub(super) fn record(&self, kind: RecordKind, name: &RecordName) -> PathBuf {
        self.sharded(kind.directory(), &name.to_hex())
    }

    fn sharded(&self, directory: &str, hex: &str) -> PathBuf {
        let mut path = PathBuf::with_capacity(self.root.as_os_str().len() + directory.len() + hex.len() + 8);
        path.push(&self.root);
        path.push(directory);
        path.push(&hex[..2]);
        path.push(hex);
        path
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn statistics(&self) -> PathBuf {
        self.root.join("statistics")
    }

    pub(super) fn identity(&self) -> PathBuf {
        self.root.join("identity")
    }

    pub(super) fn gc_lock(&self) -> PathBuf {
        self.root.join("gc.lock")
    }

    /// Makes the directories and the marker: done when a write finds them missing.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        self.writable()?;
        for name in OWN {
            make_dir(&self.root.join(name))?;
        }
        for (name, text) in [("VERSION", format!("{VERSION}\n")), ("CACHEDIR.TAG", CACHE_TAG.to_owned())] {
            let path = self.dir.join(name);
            // Two that do this at once write the same bytes.
            if fs::metadata(&path).map_or(true, |m| m.len() == 0) {
                fs::write(&path, text).map_err(StoreError::io("write", &path))?;
            }
        }
        Ok(())
    }

    /// A new temporary file on the store's file system. Its mode is what the umask leaves, so that
    /// users who share a store can mark each other's files as used.
    pub(super) fn temporary_file(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        self.writable()?;
        let dir = self.temporary();
        let new = || {
            tempfile::Builder::new()
                .prefix("")
                .permissions(fs::Permissions::from_mode(0o666))
                .rand_bytes(12)
                .tempfile_in(&dir)
        };
        match new() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.create()?;
                new()
            }
            other => other,
        }
        .map_err(StoreError::io("create a file in", &dir))
    }
}

/// Makes a directory and those above it.
pub(super) fn make_dir(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::io("create the directory", path))
}

/// The text that <https://bford.info/cachedir/> asks for.
const CACHE_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
# This directory holds a compile cache. Anything in it can be made again.\n";
