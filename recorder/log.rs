//! The log's format: what a recorder writes, and what the parent reads once all have ended. Shared by the
//! recorder and, as a module of its own, by the crate.
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | [`MAGIC`] |
//! | 8..16 | where the next record goes, from the start of the log; grows beyond the end when it is full |
//! | 16..20 | flags: [`INCOMPLETE`], [`CLOCK`] |
//! | 20..24 | the length of the table of redirections |
//! | 24.. | redirections: length of a path, length of its replacement (zero: nothing is there), each two bytes; the path; the replacement and a null byte |
//! | then, from a multiple of 8 | records |
//!
//! A record: its kind (four bytes, written last, zero until then), the process (four bytes), an argument
//! (four bytes: `errno`, or the mode of what was found), the length of the path (four bytes), five words
//! of eight bytes that say what was opened (device, inode, size, modified and changed in nanoseconds), the
//! path, filled up to a multiple of 8. Numbers are the machine's own.

/// Begins every log.
pub(super) const MAGIC: u64 = u64::from_ne_bytes(*b"bakelog1");
/// The length of the fixed part.
pub(super) const HEADER: usize = 24;
/// The length of a record without its path.
pub(super) const RECORD: usize = 56;
/// The size of a log, bytes; it takes memory only as far as it is written.
pub(super) const SIZE: usize = 32 << 20;

/// Something happened that was not recorded.
pub(super) const INCOMPLETE: u32 = 1;
/// Somebody asked what a time is in calendar terms.
pub(super) const CLOCK: u32 = 2;

/// A process of this program begins.
pub(super) const HELLO: u32 = 1;
/// The process becomes another program now.
pub(super) const EXEC: u32 = 2;
/// … which failed.
pub(super) const EXEC_FAILED: u32 = 3;
/// A child was started with this program.
pub(super) const SPAWN: u32 = 4;
/// Opened for reading.
pub(super) const READ: u32 = 5;
/// Not found.
pub(super) const MISSING: u32 = 6;
/// Found, not opened; the argument is its mode.
pub(super) const PRESENT: u32 = 7;
/// Read as a link.
pub(super) const LINK: u32 = 8;
/// All links on the way were resolved.
pub(super) const RESOLVED: u32 = 9;
/// Its names were listed; the argument is the number of the object whose code did.
pub(super) const LISTED: u32 = 10;
/// Made, written, renamed or removed.
pub(super) const WRITTEN: u32 = 11;
/// A variable of the environment was asked for; its name stands in place of a path.
pub(super) const VARIABLE: u32 = 12;
/// The time of day was asked for; the path is that of the object whose code did.
pub(super) const TIME: u32 = 13;

/// The object of this number, the argument, listed names of directories; the path is its own.
pub(super) const LISTER: u32 = 14;

/// Where the records begin.
#[must_use]
pub(super) const fn records(redirects: usize) -> usize {
    (HEADER + redirects).next_multiple_of(8)
}
