//! `brioche-host` as a command: what it prints, what it refuses, and what it does with a store that it may only read.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::transport::socket::{Client, Deadlines};
use rustix::process::{Pid, Signal, kill_process};

use super::killed::toolchain;
use super::support::*;
use crate::store::roles;

const HOST: &str = env!("CARGO_BIN_EXE_brioche-host");

/// The host on a store in a directory, where its temporary files are as well.
fn command(dir: &Path, args: &[&str]) -> Command {
    let temporary = dir.join("t");
    let _ = fs::create_dir(&temporary);
    let mut command = Command::new(HOST);
    command.arg("--store").arg(dir.join("store")).args(args).current_dir(dir).env("TMPDIR", temporary);
    command.env("BRIOCHE_CC_DIR", dir.join("local")).stdin(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

/// What a command prints that succeeds, and has nothing to complain about.
#[track_caller]
fn said(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn serve_says_its_socket_once_a_client_can_connect() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for _ in 0..5 {
        let mut child = command(dir.path(), &["serve", "--input", "empty", "--socket", "s/host"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let socket = dir.path().join("s/host");
        assert_eq!(line, format!("{}\n", socket.display()));
        let mut client = Client::connect(&socket, Deadlines::default()).unwrap();
        let inputs = client.get_inputs().unwrap();
        assert_eq!(inputs.artifacts.len(), 1);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success());
        assert!(!socket.exists());
    }
    assert_eq!(names(&dir.path().join("t")), [""; 0]);
}

#[test]
fn no_jobs_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["run", "-j", "0", "--", "true"][..], &["serve", "-j", "0", "--socket", "socket"]] {
        let output = run(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let first = said.lines().next().unwrap();
        assert!(first.contains("'0' for '--jobs <N>'"), "{said}");
        assert!(output.stdout.is_empty() && !dir.path().join("store").exists());
    }
}

#[test]
fn lineage_names_its_columns_where_there_are_entries() {
    let dir = tempfile::tempdir().unwrap();
    let lineage = |args: &[&str]| said(dir.path(), &[&["lineage"], args].concat());
    assert_eq!(lineage(&[]), "");
    assert_eq!(lineage(&["--json"]), "");
    {
        let host = Host { engine: engine(dir.path(), |_| {}), dir: tempfile::tempdir().unwrap() };
        host.ok(&sh("echo said; : >\"$out\""));
    }
    let table = lineage(&[]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("when ") && lines[1].contains(" baked "), "{table}");
    assert_eq!(lineage(&["--logs"]), format!("{table}said\n"));
    let json = lineage(&["--json"]);
    let entries: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 1, "{json}");
}

#[test]
fn an_input_of_which_the_store_has_lost_something_is_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    toolchain(&dir.join("toolchain"), &[]);
    // What was made just now is not remembered.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (how, _) = compile(dir, 1);
    assert!(how.contains("spawned: baked"), "{how}");
    let compiler = fs::read(dir.join("toolchain/libexec/packed/bin/cc1")).unwrap();
    let blob = BlobDigest::of(&compiler).to_hex();
    fs::remove_file(dir.join(format!("store/v1/blobs/{}/{blob}", &blob[..2]))).unwrap();
    let emptied = Command::new("rm").arg("-rf").arg(dir.join("store/host/locals")).status();
    assert!(emptied.unwrap().success());
    // It is not looked for before it is needed.
    let (how, _) = compile(dir, 2);
    assert!(how.contains("here (host-error)") && how.contains("(missing)"), "{how}");
    let (how, _) = compile(dir, 3);
    assert!(how.contains("spawned: baked"), "{how}");
}

#[test]
fn a_store_that_may_only_be_read_gives_hits_and_everything_else_is_compiled() {
    roles::run_mounting("read-only-command", tempfile::tempdir().unwrap().path());
}

/// Compiles a source as a plain child of a host, to what the bare compiler makes; how that came about, and what the
/// host complained of.
#[track_caller]
fn compile(dir: &Path, number: u64) -> (String, String) {
    let log = dir.join("log");
    let source = format!("int f{number}(int x) {{ return x * {number}; }}\n");
    fs::write(dir.join("a.c"), source).unwrap();
    let _ = fs::remove_file(&log);
    let compiler = dir.join("toolchain/bin/gcc").display().to_string();
    let output =
        command(dir, &["run", "--input", "toolchain", "--", &compiler, "-O2", "-c", "a.c", "-o", "ours.o"])
            .env("BRIOCHE_CC_LOG", &log)
            .output()
            .unwrap();
    assert!(output.status.success(), "{output:?}");
    let bare = Command::new("gcc").args(["-O2", "-c", "a.c", "-o", "bare.o"]).current_dir(dir).status();
    assert!(bare.unwrap().success());
    assert!(fs::read(dir.join("ours.o")).unwrap() == fs::read(dir.join("bare.o")).unwrap(), "{number}");
    assert_eq!(names(&dir.join("t")), [""; 0], "something is left");
    let log = fs::read_to_string(&log).unwrap();
    let how = log.lines().last().unwrap_or_default().to_owned();
    (how, String::from_utf8(output.stderr).unwrap())
}

pub fn on_read_only_mount(dir: &Path) {
    let store = dir.join("store");
    fs::create_dir(&store).unwrap();
    roles::mount(&["-t", "tmpfs", "-o", "size=700m", "tmpfs"], &store);
    toolchain(&dir.join("toolchain"), &[]);
    let compile = |number| compile(dir, number);
    let (how, complaint) = compile(1);
    assert!(how.contains("spawned: baked") && complaint.is_empty(), "{how}, {complaint}");
    let table = said(dir, &["lineage"]);
    roles::mount(&["-o", "remount,bind,ro"], &store);
    let is_read_only = format!("brioche-host: {} is read-only\n", store.display());
    for (number, expected) in
        [(1, "spawned: hit"), (2, "here (host-error)"), (2, "here (host-error)"), (1, "spawned: hit")]
    {
        let (how, complaint) = compile(number);
        assert!(how.contains(expected), "{number}: {how}");
        assert_eq!(complaint, is_read_only);
    }
    let verified = run(dir, &["verify"]);
    assert!(verified.status.success(), "{verified:?}");
    assert_eq!(String::from_utf8(verified.stderr).unwrap(), is_read_only);
    let figures = String::from_utf8(verified.stdout).unwrap();
    assert!(figures.contains(" (0 incomplete)") && !figures.starts_with("0 files"), "{figures}");
    assert_eq!(said(dir, &["lineage"]), table);
}
