//! What a process may use up.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process may use up. What is `None` is as it is for the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// The whole may take this long.
    pub seconds: Option<u64>,
    /// Bytes of memory, for all together where there are control groups; elsewhere of address space, for each
    /// process.
    pub total_memory: Option<u64>,
    /// Bytes of address space, for each process.
    pub memory: Option<u64>,
    /// Seconds of processor time, for each process.
    pub cpu_seconds: Option<u64>,
    /// Bytes of each file that is written.
    pub file_size: Option<u64>,
    /// Processes and threads, for all together; where there are no control groups, all of this user's count.
    pub processes: Option<u64>,
}

impl Limits {
    /// Whether a control group makes a difference.
    pub(crate) fn are_for_all(&self) -> bool {
        self.total_memory.is_some() || self.processes.is_some()
    }

    /// Sets them for this process and those that it starts, but for those that its group has. Makes system calls,
    /// and nothing else.
    pub(super) fn apply(&self, in_group: bool) -> io::Result<()> {
        let Self { seconds: _, total_memory, memory, cpu_seconds, file_size, processes } = *self;
        let (memory, processes) = match (in_group, memory, total_memory) {
            (true, memory, _) => (memory, None),
            (false, Some(memory), Some(total)) => (Some(memory.min(total)), processes),
            (false, memory, total) => (memory.or(total), processes),
        };
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
