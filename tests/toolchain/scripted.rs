//! Compilers that are not here, as a script of what they answer.

use std::os::unix::ffi::OsStrExt;

use bakeplan::argparse::{Family, Version};
use bakeplan::world::{Command, Exit, ScriptedWorld};

use super::world::{Ask, Memory, libraries, programs};

/// A 64-bit little-endian ELF program that asks for this loader; a static one when there is none.
fn elf(loader: &str, rest: &str) -> Vec<u8> {
    let count: u16 = (!loader.is_empty()).into();
    let size = loader.len() as u64 + 1;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend([3, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0_u64, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for half in [64, 56, count, 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    if count > 0 {
        bytes.extend([3, 0, 0, 0, 4, 0, 0, 0]);
        for word in [64 + 56_u64, 0, 0, size, size, 1] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(loader.as_bytes());
        bytes.push(0);
    }
    bytes.extend(rest.as_bytes());
    bytes
}

const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

/// What a program answers: lines for its standard output.
fn says(
    answer: impl Fn(&str) -> String + Sync + 'static,
) -> impl Fn(&Command) -> (Exit, Vec<u8>, Vec<u8>) + Sync {
    move |command| {
        let words: Vec<_> = command.args.iter().map(|a| String::from_utf8_lossy(a.as_bytes())).collect();
        (Exit::Code(0), answer(&words.join(" ")).into_bytes(), Vec::new())
    }
}

/// A gcc of musl's world at `/t`, whose loader says this.
fn gcc(listed: &'static str, version: &'static str) -> ScriptedWorld {
    let answer = move |question: &str| match question {
        "--version" => {
            "gcc (Alpine 13.2.1) 13.2.1\nCopyright (C) 2023 Free Software Foundation, Inc.\n".into()
        }
        "-dumpfullversion -dumpversion" => format!("{version}\n"),
        "-print-search-dirs" => "install: /t/lib/\nprograms: =/t/lib/\nlibraries: =/t/lib/\n".into(),
        "-dumpmachine" => "x86_64-alpine-linux-musl\n".into(),
        "-print-file-name=specs" => "specs\n".into(),
        "-print-prog-name=cc1" => "/t/lib/cc1\n".into(),
        "-print-prog-name=as" => "/t/bin/as\n".into(),
        other => panic!("not expected: {other}"),
    };
    ScriptedWorld::new("/")
        .file("/t/bin/gcc", elf(MUSL, "driver"), 0)
        .file("/t/lib/cc1", elf("", "cc1"), 0)
        .file("/t/bin/as", elf("", "as"), 0)
        .file(MUSL, elf("", "loader"), 0)
        .file("/t/lib/libz.so.1", elf("", "libz"), 0)
        .program("/t/bin/gcc", says(answer))
        .program(MUSL, says(move |_| listed.into()))
}

#[test]
fn a_gcc_under_musl_and_its_pinned_digest() {
    let world = gcc(
        "\t/lib/ld-musl-x86_64.so.1 (0x7f0)\n\tlibz.so.1 => /t/lib/libz.so.1 (0x7f1)\n\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f0)\n",
        "13.2.1",
    );
    let found = Ask::new("/t/bin/gcc").identify(&world, &Memory::default()).unwrap();
    assert_eq!(programs(&found), ["driver", "cc1", "as"]);
    assert_eq!(libraries(&found, "driver"), ["ld-musl-x86_64.so.1", "libz.so.1", "libc.musl-x86_64.so.1"]);
    assert_eq!(found.compiler.version, Version(13, 2));
    // A change of this is a change of every local key.
    assert_eq!(found.digest.to_hex(), "a282846badd72a69915b4fb682012835b8c9f37bcfe50ee4816ab410d102ee4b");
}

#[test]
fn a_library_that_is_not_found() {
    let world = gcc("\tlibmpc.so.3 => not found\n", "13.2.1");
    let error = Ask::new("/t/bin/gcc").identify(&world, &Memory::default()).unwrap_err();
    assert_eq!(error.token(), "compiler-library-missing");
    assert_eq!(error.to_string(), "/t/bin/gcc needs libmpc.so.3, which is not found");
}

#[test]
fn what_is_listed_and_is_no_file() {
    let world = gcc("\tlinux-vdso.so.1 (0x7ffd)\n\tstatically linked\n\n", "13");
    let found = Ask::new("/t/bin/gcc").identify(&world, &Memory::default()).unwrap();
    assert!(libraries(&found, "driver").is_empty());
    assert_eq!(found.compiler.version, Version(13, 0));
}

#[test]
fn versions_of_clang() {
    for (banner, version) in [
        ("Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n", Version(14, 0)),
        ("Ubuntu clang version 18.1.3 (1ubuntu1)\n", Version(18, 1)),
        ("clang version 22.0.0git (https://github.com/llvm/llvm-project.git 0123456)\n", Version(22, 0)),
        ("Apple clang version 15.0.0 (clang-1500.3.9.4)\n", Version(15, 0)),
        ("clang version unknown\n", Version(0, 0)),
    ] {
        let answer = move |question: &str| match question {
            "--version" => banner.to_owned(),
            "-print-resource-dir" => "/t/lib/clang\n".to_owned(),
            _ => String::new(),
        };
        let world = ScriptedWorld::new("/")
            .file("/t/bin/clang", elf("", "clang"), 0)
            .file("/t/lib/clang/share/asan_ignorelist.txt", "fun:*\n", 0)
            .program("/t/bin/clang", says(answer));
        let found = Ask::new("/t/bin/clang").identify(&world, &Memory::default()).unwrap();
        assert_eq!((found.compiler.family, found.compiler.version), (Family::Clang, version));
        assert_eq!(programs(&found), ["driver", "asan_ignorelist.txt"]);
    }
}

#[test]
fn a_clang_that_leaves_the_work_to_gcc() {
    let world = ScriptedWorld::new("/").file("/t/bin/clang", elf("", "clang"), 0).program(
        "/t/bin/clang",
        |command: &Command| {
            let plan = b" \"/usr/bin/msp430-gcc\" \"-c\" \"a b.s\"\n".to_vec();
            match command.args.first().and_then(|a| a.to_str()) {
                Some("--version") => (Exit::Code(0), b"clang version 14.0.6\n".to_vec(), Vec::new()),
                _ => (Exit::Code(0), Vec::new(), plan),
            }
        },
    );
    let error = Ask::new("/t/bin/clang").identify(&world, &Memory::default()).unwrap_err();
    assert_eq!(error.token(), "compiler-delegates");
}

#[test]
fn a_damaged_program_is_told_apart_or_refused() {
    let whole = elf(MUSL, "driver");
    let look = |bytes: Vec<u8>| {
        let world = gcc("\t/lib/ld-musl-x86_64.so.1 (0x7f0)\n", "13").file("/t/bin/gcc", bytes, 0);
        Ask::new("/t/bin/gcc").identify(&world, &Memory::default())
    };
    let first = look(whole.clone()).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            assert!(look(damaged).map_or(true, |found| found.digest != first.digest));
        }
        let cut = look(whole[..at].to_vec());
        assert!(cut.map_or(true, |found| found.digest != first.digest));
    }
}
