//! Several sources: multi-source compiles, and compile-and-link.

use crate::support::{Bench, compilers};

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("main.c", "int twice(int);\nint main(void) { return twice(21) - 42; }\n");
    bench.write("twice.c", "int twice(int x) { return 2 * x; }\n");
    bench
}

#[test]
fn several_sources_are_several_units() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = bench();
        assert_eq!(bench.transparent(&[compiler, "-c", "main.c", "twice.c"]), (2, 0), "{}", bench.log());
        bench.hits(&[compiler, "-c", "main.c"]);
    }
}

#[test]
fn compile_and_link_comes_out_as_the_drivers_own() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        for options in [&["-O2"][..], &["-g"], &["-g3"], &["-static"]] {
            let bench = bench();
            let mut args = vec![compiler];
            args.extend(options);
            args.extend(["main.c", "twice.c", "-o", "app", "-lm"]);
            assert_eq!(bench.transparent(&args), (2, 0), "{args:?}\n{}", bench.log());
        }
    }
}

#[test]
fn files_that_several_units_write_are_the_last_ones() {
    let bench = bench();
    bench.write("other/main.c", "int other = 1;\n");
    for args in [
        &["gcc", "-c", "main.c", "other/main.c"][..],
        &["gcc", "-c", "other/main.c", "main.c"],
        &["gcc", "-c", "main.c", "main.c"],
        &["gcc", "-MD", "-MF", "all.d", "-c", "twice.c", "main.c"],
        &["gcc", "-MD", "-o", "app", "main.c", "twice.c"],
        &["clang-14", "-MMD", "-MP", "-MF", "all.d", "-c", "main.c", "twice.c"],
    ] {
        assert_eq!(bench.transparent(args), (2, 0), "{args:?}\n{}", bench.log());
    }
}

#[test]
fn one_unit_that_fails_does_not_stop_the_others() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = bench();
        bench.write("bad.c", "int f(void) { return undeclared; }\n#warning said\n");
        bench.transparent(&[compiler, "-c", "main.c", "bad.c", "twice.c"]);
        bench.transparent(&[compiler, "main.c", "bad.c", "twice.c", "-o", "app"]);
        assert!(!bench.exists("app"));
    }
}

#[test]
fn a_link_that_prints_or_fails_is_the_drivers_own() {
    let bench = bench();
    bench.write("lost.c", "int nowhere(void);\nint main(void) { return nowhere(); }\n");
    let output = bench.wrapped(&["gcc", "-O2", "lost.c", "twice.c", "-o", "app"]);
    let bare = bench.bare(&["gcc", "-O2", "lost.c", "twice.c", "-o", "app"]);
    let said = |output: &std::process::Output| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines()
            .map(|line| line.split_once(".o").map_or(line, |(_, rest)| rest).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((output.status.code(), said(&output)), (bare.status.code(), said(&bare)));
    assert_eq!(bench.statistics().refused("link-not-quiet"), 1);
}
