//! The local transport: a store on this machine, and the user's own compiler.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::crates::Trail;
use super::entry::{Kept as KeptOutput, Part, Product};
use super::outputs::{Results, Written, part_of};
use super::texts::{Found, is_placeless, record_name};
use super::{Baked, Habits, Hit, How, InputArtifact, Job, Kept, Text, Transport, TransportError};
use crate::manifest::{
    Digester, InputSet, Knowledge, Learned, Manifest, Mismatch, Seen, Snapshot, Unlearnable, Version,
};
use crate::preprocess::Traits;
use crate::recipe::digest::{ArtifactHash, BlobDigest, UnitKey};
use crate::recipe::{Artifact, File};
use crate::store::{Event, RecordKind, Store};
use crate::world::{Exit, Recording, Sink, Stat, Transcript, World};

/// Bakes with the store and the compilers of this machine.
pub struct LocalTransport<'a> {
    /// The machine.
    pub world: &'a dyn World,
    /// The store.
    pub store: &'a Store,
    /// Gives the digests of inputs.
    pub digester: &'a dyn Digester,
    /// Whose habits of writing files are followed.
    pub habits: Habits,
    /// Compile on a hit as well, and compare.
    pub verify: bool,
    /// Whether lookups that failed are looked up again; see [`Seen::holds`](crate::manifest::Seen::holds).
    pub absences: bool,
}

/// What the manifest of an invocation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direct {
    /// An earlier result served.
    Hit(Hit),
    /// One would serve, but a compile is to be compared with it.
    WouldHit,
    /// The invocation was seen before, but none of its results serves. Why not, for each that could have.
    Changed(Vec<Mismatch>),
    /// It was never seen.
    Unseen,
}

/// What a compile read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// The files, by their absolute paths, with digests of their bytes.
    pub files: Vec<(PathBuf, BlobDigest)>,
    /// What it looked at and did not read, what was on the way to something, and the directories in which it looked
    /// for something.
    pub present: Vec<PathBuf>,
    /// The links that it read, or that a path led over that it resolved.
    pub linked: Vec<PathBuf>,
    /// The directories whose names it listed, but for those in which the compiler looks for crates.
    pub listed: Vec<PathBuf>,
    /// The variables of the environment that it asked for, but for those that decide nothing.
    pub variables: Vec<OsString>,
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
        let snapshot = job.text.as_ref().map(|text| Snapshot::take(self.world, self.digester, text.inputs));
        let now = snapshot.as_ref().map(Snapshot::inputs);
        if let Some(hit) = self.text_hit(job, now, sink)? {
            return Ok(Baked::Hit(hit));
        }
        // Whoever else has this miss now waits here, and finds the result.
        let name = job.text.as_ref().map_or(job.invocation, |text| record_name(text.key));
        let lock = if self.store.is_read_only() { None } else { self.store.lock(&name).ok() };
        if lock.is_some() {
            if let Some(hit) = self.text_hit(job, now, sink)? {
                return Ok(Baked::Hit(hit));
            }
            if let (None, Direct::Hit(hit)) = (&job.text, self.direct(job, sink)?) {
                return Ok(Baked::Hit(hit));
            }
        }
        self.compile(job, snapshot.as_ref(), sink)
    }
}

/// Looking for an earlier result.
impl LocalTransport<'_> {
    /// Puts an earlier result in place if all that its compile saw would be seen again, and its bytes are
    /// sound. Nothing is run.
    ///
    /// # Errors
    /// When the store can't be read or a file can't be put.
    pub fn direct(&self, job: &Job<'_>, sink: Sink<'_>) -> Result<Direct, TransportError> {
        let Some(bytes) = self.store.load(RecordKind::Manifest, &job.invocation)? else {
            return Ok(Direct::Unseen);
        };
        let (served, mismatches) = self.served(job, &Manifest::decode(&bytes).unwrap_or_default());
        match served {
            Some(_) if self.verify => Ok(Direct::WouldHit),
            Some(product) if self.place(job, &product, sink)? => {
                Ok(Direct::Hit(Hit { how: How::Direct, saved: product.took }))
            }
            _ => Ok(Direct::Changed(mismatches)),
        }
    }

    /// The result that would serve directly, or why none does.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn look_direct(&self, job: &Job<'_>) -> Result<Direct, TransportError> {
        let Some(bytes) = self.store.load(RecordKind::Manifest, &job.invocation)? else {
            return Ok(Direct::Unseen);
        };
        let (served, mismatches) = self.served(job, &Manifest::decode(&bytes).unwrap_or_default());
        Ok(if served.is_some() { Direct::WouldHit } else { Direct::Changed(mismatches) })
    }

    /// What the compile of a job saw: the files that it read, and the variables that it asked for. `None` where none
    /// is known that would see the same now.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn reads(&self, job: &Job<'_>) -> Result<Option<Reads>, TransportError> {
        let bytes = self.store.load(RecordKind::Manifest, &job.invocation)?.unwrap_or_default();
        let manifest = Manifest::decode(&bytes).unwrap_or_default();
        Ok(self.standing(job, &manifest).0.map(|(_, seen)| Reads {
            files: seen.files().map(|(path, digest)| (self.world.absolute(path), digest)).collect(),
            present: seen.present().map(|path| self.world.absolute(path)).collect(),
            linked: seen.linked().map(|path| self.world.absolute(path)).collect(),
            listed: seen.listed().map(|path| self.world.absolute(path)).collect(),
            variables: seen.variables().map(OsStr::to_owned).collect(),
        }))
    }

    fn served(&self, job: &Job<'_>, manifest: &Manifest<'_>) -> (Option<Product>, Vec<Mismatch>) {
        let (standing, mismatches) = self.standing(job, manifest);
        (standing.map(|(product, _)| product), mismatches)
    }

    /// The version that would come of a compile now, or why none would.
    fn standing<'m>(
        &self,
        job: &Job<'_>,
        manifest: &Manifest<'m>,
    ) -> (Option<(Product, Seen<'m>)>, Vec<Mismatch>) {
        let mut mismatches = Vec::new();
        for version in manifest.versions() {
            let product = Product::decode(version.result).filter(|product| product.fits(job));
            let (Some(product), Some(seen)) = (product, version.seen()) else { continue };
            match seen.holds(self.world, self.digester, self.absences) {
                Ok(()) => return (Some((product, seen)), mismatches),
                Err(mismatch) => mismatches.push(mismatch),
            }
        }
        (None, mismatches)
    }

    /// Whether a job would hit given these inputs, and whether exactly.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn look(&self, job: &Job<'_>, now: &InputSet) -> Result<Option<bool>, TransportError> {
        let Some(text) = &job.text else { return Ok(None) };
        Ok(self.found(job, text, now)?.map(|found| found.exact))
    }

    /// Puts an earlier result of the same text in place, if there is one that serves.
    fn text_hit(
        &self,
        job: &Job<'_>,
        now: Option<&InputSet>,
        sink: Sink<'_>,
    ) -> Result<Option<Hit>, TransportError> {
        let (Some(text), Some(now), false) = (&job.text, now, self.verify) else { return Ok(None) };
        let Some(Found { name, product, exact }) = self.found(job, text, now)? else { return Ok(None) };
        if !self.place(job, &product, sink)? {
            return Ok(None);
        }
        self.store.touch(RecordKind::Result, &name);
        self.remember(job, text, &product);
        let how = if exact { How::Exact } else { How::Semantic };
        Ok(Some(Hit { how, saved: product.took }))
    }

    /// Puts a result in place; false when a blob of it is gone or unsound.
    fn place(&self, job: &Job<'_>, product: &Product, sink: Sink<'_>) -> Result<bool, TransportError> {
        let Some(staged) = self.stage(job, product)? else { return Ok(false) };
        // The commit point: from here on nothing is run again.
        for staged in staged {
            staged.commit()?;
        }
        for (stream, bytes) in &product.diagnostics {
            match &job.krate {
                Some(krate) => sink(*stream, &krate.said_here(bytes)),
                None => sink(*stream, bytes),
            }
        }
        Ok(true)
    }

    /// After a hit by the text: what the preprocessor saw, so that the next hit is direct.
    fn remember(&self, job: &Job<'_>, text: &Text<'_>, product: &Product) {
        let Some(recording) =
            text.recording.filter(|recording| !recording.clock && !self.store.is_read_only())
        else {
            return;
        };
        let Ok(learned) = self.learn(recording, text.started) else { return };
        let mut product = product.clone();
        for (kept, output) in product.outputs.iter_mut().zip(&job.outputs) {
            // Another invocation's is not this one's, and one that is discarded is not kept at all.
            if let Some(bytes) = super::outputs::fresh_dependencies(job, output) {
                let wanted = Some(bytes).filter(|_| !output.is_discarded());
                kept.blob = wanted.and_then(|bytes| self.store.put_blob(bytes).ok());
            }
        }
        // Not kept means preprocessed again next time.
        let _ = self.save_version(job, &learned, &product);
    }
}

/// Compiling, and keeping what came of it.
impl LocalTransport<'_> {
    /// Runs the compiler, and keeps the result if it is sure to belong to what it saw.
    fn compile(
        &self,
        job: &Job<'_>,
        snapshot: Option<&Snapshot>,
        sink: Sink<'_>,
    ) -> Result<Baked, TransportError> {
        let before: Vec<Option<Stat>> = job.outputs.iter().map(|output| self.output_stat(output)).collect();
        let mut transcript = Transcript::default();
        let begun = self.world.now();
        let (exit, recording) = self.run(job, &mut |stream, bytes| {
            transcript.add(stream, bytes);
            sink(stream, bytes);
        })?;
        let took = u64::try_from((self.world.now() - begun) / 1_000_000).unwrap_or(0);
        let compiled = |kept| Ok(Baked::Compiled { exit, kept });
        if !exit.success() {
            return compiled(Kept::Failed);
        }
        if self.store.is_read_only() && !self.verify {
            return compiled(Kept::ReadOnly);
        }
        let (recording, trail) = match (&job.krate, recording) {
            (Some(krate), Some(recording)) => match self.adapted(job, krate, recording) {
                Ok((recording, trail)) => (Some(recording), trail),
                Err(reason) => {
                    self.note_seen(job);
                    return compiled(reason);
                }
            },
            (_, recording) => (recording, Trail::default()),
        };
        let learned = self.learned(recording.as_ref(), begun);
        let unfit = match (&job.text, snapshot) {
            (Some(text), Some(snapshot)) => self.unfit(text, snapshot),
            _ => learned.as_ref().err().cloned(),
        };
        if let Some(reason) = unfit {
            // What changed meanwhile will not the next time, and a crate is then to be learned.
            if job.krate.is_none() || reason != Kept::InputsChanged {
                self.note_seen(job);
            }
            return compiled(reason);
        }
        let written = self.written(job, &before).zip(self.further(&trail));
        let Some((mut outputs, further)) = written else {
            return compiled(Kept::OutputMissing);
        };
        let mut bound = trail.bound;
        if let Some(krate) = &job.krate {
            bound = krate.bound(bound, &mut outputs, &further, &mut transcript);
        }
        if self.verify
            && let Some(same) = self.compare(job, snapshot.map(Snapshot::inputs), &outputs, &transcript)
        {
            return compiled(Kept::Verified { same });
        }
        let shared = job.text.as_ref().and_then(|text| text.shared);
        let placeless = shared.is_some_and(|shared| is_placeless(&shared, &outputs, &transcript));
        let results = Results { outputs, further, bound };
        let kept = self.product(job, results, transcript, took).and_then(|product| {
            if let (Some(text), Some(snapshot)) = (&job.text, snapshot) {
                self.keep_text(text, snapshot.inputs(), product.clone(), placeless)?;
            }
            self.keep(job, learned.ok().as_ref(), &product)
        });
        compiled(kept.map_or_else(|error| Kept::StoreFailed { why: error.to_string() }, |()| Kept::Stored))
    }

    fn run(&self, job: &Job<'_>, sink: Sink<'_>) -> Result<(Exit, Option<Recording>), TransportError> {
        let ran = if self.store.is_read_only() {
            self.world.run(&job.command, sink).map(|exit| (exit, None))
        } else {
            self.world.run_recorded(&job.command, &[], sink)
        };
        ran.map_err(|source| TransportError::Run { program: job.command.program.clone(), source })
    }

    /// What a compile saw, or why that can't be told.
    fn learned<'r>(&self, recording: Option<&'r Recording>, started: i128) -> Result<Learned<'r>, Kept> {
        let recording = recording.ok_or(Kept::NotRecorded)?;
        let learned = self.learn(recording, started).map_err(|unlearnable| match unlearnable {
            Unlearnable::Changed => Kept::InputsChanged,
            Unlearnable::Special => Kept::NotRecorded,
        })?;
        let precompiled = |path: &Path| path.extension().is_some_and(|ext| ext == "gch" || ext == "pch");
        if learned.files().any(|(path, _, _)| precompiled(path)) {
            return Err(Kept::Precompiled);
        }
        match (recording.clock, learned.traits().has(Traits::TIME)) {
            (false, _) => Ok(learned),
            (true, true) => Err(Kept::TimeMacro),
            (true, false) => Err(Kept::Dated),
        }
    }

    fn learn<'r>(&self, recording: &'r Recording, started: i128) -> Result<Learned<'r>, Unlearnable> {
        let cwd = self.world.cwd();
        let named = self.world.environment().get("PWD").map_or(cwd, Path::new);
        let directory = [cwd, named];
        let driver_aside = self.habits == Habits::Gcc;
        let variables = self.habits == Habits::Rustc;
        let knowledge = Knowledge { started, driver_aside, directory, variables };
        Learned::of(self.world, self.digester, recording, knowledge)
    }

    /// Why the compile of a text must not be kept.
    fn unfit(&self, text: &Text<'_>, snapshot: &Snapshot) -> Option<Kept> {
        if snapshot.inputs().holds_time(self.world) {
            return Some(Kept::TimeMacro);
        }
        // The compiler read the files again after the preprocessor did. Where their times can't show
        // that both saw the same, the preprocessor looks once more.
        let same = snapshot.still_holds(self.world)
            && (snapshot.is_settled(text.started)
                || (text.confirm)() && snapshot.holds_by_content(self.world));
        (!same).then_some(Kept::InputsChanged)
    }

    /// Stores the outputs.
    fn product(
        &self,
        job: &Job<'_>,
        results: Results,
        transcript: Transcript,
        took: u64,
    ) -> Result<Product, TransportError> {
        let Results { outputs, further, bound } = results;
        let store = |written: &Written, part: Option<Part>| -> Result<KeptOutput, TransportError> {
            // Objects of C are small, and hits of theirs too short for it.
            let keep = |bytes: &Vec<u8>| match (part, &job.krate) {
                (Some(_), _) => Ok(BlobDigest::of(bytes)),
                (None, Some(_)) => self.store.put_blob_smaller(bytes),
                (None, None) => self.store.put_blob(bytes),
            };
            let blob = written.bytes.as_ref().map(keep).transpose()?;
            Ok(KeptOutput { kind: written.kind, blob, executable: written.executable, part })
        };
        let parts = (0..outputs.len()).map(|index| part_of(index, &outputs));
        let kept = outputs.iter().zip(parts).map(|(written, part)| store(written, part));
        let kept = kept.collect::<Result<_, _>>()?;
        let further = further.into_iter().map(|(name, written)| Ok((name, store(&written, None)?)));
        let place = |(index, place): (usize, Vec<u8>)| Some((u32::try_from(index).ok()?, place));
        Ok(Product {
            outputs: kept,
            further: further.collect::<Result<_, TransportError>>()?,
            diagnostics: transcript.into_parts(),
            presentation: job.presentation,
            took,
            bound: bound.into_iter().filter_map(place).collect(),
        })
    }

    fn keep(
        &self,
        job: &Job<'_>,
        learned: Option<&Learned<'_>>,
        product: &Product,
    ) -> Result<(), TransportError> {
        match learned {
            Some(learned) => self.save_version(job, learned, product)?,
            None => self.note_seen(job),
        }
        self.store.save(RecordKind::Explanation, &job.unit, &job.explanation.encode())?;
        Ok(())
    }

    /// Files an earlier result under the key of its text, once that is told.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub fn adopt(
        &self,
        job: &Job<'_>,
        version: &Version<'_>,
        key: UnitKey,
        inputs: InputSet,
    ) -> Result<(), TransportError> {
        let Some(product) = Product::decode(version.result) else { return Ok(()) };
        self.add_entry(key, inputs, product)?;
        let earlier = self.store.load(RecordKind::Manifest, &job.invocation)?.unwrap_or_default();
        let mut manifest = Manifest::decode(&earlier).unwrap_or_default();
        for other in manifest.versions_mut().iter_mut().filter(|other| other.is_of_same_world(version)) {
            other.text = Some(key);
        }
        Ok(self.store.save(RecordKind::Manifest, &job.invocation, &manifest.encode())?)
    }

    /// Keeps the sources that were read, but for those of the system, so that their text can be told later.
    fn keep_sources(&self, learned: &Learned<'_>) {
        const LARGE: u64 = 4 << 20;
        let ours = learned.files().filter(|(path, _, size)| !path.starts_with("/usr") && *size <= LARGE);
        for (path, digest, _) in ours {
            if !self.store.has_blob(&digest) {
                // Not kept means not told.
                let _ = self.world.read(path).map(|bytes| self.store.put_blob(&bytes));
            }
        }
    }

    /// Adds a version to the manifest, with the sources that tell later whether code has changed.
    fn save_version(
        &self,
        job: &Job<'_>,
        learned: &Learned<'_>,
        product: &Product,
    ) -> Result<(), TransportError> {
        if job.krate.is_none() {
            self.keep_sources(learned);
        }
        let earlier = self.store.load(RecordKind::Manifest, &job.invocation)?;
        let earlier = earlier.as_deref().map(Manifest::decode);
        if earlier == Some(None) {
            // Whole, but not one of ours.
            self.store.record(&Event::Corrupt);
        }
        let text = job.text.as_ref().map(|text| text.key);
        // Results that are bound to several places, and saw the same, serve one each.
        let serves_as =
            |other: &Product| (other.presentation, &other.bound) == (product.presentation, &product.bound);
        let replaces =
            |other: &Version<'_>| Product::decode(other.result).is_none_or(|other| serves_as(&other));
        let earlier = earlier.flatten().unwrap_or_default();
        let manifest = earlier.with(&learned.seen(), text, &product.encode(), &replaces);
        Ok(self.store.save(RecordKind::Manifest, &job.invocation, &manifest)?)
    }

    /// Notes that the invocation was seen, though nothing can be learned from it.
    fn note_seen(&self, job: &Job<'_>) {
        if let Ok(None) = self.store.load(RecordKind::Manifest, &job.invocation) {
            let _ = self.store.save(RecordKind::Manifest, &job.invocation, &Manifest::default().encode());
        }
    }

    /// Compares a compile with the stored result that would have served; `None` when there is none.
    fn compare(
        &self,
        job: &Job<'_>,
        inputs: Option<&InputSet>,
        outputs: &[Written],
        transcript: &Transcript,
    ) -> Option<bool> {
        let by_text = || {
            let text = job.text.as_ref()?;
            Some(self.found(job, text, inputs?).ok()??.product)
        };
        let directly = || {
            let bytes = self.store.load(RecordKind::Manifest, &job.invocation).ok()??;
            self.served(job, &Manifest::decode(&bytes).unwrap_or_default()).0
        };
        let product: Product = if job.text.is_some() { by_text()? } else { directly()? };
        let blobs = outputs.iter().map(|written| written.bytes.as_deref().map(BlobDigest::of));
        Some(
            blobs.eq(product.outputs.iter().map(|kept| kept.blob))
                && transcript.parts() == product.diagnostics,
        )
    }
}
