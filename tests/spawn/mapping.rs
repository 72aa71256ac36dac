//! Homes that differ give the same recipes and the same objects, and debug information that a debugger finds.

use std::process::Command;

use super::{Process, engine};

const SOURCE: &str =
    "#include <stdio.h>\n#include \"inc/a.h\"\nint main(void)\n{\n  puts(__FILE__);\n  return TWO - 2;\n}\n";

/// Two outer processes with the same project, each in a home of its own.
fn twins(compiler: &str) -> [Process; 2] {
    let engine = engine();
    [(); 2].map(|()| {
        let process = Process::new(engine, compiler);
        process.write("src/main.c", SOURCE);
        process.write("src/inc/a.h", "#define TWO 2\nstatic inline int two(void) { return TWO; }\n");
        process.write("build/empty", "");
        process
    })
}

#[track_caller]
fn hits_in_another_home(compiler: &str, options: &str) -> Vec<u8> {
    let [first, second] = twins(compiler);
    let line = format!("{compiler} {options} -c HOME/work/src/main.c -o HOME/work/build/main.o");
    first.ok(&line);
    assert_eq!(first.engine.counts(), (1, 0), "{}", first.log());
    second.ok(&line);
    // Preprocessing that is spared may be asked for twice; nothing is compiled twice.
    let (asked, hits) = first.engine.counts();
    assert!(asked - hits == 1 && hits >= 1, "{compiler} {options}: {:?}", first.engine.asked.lock().unwrap());
    let object = first.read("build/main.o");
    assert_eq!(object, second.read("build/main.o"));
    for process in [&first, &second] {
        let home = process.home();
        let home = home.to_str().unwrap().as_bytes();
        assert!(memchr::memmem::find(&object, home).is_none(), "{compiler} {options}: the home shows");
    }
    assert!(memchr::memmem::find(&object, b"home-").is_none(), "{compiler} {options}: the bake's home shows");
    object
}

#[test]
fn gcc_objects_are_the_same_in_all_homes() {
    for options in ["-O2", "-O2 -g", "-g3", "-O2 -g -IHOME/work/src/inc", "-g -ffile-prefix-map=HOME/work=."]
    {
        hits_in_another_home("gcc", options);
    }
}

#[test]
fn clang_objects_are_the_same_in_all_homes() {
    for options in ["-O2", "-O2 -g", "-g -fdebug-prefix-map=HOME/work=/src"] {
        hits_in_another_home("clang-14", options);
    }
}

/// What readelf says of an object's compile unit.
fn names(object: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), object).unwrap();
    let said = Command::new("readelf").args(["--debug-dump=info", "-W"]).arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let wanted = |line: &&str| line.contains("DW_AT_name") || line.contains("DW_AT_comp_dir");
    said.lines()
        .filter(wanted)
        .take(2)
        .map(|line| line.rsplit(": ").next().unwrap().trim().to_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn debug_information_names_the_places() {
    for compiler in ["gcc", "clang-14"] {
        let object = hits_in_another_home(compiler, "-g");
        assert_eq!(names(&object), "/brioche/work/src/main.c /brioche/work", "{compiler}");
    }
    let object = hits_in_another_home("gcc", "-g -ffile-prefix-map=HOME/work=.");
    assert_eq!(names(&object), "./src/main.c .", "what the user maps stays so");
}

#[test]
fn file_names_in_the_program_are_mapped_and_its_data_is_not() {
    let [first, second] = twins("gcc");
    let line = "gcc -DPREFIX=\"HOME/share\" -c HOME/work/src/main.c -o build/main.o";
    let object = hits_in_another_home("gcc", "-O1");
    assert!(memchr::memmem::find(&object, b"/brioche/work/src/main.c").is_some());
    for process in [&first, &second] {
        process.write("src/main.c", "const char *prefix = PREFIX;\n");
        process.ok(line);
        let object = process.read("build/main.o");
        let home = format!("{}/share", process.home().display());
        assert!(memchr::memmem::find(&object, home.as_bytes()).is_some(), "its own home");
        assert!(process.log().contains("program data keeps it from hitting elsewhere"), "{}", process.log());
    }
    let (asked, hits) = first.engine.counts();
    assert_eq!(asked - hits, 2, "what holds a path hits only there");
}

#[test]
fn gdb_finds_the_lines() {
    let [process, _] = twins("gcc");
    process.ok("gcc -g -c HOME/work/src/main.c -o build/main.o");
    let link = process.run("gcc build/main.o -o build/main");
    assert!(link.status.success());
    let substitute = format!("set substitute-path /brioche/work {}", process.work().display());
    let said = Command::new("gdb")
        .args(["-nx", "-batch", "-ex", &substitute, "-ex", "list main"])
        .arg(process.work().join("build/main"))
        .output()
        .expect("gdb is installed");
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("puts(__FILE__);"), "{said}");
}
