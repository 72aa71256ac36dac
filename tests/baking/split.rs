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

#[test]
fn what_compiles_say_is_said_once_though_the_link_fails() {
    let bench = bench();
    bench.write("noisy.c", "int twice(int);\nint main(void) { int unused; return twice(1); }\n");
    // The linker names the object, by a random name: only what the compiler says is compared.
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
fn a_source_that_is_missing_is_the_drivers_to_miss() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = bench();
        bench.transparent(&[compiler, "-c", "main.c", "missing.c"]);
        bench.transparent(&[compiler, "main.c", "missing.c"]);
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
fn the_same_source_twice_in_a_link() {
    let bench = bench();
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
fn what_a_link_keeps_on_the_way_is_the_drivers_own() {
    for compiler in compilers(&["gcc", "gcc-11", "clang-14", "clang-19"]) {
        let bench = bench();
        bench.write("sub/deep.name.c", "int other(void) { return 1; }\n");
        bench.write("more.cc", "extern \"C\" int more(int x) { return -x; }\n");
        bench.write("shown.S", "#define NAME shown\n.globl NAME\nNAME:\n.section .note.GNU-stack\n");
        bench.write("plain.s", ".globl plain\nplain:\n.section .note.GNU-stack\n");
        let all = ["main.c", "twice.c", "sub/deep.name.c", "more.cc", "shown.S", "plain.s"];
        for keep in ["-save-temps", "-save-temps=cwd", "-save-temps=obj"] {
            for output in [&["-o", "sub/app.x.y"][..], &["-o", "main"], &[]] {
                let args = [&[compiler, keep, "-O2"], &all[..], output].concat();
                assert_eq!(bench.transparent(&args), (6, 0), "{args:?}\n{}", bench.log());
            }
        }
        // Named like the source, the product lends its name to nothing.
        let alone = [compiler, "-save-temps", "-shared", "-fPIC", "twice.c", "-MD", "-o", "twice"];
        assert_eq!(bench.transparent(&alone), (1, 0), "{}", bench.log());
        bench.write("bad.c", "int f(void) { return undeclared; }\n");
        bench.transparent(&[compiler, "-save-temps", "main.c", "bad.c", "twice.c", "-o", "app"]);
        bench.write("sub/main.c", "int twice(int x) { return x; }\n");
        bench.refuses("same-output", &[compiler, "-save-temps", "sub/main.c", "main.c"]);
    }
}

#[test]
fn what_a_link_keeps_is_nobodys_input() {
    for (compiler, prefix) in [("gcc", "a-"), ("gcc-11", "a-"), ("clang-14", ""), ("clang-19", "")] {
        let Some(compiler) = compilers(&[compiler]).into_iter().next() else { continue };
        let bench = bench();
        let kept = format!("{prefix}twice.i");
        bench.write(&kept, "int unit;\n");
        // The link fails, and all is done again: with what the first time left, it would be another thing.
        bench.refuses("same-output", &[compiler, "-save-temps", &kept, "twice.c", "-shared", "-fPIC"]);
        bench.write(&kept, "int unit;\n");
        bench.refuses("same-output", &[compiler, "-save-temps", "-include", &kept, "main.c", "twice.c"]);
        bench.write(&kept, "int unit;\n");
        bench.refuses("same-output", &[compiler, "-save-temps", &format!("./{kept}"), "main.c", "twice.c"]);
    }
}

#[test]
fn links_for_which_gcc_does_more_than_its_units_are_its_own() {
    for compiler in compilers(&["gcc", "gcc-11"]) {
        let bench = bench();
        bench.write("args", "-O1\n");
        bench.refuses("save-temps-link", &[compiler, "-save-temps", "@args", "main.c", "twice.c"]);
        // Two names for the dependency file are one too many.
        bench.refuses("several-outputs", &[compiler, "-o", "one", "-MD", "-o", "two", "main.c", "twice.c"]);
        assert_eq!(bench.transparent(&[compiler, "-o", "one", "-o", "two", "main.c", "twice.c"]), (2, 0));
        // It warns of the option, once.
        bench.refuses("language-in-vain", &[compiler, "main.c", "twice.c", "-x", "c"]);
        bench.refuses("language-in-vain", &[compiler, "-c", "main.c", "-x", "c"]);
        bench.transparent(&[compiler, "-c", "main.c", "-x", "none"]);
    }
}

#[test]
fn auxiliary_files_of_a_link_have_the_drivers_names() {
    let bench = bench();
    bench.write("sub/deep.name.c", "int other(void) { return 1; }\n");
    for args in [
        &["gcc", "-g", "-gsplit-dwarf", "main.c", "twice.c", "sub/deep.name.c", "-o", "sub/app.x.y"][..],
        &["gcc", "-fstack-usage", "main.c", "twice.c", "-o", "app.exe"],
        &["gcc", "-fstack-usage", "-fcallgraph-info", "main.c", "twice.c"],
        &["gcc", "-fstack-usage", "-dumpbase", "", "main.c", "twice.c", "-o", "app"],
    ] {
        let (hits, misses) = bench.transparent(args);
        assert!(hits >= 2 && misses == 0, "{args:?}\n{}", bench.log());
    }
    // Named like the source, the product lends its name to nothing.
    for extra in [&["-fstack-usage"][..], &["-g", "-gsplit-dwarf"]] {
        let args = [&["gcc", "-shared", "-fPIC", "twice.c", "-o", "twice"], extra].concat();
        assert_eq!(bench.transparent(&args), (1, 0), "{args:?}\n{}", bench.log());
    }
    bench.refuses("coverage-link", &["gcc", "--coverage", "main.c", "twice.c"]);
    bench.refuses("save-temps-link", &["gcc", "-flto", "-save-temps", "main.c", "twice.c"]);
    bench.refuses("auxiliary-link", &["clang-14", "-g", "-gsplit-dwarf", "main.c", "twice.c"]);
    bench.refuses("recorded-link", &["clang-14", "-frecord-command-line", "main.c", "twice.c"]);
    // The option that is named is the one that was given.
    bench.refuses("recorded-link", &["gcc", "-v", "main.c", "twice.c"]);
    assert!(bench.log().contains("recorded-link (-v): "), "{}", bench.log());
    bench.refuses("unknown-option", &["gcc", "-save-temps=all", "-c", "main.c"]);
    assert!(bench.log().contains("unknown-option (-save-temps=all): it is cwd or obj"), "{}", bench.log());
}
