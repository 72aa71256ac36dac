//! A cc wrapper, the way `brioche-runtime-utils` would embed this crate: it caches what can be cached, and
//! otherwise becomes the compiler.
//!
//!     cargo run --example wrapper -- gcc -O2 -c a.c
#![allow(clippy::disallowed_methods, reason = "this is where the surroundings come in")]
#![allow(clippy::print_stderr, reason = "a program may print")]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use bakeplan::driver::{Call, CompilerCall, Ending, run};
use bakeplan::world::{Environment, Exit, RealWorld, Stream};

fn main() -> std::io::Result<ExitCode> {
    let mut args = std::env::args_os();
    let argv0 = args.next().unwrap_or_default();
    let call = Call { executable: std::env::current_exe()?, argv0, args: args.collect() };
    let world = RealWorld::new(std::env::current_dir()?, Environment::new(std::env::vars_os().collect()));

    let ending = run(&world, &call, &mut |stream, bytes| {
        let _ = match stream {
            Stream::Stdout => std::io::stdout().write_all(bytes),
            Stream::Stderr => std::io::stderr().write_all(bytes),
        };
    });
    Ok(match ending {
        // The outputs are in place.
        Ending::Exit(Exit::Code(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ending::Exit(Exit::Signal(signal)) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)),
        // Not for a cache: become the compiler.
        Ending::Exec(CompilerCall { program, argv0, args }) => {
            return Err(Command::new(program).arg0(argv0).args(args).exec());
        }
        Ending::Missing(name) => {
            eprintln!("wrapper: {}: no such compiler", name.display());
            ExitCode::from(127)
        }
        Ending::Tool | Ending::Broken(_) => {
            eprintln!("usage: wrapper COMPILER ARGS…");
            ExitCode::FAILURE
        }
    })
}
