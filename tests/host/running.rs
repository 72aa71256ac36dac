//! `brioche-host run`: an outer process with a host of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::support::*;

const HOST: &str = env!("CARGO_BIN_EXE_brioche-host");

fn host(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(HOST);
    command
        .args(["--store", dir.join("store").to_str().unwrap()])
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null());
    command
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// An input with a program.
fn tools(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(dir.join("tools/bin")).unwrap();
    fs::create_dir_all(dir.join("work")).unwrap();
    fs::write(dir.join("work/name"), "world\n").unwrap();
    let tool = dir.join("tools/bin/greet");
    fs::write(&tool, "#!/bin/sh\nread -r name <name; echo \"hello $name\"; echo \"$HOME\"; exit ${1-0}\n")
        .unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_plain_child_keeps_status_streams_and_surroundings() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let script = "echo \"$BRIOCHE_CC_SPAWN_RECIPES\"; [ -S \"$BRIOCHE_HOST_SOCKET_PATH\" ] && pwd; echo bad >&2; exit 7";
    let output =
        host(dir.path(), &["run", "--input", "empty", "--", "/bin/sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stderr, b"bad\n");
    let there = fs::canonicalize(dir.path()).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("1\n{}\n", there.display()));
    let output = host(dir.path(), &["run", "--input", "empty", "--", "no-such-program"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    let output =
        host(dir.path(), &["run", "--input", "empty", "--", "sh", "-c", "kill -TERM $$"]).output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 15));
}

#[test]
fn in_the_sandbox_the_home_follows_what_the_outer_process_is() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path());
    let run = |args: &[&str]| {
        let all = [&["run", "--sandbox", "--input", "tools", "--work", "work"], args].concat();
        said(&host(dir.path(), &all).output().unwrap())
    };
    let first = run(&["--", "greet"]);
    assert!(first.starts_with("hello world\n/home/brioche-runner-"), "{first}");
    assert_eq!(run(&["--", "greet"]), first);
    assert_ne!(run(&["--env", "A=b", "--", "greet"]), first);
    fs::write(dir.path().join("work/other"), "x").unwrap();
    assert_ne!(run(&["--", "greet"]), first);
    let failed =
        host(dir.path(), &["run", "--sandbox", "--input", "tools", "--work", "work", "--", "greet", "3"]);
    let failed = { failed }.output().unwrap();
    assert_eq!(failed.status.code(), Some(3));
    run(&["--output", "out", "--", "/bin/sh", "-c", "read -r n <name; echo $n >\"$BRIOCHE_OUTPUT\"; : >new"]);
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"world\n");
    assert!(!dir.path().join("work/new").exists(), "the work directory is a copy");
}

#[test]
fn a_host_that_is_killed_leaves_no_process_and_the_next_one_sweeps() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path());
    let marker = format!("marker-{}", std::process::id());
    let sockets = dir.path().join("r");
    fs::create_dir(&sockets).unwrap();
    let mut left = 0;
    for round in 0..4_u64 {
        let script = format!("while :; do :; done # {marker}");
        let all = ["run", "--sandbox", "--work", "work", "--", "/bin/sh", "-c", &script];
        let mut child = host(dir.path(), &all).env("XDG_RUNTIME_DIR", &sockets).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50 + 150 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        left += names(&sockets).len();
    }
    assert!(left > 0, "no host was killed while it had a socket");
    let alive = || {
        let commands = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&marker)
        });
        commands.count()
    };
    said(
        &host(dir.path(), &["run", "--sandbox", "--work", "work", "--", "/bin/sh", "-c", ":"])
            .output()
            .unwrap(),
    );
    let start = Instant::now();
    while alive() > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "a process outlives its host");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(names(&dir.path().join("store/host/runs")), [""; 0]);
    assert_eq!(names(&sockets), [""; 0], "the directory of a socket is left");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(dir.path().to_str().unwrap()));
    assert!(open_store(dir.path(), false).verify().unwrap().is_clean());
}

#[test]
fn a_signal_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path());
    let script = "echo begun; while :; do :; done";
    let all = ["run", "--sandbox", "--work", "work", "--", "/bin/sh", "-c", script];
    let mut child = host(dir.path(), &all).stdout(Stdio::piped()).spawn().unwrap();
    let mut begun = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut begun).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(names(&dir.path().join("store/host/runs")), [""; 0]);
}

#[test]
fn what_is_given_wrongly_is_named() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path());
    for pair in ["NAME", "=value"] {
        let args = ["run", "--sandbox", "--input", "tools", "--work", "work", "--env", pair, "--", "greet"];
        let output = host(dir.path(), &args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("it is not NAME=VALUE"), "{output:?}");
    }
    for (output, why) in [("tools", "tools already"), ("none/here", "/none for --output")] {
        let args =
            ["run", "--sandbox", "--input", "tools", "--work", "work", "--output", output, "--", "greet"];
        let output = host(dir.path(), &args).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).trim_end().ends_with(why), "{output:?}");
        assert_eq!(output.stdout, b"", "the command ran");
    }
    // A store that is no directory is none without a sandbox either.
    fs::write(dir.path().join("file"), "").unwrap();
    let output = Command::new(HOST)
        .args(["--store", "file/store", "run", "--", "true"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("--unsandboxed"), "{output:?}");
    let output = host(dir.path(), &["run", "--sandbox", "--work", "work", "--", "greet"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nor an input"), "{output:?}");
}
