//! The name of a crate's invocation.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use bakeplan::argparse::rustc::{CrateInvocation, RustTool, parse};
use bakeplan::planner::crates::{CrateInputs, bound, invocation_name, places};
use bakeplan::recipe::digest::ToolchainDigest;

fn parsed(tool: RustTool, line: &str) -> CrateInvocation {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(tool, &words, &|_: &Path| None)
}

/// The name, in a directory, with some `OUT_DIR`.
fn name(line: &str, cwd: &str, out_dir: Option<&str>) -> String {
    let invocation = parsed(RustTool::Rustc, line);
    let places = places(&invocation, Path::new(cwd), out_dir.map(OsStr::new));
    let toolchain = ToolchainDigest::from_bytes([7; 32]);
    let inputs = CrateInputs { invocation: &invocation, toolchain, places: &places, processor: b"" };
    invocation_name(&inputs).to_string()
}

const LINE: &str = "--crate-name a --edition=2021 src/lib.rs --crate-type lib --emit=dep-info,metadata,link -C \
    opt-level=3 --out-dir /w/t/deps -L dependency=/w/t/deps --extern b=/w/t/deps/libb-1.rmeta --check-cfg cfg(x)";

/// A change of this is a change of every name: then `format` changes too.
#[test]
fn a_name_is_pinned() {
    assert_eq!(name(LINE, "/w", None), PINNED);
}

const PINNED: &str = "7cf103a90dbd7d69d50cc04749bb5b1463314ff3eba5286088f96988d851ce9a";

#[test]
fn places_do_not_count_and_all_else_does() {
    let moved = LINE.replace("/w/t", "/v/elsewhere");
    assert_eq!(name(&moved, "/v", None), PINNED);
    assert_eq!(name(&LINE.replace(" --check", " --color=never --check"), "/w", None), PINNED);
    for other in [
        LINE.replace("libb-1", "libb-2"),
        LINE.replace("-L dependency=/w/t/deps", "-L dependency=/w/u/deps"),
        LINE.replace("opt-level=3", "opt-level=2"),
        LINE.replace("2021", "2018"),
        LINE.replace("cfg(x)", "cfg(y)"),
        LINE.replace("--extern b=", "--extern c="),
        LINE.replace("src/lib.rs", "src/main.rs"),
        format!("{LINE} --cfg x"),
        format!("{LINE} -v --test"),
    ] {
        assert_ne!(name(&other, "/w", None), PINNED, "{other}");
    }
    let invocation = parsed(RustTool::Rustc, LINE);
    let found = places(&invocation, Path::new("/w"), None);
    let base = CrateInputs {
        invocation: &invocation,
        toolchain: ToolchainDigest::from_bytes([7; 32]),
        places: &found,
        processor: b"",
    };
    let clippy = parsed(RustTool::Clippy, LINE);
    for other in [
        CrateInputs { toolchain: ToolchainDigest::from_bytes([8; 32]), ..base },
        CrateInputs { processor: b"another", ..base },
        CrateInputs { invocation: &clippy, ..base },
    ] {
        assert_ne!(invocation_name(&other).to_string(), PINNED);
    }
    // Where no lint speaks, what they expect does not count.
    let silent = |line: &str| name(&format!("{line} --cap-lints allow"), "/w", None);
    assert_eq!(silent(LINE), silent(&LINE.replace("cfg(x)", "cfg(y)")));
}

#[test]
fn what_holds_the_working_directory_is_bound_to_it() {
    let cwd = Path::new("/w");
    let bound_of = |line: &str| {
        let invocation = parsed(RustTool::Rustc, line);
        let places = places(&invocation, cwd, Some(OsStr::new("/w/out")));
        let bound = bound(&invocation, &places, cwd).into_iter();
        let directories =
            bound.map(|index| String::from_utf8_lossy(&places.directories()[index]).into_owned());
        directories.collect::<Vec<_>>().join(" ")
    };
    for (line, expected) in [
        ("a.rs --crate-name a --crate-type bin", ""),
        ("a.rs --crate-name a --crate-type bin -g", "/w"),
        ("a.rs --crate-name a --crate-type cdylib", ""),
        ("a.rs --crate-name a --crate-type lib", "/w"),
        ("a.rs --crate-name a --crate-type proc-macro", "/w"),
        ("a.rs --crate-name a --crate-type bin --emit=metadata", "/w"),
        ("a.rs --crate-name a --crate-type lib --remap-path-prefix=/w=/x", ""),
        ("a.rs --crate-name a --crate-type lib --remap-path-prefix=/v=/x", "/w"),
        ("a.rs --crate-name a --crate-type bin -C instrument-coverage", "/w"),
        ("a.rs --crate-name a --crate-type bin -C rpath -L /w/deps", "/w /w/out /w/deps"),
    ] {
        assert_eq!(bound_of(line), expected, "{line}");
    }
}
