//! One unit: preprocess, key, bake over the local transport.

use std::ffi::OsStr;
use std::path::Path;

use super::{Aside, Context, Prepared};
use crate::argparse::{Debug, Family, Refusal};
use crate::manifest::InputSet;
use crate::planner::Unit;
use crate::planner::environment;
use crate::planner::key::{FieldWriter, KeyHasher, KeyInputs, KeyRecord, presentation_options, unit_key};
use crate::preprocess::{Outcome, Preprocessed, preprocess};
use crate::recipe::digest::{BlobDigest, RecordName, UnitKey};
use crate::store::Event;
use crate::transport::{Baked, Job, Kept, LocalTransport, SemanticRules, Transport};
use crate::world::{Command, Exit, Sink, Stdin};

impl Context<'_> {
    /// Bakes one unit; its object goes to `object` where that is a temporary file.
    pub(super) fn bake_unit(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        object: &OsStr,
        sink: Sink<'_>,
    ) -> Result<Exit, Aside> {
        if !unit.source.refusals.is_empty() {
            return Err(Aside::Refused(unit.source.refusals.clone()));
        }
        let started = self.world.now();
        let keyed = self.key(prepared, unit)?;
        let confirm = || {
            let again = self.key(prepared, unit);
            again.is_ok_and(|again| again.key == keyed.key)
        };
        let job = Job { started, confirm: &confirm, ..self.job(prepared, unit, &keyed, object) };
        let baked = self.transport(prepared).bake(&job, sink)?;
        Ok(self.account(unit, baked))
    }

    /// Preprocesses a unit and tells its key.
    pub(super) fn key(&self, prepared: &Prepared<'_>, unit: &Unit) -> Result<Keyed, Aside> {
        let preprocessed = self.preprocessed(prepared, unit)?;
        let inputs = KeyInputs {
            invocation: &prepared.invocation,
            unit,
            driver: Path::new(&prepared.call.argv0).file_name().unwrap_or_default(),
            toolchain: prepared.toolchain.digest,
            directory: &prepared.directory,
            charset: &environment::charset(prepared.invocation.compiler.family, self.world.environment()),
            processor: &prepared.processor,
            files: &prepared.files,
            messages: &preprocessed.messages,
            text: BlobDigest::of(&preprocessed.text),
        };
        let (key, record) = (unit_key(&inputs), KeyRecord::of(&inputs));
        Ok(Keyed { preprocessed, key, record })
    }

    /// Whether a unit would hit, and whether exactly.
    pub(super) fn would_hit(
        &self,
        prepared: &Prepared<'_>,
        unit: &Unit,
        keyed: &Keyed,
        now: &InputSet,
    ) -> Result<Option<bool>, Aside> {
        Ok(self.transport(prepared).look(&self.job(prepared, unit, keyed, OsStr::new("")), now)?)
    }

    fn job<'k>(&self, prepared: &Prepared<'_>, unit: &Unit, keyed: &'k Keyed, object: &OsStr) -> Job<'k> {
        Job {
            key: keyed.key,
            record: &keyed.record,
            unit: unit_name(prepared, unit),
            inputs: &keyed.preprocessed.files,
            command: self.command(prepared, unit, object),
            outputs: unit.outputs(object),
            dependencies: keyed.preprocessed.dependencies.as_deref(),
            presentation: self.presentation(prepared),
            semantic: self.semantic_rules(prepared),
            started: 0,
            confirm: &|| false,
        }
    }

    fn transport(&self, prepared: &Prepared<'_>) -> LocalTransport<'_> {
        LocalTransport {
            world: self.world,
            store: self.store,
            digester: self,
            family: prepared.invocation.compiler.family,
            verify: self.config.verify,
        }
    }
    /// Runs the user's own command, with nothing kept.
    pub(super) fn run_whole(&self, prepared: &Prepared<'_>, sink: Sink<'_>) -> std::io::Result<Exit> {
        let command = prepared.driver().command(self.world, prepared.call.args.clone());
        let stdin = prepared.stdin.clone().map_or(Stdin::Inherited, Stdin::Bytes);
        self.world.run(&Command { stdin, terminal: prepared.terminal, ..command }, sink)
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
    fn preprocessed(&self, prepared: &Prepared<'_>, unit: &Unit) -> Result<Preprocessed, Aside> {
        let scratch = self.scratch();
        let outcome = preprocess(self.world, prepared.driver(), &prepared.invocation, &unit.source, &scratch);
        match outcome {
            Ok(Outcome::Done(preprocessed)) => Ok(preprocessed),
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
        for (name, value) in environment::presentation(self.world.environment(), prepared.terminal) {
            hasher.field(name, &[&value]);
        }
        if prepared.terminal {
            let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
            hasher.field("columns", &[&size.map_or(0, |size| size.ws_col).to_le_bytes()]);
        }
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
    fn account(&self, unit: &Unit, baked: Baked) -> Exit {
        let subject = unit.source.path.display();
        match baked {
            Baked::Hit(hit) => {
                let saved = std::time::Duration::from_millis(hit.saved);
                let (event, how) = if hit.exact {
                    (Event::HitExact { saved }, "exact")
                } else {
                    (Event::HitSemantic { saved }, "semantic")
                };
                self.store.record(&event);
                self.log.line(self.world, subject, format_args!("hit ({how})"));
                Exit::Code(0)
            }
            Baked::Compiled { exit, kept } => {
                match kept {
                    Kept::TimeMacro => self.store.record(&Event::Refused { token: "time-macro" }),
                    Kept::StoreFailed => self.store.record(&Event::Error { token: "store" }),
                    Kept::Verified { same: false } => self.store.record(&Event::Difference),
                    _ => self.store.record(&Event::Miss),
                }
                self.log.line(self.world, subject, format_args!("miss ({kept}), {exit}"));
                exit
            }
        }
    }
}

/// A unit, preprocessed, with its key.
pub(super) struct Keyed {
    pub(super) preprocessed: Preprocessed,
    pub(super) key: UnitKey,
    pub(super) record: KeyRecord,
}

/// The name of "this unit" across its versions.
pub(super) fn unit_name(prepared: &Prepared<'_>, unit: &Unit) -> RecordName {
    let mut hasher = KeyHasher::default();
    hasher.field("directory", &[prepared.directory.as_encoded_bytes()]);
    hasher.field("source", &[unit.source.path.as_encoded_bytes()]);
    let outputs: Vec<_> = unit.source.outputs.iter().map(|o| o.path.as_encoded_bytes()).collect();
    hasher.field("outputs", &outputs);
    RecordName::from_bytes(*hasher.finish().as_bytes())
}
