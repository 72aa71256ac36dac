//! Drivers and parts whose identity cannot be told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bakeplan::toolchain::ToolchainError;

use super::world::{Ask, Counting, Memory, append, copy, executable, installed};

fn refusal(ask: &Ask, variables: &[(&str, &str)]) -> (ToolchainError, usize) {
    let world = Counting::new(Path::new("/"), variables);
    let error = ask.identify(&world, &Memory::default()).unwrap_err();
    assert!(!error.to_string().is_empty());
    (error, world.take().2)
}

/// The token for a driver, which must not have been run.
fn unrun(driver: impl Into<PathBuf>) -> &'static str {
    let (error, runs) = refusal(&Ask::new(driver), &[]);
    assert_eq!(runs, 0, "{error}");
    error.token()
}

#[test]
fn no_file_or_no_program() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    assert_eq!(unrun(at("missing")), "compiler-missing");
    symlink("nowhere", at("dangling")).unwrap();
    assert_eq!(unrun(at("dangling")), "compiler-missing");
    assert_eq!(unrun(directory.path()), "compiler-not-a-file");
    assert_eq!(unrun("/dev/null"), "compiler-not-a-file");
    executable(&at("gcc"), b"#!/bin/sh\nexec /usr/bin/gcc \"$@\"\n");
    assert_eq!(unrun(at("gcc")), "compiler-script");
    executable(&at("empty"), b"");
    assert_eq!(unrun(at("empty")), "compiler-script");
    executable(&at("cut"), b"\x7fELF\x02\x01\x01");
    assert_eq!(unrun(at("cut")), "compiler-script");
}

#[test]
fn caches() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for cache in ["ccache", "sccache-0.8", "distcc", "brioche-cc"] {
        copy("/usr/bin/env", &at(cache));
        let link = at("gcc");
        let _ = fs::remove_file(&link);
        symlink(cache, &link).unwrap();
        assert_eq!(unrun(&link), "compiler-is-a-cache", "{cache}");
    }
    #[allow(clippy::disallowed_methods, reason = "a test stands outside of the library")]
    let ourselves = std::env::current_exe().unwrap();
    let link = at("cc");
    symlink(ourselves, &link).unwrap();
    assert_eq!(unrun(&link), "compiler-is-a-cache");
    // Brioche's layout: the wrapper is a copy under the compiler's name.
    copy("/usr/bin/env", &at("t/bin/gcc"));
    fs::create_dir_all(at("t/libexec/brioche-cc")).unwrap();
    fs::write(at("t/libexec/brioche-cc/gcc"), "").unwrap();
    assert_eq!(unrun(at("t/bin/gcc")), "compiler-is-a-cache");
}

#[test]
fn other_programs() {
    let token = |driver: &str| refusal(&Ask::new(driver), &[]).0.token();
    assert_eq!(token("/usr/bin/strace"), "compiler-unknown");
    // It mentions the Free Software Foundation, but answers nothing else.
    assert_eq!(token("/usr/bin/env"), "compiler-probe");
}

#[test]
fn a_script_among_the_parts() {
    let directory = tempfile::tempdir().unwrap();
    executable(&directory.path().join("as"), b"#!/bin/sh\nexec /usr/bin/as \"$@\"\n");
    for driver in installed(&["gcc", "clang-14"]) {
        let ask = Ask::new(driver).option(format!("-B{}", directory.path().display()));
        let (error, _) = refusal(&ask.option("-fno-integrated-as"), &[]);
        let ToolchainError::NotABinary { name, path } = error else { panic!("{error}") };
        assert_eq!((name.as_str(), path), ("as", directory.path().join("as")));
    }
}

#[test]
fn a_launcher_with_the_real_program_packed_into_it() {
    let directory = tempfile::tempdir().unwrap();
    let (source, program) = (directory.path().join("a.c"), directory.path().join("as"));
    fs::write(&source, "void _start(void) { for (;;); }\n").unwrap();
    let status = std::process::Command::new("/usr/bin/gcc")
        .args(["-static", "-nostdlib", "-o"])
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(status.success());
    let ask = Ask::new("/usr/bin/gcc").option(format!("-B{}", directory.path().display()));
    let world = Counting::new(Path::new("/"), &[]);
    let plain = ask.identify(&world, &Memory::default()).unwrap();
    assert!(plain.parts.iter().any(|part| part.path == program), "a static program is a part like others");
    assert!(!plain.parts.iter().any(|part| part.name.starts_with("as:")), "without libraries");
    append(&program, b"brioche_pack_v0                 ");
    assert_eq!(refusal(&ask, &[]).0.token(), "compiler-packed");
}

#[test]
fn a_part_that_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().to_str().unwrap();
    let (error, _) = refusal(&Ask::new("/usr/bin/gcc"), &[("PATH", path)]);
    assert_eq!(
        (error.token(), error.to_string().as_str()),
        ("compiler-part-missing", "the compiler has no as")
    );
}

#[test]
fn options_that_the_driver_refuses() {
    for driver in installed(&["gcc", "clang-14"]) {
        let ask = Ask::new(driver).option("-specs=/no/such/file").option("--config").option("/no/such/file");
        assert_eq!(refusal(&ask, &[]).0.token(), "compiler-probe");
    }
}
