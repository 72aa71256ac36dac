//! Stores of hosts on full and on read-only file systems: whoever waits is told so or compiles by itself, nothing
//! half-written is served, and with space again all is as before.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bakeplan::host::{Baked, EngineOptions, HostError};
use bakeplan::recipe::Recipe;

use super::killed::{soon, toolchain};
use super::support::*;
use crate::store::roles;

const HOST: &str = env!("CARGO_BIN_EXE_brioche-host");

#[test]
fn a_full_disk_costs_bakes_and_no_build() {
    roles::run_mounting("full-host", tempfile::tempdir().unwrap().path());
}

#[test]
fn a_read_only_file_system_gives_hits_and_no_bakes() {
    roles::run_mounting("read-only-host", tempfile::tempdir().unwrap().path());
}

/// A file that leaves so many bytes free, or a few less.
fn fill(path: &Path, free: u64) {
    let mut file = fs::File::create(path).unwrap();
    let piece = [7; 4096];
    while file.write_all(&piece).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(free)).unwrap();
}

/// A bake with two files, one of them large enough for a disk to be full in the middle.
fn recipe(number: u64) -> Recipe {
    let script = format!(
        "mkdir() {{ :; }}; i=0; while [ $i -lt 2000 ]; do echo \"line {number} $i of a file\" || exit 9; \
         i=$((i + 1)); done >\"$out/large\" && echo {number} >\"$out/small\""
    );
    let mut process = shell(&script);
    process.output_scaffold = Some(Box::new(directory(&[])));
    process.into()
}

#[track_caller]
fn is_right(host: &Host, output: &bakeplan::host::Output, number: u64) {
    let large: String = (0..2000).map(|i| format!("line {number} {i} of a file\n")).collect();
    assert!(host.file(&output.artifact, "large") == large.as_bytes(), "bake {number}");
    assert_eq!(host.file(&output.artifact, "small"), format!("{number}\n").as_bytes());
}

fn has_store_token(error: &HostError) -> bool {
    ["store", "io"].contains(&error.token())
}

pub fn on_full_disk(dir: &Path) {
    roles::mount(&["-t", "tmpfs", "-o", "size=700m", "tmpfs"], dir);
    let small = dir.join("small");
    fs::create_dir(&small).unwrap();
    roles::mount(&["-t", "tmpfs", "-o", "size=16m", "tmpfs"], &small);
    bakes_on_full_disk(&small);
    clients_on_full_disk(dir);
}

fn bakes_on_full_disk(dir: &Path) {
    let host = Host { engine: engine(dir, |_| {}), dir: tempfile::tempdir_in(dir).unwrap() };
    let known = host.ok(&recipe(0));
    is_right(&host, &known, 0);
    let filler = dir.join("filler");
    let mut came = [0; 3];
    for number in 1..=24 {
        fill(&filler, (number - 1) * 16 * 1024);
        match host.bake(&recipe(number)) {
            Ok(Baked::Done(output)) => {
                came[0] += 1;
                is_right(&host, &output, number);
            }
            // The process itself found no space.
            Ok(Baked::Failed { .. }) => came[1] += 1,
            Err(error) => {
                assert!(has_store_token(&error), "{}: {error}", error.token());
                came[2] += 1;
            }
        }
        is_right(&host, &host.ok(&recipe(0)), 0);
    }
    println!("done, failed, refused: {came:?}");
    assert!(came[0] > 0 && came[2] > 0, "neither full nor free: {came:?}");
    let verified = host.engine.verify().unwrap();
    assert!(verified.is_clean() && verified.incomplete.is_empty(), "{verified:?}");
    fs::remove_file(&filler).unwrap();
    for number in 0..=24 {
        is_right(&host, &host.ok(&recipe(number)), number);
        assert!(host.ok(&recipe(number)).hit, "{number}");
    }
    assert!(host.engine.verify().unwrap().is_clean());
    host.engine.stop();
}

/// A host that serves on a store, in a place of its own.
pub(super) struct Served<'a> {
    dir: &'a Path,
    pub(super) host: Child,
}

impl<'a> Served<'a> {
    fn new(dir: &'a Path) -> Self {
        Self::with(dir, &std::env::temp_dir())
    }

    /// One that has its temporary files there.
    pub(super) fn with(dir: &'a Path, temporary: &Path) -> Self {
        toolchain(&dir.join("toolchain"), &[]);
        let host = Command::new(HOST)
            .env("TMPDIR", temporary)
            .arg("--store")
            .arg(dir.join("store"))
            .args(["serve", "--input"])
            .arg(dir.join("toolchain"))
            .arg("--socket")
            .arg(dir.join("socket"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        soon("it serves", || std::os::unix::net::UnixStream::connect(dir.join("socket")).is_ok());
        Self { dir, host }
    }

    /// Compiles by the host and bare; how the wrapper came to the same object.
    #[track_caller]
    pub(super) fn compile(&mut self, number: u64, temporary: &Path) -> String {
        let text = format!("int f{number}(int x) {{ return x * {number}; }}\n");
        let log = temporary.join("log");
        let _ = fs::remove_file(&log);
        let object = |place: &str, compiler: &Path| {
            fs::write(temporary.join("a.c"), &text).unwrap();
            let out = temporary.join(place);
            let output = Command::new(compiler)
                .args(["-O2", "-c", "a.c", "-o"])
                .arg(&out)
                .current_dir(temporary)
                .env("TMPDIR", temporary)
                .env("BRIOCHE_CC_LOG", &log)
                .env("BRIOCHE_CC_DIR", temporary.join("local"))
                .env("BRIOCHE_HOST_SOCKET_PATH", self.dir.join("socket"))
                .env("BRIOCHE_CC_SPAWN_RECIPES", "1")
                .output()
                .unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            fs::read(out).unwrap()
        };
        let ours = object("ours.o", &self.dir.join("toolchain/bin/gcc"));
        assert!(ours == object("bare.o", Path::new("/usr/bin/gcc")), "{number}");
        assert!(self.host.try_wait().unwrap().is_none(), "the host is gone");
        let log = fs::read_to_string(&log).unwrap();
        log.lines().last().unwrap_or_default().to_owned()
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}

fn clients_on_full_disk(dir: &Path) {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut served = Served::new(dir);
    let how = served.compile(1, elsewhere.path());
    assert!(how.contains("spawned: baked"), "{how}");
    let filler = dir.join("filler");
    fill(&filler, 0);
    let how = served.compile(2, elsewhere.path());
    assert!(
        how.contains("here (host-error)") && (how.ends_with("(store)") || how.ends_with("(io)")),
        "{how}"
    );
    for number in 3..12 {
        fill(&filler, (number - 2) * 24 * 1024);
        println!("{}", served.compile(number, elsewhere.path()));
    }
    fs::remove_file(&filler).unwrap();
    for number in 1..12 {
        let how = served.compile(number, elsewhere.path());
        assert!(how.contains("spawned: "), "{how}");
    }
    drop(served);
    let verified = engine(dir, |_| {}).verify().unwrap();
    assert!(verified.is_clean() && verified.incomplete.is_empty(), "{verified:?}");
}

pub fn on_read_only_mount(dir: &Path) {
    let (mount, scratch) = (dir.join("mount"), dir.join("scratch"));
    fs::create_dir(&mount).unwrap();
    roles::mount(&["-t", "tmpfs", "-o", "size=16m", "tmpfs"], &mount);
    let known = {
        let host = Host { engine: engine(&mount, |_| {}), dir: tempfile::tempdir_in(dir).unwrap() };
        let known = host.ok(&recipe(0));
        host.engine.stop();
        known
    };
    roles::mount(&["-o", "remount,bind,ro"], &mount);
    // What it needs for itself has to be somewhere.
    let mut options = EngineOptions::new(open_store(&mount, false), world(), sandbox(&scratch));
    let error = bakeplan::host::Engine::new(options.clone()).unwrap_err();
    assert_eq!(error.token(), "io", "{error}");
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    options.scratch = scratch;
    let engine = bakeplan::host::Engine::new(options).unwrap();
    let host = Host { engine, dir: tempfile::tempdir_in(dir).unwrap() };
    let hit = host.ok(&recipe(0));
    assert!(hit.hit && hit.artifact == known.artifact);
    is_right(&host, &hit, 0);
    let error = host.bake(&recipe(1)).unwrap_err();
    assert!(has_store_token(&error), "{}: {error}", error.token());
    assert!(host.engine.verify().unwrap().is_clean());
    host.engine.stop();
}
