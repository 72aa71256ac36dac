//! The ways of being called, which of them wins, and Brioche's layout.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{Bench, WRAPPER, copy_program};

const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/fake/record.sh");

fn copy(from: impl AsRef<Path>, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
    copy_program(from, to);
}

/// `bin/gcc`, a copy of the wrapper, and `libexec/brioche-cc/gcc`, the real compiler; gives `bin/gcc`.
fn layout(bench: &Bench, compiler: &str) -> PathBuf {
    let wrapper = bench.beside("tools/bin/gcc");
    copy(WRAPPER, &wrapper);
    copy(compiler, &bench.beside("tools/libexec/brioche-cc/gcc"));
    wrapper
}

fn with_sysroot(bench: &Bench) -> PathBuf {
    let sysroot = bench.beside("the sysroot");
    std::fs::create_dir(&sysroot).expect("a directory");
    symlink("../../../the sysroot", bench.beside("tools/libexec/brioche-cc/sysroot")).expect("a link");
    sysroot.canonicalize().expect("it is there")
}

#[track_caller]
fn says(output: &Output, status: i32, text: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), text);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(status), 0));
}

#[test]
fn in_the_layout_the_sysroot_goes_in_front() {
    let bench = Bench::new();
    let wrapper = layout(&bench, FAKE);
    let sysroot = with_sysroot(&bench).into_os_string().into_string().expect("UTF-8");
    let record = bench.beside("record");
    let called = |args: &[&str]| {
        let status = bench.command(&wrapper).args(args).env("RECORD", &record).status().expect("it runs");
        assert!(status.success());
        std::fs::read_to_string(&record).expect("a record").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for args in [
        &["-c", "a.c", "-o", "a b.o"][..],
        &["--version"],
        &["--plan=json", "--", "gcc"],
        &["--show-stats"],
        &["-sysroot", "/x"],
        &[],
    ] {
        let mut expected = vec!["--sysroot", sysroot.as_str()];
        expected.extend(args);
        assert_eq!(called(args), expected);
    }
    for args in [&["--sysroot", "/other", "-c", "a.c"][..], &["-c", "a.c", "--sysroot=/other"]] {
        assert_eq!(called(args), args, "the caller's own sysroot stays alone");
    }
    assert!(!bench.store().exists(), "a plain drop-in keeps no store");
}

#[test]
fn in_the_layout_the_compiler_keeps_its_name() {
    let bench = Bench::new();
    // cat says the name that it was called by before it says what it does not understand.
    let wrapper = layout(&bench, "/bin/cat");
    with_sysroot(&bench);
    let output = bench.command(&wrapper).arg0("some/where/gcc").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.starts_with("some/where/gcc: ") && text.contains("--sysroot"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn in_the_layout_under_its_own_name_a_command_line_follows() {
    let bench = Bench::new();
    layout(&bench, FAKE);
    with_sysroot(&bench);
    let wrapper = bench.beside("tools/bin/brioche-cc");
    copy(WRAPPER, &wrapper);
    bench.write("a.c", "int a(void) { return 1; }\n");
    for _ in 0..2 {
        let status = bench.command(&wrapper).args(["gcc", "-c", "a.c"]).status().expect("it runs");
        assert!(status.success());
    }
    assert_eq!(bench.statistics().hits(), 1, "{}", bench.log());
}

#[test]
fn a_layout_without_a_sysroot_says_so() {
    let bench = Bench::new();
    let wrapper = layout(&bench, FAKE);
    let output = bench.command(&wrapper).args(["-c", "a.c"]).output().expect("it runs");
    says(
        &output,
        1,
        "brioche-cc error: failed to get sysroot path from 'libexec/brioche-cc/sysroot': No such file or directory (os error 2)\n",
    );
}

#[test]
fn under_a_compilers_name_with_nothing_behind_it_says_so() {
    let bench = Bench::new();
    let wrapper = bench.beside("tools/bin/gcc");
    copy(WRAPPER, &wrapper);
    let output = bench.command(&wrapper).env("PATH", bench.beside("tools/bin")).output().expect("it runs");
    let missing = bench.beside("tools/libexec/brioche-cc");
    let missing =
        missing.parent().and_then(Path::parent).expect("tools").canonicalize().expect("it is there");
    let missing = missing.join("libexec/brioche-cc");
    says(&output, 1, &format!("brioche-cc error: failed to find c resource dir: {}\n", missing.display()));
}

#[test]
fn masquerading_finds_the_next_compiler_that_is_not_us() {
    let bench = Bench::new();
    bench.write("a.c", "int f(void) { int unused; return 1; }\n");
    // A link, a copy, and a link to the copy, each before the compiler itself.
    for directory in ["one", "two", "three"] {
        std::fs::create_dir(bench.beside(directory)).expect("a directory");
    }
    symlink(WRAPPER, bench.beside("one/gcc")).expect("a link");
    copy(WRAPPER, &bench.beside("two/gcc"));
    symlink("../two/gcc", bench.beside("three/gcc")).expect("a link");
    let mut path = String::new();
    for directory in ["one", "two", "three"] {
        path += &format!("{}:", bench.beside(directory).display());
    }
    path += "/usr/bin:/bin";
    let bare = bench.bare(&["gcc", "-Wall", "-c", "a.c"]);
    let expected = bench.read("a.o");
    for (caller, arg0) in [("one/gcc", "gcc"), ("two/gcc", "gcc"), ("three/gcc", "gcc"), ("one/gcc", "./gcc")]
    {
        bench.remove("a.o");
        let mut command = bench.command(bench.beside(caller));
        command.arg0(arg0).args(["-Wall", "-c", "a.c"]).env("PATH", &path);
        let output = command.output().expect("it runs");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&bare.stderr),
            "{caller}"
        );
        assert!(output.status.success() && bench.read("a.o") == expected);
    }
    assert_eq!((bench.statistics().misses(), bench.statistics().hits()), (1, 3), "{}", bench.log());
}

#[test]
fn before_a_compilers_name_the_one_behind_our_link_is_meant() {
    let bench = Bench::new();
    bench.write("a.c", "int f(void) { return 1; }\n");
    std::fs::create_dir(bench.beside("links")).expect("a directory");
    let link = bench.beside("links/gcc");
    symlink(WRAPPER, &link).expect("a link");
    let path = format!("{}:/usr/bin:/bin", bench.beside("links").display());
    let link = link.to_str().expect("UTF-8");
    // By the bare name gcc would find us where it looks for itself; build tools remember the link's path.
    let ways: [&[&str]; 4] = [&["gcc"], &[link], &["--", "gcc"], &[WRAPPER, "gcc"]];
    for (count, way) in ways.into_iter().enumerate() {
        for disabled in ["0", "1"] {
            let mut command = bench.wrapper(way);
            command.args(["-c", "a.c"]).env("PATH", &path).env("BRIOCHE_CC_DISABLE", disabled);
            let output = command.output().expect("it runs");
            assert!(output.status.success(), "{way:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!((bench.statistics().misses(), bench.statistics().hits()), (1, count as u64), "{way:?}");
    }
    // Nothing behind it.
    let output = bench.wrapper(&["gcc"]).env("PATH", bench.beside("links")).output().expect("it runs");
    says(&output, 127, "brioche-cc: gcc: not found\n");
}

#[test]
fn what_cannot_be_run_is_told_as_shells_do() {
    let bench = Bench::new();
    bench.write("notes", "not a program\n");
    says(&bench.wrapped(&["no-such-gcc", "-c", "a.c"]), 127, "brioche-cc: no-such-gcc: not found\n");
    says(&bench.wrapped(&["./no-such-gcc"]), 127, "brioche-cc: ./no-such-gcc: not found\n");
    says(&bench.wrapped(&["./notes"]), 126, "brioche-cc: ./notes: permission denied\n");
}

#[test]
fn a_compiler_that_is_a_script_is_run_as_it_is() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    // One that calls the cache again, so that it is the inner call that is cached.
    bench.write("wrap/gcc", format!("#!/bin/sh\nexec {WRAPPER} /usr/bin/gcc -O2 \"$@\"\n"));
    let script = bench.work().join("wrap/gcc");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let args = [script.to_str().expect("UTF-8"), "-c", "a.c"];
    for figures in [(0, 1), (1, 0)] {
        assert_eq!(bench.counted(&args), figures, "{}", bench.log());
    }
    assert_eq!(bench.statistics().refused("compiler-script"), 2);
}

#[test]
fn switched_off_it_is_not_there() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    let status = bench.wrapper(&["gcc", "-c", "a.c"]).env("BRIOCHE_CC_DISABLE", "1").status();
    assert!(status.expect("it runs").success() && bench.exists("a.o"));
    assert!(!bench.store().exists() && bench.log().is_empty());
}

#[test]
fn a_relative_compiler_is_one_of_the_working_directory() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    symlink("/usr/bin/gcc", bench.work().join("gcc")).expect("a link");
    bench.misses(&["./gcc", "-c", "a.c"]);
    bench.hits(&["./gcc", "-c", "a.c"]);
}

#[test]
fn what_the_compiler_inherits_is_what_we_did() {
    // Through the exec of what is refused: the store was opened by then.
    let bench = Bench::new();
    let list = ["ls", "-l", "/proc/self/fd"];
    let descriptors = |output: Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .filter_map(|line| line.split(" -> ").next()?.rsplit(' ').next().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let bare = descriptors(bench.bare(&list));
    assert!(bare.len() > 3, "{bare:?}");
    assert_eq!(descriptors(bench.wrapped(&list)), bare);
    assert_eq!(bench.statistics().refused("unknown-compiler"), 1);
}
