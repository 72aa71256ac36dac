//! Asking for variables of the environment, and for the time of day: how a macro that runs inside of a
//! compiler learns what no source says.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::libc::{self, c_char, c_int, c_long, c_void};
use crate::{log, quietly, record::write};

/// Names that were noted, by a hash of each. Some are asked for again and again; noting one twice does no
/// harm.
static NOTED: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

/// The value of a variable, found as the C library finds it.
unsafe fn value_of(name: *const c_char) -> *mut c_char {
    // SAFETY: a name is a string; `environ` is a list of strings that ends in a null, read as the C library
    // itself would read it.
    unsafe {
        let name = core::slice::from_raw_parts(name.cast::<u8>(), libc::strlen(name));
        note_variable(name);
        let mut entry = libc::environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = *entry;
            let same = name.iter().enumerate().all(|(index, byte)| *text.add(index) as u8 == *byte);
            if same && *text.add(name.len()) as u8 == b'=' {
                return text.add(name.len() + 1);
            }
            entry = entry.add(1);
        }
    }
    core::ptr::null_mut()
}

fn note_variable(name: &[u8]) {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, step);
    if NOTED[hash as usize % NOTED.len()].swap(hash, Ordering::Relaxed) != hash {
        quietly(|| write(log::VARIABLE, 0, None, name));
    }
}

macro_rules! getenv {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(name: *const c_char) -> *mut c_char {
            // SAFETY: the caller's own argument.
            unsafe { value_of(name) }
        }
    )*};
}
getenv!(getenv secure_getenv __secure_getenv);

/// The objects whose asking for the time was noted, by where each is loaded.
static TIMED: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];

/// A clock's time. That of day is noted, with the object whose code asks: a macro, or the compiler itself. How
/// long things take is nobody's input.
unsafe extern "C" fn time_of(clock: c_int, time: *mut c_long, caller: *const c_void) -> c_int {
    if clock == libc::CLOCK_REALTIME {
        quietly(|| note_time(caller));
    }
    crate::real!("clock_gettime" as fn(c_int, *mut c_long) -> c_int, clock, time)
}

fn note_time(caller: *const c_void) {
    let mut found = libc::Object { path: core::ptr::null(), base: core::ptr::null(), rest: [core::ptr::null(); 2] };
    // SAFETY: any address may be asked for; what is found is written.
    let known = unsafe { libc::dladdr(caller, &raw mut found) } != 0 && !found.path.is_null();
    let base = found.base as u64;
    let slot = &TIMED[(base >> 12) as usize % TIMED.len()];
    if !known || slot.swap(base, Ordering::Relaxed) != base {
        // SAFETY: the path of an object that is loaded is a string.
        let path = if known { unsafe { core::slice::from_raw_parts(found.path.cast(), libc::strlen(found.path)) } } else { &[] };
        write(log::TIME, 0, None, path);
    }
}

/// Hands on where it was called from.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn clock_gettime() -> c_int {
    naked_asm!("mov rdx, [rsp]", "jmp {body}", body = sym time_of)
}

#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn clock_gettime() -> c_int {
    naked_asm!("mov x2, x30", "b {body}", body = sym time_of)
}
