//! What a process sees, and what is left of it.

use super::killed::{processes, soon};
use super::support::*;
use bakeplan::host::Baked;
use bakeplan::host::sandbox::{Attend, Config, Ended, Limits, Sandbox, Streams};
use bakeplan::recipe::digest::RecipeHash;
use bakeplan::recipe::{Recipe, Symbol, Template};
use bakeplan::world::Stream;

/// Runs a script; gives what it wrote to `$out`.
#[track_caller]
fn said(host: &Host, script: &str) -> String {
    let output = host.ok(&directory_of(script));
    String::from_utf8(host.file(&output.artifact, "said")).expect("text")
}

fn directory_of(script: &str) -> Recipe {
    let mut process = shell(&format!("{{ {script}\n}} >\"$out/said\" 2>&1"));
    process.output_scaffold = Some(Box::new(directory(&[])));
    process.into()
}

/// The hash that a process's home is named after.
fn complete(recipe: &Recipe) -> RecipeHash {
    let Recipe::Process(process) = recipe else { panic!("no process") };
    Recipe::from(process.complete().expect("complete")).hash()
}

#[test]
fn it_is_the_one_that_brioche_makes() {
    let host = Host::new();
    let script = "echo \"$HOME\"; echo \"$out\"; pwd; cd /; echo *; \
        while read -r line; do echo \"$line\"; done </etc/passwd; \
        while read -r line; do echo \"$line\"; done </proc/sys/kernel/hostname; \
        set -- /proc/[0-9]*; echo $#; echo /bin/* /usr/bin/* /etc/* /home/*";
    let mut process = shell(&format!("{{ {script}\n}} >\"$out/said\" 2>&1"));
    process.output_scaffold = Some(Box::new(directory(&[])));
    let recipe = Recipe::from(process.clone());
    let hash = complete(&Recipe::from(bakeplan::recipe::ProcessRecipe {
        output_scaffold: Some(Box::new(Recipe::Directory(bakeplan::recipe::Directory::default()))),
        ..process
    }));
    let output = host.ok(&recipe);
    let said = String::from_utf8(host.file(&output.artifact, "said")).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let home = format!("/home/brioche-runner-{hash}");
    assert_eq!(lines[0], home);
    assert_eq!(lines[1], format!("{home}/.local/share/brioche/outputs/output-{hash}"));
    assert_eq!(lines[2], format!("{home}/work"));
    assert_eq!(
        lines[3].split(' ').filter(|name| !name.starts_with("lib")).collect::<Vec<_>>(),
        ["bin", "brioche-host.d", "brioche-resources.d", "dev", "etc", "home", "proc", "tmp", "usr"]
    );
    assert_eq!(lines[4], format!("brioche-runner-{hash}:x:1099:1099::{home}:/bin/sh"));
    assert_eq!(lines[5], "localhost");
    assert_eq!(lines[6], "2", "bubblewrap's first process, and the shell");
    assert_eq!(
        lines[7],
        format!("/bin/sh /usr/bin/env /etc/group /etc/hosts /etc/passwd /etc/protocols /etc/services {home}")
    );
}

#[test]
fn only_its_own_places_can_be_written() {
    let host = Host::new();
    let said = said(
        &host,
        "for dir in / /bin /usr/bin /etc /home /brioche-host.d /proc/sys; do \
           (: >$dir/new) 2>/dev/null && echo \"wrote to $dir\"; done; \
         for dir in . \"$HOME\" /tmp /brioche-resources.d /dev/shm; do \
           (: >$dir/new) 2>/dev/null || echo \"could not write to $dir\"; done",
    );
    assert_eq!(said, "");
}

#[test]
fn inputs_are_read_only_and_of_one_time() {
    let host = Host::new();
    let input = directory(&[("a", file("old")), ("sub", directory(&[("b", file("old"))]))]);
    let script = "exec >\"$out\" 2>&1; (echo new >\"$in/a\") 2>/dev/null || echo kept; \
        (: >\"$in/sub/new\") 2>/dev/null || echo kept; read -r text <\"$in/a\"; echo \"$text\"; \
        read -r text <\"$one\"; echo \"$text\"; (echo new >\"$one\") 2>/dev/null || echo kept; \
        [ \"$in/a\" -nt \"$one\" ] || [ \"$one\" -nt \"$in/a\" ] || echo same time; echo ${in##*/}";
    let process = with_input(with_input(shell(script), "in", input.clone()), "one", file("one"));
    let output = host.ok(&process.into());
    host.export(&output.artifact, &host.path("said")).unwrap();
    let said = std::fs::read_to_string(host.path("said")).unwrap();
    let hash = host.ok(&input).artifact;
    assert_eq!(said, format!("kept\nkept\nold\none\nkept\nsame time\n{hash}\n"));
}

#[test]
fn there_is_no_network_and_nothing_of_the_host() {
    let host = Host::new();
    let said = said(
        &host,
        "while read -r line; do case $line in *:*) echo \"${line%%:*}\";; esac; done </proc/net/dev; \
         [ -e /root ] && echo root; [ -e /work ] && echo work; [ -e /usr/lib/os-release ] && echo system; :",
    );
    assert_eq!(said.trim(), "lo");
}

#[test]
fn it_has_no_rights() {
    let host = Host::new();
    let said = said(
        &host,
        "while read -r a b; do case $a in Cap*|Uid*|NoNewPrivs*) echo $a $b;; esac; done </proc/self/status",
    );
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>().join(" "),
        "Uid: 1099 1099 1099 1099 CapInh: 0000000000000000 CapPrm: 0000000000000000 \
         CapEff: 0000000000000000 CapBnd: 0000000000000000 CapAmb: 0000000000000000 NoNewPrivs: 1"
    );
}

#[test]
fn a_hostile_environment_does_not_reach_bubblewrap() {
    let host = Host::new();
    let mut process = shell("echo \"$LD_PRELOAD\" >\"$out\"");
    process.env.insert("LD_PRELOAD".into(), Template::literal("/nowhere/evil.so"));
    let watch = Waiter::default();
    let Ok(Baked::Done(output)) = host.bake_for(&process.into(), &watch) else { panic!("{}", watch.text()) };
    assert!(!output.hit);
    for (name, value) in [("", "x"), ("a=b", "x"), ("a", "x\0y")] {
        let mut process = shell(":");
        process.env.insert(name.into(), Template::literal(value));
        assert_eq!(host.bake(&process.into()).unwrap_err().token(), "bad-recipe", "{name:?}={value:?}");
    }
}

#[test]
fn limits_hold_and_nothing_is_left() {
    let host = Host::with(|options| {
        options.limits = Limits { seconds: Some(2), file_size: Some(1 << 20), ..Limits::default() };
    });
    let why = |script: &str| match host.bake(&sh(script)) {
        Ok(Baked::Failed { why }) => why,
        other => panic!("{other:?}"),
    };
    assert!(why("while :; do :; done").contains("stopped after 2 seconds"));
    // What forks away, and closes all that we could wait for, ends too.
    let marker = "sleeping-in-a-test-of-bakeplan";
    let script =
        format!("(exec >/dev/null 2>&1; exec -a x /bin/sh -c 'while :; do :; done # {marker}') & exit 3");
    assert!(why(&script).contains("exit status 3"));
    assert!(why("while :; do echo 0123456789012345678901234567890123456789; done >big").contains("signal"));
    let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(marker).then_some(())
    });
    assert_eq!(commands.count(), 0, "a process is left");
    host.engine.stop();
    let runs = host.path("store/host/runs");
    let own: Vec<String> = names(&runs).into_iter().filter(|name| !name.contains(".lock")).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(names(&runs.join(&own[0])), [""; 0]);
}

/// Says that nobody waits any more, a while after it is first asked.
struct Impatient(std::time::Duration);

impl Attend for Impatient {
    fn log(&self, _: Stream, _: &[u8]) {}

    fn stop(&self) -> bool {
        std::thread::sleep(self.0);
        true
    }
}

#[test]
fn a_process_that_is_stopped_while_its_sandbox_is_made_leaves_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(&*world(), dir.path()).expect("a sandbox");
    let config = Config {
        command: "/bin/sh".into(),
        args: vec!["-c".into(), "while :; do :; done".into()],
        env: Vec::new(),
        current_dir: "/".into(),
        mounts: Vec::new(),
        networking: false,
        limits: Limits::default(),
        group: None,
        streams: Streams::Log,
    };
    for round in 0..200 {
        let patience = std::time::Duration::from_micros(25 * round);
        assert_eq!(sandbox.run(&config, &Impatient(patience)).unwrap(), Ended::Stopped);
    }
    let place = dir.path().to_str().unwrap().to_owned();
    soon("all processes end", || processes().iter().all(|process| !process.command.contains(&place)));
}

#[test]
fn a_tree_of_any_depth_is_removed() {
    let host = Host::new();
    let deep = host.path("deep");
    std::fs::create_dir(&deep).unwrap();
    let mut at = open(&deep);
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    }
    assert_eq!(import(&host.engine, &deep).unwrap_err().token(), "too-large");
    drop(at);
    let runs = host.path("store/host/runs/gone");
    std::fs::rename(&deep, &runs).unwrap();
    std::fs::write(host.path("store/host/runs/gone.lock"), "").unwrap();
    let _second = engine(host.dir.path(), |_| {});
    assert!(!runs.exists(), "what a host that is gone has left is removed by the next");
}

#[test]
fn symbols_have_their_places() {
    let host = Host::new();
    let mut process = shell("echo \"$t $r $i $w\" >\"$out\"");
    process.env.insert("t".into(), Template::symbol(Symbol::TempDir));
    process.env.insert("r".into(), Template::symbol(Symbol::ResourceDir));
    process.env.insert("i".into(), Template::symbol(Symbol::InputResourceDirs));
    process.env.insert("w".into(), Template::symbol(Symbol::WorkDir));
    let hash = complete(&process.clone().into());
    let output = host.ok(&process.clone().into());
    host.export(&output.artifact, &host.path("said")).unwrap();
    let said = std::fs::read_to_string(host.path("said")).unwrap();
    assert_eq!(said, format!("/tmp /brioche-resources.d  /home/brioche-runner-{hash}/work\n"));
    process.env.insert("c".into(), Template::symbol(Symbol::CaCertificateBundlePath));
    assert_eq!(host.bake(&process.into()).unwrap_err().token(), "bad-recipe");
}
