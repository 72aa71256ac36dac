//! Opening, making and removing files.

use core::arch::naked_asm;

use crate::libc::{self, c_char, c_int, c_void, mode_t, nr};
use crate::record::{Path, flag, note, note_caller, note_open, redirect, settled};
use crate::{errno, log, quietly, real};

/// What a file is opened for.
#[derive(Clone, Copy)]
struct Purpose {
    /// What it holds may be read.
    reading: bool,
    /// It may be made or changed.
    writing: bool,
}

impl Purpose {
    fn of_flags(flags: c_int) -> Self {
        let anew = flags & libc::O_TRUNC != 0 || flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0;
        Self {
            reading: flags & libc::O_ACCMODE != libc::O_WRONLY && !anew,
            writing: flags & libc::O_ACCMODE != 0 || flags & libc::O_CREAT != 0,
        }
    }

    fn of_mode(mode: &[u8]) -> Self {
        let first = mode.first().copied();
        let both = mode.contains(&b'+');
        Self { reading: first == Some(b'r') || first == Some(b'a') && both, writing: first != Some(b'r') || both }
    }
}

/// Notes how an opening went.
fn opened(directory: c_int, path: *const c_char, fd: c_int, purpose: Purpose) {
    if fd < 0 {
        if purpose.reading {
            note(log::MISSING, errno().unsigned_abs(), None, directory, path);
        }
        return;
    }
    if purpose.reading {
        quietly(|| match settled(fd) {
            Some(stat) => note(log::READ, stat.mode, Some(&stat), directory, path),
            None => flag(log::INCOMPLETE),
        });
    }
    if purpose.writing {
        note(log::WRITTEN, 0, None, directory, path);
    }
}

unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let fd = match redirect(path) {
        // SAFETY: the caller's own arguments.
        Path::Is(place) => unsafe { libc::syscall(nr::OPENAT, directory, place, flags, mode) as c_int },
        Path::Absent => -1,
    };
    opened(directory, path, fd, Purpose::of_flags(flags));
    fd
}

macro_rules! open {
    ($($name:ident)*) => {$(
        // C's `mode` comes only with some flags; where it does not, what is in its register is not used.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
        }
    )*};
}
open!(open open64 __open __open64);

macro_rules! openat {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { open_at(directory, path, flags, mode) }
        }
    )*};
}
openat!(openat openat64);

macro_rules! open_2 {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { open_at(libc::AT_FDCWD, path, flags, 0) }
        }
    )*};
}
open_2!(__open_2 __open64_2);

macro_rules! openat_2 {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { open_at(directory, path, flags, 0) }
        }
    )*};
}
openat_2!(__openat_2 __openat64_2);

macro_rules! creat {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: mode_t) -> c_int {
            // O_WRONLY | O_CREAT | O_TRUNC
            // SAFETY: the caller's own arguments.
            unsafe { open_at(libc::AT_FDCWD, path, 0o1101, mode) }
        }
    )*};
}
creat!(creat creat64);

/// Notes how a stream was opened.
fn streamed(path: *const c_char, mode: *const c_char, stream: *mut c_void) -> *mut c_void {
    // SAFETY: a mode is a string; a stream that is not null is open.
    let (purpose, fd) = unsafe {
        let mode = core::slice::from_raw_parts(mode.cast::<u8>(), libc::strlen(mode));
        (Purpose::of_mode(mode), if stream.is_null() { -1 } else { libc::fileno(stream) })
    };
    opened(libc::AT_FDCWD, path, fd, purpose);
    stream
}

macro_rules! fopen {
    ($($name:ident $text:literal)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char) -> *mut c_void {
            let stream = match redirect(path) {
                Path::Is(place) => {
                    real!($text as fn(*const c_char, *const c_char) -> *mut c_void, place, mode)
                }
                Path::Absent => core::ptr::null_mut(),
            };
            streamed(path, mode, stream)
        }
    )*};
}
fopen!(fopen "fopen" fopen64 "fopen64");

macro_rules! freopen {
    ($($name:ident $text:literal)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char, old: *mut c_void) -> *mut c_void {
            let stream = real!(
                $text as fn(*const c_char, *const c_char, *mut c_void) -> *mut c_void, path, mode, old
            );
            if path.is_null() { stream } else { streamed(path, mode, stream) }
        }
    )*};
}
freopen!(freopen "freopen" freopen64 "freopen64");

/// Functions of one path that change what stands there.
macro_rules! changes {
    ($($name:ident $text:literal ($($argument:ident: $type:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char $(, $argument: $type)*) -> c_int {
            let done = real!($text as fn(*const c_char $(, $type)*) -> c_int, path $(, $argument)*);
            if done >= 0 {
                note(log::WRITTEN, 0, None, libc::AT_FDCWD, path);
            }
            done
        }
    )*};
}
changes! {
    unlink "unlink" ();
    remove "remove" ();
    rmdir "rmdir" ();
    mkdir "mkdir" (mode: mode_t);
    mkstemp "mkstemp" ();
    mkstemp64 "mkstemp64" ();
    mkostemp "mkostemp" (flags: c_int);
    mkostemp64 "mkostemp64" (flags: c_int);
    mkstemps "mkstemps" (suffix: c_int);
    mkstemps64 "mkstemps64" (suffix: c_int);
    mkostemps "mkostemps" (suffix: c_int, flags: c_int);
    mkostemps64 "mkostemps64" (suffix: c_int, flags: c_int);
}

/// Functions that make the second path out of the first.
macro_rules! moves {
    ($($name:ident $text:literal)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(from: *const c_char, to: *const c_char) -> c_int {
            let done = real!($text as fn(*const c_char, *const c_char) -> c_int, from, to);
            if done == 0 {
                note(log::WRITTEN, 0, None, libc::AT_FDCWD, from);
                note(log::WRITTEN, 0, None, libc::AT_FDCWD, to);
            }
            done
        }
    )*};
}
moves!(rename "rename" link "link");

/// The same for paths below open directories.
macro_rules! moves_at {
    ($($name:ident $text:literal ($($argument:ident: $type:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            from_directory: c_int,
            from: *const c_char,
            to_directory: c_int,
            to: *const c_char
            $(, $argument: $type)*
        ) -> c_int {
            let done = real!(
                $text as fn(c_int, *const c_char, c_int, *const c_char $(, $type)*) -> c_int,
                from_directory, from, to_directory, to $(, $argument)*
            );
            if done == 0 {
                note(log::WRITTEN, 0, None, from_directory, from);
                note(log::WRITTEN, 0, None, to_directory, to);
            }
            done
        }
    )*};
}
moves_at! {
    linkat "linkat" (flags: c_int);
    renameat "renameat" ();
    renameat2 "renameat2" (flags: u32);
}

/// Functions of a path below an open directory that change what stands there.
macro_rules! changes_at {
    ($($name:ident $text:literal ($argument:ident: $type:ty);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(directory: c_int, path: *const c_char, $argument: $type) -> c_int {
            let done = real!($text as fn(c_int, *const c_char, $type) -> c_int, directory, path, $argument);
            if done == 0 {
                note(log::WRITTEN, 0, None, directory, path);
            }
            done
        }
    )*};
}
changes_at! {
    mkdirat "mkdirat" (mode: mode_t);
    unlinkat "unlinkat" (flags: c_int);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn symlinkat(target: *const c_char, directory: c_int, path: *const c_char) -> c_int {
    let done = real!(
        "symlinkat" as fn(*const c_char, c_int, *const c_char) -> c_int, target, directory, path
    );
    if done == 0 {
        note(log::WRITTEN, 0, None, directory, path);
    }
    done
}

#[unsafe(no_mangle)]
unsafe extern "C" fn symlink(target: *const c_char, path: *const c_char) -> c_int {
    let done = real!("symlink" as fn(*const c_char, *const c_char) -> c_int, target, path);
    if done == 0 {
        note(log::WRITTEN, 0, None, libc::AT_FDCWD, path);
    }
    done
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdtemp(path: *mut c_char) -> *mut c_char {
    let made = real!("mkdtemp" as fn(*mut c_char) -> *mut c_char, path);
    if !made.is_null() {
        note(log::WRITTEN, 0, None, libc::AT_FDCWD, made);
    }
    made
}

unsafe extern "C" fn opened_for(path: *const c_char, caller: *const c_void) -> *mut c_void {
    let stream = match redirect(path) {
        Path::Is(place) => real!("opendir" as fn(*const c_char) -> *mut c_void, place),
        Path::Absent => core::ptr::null_mut(),
    };
    if stream.is_null() {
        note(log::MISSING, errno().unsigned_abs(), None, libc::AT_FDCWD, path);
    } else {
        note(log::LISTED, note_caller(log::LISTER, caller), None, libc::AT_FDCWD, path);
    }
    stream
}

unsafe extern "C" fn listed_for(directory: c_int, caller: *const c_void) -> *mut c_void {
    let stream = real!("fdopendir" as fn(c_int) -> *mut c_void, directory);
    if !stream.is_null() {
        note_open(log::LISTED, note_caller(log::LISTER, caller), directory);
    }
    stream
}

/// Functions of one argument that hand on where they were called from.
macro_rules! with_caller {
    ($($name:ident $body:ident)*) => {$(
        #[cfg(target_arch = "x86_64")]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $name() -> *mut c_void {
            naked_asm!("mov rsi, [rsp]", "jmp {body}", body = sym $body)
        }

        #[cfg(target_arch = "aarch64")]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $name() -> *mut c_void {
            naked_asm!("mov x1, x30", "b {body}", body = sym $body)
        }
    )*};
}
with_caller!(opendir opened_for fdopendir listed_for);

/// Functions that use the file system in ways that are not followed.
macro_rules! unknown {
    ($($name:ident $text:literal ($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            flag(log::INCOMPLETE);
            real!($text as fn($($type),*) -> $result, $($argument),*)
        }
    )*};
}
unknown! {
    chdir "chdir" (path: *const c_char) -> c_int;
    fchdir "fchdir" (directory: c_int) -> c_int;
    chroot "chroot" (path: *const c_char) -> c_int;
    scandir "scandir" (path: *const c_char, names: *mut c_void, filter: *mut c_void, order: *mut c_void) -> c_int;
    scandir64 "scandir64" (path: *const c_char, names: *mut c_void, filter: *mut c_void, order: *mut c_void) -> c_int;
    ftw "ftw" (path: *const c_char, call: *mut c_void, depth: c_int) -> c_int;
    ftw64 "ftw64" (path: *const c_char, call: *mut c_void, depth: c_int) -> c_int;
    nftw "nftw" (path: *const c_char, call: *mut c_void, depth: c_int, flags: c_int) -> c_int;
    nftw64 "nftw64" (path: *const c_char, call: *mut c_void, depth: c_int, flags: c_int) -> c_int;
    fts_open "fts_open" (paths: *mut c_void, options: c_int, order: *mut c_void) -> *mut c_void;
    fts64_open "fts64_open" (paths: *mut c_void, options: c_int, order: *mut c_void) -> *mut c_void;
    glob "glob" (pattern: *const c_char, flags: c_int, call: *mut c_void, found: *mut c_void) -> c_int;
    glob64 "glob64" (pattern: *const c_char, flags: c_int, call: *mut c_void, found: *mut c_void) -> c_int;
    system "system" (command: *const c_char) -> c_int;
    popen "popen" (command: *const c_char, kind: *const c_char) -> *mut c_void;
}
