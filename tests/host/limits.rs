//! Limits that hold for a bake as a whole, where there are control groups, and for each process elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bakeplan::host::Baked;
use bakeplan::host::sandbox::Limits;

use super::killed::soon;
use super::support::*;
use crate::store::roles;

const MEMORY: u64 = 48 << 20;

fn limits() -> Limits {
    Limits { seconds: Some(120), total_memory: Some(MEMORY), processes: Some(24), ..Limits::default() }
}

/// A host whose limits hold for whole bakes; `None`, and it is told, where that can't be.
fn grouped(what: &str) -> Option<Host> {
    let host = Host::with(|options| options.limits = limits());
    match host.engine.limits_whole_bakes() {
        Ok(()) => Some(host),
        Err(why) => {
            roles::skip(what, &format!("needs control groups: {why}"));
            None
        }
    }
}

/// A script whose processes hold so many MiB each, and never end.
fn holders(count: u64, mebibytes: u64) -> String {
    format!(
        "hold() {{ x=0123456789abcdef; while [ ${{#x}} -lt {} ]; do x=$x$x; done; while :; do :; done; }}; \
         i=0; while [ $i -lt {count} ]; do hold & i=$((i + 1)); done; wait",
        mebibytes << 20
    )
}

/// The group of an engine's processes, by the note of it.
fn group(dir: &Path) -> Option<PathBuf> {
    let runs = fs::read_dir(dir.join("store/host/runs")).ok()?.flatten();
    { runs }.find_map(|entry| fs::read_link(entry.path().join("group")).ok())
}

fn groups_within(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).expect("the group of a host").flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count()
}

#[test]
fn memory_is_that_of_all_processes_together() {
    let Some(host) = grouped("a bake that forks and allocates") else { return };
    // Each by itself is well below the limit.
    match host.bake(&sh(&holders(12, 8))) {
        Ok(Baked::Failed { why }) => assert!(why.contains("more than 48 MiB of memory"), "{why}"),
        other => panic!("{other:?}"),
    }
    let group = group(host.dir.path()).expect("a group");
    soon("the group of the bake is removed", || groups_within(&group) == 0);
    assert!(!host.ok(&sh("echo well >\"$out\"")).hit);
    host.engine.stop();
    drop(host);
    assert!(!group.exists(), "{} is left", group.display());
}

#[test]
fn processes_are_counted_together() {
    let Some(host) = grouped("a bake that forks without end") else { return };
    let watch = Waiter::default();
    let script = "i=0; while [ $i -lt 60 ]; do (while :; do :; done) & i=$((i + 1)); done; : >\"$out\"";
    match host.bake_for(&sh(script), &watch) {
        Ok(Baked::Failed { .. }) => assert!(watch.text().contains("fork"), "{}", watch.text()),
        other => panic!("{other:?}"),
    }
    assert!(!host.ok(&sh("(echo well) >\"$out\"")).hit);
}

#[test]
fn without_groups_each_process_has_its_limit() {
    let host = Host::with(|options| {
        options.limits = Limits { processes: None, ..limits() };
    });
    let script = "x=0123456789abcdef; while [ ${#x} -lt 100000000 ]; do x=$x$x; done; : >\"$out\"";
    match host.bake(&sh(script)) {
        Ok(Baked::Failed { why }) => println!("{why}"),
        other => panic!("{other:?}"),
    }
    assert!(!host.ok(&sh("x=0123456789abcdef; echo $x$x >\"$out\"")).hit);
    // The host says once what that means, and that only where it is so.
    let output = Command::new(env!("CARGO_BIN_EXE_brioche-host"))
        .args(["--store", host.path("store").to_str().unwrap(), "run", "--bake-memory", "48", "--input"])
        .arg(host.dir.path())
        .args(["--", "/bin/sh", "-c", ":"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.matches("without control groups").count(),
        usize::from(host.engine.limits_whole_bakes().is_err()),
        "{said}"
    );
}

/// A host that is killed while it bakes.
pub fn bake_for_ever(dir: &Path) {
    let engine = engine(dir, |options| options.limits = limits());
    let host = Host { engine, dir: tempfile::tempdir().unwrap() };
    let _ = host.bake(&sh("while :; do :; done"));
}

#[test]
fn what_a_killed_host_leaves_is_removed_by_the_next() {
    let Some(host) = grouped("the control group of a killed host") else { return };
    drop(host);
    let dir = tempfile::tempdir().unwrap();
    let mut killed = roles::spawn("bake-for-ever", dir.path());
    let own = || group(dir.path()).map(|group| group.join("0/cgroup.procs"));
    let members = || own().map(|own| fs::read_to_string(own).unwrap_or_default()).unwrap_or_default();
    soon("it bakes", || members().lines().count() >= 3);
    let group = group(dir.path()).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(group.exists(), "nothing was left");
    let _next = engine(dir.path(), |_| {});
    assert!(!group.exists(), "{} is left", group.display());
}
