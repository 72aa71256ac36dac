//! Running a program with the recorder (`recorder/`) in its processes, and reading what it wrote.
//!
//! The recorder and its log live in memory files of ours, which the processes reach through
//! `/proc/PID/fd`: nothing is left on disk, no descriptor is handed on, and what is written is there even
//! when a process is killed. It works for programs that load glibc; a program that does not shows as one
//! that was started and never said hello, so that the recording counts as incomplete.
//!
//! Why this way: an injected `-MD` or `-H` changes objects or fights with the user's own, and neither knows
//! what was looked for in vain; tracing by `ptrace` costs some 50 microseconds a call, and a C file with
//! fifteen headers makes thousands.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Access, Command, Environment, Kind, Recording, Redirect, Stat, What};

#[path = "../../recorder/log.rs"]
mod log;

/// The recorder, as `build.rs` compiled it; empty where it could not be.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recorder.so"));

/// The variables of a loader that loads us. Whoever uses them already has reasons of their own.
const PRELOAD: &str = "LD_PRELOAD";
const AUDIT: &str = "LD_AUDIT";

/// The recorder in memory, ready to be loaded.
#[derive(Debug)]
pub(super) struct Recorder {
    library: File,
}

impl Recorder {
    /// `None` where it can't be used: it was not built, or programs may not be loaded from memory files.
    pub(super) fn new() -> Option<Self> {
        if LIBRARY.is_empty() {
            return None;
        }
        let library = memory_file("brioche-cc-recorder").ok()?;
        library.write_all_at(LIBRARY, 0).ok()?;
        // A loader that fails would say so on standard error.
        let usable = std::fs::metadata(place(&library)).is_ok() && may_be_run(&library);
        usable.then_some(Self { library })
    }

    /// Whether it may be used beside this environment.
    pub(super) fn fits(environment: &Environment) -> bool {
        !LIBRARY.is_empty() && environment.get(PRELOAD).is_none() && environment.get(AUDIT).is_none()
    }

    /// A log for one command, and the command with the recorder in it.
    pub(super) fn prepare(
        &self,
        command: &Command,
        redirects: &[(PathBuf, Redirect)],
    ) -> io::Result<(Log, Command)> {
        let log = Log::new(redirects)?;
        let mut command = command.clone();
        command.environment.set(PRELOAD, place(&self.library));
        command.environment.set("BAKEPLAN_RECORD", place(&log.0));
        Ok((log, command))
    }
}

fn memory_file(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

/// Where another process of ours finds an open file of this one.
fn place(file: &File) -> OsString {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

/// Whether the system lets code be mapped from this file.
#[allow(unsafe_code, reason = "mapping is a system call")]
fn may_be_run(file: &File) -> bool {
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
    // SAFETY: a new private mapping that nobody uses, at a place that the kernel chooses.
    unsafe {
        let length = 4096;
        let flags = ProtFlags::READ | ProtFlags::EXEC;
        let mapped = mmap(std::ptr::null_mut(), length, flags, MapFlags::PRIVATE, file, 0);
        mapped.is_ok_and(|at| munmap(at, length).is_ok())
    }
}

/// The log of one command.
pub(super) struct Log(File);

impl Log {
    fn new(redirects: &[(PathBuf, Redirect)]) -> io::Result<Self> {
        let table = table(redirects)?;
        let mut head = Vec::with_capacity(log::HEADER + table.len());
        head.extend_from_slice(&log::MAGIC.to_ne_bytes());
        head.extend_from_slice(&(log::records(table.len()) as u64).to_ne_bytes());
        head.extend_from_slice(&0_u32.to_ne_bytes());
        head.extend_from_slice(&u32::try_from(table.len()).map_err(io::Error::other)?.to_ne_bytes());
        head.extend_from_slice(&table);
        let file = memory_file("brioche-cc-log")?;
        file.set_len(log::SIZE as u64)?;
        file.write_all_at(&head, 0)?;
        Ok(Self(file))
    }

    /// What was recorded; `None` when something is missing in it.
    pub(super) fn read(&self) -> Option<Recording> {
        let mut head = [0; log::HEADER];
        self.0.read_exact_at(&mut head, 0).ok()?;
        let end = usize::try_from(word64(&head, 8)).ok().filter(|end| *end <= log::SIZE)?;
        let flags = word32(&head, 16);
        if flags & log::INCOMPLETE != 0 {
            return None;
        }
        let begin = log::records(word32(&head, 20) as usize);
        let mut bytes = vec![0; end.checked_sub(begin)?];
        self.0.read_exact_at(&mut bytes, begin as u64).ok()?;
        Reader::default().read(&bytes, flags & log::CLOCK != 0)
    }
}

/// The table of redirections.
fn table(redirects: &[(PathBuf, Redirect)]) -> io::Result<Vec<u8>> {
    let mut table = Vec::new();
    for (from, to) in redirects {
        let from = from.as_os_str().as_encoded_bytes();
        let to = match to {
            Redirect::To(path) => path.as_os_str().as_encoded_bytes(),
            Redirect::Absent => &[],
        };
        for length in [from.len(), to.len()] {
            table.extend_from_slice(&u16::try_from(length).map_err(io::Error::other)?.to_ne_bytes());
        }
        table.extend_from_slice(from);
        table.extend_from_slice(to);
        table.push(0);
    }
    Ok(table)
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

/// Reads the records of all processes.
#[derive(Default)]
struct Reader<'b> {
    /// What each process runs, and the how manieth program that is.
    programs: FxHashMap<u32, (u32, Arc<Path>)>,
    started: u32,
    /// Programs that must have said hello, less those that did.
    expected: i64,
    /// The programs that used each path, and how.
    seen: FxHashSet<(u32, &'b [u8], u32)>,
    /// The objects that list directories, by their numbers in each program.
    listers: FxHashMap<(u32, u32), PathBuf>,
    /// The directories that were listed, by which program, and the number of the object.
    listed: Vec<(PathBuf, Arc<Path>, (u32, u32))>,
    recording: Recording,
}

impl<'b> Reader<'b> {
    fn read(mut self, mut bytes: &'b [u8], clock: bool) -> Option<Recording> {
        self.expected = 1;
        self.recording.clock = clock;
        while !bytes.is_empty() {
            let length = word32(bytes, 12) as usize;
            let size = (log::RECORD + length).next_multiple_of(8);
            let (record, rest) = bytes.split_at_checked(size)?;
            self.record(record, record.get(log::RECORD..log::RECORD + length)?)?;
            bytes = rest;
        }
        let object = |(path, program, lister)| (path, program, self.listers.get(&lister).cloned());
        self.recording.listers = self.listed.into_iter().map(object).collect();
        (self.expected == 0).then_some(self.recording)
    }

    /// One record; `None` when it was not written to its end.
    fn record(&mut self, record: &[u8], bytes: &'b [u8]) -> Option<()> {
        let (kind, process, argument) = (word32(record, 0), word32(record, 4), word32(record, 8));
        let path = || PathBuf::from(OsString::from_vec(bytes.to_vec()));
        match kind {
            log::HELLO => {
                self.expected -= 1;
                if self.programs.is_empty() {
                    self.recording.program = path();
                }
                self.started += 1;
                let program = distinct(&mut self.recording.programs, path().into());
                self.programs.insert(process, (self.started, program));
                return Some(());
            }
            log::EXEC | log::SPAWN => {
                self.expected += 1;
                distinct(&mut self.recording.started, path());
                return Some(());
            }
            log::EXEC_FAILED => {
                self.expected -= 1;
                return Some(());
            }
            log::VARIABLE => {
                distinct(&mut self.recording.variables, OsString::from_vec(bytes.to_vec()));
                return Some(());
            }
            log::TIME => {
                let (_, program) = self.programs.get(&process)?;
                distinct(&mut self.recording.timed, (Arc::clone(program), path()));
                return Some(());
            }
            log::LISTER => {
                let (index, _) = self.programs.get(&process)?;
                self.listers.insert((*index, argument), path());
                return Some(());
            }
            log::LISTED => {
                let (index, program) = self.programs.get(&process)?;
                distinct(&mut self.listed, (path(), Arc::clone(program), (*index, argument)));
            }
            _ => {}
        }
        let what = what(kind, argument, record)?;
        // What was read is kept each time that something else stood there.
        let distinct = if kind == log::READ { word64(record, 40).to_le_bytes()[0].into() } else { 0 };
        let (index, program) = self.programs.get(&process)?;
        if self.seen.insert((*index, bytes, kind << 8 | distinct)) {
            let program = Arc::clone(program);
            self.recording.accesses.push(Access { program, path: path(), what });
        }
        Some(())
    }
}

/// Adds something to a short list that does not have it, and gives what the list has.
fn distinct<T: Clone + PartialEq>(list: &mut Vec<T>, new: T) -> T {
    if let Some(known) = list.iter().find(|known| **known == new) {
        return known.clone();
    }
    list.push(new.clone());
    new
}

fn what(kind: u32, argument: u32, record: &[u8]) -> Option<What> {
    let stat = || Stat {
        device: word64(record, 16),
        inode: word64(record, 24),
        mode: argument,
        links: 1,
        size: word64(record, 32),
        modified: i128::from(word64(record, 40).cast_signed()),
        changed: i128::from(word64(record, 48).cast_signed()),
    };
    let kind_of = |mode: u32| match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        _ => Kind::Other,
    };
    Some(match kind {
        log::READ => What::Read(stat()),
        log::MISSING => What::Missing(argument.cast_signed()),
        log::PRESENT => What::Present(kind_of(argument)),
        log::LINK => What::Link,
        log::RESOLVED => What::Resolved,
        log::LISTED => What::Listed,
        log::WRITTEN => What::Written,
        _ => return None,
    })
}
