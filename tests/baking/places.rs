//! `BRIOCHE_CC_BASE_DIRS`: what one checkout of a project compiled serves another, and only where a bare
//! compile would have left the same there.

use std::process::{Command, Output};

use crate::support::{Bench, compilers};

/// The checkouts; one name is longer.
const PLACES: [&str; 2] = ["one", "another"];

/// Two checkouts of one project.
fn checkouts(source: &str) -> Bench {
    let bench = Bench::new();
    for place in PLACES {
        bench.write(&format!("{place}/src/a.c"), source);
        bench.write(&format!("{place}/include/h.h"), "#define VALUE 1\nint h(void);\n");
        bench.write(&format!("{place}/build/empty"), "");
    }
    bench
}

/// Finishes a command: runs it in a checkout's build directory, with `{}` in its arguments as the checkout.
fn run(bench: &Bench, mut command: Command, place: &str, args: &[&str]) -> (Output, Vec<Option<Vec<u8>>>) {
    let root = bench.work().join(place);
    let root = root.to_str().expect("UTF-8");
    let places = PLACES.map(|place| bench.work().join(place).display().to_string()).join(":");
    command.args(args.iter().map(|arg| arg.replace("{}", root)));
    command.current_dir(bench.work().join(place).join("build")).env("BRIOCHE_CC_BASE_DIRS", places);
    let output = command.output().expect("it runs");
    let left = ["a.o", "a.d"].map(|name| {
        let path = format!("{place}/build/{name}");
        let bytes = bench.exists(&path).then(|| bench.read(&path));
        bench.remove(&path);
        bytes
    });
    (output, left.to_vec())
}

/// Compiles in a checkout, bare and through the wrapper; returns whether that was a hit.
#[track_caller]
fn hits(bench: &Bench, place: &str, compiler: &str, args: &[&str]) -> bool {
    let bare = run(bench, bench.command(compiler), place, args);
    let before = bench.statistics().hits();
    let ours = run(bench, bench.wrapper(&[compiler]), place, args);
    assert_eq!(ours, bare, "{compiler} {args:?} in {place}");
    assert!(ours.0.status.success() && ours.1[0].is_some());
    bench.statistics().hits() > before
}

#[track_caller]
fn shared(source: &str, args: &[&str]) {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = checkouts(source);
        assert!(!hits(&bench, "one", compiler, args), "{compiler} {args:?}");
        assert!(hits(&bench, "another", compiler, args), "{compiler} {args:?}: {}", bench.log());
        assert!(hits(&bench, "another", compiler, args), "{compiler} {args:?}");
        let log = bench.log();
        assert!(log.lines().last().expect("a line").contains("hit (exact)"), "no direct hit at last: {log}");
        assert!(hits(&bench, "one", compiler, args), "{compiler} {args:?}");
    }
}

#[track_caller]
fn apart(source: &str, args: &[&str]) {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = checkouts(source);
        for place in PLACES {
            assert!(!hits(&bench, place, compiler, args), "{compiler} {args:?} in {place}");
            assert!(hits(&bench, place, compiler, args), "{compiler} {args:?} in {place}: {}", bench.log());
        }
    }
}

const PLAIN: &str = "#include <h.h>\nint h(void) { return VALUE; }\n";
const OUT_OF_TREE: [&str; 8] = ["-O2", "-I{}/include", "-MMD", "-MF", "a.d", "-c", "{}/src/a.c", "-oa.o"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    OUT_OF_TREE.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn checkouts_share_what_names_none_of_them() {
    shared(PLAIN, &OUT_OF_TREE);
    let all_absolute = [
        "-iquote",
        "{}/include",
        "-I{}/include",
        "-MD",
        "-MF{}/build/a.d",
        "-c",
        "{}/src/a.c",
        "-o",
        "{}/build/a.o",
    ];
    shared(PLAIN, &all_absolute);
}

#[test]
fn debug_information_is_shared_once_the_directory_is_mapped() {
    apart(PLAIN, &with(&["-g"]));
    shared(PLAIN, &with(&["-g", "-ffile-prefix-map={}=."]));
    // Compressed sections can't be searched for the directory's name.
    apart(PLAIN, &with(&["-g", "-ffile-prefix-map={}=.", "-gz"]));
    // What is above the directory being mapped leaves the rest of its name.
    let bench = Bench::new();
    let above = format!("-ffile-prefix-map={}=.", bench.work().parent().expect("a parent").display());
    drop(bench);
    apart(PLAIN, &with(&["-g", &above]));
}

#[test]
fn a_path_in_the_code_keeps_them_apart() {
    apart("const char *where = __FILE__;\n", &OUT_OF_TREE);
    apart("int length = sizeof(__FILE__);\n", &OUT_OF_TREE);
    apart("int length(void) { return __builtin_strlen(__builtin_FILE()); }\n", &OUT_OF_TREE);
    apart("#include <assert.h>\nvoid f(int x) { assert(x); }\n", &OUT_OF_TREE);
    apart("const char *data = DATA;\n", &with(&["-DDATA=\"{}/data\""]));
    // Mapped, it is the same everywhere.
    shared("const char *where = __FILE__;\n", &with(&["-fmacro-prefix-map={}=."]));
}

#[test]
fn a_diagnostic_that_names_the_place_keeps_them_apart() {
    apart("int f(void) { int unused; return 1; }\n", &with(&["-Wall"]));
    apart("#warning look\nint x;\n", &OUT_OF_TREE);
}

#[test]
fn code_for_the_linker_keeps_them_apart() {
    apart(PLAIN, &with(&["-flto", "-frandom-seed=1"]));
}

#[test]
fn another_header_is_another_result() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = checkouts(PLAIN);
        bench.write("another/include/h.h", "#define VALUE 2\nint h(void);\n");
        assert!(!hits(&bench, "one", compiler, &OUT_OF_TREE));
        assert!(!hits(&bench, "another", compiler, &OUT_OF_TREE));
        // A comment is none; the other checkout catches up.
        bench.write("another/include/h.h", "#define VALUE 1 // one\nint h(void);\n");
        assert!(hits(&bench, "another", compiler, &OUT_OF_TREE), "{}", bench.log());
        // Code that the other has compiled already.
        bench.write("another/src/a.c", format!("{PLAIN}int more;\n"));
        assert!(!hits(&bench, "another", compiler, &OUT_OF_TREE));
        bench.write("one/src/a.c", format!("{PLAIN}int more;\n"));
        assert!(hits(&bench, "one", compiler, &OUT_OF_TREE), "{}", bench.log());
    }
}

#[test]
fn a_list_that_is_not_understood_is_said() {
    let bench = Bench::new();
    let mut command = bench.wrapper(&["--config"]);
    let output = command.env("BRIOCHE_CC_BASE_DIRS", "/a/:relative:/b").output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().find(|line| line.starts_with("BRIOCHE_CC_BASE_DIRS")).expect("its line");
    assert_eq!(line.split_whitespace().nth(1), Some("/a:/b"), "{text}");
    assert!(text.contains("relative is not the plain, absolute name of a directory"), "{text}");
}
