//! The exceptions of the semantic hit, each with the program that would come out wrong.

use crate::support::Bench;

/// Compiles `before`, then `after` in its place; tells whether the second was a semantic hit, and checks
/// that what came out is what a bare compile gives. Preprocessed text must be the same for both.
#[track_caller]
fn serves(args: &[&str], before: &str, after: &str) -> bool {
    let bench = Bench::new();
    let preprocess = |text: &str| {
        bench.write("a.cc", text);
        let mut args: Vec<&str> = args.iter().copied().filter(|arg| *arg != "-c").collect();
        args.push("-E");
        bench.bare(&args).stdout
    };
    assert_eq!(preprocess(before), preprocess(after), "the preprocessed text differs");
    bench.write("a.cc", before);
    bench.misses(args);
    bench.write("a.cc", after);
    bench.remove("a.o");
    let (hits, _) = bench.counted(args);
    let (ours, said) = (bench.read("a.o"), bench.ok(args).stderr);
    let bare = bench.bare(args);
    assert!(ours == bench.read("a.o"), "the object is not what a bare compile gives");
    assert_eq!(String::from_utf8_lossy(&said), String::from_utf8_lossy(&bare.stderr));
    hits == 1
}

#[test]
fn a_changed_comment_serves() {
    assert!(serves(&["g++", "-O2", "-c", "a.cc"], "int x; // one\n", "int x; // two\n"));
    assert!(serves(&["clang++-14", "-O2", "-c", "a.cc"], "int x; // one\n", "int x; // two\n"));
}

#[test]
fn columns_that_reach_code_do_not() {
    let column =
        |space: &str| format!("int f(int = __builtin_COLUMN());\nint g() {{ return {space}f(); }}\n");
    assert!(!serves(&["clang++-14", "-c", "a.cc"], &column("/**/"), &column("    ")));
    let library = |space: &str| {
        format!(
            "#include <source_location>\nunsigned g() {{ return {space}std::source_location::current().column(); }}\n"
        )
    };
    assert!(!serves(&["g++", "-std=c++20", "-c", "a.cc"], &library("/**/"), &library("    ")));
}

#[test]
fn sanitizers_hold_columns() {
    let divide = |space: &str| format!("int f(int a, int b) {{ return {space}a / b; }}\n");
    let args = ["g++", "-fsanitize=undefined", "-c", "a.cc"];
    assert!(!serves(&args, &divide("/**/"), &divide("/* */")));
}

#[test]
fn a_comment_that_a_warning_heeds_counts() {
    let switch = |comment: &str| {
        format!(
            "int f(int x) {{\n  switch (x) {{\n  case 1: x++;\n    {comment}\n  case 2: x++;\n  }}\n  return x;\n}}\n"
        )
    };
    let args = ["g++", "-Wextra", "-c", "a.cc"];
    assert!(!serves(&args, &switch("/* fall through */"), &switch("/* whatever it is */")));
    assert!(serves(&args, &switch("// FALLTHRU"), &switch("// FALLTHRU")));
    assert!(serves(&["g++", "-c", "a.cc"], &switch("/* fall through */"), &switch("/* whatever it is */")));
}

#[test]
fn indentation_that_a_warning_heeds_counts() {
    let guarded = |indent: &str| {
        format!("void a(); void b();\nvoid f(int x) {{\n        if (x)\n{indent}a();\n        b();\n}}\n")
    };
    // One tab is eight columns to the warning, and one to the preprocessor's output.
    let misled =
        |indent: &str| format!("void a(); void b();\nvoid f(int x) {{\n if (x)\n{indent}a();\n\tb();\n}}\n");
    let args = ["g++", "-Wall", "-c", "a.cc"];
    assert!(!serves(&args, &misled("\t"), &misled(" ")));
    assert!(serves(
        &args,
        &guarded("            "),
        &guarded("            ").replace("b();\n}", "b(); // done\n}")
    ));
}

#[test]
fn what_the_preprocessor_warns_of_is_never_taken_for_the_same() {
    let comment = |text: &str| format!("/* {text} */ int x;\n");
    assert!(!serves(&["g++", "-Wall", "-c", "a.cc"], &comment("a  b"), &comment("a /*")));
}

#[test]
fn results_with_diagnostics_serve_exactly_or_not_at_all() {
    let unused = |comment: &str| format!("void f() {{ int unused; }} // {comment}\n");
    assert!(!serves(&["g++", "-Wall", "-c", "a.cc"], &unused("one"), &unused("two")));
}

#[test]
fn it_can_be_switched_off() {
    let bench = Bench::new();
    bench.write("a.c", "int x; // one\n");
    bench.misses(&["gcc", "-c", "a.c"]);
    bench.write("a.c", "int x; // two\n");
    let status =
        bench.wrapper(&["gcc", "-c", "a.c"]).env("BRIOCHE_CC_SEMANTIC", "0").status().expect("it runs");
    assert!(status.success());
    assert_eq!((bench.statistics().hits(), bench.statistics().misses()), (0, 2));
}
