//! The preprocessed text of an earlier version of the world, told after the fact.
//!
//! An invocation that is seen for the first time is not preprocessed. When its inputs change, it takes the text
//! of that first time to see that a changed comment or an unused macro changed nothing. The store has the
//! sources that were read, so the preprocessor is run once more and shown those in place of the present ones.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::unit::Keyed;
use super::{CompilerCall, Context, Prepared};
use crate::argparse::Family;
use crate::manifest::{Digester, Manifest, Mismatch, Seen, Snapshot, Version};
use crate::planner::Unit;
use crate::preprocess::{FileFacts, differs_in_code};
use crate::recipe::digest::{BlobDigest, RecordName, UnitKey};
use crate::store::RecordKind;
use crate::transport::{Explanation, Job};
use crate::world::{Access, Recording, Redirect, What};

/// How many earlier versions are worth a preprocessor run.
const MOST: usize = 2;

impl Context<'_> {
    /// What is known of the latest compile of this unit under other options, where they are such that the
    /// text may be the same.
    pub(super) fn earlier(&self, job: &Job<'_>) -> Option<Explanation> {
        let bytes = self.store.load(RecordKind::Explanation, &job.unit).ok()??;
        let earlier = Explanation::decode(&bytes)?;
        let differences = job.explanation.record.differences(&earlier.record);
        let shows = |field: &str| matches!(field, "preprocess" | "dependencies" | "environment" | "source");
        let may_be = earlier.invocation != job.invocation && differences.iter().all(|d| shows(d.field));
        may_be.then_some(earlier)
    }

    /// Whether the text is sure enough to be another one than the latest time that no preprocessor need tell:
    /// code has changed, or what it was is not known any more.
    pub(super) fn text_is_another(&self, job: &Job<'_>) -> bool {
        let Ok(Some(record)) = self.store.load(RecordKind::Manifest, &job.invocation) else { return false };
        let Some(manifest) = Manifest::decode(&record) else { return false };
        let Some(latest) = manifest.versions().first() else { return false };
        let Some(seen) = latest.seen() else { return false };
        let differs = |(path, digest): &(PathBuf, BlobDigest)| match self.store.read_blob(digest) {
            Ok(Some(old)) => self.world.read(path).is_ok_and(|new| differs_in_code(&old, &new)),
            _ => latest.text.is_none(),
        };
        seen.changed(self.world, self).iter().any(differs)
    }

    /// Sees to it that earlier results of this unit can be found by their text.
    pub(super) fn recover(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        explanation: &Explanation,
        keyed: &Keyed,
    ) {
        let job = self.job(prepared, unit, OsStr::new(""), explanation);
        self.recover_texts(prepared, unit, &job, keyed);
        self.recover_earlier(prepared, &job, keyed);
    }

    /// Sees to it that the latest compile of this unit under other options can be found by its text.
    fn recover_earlier(&self, prepared: &Prepared<'_>, job: &Job<'_>, keyed: &Keyed) {
        let Some(earlier) = self.earlier(job).filter(|_| prepared.stdin.is_none()) else { return };
        let args = earlier.args.iter().map(|arg| OsString::from_vec(arg.clone())).collect();
        let call = CompilerCall { args, ..prepared.call.clone() };
        let Ok(then) = self.prepare(&call) else { return };
        for unit in &then.plan.units {
            let explanation = self.explanation(&then, unit);
            // Under another environment it was another invocation.
            if explanation.invocation == earlier.invocation {
                self.recover_texts(&then, unit, &self.job(&then, unit, OsStr::new(""), &explanation), keyed);
            }
        }
    }

    /// Sees to it that earlier results of this invocation can be found by their text, where the present text
    /// is not known yet.
    fn recover_texts(&self, prepared: &Prepared<'_>, unit: &Unit, job: &Job<'_>, keyed: &Keyed) {
        let is_known = |key: &UnitKey| {
            let name = RecordName::from_bytes(*key.as_bytes());
            !matches!(self.store.load(RecordKind::Result, &name), Ok(None))
        };
        if self.store.is_read_only() || !self.config.semantic || is_known(&keyed.key) {
            return;
        }
        let Ok(Some(record)) = self.store.load(RecordKind::Manifest, &job.invocation) else { return };
        let Some(manifest) = Manifest::decode(&record) else { return };
        let untold = manifest.versions().iter().filter(|version| version.text.is_none());
        for version in untold.take(MOST) {
            // Nothing is lost when it can't be told: the unit is compiled.
            if self.recover_text(prepared, unit, job, version).is_some() {
                self.log.line(
                    self.world,
                    unit.source.path.display(),
                    "the text of an earlier version was told",
                );
            }
        }
    }

    fn recover_text(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        job: &Job<'_>,
        version: &Version<'_>,
    ) -> Option<()> {
        let seen = version.seen()?;
        let (mut redirects, mut earlier) = (Vec::new(), Vec::new());
        for (path, digest) in seen.changed(self.world, self) {
            redirects.push((path.clone(), Redirect::To(self.store.blob_file(&digest).ok()??)));
            earlier.push((path, FileFacts::of(&self.store.read_blob(&digest).ok()??)));
        }
        redirects.extend(seen.appeared(self.world).into_iter().map(|path| (path, Redirect::Absent)));
        if let Err(Mismatch::Other(_)) = seen.holds(self.world, self, false) {
            return None;
        }
        let keyed = self.key_with(prepared, unit, &redirects).ok()?;
        let recording = keyed.preprocessed.recording.as_ref()?;
        let gcc = prepared.invocation.compiler.family == Family::Gcc;
        if recording.clock || !self.read_the_same(gcc, &seen, recording, &redirects) {
            return None;
        }
        let inputs = Snapshot::take(self.world, self, &keyed.preprocessed.files).with(&earlier);
        if !earlier.iter().all(|(path, _)| inputs.names(path)) {
            return None;
        }
        self.transport(prepared).adopt(job, version, keyed.key, inputs).ok()
    }

    /// Whether the preprocessor read nothing but what the earlier compile read, with the bytes of then.
    fn read_the_same(
        &self,
        gcc: bool,
        seen: &Seen<'_>,
        recording: &Recording,
        redirects: &[(PathBuf, Redirect)],
    ) -> bool {
        let files: HashMap<&Path, BlobDigest> = seen.files().collect();
        // gcc's driver reads nothing that the text shows; clang's is the compiler itself.
        let aside = |access: &Access| gcc && *access.program == *recording.program;
        let is_file = |access: &Access| matches!(access.what, What::Read(stat) if stat.is_file());
        let mut read = recording.accesses.iter().filter(|access| is_file(access) && !aside(access));
        read.all(|access| {
            let redirected = redirects.iter().any(|(path, _)| *path == access.path);
            let digest = || {
                let stat = self.world.stat(&access.path).ok()?;
                Digester::facts(self, &access.path, &stat).ok().map(|facts| facts.digest)
            };
            match files.get(access.path.as_path()) {
                Some(then) => redirected || digest() == Some(*then),
                None => access.path.starts_with("/proc"),
            }
        })
    }
}
