//! What a compile leaves: files, modes, streams, status.

use crate::support::{Bench, compilers};

#[test]
fn warnings_are_said_again_on_a_hit() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        bench.write("a.c", "int f(void) { int unused; return 1; }\n");
        let hit = bench.transparent(&[compiler, "-Wall", "-c", "a.c"]);
        assert_eq!(hit, (1, 0));
    }
}

#[test]
fn a_failing_compile_fails_alike_and_is_not_kept() {
    let bench = Bench::new();
    bench.write("a.c", "int f(void) { return undeclared; }\n");
    bench.write("a.o", "an old object\n");
    let figures = bench.transparent(&["gcc", "-c", "a.c"]);
    assert_eq!(figures, (0, 1));
    assert_eq!(bench.statistics().number("entries"), 0);
}

#[test]
fn dependency_files_are_written_for_this_run() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        bench.write("src/a b.c", "#include \"h.h\"\n#include <stddef.h>\nint x;\n");
        bench.write("src/h.h", "\n");
        for args in [
            &[compiler, "-MD", "-c", "src/a b.c"][..],
            &[compiler, "-MMD", "-MP", "-MF", "deps.d", "-c", "src/a b.c", "-o", "x.o"],
            &[compiler, "-MD", "-MT", "target $x", "-MQ", "q$x", "-c", "src/a b.c"],
            &[compiler, "-Wp,-MD,kernel.d", "-c", "src/a b.c", "-o", "x.o"],
        ] {
            assert_eq!(bench.transparent(args), (1, 0), "{args:?}\n{}", bench.log());
        }
    }
}

#[test]
fn what_is_thrown_away_is_not_put_anywhere() {
    let bench = Bench::new();
    bench.write("a.c", "int f(void) { int unused; return 1; }\n");
    for compiler in compilers(&["gcc", "clang-14"]) {
        let discarded = [compiler, "-Wall", "-c", "a.c", "-o", "/dev/null"];
        assert_eq!(bench.transparent(&discarded), (1, 0), "{}", bench.log());
        // What was thrown away can't serve who wants it.
        bench.misses(&[compiler, "-Wall", "-c", "a.c"]);
        bench.hits(&[compiler, "-Wall", "-c", "a.c"]);
        bench.hits(&discarded);
        bench.remove("a.o");
    }
    assert_eq!(bench.transparent(&["gcc", "-S", "-xc", "/dev/null", "-o", "/dev/null"]), (1, 0));
    assert_eq!(
        bench.transparent(&["gcc", "-MD", "-MF", "/dev/null", "-c", "a.c"]),
        (1, 0),
        "{}",
        bench.log()
    );
}

/// Runs a command that gets this as its standard input.
fn fed(mut command: std::process::Command, input: &str) -> std::process::Output {
    use std::io::Write;
    use std::process::Stdio;
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_source_by_standard_input() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        let args = ["-Wall", "-x", "c", "-c", "-", "-o", "a.o"];
        let wrapped = [&[compiler][..], &args].concat();
        let mut hits = 0;
        for source in [
            "int f(void) { int unused; return 1; } // one\n",
            "int f(void) { int unused; return 1; } // two\n",
            "int f(void) { return undeclared; }\n",
            "#error no\n",
            "int f(void) { return 1; }\n",
        ] {
            let mut bare = bench.command(compiler);
            bare.args(args);
            let bare = fed(bare, source);
            let expected = bench.exists("a.o").then(|| bench.read("a.o"));
            for _ in 0..2 {
                bench.remove("a.o");
                let ours = fed(bench.wrapper(&wrapped), source);
                assert_eq!(ours.status.code(), bare.status.code(), "{source}");
                assert_eq!(String::from_utf8_lossy(&ours.stderr), String::from_utf8_lossy(&bare.stderr));
                assert!(bench.exists("a.o").then(|| bench.read("a.o")) == expected, "{source}");
            }
            bench.remove("a.o");
            hits += u64::from(bare.status.success());
        }
        assert_eq!(bench.statistics().hits(), hits, "{}", bench.log());
    }
}

#[test]
fn what_the_driver_prints_of_itself_is_said_again() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    let args = ["gcc", "-v", "-c", "a.c"];
    bench.misses(&args);
    let first = bench.ok(&args);
    bench.hits(&args);
    let text = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(text.contains("search starts here") && text.contains("LIBRARY_PATH="), "{text}");
    bench.misses(&["gcc", "-v", "-c", "a.c", "-o", "b.o"]);
    assert_eq!(bench.transparent(&["gcc", "-Wa,--version", "-c", "a.c", "-o", "/dev/null"]), (1, 0));
}
