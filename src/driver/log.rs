//! The log: one line a decision, in the file that `BRIOCHE_CC_LOG` names. A log that can't be written
//! is no reason to disturb a build.

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;

use crate::world::World;

/// Appends lines to the log file, if there is one.
#[derive(Debug, Clone)]
pub struct Log {
    file: Option<PathBuf>,
}

impl Log {
    /// A log to this file.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// One line: the time (seconds since the epoch), the process, what it is about, what was decided.
    pub fn line(&self, world: &dyn World, subject: impl Display, decision: impl Display) {
        let Some(path) = &self.file else { return };
        let (seconds, millis) = (world.now() / 1_000_000_000, world.now() / 1_000_000 % 1000);
        let line = format!("{seconds}.{millis:03} {} {subject}: {decision}", std::process::id());
        let line = line.replace(['\n', '\r'], " ") + "\n";
        // One write of a short line to a file opened for appending is not torn.
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}
