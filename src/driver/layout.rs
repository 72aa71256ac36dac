//! In Brioche's layout (`../libexec/brioche-cc/` beside the program): what Brioche's own wrapper does, and
//! before that, where a host is there and this is a plain `-c`, the proposal's steps.
//!
//! There is no store here, and no identity of the compiler but its artifact's.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::role;
use super::spawn::{Compile, Host, Local, Spawned, unfinished};
use super::{Aside, Call, CompilerCall, Config, Ending, Log, parse};
use crate::argparse::{Invocation, Mode, Refusal};
use crate::planner::{self, CompilePlan, Unit};
use crate::preprocess::Driver;
use crate::world::{Exit, Sink, Transcript, World};

/// Runs a call.
pub(super) fn run(
    world: &dyn World,
    config: &Config,
    call: &Call,
    layout: (PathBuf, &Path),
    sink: Sink<'_>,
) -> Ending {
    let (program, sysroot) = layout;
    let args = with_sysroot(sysroot, &call.args);
    let executable = call.executable.clone();
    let call = CompilerCall { program, argv0: call.argv0.clone(), args };
    if role::is_ours(world) {
        return Ending::Exit(role::run(world, &call));
    }
    let Some(socket) = config.host.as_deref().filter(|_| !config.disable) else { return Ending::Exec(call) };
    let log = Log::new(config.log.clone());
    match spawn(world, &log, socket, (&call, &executable), sink) {
        Ok(Some(exit)) => Ending::Exit(exit),
        Ok(None) => Ending::Exec(call),
        Err(Local { token, why }) => {
            log.line(world, call.argv0.display(), format_args!("here ({token}): {why}"));
            Ending::Exec(call)
        }
    }
}

/// The rule of Brioche's wrapper: its sysroot in front, unless the caller names one.
fn with_sysroot(sysroot: &Path, args: &[OsString]) -> Vec<OsString> {
    let names_one = |arg: &OsString| {
        let arg = arg.as_encoded_bytes();
        arg == b"--sysroot" || arg.starts_with(b"--sysroot=")
    };
    let ours = if args.iter().any(names_one) { vec![] } else { vec!["--sysroot".into(), sysroot.into()] };
    ours.into_iter().chain(args.iter().cloned()).collect()
}

/// `None` when nothing was done and the compiler is to run as it was called.
fn spawn(
    world: &dyn World,
    log: &Log,
    socket: &Path,
    (call, wrapper): (&CompilerCall, &Path),
    sink: Sink<'_>,
) -> Result<Option<Exit>, Local> {
    let Some((invocation, plan)) = plan(world, call)? else { return Ok(None) };
    let directory = parse::directory(world);
    let (program, argv0) = (call.program.as_path(), call.argv0.as_os_str());
    let driver = Driver { program, argv0, environment: world.environment(), stdin: None };
    let mut host = Host::reach(world, log, socket, call)?;
    host.take_wrapper(wrapper);
    let units: Vec<(&Unit, &OsStr)> = plan.units.iter().map(|unit| (unit, OsStr::new(""))).collect();
    let spawned = host.bake(Compile { driver, invocation: &invocation, directory: &directory }, &units);
    if let Some(signal) = world.interrupted() {
        return Ok(Some(Exit::Signal(signal)));
    }
    let mut said = Transcript::default();
    let mut exits = Vec::new();
    let is_done = spawned.iter().any(Result::is_ok);
    for (unit, spawned) in plan.units.iter().zip(spawned) {
        let subject = unit.source.path.display();
        match spawned {
            Ok(Spawned::Done(done)) => log.line(world, subject, done.how()),
            Ok(Spawned::Unfinished(why)) => exits.push(unfinished(&why, &mut said)),
            Err(Local { token, why }) => {
                log.line(world, subject, format_args!("here ({token}): {why}"));
                if is_done {
                    let command = driver.command(world, unit.arguments(&call.args, OsStr::new("")));
                    let ran = world.run(&command, &mut |stream, bytes| said.add(stream, bytes));
                    exits.push(ran.unwrap_or(Exit::Code(1)));
                }
            }
        }
    }
    said.replay(sink);
    let failed = exits.into_iter().find(|exit| !exit.success());
    Ok(is_done.then(|| failed.unwrap_or(Exit::Code(0))))
}

/// What a call compiles; `None` for what the proposal leaves to the compiler.
pub(super) fn plan(
    world: &dyn World,
    call: &CompilerCall,
) -> Result<Option<(Invocation, CompilePlan)>, Local> {
    // A look at the arguments spares the calls of a build that compile nothing all the rest.
    if !call.args.iter().any(|arg| arg == "-c") {
        return Ok(None);
    }
    let name = compiler_name(world, call);
    let refused = |aside| match aside {
        Aside::Refused(refusals) => {
            let why: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
            Local::new(refusals.first().map_or("refused", |refusal| refusal.token), why.join("; "))
        }
        Aside::Error(token, why) => Local::new(token, why),
    };
    let invocation = parse::invocation(world, &name, call).map_err(refused)?;
    parse::refuse_sources(world, &invocation).map_err(refused)?;
    if invocation.mode != Mode::Object || invocation.links {
        return Ok(None);
    }
    let plan = planner::plan(&invocation).map_err(|refusals| refused(Aside::Refused(refusals)))?;
    Ok(Some((invocation, plan)).filter(|(_, plan)| !plan.ordered))
}

/// The name that tells the compiler: that of the file in `libexec`. `cc` and `c++` are clang's where there is a
/// clang and no gcc beside them.
fn compiler_name(world: &dyn World, call: &CompilerCall) -> OsString {
    let name = call.program.file_name().unwrap_or_default();
    let beside = |name: &str| world.stat(&call.program.with_file_name(name)).is_ok();
    let clang = |name: &str| if beside("clang") && !beside("gcc") { name.into() } else { OsString::new() };
    let known = match name.to_str() {
        Some("cc") => clang("clang"),
        Some("c++") => clang("clang++"),
        _ => OsString::new(),
    };
    if known.is_empty() { name.to_owned() } else { known }
}
