//! What the recorder needs of the C library.

#![allow(non_camel_case_types, reason = "the names are C's")]

pub(crate) use core::ffi::{c_char, c_int, c_long, c_void};

pub(crate) type mode_t = u32;

unsafe extern "C" {
    pub(crate) static mut environ: *mut *mut c_char;
    pub(crate) fn __errno_location() -> *mut c_int;
    pub(crate) fn abort() -> !;
    pub(crate) fn dladdr(address: *const c_void, found: *mut Object) -> c_int;
    pub(crate) fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    pub(crate) fn fileno(stream: *mut c_void) -> c_int;
    pub(crate) fn mmap(at: *mut c_void, size: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    pub(crate) fn strlen(text: *const c_char) -> usize;
    pub(crate) fn syscall(number: c_long, ...) -> c_long;
}

/// `Dl_info`: the object that an address lies in.
#[repr(C)]
pub(crate) struct Object {
    pub(crate) path: *const c_char,
    pub(crate) base: *const c_void,
    pub(crate) rest: [*const c_void; 2],
}

pub(crate) const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
pub(crate) const AT_FDCWD: c_int = -100;
pub(crate) const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
pub(crate) const ENOENT: c_int = 2;
pub(crate) const ENOMEM: c_int = 12;
pub(crate) const EINVAL: c_int = 22;
pub(crate) const O_ACCMODE: c_int = 3;
pub(crate) const O_CREAT: c_int = 0o100;
pub(crate) const O_EXCL: c_int = 0o200;
pub(crate) const O_TRUNC: c_int = 0o1000;
pub(crate) const O_WRONLY: c_int = 1;
pub(crate) const O_RDWR: c_int = 2;
pub(crate) const O_CLOEXEC: c_int = 0o2_000_000;
pub(crate) const CLOCK_REALTIME: c_int = 0;
pub(crate) const CLOCK_REALTIME_COARSE: c_int = 5;
pub(crate) const S_IFMT: u32 = 0o170_000;
pub(crate) const S_IFREG: u32 = 0o100_000;
pub(crate) const S_IFLNK: u32 = 0o120_000;

/// The system calls by number (`asm/unistd_64.h`, `asm-generic/unistd.h`).
#[cfg(target_arch = "x86_64")]
pub(crate) mod nr {
    use super::c_long;
    pub(crate) const CLOSE: c_long = 3;
    pub(crate) const FSTAT: c_long = 5;
    pub(crate) const NANOSLEEP: c_long = 35;
    pub(crate) const GETPID: c_long = 39;
    pub(crate) const CLOCK_GETTIME: c_long = 228;
    pub(crate) const OPENAT: c_long = 257;
    pub(crate) const NEWFSTATAT: c_long = 262;
    pub(crate) const READLINKAT: c_long = 267;
    pub(crate) const FACCESSAT: c_long = 269;
    pub(crate) const STATX: c_long = 332;
}

#[cfg(target_arch = "aarch64")]
pub(crate) mod nr {
    use super::c_long;
    pub(crate) const CLOSE: c_long = 57;
    pub(crate) const FSTAT: c_long = 80;
    pub(crate) const NANOSLEEP: c_long = 101;
    pub(crate) const GETPID: c_long = 172;
    pub(crate) const CLOCK_GETTIME: c_long = 113;
    pub(crate) const OPENAT: c_long = 56;
    pub(crate) const NEWFSTATAT: c_long = 79;
    pub(crate) const READLINKAT: c_long = 78;
    pub(crate) const FACCESSAT: c_long = 48;
    pub(crate) const STATX: c_long = 291;
}

/// `struct stat` of both architectures, as far as it is needed.
#[repr(C)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    #[cfg(target_arch = "x86_64")]
    links: u64,
    pub(crate) mode: u32,
    middle: [u32; if cfg!(target_arch = "x86_64") { 5 } else { 7 }],
    pub(crate) size: i64,
    rest: [i64; 4],
    pub(crate) modified: [i64; 2],
    pub(crate) changed: [i64; 2],
    reserve: [i64; 8],
}
