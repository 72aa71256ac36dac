//! What bad input gets: the real compiler's own behaviour, and one line in the log.

use std::os::unix::fs::PermissionsExt;

use crate::support::Bench;

/// Whatever the store is like, the compile happens, as without the wrapper.
#[track_caller]
fn compiles(bench: &Bench) {
    let args = ["gcc", "-Wall", "-c", "a.c"];
    bench.write("a.c", "int f(void) { int unused; return 1; }\n");
    let bare = bench.bare(&args);
    let expected = bench.read("a.o");
    for _ in 0..2 {
        bench.remove("a.o");
        let output = bench.wrapped(&args);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&bare.stderr));
        assert!(bench.read("a.o") == expected);
    }
}

#[test]
fn a_store_that_is_a_file() {
    let bench = Bench::new();
    std::fs::write(bench.store(), "not a directory").expect("a file");
    compiles(&bench);
    assert!(bench.log().lines().count() >= 1, "the log says nothing");
    assert_eq!(std::fs::read(bench.store()).expect("still there"), b"not a directory");
}

#[test]
fn a_store_that_cannot_be_written() {
    let bench = Bench::new();
    let status =
        bench.wrapper(&["gcc", "-Wall", "-c", "a.c"]).env("BRIOCHE_CC_DIR", "/proc/nowhere").status();
    bench.write("a.c", "int x;\n");
    assert_eq!(status.expect("it runs").code(), Some(1), "there is no source yet");
    let status = bench.wrapper(&["gcc", "-c", "a.c"]).env("BRIOCHE_CC_DIR", "/proc/nowhere").status();
    assert!(status.expect("it runs").success() && bench.exists("a.o"));
}

#[test]
fn a_store_that_is_only_read() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.misses(&["gcc", "-c", "a.c"]);
    let listing = || bench.command("find").arg(bench.store()).args(["-printf", "%P %s %T@\n"]).output();
    let before = listing().expect("find").stdout;
    for source in ["int x;\n", "int y;\n"] {
        bench.write("a.c", source);
        let status = bench.wrapper(&["gcc", "-c", "a.c"]).env("BRIOCHE_CC_READONLY", "1").status();
        assert!(status.expect("it runs").success());
    }
    assert_eq!(listing().expect("find").stdout, before);
}

#[test]
fn every_file_of_the_store_flipped() {
    let bench = Bench::new();
    compiles(&bench);
    let files = bench.command("find").arg(bench.store()).args(["-type", "f", "-size", "+0"]).output();
    let files = String::from_utf8(files.expect("find").stdout).expect("names");
    assert!(files.lines().count() >= 3, "{files}");
    for file in files.lines() {
        let Ok(mut bytes) = std::fs::read(file) else { continue };
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        std::fs::write(file, bytes).expect("flipped");
        compiles(&bench);
    }
}

#[test]
fn a_full_disk() {
    let bench = Bench::new();
    std::fs::create_dir(bench.store()).expect("a directory");
    let mounted =
        bench.command("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(bench.store()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("no file system could be mounted: not tested");
        return;
    }
    std::fs::write(bench.store().join("fill"), vec![0; 60 * 1024]).expect("filled");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| compiles(&bench)));
    assert!(bench.command("umount").arg(bench.store()).status().expect("umount").success());
    result.expect("the compile happens on a full disk");
}

#[test]
fn broken_command_lines_get_the_compilers_own_answer() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.write("b.c", "int y;\n");
    bench.write("garbage.rsp", [0xff, 0, b'"', b'\\', b'\'', b'\n', 7].as_slice());
    for args in [
        &["gcc", "-c"][..],
        &["gcc", "-c", "a.c", "-o"],
        &["gcc", "-c", "a.c", "-MF"],
        &["gcc", "-MD", "-c", "a.c", "-MF"],
        &["gcc", "-c", "a.c", "b.c", "-o", "x.o"],
        &["gcc", "-c", "missing.c"],
        &["gcc", "-fno-such-option", "-c", "a.c"],
        &["gcc", "-x", "nonsense", "-c", "a.c"],
        &["gcc", "-c", "@garbage.rsp", "a.c"],
        &["gcc", "-c", "@missing.rsp", "a.c"],
        &["gcc", "-c", "a.c", "-o", "no/such/directory/a.o"],
        &["gcc"],
        &["gcc", "--version"],
        &["gcc", "-dumpmachine"],
        &["gcc", "-E", "a.c"],
        &["gcc", "-M", "a.c"],
        &["gcc", "-fsyntax-only", "a.c"],
        &["gcc", "-dumpspecs"],
        &["clang-14", "-c", "a.c", "-o", "no/such/directory/a.o"],
        &["clang-14", "-fno-such-option", "-c", "a.c"],
        &["clang-14", "-c", "--", "a.c"],
    ] {
        bench.transparent(args);
    }
    assert!(!bench.exists("no"));
}

#[test]
fn a_compiler_that_is_not_there() {
    let bench = Bench::new();
    for name in ["gcc-99", "no-such-program", "./nothing"] {
        let output = bench.wrapped(&[name, "-c", "a.c"]);
        assert_eq!(output.status.code(), Some(127));
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    }
}

#[test]
fn another_program_is_just_run() {
    let bench = Bench::new();
    let output = bench.wrapped(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(
        (output.status.code(), output.stdout, output.stderr),
        (Some(7), b"out\n".to_vec(), b"err\n".to_vec())
    );
}

#[test]
fn devices_stay_devices() {
    use std::os::unix::fs::FileTypeExt;
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    for args in [
        &["gcc", "-c", "a.c", "-o", "/dev/null"][..],
        &["gcc", "-MD", "-MF", "/dev/null", "-c", "a.c"],
        &["gcc", "-S", "a.c", "-o", "/dev/null"],
        &["gcc", "-c", "-x", "c", "/dev/null", "-o", "a.o"],
    ] {
        for _ in 0..2 {
            bench.ok(args);
        }
    }
    let null = std::fs::metadata("/dev/null").expect("/dev/null");
    assert!(null.file_type().is_char_device());
}

#[test]
fn an_output_that_is_something_special_is_left_to_the_compiler() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.misses(&["gcc", "-c", "a.c"]);
    let expected = bench.read("a.o");
    bench.remove("a.o");

    // A link: the assembler replaces it or writes through it, as it sees fit.
    bench.write("target", "something");
    std::os::unix::fs::symlink("target", bench.work().join("a.o")).expect("a link");
    bench.ok(&["gcc", "-c", "a.c"]);
    let ours = (
        bench.read("target"),
        std::fs::symlink_metadata(bench.work().join("a.o")).expect("a.o").is_symlink(),
    );
    bench.remove("a.o");
    bench.write("target", "something");
    std::os::unix::fs::symlink("target", bench.work().join("a.o")).expect("a link");
    bench.bare(&["gcc", "-c", "a.c"]);
    let bare = (
        bench.read("target"),
        std::fs::symlink_metadata(bench.work().join("a.o")).expect("a.o").is_symlink(),
    );
    assert!(ours == bare);

    // A hard link: the other name keeps the old bytes.
    bench.remove("a.o");
    bench.write("other", "old bytes");
    std::fs::hard_link(bench.work().join("other"), bench.work().join("a.o")).expect("a hard link");
    bench.hits(&["gcc", "-c", "a.c"]);
    assert!(bench.read("other") == b"old bytes" && bench.read("a.o") == expected);

    // An empty file is written in place, with the mode that it has.
    bench.write("a.o", "");
    let path = bench.work().join("a.o");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    bench.hits(&["gcc", "-c", "a.c"]);
    assert_eq!(std::fs::metadata(&path).expect("a.o").permissions().mode() & 0o777, 0o600);
}

#[test]
fn verifying_finds_a_result_that_is_not_the_compilers() {
    let bench = Bench::new();
    bench.write("a.c", "int x = 1;\n");
    let args = ["gcc", "-c", "a.c"];
    bench.misses(&args);
    let verified = || {
        let status = bench.wrapper(&args).env("BRIOCHE_CC_VERIFY", "1").status().expect("it runs");
        assert!(status.success());
        bench.statistics().number("differences")
    };
    assert_eq!(verified(), 0);
    assert!(bench.log().contains("compared with the stored result: the same"), "{}", bench.log());

    // A compile that is not deterministic: gcc's LTO bytecode holds a random seed.
    let seeded = ["gcc", "-flto", "-c", "a.c"];
    bench.misses(&seeded);
    let object = bench.read("a.o");
    let status = bench.wrapper(&seeded).env("BRIOCHE_CC_VERIFY", "1").status().expect("it runs");
    assert!(status.success() && bench.read("a.o") != object);
    assert_eq!(bench.statistics().number("differences"), 1, "{}", bench.log());
}
