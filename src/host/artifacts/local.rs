//! Directories on disk, to be mounted read-only into sandboxes: one tree for each artifact, made once.
//!
//! ```text
//! <dir>/<hash>          the tree: nobody may write, every time is 2000-01-01
//! <dir>/<hash>-pack.d   the resources of its files, where there are any
//! <dir>/<hash>.lock     held (shared) while the tree is in use; says how large it is; its time is that of use
//! ```
//!
//! A tree is written under another name, each byte verified, and renamed. What is *verified on read* for a blob
//! must be something else for a tree that is mounted, where no read passes through us: when a host first uses a
//! tree, it walks over it and compares device, inode, size, times and mode of every file with what it saw when
//! it had made it. The kernel sets a file's change time at each change, and no caller can choose it; so a tree that
//! looks the same has the same bytes, or the disk has lost them. One that looks different is hashed again, and
//! made anew if it *is* different. No process in a sandbox can write to it, since its mount is read-only and
//! what it could unmount there uncovers nothing. Who can write to it is the host's own user outside of
//! sandboxes, against the modes of all files; that user can as well replace the host.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File as OpenFile, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, Timespec, Timestamps, UTIME_NOW, futimens};

use super::remember::walk;
use super::{Artifacts, Owner};
use crate::host::error::HostError;
use crate::host::files::{self, Place};
use crate::recipe::digest::{ArtifactHash, RecordName};
use crate::recipe::{Artifact, Directory};
use crate::store::RecordKind;

use super::export::Look;

/// A tree on disk. It stays there while this lives.
#[derive(Debug)]
pub struct Local {
    path: PathBuf,
    resources: Option<PathBuf>,
    _lock: OpenFile,
}

impl Local {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the resources of its files are, if they have any.
    #[must_use]
    pub fn resources(&self) -> Option<&Path> {
        self.resources.as_deref()
    }
}

/// All trees of a host.
#[derive(Debug)]
pub struct Locals {
    pub(super) artifacts: Artifacts,
    pub(super) dir: PathBuf,
    pub(super) opened: OwnedFd,
    max_size: u64,
    known: Mutex<HashMap<ArtifactHash, Slot>>,
}

/// A tree's place in memory, locked while the tree is made.
type Slot = Arc<Mutex<Option<Arc<Local>>>>;

impl Locals {
    /// Those in this directory, which is made if need be; `max_size` bytes of them are kept, any number when
    /// it is zero.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(dir: PathBuf, artifacts: Artifacts, max_size: u64) -> Result<Self, HostError> {
        std::fs::create_dir_all(&dir).map_err(HostError::io("make the directory", &dir))?;
        let opened = files::open_directory(&dir)?;
        Ok(Self { artifacts, dir, opened, max_size, known: Mutex::default() })
    }

    /// The tree of a directory.
    ///
    /// # Errors
    /// [`HostError::Missing`], or when it cannot be written.
    pub fn get(&self, hash: &ArtifactHash, directory: &Directory) -> Result<Arc<Local>, HostError> {
        let slot = Arc::clone(lock(&self.known).entry(*hash).or_default());
        let mut known = lock(&slot);
        if let Some(local) = &*known {
            return Ok(Arc::clone(local));
        }
        let (local, grown) = self.find_or_make(hash, directory)?;
        let local = Arc::new(local);
        *known = Some(Arc::clone(&local));
        drop(known);
        if grown {
            self.trim(self.max_size)?;
        }
        Ok(local)
    }

    /// The tree that is there and in order, or a new one; whether it is new.
    fn find_or_make(&self, hash: &ArtifactHash, directory: &Directory) -> Result<(Local, bool), HostError> {
        /// A process that is being started has all our files, and so our locks, until it is another program.
        const TRIES: u32 = 100;
        let (mut made, mut tries) = (false, 0);
        loop {
            let file = self.hold(hash, FlockOperation::LockShared)?;
            if let Some(file) = file
                && self.is_whole(hash)?
            {
                let _ = futimens(&file, &JUST_NOW);
                return Ok((self.local(hash, file), made));
            }
            // Whoever makes it holds the lock alone; who comes second finds it made, or makes it.
            let Some(alone) = self.hold(hash, FlockOperation::NonBlockingLockExclusive)? else {
                tries += 1;
                if tries > 1 {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                if tries > TRIES {
                    let path = self.dir.join(hash.to_hex());
                    return Err(HostError::io("replace what is in use at", &path)(rustix::io::Errno::BUSY));
                }
                made = true;
                continue;
            };
            self.make(hash, directory, &alone)?;
            made = true;
        }
    }

    /// The lock of a tree; `None` when somebody else has it, or has just removed it.
    fn hold(&self, hash: &ArtifactHash, how: FlockOperation) -> Result<Option<OpenFile>, HostError> {
        let path = self.dir.join(format!("{hash}.lock"));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(HostError::io("open", &path))?;
        if files::lock(&file, how).map_err(HostError::io("lock", &path))?.is_none() {
            return Ok(None);
        }
        let ours = file.metadata().map_err(HostError::io("look at", &path))?;
        let there = std::fs::symlink_metadata(&path).ok();
        Ok(there.filter(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())).map(|_| file))
    }

    fn local(&self, hash: &ArtifactHash, lock: OpenFile) -> Local {
        let resources = self.dir.join(format!("{hash}-pack.d"));
        Local {
            path: self.dir.join(hash.to_hex()),
            resources: resources.is_dir().then_some(resources),
            _lock: lock,
        }
    }

    /// Whether a tree is there, with all that it had when it was made.
    fn is_whole(&self, hash: &ArtifactHash) -> Result<bool, HostError> {
        let Some(seen) = self.look(hash)? else { return Ok(false) };
        let store = self.artifacts.store();
        if store.load(RecordKind::Tree, &self.record(hash))?.is_some_and(|was| was == seen.as_bytes()) {
            return Ok(true);
        }
        // Copied, restored, or touched: what it is decides.
        let name = OsString::from(hash.to_hex());
        let shown = self.dir.join(&name);
        let place = Place { directory: self.opened.as_fd(), name: &name, shown: &shown };
        let same = self.artifacts.import(&place, Owner::Host).is_ok_and(|is| is == *hash);
        if same {
            let _ = store.save(RecordKind::Tree, &self.record(hash), seen.as_bytes());
        }
        Ok(same)
    }

    /// What a tree and its resources look like; `None` when there is none.
    fn look(&self, hash: &ArtifactHash) -> Result<Option<RecordName>, HostError> {
        let mut looks = Vec::new();
        for name in [hash.to_hex(), format!("{hash}-pack.d")] {
            let shown = self.dir.join(&name);
            match walk(&Place { directory: self.opened.as_fd(), name: OsStr::new(&name), shown: &shown }) {
                Ok(seen) => looks.extend_from_slice(seen.walk.as_bytes()),
                Err(HostError::NotThere(_)) if looks.is_empty() => return Ok(None),
                Err(HostError::NotThere(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(RecordName::of(&looks)))
    }

    /// The record of what a tree looks like, here.
    fn record(&self, hash: &ArtifactHash) -> RecordName {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"bakeplan local 1\0").update(hash.as_bytes());
        hasher.update(self.dir.as_os_str().as_encoded_bytes());
        hasher.finalize().into()
    }

    /// Makes a tree, in place of one that is damaged.
    fn make(&self, hash: &ArtifactHash, directory: &Directory, lock: &OpenFile) -> Result<(), HostError> {
        if self.is_whole(hash)? {
            return Ok(());
        }
        let main = OsString::from(hash.to_hex());
        let packs = OsString::from(format!("{hash}-pack.d"));
        let tree = OsString::from(format!("{hash}.tmp"));
        let resources = OsString::from(format!("{hash}-pack.tmp"));
        for name in [&main, &packs, &tree, &resources] {
            files::remove(self.opened.as_fd(), name)
                .map_err(HostError::io("remove", &self.dir.join(name)))?;
        }
        let made = self.fill(directory, &tree, &resources).and_then(|packed| {
            if packed {
                self.settle(&resources, &packs)?;
            }
            self.settle(&tree, &main)
        });
        for name in [&tree, &resources] {
            let _ = files::remove(self.opened.as_fd(), name);
        }
        made?;
        let shown = self.dir.join(&main);
        let seen = walk(&Place { directory: self.opened.as_fd(), name: &main, shown: &shown })?;
        let mut lock = lock;
        // A size that is not known counts as none.
        let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", seen.size));
        if let Some(look) = self.look(hash)? {
            self.artifacts.store().save(RecordKind::Tree, &self.record(hash), look.as_bytes())?;
        }
        Ok(())
    }

    /// Writes a tree and its resources; whether it has any.
    fn fill(&self, directory: &Directory, tree: &OsStr, resources: &OsStr) -> Result<bool, HostError> {
        let shown = self.dir.join(resources);
        let packs = files::make_directory_at(self.opened.as_fd(), resources, 0o755)
            .map_err(HostError::io("make the directory", &shown))?;
        let place = Place { directory: self.opened.as_fd(), name: tree, shown: &self.dir.join(tree) };
        let directory = Artifact::Directory(directory.clone());
        self.artifacts.write(&directory, &place, Look::Locked, Some(packs.as_fd()))?;
        let names = files::names(packs.as_fd()).map_err(HostError::io("list", &shown))?;
        Ok(!names.is_empty())
    }

    fn settle(&self, from: &OsStr, to: &OsStr) -> Result<(), HostError> {
        files::settle(self.opened.as_fd(), from, to)
            .map_err(HostError::io("put in place", &self.dir.join(to)))
    }

    /// Removes trees that nobody uses, those first that were used longest ago, until at most so many bytes are
    /// left. Zero removes none.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn trim(&self, max_size: u64) -> Result<(), HostError> {
        let mut trees = self.list()?;
        let mut size: u64 = trees.iter().map(|tree| tree.size).sum();
        if max_size == 0 || size <= max_size {
            return Ok(());
        }
        trees.sort_by_key(|tree| tree.used);
        for tree in trees {
            if size <= max_size - max_size / 10 {
                break;
            }
            if self.remove(&tree.hash)? {
                size -= tree.size;
            }
        }
        Ok(())
    }

    /// Removes a tree unless somebody uses it.
    fn remove(&self, hash: &ArtifactHash) -> Result<bool, HostError> {
        {
            let mut known = lock(&self.known);
            let idle = known.get(hash).is_none_or(|slot| {
                Arc::strong_count(slot) == 1
                    && lock(slot).as_ref().is_none_or(|local| Arc::strong_count(local) == 1)
            });
            if !idle {
                return Ok(false);
            }
            known.remove(hash);
        }
        let Some(_alone) = self.hold(hash, FlockOperation::NonBlockingLockExclusive)? else {
            return Ok(false);
        };
        // The lock goes last: who gets it afterwards sees that it is not the one at the path.
        for name in [hash.to_hex(), format!("{hash}-pack.d"), format!("{hash}.lock")] {
            let name = OsString::from(name);
            files::remove(self.opened.as_fd(), &name)
                .map_err(HostError::io("remove", &self.dir.join(&name)))?;
        }
        Ok(true)
    }

    fn list(&self) -> Result<Vec<Tree>, HostError> {
        let names = files::names(self.opened.as_fd()).map_err(HostError::io("list", &self.dir))?;
        Ok(names.iter().filter_map(|name| Tree::read(&self.dir, name)).collect())
    }

    /// Removes what hosts that were killed left half-made.
    pub(crate) fn sweep(&self) {
        for name in files::names(self.opened.as_fd()).unwrap_or_default() {
            let half =
                name.to_str().and_then(|name| name.strip_suffix("-pack.tmp").or(name.strip_suffix(".tmp")));
            let Some(hash) = half.and_then(|hash| hash.parse().ok()) else { continue };
            if let Ok(Some(_alone)) = self.hold(&hash, FlockOperation::NonBlockingLockExclusive) {
                let _ = files::remove(self.opened.as_fd(), &name);
            }
        }
    }
}

/// A tree as the directory lists it.
struct Tree {
    hash: ArtifactHash,
    size: u64,
    used: (i64, i64),
}

impl Tree {
    fn read(dir: &Path, name: &OsStr) -> Option<Self> {
        let hash = name.to_str()?.strip_suffix(".lock")?.parse().ok()?;
        let mut file = OpenFile::open(dir.join(name)).ok()?;
        let metadata = file.metadata().ok()?;
        let mut size = String::new();
        let _ = file.read_to_string(&mut size);
        let used = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { hash, size: size.trim().parse().unwrap_or(0), used })
    }
}

const JUST_NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
};

/// What a thread that panicked left is whole: it is written in one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
