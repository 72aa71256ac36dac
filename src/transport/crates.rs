//! What is special to crates: results that may serve at other places, and what a recording of rustc, its
//! macros and its linker says.

mod adapter;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(crate) use adapter::{Compiled, is_configuration};

use super::outputs::Written;
use super::{CrateJob, Job, Kept, LocalTransport, TransportError};
use crate::argparse::OutputKind;
use crate::paths::Spelling;
use crate::recipe::digest::BlobDigest;
use crate::store::Staged;
use crate::world::{Recording, Transcript};

/// What else a recording says of a compile.
#[derive(Default)]
pub(crate) struct Trail {
    /// Files that it left beside its outputs.
    further: Vec<PathBuf>,
    /// The places that it depends on, by their index.
    pub(crate) bound: Vec<(usize, Vec<u8>)>,
}

/// How an artifact notification begins.
const NOTIFICATION: &[u8] = b"{\"$message_type\":\"artifact\"";

/// Whether what was said consists of artifact notifications alone, which say nothing of the source.
pub(crate) fn only_notifies(said: &[u8]) -> bool {
    said.split_inclusive(|byte| *byte == b'\n').all(|line| line.starts_with(NOTIFICATION))
}

impl CrateJob<'_> {
    /// Applies a change to each line that is an artifact notification.
    fn notifications(said: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
        let lines = said.split_inclusive(|byte| *byte == b'\n');
        let changed = lines.flat_map(|line| {
            let notifies = line.starts_with(NOTIFICATION);
            notifies.then(|| change(line)).flatten().unwrap_or_else(|| line.to_vec())
        });
        changed.collect()
    }

    /// What was said elsewhere, as it is said here.
    pub(super) fn said_here(&self, said: &[u8]) -> Vec<u8> {
        Self::notifications(said, |line| self.places.spelled(line, Spelling::Json))
    }

    /// Writes what names places with the places' names, and tells which of them the results hold.
    pub(super) fn bound(
        &self,
        already: Vec<(usize, Vec<u8>)>,
        outputs: &mut [Written],
        further: &[(Vec<u8>, Written)],
        transcript: &mut Transcript,
    ) -> Vec<(usize, Vec<u8>)> {
        let mut bound: BTreeSet<usize> = already.into_iter().map(|(index, _)| index).collect();
        bound.extend(self.bound);
        for written in outputs.iter_mut() {
            let Some(bytes) = &mut written.bytes else { continue };
            if written.kind == OutputKind::Dependencies {
                // Its own names are written as they are, those of what was read with spaces escaped.
                *bytes = self.places.named(bytes, Spelling::Plain);
                bound.extend(self.places.are_escaped_in(bytes));
            }
            bound.extend(self.places.are_in(bytes));
        }
        for (_, written) in further {
            bound.extend(self.places.are_in(written.bytes.as_deref().unwrap_or_default()));
        }
        let mut said = Transcript::default();
        for (stream, bytes) in transcript.parts() {
            let named = Self::notifications(bytes, |line| Some(self.places.named(line, Spelling::Json)));
            bound.extend(self.places.are_in(&named));
            said.add(*stream, &named);
        }
        *transcript = said;
        let place = |index: usize| Some((index, self.places.directories().get(index)?.clone()));
        bound.into_iter().filter_map(place).collect()
    }
}

impl LocalTransport<'_> {
    /// A dependency file as it is written here.
    pub(super) fn dependencies_here(
        &self,
        job: &Job<'_>,
        blob: &BlobDigest,
        path: &Path,
    ) -> Result<Option<Staged>, TransportError> {
        let Some(bytes) = self.store.read_blob(blob)? else { return Ok(None) };
        let spelled = job.krate.and_then(|krate| krate.places.spelled(&bytes, Spelling::Plain));
        Ok(spelled.map(|text| Staged::of_bytes(text, path)))
    }

    /// Reads the files that a compile left beside its outputs, by their names; `None` when one is gone.
    pub(super) fn further(&self, trail: &Trail) -> Option<Vec<(Vec<u8>, Written)>> {
        let read = |name: &PathBuf| {
            let stat = self.world.stat(name).ok()?;
            let bytes = Some(self.world.read(name).ok()?);
            let written = Written { kind: OutputKind::Object, bytes, executable: stat.mode & 0o111 != 0 };
            Some((name.as_os_str().as_bytes().to_vec(), written))
        };
        trail.further.iter().map(read).collect()
    }

    /// A recording in terms that hold for the next compile, or why nothing can be kept.
    pub(super) fn adapted(
        &self,
        job: &Job<'_>,
        krate: &CrateJob<'_>,
        recording: Recording,
    ) -> Result<(Recording, Trail), Kept> {
        let compiled = Compiled {
            world: self.world,
            digester: self.digester,
            krate,
            program: &job.command.program,
            outputs: &job.outputs,
        };
        compiled.adapted(recording)
    }
}
