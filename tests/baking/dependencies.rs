//! Dependency files on hits: each invocation gets its own, and a compile that can't write one leaves no object.

use crate::support::Bench;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("i/h.h", "#define H 2\n");
    bench.write("b.c", "#include \"h.h\"\nint b = H;\n");
    bench
}

/// Runs a line on a bench of its own without the wrapper, and tells what it leaves in `x.d`.
fn bare(line: &str) -> Vec<u8> {
    let bench = bench();
    let words: Vec<&str> = line.split(' ').collect();
    assert!(bench.bare(&words).status.success(), "{line}");
    bench.read("x.d")
}

#[test]
fn a_discarded_one_does_not_become_anothers() {
    for (first, last) in [
        ("-MD -MT foo", "-MD -MF x.d"),
        ("-MMD -MT foo", "-MD -MF x.d"),
        ("-MD -MP", "-MD -MF x.d"),
        ("-MD -MF d.d -MT a -MP", "-Wp,-MD,x.d"),
    ] {
        for compiler in ["gcc-12", "clang-19"] {
            let bench = bench();
            for options in [first, "-MD -MF /dev/null", last] {
                let line = format!("{compiler} -Ii -c b.c {options}");
                bench.ok(&line.split(' ').collect::<Vec<_>>());
            }
            let expected = bare(&format!("{compiler} -Ii -c b.c {last}"));
            assert_eq!(bench.read("x.d"), expected, "{compiler} {first} | {last}");
            assert!(bench.statistics().hits() > 0, "{compiler} {first}");
        }
    }
}

#[test]
fn one_that_is_the_object_is_left_to_the_compiler() {
    let bench = bench();
    bench.ok(&["gcc", "-Ii", "-c", "b.c", "-MMD"]);
    bench.ok(&["gcc", "-Ii", "-c", "b.c", "-MD", "-MF", "b.o"]);
    assert!(bench.read("b.o").starts_with(b"\x7fELF"));
    let plan = bench.ok(&["--plan", "--", "gcc", "-Ii", "-c", "b.c", "-MD", "-MF", "b.o"]);
    assert!(String::from_utf8_lossy(&plan.stdout).contains("same-output"));
}

#[test]
fn where_it_can_not_be_written_there_is_no_object() {
    let bench = bench();
    bench.ok(&["gcc", "-Ii", "-MMD", "-c", "b.c"]);
    bench.remove("b.o");
    let wrapped = bench.wrapped(&["gcc", "-Ii", "-MMD", "-MF", "nowhere/x.d", "-c", "b.c"]);
    assert!(!wrapped.status.success() && !bench.exists("b.o"));
    let bare = bench.bare(&["gcc", "-Ii", "-MMD", "-MF", "nowhere/x.d", "-c", "b.c"]);
    assert_eq!((wrapped.status, wrapped.stderr), (bare.status, bare.stderr));
}

#[test]
fn a_limit_of_files_sizes_meets_the_compiler() {
    let bench = bench();
    let run = |wrapper: &str| {
        let line = format!("ulimit -f 1; exec {wrapper} gcc-12 -Ii -g -c b.c");
        bench.command("bash").args(["-c", &line]).output().expect("bash runs")
    };
    let (bare, wrapped) = (run(""), run(crate::support::WRAPPER));
    assert_eq!(wrapped.status, bare.status);
    assert!(!bare.status.success());
}
