//! Looking at what stands at a path, and asking for the time.

use crate::libc::{self, Stat, c_char, c_int, c_void, nr};
use crate::record::{Path, flag, note, redirect};
use crate::{errno, log, quietly, real};

/// Notes how a look went; `mode` is that of what was found.
fn looked(directory: c_int, path: *const c_char, found: bool, mode: u32) {
    if !found {
        note(log::MISSING, errno().unsigned_abs(), None, directory, path);
    } else if mode & libc::S_IFMT == libc::S_IFLNK {
        note(log::LINK, 0, None, directory, path);
    } else {
        note(log::PRESENT, mode, None, directory, path);
    }
}

unsafe fn stat_at(directory: c_int, path: *const c_char, stat: *mut Stat, flags: c_int) -> c_int {
    let done = match redirect(path) {
        // SAFETY: the caller's own arguments.
        Path::Is(place) => unsafe { libc::syscall(nr::NEWFSTATAT, directory, place, stat, flags) as c_int },
        Path::Absent => -1,
    };
    // SAFETY: a call that succeeded has written it.
    let mode = if done == 0 { unsafe { (*stat).mode } } else { 0 };
    looked(directory, path, done == 0, mode);
    done
}

macro_rules! stat {
    ($($name:ident $flags:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, stat: *mut Stat) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { stat_at(libc::AT_FDCWD, path, stat, $flags) }
        }
    )*};
}
const FOLLOW: c_int = 0;
const NOFOLLOW: c_int = libc::AT_SYMLINK_NOFOLLOW;
stat!(stat FOLLOW stat64 FOLLOW lstat NOFOLLOW lstat64 NOFOLLOW);

/// Those of glibc before 2.33, which begin with a version.
macro_rules! xstat {
    ($($name:ident $flags:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(_version: c_int, path: *const c_char, stat: *mut Stat) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { stat_at(libc::AT_FDCWD, path, stat, $flags) }
        }
    )*};
}
xstat!(__xstat FOLLOW __xstat64 FOLLOW __lxstat NOFOLLOW __lxstat64 NOFOLLOW);

macro_rules! fstatat {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(directory: c_int, path: *const c_char, stat: *mut Stat, flags: c_int) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { stat_at(directory, path, stat, flags) }
        }
    )*};
}
fstatat!(fstatat fstatat64);

macro_rules! fxstatat {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            _version: c_int,
            directory: c_int,
            path: *const c_char,
            stat: *mut Stat,
            flags: c_int,
        ) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { stat_at(directory, path, stat, flags) }
        }
    )*};
}
fxstatat!(__fxstatat __fxstatat64);

#[unsafe(no_mangle)]
unsafe extern "C" fn statx(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mask: u32,
    found: *mut u16,
) -> c_int {
    let done = match redirect(path) {
        // SAFETY: the caller's own arguments.
        Path::Is(place) => unsafe { libc::syscall(nr::STATX, directory, place, flags, mask, found) as c_int },
        Path::Absent => -1,
    };
    // SAFETY: a call that succeeded has written it; the mode stands at byte 28 (statx(2)).
    let mode = if done == 0 { unsafe { u32::from(*found.add(14)) } } else { 0 };
    looked(directory, path, done == 0, mode);
    done
}

/// Notes how a question for rights went.
fn asked(directory: c_int, path: *const c_char, place: *const c_char, done: c_int) -> c_int {
    let mode = quietly(|| {
        // SAFETY: all zeros is a `stat`; the path is the caller's.
        unsafe {
            let mut stat: Stat = core::mem::zeroed();
            libc::syscall(nr::NEWFSTATAT, directory, place, &raw mut stat, 0);
            stat.mode
        }
    });
    looked(directory, path, done == 0, mode);
    done
}

unsafe fn access_at(directory: c_int, path: *const c_char, rights: c_int) -> c_int {
    match redirect(path) {
        Path::Is(place) => {
            // SAFETY: the caller's own arguments.
            let done = unsafe { libc::syscall(nr::FACCESSAT, directory, place, rights) as c_int };
            asked(directory, path, place, done)
        }
        Path::Absent => {
            looked(directory, path, false, 0);
            -1
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn access(path: *const c_char, rights: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { access_at(libc::AT_FDCWD, path, rights) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn faccessat(directory: c_int, path: *const c_char, rights: c_int, flags: c_int) -> c_int {
    let done = real!(
        "faccessat" as fn(c_int, *const c_char, c_int, c_int) -> c_int, directory, path, rights, flags
    );
    asked(directory, path, path, done)
}

macro_rules! eaccess {
    ($($name:ident $text:literal)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, rights: c_int) -> c_int {
            let done = real!($text as fn(*const c_char, c_int) -> c_int, path, rights);
            asked(libc::AT_FDCWD, path, path, done)
        }
    )*};
}
eaccess!(eaccess "eaccess" euidaccess "euidaccess");

unsafe fn readlink_at(directory: c_int, path: *const c_char, buffer: *mut c_char, size: usize) -> isize {
    // SAFETY: the caller's own arguments.
    let length = unsafe { libc::syscall(nr::READLINKAT, directory, path, buffer, size) as isize };
    if length < 0 && errno() == libc::EINVAL {
        asked(directory, path, path, 0);
    } else {
        looked(directory, path, length >= 0, libc::S_IFLNK);
    }
    length
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readlink(path: *const c_char, buffer: *mut c_char, size: usize) -> isize {
    // SAFETY: the caller's own arguments.
    unsafe { readlink_at(libc::AT_FDCWD, path, buffer, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __readlink_chk(path: *const c_char, buffer: *mut c_char, size: usize, _room: usize) -> isize {
    // SAFETY: the caller's own arguments.
    unsafe { readlink_at(libc::AT_FDCWD, path, buffer, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readlinkat(directory: c_int, path: *const c_char, buffer: *mut c_char, size: usize) -> isize {
    // SAFETY: the caller's own arguments.
    unsafe { readlink_at(directory, path, buffer, size) }
}

/// Notes how resolving all links of a path went.
fn resolved(path: *const c_char, found: *mut c_char) -> *mut c_char {
    let missing = found.is_null();
    let (kind, argument) = if missing { (log::MISSING, errno().unsigned_abs()) } else { (log::RESOLVED, 0) };
    note(kind, argument, None, libc::AT_FDCWD, path);
    found
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realpath(path: *const c_char, buffer: *mut c_char) -> *mut c_char {
    let found = real!("realpath" as fn(*const c_char, *mut c_char) -> *mut c_char, path, buffer);
    resolved(path, found)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __realpath_chk(path: *const c_char, buffer: *mut c_char, room: usize) -> *mut c_char {
    let found = real!(
        "__realpath_chk" as fn(*const c_char, *mut c_char, usize) -> *mut c_char, path, buffer, room
    );
    resolved(path, found)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn canonicalize_file_name(path: *const c_char) -> *mut c_char {
    let found = real!("canonicalize_file_name" as fn(*const c_char) -> *mut c_char, path);
    resolved(path, found)
}

/// A time in calendar terms: how compilers expand `__DATE__`, `__TIME__` and `__TIMESTAMP__`.
macro_rules! calendar {
    ($($name:ident $text:literal ($($argument:ident),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: *mut c_void),*) -> *mut c_void {
            flag(log::CLOCK);
            real!($text as fn($(calendar!(@ $argument)),*) -> *mut c_void, $($argument),*)
        }
    )*};
    (@ $argument:ident) => { *mut c_void };
}
calendar! {
    localtime "localtime" (time);
    gmtime "gmtime" (time);
    ctime "ctime" (time);
    localtime_r "localtime_r" (time, result);
    gmtime_r "gmtime_r" (time, result);
    ctime_r "ctime_r" (time, result);
}
