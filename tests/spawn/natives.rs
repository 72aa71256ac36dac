//! Crates with native libraries as recipes of their own: what is taken is what the compiler takes here.

use std::path::{Path, PathBuf};

use super::crates::{Home, text};
use super::engine;
use super::links::{compile, linker, with_arguments};
use crate::crates::rustc;

const BAKED: &str = "spawned: baked";
const HIT: &str = "spawned: hit";

/// A library of Rust around one of C, and a program.
fn home(engine: &'static super::Engine) -> Home {
    let home = Home::with(engine, Some(linker()));
    home.write(
        "sys.rs",
        "unsafe extern \"C\" { fn number() -> u32; }\npub fn told() -> u32 { unsafe { number() } }\n",
    );
    home.write("main.rs", "fn main() { println!(\"{}\", sys::told()); }\n");
    for directory in ["one", "two"] {
        std::fs::create_dir(home.work().join(directory)).unwrap();
    }
    home
}

fn run(home: &Home, words: &[&str]) {
    let output = home.command(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
}

/// Makes a library of C, at a path below the work directory.
fn make(home: &Home, path: &str, number: u32) {
    home.write("number.c", &format!("unsigned number(void) {{ return {number}; }}\n"));
    let place = home.work().join(path);
    let _ = std::fs::remove_file(&place);
    if path.contains(".so") {
        return run(home, &["cc", "-shared", "-fPIC", "number.c", "-o", path]);
    }
    run(home, &["cc", "-fPIC", "-c", "number.c", "-o", "number.o"]);
    run(home, &["ar", "crsD", path, "number.o"]);
    std::fs::remove_file(home.work().join("number.o")).unwrap();
}

const SEARCHES: &str = "-L native=one -L native=two";
const MAIN: &str = "main.rs --crate-type bin --extern sys=libsys.rlib --emit=dep-info,link";

fn library(native: &str) -> String {
    format!("sys.rs --crate-type lib --emit=dep-info,metadata,link {SEARCHES} -l {native}")
}

/// Compiles the library and the program: what was decided, and what the program says.
#[track_caller]
fn built(home: &Home, native: &str) -> ([String; 2], String) {
    let decided = [library(native), format!("{MAIN} {SEARCHES}")].map(|line| compile(home, &line));
    let mut program = home.command(home.work().join("main"));
    let said = program.env("LD_LIBRARY_PATH", home.work().join("two")).output().unwrap();
    (decided, text(&said.stdout).trim().to_owned())
}

#[track_caller]
fn is(home: &Home, native: &str, decided: [&str; 2], said: &str) {
    let built = built(home, native);
    assert_eq!((built.0.each_ref().map(String::as_str), built.1.as_str()), (decided, said), "{}", home.log());
}

fn files(directory: &Path) -> [Vec<u8>; 3] {
    ["libsys.rlib", "libsys.rmeta", "main"].map(|name| std::fs::read(directory.join(name)).unwrap())
}

/// The same calls by hand, of the same files below the mapped names.
fn by_hand(home: &Home, native: &str) -> [Vec<u8>; 3] {
    let directory = tempfile::tempdir().unwrap();
    let work: PathBuf = directory.path().join("work");
    run(home, &["cp", "-a", home.work().to_str().unwrap(), work.to_str().unwrap()]);
    for line in [library(native), format!("{MAIN} {SEARCHES}")] {
        let mut command = home.command(rustc());
        let remaps = [(directory.path(), "/brioche"), (linker(), "/brioche/inputs")];
        for (from, to) in remaps {
            command.arg(format!("--remap-path-prefix={}={to}", from.display()));
        }
        let output = with_arguments(&mut command, &line).current_dir(&work).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    files(&work)
}

/// Each way to name an archive.
#[test]
fn archives_are_baked_once_for_all_homes() {
    let engine = engine();
    let natives = [
        "static=number",
        "static:-bundle=number",
        "static:+whole-archive=number",
        "static:+whole-archive,-bundle=number",
        "static:+verbatim=libnumber.a",
        "static=anything:number",
    ];
    for decision in [BAKED, HIT] {
        for native in natives {
            let home = home(engine);
            make(&home, "two/libnumber.a", 42);
            let rename = native.contains("anything");
            if rename {
                home.write(
                    "sys.rs",
                    "#[link(name = \"anything\", kind = \"static\")] unsafe extern \"C\" { fn number() -> u32; }\n\
                     pub fn told() -> u32 { unsafe { number() } }\n",
                );
            }
            is(&home, native, [decision; 2], "42");
            assert!(files(&home.work()) == by_hand(&home, native), "{native}");
            let place = home.work();
            let holds = |bytes: &Vec<u8>| text(bytes).contains(place.parent().unwrap().to_str().unwrap());
            assert!(!files(&home.work()).iter().any(holds), "{native}");
        }
    }
}

/// What an archive holds counts, and which one is found.
#[test]
fn the_archive_that_is_found_counts() {
    let home = home(engine());
    for native in ["static=number", "static:-bundle=number"] {
        make(&home, "two/libnumber.a", 42);
        is(&home, native, [BAKED; 2], "42");
        is(&home, native, [HIT; 2], "42");
        make(&home, "two/libnumber.a", 43);
        is(&home, native, [BAKED; 2], "43");
        make(&home, "one/libnumber.a", 44);
        is(&home, native, [BAKED; 2], "44");
        std::fs::remove_file(home.work().join("one/libnumber.a")).unwrap();
        is(&home, native, [HIT; 2], "43");
        // A directory that was not there.
        std::fs::remove_dir(home.work().join("one")).unwrap();
        is(&home, native, [BAKED; 2], "43");
        std::fs::create_dir(home.work().join("one")).unwrap();
        make(&home, "one/libnumber.a", 44);
        is(&home, native, [HIT; 2], "44");
        std::fs::remove_file(home.work().join("one/libnumber.a")).unwrap();
    }
}

/// A library that is loaded: the crate's own bytes have only its name, the linker reads it.
#[test]
fn a_shared_library_counts_for_the_link() {
    let engine = engine();
    for decision in [BAKED, HIT] {
        let home = home(engine);
        for native in ["dylib=number", "number"] {
            make(&home, "two/libnumber.so", 42);
            is(&home, native, [decision; 2], "42");
            // An archive is taken where it comes first.
            make(&home, "one/libnumber.a", 43);
            is(&home, native, [decision; 2], "43");
            std::fs::remove_file(home.work().join("one/libnumber.a")).unwrap();
            is(&home, native, [HIT; 2], "42");
            std::fs::remove_file(home.work().join("two/libnumber.so")).unwrap();
        }
    }
}

/// A source may name a library itself; the linker is told of it when the program is linked.
#[test]
fn a_library_that_the_source_names_is_found_by_the_linker() {
    let engine = engine();
    for decision in [BAKED, HIT] {
        let home = home(engine);
        make(&home, "two/libnumber.so", 42);
        home.write(
            "main.rs",
            "#[link(name = \"number\")] unsafe extern \"C\" { fn number() -> u32; }\n\
             fn main() { println!(\"{}\", unsafe { number() }); }\n",
        );
        let line = format!("main.rs --crate-type bin --emit=dep-info,link {SEARCHES}");
        assert_eq!(compile(&home, &line), decision, "{}", home.log());
        let mut program = home.command(home.work().join("main"));
        let said = program.env("LD_LIBRARY_PATH", home.work().join("two")).output().unwrap();
        assert_eq!(text(&said.stdout), "42\n");
    }
}

/// What can't be in a tree as it is here; and what can, over a link.
#[test]
fn where_a_library_is_decides_whether_it_is_baked() {
    let home = home(engine());
    let outside = tempfile::tempdir().unwrap();
    make(&home, "two/libnumber.a", 42);
    let path = outside.path().join("libnumber.a");
    std::fs::rename(home.work().join("two/libnumber.a"), &path).unwrap();
    let line = format!("{} -L native={}", library("static=number"), outside.path().display());
    assert!(compile(&home, &line).starts_with("here (outside)"), "{}", home.log());
    std::os::unix::fs::symlink(&path, home.work().join("two/libnumber.a")).unwrap();
    assert!(compile(&home, &library("static=number")).starts_with("here (link)"), "{}", home.log());
    std::fs::remove_file(home.work().join("two/libnumber.a")).unwrap();
    std::os::unix::fs::symlink(outside.path(), home.work().join("three")).unwrap();
    let line = format!("{} -L native=three", library("static=number"));
    assert_eq!(compile(&home, &line), BAKED, "a directory over a link: {}", home.log());
    assert_eq!(compile(&home, &line), HIT, "{}", home.log());
    make(&home, "two/libnumber.a", 43);
    std::fs::rename(home.work().join("two/libnumber.a"), &path).unwrap();
    assert_eq!(compile(&home, &line), BAKED, "another archive: {}", home.log());
    std::fs::create_dir(outside.path().join("sub")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("sub"), home.work().join("four")).unwrap();
    let line = format!("{} -L native=four/..", library("static=number"));
    assert!(compile(&home, &line).starts_with("here (outside)"), "{}", home.log());
}

/// As the cc crate does: a build script makes an archive, and tells cargo where it is.
#[test]
fn what_a_build_script_makes_is_linked_for_every_home() {
    let engine = engine();
    for decision in [BAKED, HIT] {
        let home = Home::with(engine, Some(linker()));
        home.write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"app\", \"sys\"]\n");
        home.write("sys/Cargo.toml", "[package]\nname = \"sys\"\nedition = \"2024\"\nlinks = \"number\"\n");
        home.write("sys/number.c", "unsigned number(void) { return 42; }\n");
        home.write(
            "sys/build.rs",
            "use std::process::Command;\nfn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
             let object = format!(\"{out}/number.o\");\n    let archive = format!(\"{out}/libnumber.a\");\n    \
             assert!(Command::new(\"cc\").args([\"-c\", \"number.c\", \"-o\", &object]).status().unwrap().success());\n    \
             assert!(Command::new(\"ar\").args([\"crsD\", &archive, &object]).status().unwrap().success());\n    \
             println!(\"cargo:rustc-link-lib=static=number\");\n    println!(\"cargo:rustc-link-search=native={out}\");\n    \
             println!(\"cargo:rerun-if-changed=number.c\");\n}\n",
        );
        home.write(
            "sys/src/lib.rs",
            "unsafe extern \"C\" { fn number() -> u32; }\npub fn told() -> u32 { unsafe { number() } }\n\
             #[test] fn works() { assert!(told() > 40); }\n",
        );
        home.write(
            "app/Cargo.toml",
            "[package]\nname = \"app\"\nedition = \"2024\"\n[dependencies]\nsys = { path = \"../sys\" }\n",
        );
        home.write("app/src/main.rs", "fn main() { println!(\"{}\", sys::told()); }\n");
        let flags = format!("-C linker=gcc -C link-arg=--sysroot={}/sysroot", linker().display());
        let build = |line: &str| {
            let output = home.cargo(line).env("RUSTFLAGS", &flags).output().unwrap();
            assert!(output.status.success(), "{}\n{}", text(&output.stderr), home.log());
            text(&home.command(home.work().join("target/debug/app")).output().unwrap().stdout)
        };
        assert_eq!(build("build -q"), "42\n");
        build("test -q");
        let log = home.log();
        assert!(!log.contains("here ("), "{log}");
        assert_eq!(log.matches(decision).count(), 5, "{log}");
        home.write("sys/number.c", "unsigned number(void) { return 43; }\n");
        assert_eq!(build("build -q"), "43\n");
        assert!(!home.log().contains("here ("), "{}", home.log());
    }
}
