//! The recorder: what the processes of a command do with the file system is known completely, or not at all.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use bakeplan::world::{
    Command, Environment, Exit, Kind, RealWorld, Recording, Redirect, Stat, Stdin, What, World,
};

/// A program that does with paths what its arguments say, and prints what came of each.
const PROGRAM: &str = r#"
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
    struct stat st;
    struct statx sx;
    char buffer[8192];
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *verb = argv[i], *path = argv[i + 1];
        long got = -2;
        errno = 77;
#define VERB(name, call) else if (!strcmp(verb, name)) got = (long)(call)
        if (0) ;
        VERB("open", open(path, O_RDONLY));
        VERB("openat", openat(AT_FDCWD, path, O_RDONLY));
        VERB("beneath", openat(open("d", O_RDONLY | O_DIRECTORY), path, O_RDONLY));
        VERB("fopen", fopen(path, "r") ? 1 : -1);
        VERB("create", open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
        VERB("both", open(path, O_RDWR));
        VERB("stat", stat(path, &st));
        VERB("lstat", lstat(path, &st));
        VERB("fstatat", fstatat(AT_FDCWD, path, &st, 0));
        VERB("statx", statx(AT_FDCWD, path, 0, STATX_ALL, &sx));
        VERB("access", access(path, R_OK));
        VERB("readlink", readlink(path, buffer, sizeof buffer));
        VERB("realpath", realpath(path, buffer) ? 1 : -1);
        VERB("opendir", opendir(path) ? 1 : -1);
        VERB("fdopendir", fdopendir(open(path, O_RDONLY | O_DIRECTORY)) ? 1 : -1);
        VERB("linkat", linkat(AT_FDCWD, path, AT_FDCWD, "linked", 0));
        VERB("renameat", renameat(AT_FDCWD, path, AT_FDCWD, "renamed-at"));
        VERB("unlinkat", unlinkat(AT_FDCWD, path, 0));
        VERB("mkdirat", mkdirat(AT_FDCWD, path, 0700));
        VERB("realtime", clock_gettime(CLOCK_REALTIME, &(struct timespec){0}));
        VERB("monotonic", clock_gettime(CLOCK_MONOTONIC, &(struct timespec){0}));
        VERB("unlink", unlink(path));
        VERB("rename", rename(path, "renamed"));
        VERB("chdir", chdir(path));
        VERB("system", system(path));
        VERB("time", time(NULL) == -1);
        VERB("localtime", localtime(&(time_t){0}) == NULL);
        VERB("print", printf("%s=%s\n", path, getenv(path) ? getenv(path) : "-"));
        VERB("environ", ({ long n = 0; for (char **e = environ; *e; e++) n++; n; }));
        VERB("spawn", ({
            pid_t pid; int status = 0;
            char *args[] = {argv[0], "stat", "by-child", NULL};
            int failed = posix_spawn(&pid, path, NULL, NULL, args, environ);
            if (!failed) waitpid(pid, &status, 0);
            failed ? -1 : status; }));
        VERB("bare", ({ /* a child with an environment of its own */
            pid_t pid; int status = 0;
            char *args[] = {argv[0], "open", "by-bare", "environ", "", NULL}, *none[] = {"ONLY=1", NULL};
            int failed = posix_spawn(&pid, path, NULL, NULL, args, none);
            if (!failed) waitpid(pid, &status, 0);
            failed ? -1 : status; }));
        VERB("fork", ({
            int status = 0; pid_t pid = fork();
            if (!pid) { execlp(path, path, "access", "by-exec", (char *)NULL); _exit(9); }
            waitpid(pid, &status, 0); status; }));
        VERB("fexec", ({
            int status = 0; pid_t pid = fork();
            if (!pid) { char *args[] = {argv[0], NULL}; fexecve(open(path, O_RDONLY), args, environ); _exit(9); }
            waitpid(pid, &status, 0); status; }));
        VERB("execl", ({
            int status = 0; pid_t pid = fork();
            if (!pid) { execl(path, path, "print", "A", "print", "B", "print", "C", "stat", "by-list", (char *)NULL); _exit(9); }
            waitpid(pid, &status, 0); status; }));
        VERB("execle", ({
            int status = 0; pid_t pid = fork(); char *own[] = {"B=2", NULL};
            if (!pid) { execle(path, path, "print", "A", "print", "B", "print", "C", "stat", "by-list", (char *)NULL, own); _exit(9); }
            waitpid(pid, &status, 0); status; }));
        VERB("many", ({ for (long n = atol(path); n > 0; n--) {
            snprintf(buffer, sizeof buffer, "%0200ld", n); access(buffer, R_OK); } 0; }));
        VERB("die", raise(atoi(path)));
        if (got != -2) printf("%s %s: %ld, errno %d\n", verb, path, got > 0 ? 1 : got, got < 0 ? errno : 0);
        fflush(stdout);
    }
    return 0;
}
"#;

struct Place {
    dir: tempfile::TempDir,
}

/// What a program said, and what was recorded of it.
struct Ran {
    exit: Exit,
    said: String,
    recording: Option<Recording>,
}

impl Ran {
    #[track_caller]
    fn recording(&self) -> &Recording {
        self.recording.as_ref().unwrap_or_else(|| panic!("not recorded: {}", self.said))
    }

    #[track_caller]
    fn what(&self, path: &str) -> Vec<What> {
        let accesses = self.recording().accesses.iter();
        accesses.filter(|access| access.path == Path::new(path)).map(|access| access.what).collect()
    }
}

impl Place {
    fn new(flags: &[&str]) -> Self {
        let place = Self { dir: tempfile::tempdir().expect("a directory") };
        let path = |name: &str| place.path(name);
        std::fs::write(path("probe.c"), PROGRAM).expect("a source");
        place.build("probe", flags);
        for name in ["file", "doomed", "moved", "d/inner"] {
            std::fs::create_dir_all(path("d")).expect("a directory");
            std::fs::write(path(name), name).expect("a file");
        }
        std::os::unix::fs::symlink("file", path("link")).expect("a link");
        place
    }

    /// Builds the program under this name.
    fn build(&self, name: &str, flags: &[&str]) {
        let mut gcc = Process::new("gcc");
        gcc.args(["-w", "-o", name, "probe.c"]).args(flags).current_dir(self.path(""));
        assert!(gcc.status().expect("gcc").success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_in(&[], &[], args)
    }

    fn run_in(&self, variables: &[(&str, &str)], redirects: &[(PathBuf, Redirect)], args: &[&str]) -> Ran {
        let all: Vec<(OsString, OsString)> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let environment = Environment::new(all);
        let world = RealWorld::new(self.path(""), environment.clone());
        let command = Command {
            program: self.path("probe"),
            argv0: None,
            args: args.iter().map(Into::into).collect(),
            environment,
            cwd: self.path(""),
            stdin: Stdin::Empty,
            terminal: false,
        };
        let mut said = Vec::new();
        let ran = world.run_recorded(&command, redirects, &mut |_, bytes| said.extend_from_slice(bytes));
        let (exit, recording) = ran.expect("it runs");
        Ran { exit, said: String::from_utf8(said).expect("text"), recording }
    }
}

#[test]
fn every_way_of_looking_is_seen() {
    let place = Place::new(&[]);
    let (missing, found) = (What::Missing(2), What::Present(Kind::File));
    for verb in
        ["open", "openat", "fopen", "stat", "lstat", "fstatat", "statx", "access", "realpath", "opendir"]
    {
        let ran = place.run(&[verb, "nothing"]);
        assert_eq!(ran.what("nothing"), [missing], "{verb}");
        assert_eq!(ran.said, format!("{verb} nothing: -1, errno 2\n"), "errno as without us");
    }
    for verb in ["stat", "lstat", "fstatat", "statx", "access"] {
        assert_eq!(place.run(&[verb, "file"]).what("file"), [found], "{verb}");
    }
    assert_eq!(place.run(&["stat", "d"]).what("d"), [What::Present(Kind::Directory)]);
    assert_eq!(place.run(&["stat", "file/below"]).what("file/below"), [What::Missing(20)]);
    assert_eq!(place.run(&["readlink", "link"]).what("link"), [What::Link]);
    assert_eq!(place.run(&["realpath", "link"]).what("link"), [What::Resolved]);
    assert_eq!(place.run(&["opendir", "d"]).what("d"), [What::Listed]);
}

#[test]
fn what_is_read_is_seen_as_it_was_then() {
    let place = Place::new(&[]);
    let stat = |name: &str| {
        let world = RealWorld::new(place.path(""), Environment::new(Vec::new()));
        world.stat(&place.path(name)).expect("a file")
    };
    for (verb, path) in [("open", "file"), ("openat", "link"), ("fopen", "file"), ("both", "file")] {
        let ran = place.run(&[verb, path]);
        let read: Vec<Stat> = ran
            .what(path)
            .into_iter()
            .filter_map(|what| if let What::Read(stat) = what { Some(stat) } else { None })
            .collect();
        assert_eq!(read.len(), 1, "{verb}: {:?}", ran.recording());
        let (now, then) = (stat("file"), read[0]);
        assert_eq!((then.inode, then.size, then.modified), (now.inode, now.size, now.modified), "{verb}");
    }
    let beneath = place.run(&["beneath", "inner"]);
    let real = place.path("d/inner").canonicalize().expect("it is there");
    assert_eq!(beneath.what(real.to_str().expect("text")).len(), 1, "{:?}", beneath.recording());
}

#[test]
fn what_is_written_is_seen() {
    let place = Place::new(&[]);
    for (verb, path) in [("create", "new"), ("both", "file"), ("unlink", "doomed"), ("rename", "moved")] {
        let ran = place.run(&[verb, path]);
        assert!(ran.what(path).contains(&What::Written), "{verb}: {:?}", ran.recording());
    }
    assert!(place.path("renamed").exists() && !place.path("doomed").exists());
    for (verb, path) in
        [("linkat", "file"), ("renameat", "linked"), ("mkdirat", "made"), ("unlinkat", "renamed-at")]
    {
        let ran = place.run(&[verb, path]);
        assert!(ran.said.contains(": 0, errno 0"), "{}", ran.said);
        assert!(ran.what(path).contains(&What::Written), "{verb}: {:?}", ran.recording());
    }
}

#[test]
fn an_open_directory_is_listed_by_its_own_path() {
    let place = Place::new(&[]);
    let real = place.path("d").canonicalize().expect("it is there");
    let ran = place.run(&["fdopendir", "d"]);
    assert!(ran.what(real.to_str().expect("text")).contains(&What::Listed), "{:?}", ran.recording());
}

#[test]
fn variables_that_are_asked_for_are_seen() {
    let place = Place::new(&[]);
    let ran = place.run_in(&[("A", "1"), ("AB", "2")], &[], &["print", "A", "print", "AB", "print", "ABC"]);
    assert!(ran.said.contains("A=1\n") && ran.said.contains("AB=2\n") && ran.said.contains("ABC=-\n"));
    for name in ["A", "AB", "ABC"] {
        assert!(ran.recording().variables.contains(&name.into()), "{:?}", ran.recording().variables);
    }
    assert!(!place.run(&["stat", "file"]).recording().variables.contains(&"A".into()));
}

#[test]
fn the_time_of_day_is_seen_and_how_long_things_take_is_not() {
    let place = Place::new(&[]);
    assert_eq!(place.run(&["realtime", ""]).recording().timed.len(), 1);
    assert_eq!(place.run(&["monotonic", ""]).recording().timed.len(), 0);
}

#[test]
fn programs_are_told_as_they_were_asked_for() {
    let place = Place::new(&[]);
    let ran = place.run(&["fork", "./probe"]);
    assert_eq!(ran.recording().programs.len(), 1, "one file: {:?}", ran.recording().programs);
    assert_eq!(ran.recording().started, [PathBuf::from("./probe")]);
}

#[test]
fn children_are_followed_however_they_are_started() {
    let place = Place::new(&[]);
    for (verb, path) in [
        ("spawn", "by-child"),
        ("bare", "by-bare"),
        ("fork", "by-exec"),
        ("execl", "by-list"),
        ("execle", "by-list"),
    ] {
        let ran = place.run(&[verb, "./probe"]);
        assert_eq!(ran.what(path), [What::Missing(2)], "{verb}: {}", ran.said);
    }
    // A child that is given another environment sees that one, and nothing of ours.
    let ran = place.run(&["bare", "./probe"]);
    assert!(ran.said.contains("environ : 1, errno 0"), "{}", ran.said);
    let listed = place.run_in(&[("A", "1")], &[], &["execl", "./probe", "execle", "./probe"]);
    let printed: Vec<_> = listed.said.lines().filter(|line| line.contains('=')).collect();
    assert_eq!(printed, ["A=1", "B=-", "C=-", "A=-", "B=2", "C=-"]);
    // What an open file holds can be run as well.
    assert!(place.run(&["fexec", "./probe"]).recording.is_some());
    // One that can't be started was not started.
    assert_eq!(place.run(&["spawn", "./none", "stat", "file"]).what("file").len(), 1);
    assert_eq!(place.run(&["execl", "./none", "stat", "file"]).what("file").len(), 1);
    assert_eq!(place.run(&["fork", "./none", "stat", "file"]).what("file").len(), 1);
}

#[test]
fn what_can_not_be_followed_leaves_no_recording() {
    let place = Place::new(&[]);
    place.build("static", &["-static"]);
    for args in [["chdir", "d"], ["system", "true"], ["spawn", "./static"], ["fork", "/bin/sh"]] {
        let ran = place.run(&args);
        let is_shell = args[0] == "fork";
        // A shell is a program like another; it looks for what it is told to run.
        assert_eq!(ran.recording.is_some(), is_shell, "{args:?}: {}", ran.said);
        assert!(ran.exit.success(), "{args:?}: {}", ran.said);
    }
    // More than the log holds.
    let ran = place.run(&["many", "400000", "stat", "file"]);
    assert!(ran.recording.is_none() && ran.said.contains("stat file: 0"), "{}", ran.said);
}

#[test]
fn a_static_program_is_not_recorded() {
    let place = Place::new(&["-static"]);
    let ran = place.run(&["stat", "file"]);
    assert!(ran.recording.is_none());
    assert_eq!(ran.said, "stat file: 0, errno 0\n");
}

#[test]
fn a_killed_program_leaves_what_it_did() {
    let place = Place::new(&[]);
    let ran = place.run(&["stat", "file", "die", "9"]);
    assert_eq!(ran.exit, Exit::Signal(9));
    assert_eq!(ran.what("file").len(), 1);
}

#[test]
fn the_environment_is_the_callers() {
    let place = Place::new(&[]);
    let args = ["print", "LD_PRELOAD", "print", "BAKEPLAN_RECORD", "print", "KEPT", "environ", ""];
    let ran = place.run_in(&[("KEPT", "yes")], &[], &args);
    assert!(ran.recording.is_some());
    assert_eq!(
        ran.said.lines().filter(|line| line.contains('=')).collect::<Vec<_>>(),
        ["LD_PRELOAD=-", "BAKEPLAN_RECORD=-", "KEPT=yes"]
    );
    // Whoever loads something of their own keeps it, and is not recorded.
    let ran = place.run_in(&[("LD_PRELOAD", "/nowhere/libmine.so")], &[], &["print", "LD_PRELOAD"]);
    assert!(ran.recording.is_none());
    assert!(ran.said.contains("LD_PRELOAD=/nowhere/libmine.so"), "{}", ran.said);
}

#[test]
fn asking_for_the_calendar_is_noticed() {
    let place = Place::new(&[]);
    assert!(place.run(&["localtime", ""]).recording().clock);
    assert!(!place.run(&["time", ""]).recording().clock, "seconds alone are in no object");
}

#[test]
fn paths_mean_what_they_are_redirected_to() {
    let place = Place::new(&[]);
    let redirects =
        [("file".into(), Redirect::Absent), ("nothing".into(), Redirect::To(place.path("d/inner")))];
    let ran = place.run_in(&[], &redirects, &["open", "file", "open", "nothing", "stat", "./file"]);
    assert_eq!(
        ran.said, "open file: -1, errno 2\nopen nothing: 1, errno 0\nstat ./file: 0, errno 0\n",
        "spelling by spelling"
    );
}
