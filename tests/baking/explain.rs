//! `--explain`: whether a command line would hit, and what is not as it was.

use crate::support::Bench;

/// What it says of `gcc` with these arguments, without the key's fields.
fn explain(bench: &Bench, args: &[&str]) -> String {
    let mut all = vec!["--explain", "--", "gcc"];
    all.extend(args);
    let output = bench.wrapped(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let said: Vec<&str> = text.lines().take_while(|line| !line.starts_with("  key ")).collect();
    said.join("\n")
}

fn two_files() -> Bench {
    let bench = Bench::new();
    bench.write("a.c", "#include \"h.h\"\nint x = VALUE;\n");
    bench.write("h.h", "#define VALUE 1\n");
    bench
}

#[test]
fn a_hit_has_no_more_to_say() {
    let bench = two_files();
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r"
    a.c:
      would be a miss
      nothing was stored of this source before for this output, compiled here
    ");
    bench.ok(&["gcc", "-c", "a.c"]);
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r"
    a.c:
      would be a hit (exact)
    ");
    // Compiled with another option since, and back.
    bench.ok(&["gcc", "-O2", "-c", "a.c"]);
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r"
    a.c:
      would be a hit (exact)
    ");
}

#[test]
fn options_that_differ_are_named() {
    let bench = two_files();
    bench.ok(&["gcc", "-O2", "-c", "a.c"]);
    insta::assert_snapshot!(explain(&bench, &["-O3", "-c", "a.c"]), @r#"
    a.c:
      would be a miss
      differs: option -O2 became -O3
    "#);
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r#"
    a.c:
      would be a miss
      differs: option -O2 is gone
    "#);
    insta::assert_snapshot!(explain(&bench, &["-O2", "-DA=1", "-c", "a.c"]), @r#"
    a.c:
      would be a hit (exact, after preprocessing)
      differs: option -DA=1 is new
    "#);
    insta::assert_snapshot!(explain(&bench, &["-O2", "-MMD", "-c", "a.c"]), @r#"
    a.c:
      would be a miss
      differs: outputs: dependencies is new
      differs: dependencies: user -MQ a.o is new
    "#);
}

#[test]
fn a_header_that_changed_is_named() {
    let bench = two_files();
    bench.ok(&["gcc", "-c", "a.c"]);
    bench.write("h.h", "#define VALUE 1 // one\n");
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r#"
    a.c:
      would be a hit (semantic: equal preprocessed text, other bytes read)
      differs: header h.h changed
    "#);
    bench.write("h.h", "#define VALUE 2\n");
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r#"
    a.c:
      would be a miss
      differs: header h.h changed
    "#);
    bench.remove("h.h");
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r#"
    a.c:
      refused: preprocessor-failed (a.c): the compiler will say why
    "#);
}

#[test]
fn a_header_that_shadows_another_is_named_with_who_would_be_stale() {
    let bench = Bench::new();
    bench.write("a.c", "#include <h.h>\n#if __has_include(\"optional.h\")\nint y;\n#endif\nint x = VALUE;\n");
    bench.write("two/h.h", "#define VALUE 1\n");
    bench.write("one/empty", "");
    let args = ["-Ione", "-Itwo", "-c", "a.c"];
    bench.ok(&["gcc", "-Ione", "-Itwo", "-c", "a.c"]);
    bench.write("one/h.h", "#define VALUE 2\n");
    insta::assert_snapshot!(explain(&bench, &args), @r#"
    a.c:
      would be a miss
      differs: new header one/h.h now shadows two/h.h
        (stale in a cache that doesn't look for what was not there)
    "#);
    bench.remove("one/h.h");
    bench.write("optional.h", "");
    insta::assert_snapshot!(explain(&bench, &args), @r#"
    a.c:
      would be a miss
      differs: new header optional.h stands where nothing was found before
        (stale in a cache that doesn't look for what was not there)
    "#);
    bench.remove("optional.h");
    insta::assert_snapshot!(explain(&bench, &args), @r#"
    a.c:
      would be a hit (exact)
    "#);
}

#[test]
fn a_compiler_that_changed_is_named_by_its_part() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    let assembler = bench.work().join("tools/as");
    bench.write("tools/empty", "");
    crate::support::copy_program("/usr/bin/as", &assembler);
    let args = ["-Btools", "-c", "a.c"];
    bench.ok(&["gcc", "-Btools", "-c", "a.c"]);
    let mut bytes = std::fs::read(&assembler).expect("an assembler");
    bytes.push(0);
    std::fs::write(&assembler, bytes).expect("an assembler");
    insta::assert_snapshot!(explain(&bench, &args), @r#"
    a.c:
      would be a miss
      differs: compiler changed (as)
    "#);
}

#[test]
fn what_is_never_kept_says_why() {
    let bench = Bench::new();
    bench.write("a.c", "const char *t = __TIME__;\n");
    bench.ok(&["gcc", "-c", "a.c"]);
    insta::assert_snapshot!(explain(&bench, &["-c", "a.c"]), @r#"
    a.c:
      would be a miss each time (time-macro: a file mentions __TIME__)
      nothing was stored of this source before for this output, compiled here
    "#);
    insta::assert_snapshot!(explain(&bench, &["-E", "a.c"]), @"not cacheable: preprocess-only: the result is preprocessed text");
    insta::assert_snapshot!(explain(&bench, &["--version"]), @"not cacheable: prints-information: the driver prints and does no work");
}
