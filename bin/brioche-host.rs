//! `brioche-host`: a host for builds that bake recipes of their own. Reads the surroundings, calls the library,
//! exits as it says.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bakeplan::driver::Config;
use bakeplan::host::pack::{self, Pack};
use bakeplan::host::sandbox::{Attend, Ended, Limits, Sandbox, SandboxError};
use bakeplan::host::{self, Engine, EngineOptions, Entry, Lineage, Outer, Verified};
use bakeplan::recipe::digest::{BlobDigest, RecordName};
use bakeplan::store::Store;
use bakeplan::toolchain::Memo;
use bakeplan::world::{Environment, Exit, RealWorld, Stat, Stream, World};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand};
use rustix::fs::{Access, access};
use rustix::io::Errno;

/// A host: bakes what the processes of a build ask for over a socket, in a sandbox, and keeps it.
#[derive(Parser)]
#[command(name = "brioche-host", version, arg_required_else_help = true)]
struct Cli {
    /// Where everything is kept [default: where brioche-cc keeps it, see its --config]
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,

    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run a command with a host of its own, and exit as it does
    Run(Run),
    /// Serve a socket until a signal comes; says its path once it is ready
    Serve(Serve),
    /// Show which process asked for which bakes, and what came of them
    Lineage(ShowLineage),
    /// Trim the store and the directories beside it to their limits, and remove leftovers
    Gc,
    /// Read every byte that is kept, and fail if something is not as it was written
    Verify,
    /// Make a directory of compilers that runs anywhere
    PackToolchain(PackToolchain),
}

#[derive(clap::Args)]
struct Run {
    /// A directory that the command is given as an artifact; may be repeated. Without any, the system's
    /// compilers are
    #[arg(long, value_name = "DIR")]
    input: Vec<PathBuf>,

    /// Run the command itself in the sandbox, too
    #[arg(long, conflicts_with = "unsandboxed")]
    sandbox: bool,

    /// Bake without a sandbox: recipes see the machine and real paths, and results are kept apart
    #[arg(long)]
    unsandboxed: bool,

    /// With --sandbox: what the work directory is a copy of [default: the current directory]
    #[arg(long, value_name = "DIR", requires = "sandbox")]
    work: Option<PathBuf>,

    /// With --sandbox: where to put what the command leaves at its output path
    #[arg(long, value_name = "PATH", requires = "sandbox")]
    output: Option<PathBuf>,

    /// With --sandbox: a variable for the command, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "sandbox", value_parser = OsStringValueParser::new().try_map(variable))]
    env: Vec<(OsString, OsString)>,

    #[command(flatten)]
    bounds: Bounds,

    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

#[derive(clap::Args)]
struct Serve {
    /// Where
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,

    /// As for run
    #[arg(long, value_name = "DIR")]
    input: Vec<PathBuf>,

    /// As for run
    #[arg(long)]
    unsandboxed: bool,

    #[command(flatten)]
    bounds: Bounds,
}

/// What bakes may use up.
#[derive(clap::Args)]
struct Bounds {
    /// How many processes run at once [default: one a processor]
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// How long a bake may take, seconds
    #[arg(long = "bake-seconds", value_name = "SECONDS", default_value_t = 3600)]
    seconds: u64,

    /// How much memory a bake may use, MiB: all its processes together where there are control groups, else each
    #[arg(long = "bake-memory", value_name = "MIB")]
    memory: Option<u64>,

    /// How many processes and threads a bake may have at once
    #[arg(long = "bake-processes", value_name = "N")]
    processes: Option<u64>,
}

impl Bounds {
    fn limits(&self) -> Limits {
        Limits {
            seconds: Some(self.seconds),
            total_memory: self.memory.map(|mebibytes| mebibytes.saturating_mul(1 << 20)),
            processes: self.processes,
            ..Limits::default()
        }
    }
}

#[derive(clap::Args)]
struct ShowLineage {
    /// As JSON, one line an entry
    #[arg(long)]
    json: bool,

    /// With what the processes wrote
    #[arg(long)]
    logs: bool,
}

#[derive(clap::Args)]
struct PackToolchain {
    /// The directory, which is made
    into: PathBuf,

    /// The compilers [default: gcc g++]
    compilers: Vec<OsString>,

    /// The wrapper to put before them, in Brioche's layout
    #[arg(long, value_name = "BRIOCHE_CC")]
    wrapper: Option<PathBuf>,

    /// Another program to take along (make, ar, …); may be repeated
    #[arg(long, value_name = "NAME")]
    program: Vec<OsString>,

    /// Leave out headers and libraries
    #[arg(long)]
    no_sysroot: bool,
}

type Failure = Box<dyn std::error::Error>;

#[allow(clippy::disallowed_methods, reason = "this is where the surroundings come in")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    let Ok(cwd) = std::env::current_dir() else {
        return complain(&"the working directory is gone");
    };
    let world = Arc::new(RealWorld::new(cwd, Environment::new(std::env::vars_os().collect())));
    let done = match &cli.action {
        Action::Run(run) => run_command(&world, &cli, run),
        Action::Serve(serve) => serve_socket(&world, &cli, serve),
        Action::Lineage(show) => lineage(&world, &cli, show),
        Action::Gc => gc(&world, &cli),
        Action::Verify => verify(&world, &cli),
        Action::PackToolchain(pack) => pack_toolchain(&world, pack),
    };
    done.unwrap_or_else(|error| complain(&error))
}

fn complain(error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "brioche-host: {error}");
    ExitCode::from(125)
}

fn open_store(world: &RealWorld, cli: &Cli) -> Result<Arc<Store>, Failure> {
    let mut config = Config::read(world);
    if let Some(dir) = &cli.store {
        config.dir = Some(world.absolute(dir));
    }
    for complaint in &config.complaints {
        let _ = writeln!(std::io::stderr(), "brioche-host: {complaint}");
    }
    // Known now, not by the first write: what is not kept needs a place elsewhere.
    config.read_only |= config.dir.as_deref().is_some_and(is_read_only);
    Ok(Arc::new(config.open_store()?))
}

/// Whether a directory is there that we may not write to.
fn is_read_only(dir: &Path) -> bool {
    matches!(access(dir, Access::WRITE_OK), Err(Errno::ROFS | Errno::ACCESS))
}

/// A directory for what is not kept: beside the store's own where that can be written to.
enum Scratch {
    Beside(PathBuf),
    /// Removed when this is dropped.
    Temporary(tempfile::TempDir),
}

impl Scratch {
    fn of(store: &Store) -> Result<Self, Failure> {
        if !store.is_read_only() {
            return Ok(Self::Beside(EngineOptions::scratch(store)));
        }
        let _ = writeln!(std::io::stderr(), "brioche-host: {} is read-only", store.dir().display());
        Ok(Self::Temporary(tempfile::Builder::new().prefix("brioche-host-").tempdir()?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Beside(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

/// An engine on the store, and its directory, which is dropped after it.
fn engine(
    world: &Arc<RealWorld>,
    cli: &Cli,
    unsandboxed: bool,
    bounds: &Bounds,
) -> Result<(Engine, Scratch), Failure> {
    let store = open_store(world, cli)?;
    let scratch = Scratch::of(&store)?;
    let sandbox = if unsandboxed {
        Sandbox::none()
    } else {
        Sandbox::new(&**world, scratch.path()).map_err(|error| match error {
            // Without a sandbox that would fail as well.
            SandboxError::Io { .. } => error.to_string(),
            _ => format!("{error}\n(--unsandboxed bakes without one)"),
        })?
    };
    let mut options = EngineOptions::new(store, Arc::<RealWorld>::clone(world), sandbox);
    scratch.path().clone_into(&mut options.scratch);
    options.processes = bounds.jobs.map_or(options.processes, NonZeroUsize::get);
    options.limits = bounds.limits();
    let engine = Engine::new(options)?;
    if (bounds.memory.is_some() || bounds.processes.is_some())
        && let Err(why) = engine.limits_whole_bakes()
    {
        let said = "brioche-host: without control groups, limits hold for each process of a bake alone";
        let _ = writeln!(std::io::stderr(), "{said}: {why}");
    }
    Ok((engine, scratch))
}

/// An engine on a store that bakes nothing.
fn keeper(world: &Arc<RealWorld>, store: Arc<Store>) -> Result<(Engine, Scratch), Failure> {
    let scratch = Scratch::of(&store)?;
    let mut options = EngineOptions::new(store, Arc::<RealWorld>::clone(world), Sandbox::none());
    scratch.path().clone_into(&mut options.scratch);
    Ok((Engine::new(options)?, scratch))
}

fn run_command(world: &Arc<RealWorld>, cli: &Cli, run: &Run) -> Result<ExitCode, Failure> {
    // Told now, not when the command has done its work.
    if let Some(output) = run.output.as_ref().map(|output| world.absolute(output)) {
        if world.lstat(&output).is_ok() {
            return Err(format!("something stands at {} already", output.display()).into());
        }
        if let Some(parent) = output.parent().filter(|parent| world.stat(parent).is_err()) {
            return Err(format!("there is no directory {} for --output", parent.display()).into());
        }
    }
    let (engine, _scratch) = engine(world, cli, run.unsandboxed, &run.bounds)?;
    let outer = Outer {
        command: run.command.clone(),
        inputs: run.input.clone(),
        sandboxed: run.sandbox,
        work: run.work.clone().unwrap_or_else(|| world.cwd().to_owned()),
        env: run.env.clone(),
        output: run.output.clone(),
    };
    let signals = Signals::catch(run.sandbox)?;
    let ended = host::run(&engine, &outer, &signals);
    engine.stop();
    Ok(match ended? {
        Ended::Exit(Exit::Code(code)) => ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)),
        Ended::Exit(Exit::Signal(signal)) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)),
        Ended::NotStarted(why) => {
            complain(&why);
            ExitCode::from(127)
        }
        Ended::Stopped | Ended::TimedOut(_) | Ended::OutOfMemory(_) => {
            ExitCode::from(u8::try_from(128 + signals.received()).unwrap_or(1))
        }
    })
}

/// A variable as it is given to `--env`.
fn variable(pair: OsString) -> Result<(OsString, OsString), &'static str> {
    use std::os::unix::ffi::OsStringExt;
    let mut name = pair.into_vec();
    let at = name.iter().position(|b| *b == b'=').filter(|at| *at > 0).ok_or("it is not NAME=VALUE")?;
    let value = name.split_off(at + 1);
    name.truncate(at);
    Ok((OsString::from_vec(name), OsString::from_vec(value)))
}

fn serve_socket(world: &Arc<RealWorld>, cli: &Cli, serve: &Serve) -> Result<ExitCode, Failure> {
    let signals = Signals::catch(true)?;
    let (engine, _scratch) = engine(world, cli, serve.unsandboxed, &serve.bounds)?;
    let socket = world.absolute(&serve.socket);
    let server = host::serve_plain(&engine, &serve.input, &socket)?;
    writeln!(std::io::stdout(), "{}", socket.display())?;
    while !signals.stop() {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    server.stop();
    engine.stop();
    Ok(ExitCode::SUCCESS)
}

/// The signals that ask us to end.
struct Signals {
    received: Arc<AtomicUsize>,
    /// Whether those that a terminal sends to all its processes are for us alone.
    alone: bool,
}

impl Signals {
    fn catch(alone: bool) -> Result<Self, Failure> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let received = Arc::new(AtomicUsize::new(0));
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or(0);
            signal_hook::flag::register_usize(signal, Arc::clone(&received), number)?;
        }
        Ok(Self { received, alone })
    }

    fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

impl Attend for Signals {
    fn log(&self, _: Stream, _: &[u8]) {}

    fn stop(&self) -> bool {
        use signal_hook::consts::{SIGINT, SIGQUIT};
        let from_terminal =
            |number: usize| [SIGINT, SIGQUIT].iter().any(|s| usize::try_from(*s) == Ok(number));
        match self.received() {
            0 => false,
            number => self.alone || !from_terminal(number),
        }
    }
}

fn lineage(world: &Arc<RealWorld>, cli: &Cli, show: &ShowLineage) -> Result<ExitCode, Failure> {
    let store = open_store(world, cli)?;
    let lineage = Lineage::new(EngineOptions::scratch(&store).join("lineage"), store);
    let mut out = std::io::stdout().lock();
    let entries = lineage.read()?;
    if !show.json && !entries.is_empty() {
        writeln!(out, "{}", Entry::HEADER)?;
    }
    for entry in entries {
        if show.json {
            writeln!(out, "{}", serde_json::to_string(&entry)?)?;
        } else {
            writeln!(out, "{entry}")?;
        }
        if let Some(log) = lineage.log(&entry)?.filter(|_| show.logs) {
            out.write_all(&log)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn gc(world: &Arc<RealWorld>, cli: &Cli) -> Result<ExitCode, Failure> {
    let store = open_store(world, cli)?;
    let collected = store.gc()?;
    let (engine, _scratch) = keeper(world, store)?;
    engine.trim(EngineOptions::LOCALS)?;
    let freed = collected.freed >> 20;
    writeln!(std::io::stdout(), "{} removed, {freed} MiB freed", collected.removed)?;
    Ok(ExitCode::SUCCESS)
}

fn verify(world: &Arc<RealWorld>, cli: &Cli) -> Result<ExitCode, Failure> {
    let store = open_store(world, cli)?;
    let (engine, _scratch) = keeper(world, store)?;
    let verified = engine.verify()?;
    let mut out = std::io::stdout().lock();
    for path in verified.store.corrupt.iter().chain(&verified.wrong_trees) {
        writeln!(out, "corrupt: {}", path.display())?;
    }
    for name in &verified.wrong_artifacts {
        writeln!(out, "corrupt: artifact {name}")?;
    }
    for path in &verified.store.foreign {
        writeln!(out, "not ours: {}", path.display())?;
    }
    let Verified { store, artifacts, results, incomplete, trees, .. } = &verified;
    writeln!(
        out,
        "{} files, {artifacts} artifacts, {results} results ({} incomplete), {trees} directories",
        store.checked,
        incomplete.len()
    )?;
    Ok(ExitCode::from(u8::from(!verified.is_clean())))
}

fn pack_toolchain(world: &Arc<RealWorld>, what: &PackToolchain) -> Result<ExitCode, Failure> {
    let compilers =
        if what.compilers.is_empty() { vec!["gcc".into(), "g++".into()] } else { what.compilers.clone() };
    let pack = Pack {
        compilers,
        programs: what.program.clone(),
        wrapper: what.wrapper.as_ref().map(|wrapper| world.absolute(wrapper)),
        sysroot: !what.no_sysroot,
    };
    pack::pack(&**world, &Forgetful, &world.absolute(&what.into), &pack)?;
    Ok(ExitCode::SUCCESS)
}

/// Remembers nothing: a compiler is packed once.
struct Forgetful;

impl Memo for Forgetful {
    fn load(&self, _: &RecordName) -> Option<Vec<u8>> {
        None
    }

    fn save(&self, _: &RecordName, _: &[u8]) {}

    fn digest(&self, world: &dyn World, path: &std::path::Path, _: &Stat) -> std::io::Result<BlobDigest> {
        Ok(BlobDigest::of(&world.read(path)?))
    }
}
