//! Called in front of a compiler: the host first, then the local store; and what the tools tell of that.

use std::process::Command;

use super::{Process, Trouble, engine};
use crate::support::WRAPPER;

const COMPILER: &str = "HOME/toolchain/real/gcc-12";

fn process() -> Process {
    let process = Process::new(engine(), "gcc-12");
    let real = process.home().join("toolchain/real");
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink("/usr/bin/gcc-12", real.join("gcc-12")).unwrap();
    process.write("a.c", "#include \"h.h\"\nint a(void) { return H; }\n");
    process.write("b.c", "int a(void);\nint main(void) { return a() - 3; }\n");
    process.write("h.h", "#define H 3\n");
    process
}

/// `brioche-cc ARGUMENTS`, with `CC` the compiler; not started yet.
fn wrapped(process: &Process, line: &str) -> Command {
    let line = line.replace("CC", COMPILER);
    let layout = process.command(&format!("gcc-12 {line}"));
    let mut command = Command::new(WRAPPER);
    command.args(layout.get_args()).current_dir(process.work()).env_clear();
    command.envs(layout.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("BRIOCHE_CC_DIR", process.home().join("store"));
    command
}

#[track_caller]
fn said(process: &Process, line: &str) -> String {
    let output = wrapped(process, line).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{line}: {errors}\n{}", process.log());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn objects_assembly_and_the_compiles_of_a_link_are_baked() {
    for (line, files, bakes) in [
        ("CC -O2 -c a.c", &["a.o"][..], 1),
        ("CC -O2 -S a.c b.c", &["a.s", "b.s"], 2),
        ("CC -O2 -MD -MF all.d -c a.c -o x.o", &["x.o", "all.d"], 1),
        ("CC -O2 a.c b.c -o HOME/work/app", &["app"], 2),
    ] {
        let process = process();
        for hits in [0, bakes] {
            assert_eq!(said(&process, line), "");
            assert_eq!(process.engine.counts(), (bakes + hits, hits), "{line}: {}", process.log());
            assert!(files.iter().all(|file| !process.read(file).is_empty()), "{line}");
        }
        assert_eq!(process.left(), [""; 0], "{line}");
    }
}

#[test]
fn the_local_store_does_what_the_host_does_not() {
    let process = process();
    *process.engine.trouble.lock().unwrap() = Trouble::Refuses;
    said(&process, "CC -O2 -c a.c");
    said(&process, "CC -O2 -c a.c");
    let log = process.log();
    assert!(log.contains("here (host-error)") && log.contains("miss (stored)"), "{log}");
    assert!(log.contains("hit (exact)"), "{log}");
}

#[test]
fn the_plan_is_what_the_host_is_asked_for() {
    let process = process();
    for line in ["CC -O2 -g -c a.c", "CC -O2 -I HOME/work -c HOME/work/a.c b.c"] {
        process.engine.asked.lock().unwrap().clear();
        let plan = said(&process, &format!("--plan=recipe -- {line}"));
        assert_eq!(process.engine.counts().0, 0, "nothing is baked for a plan");
        said(&process, line);
        let asked = process.engine.asked.lock().unwrap();
        let lines: String =
            asked.iter().map(|(recipe, _)| format!("{}\t{}\n", recipe.hash(), recipe.to_json())).collect();
        assert_eq!(plan, lines);
    }
}

#[test]
fn what_keeps_a_unit_here_is_explained() {
    let process = process();
    let told = said(&process, "--explain -- CC -c a.c");
    assert!(told.contains("  the host would be asked for recipe "), "{told}");
    assert!(told.contains("    shape      preprocessed\n"), "{told}");
    assert!(told.contains(" the compiler's\n") && !told.contains("program data"), "{told}");
    process.write("d.c", "const char *p = PREFIX;\n");
    let told = said(&process, r#"--explain -- CC -DPREFIX="HOME/work/share" -c d.c"#);
    let data = process.work().join("share");
    let line = format!("    hits only here, for its program data names {}\n", data.display());
    assert!(told.contains(&line), "{told}");
    let told = said(&process, "--explain -- CC --coverage -c a.c");
    assert!(told.contains("the host is not asked (unfit): coverage"), "{told}");
    std::fs::remove_dir_all(process.home().join("toolchain/bin")).unwrap();
    let mut elsewhere = wrapped(&process, "--explain -- /usr/bin/gcc-12 -c a.c");
    let told = String::from_utf8(elsewhere.output().unwrap().stdout).unwrap();
    assert!(told.contains("no host bakes it (no-toolchain)"), "{told}");
}
