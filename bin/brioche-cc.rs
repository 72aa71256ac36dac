//! `brioche-cc`: the drop-in wrapper. Reads the environment, calls the library, exits as it says.
//!
//! It begins where the C library calls it: Rust's own start reads `/proc/self/maps` and installs handlers for
//! a stack that is too small, for which a hit has no use. What it does for closed descriptors is done here.

#![no_main]

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use bakeplan::driver::{self, Call, CompilerCall, Config, Ending};
use bakeplan::world::{Environment, Exit, RealWorld, Stream, World};

mod cli;

/// Called by the C library.
#[allow(unsafe_code, reason = "the name by which the C library calls it")]
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let closed = occupy_closed_descriptors();
    // A limit of files' sizes is the compiler's to meet, with its own signal; ours is to see an error.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    wrapper(closed)
}

/// Puts `/dev/null` where the caller has closed a standard stream, so that no file of ours gets its number
/// and what is said; a program in our place finds it closed. Whether standard error was closed.
fn occupy_closed_descriptors() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::stdio::{stderr, stdin, stdout};
    let (input, output, errors) = (stdin(), stdout(), stderr());
    let mut streams = [&input, &output, &errors].map(|stream| PollFd::new(stream, PollFlags::empty()));
    let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
    let _ = poll(&mut streams, Some(&no_time));
    let closed = streams.map(|stream| stream.revents().contains(PollFlags::NVAL));
    for _ in closed.iter().filter(|closed| **closed) {
        // The lowest number that is free is the first one that is closed.
        let null = std::fs::File::options().read(true).write(true).open("/dev/null");
        std::mem::forget(null);
    }
    closed[2]
}

/// Returns the exit status.
#[allow(clippy::disallowed_methods, reason = "this is where the surroundings come in")]
fn wrapper(mute: bool) -> i32 {
    let mut args = std::env::args_os();
    let argv0 = args.next().unwrap_or_else(|| "brioche-cc".into());
    let executable = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(&argv0));
    let call = Call { executable, argv0, args: args.collect() };
    let Ok(cwd) = std::env::current_dir() else {
        return without_directory(&call);
    };
    let world = RealWorld::new(cwd, Environment::new(std::env::vars_os().collect()));
    let mut config = Config::read(&world);
    // A compiler that can't say what it has to say fails.
    config.disable |= mute;
    let mut unsaid = false;
    let mut ending = driver::run_with(&world, &config, &call, &mut |stream, bytes| {
        unsaid |= try_to_say(stream, bytes).is_err();
    });
    if let Some(signal) = world.interrupted() {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    if unsaid {
        // What happens then (on a full device, without a reader) is for the compiler to show.
        config.disable = true;
        ending = driver::run_with(&world, &config, &call, &mut |_, _| {});
    }
    match ending {
        Ending::Exit(exit) => leave(exit),
        Ending::Exec(call) => exec(&call),
        Ending::Missing(name) => {
            let is_there = name.as_encoded_bytes().contains(&b'/') && world.stat(name.as_ref()).is_ok();
            let kind = if is_there { io::ErrorKind::PermissionDenied } else { io::ErrorKind::NotFound };
            no_exec(&name, &kind.into())
        }
        Ending::Tool => cli::run(&world, &call),
        Ending::Broken(message) => broken(&message),
    }
}

/// In a directory that is gone the compiler may still do its work.
fn without_directory(call: &Call) -> i32 {
    match call.args.split_first() {
        Some((argv0, args)) => {
            let program = PathBuf::from(argv0);
            exec(&CompilerCall { program, argv0: argv0.clone(), args: args.to_vec() })
        }
        None => broken("the working directory is gone"),
    }
}

/// Exits as the compiler did.
fn leave(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code & 0xff,
        Exit::Signal(signal) => {
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            128 + signal
        }
    }
}

/// Replaces this process; comes back only when that fails.
fn exec(call: &CompilerCall) -> i32 {
    let CompilerCall { program, argv0, args } = call;
    no_exec(argv0, &std::process::Command::new(program).arg0(argv0).args(args).exec())
}

/// Says why a program can't be run, with the exit status that a shell gives then.
fn no_exec(name: &OsStr, error: &io::Error) -> i32 {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "not found".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    say(Stream::Stderr, format!("brioche-cc: {}: {why}\n", name.display()).as_bytes());
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// Says it as the wrapper of Brioche does.
fn broken(message: &str) -> i32 {
    say(Stream::Stderr, format!("brioche-cc error: {message}\n").as_bytes());
    1
}

/// As [`try_to_say`], where nobody asks what became of it.
fn say(stream: Stream, bytes: &[u8]) {
    let _ = try_to_say(stream, bytes);
}

/// Writes all of it, waiting where a pipe does not block. A reader that is gone is an error like others: it
/// is no end while a compiler is at work.
fn try_to_say(stream: Stream, bytes: &[u8]) -> rustix::io::Result<()> {
    static HEEDLESS: Once = Once::new();
    HEEDLESS.call_once(|| {
        let _ = signal_hook::flag::register(signal_hook::consts::SIGPIPE, Arc::default());
    });
    let (out, err) = (io::stdout(), io::stderr());
    let fd = match stream {
        Stream::Stdout => out.as_fd(),
        Stream::Stderr => err.as_fd(),
    };
    write_all(fd, bytes)
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
