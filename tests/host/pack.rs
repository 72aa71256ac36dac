//! The machine's compilers as a directory: the same objects, anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::support::*;
use bakeplan::recipe::{ProcessTemplate, Recipe};

const HOST: &str = env!("CARGO_BIN_EXE_brioche-host");

fn run(program: impl AsRef<std::ffi::OsStr>, args: &[&str], cwd: &Path) -> Output {
    Command::new(program).args(args).current_dir(cwd).output().expect("it runs")
}

#[track_caller]
fn ok(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A packed toolchain, made once for all tests.
fn packed(dir: &Path, args: &[&str]) -> PathBuf {
    let into = dir.join("toolchain");
    let mut all = vec!["pack-toolchain", into.to_str().unwrap()];
    all.extend(args);
    ok(&run(HOST, &all, dir));
    into
}

const C: &str = "#include <stdio.h>\n\
    static int twice(int x) { return 2 * x; }\n\
    int main(void) { printf(\"hello %d\\n\", twice(21)); return 0; }\n";

#[test]
fn objects_are_those_of_the_system_and_links_work_in_the_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let toolchain = packed(dir.path(), &["gcc", "g++"]);
    let clang = dir.path().join("clang");
    ok(&run(HOST, &["pack-toolchain", clang.to_str().unwrap(), "clang", "--no-sysroot"], dir.path()));
    fs::write(dir.path().join("a.c"), C).unwrap();
    fs::write(dir.path().join("a.cc"), "#include <vector>\nint f(std::vector<int> v) { return v.at(0); }\n")
        .unwrap();
    for (compiler, source, text) in [("gcc", "a.c", "a.i"), ("g++", "a.cc", "a.ii"), ("clang", "a.c", "a.i")]
    {
        ok(&run(compiler, &["-E", source, "-o", text], dir.path()));
        for flags in [&["-O2"][..], &["-O0", "-g", "-fPIC"], &["-S", "-O2"]] {
            let compile = |program: &Path, out: &str| {
                let args: Vec<&str> = flags.iter().copied().chain(["-c", text, "-o", out]).collect();
                ok(&run(program, &args, dir.path()));
                fs::read(dir.path().join(out)).unwrap()
            };
            let own = compile(Path::new(compiler), "system.o");
            let place = if compiler == "clang" { &clang } else { &toolchain };
            let ours = compile(&place.join("bin").join(compiler), "packed.o");
            assert!(own == ours, "{compiler} {flags:?}: another object");
        }
    }
    // What a user is told is what the system's compiler tells.
    for args in [&["-c", "none.c"][..], &["-Q-what", "a.c"], &["-dumpversion"]] {
        let one = run("gcc", args, dir.path());
        let other = run(toolchain.join("bin/gcc"), args, dir.path());
        assert_eq!(String::from_utf8_lossy(&one.stderr), String::from_utf8_lossy(&other.stderr));
        assert_eq!((one.status.code(), one.stdout), (other.status.code(), other.stdout));
    }

    let host = Host { engine: engine(dir.path(), |_| {}), dir };
    let tree = host.import(&host.path("toolchain"));
    let tree = Recipe::from(host.engine.artifacts().need(&tree).unwrap());
    for (compiler, source, content) in [
        ("gcc", "a.c", C),
        ("g++", "a.cc", "#include <string>\nint main() { return std::string(\"a\").size() - 1; }\n"),
    ] {
        let script = format!(
            "\"$tc/bin/{compiler}\" --sysroot=\"$tc/sysroot\" {source} -o \"$out\" && \
             case {compiler} in gcc) \"$out\";; esac"
        );
        let mut process = with_input(shell(&script), "tc", tree.clone());
        process.env.insert("PATH".into(), ProcessTemplate::input(tree.clone()).then("/bin"));
        process.work_dir = Box::new(directory(&[(source, file(content))]));
        let watch = Waiter::default();
        match host.bake_for(&process.into(), &watch) {
            Ok(bakeplan::host::Baked::Done(_)) => {}
            other => panic!("{compiler}: {other:?}: {}", watch.text()),
        }
        if compiler != "g++" {
            assert_eq!(watch.text(), "hello 42\n", "{compiler}");
        }
    }
}

#[test]
fn in_the_layout_of_brioche_the_wrapper_stands_before_the_compiler() {
    let dir = tempfile::tempdir().unwrap();
    let toolchain = packed(dir.path(), &["gcc", "--wrapper", env!("CARGO_BIN_EXE_brioche-cc")]);
    let wrapper = fs::read(env!("CARGO_BIN_EXE_brioche-cc")).unwrap();
    assert!(fs::read(toolchain.join("bin/gcc")).unwrap() == wrapper);
    assert_eq!(
        fs::read_link(toolchain.join("libexec/brioche-cc/gcc")).unwrap().to_str(),
        Some("../../bin/.brioche-cc-orig-gcc")
    );
    assert_eq!(
        fs::read_link(toolchain.join("libexec/brioche-cc/sysroot")).unwrap().to_str(),
        Some("../../sysroot")
    );
    fs::write(dir.path().join("a.c"), C).unwrap();
    ok(&run(toolchain.join("bin/gcc"), &["a.c", "-o", "a"], dir.path()));
    assert_eq!(run(dir.path().join("a"), &[], dir.path()).stdout, b"hello 42\n");
    let told = run(toolchain.join("bin/gcc"), &["-what", "a.c"], dir.path());
    assert!(String::from_utf8_lossy(&told.stderr).starts_with("gcc: error: unrecognized"), "{told:?}");
}

#[test]
fn two_packings_are_one_artifact() {
    let host = Host::new();
    let one = host.path("one");
    let other = host.path("elsewhere/other");
    for dir in [&one, &other] {
        fs::create_dir_all(dir.parent().unwrap()).unwrap();
        ok(&run(HOST, &["pack-toolchain", dir.to_str().unwrap(), "gcc", "--no-sysroot"], host.dir.path()));
    }
    assert_eq!(host.import(&one), host.import(&other));
}

#[test]
fn what_cannot_be_packed_leaves_nothing_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str]| {
        let output = run(HOST, &[&["pack-toolchain", "into"], args].concat(), dir.path());
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&["gcc", "--program", "no-such-program"]);
    assert_eq!(said, "brioche-host: there is no program no-such-program on PATH\n");
    let said = refused(&["gcc", "--wrapper", "/none/brioche-cc"]);
    assert_eq!(said, "brioche-host: there is no program /none/brioche-cc\n");
    assert!(!dir.path().join("into").exists());
    // What rustup has on PATH is no compiler.
    let rustc = dir.path().join("rustup/bin/rustc");
    fs::create_dir_all(rustc.parent().unwrap()).unwrap();
    fs::copy(crate::crates::rustc(), &rustc).unwrap();
    let said = refused(&["gcc", "--no-sysroot", "--program", rustc.to_str().unwrap()]);
    assert!(said.contains("rustc --print sysroot"), "{said}");
    assert!(!dir.path().join("into").exists());
    // Files of two packs would mix.
    fs::create_dir(dir.path().join("into")).unwrap();
    fs::write(dir.path().join("into/file"), "").unwrap();
    let said = refused(&["gcc", "--no-sysroot"]);
    assert!(said.ends_with("/into is not empty\n"), "{said}");
}

#[test]
fn a_packed_rustc_links_programs() {
    let dir = tempfile::tempdir().unwrap();
    let toolchain = packed(dir.path(), &["gcc", "--no-sysroot", "--program", crate::crates::rustc()]);
    fs::write(dir.path().join("a.rs"), "fn main() { println!(\"hello\"); }\n").unwrap();
    ok(&run(toolchain.join("bin/rustc"), &["a.rs"], dir.path()));
    assert_eq!(run(dir.path().join("a"), &[], dir.path()).stdout, b"hello\n");
}
