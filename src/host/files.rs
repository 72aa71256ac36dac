//! Files by opened directories: what happens to the paths meanwhile does not matter.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, RenameFlags, Timespec, Timestamps, flock, mkdirat,
    openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::error::HostError;
use crate::world::Stat;

/// An entry of an opened directory.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The directory.
    pub directory: BorrowedFd<'a>,
    /// The entry's name; `.` for the directory itself.
    pub name: &'a OsStr,
    /// What errors call it.
    pub shown: &'a Path,
}

/// 2000-01-01, the time of every file that a process is given.
pub(super) const EPOCH: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 946_684_800, tv_nsec: 0 },
    last_modification: Timespec { tv_sec: 946_684_800, tv_nsec: 0 },
};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a directory by its path, links followed.
pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, HostError> {
    openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(HostError::io("open the directory", path))
}

/// Opens a directory that is an entry of another; a link is none.
pub(super) fn open_directory_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat(directory, name, DIRECTORY, Mode::empty())
}

/// Makes a directory and opens it.
pub(super) fn make_directory_at(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    mode: u32,
) -> Result<OwnedFd, Errno> {
    mkdirat(directory, name, Mode::from_raw_mode(mode))?;
    open_directory_at(directory, name)
}

/// The names in a directory, sorted.
pub(super) fn names(directory: BorrowedFd<'_>) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !is_dot(entry.file_name()) {
            names.push(OsString::from_vec(entry.file_name().to_bytes().to_vec()));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// What stands at a name; a link itself.
pub(super) fn look(directory: BorrowedFd<'_>, name: &OsStr) -> Result<Stat, Errno> {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| from_system(&stat))
}

/// The same, and the user whose it is.
pub(super) fn look_owned(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(Stat, u32), Errno> {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| (from_system(&stat), stat.st_uid))
}

/// The `stat` of an open file, and the user whose it is.
pub(super) fn look_open(file: impl AsFd) -> Result<(Stat, u32), Errno> {
    let stat = rustix::fs::fstat(file)?;
    Ok((from_system(&stat), stat.st_uid))
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "other platforms have other types"
)]
fn from_system(stat: &rustix::fs::Stat) -> Stat {
    let time = |seconds: i64, nanos: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Stat {
        device: stat.st_dev.into(),
        inode: stat.st_ino.into(),
        mode: stat.st_mode.into(),
        links: stat.st_nlink.into(),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: time(stat.st_mtime.into(), stat.st_mtime_nsec.try_into().unwrap_or(0)),
        changed: time(stat.st_ctime.into(), stat.st_ctime_nsec.try_into().unwrap_or(0)),
    }
}

/// A name that nobody else uses, hidden from most.
pub(super) fn temporary_name() -> OsString {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0_u8; 8];
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".brioche-host-{:016x}-{count}", u64::from_le_bytes(random)).into()
}

/// Gives something its name, where nothing may stand yet.
pub(super) fn settle(directory: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE)
}

/// Removes whatever stands at a name, with all that is in it. Needs two descriptors and no stack, however deep
/// the tree is: what is in a directory below is brought up before it is removed.
pub(super) fn remove(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(Errno::NOENT) => return Ok(()),
        other => return other,
    }
    let top = open_to_empty(directory, name)?;
    let mut moved = 0_u64;
    loop {
        let names = names(top.as_fd())?;
        if names.is_empty() {
            break;
        }
        for name in names {
            remove_one(top.as_fd(), &name, &mut moved)?;
        }
    }
    unlinkat(directory, name, AtFlags::REMOVEDIR)
}

/// Removes an entry of the tree's top; a directory's own directories become entries of the top.
fn remove_one(top: BorrowedFd<'_>, name: &OsStr, moved: &mut u64) -> Result<(), Errno> {
    match unlinkat(top, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return other,
    }
    if unlinkat(top, name, AtFlags::REMOVEDIR).is_ok() {
        return Ok(());
    }
    let below = open_to_empty(top, name)?;
    for inner in names(below.as_fd())? {
        match unlinkat(&below, &inner, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => bring_up(below.as_fd(), &inner, top, moved)?,
            other => other?,
        }
    }
    unlinkat(top, name, AtFlags::REMOVEDIR)
}

fn bring_up(from: BorrowedFd<'_>, name: &OsStr, top: BorrowedFd<'_>, moved: &mut u64) -> Result<(), Errno> {
    // To give a directory another parent one must be able to write to it.
    let _ = open_to_empty(from, name)?;
    loop {
        *moved += 1;
        match renameat_with(from, name, top, format!("\u{1}{moved}"), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            other => return other,
        }
    }
}

/// Opens a directory of which everything is to be removed, whatever its mode was.
fn open_to_empty(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let all = Mode::RWXU;
    match open_directory_at(directory, name) {
        Ok(opened) => {
            // Not ours to change, and perhaps no need to.
            let _ = rustix::fs::fchmod(&opened, all);
            Ok(opened)
        }
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(directory, name, all, AtFlags::empty())?;
            open_directory_at(directory, name)
        }
        Err(error) => Err(error),
    }
}

/// Locks a file; `None` when somebody else has it.
pub(super) fn lock(file: &File, how: FlockOperation) -> io::Result<Option<()>> {
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(Some(())),
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether these bytes can be the name of an entry.
pub(super) fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && name.len() <= 255 && !name.contains(&b'/') && !name.contains(&0)
}

/// The bytes as a name.
pub(super) fn as_name(name: &[u8]) -> Result<&OsStr, HostError> {
    if is_name(name) {
        Ok(OsStr::from_bytes(name))
    } else {
        Err(HostError::BadName(String::from_utf8_lossy(name).chars().take(80).collect()))
    }
}
