//! Being asked to end: the compiler ends too, nothing half done stays, and the status says which signal.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::Bench;

/// A source, two thousand functions of which take seconds to optimise, and a directory for temporary files.
fn source(bench: &Bench, functions: u32) {
    let functions: String = (0..functions)
        .map(|i| format!("int f{i}(int *p, int n) {{ int s = {i}; for (int i = 0; i < n; i++) s += p[i] * p[n - i]; return s; }}\n"))
        .collect();
    bench.write("a.c", functions + "int main(void) { return 0; }\n");
    std::fs::create_dir_all(temporaries(bench)).expect("a directory");
}

/// Starts a compile that takes longer than anybody waits here, in a process group of its own.
fn start(bench: &Bench, args: &[&str]) -> Child {
    source(bench, 6_000);
    let mut command = bench.wrapper(args);
    command.env("TMPDIR", temporaries(bench)).process_group(0).stderr(Stdio::null());
    command.spawn().expect("it runs")
}

fn temporaries(bench: &Bench) -> PathBuf {
    bench.beside("temporaries")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Waits until the compiler proper is well at work on its assembly (not only the preprocessor, which has
/// no temporary file). Killed in its very first moments, gcc itself leaves its files behind.
fn wait_for_compile(bench: &Bench, child: &mut Child) {
    let begun = Instant::now();
    let at_work = |wrapper: u32| {
        let grandchildren = || children(wrapper).into_iter().any(|driver| !children(driver).is_empty());
        let assembly = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "s");
        names(&temporaries(bench)).iter().any(assembly) && grandchildren()
    };
    while !at_work(child.id()) {
        assert!(child.try_wait().expect("waited").is_none(), "too fast to be interrupted");
        assert!(begun.elapsed() < Duration::from_secs(60), "no compile\n{}", bench.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|task| {
            std::fs::read_to_string(task.path().join("children"))
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// A driver that is killed leaves the compiler proper to itself.
fn end_all(child: &Child) {
    let _ = kill_process_group(id(child), Signal::KILL);
}

fn id(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[test]
fn an_interrupted_compile_leaves_nothing() {
    type Kill = fn(&Child);
    let kills: [(&str, i32, Kill); 4] = [
        ("SIGTERM to us", 15, |child| kill_process(id(child), Signal::TERM).expect("sent")),
        ("SIGINT to the group", 2, |child| kill_process_group(id(child), Signal::INT).expect("sent")),
        ("SIGHUP to us", 1, |child| kill_process(id(child), Signal::HUP).expect("sent")),
        ("SIGTERM to the group", 15, |child| kill_process_group(id(child), Signal::TERM).expect("sent")),
    ];
    let bench = Bench::new();
    // What any child of this process gets.
    let mut plain = bench.command("sleep").arg("60").process_group(0).spawn().expect("it runs");
    std::thread::sleep(Duration::from_millis(200));
    let mut inherited_by_all = names(Path::new(&format!("/proc/{}/fd", plain.id())));
    inherited_by_all.sort();
    plain.kill().and_then(|()| plain.wait()).expect("it ends");
    for (index, (name, signal, kill)) in kills.into_iter().enumerate() {
        let args: &[&str] =
            if index % 2 == 0 { &["gcc", "-O2", "-c", "a.c"] } else { &["gcc", "-O2", "a.c", "-o", "app"] };
        let mut child = start(&bench, args);
        wait_for_compile(&bench, &mut child);
        let inherited = children(child.id());
        assert_eq!(inherited.len(), 1, "the driver, and nobody else");
        // What of ours would leak into the driver stays open in it; its own pipe to the program that it
        // starts does not.
        let begun = Instant::now();
        let descriptors = || {
            let mut names = names(Path::new(&format!("/proc/{}/fd", inherited[0])));
            names.sort();
            names
        };
        while descriptors() != inherited_by_all && begun.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(descriptors(), inherited_by_all, "descriptors of ours in the compiler");
        kill(&child);
        let status = child.wait().expect("it ends");
        assert_eq!((status.code(), status.signal()), (None, Some(signal)), "{name}");
        assert!(!Path::new(&format!("/proc/{}", inherited[0])).exists(), "{name}: the compiler runs on");
        let left = names(&temporaries(&bench));
        assert!(left.is_empty(), "{name}: {left:?}");
        assert!(!bench.exists("a.o") && !bench.exists("app"), "{name}");
        end_all(&child);
    }
    assert_eq!(bench.statistics().number("entries"), 0);
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let bench = Bench::new();
    let mut child = {
        // nohup's way: the shell ignores it, we inherit that.
        source(&bench, 2_400);
        let script = format!("trap '' HUP; exec {} gcc -O2 -c a.c", crate::support::WRAPPER);
        let mut command = bench.command("sh");
        command.args(["-c", &script]).env("TMPDIR", temporaries(&bench)).process_group(0);
        command.spawn().expect("it runs")
    };
    wait_for_compile(&bench, &mut child);
    kill_process_group(id(&child), Signal::HUP).expect("sent");
    assert!(child.wait().expect("it ends").success());
    assert!(bench.exists("a.o"));
}

#[test]
fn a_compiler_that_is_killed_ends_us_by_the_same_signal() {
    let bench = Bench::new();
    let mut child = start(&bench, &["gcc", "-O2", "-c", "a.c"]);
    wait_for_compile(&bench, &mut child);
    let driver = children(child.id())[0];
    let driver = Pid::from_raw(i32::try_from(driver).expect("a process")).expect("a process");
    kill_process(driver, Signal::TERM).expect("sent");
    assert_eq!(child.wait().expect("it ends").signal(), Some(15));
    end_all(&child);
}
