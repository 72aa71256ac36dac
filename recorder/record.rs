//! Writing records, and looking up redirections.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::libc::{self, Stat, c_char, c_int, c_long, c_void, nr};
use crate::{log, quietly, set_errno};

/// The log, once it is open.
static LOG: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
/// The process. A child that has not become another program yet counts as its parent.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Opens the log and says hello: which program this is. A packed one, which is run as its loader, is told by its first
/// argument, the path by which it was called.
pub(crate) unsafe fn open(path: *const c_char, called: *const c_char) {
    // SAFETY: the path is a string; the calls are given what they ask for, and the mapping stays for the
    // life of the process.
    unsafe {
        let fd = libc::syscall(nr::OPENAT, libc::AT_FDCWD, path, libc::O_RDWR | libc::O_CLOEXEC, 0);
        let Ok(fd) = c_int::try_from(fd) else { return };
        if fd < 0 {
            return;
        }
        let map = libc::mmap(core::ptr::null_mut(), log::SIZE, 3, 1, fd, 0);
        libc::syscall(nr::CLOSE, fd);
        if map as isize == -1 || *map.cast::<u64>() != log::MAGIC {
            return;
        }
        PROCESS.store(libc::syscall(nr::GETPID) as u32, Ordering::Relaxed);
        LOG.store(map.cast(), Ordering::Release);
        let mut name = [0_u8; 4096];
        let length = libc::syscall(
            nr::READLINKAT,
            libc::AT_FDCWD,
            c"/proc/self/exe".as_ptr(),
            name.as_mut_ptr(),
            name.len() - 1,
        );
        let mut name = &name[..usize::try_from(length).unwrap_or(0)];
        if is_loader(name) && !called.is_null() && *called == b'/' as c_char {
            name = core::slice::from_raw_parts(called.cast(), libc::strlen(called));
        }
        write(log::HELLO, 0, None, name);
    }
}

/// Whether a program is a loader of others.
fn is_loader(program: &[u8]) -> bool {
    let start = program.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    program[start..].starts_with(b"ld-linux")
}

fn header(offset: usize) -> Option<*mut u8> {
    let log = LOG.load(Ordering::Acquire);
    // SAFETY: a log is larger than its header.
    (!log.is_null()).then(|| unsafe { log.add(offset) })
}

/// Sets a flag.
pub(crate) fn flag(flag: u32) {
    if let Some(flags) = header(16) {
        // SAFETY: the flags are an aligned word of the mapped log, only used atomically.
        unsafe { AtomicU32::from_ptr(flags.cast()) }.fetch_or(flag, Ordering::Relaxed);
    }
}

/// Writes a record.
pub(crate) fn write(kind: u32, argument: u32, stat: Option<&Stat>, path: &[u8]) {
    let Some(log) = header(0) else { return };
    let size = (log::RECORD + path.len()).next_multiple_of(8);
    // SAFETY: the cursor is an aligned word of the mapped log, only used atomically; the place that it
    // gives is ours alone and, as is checked, inside of the log.
    unsafe {
        let place = AtomicU64::from_ptr(log.add(8).cast()).fetch_add(size as u64, Ordering::Relaxed);
        let Some(end) = usize::try_from(place).ok().and_then(|place| place.checked_add(size)) else { return };
        if end > log::SIZE {
            flag(log::INCOMPLETE);
            return;
        }
        let record = log.add(place as usize);
        let words: *mut u32 = record.cast();
        *words.add(1) = PROCESS.load(Ordering::Relaxed);
        *words.add(2) = argument;
        *words.add(3) = path.len() as u32;
        let what: *mut u64 = record.add(16).cast();
        if let Some(stat) = stat {
            let nanoseconds = |[seconds, nanos]: [i64; 2]| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
            *what = stat.device;
            *what.add(1) = stat.inode;
            *what.add(2) = stat.size as u64;
            *what.add(3) = nanoseconds(stat.modified) as u64;
            *what.add(4) = nanoseconds(stat.changed) as u64;
        }
        core::ptr::copy_nonoverlapping(path.as_ptr(), record.add(log::RECORD), path.len());
        AtomicU32::from_ptr(words).store(kind, Ordering::Release);
    }
}

/// Writes a record of a path, relative to a directory that may be open. `errno` stays as it is.
pub(crate) fn note(kind: u32, argument: u32, stat: Option<&Stat>, directory: c_int, path: *const c_char) {
    if LOG.load(Ordering::Relaxed).is_null() || path.is_null() {
        return;
    }
    quietly(|| {
        // SAFETY: the caller's path is a string.
        let path = unsafe { core::slice::from_raw_parts(path.cast::<u8>(), libc::strlen(path)) };
        if path.first() == Some(&b'/') || directory == libc::AT_FDCWD {
            write(kind, argument, stat, path);
        } else if !path.is_empty() {
            beneath(kind, argument, stat, directory, path);
        }
    });
}

/// Writes a record of what is open, by its own path. `errno` stays as it is.
pub(crate) fn note_open(kind: u32, argument: u32, file: c_int) {
    quietly(|| {
        let mut whole = [0_u8; 4096];
        match path_of(file, &mut whole) {
            Some(length) => write(kind, argument, None, &whole[..length]),
            None => flag(log::INCOMPLETE),
        }
    });
}

/// The objects whose asking was noted, by where each is loaded and what it asked for.
static ASKED: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];

/// Writes a record of the object whose code asks for something: a macro, or the compiler itself. Gives a number for
/// the object. `errno` stays as it is.
pub(crate) fn note_caller(kind: u32, caller: *const c_void) -> u32 {
    quietly(|| {
        let mut found = libc::Object { path: core::ptr::null(), base: core::ptr::null(), rest: [core::ptr::null(); 2] };
        // SAFETY: any address may be asked for; what is found is written.
        let known = unsafe { libc::dladdr(caller, &raw mut found) } != 0 && !found.path.is_null();
        // A base is the start of a page.
        let number = (found.base as u64 >> 12) as u32;
        let asker = found.base as u64 | u64::from(kind);
        let slot = &ASKED[number.wrapping_add(kind) as usize % ASKED.len()];
        if !known || slot.swap(asker, Ordering::Relaxed) != asker {
            // SAFETY: the path of an object that is loaded is a string.
            let path = if known { unsafe { core::slice::from_raw_parts(found.path.cast(), libc::strlen(found.path)) } } else { &[] };
            write(kind, number, None, path);
        }
        number
    })
}

/// A path beneath an open directory, by that directory's own path.
fn beneath(kind: u32, argument: u32, stat: Option<&Stat>, directory: c_int, path: &[u8]) {
    let mut whole = [0_u8; 8192];
    match path_of(directory, &mut whole[..4096]) {
        Some(length) if path.len() < 4095 => {
            whole[length] = b'/';
            whole[length + 1..length + 1 + path.len()].copy_from_slice(path);
            write(kind, argument, stat, &whole[..length + 1 + path.len()]);
        }
        _ => flag(log::INCOMPLETE),
    }
}

/// The path of an open file, and its length.
fn path_of(file: c_int, path: &mut [u8]) -> Option<usize> {
    let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0";
    let mut digits = [0_u8; 10];
    let mut left = file.unsigned_abs();
    let mut count = 0;
    while left > 0 || count == 0 {
        digits[count] = b'0' + (left % 10) as u8;
        left /= 10;
        count += 1;
    }
    for (index, digit) in digits[..count].iter().rev().enumerate() {
        link[14 + index] = *digit;
    }
    // SAFETY: the link ends in a null byte, and the buffer is as long as is said.
    let length = unsafe {
        libc::syscall(nr::READLINKAT, libc::AT_FDCWD, link.as_ptr(), path.as_mut_ptr(), path.len())
    };
    usize::try_from(length).ok()
}

/// What a path stands for.
pub(crate) enum Path {
    /// This string: the path itself, or what it is redirected to.
    Is(*const c_char),
    /// Nothing; `errno` says so.
    Absent,
}

/// Looks a path up among the redirections.
pub(crate) fn redirect(path: *const c_char) -> Path {
    let Some(log) = header(0).filter(|_| !path.is_null()) else { return Path::Is(path) };
    // SAFETY: the parent wrote the table before we began, and nobody changes it; lengths are its own.
    unsafe {
        let length = *log.add(20).cast::<u32>() as usize;
        if length == 0 {
            return Path::Is(path);
        }
        let wanted = core::slice::from_raw_parts(path.cast::<u8>(), libc::strlen(path));
        let table = core::slice::from_raw_parts(log.add(log::HEADER), length);
        let mut at = 0;
        while at + 4 <= table.len() {
            let from = u16::from_ne_bytes([table[at], table[at + 1]]) as usize;
            let to = u16::from_ne_bytes([table[at + 2], table[at + 3]]) as usize;
            let start = at + 4;
            if &table[start..start + from] == wanted {
                if to == 0 {
                    set_errno(libc::ENOENT);
                    return Path::Absent;
                }
                return Path::Is(table[start + from..].as_ptr().cast());
            }
            at = start + from + to + 1;
        }
    }
    Path::Is(path)
}

/// A file that was just opened, once the clock's tick in which it last changed is over: a change that comes
/// later shows in its times. `None` when that can't be told.
pub(crate) fn settled(fd: c_int) -> Option<Stat> {
    for _ in 0..32 {
        // SAFETY: all zeros is a `stat`; the calls write where they are told.
        let (stat, now) = unsafe {
            let mut stat: Stat = core::mem::zeroed();
            if libc::syscall(nr::FSTAT, fd, &raw mut stat) != 0 {
                return None;
            }
            let mut now = [0_i64; 2];
            libc::syscall(nr::CLOCK_GETTIME, libc::CLOCK_REALTIME_COARSE, now.as_mut_ptr());
            (stat, now)
        };
        if stat.mode & libc::S_IFMT != libc::S_IFREG || stat.changed < now {
            return Some(stat);
        }
        let millisecond: [c_long; 2] = [0, 1_000_000];
        // SAFETY: the time is a `timespec`.
        unsafe { libc::syscall(nr::NANOSLEEP, millisecond.as_ptr(), core::ptr::null::<c_long>()) };
    }
    None
}
