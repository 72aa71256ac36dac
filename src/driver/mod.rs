//! The order of steps: who was called, with which compiler; parse, plan, bake each unit over a transport,
//! link; and at each step, when to stand aside and let the real compiler run as if we were not there.
//!
//! Standing aside is an [`Ending::Exec`]: the program replaces itself, so that exit status, signals and
//! streams are the compiler's own.

mod config;
mod context;
mod crate_reads;
mod crates;
mod explain;
mod explain_spawned;
mod jobs;
mod layout;
mod link;
mod log;
mod parse;
mod recover;
mod role;
mod spawn;
mod told;
pub mod tools;
mod unit;
mod who;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub use config::{Config, ConfigError};
pub use context::{Context, Prepared};
pub use log::Log;
pub use who::{Call, Called, CompilerCall, who};

use crate::argparse::Refusal;
use crate::argparse::rustc::rust_tool_from_name;
use crate::planner::CompilePlan;
use crate::store::Event;
use crate::transport::TransportError;
use crate::world::{Exit, Sink, World};

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Everything is done; exit like this.
    Exit(Exit),
    /// Replace this process with the compiler.
    Exec(CompilerCall),
    /// There is no program of this name.
    Missing(OsString),
    /// Called as a tool of its own: the program's own options.
    Tool,
    /// Say this line and exit with status 1.
    Broken(String),
}

/// Why a unit, or a whole invocation, is left to the real compiler.
#[derive(Debug)]
enum Aside {
    /// It can't be cached.
    Refused(Vec<Refusal>),
    /// Something is broken.
    Error(&'static str, String),
}

impl From<TransportError> for Aside {
    fn from(error: TransportError) -> Self {
        Self::Error(error.token(), error.to_string())
    }
}

/// Handles one call of the program. What the compiler says goes to `sink`.
pub fn run(world: &dyn World, call: &Call, sink: Sink<'_>) -> Ending {
    run_with(world, &Config::read(world), call, sink)
}

/// As [`run`], with a configuration that comes from elsewhere than the environment.
pub fn run_with(world: &dyn World, config: &Config, call: &Call, sink: Sink<'_>) -> Ending {
    match who(world, call) {
        Called::Tool => Ending::Tool,
        Called::Broken(message) => Ending::Broken(message),
        Called::Layout { compiler, sysroot } => layout::run(world, config, call, (compiler, &sysroot), sink),
        Called::Missing(name) => Ending::Missing(name),
        Called::Compiler(compiler) => match compile(world, config, (&compiler, &wrapper(call)), sink) {
            Some(exit) => Ending::Exit(exit),
            None => Ending::Exec(compiler),
        },
    }
}

/// How this program is run again elsewhere. A packed one is run as its loader, by a script that tells its own path.
pub(super) fn wrapper(call: &Call) -> PathBuf {
    let Call { executable, argv0, args: _ } = call;
    let called = Path::new(argv0);
    let packed = executable.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld-linux"));
    if packed && called.is_absolute() { called.to_owned() } else { executable.clone() }
}

/// `None` when the real compiler is to be run as it was called.
fn compile(
    world: &dyn World,
    config: &Config,
    (call, wrapper): (&CompilerCall, &Path),
    sink: Sink<'_>,
) -> Option<Exit> {
    if let Some(tool) = rust_tool_from_name(&call.argv0).filter(|_| role::is_ours(world)) {
        return Some(role::run_crate(world, call, tool, sink));
    }
    if config.disable {
        return None;
    }
    let log = Log::new(config.log.clone());
    for complaint in &config.complaints {
        log.line(world, "configuration", complaint);
    }
    let store = match config.open_store() {
        Ok(store) => store,
        Err(error) => {
            log.line(world, "store", error);
            return None;
        }
    };
    let context = Context { world, config, log: &log, store: &store, wrapper };
    if let Some(tool) = rust_tool_from_name(&call.argv0) {
        return context.compile_crate(call, tool, sink);
    }
    let prepared = match context.prepare(call) {
        Ok(prepared) => prepared,
        Err(aside) => {
            context.stand_aside(&call.argv0, &aside);
            return None;
        }
    };
    context.bake(&prepared, sink).map_err(|aside| context.stand_aside(&call.argv0, &aside)).ok()
}

impl Context<'_> {
    /// Counts and logs why the real compiler runs.
    fn stand_aside(&self, subject: &OsStr, aside: &Aside) {
        match aside {
            Aside::Refused(refusals) => {
                if let Some(first) = refusals.first() {
                    self.store.record(&Event::Refused { token: first.token });
                }
                for refusal in refusals {
                    self.log.line(self.world, subject.display(), format_args!("refused: {refusal}"));
                }
            }
            Aside::Error(token, message) => {
                self.store.record(&Event::Error { token });
                self.log.line(self.world, subject.display(), format_args!("error ({token}): {message}"));
            }
        }
    }

    /// Bakes all units of a plan, then links.
    fn bake(&self, prepared: &Prepared<'_>, sink: Sink<'_>) -> Result<Exit, Aside> {
        let CompilePlan { units, link, ordered: _ } = &prepared.plan;
        match (link, units.as_slice()) {
            (Some(link), _) => self.bake_and_link(prepared, link, sink),
            (None, [unit]) => match self.spawn(prepared, &[OsString::new()]).pop().flatten() {
                Some((exit, said)) => {
                    said.replay(sink);
                    Ok(exit)
                }
                None => self.bake_unit(prepared, unit, OsStr::new(""), sink),
            },
            (None, units) => {
                let (exit, said) = self.bake_units(prepared, &vec![OsString::new(); units.len()])?;
                said.replay(sink);
                Ok(exit)
            }
        }
    }
}
