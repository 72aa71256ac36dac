//! Asking for variables of the environment, and for the time of day: how a macro that runs inside of a
//! compiler learns what no source says.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::libc::{self, c_char, c_int, c_long, c_void};
use crate::record::{note_caller, write};
use crate::{log, quietly};

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

/// A clock's time. That of day is noted, with the object whose code asks: a macro, or the compiler itself. How
/// long things take is nobody's input.
unsafe extern "C" fn time_of(clock: c_int, time: *mut c_long, caller: *const c_void) -> c_int {
    if clock == libc::CLOCK_REALTIME {
        let _ = note_caller(log::TIME, caller);
    }
    crate::real!("clock_gettime" as fn(c_int, *mut c_long) -> c_int, clock, time)
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
