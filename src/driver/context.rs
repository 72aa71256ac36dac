//! What all steps of one call share, and the steps before anything is baked.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::parse;
use super::{Aside, CompilerCall, Config, Log};
use crate::argparse::{self, Arg, Invocation, Refusal, Role};
use crate::manifest::Digester;
use crate::planner::{self, CompilePlan};
use crate::preprocess::{Driver, FileFacts, Traits};
use crate::recipe::digest::{BlobDigest, RecordName};
use crate::store::{RecordKind, Remembered, Store};
use crate::toolchain::{self, Frontend, Memo, Request, Toolchain, ToolchainError};
use crate::world::{Environment, Stat, World};

/// What all steps of one call share.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The machine.
    pub world: &'a dyn World,
    /// The configuration.
    pub config: &'a Config,
    /// The log.
    pub log: &'a Log,
    /// The local store.
    pub store: &'a Store,
    /// How this program is run again elsewhere.
    pub wrapper: &'a Path,
}

/// An invocation that is to be baked.
pub struct Prepared<'a> {
    /// The command line.
    pub call: &'a CompilerCall,
    /// The environment of the user's own command.
    pub environment: &'a Environment,
    /// The source that comes by standard input, if one does. It is read only once, so that from here on
    /// the process can't become the compiler any more.
    pub stdin: Option<Arc<[u8]>>,
    /// What the command line means.
    pub invocation: Invocation,
    /// What there is to do.
    pub plan: CompilePlan,
    /// The compiler's identity.
    pub toolchain: Toolchain,
    /// The working directory as the compiler sees it.
    pub directory: OsString,
    /// The processor, where it matters.
    pub processor: Vec<u8>,
    /// The digests of the files that options name.
    pub files: Vec<BlobDigest>,
    /// Whether standard error is a terminal.
    pub terminal: bool,
}

impl Prepared<'_> {
    /// The driver to run.
    #[must_use]
    pub fn driver(&self) -> Driver<'_> {
        let Self { call: CompilerCall { program, argv0, .. }, environment, stdin, .. } = self;
        Driver { program, argv0, environment, stdin: stdin.as_ref() }
    }
}

impl<'a> Context<'a> {
    /// Parses, identifies the compiler, plans.
    pub(super) fn prepare(&self, call: &'a CompilerCall) -> Result<Prepared<'a>, Aside> {
        let invocation = parse::invocation(self.world, &call.argv0, call)?;
        parse::refuse_sources(self.world, &invocation)?;
        let toolchain = self.identify(call, &invocation)?;
        let (invocation, toolchain) = if toolchain.compiler == invocation.compiler {
            (invocation, toolchain)
        } else {
            let said = invocation.compiler.family;
            let invocation = argparse::parse(&toolchain.compiler, &call.args, &parse::reader(self.world));
            // Of another family, other options choose its programs.
            let again = toolchain.compiler.family != said;
            let toolchain = if again { self.identify(call, &invocation)? } else { toolchain };
            (invocation, toolchain)
        };
        let plan = planner::plan(&invocation).map_err(Aside::Refused)?;
        let files = self.named_files(&invocation)?;
        let processor = if invocation.facts.native { self.processor()? } else { Vec::new() };
        let stdin = self.standard_input(&invocation)?;
        let files = files.into_iter().chain(stdin.as_deref().map(BlobDigest::of)).collect();
        Ok(Prepared {
            call,
            environment: self.world.environment(),
            stdin,
            directory: parse::directory(self.world),
            terminal: rustix::termios::isatty(rustix::stdio::stderr()),
            invocation,
            plan,
            toolchain,
            processor,
            files,
        })
    }

    /// Reads standard input where it is a source.
    fn standard_input(&self, invocation: &Invocation) -> Result<Option<Arc<[u8]>>, Aside> {
        if !invocation.sources.iter().any(|source| source.path == "-") {
            return Ok(None);
        }
        let read = self.world.read_stdin();
        read.map(|bytes| Some(bytes.into())).map_err(|error| Aside::Error("stdin", error.to_string()))
    }

    pub(super) fn processor(&self) -> Result<Vec<u8>, Aside> {
        toolchain::cpu_identity(self.world).map_err(|error| Aside::Error("processor", error.to_string()))
    }

    pub(super) fn identify(&self, call: &CompilerCall, invocation: &Invocation) -> Result<Toolchain, Aside> {
        let chooses = |arg: &&Arg| {
            arg.role == Role::Driver
                || matches!(arg.name, "-fintegrated-as" | "-m16" | "-m32" | "-m64" | "-mx32")
        };
        let options: Vec<OsString> =
            invocation.args.iter().filter(chooses).flat_map(|arg| arg.tokens.clone()).collect();
        let frontends: BTreeSet<Frontend> =
            invocation.sources.iter().filter_map(|source| Frontend::of(source.language.name)).collect();
        let frontends: Vec<Frontend> = frontends.into_iter().collect();
        // The link of a compile-and-link is not cached: the linker decides nothing here.
        let request = Request {
            driver: &call.program,
            argv0: &call.argv0,
            cxx: invocation.compiler.cxx,
            options: &options,
            frontends: &frontends,
            links: false,
        };
        toolchain::identify(self.world, self, &request).map_err(|error| unidentified(call, &error))
    }

    /// The files that options name and that the compiler proper reads.
    fn named_files(&self, invocation: &Invocation) -> Result<Vec<BlobDigest>, Aside> {
        let digest = |name: &OsString| {
            let path = Path::new(name);
            let stat = self.world.stat(path).ok().filter(Stat::is_file);
            let facts = stat.and_then(|stat| self.facts(&self.world.absolute(path), &stat).ok());
            facts.map(|facts| facts.digest).ok_or_else(|| {
                refused("unreadable-file", name, "an option names it, and it can't be read as a file")
            })
        };
        invocation.facts.files.iter().map(digest).collect()
    }
}

/// Why a compiler that can't be identified is left alone.
pub(super) fn unidentified(call: &CompilerCall, error: &ToolchainError) -> Aside {
    match error.token() {
        token @ ("compiler-script"
        | "compiler-packed"
        | "compiler-is-a-cache"
        | "compiler-delegates"
        | "compiler-unknown") => refused(token, &call.argv0, "its identity can't be told"),
        token => Aside::Error(token, error.to_string()),
    }
}

pub(super) fn refused(token: &'static str, argument: &OsStr, why: &'static str) -> Aside {
    Aside::Refused(vec![Refusal::new(token, argument, why)])
}

/// Digests are remembered in the store by the files' identity.
impl Digester for Context<'_> {
    fn facts(&self, path: &Path, stat: &Stat) -> io::Result<FileFacts> {
        if let Some(Remembered { digest, traits, layout }) = self.store.identity().get(stat) {
            return Ok(FileFacts { digest, traits: Traits(traits), layout });
        }
        let read_at = self.world.now();
        let facts = FileFacts::of(&self.world.read(path)?);
        let remembered = Remembered { digest: facts.digest, traits: facts.traits.0, layout: facts.layout };
        if !self.world.stat(path)?.same_content(stat) {
            return Err(io::Error::other("it changed while it was read"));
        }
        self.store.identity().put(stat, read_at, &remembered);
        Ok(facts)
    }
}

/// Compilers' identities are records of the store.
impl Memo for Context<'_> {
    fn load(&self, name: &RecordName) -> Option<Vec<u8>> {
        self.store.load(RecordKind::Toolchain, name).ok().flatten()
    }

    fn save(&self, name: &RecordName, bytes: &[u8]) {
        // Not kept means identified again next time.
        let _ = self.store.save(RecordKind::Toolchain, name, bytes);
    }

    fn digest(&self, _world: &dyn World, path: &Path, stat: &Stat) -> io::Result<BlobDigest> {
        if let Some(Remembered { digest, .. }) = self.store.identity().get(stat) {
            return Ok(digest);
        }
        let read_at = self.world.now();
        let digest = BlobDigest::of_all(&mut self.world.open(path)?)?;
        // Its text was not looked at, so that it may mention anything.
        let remembered = Remembered { digest, traits: u32::MAX, layout: u64::MAX };
        if self.world.stat(path).is_ok_and(|after| after.same_content(stat)) {
            self.store.identity().put(stat, read_at, &remembered);
        }
        Ok(digest)
    }
}
