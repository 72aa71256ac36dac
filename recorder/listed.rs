//! `execl` and its relatives, whose arguments are listed in the call and end in a null.
//!
//! Such a call can't be written in Rust. Each function begins with a few instructions that put the arguments
//! that came in registers into memory, and hands on where those and the others are.

use core::arch::naked_asm;

use crate::exec::{List, environ, execute};
use crate::libc::{self, c_char, c_int};
use crate::{log, record::flag, set_errno};

/// More arguments than this are refused, as they are when there is no memory for them.
const MOST: usize = 4096;

/// How many arguments after the path come in registers (System V ABI for x86-64, AAPCS64).
const IN_REGISTERS: usize = if cfg!(target_arch = "x86_64") { 5 } else { 7 };

/// Where the arguments are.
#[derive(Clone, Copy)]
struct Arguments {
    registers: List,
    stack: List,
}

impl Arguments {
    /// The argument of this number.
    unsafe fn get(self, index: usize) -> *const c_char {
        // SAFETY: whoever asks stops behind the last one.
        unsafe {
            match index.checked_sub(IN_REGISTERS) {
                None => *self.registers.add(index),
                Some(index) => *self.stack.add(index),
            }
        }
    }
}

unsafe fn with_list(path: *const c_char, arguments: Arguments, search: bool, own_environment: bool) -> c_int {
    let mut list = [core::ptr::null(); MOST];
    for index in 0..MOST {
        // SAFETY: none of the earlier ones was the null that ends the list; what follows it in `execle` is
        // the environment.
        unsafe {
            list[index] = arguments.get(index);
            if list[index].is_null() {
                let environment =
                    if own_environment { arguments.get(index + 1).cast() } else { environ() };
                return execute(path, list.as_ptr(), environment, search);
            }
        }
    }
    flag(log::INCOMPLETE);
    set_errno(libc::ENOMEM);
    -1
}

macro_rules! listed {
    ($($name:ident $body:ident $search:literal $own_environment:literal)*) => {$(
        unsafe extern "C" fn $body(path: *const c_char, registers: List, stack: List) -> c_int {
            // SAFETY: the caller's own arguments.
            unsafe { with_list(path, Arguments { registers, stack }, $search, $own_environment) }
        }

        #[cfg(target_arch = "x86_64")]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $name() -> c_int {
            naked_asm!(
                "push r9", "push r8", "push rcx", "push rdx", "push rsi",
                "mov rsi, rsp",
                "lea rdx, [rsp + 48]",
                "call {body}",
                "add rsp, 40",
                "ret",
                body = sym $body,
            )
        }

        #[cfg(target_arch = "aarch64")]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $name() -> c_int {
            naked_asm!(
                "stp x29, x30, [sp, #-80]!",
                "mov x29, sp",
                "stp x1, x2, [sp, #16]",
                "stp x3, x4, [sp, #32]",
                "stp x5, x6, [sp, #48]",
                "str x7, [sp, #64]",
                "add x1, sp, #16",
                "add x2, sp, #80",
                "bl {body}",
                "ldp x29, x30, [sp], #80",
                "ret",
                body = sym $body,
            )
        }
    )*};
}
listed! {
    execl execl_body false false
    execle execle_body false true
    execlp execlp_body true false
}
