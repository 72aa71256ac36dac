//! Inputs that no `#include` names: profiles, lists for sanitizers, files of the assembler, embedded files,
//! and what variables bring.

use std::path::Path;

use crate::support::{Bench, WRAPPER};

/// One compile, whose input changes.
struct Case {
    name: &'static str,
    args: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
    /// What changes it: a file, and its new text.
    change: (&'static str, &'static str),
}

const CASES: &[Case] = &[
    Case {
        name: "a list for a sanitizer",
        args: &["clang-14", "-fsanitize=address", "-fsanitize-ignorelist=list", "-c", "a.c"],
        files: &[("a.c", "int f(int *p) { return *p; }\n"), ("list", "fun:none\n")],
        change: ("list", "fun:f\n"),
    },
    Case {
        name: "a sample profile",
        args: &["clang-14", "-O2", "-gline-tables-only", "-fprofile-sample-use=profile", "-c", "a.c"],
        files: &[
            ("a.c", "void g(void);\nvoid f(int x) {\n if (x)\n  g();\n}\n"),
            ("profile", "f:100:100\n 1: 100\n 2: 1\n"),
        ],
        change: ("profile", "f:90000:90000\n 1: 90000\n 2: 90000\n"),
    },
    Case {
        name: "a list for XRay",
        args: &["clang-14", "-fxray-instrument", "-fxray-attr-list=list", "-c", "a.c"],
        files: &[("a.c", "int f(int x) { return x; }\n"), ("list", "[always]\nfun:none\n")],
        change: ("list", "[always]\nfun:f\n"),
    },
    Case {
        name: "a seed file",
        args: &["clang-19", "-frandomize-layout-seed-file=seed", "-c", "a.c"],
        files: &[
            (
                "a.c",
                "struct __attribute__((randomize_layout)) s { int a; char b; long c; short d; void (*e)(void); };\n\
                 int f(struct s *p) { return p->a + p->b; }\n",
            ),
            ("seed", "0000000000000001"),
        ],
        change: ("seed", "abcdef0123456789"),
    },
    Case {
        name: "a response file of the assembler",
        args: &["gcc", "-Wa,@options", "-c", "a.s"],
        files: &[("a.s", ".data\n.byte X\n"), ("options", "--defsym X=1")],
        change: ("options", "--defsym X=2"),
    },
    Case {
        name: "an include that appears earlier for the assembler",
        args: &["gcc", "-Wa,-Ione", "-Wa,-Itwo", "-c", "a.s"],
        files: &[("a.s", ".data\n.include \"x.inc\"\n"), ("two/x.inc", ".byte 1\n"), ("one/keep", "")],
        change: ("one/x.inc", ".byte 2\n"),
    },
    Case {
        name: "an include that appears earlier for the assembler of a C file",
        args: &["gcc", "-Wa,-Ione", "-Wa,-Itwo", "-c", "a.c"],
        files: &[("a.c", "asm(\".include \\\"x.inc\\\"\");\n"), ("two/x.inc", ".byte 1\n"), ("one/keep", "")],
        change: ("one/x.inc", ".byte 2\n"),
    },
    Case {
        name: "an embedded file",
        args: &["clang-19", "-std=c23", "-w", "-c", "a.c"],
        files: &[("a.c", "char t[] = {\n#embed \"blob\"\n};\n"), ("blob", "one")],
        change: ("blob", "two"),
    },
    Case {
        name: "a file to embed that appears",
        args: &["clang-19", "-std=c23", "-w", "--embed-dir=one", "-c", "a.c"],
        files: &[("a.c", "#if __has_embed(<blob>)\nint x;\n#endif\nint y;\n"), ("one/keep", "")],
        change: ("one/blob", "two"),
    },
    Case {
        name: "a file to embed that appears earlier",
        args: &["clang-19", "-std=c23", "-w", "--embed-dir=one", "--embed-dir=two", "-c", "a.c"],
        files: &[("a.c", "char t[] = {\n#embed <blob>\n};\n"), ("two/blob", "one"), ("one/keep", "")],
        change: ("one/blob", "two"),
    },
    Case {
        name: "a header that appears in a directory of the system's kind",
        args: &["gcc", "--sysroot=root", "-Wno-all", "-c", "a.c"],
        files: &[
            ("a.c", "#if __has_include(<h.h>)\n#include <h.h>\n#endif\nint y;\n"),
            ("root/usr/include/keep", ""),
        ],
        change: ("root/usr/include/h.h", "int x;\n"),
    },
];

fn object_of(
    bench: &Bench,
    prefix: bool,
    args: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, Vec<u8>) {
    bench.remove("a.o");
    let mut command = bench.command(if prefix { WRAPPER } else { args[0] });
    command.args(&args[usize::from(!prefix)..]).envs(variables.iter().copied());
    let status = command.output().expect("it runs").status;
    (status.code(), if bench.exists("a.o") { bench.read("a.o") } else { Vec::new() })
}

#[test]
fn what_no_include_names_is_followed() {
    for Case { name, args, files, change } in CASES {
        let bench = Bench::new();
        for (file, text) in *files {
            bench.write(file, text);
        }
        let bare = object_of(&bench, false, args, &[]);
        assert_eq!(bare.0, Some(0), "{name}");
        assert!((0..3).all(|_| object_of(&bench, true, args, &[]) == bare), "{name}");
        bench.write(change.0, change.1);
        let changed = object_of(&bench, false, args, &[]);
        assert!(changed.0 == Some(0) && changed != bare, "{name}: it does not matter");
        assert!((0..2).all(|_| object_of(&bench, true, args, &[]) == changed), "{name}: {}", bench.log());
        let statistics = bench.statistics();
        let refused = bench.log().contains("refused");
        assert!(refused || statistics.misses() == 2, "{name}: {}", bench.log());
        println!("{name}: {}", if refused { "refused" } else { "followed" });
    }
}

/// gcc's profile lies beside the object, or in a directory; it may come later.
#[test]
fn a_profile_that_comes_or_changes_is_followed() {
    for options in [&["-fprofile-use"][..], &["-fprofile-use=profiles"]] {
        let bench = Bench::new();
        bench.write(
            "a.c",
            "__attribute__((noinline)) int f(int n, int of) {\n\
             int s = 0;\n\
             for (int i = 0; i < n; i++) s += i % of ? i : f(i / 9, of);\n\
             return s;\n}\n\
             int main(int n, char **v) { return f(900, n > 1 ? 1 : 7) & 0; }\n",
        );
        let args = [&["gcc", "-O2", "-w", "-c", "a.c"], options].concat();
        let train = |arguments: &[&str]| {
            assert!(bench.bare(&["gcc", "-O2", "-fprofile-generate", "-c", "a.c"]).status.success());
            assert!(bench.bare(&["gcc", "-fprofile-generate", "a.o", "-o", "a"]).status.success());
            let mut program = bench.command(bench.work().join("a"));
            assert!(program.args(arguments).status().expect("it runs").success());
            if options[0].contains('=') {
                // In a directory, gcc names the profile after the object's whole path.
                let whole = bench.work().join("a.gcda");
                let mangled = whole.display().to_string().replace('/', "#");
                bench.write(&format!("profiles/{mangled}"), bench.read("a.gcda"));
                bench.remove("a.gcda");
            }
        };
        let same = |when: &str| {
            let bare = object_of(&bench, false, &args, &[]);
            for _ in 0..2 {
                assert!(object_of(&bench, true, &args, &[]) == bare, "{options:?}, {when}\n{}", bench.log());
            }
            bare
        };
        let without = same("without");
        train(&[]);
        let trained = same("trained");
        train(&["otherwise"]);
        let otherwise = same("trained otherwise");
        let distinct = without != trained && trained != otherwise;
        assert!(distinct, "{options:?}: the profile does not matter");
    }
}

#[test]
fn headers_that_variables_bring_are_followed() {
    for (compiler, variable) in
        [("gcc", "C_INCLUDE_PATH"), ("clang-14", "C_INCLUDE_PATH"), ("gcc", "CPATH"), ("clang-14", "CPATH")]
    {
        let bench = Bench::new();
        bench.write("a.c", "#include <h.h>\nint x = H;\n");
        bench.write("two/h.h", "#define H 2\n");
        bench.write("one/keep", "");
        let (args, variables) = ([compiler, "-c", "a.c"], [(variable, "one:two")]);
        let same = || {
            let bare = object_of(&bench, false, &args, &variables);
            assert_eq!(bare.0, Some(0));
            for _ in 0..2 {
                assert!(object_of(&bench, true, &args, &variables) == bare, "{}", bench.log());
            }
        };
        same();
        bench.write("one/h.h", "#define H 1\n");
        same();
        std::fs::rename(bench.work().join("one"), bench.work().join("away")).expect("renamed");
        same();
        assert_eq!((bench.statistics().misses(), bench.statistics().hits()), (2, 4), "{}", bench.log());
    }
}

/// Debug information names the working directory as `PWD` spells it.
#[test]
fn a_working_directory_behind_a_link_is_its_own() {
    for compiler in ["gcc", "clang-14"] {
        let bench = Bench::new();
        bench.write("a.c", "int x;\n");
        std::os::unix::fs::symlink("work", bench.beside("link")).expect("a link");
        let (real, link) = (bench.work(), bench.beside("link"));
        let spelled = |path: &Path| path.to_str().expect("text").to_owned();
        let args = [compiler, "-g", "-c", "a.c"];
        let mut objects = Vec::new();
        for pwd in [spelled(&link), spelled(&real), "/".to_owned(), "relative".to_owned(), String::new()] {
            let bare = object_of(&bench, false, &args, &[("PWD", &pwd)]);
            for _ in 0..2 {
                assert!(object_of(&bench, true, &args, &[("PWD", &pwd)]) == bare, "{pwd}\n{}", bench.log());
            }
            objects.push(bare);
        }
        assert!(objects[0] != objects[1], "{compiler}: the spelling shows");
        assert!(bench.statistics().hits() >= 5, "{}", bench.log());
    }
}
