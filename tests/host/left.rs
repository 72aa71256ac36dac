//! The directory for what is on its way between a plain child and its host: whatever a build does to it, everything is
//! compiled, and nothing is left of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::full::Served;
use super::killed::{is_baking, processes, soon, toolchain};
use super::support::*;

const HOST: &str = env!("CARGO_BIN_EXE_brioche-host");

/// What is ours in a directory for temporary files.
fn ours(dir: &Path) -> Vec<String> {
    let is_ours = |name: &String| name.trim_start_matches('.').starts_with("brioche-");
    names(dir).into_iter().filter(is_ours).collect()
}

#[test]
fn a_build_that_breaks_the_directory_compiles_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let clients = tempfile::tempdir().unwrap();
    let (temporary, elsewhere) = (dir.path().join("t"), dir.path().join("elsewhere"));
    fs::create_dir(&temporary).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("precious"), "kept").unwrap();
    let mut served = Served::with(dir.path(), &temporary);
    let scratch = match &ours(&temporary)[..] {
        [name] => temporary.join(name),
        other => panic!("{other:?}"),
    };
    let mut number = 0;
    let mut compile = |is: &str| {
        number += 1;
        let how = served.compile(number, clients.path());
        assert!(how.contains(is), "{how}");
    };
    compile("spawned: baked");
    assert_eq!(names(&scratch), [""; 0], "a client leaves something");
    let replaced = |new: &dyn Fn()| {
        let _ = fs::remove_file(&scratch).or_else(|_| fs::remove_dir_all(&scratch));
        new();
    };
    replaced(&|| ());
    compile("here (temporary)");
    replaced(&|| fs::write(&scratch, "").unwrap());
    compile("here (temporary)");
    replaced(&|| symlink("nowhere", &scratch).unwrap());
    compile("here (temporary)");
    // A link that leads somewhere is as good.
    replaced(&|| symlink(&elsewhere, &scratch).unwrap());
    compile("spawned: baked");
    assert_eq!(names(&elsewhere), ["precious"]);
    // Whoever may do everything may write there as well.
    let rights = if rustix::process::geteuid().is_root() { "spawned: baked" } else { "here (temporary)" };
    replaced(&|| fs::create_dir(&scratch).unwrap());
    let mode =
        |mode| fs::set_permissions(&scratch, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o500);
    compile(rights);
    mode(0o700);
    compile("spawned: baked");
    fs::write(scratch.join("litter"), "").unwrap();
    replaced(&|| symlink(&elsewhere, &scratch).unwrap());
    kill_process(Pid::from_child(&served.host), Signal::TERM).unwrap();
    assert!(served.host.wait().unwrap().success());
    assert_eq!(names(&temporary), [""; 0]);
    assert_eq!(names(&elsewhere), ["precious"], "the host removed what it did not make");
}

/// A build of one file that takes a while, as a plain child of a host.
struct Build {
    dir: tempfile::TempDir,
    host: Child,
}

impl Build {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        toolchain(&path("toolchain"), &[]);
        fs::create_dir(path("t")).unwrap();
        let function = |number| {
            format!(
                "int f{number}(char *to, int n) {{ int s = 0; for (int i = 0; i < n; i++) s += to[i] *= {number}; return s; }}\n"
            )
        };
        fs::write(path("a.c"), (0..4000).map(function).collect::<String>()).unwrap();
        let compile = format!("{} -O2 -c a.c -o a.o; exit 0", path("toolchain/bin/gcc").display());
        let host = command(dir.path()).args(["--", "/bin/sh", "-c", &compile]).spawn().unwrap();
        let build = Self { dir, host };
        // A host tries the sandbox before it starts anybody.
        soon("a client waits for a bake", || build.client().is_some() && is_baking(build.host.id()));
        assert!(!ours(&build.temporary()).is_empty(), "nothing is on its way");
        build
    }

    fn temporary(&self) -> PathBuf {
        self.dir.path().join("t")
    }

    fn client(&self) -> Option<Pid> {
        let compiler = self.dir.path().join("toolchain/bin/gcc").display().to_string();
        let mut all = processes().into_iter();
        let client = all.find(|process| process.is_alive && process.command.starts_with(&compiler))?;
        Pid::from_raw(i32::try_from(client.id).unwrap())
    }

    /// Nothing of ours is there, and what is left of the store is whole.
    fn is_clean(&self) {
        let dir = self.dir.path().to_str().unwrap();
        soon("all processes end", || processes().iter().all(|process| !process.command.contains(dir)));
        assert_eq!(ours(&self.temporary()), [""; 0]);
        assert_eq!(names(&self.dir.path().join("store/host/runs")), [""; 0]);
        let verified = engine(self.dir.path(), |_| {}).verify().unwrap();
        assert!(verified.is_clean() && verified.incomplete.is_empty(), "{verified:?}");
    }
}

/// `brioche-host run` with its directories for temporary files and for sockets in `t`.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(HOST);
    command
        .args(["--store", "store", "run", "--input", "toolchain"])
        .current_dir(dir)
        .env("TMPDIR", dir.join("t"))
        .env("XDG_RUNTIME_DIR", dir.join("t"))
        .env("BRIOCHE_CC_DIR", dir.join("local"))
        .stdin(Stdio::null());
    command
}

#[test]
fn nothing_is_left_of_a_client_that_is_killed() {
    let mut build = Build::start();
    kill_process(build.client().expect("a client"), Signal::KILL).unwrap();
    assert!(build.host.wait().unwrap().success());
    build.is_clean();
}

#[test]
fn nothing_is_left_of_a_host_that_is_killed_once_the_next_one_starts() {
    let mut build = Build::start();
    let client = build.client().expect("a client");
    // Before it could tidy up after itself.
    kill_process(client, Signal::STOP).unwrap();
    build.host.kill().unwrap();
    build.host.wait().unwrap();
    kill_process(client, Signal::KILL).unwrap();
    assert!(!ours(&build.temporary()).is_empty(), "who is killed tidies nothing up");
    assert!(command(build.dir.path()).args(["--", "/bin/sh", "-c", ":"]).status().unwrap().success());
    build.is_clean();
}
