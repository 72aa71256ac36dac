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
fn what_compiles_say_is_said_once_though_the_link_fails() {
    let bench = bench();
    bench.write("noisy.c", "int twice(int);\nint main(void) { int unused; return twice(1); }\n");
    // A linker script names the missing symbol's file by a random name, so that its own words are left out.
    for compiler in compilers(&["gcc", "clang-14"]) {
        let args = [compiler, "-Wall", "noisy.c", "-o", "app"];
        let warnings = |output: std::process::Output| {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            (
                output.status.code(),
                text.matches("-Wunused-variable").count(),
                text.contains("undefined reference"),
            )
        };
        assert_eq!(warnings(bench.bare(&args)), (Some(1), 1, true));
        for _ in 0..2 {
            assert_eq!(warnings(bench.wrapped(&args)), (Some(1), 1, true), "{}", bench.log());
        }
    }
    assert_eq!(bench.statistics().refused("link-not-quiet"), 4);
}

#[test]
fn what_the_driver_says_is_said_once() {
    let bench = bench();
    for args in [
        &["clang-14", "-c", "main.c", "twice.c", "-lm"][..],
        &["clang-14", "-Wl,--as-needed", "-c", "main.c", "twice.c"],
        &["clang-14", "-O9", "main.c", "twice.c", "-o", "app"],
        &["gcc", "-Wno-such-thing-at-all=", "-fno-such-thing", "-c", "main.c", "twice.c"],
    ] {
        bench.transparent(args);
    }
    assert!(bench.statistics().refused("driver-speaks") >= 4, "{}", bench.log());
}

#[test]
fn one_that_fails_does_not_keep_the_others() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = bench();
        bench.write("bad.c", "int f(void) { return undeclared; }\n");
        for args in [
            &[compiler, "-c", "main.c", "bad.c", "twice.c"][..],
            &[compiler, "bad.c", "main.c", "twice.c", "-o", "app"],
            &[compiler, "-c", "main.c", "missing.c"],
            &[compiler, "main.c", "missing.c"],
        ] {
            bench.transparent(args);
        }
        assert_eq!(bench.statistics().refused("missing-source"), 4);
    }
}

#[test]
fn one_dependency_file_for_all_is_the_last_ones() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = bench();
        bench.write("own.h", "");
        bench.write("long.c", format!("#include \"own.h\"\n{}", "int twice(int);\n".repeat(20_000)));
        for args in [
            &[compiler, "-MMD", "-MF", "all.d", "-c", "long.c", "main.c", "twice.c"][..],
            &[compiler, "-MMD", "long.c", "main.c", "twice.c", "-o", "app"],
        ] {
            assert_eq!(bench.transparent(args), (3, 0), "{}", bench.log());
        }
    }
}

#[test]
fn the_same_source_twice() {
    let bench = bench();
    bench.transparent(&["gcc", "-c", "twice.c", "twice.c"]);
    bench.write("weak.c", "__attribute__((weak)) int f(void) { return 1; }\n");
    assert_eq!(
        bench.transparent(&["gcc", "main.c", "twice.c", "weak.c", "weak.c"]),
        (4, 0),
        "{}",
        bench.log()
    );
}

#[test]
fn linkers_that_name_objects_are_left_alone() {
    let bench = bench();
    for option in
        ["-Wl,-Map,app.map", "-Wl,-Map=app.map", "-Wl,--cref", "-Wl,-t", "-Wl,--trace", "-Wl,-y,twice"]
    {
        bench.refuses("link-names-temporaries", &["gcc", "main.c", "twice.c", option, "-o", "app"]);
    }
    assert!(bench.exists("app.map"));
}

#[test]
fn auxiliary_files_of_a_link_have_the_drivers_names() {
    let bench = bench();
    bench.write("sub/deep.name.c", "int other(void) { return 1; }\n");
    for args in [
        &["gcc", "-g", "-gsplit-dwarf", "main.c", "twice.c", "sub/deep.name.c", "-o", "sub/app.x.y"][..],
        &["gcc", "-fstack-usage", "main.c", "twice.c", "-o", "app.exe"],
        &["gcc", "-fstack-usage", "-fcallgraph-info", "main.c", "twice.c"],
    ] {
        let (hits, misses) = bench.transparent(args);
        assert!(hits >= 2 && misses == 0, "{args:?}\n{}", bench.log());
    }
    bench.refuses("coverage-link", &["gcc", "--coverage", "main.c", "twice.c"]);
    bench.refuses("save-temps-link", &["gcc", "-save-temps", "main.c", "twice.c"]);
    bench.refuses("auxiliary-link", &["clang-14", "-g", "-gsplit-dwarf", "main.c", "twice.c"]);
    bench.refuses("recorded-link", &["clang-14", "-frecord-command-line", "main.c", "twice.c"]);
}
