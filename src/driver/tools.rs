//! What the program does as a tool of its own. Each answers with text; printing it is the program's.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::config::ConfigError;
use super::parse;
use super::who::{Call, Called, who};
use super::{Aside, CompilerCall, Config, Context, Log};
use crate::argparse::rustc::rust_tool_from_name;
use crate::argparse::{self, Refusal};
use crate::planner;
use crate::planner::report::PlanReport;
use crate::store::{Collected, Statistics, Store, StoreError};
use crate::world::World;

/// The form in which a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanForm {
    /// For people.
    Human,
    /// The object of the contract.
    Json,
    /// One line a unit: recipe hash, tab, recipe.
    Recipe,
}

/// A tool that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No compiler was named.
    #[error("name a compiler and its arguments after --")]
    NoCompiler,
    /// It would be left to the real compiler.
    #[error("not cacheable: {0}")]
    Aside(String),
    /// A crate's recipe needs what a host and an earlier compile know.
    #[error("--plan=recipe shows recipes of C and C++; a crate's is made of what its compile reads")]
    CrateRecipe,
    /// The store can't be opened.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The compiler's command line that a tool is asked about.
fn asked(world: &dyn World, executable: &Path, command: &[OsString]) -> Result<CompilerCall, ToolError> {
    let (argv0, args) = command.split_first().ok_or(ToolError::NoCompiler)?;
    let call = Call { executable: executable.to_owned(), argv0: "brioche-cc".into(), args: command.to_vec() };
    Ok(match who(world, &call) {
        Called::Compiler(call) => call,
        // It can be parsed though it is not there.
        _ => CompilerCall { program: PathBuf::from(argv0), argv0: argv0.clone(), args: args.to_vec() },
    })
}

/// `--plan`: shows what a command line means, and compiles nothing.
///
/// # Errors
/// When no compiler is named; for recipes, also when the invocation is not cacheable.
pub fn plan(
    world: &dyn World,
    executable: &Path,
    command: &[OsString],
    form: PlanForm,
) -> Result<String, ToolError> {
    let asked = asked(world, executable, command)?;
    let config = Config::read(world);
    let log = Log::new(config.log.clone());
    // The store only remembers what the compiler is; a plan can do without.
    let reading = Config { read_only: true, ..config.clone() };
    let nowhere = Config { dir: Some("/nonexistent".into()), ..reading.clone() };
    let store = reading.open_store().or_else(|_| nowhere.open_store())?;
    let context = Context { world, config: &config, log: &log, store: &store, wrapper: executable };
    if form == PlanForm::Recipe {
        if rust_tool_from_name(&asked.argv0).is_some() {
            return Err(ToolError::CrateRecipe);
        }
        return context.recipes(&asked).map_err(|aside| aside_error(&aside));
    }
    let report = report(&context, &asked);
    Ok(if form == PlanForm::Json { report.to_json() + "\n" } else { report.to_string() })
}

fn report(context: &Context<'_>, asked: &CompilerCall) -> PlanReport {
    if let Some(tool) = rust_tool_from_name(&asked.argv0) {
        let read = |path: &Path| context.world.read(path).ok();
        return PlanReport::of_crate(&asked.program, &argparse::rustc::parse(tool, &asked.args, &read));
    }
    let Some(compiler) = parse::compiler(context.world, &asked.argv0, &asked.program) else {
        let refusal =
            Refusal::new("unknown-compiler", asked.argv0.clone(), "only gcc, clang and rustc are known");
        return PlanReport::unknown(&asked.program, &refusal);
    };
    let parse =
        |compiler| argparse::parse(compiler, &asked.args, &|path: &Path| context.world.read(path).ok());
    let by_name = parse(&compiler);
    // The compiler itself knows its version best, where it is there to be asked.
    let invocation = match context.identify(asked, &by_name) {
        Ok(toolchain) if toolchain.compiler != compiler => parse(&toolchain.compiler),
        _ => by_name,
    };
    let mut refusals = planner::environment::refusals(context.world.environment());
    refusals.extend(planner::plan(&invocation).err().unwrap_or_default());
    PlanReport::new(&asked.program, &invocation, &refusals)
}

fn aside_error(aside: &Aside) -> ToolError {
    ToolError::Aside(match aside {
        Aside::Refused(refusals) => refusals.iter().map(Refusal::to_string).collect::<Vec<_>>().join("; "),
        Aside::Error(token, message) => format!("{token}: {message}"),
    })
}

/// `--explain`: says of each unit whether it would hit, and if not, what differs from its latest result.
///
/// # Errors
/// When no compiler is named or the store can't be opened. A command that is not cacheable is an answer.
pub fn explain(world: &dyn World, executable: &Path, command: &[OsString]) -> Result<String, ToolError> {
    let asked = asked(world, executable, command)?;
    let config = Config::read(world);
    let log = Log::new(config.log.clone());
    // What is told of earlier versions is kept; a store is not made for it.
    let there = config.dir.as_ref().is_some_and(|dir| world.stat(dir).is_ok());
    let store = Config { read_only: config.read_only || !there, ..config.clone() }.open_store()?;
    let context = Context { world, config: &config, log: &log, store: &store, wrapper: executable };
    let explained = context.explain(&asked);
    Ok(explained.unwrap_or_else(|aside| format!("{}\n", aside_error(&aside))))
}

/// `--config`: the configuration in force, a line each.
#[must_use]
pub fn configuration(config: &Config) -> String {
    let Config {
        dir,
        max_size,
        disable,
        read_only,
        semantic,
        verify,
        base_dirs,
        host,
        log,
        complaints,
        absences: _,
    } = config;
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{name:<24} {value}");
    };
    line("BRIOCHE_CC_DIR", &shown(dir.as_deref()));
    line("BRIOCHE_CC_MAX_SIZE", &format_args!("{max_size} ({})", limit(*max_size)));
    line("BRIOCHE_CC_DISABLE", &u8::from(*disable));
    line("BRIOCHE_CC_READONLY", &u8::from(*read_only));
    line("BRIOCHE_CC_SEMANTIC", &u8::from(*semantic));
    line("BRIOCHE_CC_VERIFY", &u8::from(*verify));
    let base_dirs = base_dirs.directories().join(&b':');
    line("BRIOCHE_CC_BASE_DIRS", &String::from_utf8_lossy(&base_dirs));
    // Set but not to be used is as good as not set.
    line("BRIOCHE_HOST_SOCKET_PATH", &shown(host.as_deref()));
    line("BRIOCHE_CC_SPAWN_RECIPES", &u8::from(host.is_some()));
    line("BRIOCHE_CC_LOG", &shown(log.as_deref()));
    for complaint in complaints {
        line("not understood:", complaint);
    }
    text
}

/// Why nothing can be kept in a store that is there.
fn unwritable(config: &Config) -> Option<rustix::io::Errno> {
    let dir = config.dir.as_deref().filter(|dir| !config.read_only && dir.exists())?;
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).err()
}

/// The figures for people.
fn figures(statistics: &Statistics, config: &Config) -> String {
    let Statistics { hits, hits_exact, hits_semantic, misses, refused, errors, errors_by_token, .. } =
        statistics;
    let Statistics { bytes, entries, saved_seconds, corrupt, differences, trims, .. } = statistics;
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{name:<24} {value}");
    };
    line("store", &shown(config.dir.as_deref()));
    if let Some(error) = unwritable(config) {
        line("  can't be written", &error);
    }
    line("hits", hits);
    line("  exact", hits_exact);
    line("  semantic", hits_semantic);
    line("misses", misses);
    line("refused", &refused.values().sum::<u64>());
    for (token, count) in refused {
        line(&format!("  {token}"), count);
    }
    line("errors", errors);
    for (token, count) in errors_by_token {
        line(&format!("  {token}"), count);
    }
    line("compiler time saved", &format_args!("{saved_seconds:.1} s"));
    line("entries", entries);
    line("size", &format_args!("{}, limit: {}", size(*bytes), limit(config.max_size)));
    line("corrupt, removed", corrupt);
    line("verified differently", differences);
    line("times trimmed", trims);
    text
}

fn shown(path: Option<&Path>) -> std::path::Display<'_> {
    path.unwrap_or(Path::new("")).display()
}

fn limit(bytes: u64) -> String {
    if bytes == 0 { "no limit".to_owned() } else { size(bytes) }
}

/// A size in the largest unit of which there is one, powers of 1024.
fn size(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => {
            let tenths = (bytes >> (shift - 10)) * 10 / 1024;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

/// `--show-stats`, for people or as JSON.
///
/// # Errors
/// When the store can't be read.
pub fn statistics(store: &Store, config: &Config, json: bool) -> Result<String, ToolError> {
    let statistics = store.statistics()?;
    Ok(if json {
        serde_json::to_string_pretty(&statistics).unwrap_or_default() + "\n"
    } else {
        figures(&statistics, config)
    })
}

/// `--gc`: trims, and says what went.
///
/// # Errors
/// When the store can't be used.
pub fn collect(store: &Store) -> Result<String, ToolError> {
    let Collected { removed, freed, stale, bytes, entries } = store.gc()?;
    let (freed, bytes) = (size(freed), size(bytes));
    Ok(format!(
        "removed {removed} files ({freed}) and {stale} leftovers; {entries} entries, {bytes} remain\n"
    ))
}

/// `--verify`: reads every byte, and says what is wrong; true when nothing is.
///
/// # Errors
/// When the store can't be read.
pub fn verify(store: &Store) -> Result<(String, bool), ToolError> {
    let report = store.verify()?;
    let mut text = format!("{} files checked, {}\n", report.checked, size(report.bytes));
    for path in &report.corrupt {
        let _ = writeln!(text, "corrupt: {}", path.display());
    }
    if !report.corrupt.is_empty() {
        text.push_str("what is corrupt is never served; the next compile that needs it replaces it\n");
    }
    for path in &report.foreign {
        let _ = writeln!(text, "not ours: {}", path.display());
    }
    Ok((text, report.is_clean()))
}
