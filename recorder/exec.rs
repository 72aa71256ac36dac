//! Starting programs: what was taken out of the environment is put back for them.

use core::sync::atomic::Ordering;

use crate::libc::{self, c_char, c_int, c_void};
use crate::record::{flag, note, write};
use crate::{OURS, log, real};

/// More variables than this are left as they are, and the child is not recorded.
const MOST: usize = 4096;

/// An environment with our variables in it.
struct Environment([*const c_char; MOST]);

impl Environment {
    /// Room for one. It may be the stack of a parent that waits (`vfork`), so nothing is allocated.
    const fn new() -> Self {
        Self([core::ptr::null(); MOST])
    }

    /// Our variables, then those of a list.
    unsafe fn fill(&mut self, list: *const *const c_char) -> *const *const c_char {
        let mut count = 0;
        for ours in &OURS {
            let ours = ours.load(Ordering::Relaxed);
            if ours.is_null() {
                return list;
            }
            self.0[count] = ours;
            count += 1;
        }
        // SAFETY: a list of strings that ends in a null.
        unsafe {
            let mut entry = list;
            while !entry.is_null() && !(*entry).is_null() {
                if count + 1 >= MOST {
                    flag(log::INCOMPLETE);
                    return list;
                }
                self.0[count] = *entry;
                count += 1;
                entry = entry.add(1);
            }
        }
        self.0[count] = core::ptr::null();
        self.0.as_ptr()
    }
}

/// A list of strings that ends in a null.
pub(crate) type List = *const *const c_char;

/// The environment.
pub(crate) fn environ() -> List {
    // SAFETY: read by the thread that is about to start a program, as the C library itself would.
    unsafe { libc::environ as List }
}

/// Becomes another program; searched for on `PATH` where that is wanted.
pub(crate) unsafe fn execute(path: *const c_char, argv: List, environment: List, search: bool) -> c_int {
    let mut with = Environment::new();
    // SAFETY: the caller's own list.
    let environment = unsafe { with.fill(environment) };
    note(log::EXEC, 0, None, libc::AT_FDCWD, path);
    let failed = if search {
        real!("execvpe" as fn(*const c_char, List, List) -> c_int, path, argv, environment)
    } else {
        real!("execve" as fn(*const c_char, List, List) -> c_int, path, argv, environment)
    };
    note(log::EXEC_FAILED, 0, None, libc::AT_FDCWD, path);
    failed
}

#[unsafe(no_mangle)]
unsafe extern "C" fn execve(path: *const c_char, argv: List, environment: List) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { execute(path, argv, environment, false) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn execv(path: *const c_char, argv: List) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { execute(path, argv, environ(), false) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn execvp(path: *const c_char, argv: List) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { execute(path, argv, environ(), true) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn execvpe(path: *const c_char, argv: List, environment: List) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { execute(path, argv, environment, true) }
}

/// Programs that are open files.
macro_rules! opened {
    ($($name:ident $text:literal ($($before:ident: $type:ty),*; $($after:ident),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($before: $type,)* argv: List, environment: List $(, $after: c_int)*) -> c_int {
            let mut with = Environment::new();
            // SAFETY: the caller's own list.
            let environment = unsafe { with.fill(environment) };
            write(log::EXEC, 0, None, &[]);
            let failed = real!(
                $text as fn($($type,)* List, List $(, opened!(@ $after))*) -> c_int,
                $($before,)* argv, environment $(, $after)*
            );
            write(log::EXEC_FAILED, 0, None, &[]);
            failed
        }
    )*};
    (@ $after:ident) => { c_int };
}
opened! {
    fexecve "fexecve" (file: c_int;);
    execveat "execveat" (directory: c_int, path: *const c_char; flags);
}

macro_rules! spawn {
    ($($name:ident $text:literal)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            pid: *mut c_int,
            path: *const c_char,
            actions: *const c_void,
            attributes: *const c_void,
            argv: List,
            environment: List,
        ) -> c_int {
            let mut with = Environment::new();
            // SAFETY: the caller's own list.
            let environment = unsafe { with.fill(environment) };
            let failed = real!(
                $text as fn(*mut c_int, *const c_char, *const c_void, *const c_void, List, List) -> c_int,
                pid, path, actions, attributes, argv, environment
            );
            if failed == 0 {
                note(log::SPAWN, 0, None, libc::AT_FDCWD, path);
            } else {
                // Where it is not found elsewhere, or later, more may be.
                note(log::EXEC, 0, None, libc::AT_FDCWD, path);
                note(log::EXEC_FAILED, 0, None, libc::AT_FDCWD, path);
            }
            failed
        }
    )*};
}
spawn!(posix_spawn "posix_spawn" posix_spawnp "posix_spawnp");
