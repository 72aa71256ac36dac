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

/// Two hits of the same command line, or none where it is refused: in any case the same as bare.
#[track_caller]
fn served(bench: &Bench, hits: u64, args: &[&str]) {
    assert_eq!(bench.transparent(args), (hits, 0), "{args:?}\n{}", bench.log());
}

const LOOP: &str = "static int sq(int x) { return x * x; }\nint f(int n) {\n  int s = 0;\n  for (int i = 0; i < n; i++) s += sq(i);\n  return s;\n}\n";

#[test]
fn auxiliary_files_are_put_back() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        bench.write("sub/a.b.c", LOOP);
        for args in [
            &[compiler, "-g", "-gsplit-dwarf", "-c", "sub/a.b.c"][..],
            &[compiler, "-g", "-gsplit-dwarf", "-c", "sub/a.b.c", "-o", "sub/x.y.z.o"],
            &[compiler, "-fstack-usage", "-c", "sub/a.b.c", "-o", "sub/x.o"],
            &[compiler, "-save-temps", "-c", "sub/a.b.c", "-o", "sub/x.o"],
            &[compiler, "-save-temps=obj", "-g", "-c", "sub/a.b.c", "-o", "sub/x.o"],
            &[compiler, "-save-temps", "-S", "sub/a.b.c"],
        ] {
            served(&bench, 1, args);
        }
        // The notes hold a time stamp, so that two bare runs differ: what a hit gives is what was kept.
        let args = [compiler, "--coverage", "-c", "sub/a.b.c", "-o", "sub/x.o"];
        bench.misses(&args);
        let (object, notes) = (bench.read("sub/x.o"), bench.read("sub/x.gcno"));
        bench.remove("sub/x.o");
        bench.remove("sub/x.gcno");
        bench.hits(&args);
        assert!(object == bench.read("sub/x.o") && notes == bench.read("sub/x.gcno"));
    }
    let bench = Bench::new();
    bench.write("a.c", LOOP);
    served(&bench, 1, &["gcc", "-fcallgraph-info=su,da", "-fstack-usage", "-c", "a.c"]);
    served(&bench, 0, &["clang-14", "-g", "-gsplit-dwarf", "-S", "a.c"]);
}

#[test]
fn outputs_that_are_not_known_by_name_are_refused() {
    let bench = Bench::new();
    bench.write("a.c", LOOP);
    for (token, args) in [
        ("dumps", &["gcc", "-fdump-tree-optimized", "-c", "a.c"][..]),
        ("dumps", &["gcc", "-da", "-c", "a.c"]),
        ("optimization-record", &["gcc", "-O3", "-fopt-info-vec=vec.txt", "-c", "a.c"]),
        ("optimization-record", &["gcc", "-O3", "-fsave-optimization-record", "-c", "a.c"]),
        ("aux-info", &["gcc", "-aux-info", "protos.txt", "-c", "a.c"]),
        ("assembler-listing", &["gcc", "-Wa,-a=listing.txt", "-c", "a.c"]),
        ("assembler-dependencies", &["gcc", "-Wa,--MD,asm.d", "-c", "a.c"]),
        ("compilation-database", &["clang-14", "-MJ", "a.json", "-c", "a.c"]),
    ] {
        bench.refuses(token, args);
    }
    for made in ["vec.txt", "protos.txt", "listing.txt", "asm.d", "a.json"] {
        assert!(bench.exists(made), "{made} is lost\n{}", bench.log());
    }
    for args in [
        &["clang-14", "-ftime-trace", "-c", "a.c"][..],
        &["clang-14", "--serialize-diagnostics", "a.dia", "-c", "a.c"],
    ] {
        let before = bench.statistics();
        bench.ok(args);
        bench.ok(args);
        let after = bench.statistics();
        assert_eq!(before.hits() + before.misses(), after.hits() + after.misses(), "{}", bench.log());
    }
    assert!(bench.exists("a.json") && bench.exists("a.dia"));
}

#[test]
fn dependency_options_in_vain_are_the_compilers_to_judge() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.write("a.s", ".data\n");
    for compiler in compilers(&["gcc", "clang-14"]) {
        // First what hits, so that it could serve the others.
        served(&bench, 1, &[compiler, "-c", "a.c"]);
        served(&bench, 1, &[compiler, "-MD", "-c", "a.c"]);
        served(&bench, 1, &[compiler, "-c", "a.s"]);
        served(&bench, 1, &[compiler, "-MD", "-c", "a.s"]);
        for args in [
            &[compiler, "-MF", "x.d", "-c", "a.c"][..],
            &[compiler, "-MP", "-c", "a.c"],
            &[compiler, "-MT", "x", "-c", "a.c"],
            &[compiler, "-MF", "x.d", "a.c", "-o", "app"],
            &[compiler, "-C", "-c", "a.c"],
            &[compiler, "-MD", "-MMD", "-c", "a.c"],
        ] {
            bench.transparent(args);
        }
        served(&bench, 1, &[compiler, "-MD", "-c", "a.c"]);
    }
    served(&bench, 1, &["clang-14", "-MD", "-c", "--", "a.c"]);
}

#[test]
fn modes_are_the_callers() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\nint main(void) { return x; }\n");
    let run = |umask: &str, command: &str| {
        let script = format!(
            "umask {umask}; rm -f a.o a.d a.dwo app; {command}; stat -c '%a %n' a.o a.d a.dwo app 2>&-"
        );
        let output = bench.command("sh").args(["-c", &script]).output().expect("a shell");
        String::from_utf8(output.stdout).expect("modes")
    };
    for compile in ["gcc -g -gsplit-dwarf -MD -c a.c", "gcc a.c -o app", "clang-14 -MD -c a.c"] {
        for umask in ["022", "077", "000", "0137"] {
            let bare = run(umask, compile);
            for _ in 0..2 {
                assert_eq!(
                    run(umask, &format!("{} {compile}", crate::support::WRAPPER)),
                    bare,
                    "{umask} {compile}"
                );
            }
        }
    }
    assert!(bench.statistics().hits() > bench.statistics().misses());
}

#[test]
fn what_was_there_is_treated_as_the_compiler_does() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    for compiler in compilers(&["gcc", "clang-14"]) {
        for args in [&[compiler, "-MD", "-c", "a.c"][..], &[compiler, "-MD", "-S", "a.c", "-o", "a.o"]] {
            let look = |prepare: &dyn Fn(&Bench), bench: &Bench, run: &dyn Fn(&Bench)| {
                for name in ["a.o", "other", "a.d"] {
                    bench.remove(name);
                }
                prepare(bench);
                run(bench);
                let of = |name: &str| {
                    let path = bench.work().join(name);
                    let meta = path.symlink_metadata().ok()?;
                    let link = std::fs::read_link(&path).ok();
                    Some((meta.mode(), meta.nlink(), link, std::fs::read(&path).ok()))
                };
                (of("a.o"), of("other"), of("a.d"))
            };
            let bench = Bench::new();
            bench.write("a.c", "int x;\n");
            bench.ok(args);
            let cases: [(&str, &dyn Fn(&Bench)); 5] = [
                ("hard link", &|bench| {
                    bench.write("other", "old bytes");
                    std::fs::hard_link(bench.work().join("other"), bench.work().join("a.o")).expect("a link");
                }),
                ("symbolic link", &|bench| {
                    bench.write("other", "old bytes");
                    std::os::unix::fs::symlink("other", bench.work().join("a.o")).expect("a link");
                }),
                ("dangling link", &|bench| {
                    std::os::unix::fs::symlink("other", bench.work().join("a.o")).expect("a link");
                }),
                ("executable", &|bench| {
                    bench.write("a.o", "old");
                    std::fs::set_permissions(bench.work().join("a.o"), PermissionsExt::from_mode(0o755))
                        .expect("mode");
                }),
                ("empty", &|bench| bench.write("a.o", "")),
            ];
            for (name, prepare) in cases {
                let bare = look(prepare, &bench, &|bench| assert!(bench.bare(args).status.success()));
                let ours = look(prepare, &bench, &|bench| assert!(bench.wrapped(args).status.success()));
                assert!(ours == bare, "{name}: {args:?}: {ours:?} is not {bare:?}\n{}", bench.log());
            }
            assert!(bench.statistics().hits() > 0, "{}", bench.log());
        }
    }
}

#[test]
fn a_hit_has_a_fresh_time_and_does_not_share_the_stores_bytes() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.misses(&["gcc", "-c", "a.c"]);
    let first = bench.read("a.o");
    let source = bench.work().join("a.c");
    bench.remove("a.o");
    let now = std::time::SystemTime::now() - std::time::Duration::from_millis(20);
    bench.hits(&["gcc", "-c", "a.c"]);
    let modified =
        |path: &std::path::Path| std::fs::metadata(path).and_then(|m| m.modified()).expect("a time");
    assert!(modified(&bench.work().join("a.o")) >= now.max(modified(&source)));
    // Changed in place, as strip, ranlib or a shell do it.
    let mut file = std::fs::File::options().append(true).open(bench.work().join("a.o")).expect("the object");
    std::io::Write::write_all(&mut file, b"more").expect("written");
    bench.remove("b.o");
    bench.hits(&["gcc", "-c", "a.c", "-o", "b.o"]);
    assert!(bench.read("b.o") == first);
}

#[test]
fn a_failing_compile_leaves_of_old_outputs_what_the_compiler_leaves() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        bench.write("bad.c", "int f(void) { return undeclared; }\n");
        for name in ["bad.o", "bad.d", "bad.dwo", "bad.su", "bad.s", "app"] {
            bench.write(name, "an old file\n");
        }
        for args in [
            &[compiler, "-MD", "-g", "-gsplit-dwarf", "-fstack-usage", "-c", "bad.c"][..],
            &[compiler, "-MD", "-S", "bad.c"],
            &[compiler, "bad.c", "-o", "app"],
        ] {
            bench.transparent(args);
        }
    }
}

#[test]
fn command_lines_that_are_recorded_belong_to_the_key() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    for recorded in [
        &["gcc", "-frecord-gcc-switches"][..],
        &["gcc", "-g", "-grecord-gcc-switches"],
        &["clang-14", "-g", "-grecord-command-line"],
        &["clang-14", "-frecord-command-line"],
    ] {
        for more in [&["-DUNUSED=1"][..], &["-DUNUSED=2"], &["-I."], &["-MD", "-MF", "x.d"]] {
            let mut args = recorded.to_vec();
            args.extend(more);
            args.extend(["-c", "a.c"]);
            served(&bench, 1, &args);
        }
    }
}
