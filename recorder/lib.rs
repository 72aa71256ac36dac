//! The recorder: a library that is loaded before all others (`LD_PRELOAD`) into a compiler's processes and
//! notes which paths they use: what they open, what they look for in vain, what they look at.
//!
//! It stands between the programs and the C library: each function here has the name of one of glibc's,
//! does what that does, and writes a record into a log that all processes of one command share. It never
//! prints, allocates nothing, and leaves `errno` as the real function set it. The log's format is in
//! `log.rs`, which the reader in `src/world/record.rs` shares. `build.rs` compiles this file on its own: no
//! standard library, no dependency but the C library.

#![no_std]
#![allow(clippy::missing_safety_doc, reason = "every function has the contract of the one it stands for")]

mod exec;
mod files;
mod libc;
#[allow(dead_code, reason = "half of it is the reader's")]
mod log;
mod listed;
mod looks;
mod record;
mod variables;

use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::libc::{c_char, c_int};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: it takes nothing and does not come back.
    unsafe { libc::abort() }
}

// Named by the precompiled core library; nothing unwinds here. Nobody else may see it: rustc, which does
// unwind, would take it for its own.
core::arch::global_asm!(".hidden rust_eh_personality", ".globl rust_eh_personality", "rust_eh_personality:", "ret");

/// Runs before the program's own code.
#[used]
#[unsafe(link_section = ".init_array")]
static START: unsafe extern "C" fn(c_int, *const *const c_char) = start;

/// The entries of the environment that bring us into a child: `LD_PRELOAD=…` and `BAKEPLAN_RECORD=…`.
pub(crate) static OURS: [AtomicPtr<c_char>; 2] =
    [AtomicPtr::new(core::ptr::null_mut()), AtomicPtr::new(core::ptr::null_mut())];

const NAMES: [&[u8]; 2] = [b"LD_PRELOAD=", b"BAKEPLAN_RECORD="];

/// Takes our variables out of the environment, so that the program does not see them, and opens the log. The
/// arguments are those of `main`: glibc gives them to whatever it starts a library with.
unsafe extern "C" fn start(_: c_int, arguments: *const *const c_char) {
    // SAFETY: `environ` is the environment of a program that has not started yet: a list of strings that
    // ends in a null, and that nobody else uses.
    unsafe {
        let mut from = libc::environ;
        if from.is_null() {
            return;
        }
        let mut to = from;
        while !(*from).is_null() {
            match NAMES.iter().position(|name| starts_with(*from, name)) {
                Some(index) => OURS[index].store(*from, Ordering::Relaxed),
                None => {
                    *to = *from;
                    to = to.add(1);
                }
            }
            from = from.add(1);
        }
        *to = core::ptr::null_mut();
        let entry = OURS[1].load(Ordering::Relaxed);
        if !entry.is_null() {
            record::open(entry.add(NAMES[1].len()), *arguments);
        }
    }
}

/// Whether a string begins so.
unsafe fn starts_with(text: *const c_char, prefix: &[u8]) -> bool {
    // SAFETY: the comparison ends at the first byte that differs, so at the latest at the string's null.
    prefix.iter().enumerate().all(|(index, byte)| unsafe { *text.add(index) as u8 == *byte })
}

/// A function of the C library, found when it is first called.
pub(crate) struct Real {
    name: &'static [u8],
    address: AtomicUsize,
}

impl Real {
    /// By its name, which ends in a null byte.
    pub(crate) const fn new(name: &'static [u8]) -> Self {
        Self { name, address: AtomicUsize::new(0) }
    }

    /// Its address.
    pub(crate) fn address(&self) -> usize {
        let known = self.address.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        // SAFETY: the name ends in a null byte.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr().cast()) } as usize;
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Calls the real function of a name with a signature.
macro_rules! real {
    ($name:literal as fn($($type:ty),*) -> $result:ty, $($argument:expr),*) => {{
        static REAL: $crate::Real = $crate::Real::new(concat!($name, "\0").as_bytes());
        // SAFETY: the C library's function of this name has this signature.
        unsafe {
            let function: unsafe extern "C" fn($($type),*) -> $result = core::mem::transmute(REAL.address());
            function($($argument),*)
        }
    }};
}
pub(crate) use real;

/// Keeps `errno` as it is while something of ours runs.
pub(crate) fn quietly<T>(what: impl FnOnce() -> T) -> T {
    let kept = errno();
    let result = what();
    set_errno(kept);
    result
}

pub(crate) fn errno() -> c_int {
    // SAFETY: the address is the calling thread's own.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = value };
}
