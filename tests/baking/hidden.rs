//! Inputs that hide: each is built, the world changed, built again, and compared with a bare compile.

use crate::support::{Bench, compilers};

/// Builds, changes the world, builds again: the second object must be a bare compile's.
#[track_caller]
fn follows(bench: &Bench, args: &[&str], object: &str, change: impl FnOnce(&Bench)) {
    bench.wrapped(args);
    bench.wrapped(args);
    change(bench);
    let ours = bench.wrapped(args);
    let object_of_ours = bench.exists(object).then(|| bench.read(object));
    bench.remove(object);
    let bare = bench.bare(args);
    assert_eq!(ours.status.code(), bare.status.code(), "{args:?}");
    assert_eq!(String::from_utf8_lossy(&ours.stderr), String::from_utf8_lossy(&bare.stderr), "{args:?}");
    let object_of_bare = bench.exists(object).then(|| bench.read(object));
    assert!(object_of_ours == object_of_bare, "a stale object of {args:?}\n{}", bench.log());
}

fn two_directories() -> Bench {
    let bench = Bench::new();
    bench.write("a.c", "#include <h.h>\nint x = VALUE;\n");
    bench.write("one/.keep", "");
    bench.write("two/h.h", "#define VALUE 2\n");
    bench
}

const SEARCH: [&str; 5] = ["gcc", "-Ione", "-Itwo", "-c", "a.c"];

#[test]
fn a_header_that_appears_earlier() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let args = [compiler, "-Ione", "-Itwo", "-c", "a.c"];
        follows(&two_directories(), &args, "a.o", |bench| bench.write("one/h.h", "#define VALUE 1\n"));
    }
}

#[test]
fn a_dangling_link_that_gets_its_target() {
    let bench = two_directories();
    std::os::unix::fs::symlink("../late.h", bench.work().join("one/h.h")).expect("a link");
    follows(&bench, &SEARCH, "a.o", |bench| bench.write("late.h", "#define VALUE 7\n"));
}

#[test]
fn an_include_directory_that_points_elsewhere() {
    let bench = two_directories();
    bench.write("other/h.h", "#define VALUE 9\n");
    let link = bench.work().join("here");
    std::os::unix::fs::symlink("two", &link).expect("a link");
    follows(&bench, &["gcc", "-Ihere", "-c", "a.c"], "a.o", |_| {
        std::fs::remove_file(&link).expect("removed");
        std::os::unix::fs::symlink("other", &link).expect("a link");
    });
}

#[test]
fn a_header_that_only_a_probe_looks_for() {
    for probe in [
        "#if __has_include(\"p.h\")\nint x = 1;\n#endif\n",
        "#define P __has_inc##lude\n#if __has_include /*\n*/ ( \\\n \"p.h\")\nint x = 1;\n#endif\n",
        "#define NAME \"p.h\"\n#if __has_include(NAME)\nint x = 1;\n#endif\n",
    ] {
        let bench = Bench::new();
        bench.write("a.c", format!("int y;\n{probe}"));
        follows(&bench, &["gcc", "-c", "a.c"], "a.o", |bench| bench.write("p.h", ""));
    }
}

#[test]
fn same_size_and_time_but_other_bytes() {
    let bench = two_directories();
    let header = bench.work().join("two/h.h");
    follows(&bench, &SEARCH, "a.o", |bench| {
        let modified = std::fs::metadata(&header).and_then(|m| m.modified()).expect("a time");
        bench.write("two/h.h", "#define VALUE 3\n");
        let file = std::fs::File::options().write(true).open(&header).expect("the header");
        file.set_modified(modified).expect("its time is put back");
    });
}

#[test]
fn files_that_only_the_assembler_reads() {
    for (name, text) in [
        ("a.c", "asm(\".data\\n.incbin \\\"blob\\\"\");\n"),
        ("a.c", "asm(\".data\\n.inc\" \"bin \\\"blob\\\"\");\n"),
        ("a.c", "#define READ(f) asm(\".data\\n.incbin \\\"\" #f \"\\\"\")\nREAD(blob);\n"),
        ("a.c", "asm(\".macro get what\\n.inc\\\\what \\\"blob\\\"\\n.endm\\n.data\\nget bin\");\n"),
        ("a.S", ".data\n.incbin \"blob\"\n"),
        ("a.S", "#define GET .incbin\n.data\nGET \"blob\"\n"),
        ("a.s", ".data\n.include \"blob\"\n"),
    ] {
        let bench = Bench::new();
        bench.write(name, text);
        bench.write("blob", ".byte 1\n");
        let args = ["gcc", "-c", name];
        follows(&bench, &args, "a.o", |bench| bench.write("blob", ".byte 2\n"));
        // The assembler's own reads were recorded.
        bench.hits(&args);
        assert_eq!(bench.statistics().misses(), 2, "{text}\n{}", bench.log());
    }
}

#[test]
fn time_macros() {
    let bench = Bench::new();
    bench.write("a.c", "#include \"t.h\"\nchar t[] = NOW;\n");
    bench.write("t.h", "#define NOW __TIME__\n");
    bench.wrapped(&["gcc", "-c", "a.c"]);
    assert_eq!(bench.statistics().refused("time-macro"), 1, "{}", bench.log());
    // As part of another word it is nothing.
    bench.write("a.c", "int not__TIME__;\n");
    bench.misses(&["gcc", "-c", "a.c"]);
    bench.hits(&["gcc", "-c", "a.c"]);
    // A fixed time is a value like any other.
    bench.write("a.c", "char t[] = __DATE__ __TIME__;\n");
    let run = |epoch: &str| {
        let before = bench.statistics().hits();
        let status =
            bench.wrapper(&["gcc", "-c", "a.c"]).env("SOURCE_DATE_EPOCH", epoch).status().expect("it runs");
        assert!(status.success());
        (bench.statistics().hits() - before, bench.read("a.o"))
    };
    let (hits, first) = run("1000000000");
    assert!((hits, run("1000000000")) == (0, (1, first.clone())), "{}", bench.log());
    let (hits, second) = run("1100000000");
    assert!(hits == 0 && second != first);
}

#[test]
fn time_stamps_of_files() {
    let bench = Bench::new();
    bench.write("a.c", "char t[] = __TIMESTAMP__;\n");
    follows(&bench, &["gcc", "-c", "a.c"], "a.o", |bench| {
        let file = std::fs::File::options().write(true).open(bench.work().join("a.c")).expect("the source");
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.set_modified(long_ago).expect("its time is set");
    });
}

#[test]
fn precompiled_headers_are_refused() {
    for (compiler, suffix) in [("gcc", "gch"), ("clang-14", "pch")] {
        let bench = Bench::new();
        bench.write("p.h", "#define VALUE 1\n");
        bench.write("a.c", "int x = VALUE;\n");
        let made = bench.bare(&[compiler, "-x", "c-header", "p.h", "-o", &format!("p.h.{suffix}")]);
        assert!(made.status.success());
        let args = [compiler, "-include", "p.h", "-c", "a.c"];
        bench.refuses("precompiled-header", &args);
        assert!(bench.exists("a.o"));
    }
}

#[test]
fn variables_that_choose_headers_decide() {
    let bench = two_directories();
    bench.write("one/h.h", "#define VALUE 1\n");
    let run = |path: &str| {
        let status = bench.wrapper(&["gcc", "-c", "a.c"]).env("CPATH", path).status().expect("it runs");
        assert!(status.success());
        bench.read("a.o")
    };
    let (one, two) = (run("one"), run("two"));
    assert!(one != two && run("one") == one && run("two") == two);
    assert_eq!(bench.statistics().hits(), 2);
}

#[test]
fn variables_that_write_files_are_refused() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    for variable in ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"] {
        for _ in 0..2 {
            bench.remove("deps");
            let status =
                bench.wrapper(&["gcc", "-c", "a.c"]).env(variable, "deps").status().expect("it runs");
            assert!(status.success() && bench.exists("deps"));
        }
    }
    assert_eq!(bench.statistics().refused("environment"), 4);
}

#[test]
fn a_source_that_changes_while_it_is_compiled_is_not_kept() {
    let bench = Bench::new();
    bench.write("a.c", "#include \"big.h\"\nint x = 1;\n");
    bench.write("big.h", (0..60_000).map(|i| format!("int v{i};")).collect::<Vec<_>>().join("\n"));
    let mut child = bench.wrapper(&["gcc", "-O2", "-c", "a.c"]).spawn().expect("it runs");
    let mut value = 1;
    while child.try_wait().expect("waited").is_none() {
        value += 1;
        bench.write("a.c", format!("#include \"big.h\"\nint x = {value};\n"));
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    bench.write("a.c", "#include \"big.h\"\nint x = 1;\n");
    follows(&bench, &["gcc", "-O2", "-c", "a.c"], "a.o", |_| {});
}

#[test]
fn a_source_that_is_read_only_once_is_left_to_the_compiler() {
    let bench = Bench::new();
    let fifo = bench.work().join("pipe");
    assert!(bench.command("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let writer = std::thread::spawn(move || std::fs::write(fifo, "int x;\n"));
    bench.refuses("special-file", &["gcc", "-x", "c", "-c", "pipe", "-o", "a.o"]);
    writer.join().expect("joined").expect("written");
    assert!(bench.exists("a.o"));
}
