//! From the disk into the store.
//!
//! Everything is reached through opened directories, entry by entry, and no link is followed, so nothing that
//! happens to a name meanwhile can lead out of the tree. A file is opened once, and what is hashed is what is
//! stored, in one pass. Devices, FIFOs and sockets are refused, as are files of `/proc` and the like, which
//! have no bytes of their own.

use std::fs::File as OpenFile;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstatfs, openat, readlinkat};
use rustix::io::Errno;

use super::{Artifacts, below};
use crate::host::error::HostError;
use crate::host::files::{self, Place};
use crate::recipe::digest::{ArtifactHash, BlobDigest};
use crate::recipe::{Artifact, Directory, File};
use crate::store::Remembered;
use crate::world::Stat;

/// Directories within directories.
const DEPTH: usize = 128;
/// Entries of one import.
const ENTRIES: usize = 1 << 20;

/// Whether nobody waits any more.
pub(crate) type IsOver<'a> = &'a dyn Fn() -> bool;

/// A file that ends with an error once nobody waits for it.
struct Heeding<'a>(&'a mut OpenFile, IsOver<'a>);

impl Read for Heeding<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if (self.1)() { Err(std::io::Error::other("nobody waits for it")) } else { self.0.read(buffer) }
    }
}

/// On whose behalf files are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The host's own: what it can read.
    Host,
    /// A process of this user, who must be able to read each file: it is theirs, or anybody's to read.
    User(u32),
}

impl Owner {
    fn may_read(self, stat: &Stat, owner: u32) -> bool {
        match self {
            Self::Host => true,
            Self::User(user) => owner == user || stat.mode & 0o004 != 0,
        }
    }
}

/// One import.
pub(super) struct Import<'a> {
    artifacts: &'a Artifacts,
    owner: Owner,
    is_over: IsOver<'a>,
    entries: usize,
    /// The device whose file system was last looked at.
    device: Option<u64>,
}

impl Artifacts {
    /// Takes what stands at a place as an artifact.
    ///
    /// # Errors
    /// When there is nothing, or something that is no part of an artifact, or it cannot be read or kept.
    pub fn import(&self, place: &Place<'_>, owner: Owner) -> Result<ArtifactHash, HostError> {
        self.import_while(place, owner, &|| false)
    }

    /// The same, for somebody who may stop waiting: a file can be endless, and a tree nearly so.
    pub(crate) fn import_while(
        &self,
        place: &Place<'_>,
        owner: Owner,
        is_over: IsOver<'_>,
    ) -> Result<ArtifactHash, HostError> {
        Import { artifacts: self, owner, is_over, entries: 0, device: None }.entry(place, 0)
    }
}

impl Import<'_> {
    fn entry(&mut self, place: &Place<'_>, depth: usize) -> Result<ArtifactHash, HostError> {
        if (self.is_over)() {
            return Err(HostError::Cancelled);
        }
        self.entries += 1;
        if self.entries > ENTRIES {
            return Err(HostError::TooLarge { path: place.shown.to_owned(), why: "too many entries" });
        }
        let (stat, owner) =
            files::look_owned(place.directory, place.name).map_err(failed("look at", place.shown))?;
        let artifact = if stat.is_file() {
            // What is known by its `stat` is not opened.
            if self.owner.may_read(&stat, owner)
                && let Some(known) = self.known(&stat)?
            {
                return Ok(known);
            }
            Artifact::File(self.file(place)?)
        } else if stat.is_dir() {
            Artifact::Directory(self.directory(place, depth)?)
        } else if stat.is_symlink() {
            let target = readlinkat(place.directory, place.name, Vec::new())
                .map_err(failed("read the link", place.shown))?;
            Artifact::Symlink { target: target.into_bytes().into() }
        } else {
            let what = kind(stat.mode);
            return Err(HostError::SpecialFile { path: place.shown.to_owned(), what });
        };
        self.artifacts.save(&artifact)
    }

    fn directory(&mut self, place: &Place<'_>, depth: usize) -> Result<Directory, HostError> {
        if depth >= DEPTH {
            return Err(HostError::TooLarge { path: place.shown.to_owned(), why: "nested too deeply" });
        }
        let opened = files::open_directory_at(place.directory, place.name)
            .map_err(failed("open the directory", place.shown))?;
        let (stat, owner) = files::look_open(&opened).map_err(failed("look at", place.shown))?;
        if !self.owner.may_read(&stat, owner) {
            return Err(HostError::NotReadable(place.shown.to_owned()));
        }
        let mut directory = Directory::default();
        for name in files::names(opened.as_fd()).map_err(failed("list", place.shown))? {
            let shown = below(place.shown, name.as_bytes());
            let inner = Place { directory: opened.as_fd(), name: &name, shown: &shown };
            let hash = self.entry(&inner, depth + 1)?;
            directory.entries.insert(name.into(), hash);
        }
        Ok(directory)
    }

    fn file(&mut self, place: &Place<'_>) -> Result<File, HostError> {
        // Not to hang on a FIFO that has just taken the file's place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened =
            openat(place.directory, place.name, flags, Mode::empty()).map_err(failed("open", place.shown))?;
        let (stat, owner) = files::look_open(&opened).map_err(failed("look at", place.shown))?;
        if !stat.is_file() {
            let what = kind(stat.mode);
            return Err(HostError::SpecialFile { path: place.shown.to_owned(), what });
        }
        if !self.owner.may_read(&stat, owner) {
            return Err(HostError::NotReadable(place.shown.to_owned()));
        }
        if self.device != Some(stat.device) {
            real_files(opened.as_fd(), place.shown)?;
            self.device = Some(stat.device);
        }
        let digest = self.digest(OpenFile::from(opened), &stat, place.shown)?;
        Ok(File::new(digest, is_executable(&stat)))
    }

    /// The artifact of a file that was hashed once, and not changed since, whose bytes are in the store.
    fn known(&self, stat: &Stat) -> Result<Option<ArtifactHash>, HostError> {
        let Artifacts { store, recent, .. } = self.artifacts;
        let Some(digest) = store.identity().get(stat).map(|known| known.digest) else { return Ok(None) };
        let executable = is_executable(stat);
        if let Some(known) = recent.get(&digest, executable) {
            return Ok(Some(known));
        }
        if !store.has_blob(&digest) {
            return Ok(None);
        }
        let artifact = self.artifacts.save(&Artifact::File(File::new(digest, executable)))?;
        recent.add(digest, executable, artifact);
        Ok(Some(artifact))
    }

    /// The digest of a file whose bytes are in the store then.
    fn digest(&self, mut file: OpenFile, before: &Stat, shown: &Path) -> Result<BlobDigest, HostError> {
        let store = &self.artifacts.store;
        let read_at = self.artifacts.world.now();
        let mut bytes = Heeding(&mut file, self.is_over);
        let digest = if store.is_read_only() {
            // It can be named if it is there; if not, it can't be kept, and the store says so.
            let digest = BlobDigest::of_all(&mut bytes).map_err(HostError::io("read", shown));
            if digest.as_ref().is_ok_and(|digest| !store.has_blob(digest)) {
                store.put_blob(&[])?;
            }
            digest
        } else {
            store.put_blob_from(&mut bytes).map_err(HostError::from)
        };
        let digest = digest.map_err(|error| if (self.is_over)() { HostError::Cancelled } else { error })?;
        let (after, _) = files::look_open(&file).map_err(failed("look at", shown))?;
        // What others have found out about these bytes is theirs to keep.
        if after.same_content(before) && store.identity().get(before).is_none() {
            store.identity().put(before, read_at, &Remembered { digest, traits: u32::MAX, layout: u64::MAX });
        }
        Ok(digest)
    }
}

/// Whether a file is one in an artifact.
fn is_executable(stat: &Stat) -> bool {
    stat.mode & 0o100 != 0
}

/// Refuses what the kernel makes up while it is read.
fn real_files(file: BorrowedFd<'_>, shown: &Path) -> Result<(), HostError> {
    /// `proc`, `sysfs`, `cgroup`, `cgroup2`, `debugfs`, `tracefs`, `securityfs`, `bpf`, `devpts`.
    const MADE_UP: [u64; 9] = [
        0x9fa0,
        0x6265_6572,
        0x0027_e0eb,
        0x6367_7270,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0xcafe_4a11,
        0x1cd1,
    ];
    let system = fstatfs(file).map_err(failed("look at", shown))?;
    if MADE_UP.iter().any(|magic| i128::from(system.f_type) == i128::from(*magic)) {
        let what = "a file that the kernel makes up";
        return Err(HostError::SpecialFile { path: shown.to_owned(), what });
    }
    Ok(())
}

/// What a mode says that something is.
fn kind(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o020_000 | 0o060_000 => "a device",
        0o010_000 => "a FIFO",
        0o140_000 => "a socket",
        0o040_000 => "a directory now",
        _ => "something else now",
    }
}

/// For `map_err`.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(Errno) -> HostError {
    let path = path.to_owned();
    move |error| match error {
        Errno::NOENT => HostError::NotThere(path),
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::INVAL => {
            HostError::SpecialFile { path, what: "something else now" }
        }
        error => HostError::io(action, &path)(error),
    }
}
