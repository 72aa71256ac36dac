//! Processes for tests that need several, or one of their own: this binary again, as one test that
//! plays a role.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{placing, processes, unusable};

const ROLE: &str = "BAKEPLAN_TEST_ROLE";
const DIR: &str = "BAKEPLAN_TEST_DIR";

/// Plays the role that the environment names. In an ordinary run there is none.
#[test]
fn play() {
    let Some(role) = std::env::var_os(ROLE) else { return };
    let dir = PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    let role = role.to_str().expect("a role");
    // Who plays for ever does not outlive a test that fails.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).expect("prctl");
    match role {
        "umask" => placing::with_umask(&dir),
        "read-only-mount" => unusable::on_read_only_mount(&dir),
        "reflink" => placing::on_btrfs(&dir),
        "full-disk" => unusable::on_full_disk(&dir),
        "hammer" => processes::hammer(&dir),
        "write" => processes::write_for_ever(&dir),
        "count" => processes::count_under_lock(&dir),
        "events" => processes::record_events(&dir),
        #[cfg(feature = "host")]
        "full-host" => crate::host::full::on_full_disk(&dir),
        #[cfg(feature = "host")]
        "read-only-host" => crate::host::full::on_read_only_mount(&dir),
        #[cfg(feature = "host")]
        "read-only-command" => crate::host::command::on_read_only_mount(&dir),
        #[cfg(feature = "host")]
        "bake-for-ever" => crate::host::limits::bake_for_ever(&dir),
        "hold" => processes::hold_lock(&dir),
        _ => panic!("no role is called {role}"),
    }
}

/// A command that plays a role, behind the words of another (`unshare -m`).
fn command(prefix: &[&str], role: &str, dir: &Path) -> Command {
    let this = std::env::current_exe().expect("our own path");
    let mut words = prefix.iter().map(PathBuf::from).chain([this]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).args(["--exact", "store::roles::play", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(DIR, dir).stdin(Stdio::null());
    command
}

/// A process that plays a role; its standard output is ours to read.
pub(crate) fn spawn(role: &str, dir: &Path) -> std::process::Child {
    command(&[], role, dir).stdout(Stdio::piped()).spawn().expect("a process")
}

/// Plays a role to its end.
pub(super) fn run(role: &str, dir: &Path) {
    finish(command(&[], role, dir), role);
}

fn finish(mut command: Command, role: &str) {
    let output = command.output().expect("a process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{role}: {}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{role} was played");
    for line in text(&output.stderr).lines().filter(|line| line.starts_with("SKIPPED")) {
        std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Plays a role that mounts file systems, in a mount namespace of its own.
pub(crate) fn run_mounting(role: &str, dir: &Path) {
    for prefix in [&["unshare", "--mount"][..], &["unshare", "--user", "--map-root-user", "--mount"]] {
        let allowed = Command::new(prefix[0])
            .args(&prefix[1..])
            .args(["mount", "-t", "tmpfs", "tmpfs"])
            .arg(dir)
            .stderr(Stdio::null())
            .status();
        if allowed.is_ok_and(|status| status.success()) {
            return finish(command(prefix, role, dir), role);
        }
    }
    skip(role, "needs to mount a file system, which is not permitted here");
}

/// Says that something was not tested, straight to standard error: what a test prints is not shown
/// when it passes.
pub(crate) fn skip(role: &str, why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {role} {why}\n").as_bytes()).unwrap();
}

/// Mounts something, for those in this mount namespace.
pub(crate) fn mount(arguments: &[&str], at: &Path) {
    let status = Command::new("mount").args(arguments).arg(at).status().expect("mount");
    assert!(status.success(), "mount {arguments:?}");
}
