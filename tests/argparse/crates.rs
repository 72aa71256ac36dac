//! rustc's command lines: those of real builds and made by hand, with the files that real compiles left, and
//! what holds for the tables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use bakeplan::argparse::Mode;
use bakeplan::argparse::rustc::spec::{Row, Shape};
use bakeplan::argparse::rustc::table::{CODEGEN, OPTIONS, find, find_codegen};
use bakeplan::argparse::rustc::{
    CrateInvocation, CrateType, NativeKind, RustTool, parse, rust_tool_from_name,
};
use serde_json::Value;

use super::support::{text, texts};

const CORPUS: &str = include_str!("../../fixtures/corpus/rustc.jsonl");

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// Parses a command line whose source says nothing of the crate.
fn parsed(line: &str) -> CrateInvocation {
    parse(RustTool::Rustc, &words(line), &|_: &Path| Some(Vec::new()))
}

fn outputs(invocation: &CrateInvocation) -> Vec<String> {
    let mut paths: Vec<String> =
        invocation.outputs.iter().map(|output| output.path.to_string_lossy().into_owned()).collect();
    paths.sort();
    paths
}

fn tokens(invocation: &CrateInvocation) -> Vec<&'static str> {
    invocation.refusals.iter().map(|refusal| refusal.token).collect()
}

#[test]
fn the_files_that_real_compiles_left_are_foreseen() {
    let mut wrong = Vec::new();
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut compiles, mut informed) = (0, 0);
    for line in CORPUS.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let tool = match record["wrapped"].as_str() {
            Some(tool) => rust_tool_from_name(tool.as_ref()).expect("a tool"),
            None => RustTool::Rustc,
        };
        // The sources are not in the corpus; none of these names its crate itself.
        let read = |path: &Path| {
            let listed = record["rsp"].get(format!("@{}", path.display()));
            let source = path.extension().is_some_and(|extension| extension == "rs");
            listed.map(|listed| text(listed).into_encoded_bytes()).or(source.then(Vec::new))
        };
        let invocation = parse(tool, &texts(&record["argv"]), &read);
        let mode = record["mode"].as_str().expect("mode");
        let shown = format!("{} {}", record["id"], record["argv"]);
        let prints = record["outputs"].as_array().expect("outputs").is_empty();
        match mode {
            "info" => {
                informed += 1;
                if invocation.mode != Mode::Info && tokens(&invocation).is_empty() {
                    wrong.push(format!("{shown}: not only asked"));
                }
            }
            "compile" if invocation.mode == Mode::Info && prints => {}
            "compile" if invocation.mode == Mode::Info => {
                wrong.push(format!("{shown}: taken for a question"));
            }
            "compile" => {
                compiles += 1;
                if let Some(token) = tokens(&invocation).first() {
                    *refused.entry(token).or_default() += 1;
                    continue;
                }
                let theirs: Vec<String> = texts(&record["outputs"])
                    .iter()
                    .map(|path| path.to_string_lossy().into_owned())
                    .collect();
                if outputs(&invocation) != theirs {
                    wrong
                        .push(format!("{shown}\n    ours {:?}\n    theirs {theirs:?}", outputs(&invocation)));
                }
            }
            _ => {}
        }
    }
    assert!(compiles > 150 && informed > 10, "{compiles} compiles, {informed} questions");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let all: usize = refused.values().sum();
    assert!(all * 100 <= compiles * 5, "too many refused: {refused:?} of {compiles}");
}

#[test]
fn every_set_of_outputs_has_its_names() {
    let cases = [
        ("a.rs", "a"),
        ("my-prog.rs", "my-prog"),
        (
            "my-lib.rs --crate-type lib --emit link,metadata,dep-info",
            "libmy_lib.rlib libmy_lib.rmeta my-lib.d",
        ),
        (
            "a.rs --crate-type lib --out-dir o -C extra-filename=-1 --emit=dep-info,metadata,link",
            "o/a-1.d o/liba-1.rlib o/liba-1.rmeta",
        ),
        ("a.rs --crate-type=lib,cdylib --crate-type staticlib", "liba.a liba.rlib liba.so"),
        ("a.rs --crate-type lib --test -C extra-filename=-1", "a-1"),
        ("a.rs -o x/prog", "x/prog"),
        ("l.rs --crate-type lib --emit=link,metadata -o sub.rlib", "libl.rlib libsub.rmeta"),
        ("a.rs --emit=dep-info=d/x.d,link -o p", "d/x.d p"),
        ("a.rs --emit asm,llvm-ir,mir,obj,llvm-bc", "a.bc a.ll a.mir a.o a.s"),
        ("a.rs -g -C split-debuginfo=packed", "a a.dwp"),
        ("a.rs -C split-debuginfo=unpacked", "a"),
        ("a.rs --crate-type proc-macro --crate-name m", "libm.so"),
        ("a.rs --crate-type lib -Z unstable-options --target ./t.json", "liba.rlib"),
    ];
    for (line, names) in cases {
        let invocation = parsed(line);
        assert_eq!(tokens(&invocation), [""; 0], "{line}");
        assert_eq!(outputs(&invocation).join(" "), names, "{line}");
    }
}

/// What files a native library may be.
#[test]
fn native_libraries_have_names_of_files() {
    let cases = [
        ("z", NativeKind::Dynamic, "libz.a"),
        ("dylib=z", NativeKind::Dynamic, "libz.a"),
        ("static=z", NativeKind::Static, "libz.a"),
        ("static:-bundle,+whole-archive=z", NativeKind::Static, "libz.a"),
        ("static:+verbatim=z.a", NativeKind::Static, "z.a"),
        ("static:-verbatim=z", NativeKind::Static, "libz.a"),
        ("z:y", NativeKind::Dynamic, "libz.a liby.a"),
        ("static=z:", NativeKind::Static, "libz.a"),
        ("framework=z", NativeKind::Other, "libz.a"),
    ];
    for (native, kind, files) in cases {
        let invocation = parsed(&format!("a.rs --crate-type lib -l {native}"));
        let [given] = &invocation.natives[..] else { panic!("{:?}", invocation.natives) };
        let archives: Vec<_> = given.archives().map(|name| name.to_string_lossy().into_owned()).collect();
        assert_eq!((given.kind, archives.join(" ").as_str()), (kind, files), "{native}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let cases = [
        ("a.rs --bogus", "unknown-option"),
        ("a.rs -C bogus=1", "unknown-option"),
        ("a.rs -Z threads=2", "unstable-option"),
        ("a.rs -Z unstable-options -Zthreads=2", "unstable-option"),
        ("a.rs -C save-temps", "save-temps"),
        ("a.rs --emit=link=-", "stdout-output"),
        ("- --crate-type lib", "stdin-source"),
        ("a.rs b.rs", "driver-error"),
        ("a.rs -C", "driver-error"),
        ("a.rs --crate-name my-lib", "driver-error"),
        ("a.rs --target x86_64-pc-windows-gnu", "foreign-target"),
        ("a.rs --emit asm -C codegen-units=4", "codegen-unit-files"),
        ("a.rs --crate-type lib,cdylib -o x", "driver-error"),
        ("a.rs -g -C split-debuginfo=unpacked", "split-debuginfo"),
        ("a.rs --crate-type dylib -C target-feature=+crt-static", "static-library-loaded"),
        ("a.rs -o /dev/null", "output-is-device"),
        ("a.rs --print native-static-libs=x", "prints-to-file"),
    ];
    for (line, token) in cases {
        assert_eq!(tokens(&parsed(line)).first(), Some(&token), "{line}");
    }
    let rustdoc = parse(RustTool::Rustdoc, &words("a.rs"), &|_: &Path| None);
    assert_eq!(tokens(&rustdoc), ["rustdoc"]);
    // A source that names its crate, and one that can't be read; one of a crate that is named is not read.
    let named = |_: &Path| Some(b"#![crate_name = \"other\"]".to_vec());
    assert_eq!(tokens(&parse(RustTool::Rustc, &words("a.rs"), &named)), ["crate-attributes"]);
    assert_eq!(tokens(&parse(RustTool::Rustc, &words("a.rs"), &|_: &Path| None)), ["missing-source"]);
    let said = words("a.rs --crate-name a --crate-type lib");
    assert_eq!(tokens(&parse(RustTool::Rustc, &said, &|_: &Path| None)), [""; 0]);
}

#[test]
fn questions_are_no_compiles() {
    for line in [
        "-vV",
        "-Vv",
        "--version --verbose",
        "- --crate-name ___ --print=file-names --crate-type bin",
        "--explain E0308",
        "-C help",
        "-W help",
        "-Z help",
        "a.rs --print crate-name",
        "--help",
    ] {
        assert_eq!(parsed(line).mode, Mode::Info, "{line}");
    }
    assert_eq!(parsed("a.rs --crate-type staticlib --print native-static-libs").mode, Mode::Crate);
}

#[test]
fn letters_are_read_as_getopts_reads_them() {
    let invocation =
        parsed("-gO -Lnative=n -L all=c -Lx -oprog -lstatic:+whole-archive=z -Copt-level=2 a.rs");
    assert_eq!(tokens(&invocation), [""; 0]);
    assert!(invocation.debug);
    let searched: Vec<String> = invocation
        .searches
        .iter()
        .map(|search| format!("{:?} {}", search.kind, search.path.display()))
        .collect();
    assert_eq!(searched, ["Native n", "Crates c", "Crates x"]);
    assert_eq!(outputs(&invocation), ["prog"]);
    let named: Vec<&str> = invocation.args.iter().map(|arg| arg.name).collect();
    assert_eq!(named, ["-g", "-O", "-L", "-L", "-L", "-o", "-l", "opt-level", ""]);
}

#[test]
fn clippys_driver_may_be_given_the_compiler() {
    for line in ["/t/bin/rustc --crate-type lib --crate-name a a.rs", "--crate-type lib --crate-name a a.rs"]
    {
        let invocation = parse(RustTool::Clippy, &words(line), &|_: &Path| None);
        assert_eq!(
            (tokens(&invocation), invocation.types.as_slice()),
            (vec![], &[CrateType::Rlib][..]),
            "{line}"
        );
    }
}

fn all() -> impl Iterator<Item = &'static Row> {
    OPTIONS.iter().chain(CODEGEN)
}

#[test]
fn rows_are_sorted_and_say_why() {
    for rows in [OPTIONS, CODEGEN] {
        for pair in rows.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
    }
    for row in all() {
        assert!(!row.why.is_empty(), "{}", row.name);
    }
    assert_eq!(find("--crate-name").map(|row| row.shape), Some(Shape::Value));
    assert_eq!(find_codegen("opt_level").map(|row| row.name), Some("opt-level"));
}

/// What the installed compiler says of itself has a row each.
#[test]
fn the_compilers_own_lists_are_in_the_tables() {
    let ask = |args: &[&str]| {
        let output = std::process::Command::new("rustc").args(args).output().expect("rustc runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let codegen = ask(&["-C", "help"]);
    let names = codegen.lines().filter_map(|line| line.trim_start().strip_prefix("-C"));
    let names: Vec<&str> =
        names.map(|rest| rest.trim_start().split(['=', ' ']).next().unwrap_or_default()).collect();
    assert!(names.len() > 40, "{codegen}");
    for name in names {
        assert!(find_codegen(name).is_some(), "-C {name}");
    }
    let help = ask(&["--help", "-v"]);
    let words = help.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(|line| {
        let spelled = line.trim_start().split("  ").next().unwrap_or_default();
        spelled.split([' ', ',']).filter(|word| word.starts_with('-')).map(str::to_owned).collect::<Vec<_>>()
    });
    let words: Vec<String> = words.collect();
    assert!(words.len() > 30, "{help}");
    for word in words {
        assert!(find(&word).is_some(), "{word}");
    }
}
