//! Two-sided keys: what must hit, hits; what must miss, misses.

use crate::support::{Bench, compilers};

const HELLO: &str = "#include \"a.h\"\nint main(void) { return VALUE; }\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("a.c", HELLO);
    bench.write("a.h", "#define VALUE 3\n");
    bench
}

#[test]
fn the_same_again_hits() {
    for compiler in compilers(&["gcc", "gcc-11", "clang-14", "clang-19"]) {
        let bench = bench();
        let args = [compiler, "-O2", "-c", "a.c"];
        bench.misses(&args);
        let first = bench.read("a.o");
        bench.remove("a.o");
        bench.hits(&args);
        assert_eq!(bench.read("a.o"), first);
        assert_eq!(bench.statistics().number("hits_exact"), 1);
    }
}

#[test]
fn an_option_that_makes_other_code_misses() {
    let bench = bench();
    bench.misses(&["gcc", "-O2", "-c", "a.c"]);
    for args in [
        &["gcc", "-O3", "-c", "a.c"][..],
        &["gcc", "-O2", "-g", "-c", "a.c"],
        &["gcc", "-O2", "-fPIC", "-c", "a.c"],
        &["gcc", "-O2", "-march=x86-64-v2", "-c", "a.c"],
        &["gcc", "-O2", "-S", "a.c", "-o", "a.o"],
        &["gcc", "-O2", "-Wa,--noexecstack", "-c", "a.c"],
        &["gcc", "-O2", "-std=c99", "-c", "a.c"],
        &["g++", "-O2", "-c", "a.c"],
        &["gcc", "-O2", "-x", "c++", "-c", "a.c"],
        &["clang-14", "-O2", "-c", "a.c"],
    ] {
        bench.misses(args);
        bench.hits(args);
    }
    bench.hits(&["gcc", "-O2", "-c", "a.c"]);
}

#[test]
fn the_order_of_options_counts() {
    let bench = bench();
    for args in [
        &["gcc", "-O2", "-O0", "-c", "a.c"][..],
        &["gcc", "-O0", "-O2", "-c", "a.c"],
        &["gcc", "-g3", "-g0", "-c", "a.c"],
        &["gcc", "-g0", "-g3", "-c", "a.c"],
    ] {
        bench.misses(args);
        bench.hits(args);
    }
}

#[test]
fn what_only_the_preprocessor_sees_hits_while_its_text_is_the_same() {
    let bench = bench();
    bench.misses(&["gcc", "-c", "a.c"]);
    bench.hits(&["gcc", "-DUNUSED=1", "-c", "a.c"]);
    bench.hits(&["gcc", "-I.", "-c", "a.c"]);
    bench.misses(&["gcc", "-Dmain=start", "-c", "a.c"]);
}

#[test]
fn a_changed_header_misses_and_a_changed_comment_hits() {
    let bench = bench();
    let args = ["gcc", "-c", "a.c"];
    bench.misses(&args);
    bench.write("a.h", "#define VALUE 4\n");
    bench.misses(&args);
    bench.write("a.h", "#define VALUE /* four */ 4\n");
    bench.hits(&args);
    assert_eq!(bench.statistics().number("hits_semantic"), 1);
}

#[test]
fn the_name_of_the_object_does_not_count() {
    let bench = bench();
    bench.misses(&["gcc", "-c", "a.c"]);
    bench.hits(&["gcc", "-c", "a.c", "-o", "other.o"]);
    assert_eq!(bench.read("a.o"), bench.read("other.o"));
}

#[test]
fn the_directory_counts_with_debug_information_only() {
    let bench = bench();
    for directory in ["one", "two"] {
        bench.write(&format!("{directory}/a.c"), "int x;\n");
    }
    let run = |directory: &str, args: &[&str]| {
        let before = bench.statistics().hits();
        let status = bench.wrapper(args).current_dir(bench.work().join(directory)).status().expect("it runs");
        assert!(status.success());
        bench.statistics().hits() - before
    };
    assert_eq!(run("one", &["gcc", "-c", "a.c"]), 0);
    assert_eq!(run("two", &["gcc", "-c", "a.c"]), 1);
    assert_eq!(run("one", &["gcc", "-g", "-c", "a.c"]), 0);
    assert_eq!(run("two", &["gcc", "-g", "-c", "a.c"]), 0);
    assert_eq!(run("two", &["gcc", "-g", "-c", "a.c"]), 1);
}

#[test]
fn options_of_the_link_that_the_compiler_sees_count() {
    let bench = bench();
    bench.write("s.c", "#ifdef __STATIC__\nint s = 1;\n#else\nint s = 2;\n#endif\nint *p = &s;\n");
    bench.misses(&["clang-14", "-c", "s.c"]);
    bench.misses(&["clang-14", "-static", "-c", "s.c"]);
    bench.misses(&["gcc", "-c", "s.c"]);
    bench.hits(&["gcc", "-shared", "-c", "s.c"]);
    bench.misses(&["gcc", "--no-pie", "-c", "s.c"]);
    bench.write("p.c", "#ifdef _POSIX_SOURCE\nint p = 1;\n#endif\n");
    bench.misses(&["gcc", "-c", "p.c"]);
    bench.misses(&["gcc", "-posix", "-c", "p.c"]);
}

/// The rows of the table in `planner::key` that have no pair above: what leaves the key, and what does not.
#[test]
fn the_name_that_the_driver_is_called_by_counts() {
    let bench = bench();
    bench.misses(&["gcc", "-c", "a.c"]);
    bench.hits(&["/usr/bin/gcc", "-c", "a.c"]);
    bench.misses(&["x86_64-linux-gnu-gcc", "-c", "a.c"]);
}

#[test]
fn the_spelling_of_the_source_counts() {
    let bench = bench();
    bench.misses(&["gcc", "-c", "a.c"]);
    bench.misses(&["gcc", "-c", "./a.c"]);
    bench.hits(&["gcc", "-c", "./a.c", "-o", "b.o"]);
}

#[test]
fn names_of_auxiliary_files_count_where_they_show() {
    let bench = bench();
    bench.misses(&["gcc", "a.c", "-o", "one"]);
    bench.hits(&["gcc", "a.c", "-o", "two"]);
    bench.misses(&["gcc", "-g", "-gsplit-dwarf", "a.c", "-o", "one"]);
    bench.hits(&["gcc", "-g", "-gsplit-dwarf", "a.c", "-o", "one"]);
    bench.misses(&["gcc", "-g", "-gsplit-dwarf", "a.c", "-o", "two"]);
    bench.misses(&["gcc", "-g", "-gsplit-dwarf", "-c", "a.c", "-o", "x.o"]);
    bench.misses(&["gcc", "-g", "-gsplit-dwarf", "-c", "a.c", "-o", "y.o"]);
}

#[test]
fn the_charset_counts_where_the_source_may_be_in_it() {
    let bench = bench();
    let run = |locale: &str| {
        let before = bench.statistics().hits();
        let status = bench.wrapper(&["gcc", "-c", "a.c"]).env("LC_ALL", locale).status().expect("it runs");
        assert!(status.success());
        bench.statistics().hits() - before
    };
    assert_eq!([run("C.UTF-8"), run("C"), run("en_US.UTF-8")], [0, 1, 1]);
    assert_eq!([run("ja_JP.SJIS"), run("ja_JP.SJIS"), run("C")], [0, 1, 1]);
}

#[test]
fn files_that_options_name_count_by_their_bytes() {
    let bench = bench();
    bench.write("list", "src:nothing.c\n");
    let args = ["clang-14", "-fsanitize=undefined", "-fsanitize-ignorelist=list", "-c", "a.c"];
    bench.misses(&args);
    bench.write("list", "src:nothing.c\n");
    bench.hits(&args);
    bench.write("list", "src:a.c\n");
    bench.misses(&args);
}

#[test]
fn what_the_preprocessor_says_counts() {
    let bench = bench();
    let source = |words: &str| bench.write("w.c", format!("#warning {words}\nint x;\n"));
    source("one");
    bench.misses(&["gcc", "-c", "w.c"]);
    bench.hits(&["gcc", "-c", "w.c"]);
    source("two");
    bench.misses(&["gcc", "-c", "w.c"]);
}

#[test]
fn the_processor_counts_where_it_is_asked_for() {
    let bench = bench();
    let key = |args: &[&str]| {
        let mut all = vec!["--explain", "--", "gcc"];
        all.extend(args);
        let text = String::from_utf8(bench.wrapped(&all).stdout).expect("text");
        let field =
            text.lines().find_map(|line| line.trim_start().strip_prefix("processor")).expect("the field");
        field.trim().to_owned()
    };
    assert_eq!(key(&["-c", "a.c"]), "");
    assert_eq!(key(&["-march=x86-64-v2", "-c", "a.c"]), "");
    assert_ne!(key(&["-march=native", "-c", "a.c"]), "");
}
