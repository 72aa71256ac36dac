//! Every kind of crate and of result, bare, cold and warm: the same status, streams and files.

use std::path::PathBuf;

use bakeplan::recipe::digest::BlobDigest;

use super::{line, rustc};
use crate::support::Bench;

const LIBRARY: &str =
    "pub fn twice(n: u32) -> u32 { n * 2 }\npub const TEXT: &str = include_str!(\"t.txt\");\n";
const PROGRAM: &str = "mod part;\nfn main() { println!(\"{}\", part::PART); }\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("lib.rs", LIBRARY);
    bench.write("t.txt", "text");
    bench.write("main.rs", PROGRAM);
    bench.write("part.rs", "pub const PART: u32 = 7;\n#[test] fn it() {}\n");
    bench.write(
        "macros.rs",
        "extern crate proc_macro;\n#[proc_macro] pub fn one(_: proc_macro::TokenStream) -> \
                proc_macro::TokenStream { \"1\".parse().unwrap() }\n",
    );
    bench.write("c.rs", "#[no_mangle] pub extern \"C\" fn answer() -> i32 { 42 }\n");
    std::fs::create_dir(bench.work().join("out")).expect("a directory");
    bench
}

/// Cold like bare, warm like bare, and warm a hit.
#[track_caller]
fn same(bench: &Bench, arguments: &str) {
    assert_eq!(bench.transparent(&line(arguments)), (1, 0), "{arguments}\n{}", bench.log());
}

#[test]
fn every_kind_of_crate() {
    let bench = bench();
    for arguments in [
        "lib.rs --crate-type lib --crate-name a",
        "lib.rs --crate-type rlib --crate-name b -C opt-level=3 -C debuginfo=2",
        "lib.rs --crate-type dylib --crate-name c -C prefer-dynamic",
        "c.rs --crate-type cdylib --crate-name d",
        "c.rs --crate-type staticlib --crate-name e -C panic=abort",
        "c.rs --crate-type cdylib,staticlib,rlib --crate-name f --out-dir out",
        "macros.rs --crate-type proc-macro --crate-name g",
        "main.rs --crate-type bin --crate-name h -g",
        "main.rs --test --crate-name i --out-dir out -C extra-filename=-i",
        "main.rs -o prog -C lto -C strip=symbols",
        "lib.rs --test -o tested",
    ] {
        same(&bench, arguments);
    }
}

#[test]
fn every_set_of_results() {
    let bench = bench();
    for arguments in [
        "lib.rs --crate-type lib --emit=metadata",
        "lib.rs --crate-type lib --emit=dep-info,metadata --out-dir out",
        "lib.rs --crate-type lib --emit=dep-info,metadata,link --out-dir out -C extra-filename=-1 -C metadata=1",
        "main.rs --crate-name m --crate-type bin --emit=dep-info,metadata --out-dir out",
        "lib.rs --crate-type lib --emit=dep-info",
        "lib.rs --crate-type lib --emit=asm,llvm-ir,mir,obj,llvm-bc",
        "lib.rs --crate-type lib --emit=link=out/named.rlib,dep-info=out/named.d",
        "main.rs --crate-name p --crate-type bin -g -C split-debuginfo=packed --out-dir out",
        "lib.rs --crate-type lib -C embed-bitcode=yes -C codegen-units=1 --out-dir out",
        "lib.rs --crate-type lib -C linker-plugin-lto -O --out-dir out",
        "lib.rs --crate-type lib -C instrument-coverage --out-dir out",
        "lib.rs --crate-type lib -C target-cpu=native --out-dir out",
        "lib.rs --crate-type staticlib --print native-static-libs --out-dir out",
    ] {
        same(&bench, arguments);
    }
}

/// The files in a store that hold these bytes as a blob.
fn blobs(bench: &Bench, bytes: &[u8]) -> Vec<PathBuf> {
    let name = BlobDigest::of(bytes).to_hex();
    let stores = ["blobs", "compressed"].map(|kind| bench.store().join("v1").join(kind));
    stores.map(|dir| dir.join(&name[..2]).join(&name)).into_iter().filter(|path| path.exists()).collect()
}

#[test]
fn a_librarys_metadata_is_kept_once() {
    let bench = bench();
    let functions: String =
        (0..300).map(|n| format!("pub fn function_{n}(n: u64) -> u64 {{ n + {n} }}\n")).collect();
    bench.write("large.rs", functions);
    let arguments = "large.rs --crate-type lib --emit=dep-info,metadata,link --out-dir out";
    same(&bench, arguments);
    let (metadata, library) = (bench.read("out/liblarge.rmeta"), bench.read("out/liblarge.rlib"));
    assert!(library.len() > metadata.len());
    assert!(blobs(&bench, &metadata).is_empty());
    let [kept] = blobs(&bench, &library).try_into().expect("the library is kept once");
    // Without one of its results a compile is not served.
    std::fs::write(kept, "damaged").expect("writes");
    bench.remove("out/liblarge.rmeta");
    bench.remove("out/liblarge.rlib");
    bench.misses(&line(arguments));
    bench.hits(&line(arguments));
    assert!(bench.read("out/liblarge.rmeta") == metadata && bench.read("out/liblarge.rlib") == library);
    // Metadata alone is a result of its own.
    let alone = "large.rs --crate-type lib --emit=metadata --out-dir out";
    same(&bench, alone);
    assert_eq!(blobs(&bench, &bench.read("out/liblarge.rmeta")).len(), 1);
}

#[test]
fn what_the_compiler_says_is_said_again() {
    let bench = bench();
    bench.write("warns.rs", "pub fn f() { let unused = 1; }\n");
    for looks in [
        "",
        "--error-format=json",
        "--error-format=short --color=always",
        "--error-format=json --json=diagnostic-rendered-ansi,artifacts,future-incompat --diagnostic-width=60",
    ] {
        let arguments =
            format!("warns.rs --crate-type lib --emit=dep-info,metadata,link --out-dir out {looks}");
        same(&bench, &arguments);
    }
}

/// Cargo starts what needs a file as soon as it is told of it.
#[test]
fn nobody_is_told_of_a_file_that_is_not_there() {
    use std::io::{BufRead, BufReader};
    let bench = bench();
    let arguments = "lib.rs --crate-type lib --crate-name a --emit=dep-info,metadata,link --out-dir out \
                     --error-format=json --json=artifacts -C opt-level=3";
    for run in ["cold", "warm"] {
        let mut command = bench.wrapper(&line(arguments));
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("starts");
        let mut told = 0;
        for said in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
            let said: serde_json::Value = serde_json::from_str(&said.expect("text")).expect("JSON");
            let file = said["artifact"].as_str().expect("a file").to_owned();
            assert!(bench.exists(&file), "{run}: {file} is not there yet");
            told += 1;
        }
        assert!(child.wait().expect("ends").success());
        assert_eq!(told, 3, "{run}");
        for file in ["out/a.d", "out/liba.rmeta", "out/liba.rlib"] {
            bench.remove(file);
        }
    }
    assert_eq!(bench.statistics().hits(), 1);
}

/// rustc refuses to replace a file that nobody may write, even for one who may write everything.
#[test]
fn a_file_that_is_sealed_is_not_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let bench = bench();
    let arguments = "lib.rs --crate-type lib --crate-name a --emit=metadata,link --out-dir out";
    same(&bench, arguments);
    for name in ["out/liba.rmeta", "out/liba.rlib"] {
        let path = bench.work().join(name);
        let written = bench.read(name);
        let seal =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        seal(0o444);
        let [bare, wrapped] = [bench.bare(&line(arguments)), bench.wrapped(&line(arguments))]
            .map(|output| (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
        assert!(bare.1.contains("not writeable"), "{}", bare.1);
        assert_eq!(wrapped, bare, "{}", bench.log());
        assert!(bench.read(name) == written);
        seal(0o644);
    }
}

#[test]
fn what_fails_fails_each_time() {
    let bench = bench();
    bench.write("bad.rs", "pub fn f() -> u32 { \"text\" }\n");
    for arguments in [
        "bad.rs --crate-type lib",
        "lib.rs --crate-type lib --error-format=json --bogus",
        "nothere.rs --crate-type lib --crate-name n",
    ] {
        assert_eq!(bench.transparent(&line(arguments)).0, 0, "{arguments}");
    }
}

#[test]
fn questions_are_passed_on() {
    let bench = bench();
    for arguments in [
        "-vV",
        "--version",
        "--print sysroot",
        "--print cfg",
        "- --crate-name ___ --print=file-names --crate-type bin --crate-type rlib --print=sysroot -Wwarnings",
    ] {
        assert_eq!(bench.transparent(&line(arguments)), (0, 0), "{arguments}");
    }
    assert!(bench.statistics().refused("prints-information") >= 10);
}

#[test]
fn what_is_not_understood_is_the_compilers() {
    let bench = bench();
    let named = bench.work().join("named.rs");
    std::fs::write(named, "#![crate_name = \"other\"]\n#![crate_type = \"lib\"]\n").expect("written");
    for (token, arguments) in [
        ("crate-attributes", "named.rs"),
        ("save-temps", "lib.rs --crate-type lib -C save-temps"),
        ("split-debuginfo", "lib.rs --crate-type lib -g -C split-debuginfo=unpacked"),
        ("missing-source", "nothere.rs --crate-type lib --crate-name n"),
        ("special-file", "/dev/null --crate-type lib --crate-name n"),
    ] {
        bench.refuses(token, &line(arguments));
    }
    assert!(bench.exists("libother.rlib"));
    let rustdoc = rustc().replace("rustc", "rustdoc");
    bench.refuses("rustdoc", &[&rustdoc, "lib.rs", "--crate-type", "lib", "-o", "doc"]);
    assert!(bench.exists("doc/lib/index.html"));
}

/// Called under rustc's name, and by the name alone.
#[test]
fn it_stands_for_rustc_on_the_path() {
    let bench = bench();
    let links = bench.beside("links");
    std::fs::create_dir(&links).expect("a directory");
    std::os::unix::fs::symlink(crate::support::WRAPPER, links.join("rustc")).expect("a link");
    let real = std::path::Path::new(rustc()).parent().expect("a directory");
    let path = format!("{}:{}:/usr/bin:/bin", links.display(), real.display());
    for _ in 0..2 {
        let mut command = bench.command(links.join("rustc"));
        command.env("PATH", &path).args(["lib.rs", "--crate-type", "lib", "--crate-name", "a"]);
        assert!(command.status().expect("runs").success());
    }
    let mut command = bench.wrapper(&["rustc", "lib.rs", "--crate-type", "lib", "--crate-name", "a"]);
    assert!(command.env("PATH", &path).status().expect("runs").success());
    assert_eq!((bench.statistics().hits(), bench.statistics().misses()), (2, 1), "{}", bench.log());
}

/// Two wrappers and clippy's driver in a row, as cargo calls them.
#[test]
fn clippys_driver_is_a_compiler_too() {
    let bench = bench();
    bench.write("warns.rs", "pub fn f(x: bool) -> bool { if x == true { true } else { false } }\n");
    let clippy = rustc().replace("rustc", "clippy-driver");
    let arguments =
        [&clippy, rustc(), "warns.rs", "--crate-type", "lib", "--emit=metadata", "--crate-name", "w"];
    assert_eq!(bench.transparent(&arguments), (1, 0), "{}", bench.log());
    bench.write("clippy.toml", "msrv = \"1.60\"\n");
    bench.misses(&arguments);
    let mut command = bench.wrapper(&arguments);
    let missed = bench.statistics().misses();
    assert!(command.env("CLIPPY_ARGS", "-Wclippy::pedantic").status().expect("runs").success());
    assert_eq!(bench.statistics().misses(), missed + 1);
}
