//! Crates in the sandbox: a packed rustc, and the wrapper before it in an outer process.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::sandbox;
use crate::crates::rustc;
use crate::support::WRAPPER;

const HOST: &str = env!("CARGO_BIN_EXE_brioche-host");

/// Compiles two crates, one with the other, and tells what was decided.
const BUILD: &str = r#"
set -e
export BRIOCHE_CC_LOG="$HOME/work/log"
for rustc in "$HOME"/.local/share/brioche/locals/*/bin/rustc; do :; done
cc() { "${rustc%/*}/brioche-cc" "$rustc" --emit=dep-info,metadata,link -C debuginfo=2 "$@"; }
compile() { cc --crate-type lib "$@"; }
link() { cc -C linker="${rustc%/*}/gcc" -C link-arg=--sysroot="${rustc%/*/*}/sysroot" --edition=2021 "$@"; }
link --crate-type proc-macro --crate-name macros src/macros.rs
compile --crate-name base "$HOME/work/src/base.rs"
compile --crate-name top src/top.rs --edition=2021 --extern base=libbase.rmeta -L dependency="$HOME/work"
compile --crate-name user src/user.rs --edition=2021 --extern macros=libmacros.so --cap-lints allow
compile --crate-name sys src/sys.rs --edition=2021 -L native="$HOME/work/empty" -L native=native -l static=number
link --crate-type bin --crate-name main src/main.rs --extern user=libuser.rlib --extern sys=libsys.rlib -L dependency=. -L native=native
"${rustc%/*}/brioche-cc" "${rustc%/*}/clippy-driver" "$rustc" --emit=dep-info,metadata --crate-type lib --crate-name linted src/top.rs --edition=2021 --extern base=libbase.rmeta
for loader in "${rustc%/*/*}"/libexec/packed/ld-linux*; do :; done
echo "says: $("$loader" --library-path "${loader%/*}/lib" ./main)"
while read -r line; do echo "$line"; done <log
while read -r line; do echo "$line"; done <base.d
"#;

const MACROS: &str = "extern crate proc_macro;\n#[proc_macro] pub fn told(_: proc_macro::TokenStream) -> \
                      proc_macro::TokenStream { format!(\"{:?}\", std::fs::read_to_string(\"told\").unwrap())\
                      .parse().unwrap() }\n";

fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_packed_rustc_bakes_crates_for_every_home() {
    let dir = tempfile::tempdir().unwrap();
    sandbox(dir.path());
    let host = |args: &[&str]| {
        let mut command = Command::new(HOST);
        command.current_dir(dir.path()).args(["--store", "store"]).args(args);
        command
    };
    let clippy = rustc().replace("rustc", "clippy-driver");
    let pack =
        ["pack-toolchain", "packed", "gcc", "--program", rustc(), "--program", &clippy, "--program", WRAPPER];
    ok(&mut host(&pack));
    let sysroot = ok(Command::new(dir.path().join("packed/bin/rustc")).args(["--print", "sysroot"]));
    assert_eq!(Path::new(sysroot.trim()), dir.path().join("packed/libexec/packed"));
    fs::create_dir_all(dir.path().join("work/src")).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join("work").join(name), text).unwrap();
    write("build.sh", BUILD);
    write(
        "src/base.rs",
        "mod part;\npub use part::part;\npub const MOTTO: &str = include_str!(\"motto\");\n",
    );
    write("src/part.rs", "pub fn part<T: std::fmt::Debug>(x: T) -> String { format!(\"{x:?}\") }\n");
    write("src/motto", "a motto");
    write("src/top.rs", "pub fn top() -> String { base::part(base::MOTTO) }\n");
    write("src/macros.rs", MACROS);
    write("src/user.rs", "pub fn user() -> &'static str { macros::told!() }\n");
    write("src/main.rs", "fn main() { print!(\"{} {}\", user::user(), sys::told()) }\n");
    write(
        "src/sys.rs",
        "extern \"C\" { fn number() -> u32; }\npub fn told() -> u32 { unsafe { number() } }\n",
    );
    let archive = |number: u32| {
        write("number.c", &format!("unsigned number(void) {{ return {number}; }}\n"));
        let native = dir.path().join("work/native");
        fs::create_dir_all(&native).unwrap();
        let c = ["-fPIC", "-c", "../number.c", "-o", "../../number.o"];
        ok(Command::new("cc").args(c).current_dir(&native));
        ok(Command::new("ar").args(["crsD", "libnumber.a", "../../number.o"]).current_dir(&native));
    };
    archive(42);
    write("told", "what a macro tells");
    let build = |env: &str| {
        let said = ok(&mut host(&[
            "run",
            "--sandbox",
            "--work",
            "work",
            "--input",
            "packed",
            "--env",
            env,
            "--",
            "/bin/sh",
            "build.sh",
        ]));
        let home = said.find("/home/brioche-runner-").map(|at| said[at..at + 60].to_owned()).unwrap();
        (said.matches("spawned: baked").count(), said.matches("spawned: hit").count(), home, said)
    };
    let (baked, hits, one, said) = build("A=1");
    assert_eq!((baked, hits), (7, 0), "{said}");
    assert!(said.contains("says: what a macro tells 42"), "{said}");
    assert!(said.contains("libbase.rlib: /home/brioche-runner-"), "{said}");
    let (baked, hits, two, said) = build("A=2");
    assert_eq!((baked, hits), (0, 7), "{said}");
    assert_ne!(one, two, "another home");
    assert!(!said.contains(&one), "{said}");
    write("src/motto", "another motto");
    let (baked, hits, _, said) = build("A=1");
    assert_eq!((baked, hits), (3, 4), "{said}");
    write("src/top.rs", "pub fn top() -> String { base::part(7) }\n");
    write("told", "something else");
    let (baked, hits, _, said) = build("A=1");
    assert_eq!((baked, hits), (4, 3), "{said}");
    assert!(said.contains("says: something else 42"), "{said}");
    archive(43);
    let (baked, hits, _, said) = build("A=2");
    assert_eq!((baked, hits), (2, 5), "{said}");
    assert!(said.contains("says: something else 43"), "{said}");
}
