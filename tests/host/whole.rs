//! A whole small project, from `make` in the sandbox to its objects: cold, again, in another home, after an edit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::killed::toolchain;

const SOURCES: usize = 6;

const MAKEFILE: &str = "OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))\nall: $(OBJECTS)\n\
    s0.o: FLAGS = -O2\ns%.o: FLAGS = -O2 -g\n\
    %.o: %.c include/common.h\n\tgcc $(FLAGS) -I$(CURDIR)/include -c $(CURDIR)/$< -o $@\n";

/// A wrapper that is built for tests needs a library that one for use does not.
const BUILD: &str = "export LD_LIBRARY_PATH=\"$BRIOCHE_HOST_INPUTS/for-the-wrapper\"\n\
    export BRIOCHE_CC_LOG=\"$HOME/work/cc.log\"\n\
    make -s -j2 && mkdir -p \"$BRIOCHE_OUTPUT\" && cp *.o cc.log \"$BRIOCHE_OUTPUT\"\n";

fn source(number: usize, edit: usize) -> String {
    format!("#include \"common.h\"\nint f{number}(int x) {{ return common(x) * {number} + {edit}; }}\n")
}

/// What a build came to: how many compiles hit, were baked, were compiled in place; and its objects.
#[derive(Debug, PartialEq)]
struct Built {
    hits: usize,
    baked: usize,
    here: usize,
    objects: BTreeMap<String, Vec<u8>>,
}

/// Builds in the sandbox; another `salt` is another outer recipe, and so another home.
fn build(dir: &Path, salt: &str) -> Built {
    let output = dir.join("output");
    let _ = fs::remove_dir_all(&output);
    let done = Command::new(env!("CARGO_BIN_EXE_brioche-host"))
        .args(["--store", "store", "run", "--sandbox", "--input", "toolchain", "--work", "work"])
        .args(["--output", "output", "--env", &format!("SALT={salt}"), "--", "/bin/sh", "build.sh"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let log = fs::read_to_string(output.join("cc.log")).unwrap();
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let objects = (0..SOURCES).map(|number| {
        let name = format!("s{number}.o");
        let bytes = fs::read(output.join(&name)).unwrap();
        (name, bytes)
    });
    let built = Built {
        hits: count("spawned: hit"),
        baked: count("spawned: baked"),
        here: count(": here ("),
        objects: objects.collect(),
    };
    assert_eq!(built.hits + built.baked + built.here, SOURCES, "{log}");
    built
}

#[test]
fn a_project_is_baked_once_and_hits_in_every_home() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    toolchain(&dir.join("toolchain"), &["make", "mkdir", "cp"]);
    fs::create_dir(dir.join("toolchain/for-the-wrapper")).unwrap();
    let library = Command::new("gcc").arg("-print-file-name=libgcc_s.so.1").output().unwrap();
    let library = String::from_utf8(library.stdout).unwrap();
    fs::copy(library.trim(), dir.join("toolchain/for-the-wrapper/libgcc_s.so.1")).unwrap();
    fs::create_dir_all(dir.join("work/include")).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.join("work").join(name), text).unwrap();
    write("include/common.h", "static inline int common(int x) { return x ^ 5; }\n");
    write("Makefile", MAKEFILE);
    write("build.sh", BUILD);
    for number in 0..SOURCES {
        write(&format!("s{number}.c"), &source(number, 0));
    }
    let cold = build(dir, "1");
    assert_eq!((cold.hits, cold.baked, cold.here), (0, SOURCES, 0));
    // The one without debug information is what the bare compiler makes anywhere.
    let bare = dir.join("bare.o");
    let status = Command::new("gcc")
        .args(["-O2", "-I", "include", "-c", "s0.c", "-o"])
        .arg(&bare)
        .current_dir(dir.join("work"))
        .status();
    assert!(status.unwrap().success());
    assert!(cold.objects["s0.o"] == fs::read(bare).unwrap(), "another object than the compiler's");
    let again = build(dir, "1");
    assert_eq!((again.hits, again.baked, again.here), (SOURCES, 0, 0));
    assert!(again.objects == cold.objects);
    let moved = build(dir, "2");
    assert_eq!((moved.hits, moved.baked, moved.here), (SOURCES, 0, 0));
    assert!(moved.objects == cold.objects, "the objects of two homes differ");
    write("s3.c", &source(3, 1));
    let edited = build(dir, "2");
    assert_eq!((edited.hits, edited.baked, edited.here), (SOURCES - 1, 1, 0));
    let differ: Vec<_> =
        cold.objects.iter().filter(|(name, bytes)| edited.objects[*name] != **bytes).collect();
    assert!(matches!(differ[..], [(name, _)] if name == "s3.o"));
}
