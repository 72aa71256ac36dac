//! Preprocessing that is spared: by notes and trees, and never by a note alone.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Engine, Process, engine};
use crate::support::compilers;

fn process(engine: &'static Engine) -> Process {
    with(engine, "gcc-12")
}

fn with(engine: &'static Engine, compiler: &str) -> Process {
    let process = Process::new(engine, compiler);
    process.write(
        "src/a.c",
        "#include <stdio.h>\n#include \"h.h\"\nint a(void) { return H + sizeof __FILE__; }\n",
    );
    process.write("inc/h.h", "#define H 3\n");
    process.write("other/unused.h", "#define UNUSED\n");
    process
}

const LINE: &str =
    "CC -O2 -g -Wall -MD -IHOME/work/first -I../inc -IHOME/work/other -c ../src/a.c -o HOME/work/build/a.o";

fn compile(process: &Process) {
    compile_with(process, "gcc-12");
}

fn compile_with(process: &Process, compiler: &str) {
    compile_line(process, &LINE.replace("CC", compiler));
}

fn compile_line(process: &Process, line: &str) {
    std::fs::create_dir_all(process.work().join("build")).unwrap();
    let mut command = process.command(line);
    let output = command.current_dir(process.work().join("build")).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}\n{}", process.log());
    assert_eq!(process.left(), [""; 0]);
    // What is baked for others is waited for, so that the next compile finds it.
    let begun = Instant::now();
    std::thread::sleep(Duration::from_millis(50));
    while process.engine.running.load(Ordering::SeqCst) > 0 && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The last line of the log.
fn decision(process: &Process) -> String {
    let log = process.log();
    log.lines().rev().find(|line| line.contains("spawned:")).unwrap_or_default().to_owned()
}

#[track_caller]
fn is_spared(process: &Process) {
    assert!(decision(process).ends_with("spawned: hit, not preprocessed"), "{}", process.log());
}

#[track_caller]
fn is_not_spared(process: &Process) {
    assert!(!decision(process).contains("not preprocessed"), "{}", process.log());
}

/// A home in which everything is as in the first one is spared its preprocessing from the second compile on.
#[test]
fn the_second_compile_is_spared_its_preprocessing() {
    for compiler in compilers(&["gcc-11", "gcc-12", "clang-14", "clang-19"]) {
        let engine = engine();
        let one = with(engine, compiler);
        compile_with(&one, compiler);
        let (object, rules) = (one.read("build/a.o"), one.read("build/a.d"));
        is_not_spared(&one);
        for _ in 0..2 {
            std::fs::remove_file(one.work().join("build/a.o")).unwrap();
            std::fs::remove_file(one.work().join("build/a.d")).unwrap();
            compile_with(&one, compiler);
        }
        is_spared(&one);
        assert!(one.read("build/a.o") == object);
        assert_eq!(String::from_utf8(one.read("build/a.d")), String::from_utf8(rules));
        let two = with(engine, compiler);
        compile_with(&two, compiler);
        is_spared(&two);
        assert!(two.read("build/a.o") == object);
        let spared = two.read("build/a.d");
        let mut bare = two.command(&LINE.replace("CC", compiler));
        bare.env_remove("BRIOCHE_CC_SPAWN_RECIPES").current_dir(two.work().join("build"));
        assert!(bare.status().unwrap().success());
        let bare = two.read("build/a.d");
        assert_eq!(
            String::from_utf8(bare),
            String::from_utf8(spared),
            "{compiler}: as the compiler writes it"
        );
    }
}

/// A preprocessor that finds the machine here, and nothing in a bake, sees something else there each time.
#[test]
fn a_process_that_sees_what_no_bake_sees_has_nothing_baked_in_vain() {
    let engine = engine();
    let process = process(engine);
    engine.like_a_bake.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        compile(&process);
        is_not_spared(&process);
    }
    assert_eq!(engine.counts(), (2, 1), "the compile itself is baked, and hits");
    assert_eq!(engine.preprocessed.lock().unwrap().len(), 0);
    assert!(engine.notes.lock().unwrap().is_empty());
}

/// What is said of a home would be asked for in that home alone, and so is not baked for others.
#[test]
fn a_command_that_names_its_home_is_not_noted() {
    let line = |data: &str| LINE.replace("CC", &format!("gcc-12 {data}"));
    for (data, noted) in [("", true), (r#"-DPREFIX="/usr""#, true), (r#"-DPREFIX="HOME/share""#, false)] {
        let engine = engine();
        let process = process(engine);
        for _ in 0..2 {
            compile_line(&process, &line(data));
        }
        assert_eq!(engine.notes.lock().unwrap().is_empty(), !noted, "{data}");
        assert_eq!(decision(&process).contains("not preprocessed"), noted, "{}", process.log());
    }
}

/// What depends on more than files is not spared.
#[test]
fn the_time_is_asked_for_each_time() {
    let process = process(engine());
    process.write("src/a.c", "char t[] = __TIMESTAMP__;\n");
    for _ in 0..3 {
        compile(&process);
        is_not_spared(&process);
    }
    assert!(process.log().contains("can't be spared: it asked for the time"), "{}", process.log());
}

/// Each change of what the preprocessor would see is seen, whatever the note says.
#[test]
fn what_changed_is_preprocessed() {
    let changes: [(&str, &dyn Fn(&Process), bool); 5] = [
        ("a header", &|process| process.write("inc/h.h", "#define H 4\n"), true),
        ("a header that comes first", &|process| process.write("first/h.h", "#define H 5\n"), true),
        ("a header beside the source", &|process| process.write("src/h.h", "#define H 6\n"), true),
        ("the source", &|process| process.write("src/a.c", "int a(void) { return 7; }\n"), true),
        ("nothing", &|_| {}, false),
    ];
    for (what, change, matters) in changes {
        let process = process(engine());
        for _ in 0..3 {
            compile(&process);
        }
        is_spared(&process);
        let before = process.read("build/a.o");
        change(&process);
        compile(&process);
        let after = process.read("build/a.o");
        if matters {
            is_not_spared(&process);
        } else {
            is_spared(&process);
        }
        assert_eq!(before != after, matters, "{what}");
    }
}

/// A note that leaves out what would be found first, names nonsense, or is none, changes nothing.
#[test]
fn a_wrong_note_misleads_nobody() {
    let engine = engine();
    let honest = process(engine);
    for _ in 0..3 {
        compile(&honest);
    }
    is_spared(&honest);
    let object = honest.read("build/a.o");
    // The same notes, and a header that none of them names stands first here.
    let other = process(engine);
    other.write("first/h.h", "#define H 5\n");
    compile(&other);
    is_not_spared(&other);
    assert!(other.log().contains("a note is wanting: absent-appeared"), "{}", other.log());
    assert!(other.read("build/a.o") != object);
    for garbage in [&b""[..], b"garbage", &[0xff; 64]] {
        for note in engine.notes.lock().unwrap().values_mut() {
            *note = garbage.to_vec();
        }
        let process = process(engine);
        compile(&process);
        is_not_spared(&process);
        assert!(process.read("build/a.o") == object);
    }
}
