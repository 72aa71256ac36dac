//! In Brioche's layout: what goes to the host, what does not, and that nothing is lost when it fails.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use bakeplan::recipe::{Component, Recipe, Template};

use super::{Process, Trouble, engine};

fn process() -> Process {
    let process = Process::new(engine(), "gcc");
    process.write("a.c", "int a(void) { return 1; }\n");
    process.write("b.c", "int b(void) { return 2; }\n");
    process
}

#[test]
fn several_sources_are_baked_at_once_with_their_dependency_files() {
    let process = process();
    process.write("a.h", "");
    process.write("a.c", "#include \"a.h\"\nint a(void) { return 1; }\n");
    process.ok("gcc -O2 -MMD -c a.c b.c");
    assert_eq!(process.engine.counts(), (2, 0), "{}", process.log());
    let dependencies = String::from_utf8(process.read("a.d")).unwrap();
    assert_eq!(dependencies, "a.o: a.c a.h\n");
    process.ok("gcc -O2 -MMD -c a.c b.c");
    assert_eq!(process.engine.counts(), (4, 2), "the second time nothing runs");
    let objects = [process.read("a.o"), process.read("b.o")];
    let mut bare = process.command("gcc -O2 -c a.c b.c");
    assert!(bare.env_remove("BRIOCHE_CC_SPAWN_RECIPES").status().unwrap().success());
    assert_eq!(objects, [process.read("a.o"), process.read("b.o")], "as without a host");
}

/// An object that is too large for an answer is put on the disk.
#[test]
fn large_objects_are_delivered_as_well() {
    let process = process();
    process.write("a.c", "char large[400000] = {1};\n");
    for _ in 0..2 {
        process.ok("gcc -c a.c b.c");
        assert!(process.read("a.o").len() > 400_000);
    }
    assert_eq!(process.engine.counts(), (4, 2), "{}", process.log());
    let objects = [process.read("a.o"), process.read("b.o")];
    let mut bare = process.command("gcc -c a.c b.c");
    assert!(bare.env_remove("BRIOCHE_CC_SPAWN_RECIPES").status().unwrap().success());
    assert!(objects == [process.read("a.o"), process.read("b.o")], "as without a host");
}

#[test]
fn only_compiles_that_stop_at_objects_are_spawned() {
    let process = process();
    process.write("main.c", "int main(void) { return 0; }\n");
    for line in ["gcc -S a.c", "gcc -E a.c", "gcc main.c -o main", "gcc --version"] {
        assert!(process.run(line).status.success(), "{line}");
    }
    assert_eq!(process.engine.counts(), (0, 0));
}

#[test]
fn without_socket_or_permission_the_compiler_runs() {
    let process = process();
    for (name, value) in [
        ("BRIOCHE_CC_SPAWN_RECIPES", ""),
        ("BRIOCHE_CC_SPAWN_RECIPES", "0"),
        ("BRIOCHE_CC_SPAWN_RECIPES", "yes"),
        ("BRIOCHE_HOST_SOCKET_PATH", ""),
        ("BRIOCHE_HOST_SOCKET_PATH", "/nonexistent/socket"),
        ("BRIOCHE_CC_DISABLE", "1"),
    ] {
        let output = process.command("gcc -c a.c").env(name, value).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}={value}: {output:?}");
        assert!(!process.read("a.o").is_empty());
        std::fs::remove_file(process.work().join("a.o")).unwrap();
    }
    assert_eq!(process.engine.counts(), (0, 0));
}

#[test]
fn what_the_host_can_not_do_is_done_here() {
    for trouble in [Trouble::Refuses, Trouble::Fails, Trouble::Forgets] {
        let process = process();
        *process.engine.trouble.lock().unwrap() = trouble;
        process.ok("gcc -O2 -c a.c b.c");
        assert!(!process.read("a.o").is_empty() && !process.read("b.o").is_empty(), "{trouble:?}");
        assert!(process.log().contains("here ("), "{}", process.log());
    }
}

#[test]
fn who_is_asked_to_end_ends_and_leaves_nothing() {
    for line in ["gcc -O2 -c a.c", "gcc -O2 -c a.c b.c", "gcc -O2 -c p.i"] {
        let process = process();
        process.write("p.i", "int p;\n");
        *process.engine.trouble.lock().unwrap() = Trouble::Hangs;
        let mut child = process.command(line).spawn().unwrap();
        let begun = Instant::now();
        while process.engine.counts().0 == 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", process.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(15), "{line}: {status}");
        assert!(asked.elapsed() < Duration::from_secs(4), "{line}");
        assert!(!process.work().join("a.o").exists(), "{line}");
        assert_eq!(process.left(), [""; 0], "{line}");
    }
}

#[test]
fn the_compilers_own_words_reach_the_user() {
    let process = process();
    process.write("w.c", "int f(void)\n{\n  int unused;\n  return 1;\n}\n");
    process.write("e.c", "int f(void)\n{\n  return x;\n}\n");
    for line in
        ["gcc -Wall -c w.c", "gcc -c e.c", "gcc -Wall -c a.c w.c", "gcc -c a.c e.c", "gcc -c missing.c"]
    {
        let spawned = process.run(line);
        let bare = process.command(line).env_remove("BRIOCHE_CC_SPAWN_RECIPES").output().unwrap();
        assert_eq!(spawned.status, bare.status, "{line}");
        assert_eq!(String::from_utf8_lossy(&spawned.stderr), String::from_utf8_lossy(&bare.stderr), "{line}");
    }
    let said = process.run("gcc -Wall -c w.c");
    assert!(String::from_utf8_lossy(&said.stderr).contains("int unused;"), "with the source line");
}

#[test]
fn the_sysroot_rule_holds_with_a_host_too() {
    let process = process();
    for (line, expected) in [
        ("gcc -c a.c", "--sysroot"),
        ("gcc --sysroot=/ -c a.c", "--sysroot=/"),
        ("gcc --sysroot / -c a.c", "--sysroot"),
    ] {
        process.engine.asked.lock().unwrap().clear();
        process.ok(line);
        let asked = process.engine.asked.lock().unwrap();
        // Bakes of the preprocessing, for which nobody waits, come when they come.
        let compiles = asked.iter().filter_map(|(recipe, _)| match recipe {
            Recipe::Process(process) if process.args.contains(&Template::literal("cpp-output")) => {
                Some(process)
            }
            _ => None,
        });
        let compile = compiles.into_iter().next().expect("a compile");
        let literals = compile.args.iter().filter_map(|arg| match arg.components.first() {
            Some(Component::Literal(bytes)) => Some(bytes.to_ticks()),
            _ => None,
        });
        let given: Vec<String> = literals.filter(|arg| arg.starts_with("--sysroot")).collect();
        assert_eq!(given, [expected], "{line}");
    }
}
