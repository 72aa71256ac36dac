//! The files that a compile leaves: brought to their places on a hit, taken from there on a miss.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::entry::{Part, Product};
use super::placing::placement;
use super::{Job, LocalTransport, TransportError};
use crate::argparse::{Output, OutputKind};
use crate::recipe::digest::BlobDigest;
use crate::store::Staged;
use crate::world::Stat;

/// The dependency file that this run's own preprocessor wrote, where it did.
pub(super) fn fresh_dependencies<'a>(job: &Job<'a>, output: &Output) -> Option<&'a [u8]> {
    let text = job.text.as_ref().filter(|_| output.kind == OutputKind::Dependencies)?;
    text.dependencies
}

impl LocalTransport<'_> {
    /// Brings all outputs beside their places; `None` when a blob is gone or unsound.
    pub(super) fn stage(
        &self,
        job: &Job<'_>,
        product: &Product,
    ) -> Result<Option<Vec<Staged>>, TransportError> {
        let mut staged: Vec<(usize, OutputKind, Staged)> = Vec::with_capacity(job.outputs.len());
        // What is part of another output is taken from where that is staged.
        let mut outputs: Vec<_> = job.outputs.iter().zip(&product.outputs).enumerate().collect();
        outputs.sort_by_key(|(_, (_, kept))| kept.part.is_some());
        for (index, (output, kept)) in outputs {
            if output.is_discarded() {
                continue;
            }
            let path = self.world.absolute(Path::new(&output.path));
            let placement = placement(self.world, self.habits, output.kind, &path)?;
            let ready = match (fresh_dependencies(job, output), &kept.blob) {
                // What this run's own preprocessor wrote goes first.
                (Some(bytes), _) => Some(Staged::of_bytes(bytes.to_vec(), &path)),
                (None, None) => continue,
                (None, Some(blob)) if job.krate.is_some() && output.kind == OutputKind::Dependencies => {
                    self.dependencies_here(job, blob, &path)?
                }
                (None, Some(blob)) => match &kept.part {
                    None => self.store.stage(blob, &path, kept.executable, placement)?,
                    Some(part) => {
                        let whole = staged.iter().find(|(at, _, _)| u32::try_from(*at) == Ok(part.of));
                        let bytes = whole.map(|(_, _, whole)| whole.part(part.offset, part.length));
                        let sound = bytes.transpose()?.filter(|bytes| BlobDigest::of(bytes) == *blob);
                        sound.map(|bytes| Staged::of(bytes, &path, kept.executable, placement)).transpose()?
                    }
                },
            };
            let Some(ready) = ready else { return Ok(None) };
            staged.push((index, output.kind, ready));
        }
        for (name, kept) in &product.further {
            let path = self.world.absolute(Path::new(OsStr::from_bytes(name)));
            let Some(blob) = &kept.blob else { continue };
            let placement = placement(self.world, self.habits, kept.kind, &path)?;
            let Some(ready) = self.store.stage(blob, &path, kept.executable, placement)? else {
                return Ok(None);
            };
            staged.push((usize::MAX, kept.kind, ready));
        }
        // Where a dependency file can't be written, compilers leave no object either.
        staged.sort_by_key(|(_, kind, _)| *kind != OutputKind::Dependencies);
        Ok(Some(staged.into_iter().map(|(_, _, staged)| staged).collect()))
    }

    pub(super) fn output_stat(&self, output: &Output) -> Option<Stat> {
        self.world.stat(Path::new(&output.path)).ok().filter(Stat::is_file)
    }

    /// What the compile left at the place of each output; `None` when one is missing that may not be. A
    /// file that was there before and was not touched is not this compile's.
    pub(super) fn written(&self, job: &Job<'_>, before: &[Option<Stat>]) -> Option<Vec<Written>> {
        let read = |(output, before): (&Output, &Option<Stat>)| {
            let nothing = Written { kind: output.kind, bytes: None, executable: false };
            if output.is_discarded() {
                return Some(nothing);
            }
            let stat =
                self.output_stat(output).filter(|now| before.is_none_or(|then| !then.same_content(now)));
            match stat.and_then(|stat| Some((self.world.read(Path::new(&output.path)).ok()?, stat))) {
                Some((bytes, stat)) if !bytes.is_empty() || may_be_empty(output.kind) => {
                    Some(Written { bytes: Some(bytes), executable: stat.mode & 0o111 != 0, ..nothing })
                }
                _ => output.optional.then_some(nothing),
            }
        };
        job.outputs.iter().zip(before).map(read).collect()
    }
}

/// What a compile left.
pub(super) struct Results {
    /// The outputs that its command line tells.
    pub(super) outputs: Vec<Written>,
    /// Others, by their names.
    pub(super) further: Vec<(Vec<u8>, Written)>,
    /// The places that they hold, by their index.
    pub(super) bound: Vec<(usize, Vec<u8>)>,
}

/// One output as a compile left it.
pub(super) struct Written {
    pub(super) kind: OutputKind,
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) executable: bool,
}

/// Where the bytes of an output stand in another one of the same compile.
pub(super) fn part_of(index: usize, outputs: &[Written]) -> Option<Part> {
    let written = outputs.get(index).filter(|written| written.kind == OutputKind::Metadata)?;
    let inner = written.bytes.as_deref().filter(|bytes| !bytes.is_empty())?;
    outputs.iter().enumerate().filter(|(of, _)| *of != index).find_map(|(of, whole)| {
        let whole = whole.bytes.as_deref().filter(|whole| whole.len() > inner.len())?;
        let offset = memchr::memmem::find(whole, inner)?;
        Some(Part { of: u32::try_from(of).ok()?, offset: offset as u64, length: inner.len() as u64 })
    })
}

/// An object or its like of no bytes is a compile that went wrong.
fn may_be_empty(kind: OutputKind) -> bool {
    use OutputKind::{CallGraph, LlvmIr, Metadata, Mir, StackUsage, TemporaryPreprocessed};
    // A program that is only checked has metadata of no bytes.
    matches!(kind, StackUsage | CallGraph | TemporaryPreprocessed | Metadata | Mir | LlvmIr)
}
