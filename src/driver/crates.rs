//! One crate: parse, name, bake over the local transport.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::context::{refused, unidentified};
use super::{Aside, CompilerCall, Context, parse};
use crate::argparse::rustc::{self, CrateInvocation, RustTool};
use crate::argparse::{Mode, Refusal};
use crate::manifest::{ALL_VARIABLES, Digester, Mismatch, PlacedDigester, PlacedWorld};
use crate::paths::Places;
use crate::planner::crates::{self, CrateInputs};
use crate::planner::environment;
use crate::planner::key::{FieldWriter, KeyHasher};
use crate::preprocess::{FileFacts, Traits};
use crate::recipe::digest::{BlobDigest, RecordName, ToolchainDigest};
use crate::store::Remembered;
use crate::toolchain::{self, Program};
use crate::transport::{
    Baked, CrateJob, Direct, Explanation, Habits, Helper, Job, LocalTransport, Transport,
};
use crate::world::{Command, Exit, Sink, Stat, Stdin};

/// A crate that is to be baked.
pub(super) struct PreparedCrate<'a> {
    call: &'a CompilerCall,
    pub(super) invocation: CrateInvocation,
    /// What loads the compiler's libraries.
    loader: Option<PathBuf>,
    /// The directories of the build.
    places: Places,
    /// Those that a result depends on whatever its bytes show.
    bound: Vec<usize>,
    /// What there is to say of it without looking at a source.
    pub(super) explanation: Explanation,
    terminal: bool,
    /// No other program may run beside the compiler, and no library be loaded with those of macros: it is asked
    /// what it would read elsewhere, where neither is known.
    pub(super) alone: bool,
}

impl Context<'_> {
    /// Bakes a crate; `None` when the real compiler is to be run as it was called.
    pub(super) fn compile_crate(&self, call: &CompilerCall, tool: RustTool, sink: Sink<'_>) -> Option<Exit> {
        let baked = self.parse_crate(call, tool).and_then(|invocation| {
            if let Some((exit, said)) = self.spawn_crate(call, &invocation) {
                said.replay(sink);
                return Ok(exit);
            }
            self.bake_crate(&self.identify_crate(call, invocation)?, sink)
        });
        baked.map_err(|aside| self.stand_aside(&call.argv0, &aside)).ok()
    }

    /// Parses, identifies the compiler, names the invocation.
    pub(super) fn prepare_crate<'c>(
        &self,
        call: &'c CompilerCall,
        tool: RustTool,
    ) -> Result<PreparedCrate<'c>, Aside> {
        self.identify_crate(call, self.parse_crate(call, tool)?)
    }

    fn parse_crate(&self, call: &CompilerCall, tool: RustTool) -> Result<CrateInvocation, Aside> {
        let invocation = rustc::parse(tool, &call.args, &parse::reader(self.world));
        self.refuse_crate(&invocation)?;
        Ok(invocation)
    }

    fn identify_crate<'c>(
        &self,
        call: &'c CompilerCall,
        invocation: CrateInvocation,
    ) -> Result<PreparedCrate<'c>, Aside> {
        let program = toolchain::identify_program(self.world, self, &call.program)
            .map_err(|error| unidentified(call, &error))?;
        if !program.is_dynamic() {
            return Err(refused("compiler-unrecorded", &call.argv0, "what it reads can't be recorded"));
        }
        self.name_crate(call, invocation, &program)
    }

    /// Names an invocation.
    pub(super) fn name_crate<'c>(
        &self,
        call: &'c CompilerCall,
        invocation: CrateInvocation,
        program: &Program,
    ) -> Result<PreparedCrate<'c>, Aside> {
        let processor = if invocation.native { self.processor()? } else { Vec::new() };
        let cwd = self.world.cwd();
        let out_dir = self.world.environment().get("OUT_DIR");
        let places = crates::places(&invocation, cwd, out_dir);
        let bound = crates::bound(&invocation, &places, cwd);
        let inputs = CrateInputs {
            invocation: &invocation,
            toolchain: program.digest,
            places: &places,
            processor: &processor,
        };
        let parts = program.parts.iter().map(|part| (part.name.clone(), part.digest));
        let explanation = Explanation {
            invocation: crates::invocation_name(&inputs),
            record: crates::record(&inputs),
            args: call.args.iter().map(|arg| arg.as_encoded_bytes().to_vec()).collect(),
            parts: parts.collect(),
        };
        let terminal = rustix::termios::isatty(rustix::stdio::stderr());
        let loader = program.loader().map(Path::to_owned);
        Ok(PreparedCrate { call, invocation, loader, places, bound, explanation, terminal, alone: false })
    }

    /// What can be refused before the compiler is looked at.
    fn refuse_crate(&self, invocation: &CrateInvocation) -> Result<(), Aside> {
        if !invocation.refusals.is_empty() {
            return Err(Aside::Refused(invocation.refusals.clone()));
        }
        if invocation.mode == Mode::Info {
            let why = "the compiler prints and does no work";
            return Err(Aside::Refused(vec![Refusal::new("prints-information", "", why)]));
        }
        let source = invocation.source();
        match self.world.stat(Path::new(source)) {
            Ok(stat) if stat.is_file() => Ok(()),
            Ok(_) => Err(refused("special-file", source, "it is no file")),
            Err(_) => Err(refused("missing-source", source, "the compiler will say so")),
        }
    }

    fn bake_crate(&self, prepared: &PreparedCrate<'_>, sink: Sink<'_>) -> Result<Exit, Aside> {
        self.with_transport(prepared, &mut |transport, job| {
            self.bake_crate_over(transport, &job, prepared, &mut *sink)
        })
    }

    /// Gives a crate's job and the transport for it.
    pub(super) fn with_transport<T>(
        &self,
        prepared: &PreparedCrate<'_>,
        with: &mut dyn FnMut(&LocalTransport<'_>, Job<'_>) -> T,
    ) -> T {
        let world = PlacedWorld::new(self.world, &prepared.places);
        let program = |path: &Path, helper| self.helper(prepared, path, helper);
        let job = self.crate_job(prepared, prepared.job_of_crate(&program));
        let digester = CrateDigester(self);
        let digester = PlacedDigester { digester: &digester, places: &prepared.places };
        with(&self.crate_transport(&world, &digester), job)
    }

    fn bake_crate_over(
        &self,
        transport: &LocalTransport<'_>,
        job: &Job<'_>,
        prepared: &PreparedCrate<'_>,
        sink: Sink<'_>,
    ) -> Result<Exit, Aside> {
        let subject = subject(&prepared.invocation);
        let baked = match transport.direct(job, &mut *sink)? {
            Direct::Hit(hit) => Baked::Hit(hit),
            Direct::WouldHit | Direct::Unseen => transport.bake(job, sink)?,
            Direct::Changed(mismatches) => {
                for mismatch in mismatches {
                    let line = prepared.describe(&mismatch);
                    self.log.line(self.world, subject.display(), format_args!("manifest: {line}"));
                }
                transport.bake(job, sink)?
            }
        };
        Ok(self.account(&subject, baked))
    }

    /// Identifies what helped the compiler.
    fn helper(&self, prepared: &PreparedCrate<'_>, path: &Path, helper: Helper) -> Option<Program> {
        if prepared.alone {
            let alone = || self.world.read(path).is_ok_and(|bytes| toolchain::comes_alone(&bytes));
            // A program that was let run is the compiler, for which its artifact stands.
            let vouched = || Program::vouched_for(ToolchainDigest::of(b""));
            return (helper == Helper::Program || alone()).then(vouched);
        }
        let found = match (helper, &prepared.loader) {
            (Helper::Program, _) => toolchain::identify_helper(self.world, self, path),
            (Helper::Library, Some(loader)) => toolchain::identify_library(self.world, self, path, loader),
            (Helper::Library, None) => return None,
        };
        found.ok()
    }

    fn crate_transport<'t>(
        &'t self,
        world: &'t PlacedWorld<'_>,
        digester: &'t PlacedDigester<'_>,
    ) -> LocalTransport<'t> {
        LocalTransport {
            world,
            store: self.store,
            digester,
            habits: Habits::Rustc,
            verify: self.config.verify,
            absences: self.config.absences,
        }
    }

    fn crate_job<'k>(&self, prepared: &'k PreparedCrate<'_>, krate: CrateJob<'k>) -> Job<'k> {
        let CompilerCall { program, argv0, args } = prepared.call;
        Job {
            invocation: prepared.explanation.invocation,
            explanation: &prepared.explanation,
            unit: self.crate_name(prepared),
            command: Command {
                program: program.clone(),
                argv0: Some(argv0.clone()),
                args: args.clone(),
                environment: self.world.environment().clone(),
                cwd: self.world.cwd().to_owned(),
                stdin: Stdin::Inherited,
                terminal: prepared.terminal,
            },
            outputs: prepared.invocation.outputs.clone(),
            presentation: self.crate_presentation(prepared),
            text: None,
            krate: Some(krate),
        }
    }

    /// The name of "this crate" across its versions.
    pub(super) fn crate_name(&self, prepared: &PreparedCrate<'_>) -> RecordName {
        let mut hasher = KeyHasher::default();
        hasher.field("directory", &[self.world.cwd().as_os_str().as_encoded_bytes()]);
        hasher.field("source", &[prepared.invocation.source().as_encoded_bytes()]);
        let outputs = prepared.invocation.outputs.iter().map(|output| output.path.as_encoded_bytes());
        hasher.field("outputs", &outputs.collect::<Vec<_>>());
        RecordName::from_bytes(*hasher.finish().as_bytes())
    }

    /// Digest over what decides how diagnostics look.
    fn crate_presentation(&self, prepared: &PreparedCrate<'_>) -> BlobDigest {
        let mut hasher = KeyHasher::default();
        self.terminal_presentation(prepared.terminal, &mut hasher);
        hasher.field("options", &crates::presentation_arguments(&prepared.invocation));
        BlobDigest::from_bytes(*hasher.finish().as_bytes())
    }

    /// Writes what decides how diagnostics look, but for the command line.
    pub(super) fn terminal_presentation(&self, terminal: bool, hasher: &mut KeyHasher) {
        for (name, value) in environment::presentation(self.world.environment(), terminal) {
            hasher.field(name, &[&value]);
        }
        if terminal {
            let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
            hasher.field("columns", &[&size.map_or(0, |size| size.ws_col).to_le_bytes()]);
        }
    }

    /// Whether a crate would hit; if not, why none of the earlier results serves.
    pub(super) fn would_hit_crate(&self, prepared: &PreparedCrate<'_>) -> Result<Direct, Aside> {
        Ok(self.with_transport(prepared, &mut |transport, job| transport.look_direct(&job))?)
    }
}

impl PreparedCrate<'_> {
    fn job_of_crate<'k>(
        &'k self,
        program: &'k (dyn Fn(&Path, Helper) -> Option<Program> + Sync),
    ) -> CrateJob<'k> {
        let Self { invocation, places, bound, alone, .. } = self;
        CrateJob { invocation, places, bound, program, alone: *alone }
    }

    /// A mismatch in words, with paths as they are here.
    pub(super) fn describe(&self, mismatch: &Mismatch) -> String {
        let what = match mismatch {
            Mismatch::Variable(name) if name.as_os_str() == ALL_VARIABLES => "one that a macro lists".into(),
            Mismatch::Variable(name) => name.display().to_string(),
            _ => match self.places.path(mismatch.path()) {
                Some(path) => path.display().to_string(),
                None => mismatch.path().display().to_string(),
            },
        };
        format!("{}: {what}", mismatch.token())
    }

    /// What the log calls it.
    pub(super) fn subject(&self) -> OsString {
        subject(&self.invocation)
    }
}

/// What the log calls a crate.
pub(super) fn subject(invocation: &CrateInvocation) -> OsString {
    invocation.name.clone().unwrap_or_else(|| invocation.source().to_owned())
}

/// Digests of files whose text no preprocessor reads.
struct CrateDigester<'c>(&'c Context<'c>);

impl Digester for CrateDigester<'_> {
    fn facts(&self, path: &Path, stat: &Stat) -> io::Result<FileFacts> {
        let Self(context) = self;
        if let Some(Remembered { digest, traits, layout }) = context.store.identity().get(stat) {
            return Ok(FileFacts { digest, traits: Traits(traits), layout });
        }
        let read_at = context.world.now();
        let facts = FileFacts::of_no_text(&mut context.world.open(path)?)?;
        let remembered = Remembered { digest: facts.digest, traits: facts.traits.0, layout: facts.layout };
        if !context.world.stat(path)?.same_content(stat) {
            return Err(io::Error::other("it changed while it was read"));
        }
        context.store.identity().put(stat, read_at, &remembered);
        Ok(facts)
    }
}
