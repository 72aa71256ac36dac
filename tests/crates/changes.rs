//! What a crate depends on, each by two sides: what must hit, and what must miss.

use super::{line, rustc};
use crate::support::Bench;

/// A library with everything that a crate can depend on, and what it depends on.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("other.rs", "pub fn other() -> u32 { 1 }\n");
    bench.ok(&line(
        "other.rs --crate-type lib --crate-name other --out-dir deps -C extra-filename=-0123456789abcdef",
    ));
    bench.write(
        "src/lib.rs",
        "mod part;\npub const TEXT: &str = include_str!(\"text.txt\");\npub const BYTES: &[u8] = \
         include_bytes!(\"text.txt\");\n#[path = \"odd.rs\"] mod odd;\npub const SET: &str = env!(\"SET\");\n\
         pub const MAYBE: Option<&str> = option_env!(\"MAYBE\");\ninclude!(concat!(env!(\"OUT_DIR\"), \
         \"/made.rs\"));\npub fn all() -> u32 { other::other() + part::PART + odd::ODD + MADE }\n",
    );
    bench.write("src/part.rs", "pub const PART: u32 = 1;\n");
    bench.write("src/odd.rs", "pub const ODD: u32 = 1;\n");
    bench.write("src/text.txt", "text");
    bench.write("made/made.rs", "pub const MADE: u32 = 1;\n");
    bench
}

const ARGUMENTS: &str = "src/lib.rs --crate-type lib --crate-name a --edition=2021 --emit=dep-info,metadata,link \
    --out-dir out -L dependency=deps --extern other=deps/libother-0123456789abcdef.rlib --cap-lints allow \
    --check-cfg cfg(one)";

/// Runs it with these variables beside those that it needs; whether it hit.
fn hit_with(bench: &Bench, arguments: &str, variables: &[(&str, &str)]) -> bool {
    let before = bench.statistics();
    let mut command = bench.wrapper(&line(arguments));
    command.env("SET", "1").env("OUT_DIR", bench.work().join("made")).envs(variables.iter().copied());
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let after = bench.statistics();
    let counted = (after.hits() - before.hits(), after.misses() - before.misses());
    assert!(matches!(counted, (1, 0) | (0, 1)), "{counted:?}\n{}", bench.log());
    counted == (1, 0)
}

#[test]
fn each_file_that_is_read_counts() {
    let bench = bench();
    std::fs::create_dir(bench.work().join("out")).expect("a directory");
    let hit = || hit_with(&bench, ARGUMENTS, &[]);
    assert!(!hit());
    assert!(hit());
    for (name, text) in [
        ("src/part.rs", "pub const PART: u32 = 2;\n"),
        ("src/odd.rs", "pub const ODD: u32 = 2;\n"),
        ("src/text.txt", "tex2"),
        ("made/made.rs", "pub const MADE: u32 = 2;\n"),
    ] {
        let old = bench.read(name);
        bench.write(name, text);
        assert!(!hit(), "{name} has changed");
        assert!(hit(), "{name} is the same");
        bench.write(name, old);
        assert!(hit(), "{name} is as it was");
    }
    // A file that nobody read, in a directory that was listed.
    bench.write("deps/libthird-0123456789abcdef.rlib", "nobody reads this");
    assert!(hit());
    bench.write("other.rs", "pub fn other() -> u32 { 2 }\n");
    bench.ok(&line(
        "other.rs --crate-type lib --crate-name other --out-dir deps -C extra-filename=-0123456789abcdef",
    ));
    assert!(!hit(), "another crate has changed");
    // A module at its other place is an error of the compiler's, and no hit.
    bench.write("src/part/mod.rs", "pub const PART: u32 = 3;\n");
    let output = bench
        .wrapper(&line(ARGUMENTS))
        .env("SET", "1")
        .env("OUT_DIR", bench.work().join("made"))
        .output()
        .expect("runs");
    assert!(!output.status.success(), "two files for one module");
}

#[test]
fn each_variable_that_is_asked_for_counts() {
    let bench = bench();
    std::fs::create_dir(bench.work().join("out")).expect("a directory");
    let hit = |variables: &[(&str, &str)]| hit_with(&bench, ARGUMENTS, variables);
    assert!(!hit(&[]));
    // Nobody asked for these.
    for variable in [
        ("CARGO_MAKEFLAGS", "-j --jobserver-fds=98,99 --jobserver-auth=98,99"),
        ("CARGO_ENCODED_RUSTFLAGS", "-Copt-level=2"),
        ("CARGO_REGISTRY_TOKEN", "secret"),
        ("CARGO_BUILD_JOBS", "3"),
        ("CARGO_PKG_VERSION", "1.2.3"),
        ("TMPDIR", "/var/tmp"),
        ("RUST_BACKTRACE", "1"),
        ("ELSE", "1"),
    ] {
        assert!(hit(&[variable]), "{variable:?}");
    }
    // The source asked for these, one of them in vain.
    assert!(!hit(&[("SET", "2")]));
    assert!(!hit(&[("MAYBE", "1")]));
    assert!(!hit(&[("MAYBE", "")]));
    assert!(hit(&[]));
    // A variable that decides nothing, until a source asks for it.
    bench.write(
        "src/odd.rs",
        "pub const ODD: u32 = 1; pub const T: Option<&str> = option_env!(\"TMPDIR\");\n",
    );
    assert!(!hit(&[]));
    assert!(hit(&[]));
    assert!(!hit(&[("TMPDIR", "/var/tmp")]));
}

#[test]
fn each_option_counts_but_those_that_only_change_looks() {
    let bench = bench();
    for directory in ["out", "elsewhere"] {
        std::fs::create_dir(bench.work().join(directory)).expect("a directory");
    }
    let hit = |arguments: &str| hit_with(&bench, arguments, &[]);
    assert!(!hit(ARGUMENTS));
    for same in ["--color=never", "--diagnostic-width=60", "-v"] {
        assert!(hit(&format!("{ARGUMENTS} {same}")), "{same}");
    }
    assert!(hit(&ARGUMENTS.replace("cfg(one)", "cfg(one,two)")));
    for other in [
        "-C opt-level=1",
        "-C debuginfo=1",
        "-C metadata=x",
        "-C codegen-units=2",
        "-C panic=abort",
        "--cfg one",
        "-C overflow-checks=on",
        "-C embed-bitcode=yes",
        "-C target-cpu=native",
        "-C target-feature=+sse3",
        "--json=artifacts --error-format=json",
        "-C symbol-mangling-version=v0",
        "--remap-path-prefix=/a=/b",
        "-C link-arg=-s",
    ] {
        assert!(!hit(&format!("{ARGUMENTS} {other}")), "{other}");
        assert!(hit(&format!("{ARGUMENTS} {other}")), "{other}, again");
    }
    assert!(!hit(&ARGUMENTS.replace("2021", "2018")));
    assert!(!hit(&ARGUMENTS.replace("dep-info,metadata,link", "dep-info,metadata")));
    // Where lints speak, what they expect counts.
    let loud = ARGUMENTS.replace("--cap-lints allow", "");
    assert!(!hit(&loud));
    assert!(!hit(&loud.replace("cfg(one)", "cfg(one,two)")));
}

#[test]
fn native_libraries_and_the_files_of_arguments_count() {
    let bench = Bench::new();
    bench.write("add.c", "int add(int a, int b) { return a + b; }\n");
    bench.write(
        "main.rs",
        "extern \"C\" { fn add(a: i32, b: i32) -> i32; }\nfn main() { unsafe { println!(\"{}\", \
                add(1, 2)) } }\n",
    );
    let archive = || {
        for command in [&["cc", "-c", "add.c"][..], &["ar", "crsD", "libadd.a", "add.o"]] {
            assert!(bench.bare(command).status.success());
        }
    };
    archive();
    let arguments = line("main.rs -L native=. -l static=add --crate-name p --crate-type bin");
    bench.misses(&arguments);
    bench.hits(&arguments);
    bench.write("add.c", "int add(int a, int b) { return a - b; }\n");
    archive();
    bench.misses(&arguments);
    assert_eq!(bench.bare(&["./p"]).stdout, b"-1\n");
    bench.hits(&arguments);
    // The linker reads a file of arguments.
    bench.write("flags", "-Wl,--build-id=0x01\n");
    let arguments =
        line("main.rs -L native=. -l static=add --crate-name p --crate-type bin -C link-arg=@flags");
    bench.misses(&arguments);
    bench.hits(&arguments);
    bench.write("flags", "-Wl,--build-id=0x02\n");
    bench.misses(&arguments);
    // So does rustc.
    bench.write("args", "--cfg\none\n");
    let arguments = line("main.rs -L native=. -l static=add --crate-name p --crate-type bin @args");
    bench.misses(&arguments);
    bench.hits(&arguments);
    bench.write("args", "--cfg\ntwo\n");
    bench.misses(&arguments);
}

/// The linker is told by its content, and where it is found.
#[test]
fn another_linker_counts() {
    let bench = Bench::new();
    bench.write("main.rs", "fn main() {}\n");
    let tools = bench.beside("tools");
    std::fs::create_dir(&tools).expect("a directory");
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let arguments = line("main.rs --crate-name p --crate-type bin");
    let hit = || {
        let before = bench.statistics();
        assert!(bench.wrapper(&arguments).env("PATH", &path).status().expect("runs").success());
        bench.statistics().hits() - before.hits() == 1
    };
    assert!(!hit());
    assert!(hit());
    // Another one, found earlier: a small program that runs the same.
    let wrap = |version: &str| {
        let main = "int main(int n, char **v) { v[0] = \"/usr/bin/cc\"; return execv(v[0], v); }";
        let text = format!("#include <unistd.h>\n{main}\nconst char version[] = \"{version}\";\n");
        bench.write("cc.c", text);
    };
    wrap("1");
    let install = || {
        let place = tools.join("cc").display().to_string();
        assert!(bench.bare(&["cc", "cc.c", "-o", &place]).status.success());
    };
    install();
    assert!(!hit(), "{}", bench.log());
    assert!(hit(), "{}", bench.log());
    wrap("2");
    install();
    assert!(!hit(), "upgraded");
    std::fs::remove_file(tools.join("cc")).expect("removed");
    assert!(hit());
}

/// A crate that is searched for by its name: another one of the name would be taken, or be in the way.
#[test]
fn crates_by_name_count_by_the_names_there_are() {
    let bench = Bench::new();
    bench.write("other.rs", "pub fn other() -> u32 { 1 }\n");
    bench.ok(&line("other.rs --crate-type lib --crate-name other --out-dir deps -C extra-filename=-1"));
    bench.write("main.rs", "extern crate other; fn main() { other::other(); }\n");
    let arguments = line("main.rs --crate-name p --crate-type bin -L deps");
    bench.misses(&arguments);
    bench.hits(&arguments);
    bench.write("deps/unrelated.txt", "");
    bench.hits(&arguments);
    bench.ok(&line(
        "other.rs --crate-type lib --crate-name other --out-dir deps -C extra-filename=-2 -C metadata=2",
    ));
    let output = bench.wrapped(&arguments);
    assert!(!output.status.success(), "two crates of one name");
}

/// What was in a result's place is nobody's input, and is not written through.
#[test]
fn a_result_takes_the_place_of_another() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new();
    bench.write("lib.rs", "pub fn f() {}\n");
    let arguments = line("lib.rs --crate-type lib --crate-name a");
    bench.misses(&arguments);
    std::fs::hard_link(bench.work().join("liba.rlib"), bench.work().join("linked")).expect("a link");
    let first = bench.read("liba.rlib");
    bench.write("lib.rs", "pub fn g() {}\n");
    bench.misses(&arguments);
    assert_eq!(bench.read("linked"), first);
    bench.remove("linked");
    std::fs::hard_link(bench.work().join("liba.rlib"), bench.work().join("linked")).expect("a link");
    bench.write("lib.rs", "pub fn f() {}\n");
    bench.hits(&arguments);
    assert_eq!(bench.read("liba.rlib"), first);
    assert_ne!(bench.read("linked"), first);
    let inode = |name: &str| bench.work().join(name).metadata().expect("metadata").ino();
    assert_ne!(inode("liba.rlib"), inode("linked"));
    // A stripped result must not change the store's.
    std::fs::write(bench.work().join("liba.rlib"), "spoilt").expect("written");
    bench.hits(&arguments);
    assert_eq!(bench.read("liba.rlib"), first);
}

/// The store may be gone, damaged or only read: the compile happens.
#[test]
fn a_store_that_fails_is_no_failure() {
    let bench = Bench::new();
    bench.write("lib.rs", "pub fn f() {}\n");
    let arguments = line("lib.rs --crate-type lib --crate-name a");
    let mut command = bench.wrapper(&arguments);
    assert!(command.env("BRIOCHE_CC_DIR", "/dev/null/nowhere").status().expect("runs").success());
    assert!(bench.exists("liba.rlib"));
    bench.remove("liba.rlib");
    let mut command = bench.wrapper(&arguments);
    assert!(command.env("BRIOCHE_CC_READONLY", "1").status().expect("runs").success());
    assert!(bench.exists("liba.rlib"));
    bench.misses(&arguments);
    let mut command = bench.wrapper(&arguments);
    let hits = bench.statistics().hits();
    assert!(command.env("BRIOCHE_CC_VERIFY", "1").status().expect("runs").success());
    assert_eq!(bench.statistics().number("differences"), 0);
    assert_eq!(bench.statistics().hits(), hits + 1, "compared, and the same");
    for entry in walk(&bench.store()) {
        if entry.components().any(|part| part.as_os_str() == "blobs") {
            std::fs::write(&entry, "damaged").expect("written");
        }
    }
    bench.remove("liba.rlib");
    bench.misses(&arguments);
    assert!(bench.read("liba.rlib").starts_with(b"!<arch>"));
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let below = |entry: std::fs::DirEntry| {
        let path = entry.path();
        if path.is_dir() { walk(&path) } else { vec![path] }
    };
    entries.flat_map(below).collect()
}

#[test]
fn the_explanation_names_what_differs() {
    let bench = Bench::new();
    bench.write("lib.rs", "pub const A: Option<&str> = option_env!(\"ASKED\");\n");
    let arguments = "lib.rs --crate-type lib --crate-name a";
    let explain = |more: &str, variable: &str| {
        let mut command = bench.wrapper(&["--explain", "--", rustc()]);
        command.args(arguments.split(' ')).args(more.split_whitespace());
        command.envs(Some(variable).filter(|value| !value.is_empty()).map(|value| ("ASKED", value)));
        String::from_utf8_lossy(&command.output().expect("runs").stdout).into_owned()
    };
    assert!(explain("", "").contains("would be a miss"));
    bench.misses(&line(arguments));
    assert!(explain("", "1").contains("differs: variable-changed: ASKED"), "{}", explain("", "1"));
    let optimised = explain("-O", "");
    assert!(optimised.contains("-O"), "{optimised}");
    bench.write("lib.rs", "pub const A: Option<&str> = option_env!(\"ASKED\"); //\n");
    assert!(explain("", "").contains("input-changed: lib.rs"), "{}", explain("", ""));
}

/// Where a program is not found it may be later, or with another `PATH`, which the C library does not ask for aloud.
#[test]
fn a_program_that_is_looked_for_in_vain_counts() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.write("lib.rs", "");
    bench.write("Cargo.toml", "[package]\nname = \"a\"\n");
    let clippy = rustc().replace("rustc", "clippy-driver");
    let words = "lib.rs --crate-type lib --crate-name a --emit=metadata -W clippy::cargo";
    let words: Vec<&str> = [clippy.as_str(), rustc()].into_iter().chain(words.split(' ')).collect();
    let run = |command: &mut std::process::Command, path: &str| {
        command.env("PATH", bench.work().join(path)).env("CARGO_MANIFEST_DIR", bench.work());
        String::from_utf8_lossy(&command.output().expect("runs").stderr).into_owned()
    };
    let is = |path: &str, hit: bool| {
        let before = bench.statistics().hits();
        let wrapped = run(&mut bench.wrapper(&words), path);
        assert_eq!(bench.statistics().hits() > before, hit, "{path}: {}", bench.log());
        assert_eq!(wrapped, run(bench.command(words[0]).args(&words[1..]), path), "{}", bench.log());
    };
    let cargo = |path: &str| {
        bench.write(path, "#!/bin/sh\nexit 1\n");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bench.work().join(path), mode).expect("set");
    };
    cargo("other/cargo");
    is("bin", false);
    is("bin", true);
    is("other", false);
    cargo("bin/cargo");
    is("bin", false);
}
