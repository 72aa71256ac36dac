//! What a process may use up.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process may use up. What is `None` is as it is for the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// The whole may take this long.
    pub seconds: Option<u64>,
    /// Bytes of address space, for each process.
    pub memory: Option<u64>,
    /// Seconds of processor time, for each process.
    pub cpu_seconds: Option<u64>,
    /// Bytes of each file that is written.
    pub file_size: Option<u64>,
    /// Processes and threads, for all together.
    pub processes: Option<u64>,
}

impl Limits {
    /// Sets them for this process and those that it starts. Makes system calls, and nothing else.
    pub(super) fn apply(&self) -> io::Result<()> {
        let Self { seconds: _, memory, cpu_seconds, file_size, processes } = *self;
        let limits = [
            (Resource::As, memory),
            (Resource::Cpu, cpu_seconds),
            (Resource::Fsize, file_size),
            (Resource::Nproc, processes),
            (Resource::Core, Some(0)),
        ];
        for (resource, limit) in limits {
            let Some(limit) = limit else { continue };
            let hard = getrlimit(resource).maximum;
            let limit = Some(hard.map_or(limit, |hard| hard.min(limit)));
            setrlimit(resource, Rlimit { current: limit, maximum: limit })?;
        }
        Ok(())
    }
}
