//! What is said, and where: pipes, terminals, closed descriptors.

use std::io::Read;
use std::process::{Output, Stdio};

use crate::support::{Bench, WRAPPER, compilers};

const UNUSED: &str = "int f(void) { int unused; return 1; }\n";

/// As [`by_shell_with`], with gcc.
#[track_caller]
fn by_shell(bench: &Bench, line: &str) -> Output {
    by_shell_with(bench, "gcc", line)
}

/// Runs a shell's command line with the compiler where it says `CC`, then twice with the wrapper's.
#[track_caller]
fn by_shell_with(bench: &Bench, compiler: &str, line: &str) -> Output {
    let run = |compiler: String| {
        bench.command("sh").args(["-c", &line.replace("CC", &compiler)]).output().expect("a shell")
    };
    let bare = run(compiler.to_owned());
    for _ in 0..2 {
        let ours = run(format!("{WRAPPER} {compiler}"));
        let text = |output: &Output| {
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
        };
        assert_eq!(text(&ours), text(&bare), "{line}");
        assert_eq!(ours.status.code(), bare.status.code(), "{line}");
    }
    bare
}

#[test]
fn megabytes_of_warnings() {
    let bench = Bench::new();
    let functions: String = (0..9000).map(|i| format!("void f{i}(void) {{ int unused; }}\n")).collect();
    bench.write("a.c", functions);
    assert_eq!(bench.transparent(&["gcc", "-Wall", "-c", "a.c"]), (1, 0));
    assert!(bench.ok(&["gcc", "-Wall", "-c", "a.c"]).stderr.len() > 1 << 20);
}

#[test]
fn both_streams_into_one_pipe() {
    let bench = Bench::new();
    bench.write("a.c", UNUSED);
    let output = by_shell(&bench, "CC -Wall -c a.c 2>&1");
    assert!(output.stdout.len() > 50 && bench.statistics().hits() == 1, "{}", bench.log());
}

#[test]
fn closed_streams() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    // gcc fails where it can't say what it has to say.
    bench.write("w.c", "int f(void) { int unused; return 1; }\n");
    bench.write("bad.c", "#error no\n");
    for closed in ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        by_shell(&bench, &format!("CC -Wall -c a.c {closed}; echo $?; test -s a.o; echo $?; rm -f a.o"));
        by_shell(&bench, &format!("CC -Wall -c w.c {closed}; echo $?; test -s w.o; echo $?; rm -f w.o"));
        by_shell(&bench, &format!("CC -c bad.c {closed}; echo $?"));
    }
    assert!(bench.statistics().hits() >= 4, "{}", bench.log());
}

#[test]
fn words_that_can_not_be_written() {
    for compiler in compilers(&["gcc", "clang-14", "clang-19"]) {
        let bench = Bench::new();
        bench.write("a.c", UNUSED);
        bench.write("b.c", "int x;\n");
        bench.write("bad.c", "#error no\n");
        for line in [
            "CC -Wall -c a.c 2>/dev/full; echo $?; test -s a.o; echo $?; rm -f a.o",
            "CC -Wall -c b.c a.c 2>/dev/full; echo $?; test -s a.o; echo $?; rm -f a.o",
            "cat a.c | CC -Wall -xc -c - -o a.o 2>/dev/full; echo $?; test -s a.o; echo $?; rm -f a.o",
            "CC -Wall -c b.c 2>/dev/full; echo $?; test -s b.o; echo $?; rm -f b.o",
            "CC -c bad.c 2>/dev/full; echo $?; test -e bad.o; echo $?",
        ] {
            by_shell_with(&bench, compiler, line);
        }
        let to_nobody = |mut command: std::process::Command| {
            let (read, write) = std::io::pipe().expect("a pipe");
            drop(read);
            command.stderr(write).status().expect("it runs")
        };
        let args = ["-Wall", "-c", "a.c"];
        let mut bare = bench.command(compiler);
        bare.args(args);
        let bare = to_nobody(bare);
        for _ in 0..2 {
            assert_eq!(to_nobody(bench.wrapper(&[&[compiler][..], &args].concat())), bare, "{compiler}");
        }
        assert!(bench.statistics().hits() >= 4, "{}", bench.log());
    }
}

#[test]
fn a_pipe_that_does_not_block_and_is_read_late() {
    use rustix::pipe::{PipeFlags, pipe_with};
    let bench = Bench::new();
    bench.write("a.c", (0..3000).map(|i| format!("void f{i}(void) {{ int unused; }}\n")).collect::<String>());
    let args = ["gcc", "-Wall", "-c", "a.c"];
    let whole = bench.ok(&args).stderr;
    assert!(whole.len() > 1 << 18);
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    rustix::io::ioctl_fionbio(&write, true).expect("not blocking");
    let mut child = bench.wrapper(&args).stderr(Stdio::from(write)).spawn().expect("it runs");
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut said = Vec::new();
    std::fs::File::from(read).read_to_end(&mut said).expect("read");
    assert!(child.wait().expect("it ends").success());
    assert!(said == whole, "{} of {} bytes", said.len(), whole.len());
    assert_eq!(bench.statistics().hits(), 1);
}

#[test]
fn a_terminal_gets_what_a_terminal_gets() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        bench.write("a.c", UNUSED);
        // script(1) runs a command on a terminal of its own.
        let on_terminal = |command: &str| {
            let mut script = bench.command("script");
            script.env("TERM", "xterm-256color").args(["-qec", command, "/dev/null"]);
            script.output().expect("script runs").stdout
        };
        let bare = on_terminal(&format!("{compiler} -Wall -c a.c"));
        assert!(bare.contains(&0x1b), "no colours on a terminal?");
        for _ in 0..2 {
            let ours = on_terminal(&format!("{WRAPPER} {compiler} -Wall -c a.c"));
            assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&bare));
        }
        assert_eq!(bench.statistics().hits(), 1, "{}", bench.log());
        // What a terminal got is not for a pipe.
        assert_eq!(bench.transparent(&[compiler, "-Wall", "-c", "a.c"]), (1, 0));
        assert!(!bench.ok(&[compiler, "-Wall", "-c", "a.c"]).stderr.contains(&0x1b));
        for option in ["-fdiagnostics-color=always", "-fdiagnostics-color=never", "-fdiagnostics-show-option"]
        {
            assert_eq!(bench.transparent(&[compiler, option, "-Wall", "-c", "a.c"]), (1, 0));
        }
    }
}

#[test]
fn each_language_gets_its_own_words() {
    let bench = Bench::new();
    bench.write("a.c", UNUSED);
    let mut quotes = Vec::new();
    for _ in 0..2 {
        for language in ["C", "C.UTF-8"] {
            let run = |mut command: std::process::Command| {
                String::from_utf8_lossy(&command.env("LANG", language).output().expect("it runs").stderr)
                    .into_owned()
            };
            let mut bare = bench.command("gcc");
            bare.args(["-Wall", "-c", "a.c"]);
            let bare = run(bare);
            assert_eq!(run(bench.wrapper(&["gcc", "-Wall", "-c", "a.c"])), bare);
            quotes.push(bare.contains('\u{2018}'));
        }
    }
    assert_eq!(quotes, [false, true, false, true]);
    assert_eq!(bench.statistics().hits(), 2, "{}", bench.log());
}

#[test]
fn under_make_with_and_without_its_jobserver() {
    let bench = Bench::new();
    for name in ["a.c", "b.c", "c.c", "d.c"] {
        bench.write(name, UNUSED.replace("f(", &format!("{}(", &name[..1])));
    }
    bench.write(
        "Makefile",
        "with:\n\t+$(CC) -Wall -c a.c b.c c.c d.c\nwithout:\n\t$(CC) -Wall -c a.c b.c c.c d.c\n",
    );
    for target in ["with", "without"] {
        let run = |compiler: &str| {
            for name in ["a.o", "b.o", "c.o", "d.o"] {
                bench.remove(name);
            }
            let mut make = bench.command("make");
            let output =
                make.args(["-s", "-j2", target, &format!("CC={compiler}")]).output().expect("make runs");
            assert!(output.status.success());
            (String::from_utf8_lossy(&output.stderr).into_owned(), bench.read("d.o"))
        };
        let bare = run("gcc");
        assert_eq!(bare.0.matches("-Wunused-variable").count(), 4);
        for _ in 0..2 {
            assert!(run(&format!("{WRAPPER} gcc")) == bare, "{target}\n{}", bench.log());
        }
    }
    assert_eq!((bench.statistics().misses(), bench.statistics().hits()), (4, 12), "{}", bench.log());
}

#[test]
fn a_directory_reached_by_a_link_is_named_as_the_caller_names_it() {
    let bench = Bench::new();
    bench.write("real/a.c", "int x;\n");
    let link = bench.beside("link");
    std::os::unix::fs::symlink(bench.work().join("real"), &link).expect("a link");
    let real = bench.work().join("real");
    let mut objects = Vec::new();
    for directory in [&real, &link, &real, &link] {
        let compile = |mut command: std::process::Command| {
            let _ = std::fs::remove_file(real.join("a.o"));
            command.current_dir(directory).env("PWD", directory);
            assert!(command.status().expect("it runs").success());
            std::fs::read(real.join("a.o")).expect("an object")
        };
        let mut bare = bench.command("gcc");
        bare.args(["-g", "-c", "a.c"]);
        let bare = compile(bare);
        assert!(compile(bench.wrapper(&["gcc", "-g", "-c", "a.c"])) == bare, "{}", directory.display());
        objects.push(bare);
    }
    assert!(objects[0] != objects[1], "the name does not show?");
    assert_eq!(bench.statistics().hits(), 2, "{}", bench.log());
}
