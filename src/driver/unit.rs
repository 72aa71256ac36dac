//! One unit: preprocess, key, bake over the local transport.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Aside, Context, Prepared};
use crate::argparse::{Debug, Family, Refusal};
use crate::manifest::InputSet;
use crate::planner::Unit;
use crate::planner::environment;
use crate::planner::key::{
    FieldWriter, KeyHasher, KeyInputs, KeyRecord, Subject, presentation_options, unit_key, unit_key_without,
};
use crate::preprocess::{Outcome, Preprocessed, Scratch, preprocess};
use crate::recipe::digest::{BlobDigest, RecordName, UnitKey};
use crate::store::Event;
use crate::transport::{
    Baked, Direct, Explanation, How, Job, Kept, LocalTransport, SemanticRules, Shared, Text, Transport,
};
use crate::world::{Command, Exit, Redirect, Sink, Stdin};

impl Context<'_> {
    /// Bakes one unit; its object goes to `object` where that is a temporary file.
    pub(super) fn bake_unit(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        object: &OsStr,
        sink: Sink<'_>,
    ) -> Result<Exit, Aside> {
        if let Some(signal) = self.world.interrupted() {
            return Ok(Exit::Signal(signal));
        }
        if !unit.source.refusals.is_empty() {
            return Err(Aside::Refused(unit.source.refusals.clone()));
        }
        let explanation = self.explanation(prepared, unit);
        let job = self.job(prepared, unit, object, &explanation);
        let transport = self.transport(prepared);
        let baked = match transport.direct(&job, &mut *sink)? {
            Direct::Hit(hit) => Baked::Hit(hit),
            Direct::WouldHit => transport.bake(&job, sink)?,
            // What was never seen has no earlier text either, unless at another place.
            Direct::Unseen
                if self.can_record(prepared)
                    && self.config.base_dirs.is_empty()
                    && self.earlier(&job).is_none() =>
            {
                transport.bake(&job, sink)?
            }
            Direct::Unseen => self.bake_text(prepared, unit, job, sink)?,
            Direct::Changed(mismatches) => {
                for mismatch in mismatches {
                    let (token, path) = (mismatch.token(), mismatch.path().display());
                    let subject = unit.source.path.display();
                    self.log.line(self.world, subject, format_args!("manifest: {token}: {path}"));
                }
                let may_be_known = !self.config.base_dirs.is_empty() || !self.text_is_another(&job);
                if self.can_record(prepared) && !may_be_known {
                    transport.bake(&job, sink)?
                } else {
                    self.bake_text(prepared, unit, job, sink)?
                }
            }
        };
        Ok(self.account(&unit.source.path, baked))
    }

    /// Whether a compile can be recorded.
    fn can_record(&self, prepared: &Prepared<'_>) -> bool {
        self.world.records() && prepared.toolchain.is_dynamic() && !self.store.is_read_only()
    }

    /// Bakes a unit by its preprocessed text.
    fn bake_text(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        job: Job<'_>,
        sink: Sink<'_>,
    ) -> Result<Baked, Aside> {
        let started = self.world.now();
        let keyed = match self.key(prepared, unit) {
            // What the assembler reads is not in the text; a recording shows it.
            Err(Aside::Refused(refusals)) if is_of_assembler(&refusals) && self.can_record(prepared) => {
                return Ok(self.transport(prepared).bake(&job, sink)?);
            }
            keyed => keyed?,
        };
        let confirm = || {
            let again = self.key(prepared, unit);
            again.is_ok_and(|again| again.key == keyed.key)
        };
        self.recover(prepared, unit, job.explanation, &keyed);
        let text = Text { started, confirm: &confirm, ..self.text(prepared, &keyed) };
        Ok(self.transport(prepared).bake(&Job { text: Some(text), ..job }, sink)?)
    }

    /// Preprocesses a unit and tells its key.
    pub(super) fn key(&self, prepared: &Prepared<'_>, unit: &Unit) -> Result<Keyed, Aside> {
        self.key_with(prepared, unit, &[])
    }

    /// As [`Context::key`], with some paths redirected.
    pub(super) fn key_with(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        redirects: &[(PathBuf, Redirect)],
    ) -> Result<Keyed, Aside> {
        let preprocessed = self.preprocessed(prepared, unit, redirects)?;
        let digest = BlobDigest::of(&preprocessed.text);
        let subject = Subject::Text { messages: &preprocessed.messages, digest };
        let charset = self.charset(prepared);
        let inputs = prepared.key_inputs(unit, &charset, subject);
        let (key, record) = (unit_key(&inputs), KeyRecord::of(&inputs));
        let shared = self.shared_key(&inputs, &preprocessed);
        Ok(Keyed { preprocessed, key, shared, record })
    }

    /// The key of a unit at all places where it is the same, if it is at some.
    fn shared_key(&self, inputs: &KeyInputs<'_>, preprocessed: &Preprocessed) -> Option<UnitKey> {
        let roots = &self.config.base_dirs;
        let maps = inputs.invocation.args.iter().flat_map(|arg| &arg.tokens);
        let leaves_rest = maps.into_iter().any(|token| roots.are_cut_by(token.as_encoded_bytes()));
        if roots.is_empty() || roots.are_in(&preprocessed.messages) || leaves_rest {
            return None;
        }
        let digest = BlobDigest::of(&roots.out_of_text(&preprocessed.text)?);
        let subject = Subject::Text { messages: &preprocessed.messages, digest };
        Some(unit_key_without(&KeyInputs { subject, ..*inputs }, roots))
    }

    /// What there is to say of a unit without looking at its sources; its name as an invocation among it.
    pub(super) fn explanation(&self, prepared: &Prepared<'_>, unit: &Unit) -> Explanation {
        let environment = environment::preprocessing(self.world.environment());
        let charset = self.charset(prepared);
        let subject = Subject::Invocation { environment: &environment };
        let inputs = prepared.key_inputs(unit, &charset, subject);
        let parts = prepared.toolchain.parts.iter().map(|part| (part.name.clone(), part.digest));
        Explanation {
            invocation: RecordName::from_bytes(*unit_key(&inputs).as_bytes()),
            record: KeyRecord::of(&inputs),
            args: prepared.call.args.iter().map(|arg| arg.as_encoded_bytes().to_vec()).collect(),
            parts: parts.collect(),
        }
    }

    fn charset(&self, prepared: &Prepared<'_>) -> Vec<u8> {
        environment::charset(prepared.invocation.compiler.family, self.world.environment())
    }

    /// What an earlier result would be to this unit: whether it would hit directly.
    pub(super) fn would_hit_directly(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        explanation: &Explanation,
    ) -> Result<Direct, Aside> {
        let job = self.job(prepared, unit, OsStr::new(""), explanation);
        Ok(self.transport(prepared).look_direct(&job)?)
    }

    /// Whether a unit would hit by its text, and whether exactly.
    pub(super) fn would_hit(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        explanation: &Explanation,
        keyed: &Keyed,
        now: &InputSet,
    ) -> Result<Option<bool>, Aside> {
        let job = self.job(prepared, unit, OsStr::new(""), explanation);
        let job = Job { text: Some(self.text(prepared, keyed)), ..job };
        Ok(self.transport(prepared).look(&job, now)?)
    }

    pub(super) fn job<'k>(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        object: &OsStr,
        explanation: &'k Explanation,
    ) -> Job<'k> {
        Job {
            invocation: explanation.invocation,
            explanation,
            unit: unit_name(prepared, unit),
            command: self.command(prepared, unit, object),
            outputs: unit.outputs(object),
            presentation: self.presentation(prepared),
            text: None,
            krate: None,
        }
    }

    fn text<'k>(&'k self, prepared: &Prepared<'_>, keyed: &'k Keyed) -> Text<'k> {
        Text {
            key: keyed.key,
            quiet: keyed.preprocessed.messages.is_empty(),
            inputs: &keyed.preprocessed.files,
            dependencies: keyed.preprocessed.dependencies.as_deref(),
            semantic: self.semantic_rules(prepared),
            started: 0,
            confirm: &|| false,
            recording: keyed.preprocessed.recording.as_ref(),
            shared: keyed.shared.map(|key| Shared { key, roots: &self.config.base_dirs }),
        }
    }

    pub(super) fn transport(&self, prepared: &Prepared<'_>) -> LocalTransport<'_> {
        LocalTransport {
            world: self.world,
            store: self.store,
            digester: self,
            habits: prepared.invocation.compiler.family.into(),
            verify: self.config.verify,
            absences: self.config.absences,
        }
    }

    /// Runs a unit's command with nothing kept: what a part of a plan falls back to.
    pub(super) fn run_unit(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        object: &OsStr,
        sink: Sink<'_>,
    ) -> std::io::Result<Exit> {
        self.world.run(&self.command(prepared, unit, object), sink)
    }

    /// The unit's preprocessed text.
    fn preprocessed(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        redirects: &[(PathBuf, Redirect)],
    ) -> Result<Preprocessed, Aside> {
        let scratch = Scratch { directory: &self.scratch(), redirects, options: &[] };
        let outcome = preprocess(self.world, prepared.driver(), &prepared.invocation, &unit.source, scratch);
        match outcome {
            Ok(Outcome::Done(preprocessed)) => Ok(*preprocessed),
            Ok(Outcome::Refused(refusal)) => Err(Aside::Refused(vec![refusal])),
            Ok(Outcome::Failed) => {
                let source = unit.source.path.clone();
                Err(Aside::Refused(vec![Refusal::new(
                    "preprocessor-failed",
                    source,
                    "the compiler will say why",
                )]))
            }
            Err(error) => Err(Aside::Error("preprocess", error.to_string())),
        }
    }

    /// The directory for temporary files.
    pub(super) fn scratch(&self) -> std::path::PathBuf {
        let named = self.world.environment().get("TMPDIR").filter(|value| !value.is_empty());
        self.world.absolute(Path::new(named.unwrap_or(OsStr::new("/tmp"))))
    }

    fn command(&self, prepared: &Prepared<'_>, unit: &Unit, object: &OsStr) -> Command {
        let command = prepared.driver().command(self.world, unit.arguments(&prepared.call.args, object));
        let own = prepared.stdin.is_none();
        let stdin = if own { Stdin::Inherited } else { prepared.driver().stdin_of(&unit.source) };
        Command { stdin, terminal: prepared.terminal, ..command }
    }

    /// Digest over what decides how diagnostics look.
    fn presentation(&self, prepared: &Prepared<'_>) -> BlobDigest {
        let mut hasher = KeyHasher::default();
        self.terminal_presentation(prepared.terminal, &mut hasher);
        hasher.field("options", &presentation_options(&prepared.invocation));
        BlobDigest::from_bytes(*hasher.finish().as_bytes())
    }

    fn semantic_rules(&self, prepared: &Prepared<'_>) -> SemanticRules {
        let facts = &prepared.invocation.facts;
        let clang = prepared.invocation.compiler.family == Family::Clang;
        let macros = clang && facts.debug == Debug::Macros;
        SemanticRules {
            allowed: self.config.semantic && !facts.sanitize && !facts.coverage && !macros,
            fallthrough: facts.fallthrough,
            layout: facts.layout_warnings,
        }
    }

    /// Counts and logs what came of a unit.
    pub(super) fn account(&self, subject: &OsStr, baked: Baked) -> Exit {
        let subject = subject.display();
        match baked {
            Baked::Hit(hit) => {
                let saved = Duration::from_millis(hit.saved);
                let (event, how) = match hit.how {
                    How::Direct => (Event::HitExact { saved }, "exact"),
                    How::Exact => (Event::HitExact { saved }, "exact, preprocessed"),
                    How::Semantic => (Event::HitSemantic { saved }, "semantic"),
                };
                self.store.record(&event);
                self.log.line(self.world, subject, format_args!("hit ({how})"));
                Exit::Code(0)
            }
            Baked::Compiled { exit, kept } => {
                match kept {
                    Kept::Precompiled => self.store.record(&Event::Refused { token: "precompiled-header" }),
                    Kept::TimeMacro => self.store.record(&Event::Refused { token: "time-macro" }),
                    Kept::Timed => self.store.record(&Event::Refused { token: "time-of-day" }),
                    Kept::WroteMore => self.store.record(&Event::Refused { token: "wrote-more" }),
                    Kept::StoreFailed { .. } => self.store.record(&Event::Error { token: "store" }),
                    Kept::Verified { same: true } => {
                        self.store.record(&Event::HitExact { saved: Duration::ZERO });
                    }
                    Kept::Verified { same: false } => self.store.record(&Event::Difference),
                    _ => self.store.record(&Event::Miss),
                }
                let what = if matches!(kept, Kept::Verified { same: true }) { "hit" } else { "miss" };
                self.log.line(self.world, subject, format_args!("{what} ({kept}), {exit}"));
                exit
            }
        }
    }
}

/// Whether nothing is in the way but files that only the assembler reads.
fn is_of_assembler(refusals: &[Refusal]) -> bool {
    refusals.iter().all(|refusal| refusal.token == "assembler-include")
}

/// A unit, preprocessed, with its key.
pub(super) struct Keyed {
    pub(super) preprocessed: Preprocessed,
    pub(super) key: UnitKey,
    /// The key at all places where the unit is the same.
    pub(super) shared: Option<UnitKey>,
    pub(super) record: KeyRecord,
}

/// The name of "this unit" across its versions.
pub(super) fn unit_name(prepared: &Prepared<'_>, unit: &Unit) -> RecordName {
    let mut hasher = KeyHasher::default();
    hasher.field("directory", &[prepared.directory.as_encoded_bytes()]);
    hasher.field("source", &[unit.source.path.as_encoded_bytes()]);
    let object = unit.source.outputs.first().map(|output| output.path.as_encoded_bytes());
    hasher.field("output", object.as_slice());
    RecordName::from_bytes(*hasher.finish().as_bytes())
}

impl Prepared<'_> {
    fn key_inputs<'k>(&'k self, unit: &'k Unit, charset: &'k [u8], subject: Subject<'k>) -> KeyInputs<'k> {
        KeyInputs {
            invocation: &self.invocation,
            unit,
            driver: Path::new(&self.call.argv0).file_name().unwrap_or_default(),
            toolchain: self.toolchain.digest,
            directory: &self.directory,
            charset,
            processor: &self.processor,
            files: &self.files,
            subject,
        }
    }
}
