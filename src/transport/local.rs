//! The local transport: a store on this machine, and the user's own compiler.

use std::io;
use std::path::Path;

use super::entry::{Entries, Entry, Explanation, Kept as KeptOutput};
use super::{Baked, Hit, InputArtifact, Job, Kept, Transport, TransportError};
use crate::argparse::{Family, Output, OutputKind};
use crate::manifest::{Digester, InputSet, Snapshot};
use crate::preprocess::Traits;
use crate::recipe::digest::{ArtifactHash, BlobDigest, RecordName};
use crate::recipe::{Artifact, File};
use crate::store::{Placement, RecordKind, Staged, Store};
use crate::world::{Exit, Sink, Stat, Transcript, World};

/// Bakes with the store and the compilers of this machine.
pub struct LocalTransport<'a> {
    /// The machine.
    pub world: &'a dyn World,
    /// The store.
    pub store: &'a Store,
    /// Gives the digests of inputs.
    pub digester: &'a dyn Digester,
    /// Whose habits of writing files are followed.
    pub family: Family,
    /// Compile on a hit as well, and compare.
    pub verify: bool,
}

impl Transport for LocalTransport<'_> {
    fn get_inputs(&self) -> Result<Vec<InputArtifact>, TransportError> {
        Ok(Vec::new())
    }

    fn create_artifact(&self, path: &Path) -> Result<ArtifactHash, TransportError> {
        let file = |source| TransportError::File { path: path.to_owned(), source };
        let stat = self.world.stat(path).map_err(file)?;
        let blob = self.store.put_blob(&self.world.read(path).map_err(file)?)?;
        Ok(Artifact::File(File::new(blob, stat.mode & 0o100 != 0)).hash())
    }

    fn bake(&self, job: &Job<'_>, sink: Sink<'_>) -> Result<Baked, TransportError> {
        let snapshot = Snapshot::take(self.world, self.digester, job.inputs);
        if let Some(hit) = self.hit(job, snapshot.inputs(), sink)? {
            return Ok(Baked::Hit(hit));
        }
        // Whoever else has this miss now waits here, and finds the result.
        let name = record_name(job);
        let lock = if self.store.is_read_only() { None } else { self.store.lock(&name).ok() };
        if lock.is_some()
            && let Some(hit) = self.hit(job, snapshot.inputs(), sink)?
        {
            return Ok(Baked::Hit(hit));
        }
        self.compile(job, &snapshot, sink)
    }
}

fn record_name(job: &Job<'_>) -> RecordName {
    RecordName::from_bytes(*job.key.as_bytes())
}

impl LocalTransport<'_> {
    /// Whether a job would hit given these inputs, and whether exactly.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn look(&self, job: &Job<'_>, now: &InputSet) -> Result<Option<bool>, TransportError> {
        Ok(self.entries(job)?.find(job, now, Self::quiet(job)).map(|(_, exact)| exact))
    }

    fn entries(&self, job: &Job<'_>) -> Result<Entries, TransportError> {
        let record = self.store.load(RecordKind::Result, &record_name(job))?;
        Ok(record.map(|bytes| Entries::decode(&bytes)).unwrap_or_default())
    }

    /// Whether the preprocessor had nothing to say; what it says may depend on comments.
    fn quiet(job: &Job<'_>) -> bool {
        job.record.fields().any(|(name, values)| name == "messages" && values.iter().all(Vec::is_empty))
    }

    /// Puts an earlier result in place, if there is one that serves and its bytes are sound.
    fn hit(&self, job: &Job<'_>, now: &InputSet, sink: Sink<'_>) -> Result<Option<Hit>, TransportError> {
        if self.verify {
            return Ok(None);
        }
        let entries = self.entries(job)?;
        let Some((entry, exact)) = entries.find(job, now, Self::quiet(job)) else { return Ok(None) };
        let Some(staged) = self.stage(job, entry)? else { return Ok(None) };
        self.store.touch(RecordKind::Result, &record_name(job));
        // The commit point: from here on nothing is run again.
        for staged in staged {
            staged.commit()?;
        }
        for (stream, bytes) in &entry.diagnostics {
            sink(*stream, bytes);
        }
        Ok(Some(Hit { exact, saved: entry.took }))
    }

    /// Brings all outputs beside their places; `None` when a blob is gone or unsound.
    fn stage(&self, job: &Job<'_>, entry: &Entry) -> Result<Option<Vec<Staged>>, TransportError> {
        let mut staged = Vec::with_capacity(job.outputs.len());
        for (output, kept) in job.outputs.iter().zip(&entry.outputs) {
            if output.is_discarded() {
                continue;
            }
            let path = self.world.absolute(Path::new(&output.path));
            let placement = self.placement(output, &path)?;
            let ready = match (output.kind, &kept.blob) {
                (OutputKind::Dependencies, _) => {
                    Some(Staged::of_bytes(job.dependencies.unwrap_or_default().to_vec(), &path))
                }
                (_, None) => continue,
                (_, Some(blob)) => self.store.stage(blob, &path, kept.executable, placement)?,
            };
            let Some(ready) = ready else { return Ok(None) };
            staged.push(ready);
        }
        Ok(Some(staged))
    }

    /// How the compiler would write this output over what is there.
    ///
    /// GNU as unlinks a file that is not empty and makes a new one; clang renames a temporary file over
    /// it; everything else is opened and truncated.
    fn placement(&self, output: &Output, path: &Path) -> Result<Placement, TransportError> {
        let refuse = |why: &str| TransportError::File {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::Unsupported, why.to_owned()),
        };
        let replaces = matches!(
            (self.family, output.kind),
            (_, OutputKind::Object) | (Family::Clang, OutputKind::Assembly) | (Family::Gcc, OutputKind::Dwo)
        );
        let Ok(there) = self.world.lstat(path) else {
            return Ok(if replaces { Placement::Replace } else { Placement::InPlace });
        };
        if !there.is_file() && output.kind != OutputKind::Dependencies {
            return Err(refuse("the output exists and is no regular file"));
        }
        if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
            return Err(refuse("the output exists and is not writable"));
        }
        let empty = self.family == Family::Gcc && there.size == 0;
        Ok(if replaces && !empty { Placement::Replace } else { Placement::InPlace })
    }

    /// Runs the compiler, and keeps the result if it is sure to belong to the key.
    fn compile(&self, job: &Job<'_>, snapshot: &Snapshot, sink: Sink<'_>) -> Result<Baked, TransportError> {
        let before: Vec<Option<Stat>> = job.outputs.iter().map(|output| self.output_stat(output)).collect();
        let mut transcript = Transcript::default();
        let begun = self.world.now();
        let run = self.world.run(&job.command, &mut |stream, bytes| {
            transcript.add(stream, bytes);
            sink(stream, bytes);
        });
        let exit =
            run.map_err(|source| TransportError::Run { program: job.command.program.clone(), source })?;
        let took = u64::try_from((self.world.now() - begun) / 1_000_000).unwrap_or(0);
        if let Some(reason) = self.unfit(job, snapshot, exit) {
            return Ok(Baked::Compiled { exit, kept: reason });
        }
        let Some(outputs) = self.written(job, &before) else {
            return Ok(Baked::Compiled { exit, kept: Kept::OutputMissing });
        };
        let kept =
            if self.verify { self.compare(job, snapshot.inputs(), &outputs, &transcript) } else { None };
        let kept =
            kept.unwrap_or_else(|| match self.keep(job, snapshot.inputs(), outputs, transcript, took) {
                Ok(()) => Kept::Stored,
                Err(_) => Kept::StoreFailed,
            });
        Ok(Baked::Compiled { exit, kept })
    }

    /// Why a compile's result must not be kept.
    fn unfit(&self, job: &Job<'_>, snapshot: &Snapshot, exit: Exit) -> Option<Kept> {
        if !exit.success() {
            return Some(Kept::Failed);
        }
        if self.store.is_read_only() && !self.verify {
            return Some(Kept::ReadOnly);
        }
        let epoch = self.world.environment().get("SOURCE_DATE_EPOCH").is_some();
        if snapshot.inputs().traits().has(Traits::TIME) && !epoch {
            return Some(Kept::TimeMacro);
        }
        // The compiler read the files again after the preprocessor did. Where their times can't show
        // that both saw the same, the preprocessor looks once more.
        let same = snapshot.still_holds(self.world)
            && (snapshot.is_settled(job.started) || (job.confirm)() && snapshot.holds_by_content(self.world));
        (!same).then_some(Kept::InputsChanged)
    }

    fn output_stat(&self, output: &Output) -> Option<Stat> {
        self.world.stat(Path::new(&output.path)).ok().filter(Stat::is_file)
    }

    /// What the compile left at the place of each output; `None` when one is missing that may not be. A
    /// file that was there before and was not touched is not this compile's.
    fn written(&self, job: &Job<'_>, before: &[Option<Stat>]) -> Option<Vec<Written>> {
        let read = |(output, before): (&Output, &Option<Stat>)| {
            let nothing = Written { kind: output.kind, bytes: None, executable: false };
            if output.kind == OutputKind::Dependencies || output.is_discarded() {
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

    fn keep(
        &self,
        job: &Job<'_>,
        inputs: &InputSet,
        outputs: Vec<Written>,
        transcript: Transcript,
        took: u64,
    ) -> Result<(), TransportError> {
        let store = |written: Written| -> Result<KeptOutput, TransportError> {
            let blob = written.bytes.map(|bytes| self.store.put_blob(&bytes)).transpose()?;
            Ok(KeptOutput { kind: written.kind, blob, executable: written.executable })
        };
        let entry = Entry {
            inputs: inputs.clone(),
            outputs: outputs.into_iter().map(store).collect::<Result<_, _>>()?,
            diagnostics: transcript.into_parts(),
            presentation: job.presentation,
            took,
        };
        let mut entries = self.entries(job)?;
        entries.add(entry);
        self.store.save(RecordKind::Result, &record_name(job), &entries.encode())?;
        self.store.save(RecordKind::Explanation, &job.unit, &Explanation::encode(job.record, inputs))?;
        Ok(())
    }

    /// Compares a compile with the stored result that would have served; `None` when there is none.
    fn compare(
        &self,
        job: &Job<'_>,
        inputs: &InputSet,
        outputs: &[Written],
        transcript: &Transcript,
    ) -> Option<Kept> {
        let entries = self.entries(job).ok()?;
        let (entry, _) = entries.find(job, inputs, Self::quiet(job))?;
        let blobs = outputs.iter().map(|written| written.bytes.as_deref().map(BlobDigest::of));
        let same =
            blobs.eq(entry.outputs.iter().map(|kept| kept.blob)) && transcript.parts() == entry.diagnostics;
        Some(Kept::Verified { same })
    }
}

/// One output as a compile left it.
struct Written {
    kind: OutputKind,
    bytes: Option<Vec<u8>>,
    executable: bool,
}

/// An object or its like of no bytes is a compile that went wrong.
fn may_be_empty(kind: OutputKind) -> bool {
    matches!(kind, OutputKind::StackUsage | OutputKind::CallGraph | OutputKind::TemporaryPreprocessed)
}
