//! Crates as recipes of their own: cargo's builds through a host, in homes of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use bakeplan::host::{Options, Server, serve};

use super::{Engine, Outer, engine};
use crate::crates::rustc;
use crate::support::WRAPPER;

/// An outer process with a home, in which cargo builds a workspace.
struct Home {
    directory: tempfile::TempDir,
    _server: Option<Server>,
    engine: &'static Engine,
}

const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"base\", \"top\"]\n"),
    (
        "base/Cargo.toml",
        "[package]\nname = \"base\"\nversion = \"1.2.3\"\nedition = \"2021\"\nbuild = \"build.rs\"\n",
    ),
    (
        "base/build.rs",
        "fn main() {\n    println!(\"cargo:rerun-if-changed=build.rs\");\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         std::fs::write(format!(\"{out}/made.rs\"), \"pub const MADE: u32 = 7;\").unwrap();\n}\n",
    ),
    (
        "base/src/lib.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\npub const MOTTO: &str = include_str!(\"motto.txt\");\n\
         pub const FLAVOUR: Option<&str> = option_env!(\"FLAVOUR\");\n\
         #[track_caller]\npub fn twice<T: Clone + std::fmt::Debug>(x: &[T]) -> Vec<T> {\n    \
         assert!(!x.is_empty(), \"{x:?}\");\n    [x, x].concat()\n}\n",
    ),
    ("base/src/motto.txt", "a motto"),
    (
        "top/Cargo.toml",
        "[package]\nname = \"top\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nbase = { path = \"../base\" }\n",
    ),
    (
        "top/src/lib.rs",
        "mod part;\npub fn all() -> Vec<u32> {\n    base::twice(&[base::MADE, part::part(), base::MOTTO.len() as u32])\n}\n",
    ),
];

impl Home {
    fn new(engine: &'static Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["home/work", "tmp", "s"] {
            std::fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        let home = directory.path().join("home");
        let toolchain = Path::new(rustc()).parent().unwrap().parent().unwrap().to_owned();
        let outer = Outer { engine, toolchain, home, temp: directory.path().join("tmp") };
        let server = serve(Options::new(directory.path().join("s/host")), Arc::new(outer)).unwrap();
        let home = Self { directory, _server: Some(server), engine };
        for (name, text) in FILES {
            home.write(name, text);
        }
        home.write("top/src/part.rs", "pub fn part() -> u32 { 1 }\n");
        home
    }

    fn work(&self) -> PathBuf {
        self.directory.path().join("home/work")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Cargo compares times.
        std::thread::sleep(std::time::Duration::from_millis(if path.exists() { 20 } else { 0 }));
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let bin = Path::new(rustc()).parent().unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", self.directory.path().join("home"))
            .env("TMPDIR", self.directory.path().join("tmp"))
            .env("CARGO_INCREMENTAL", "0")
            .env("BRIOCHE_CC_DIR", self.directory.path().join("store"))
            .env("BRIOCHE_CC_LOG", self.directory.path().join("log"))
            .env("BRIOCHE_HOST_SOCKET_PATH", self.directory.path().join("s/host"))
            .env("BRIOCHE_CC_SPAWN_RECIPES", "1");
        command
    }

    /// `cargo ARGS…` through the wrapper.
    fn cargo(&self, line: &str) -> Command {
        let mut command = self.command(Path::new(rustc()).with_file_name("cargo"));
        command.args(line.split(' ')).arg("--offline").env("RUSTC_WRAPPER", WRAPPER);
        command
    }

    /// Builds; gives how many bakes ran, and how many were there already.
    #[track_caller]
    fn build(&self) -> (usize, usize) {
        self.built(&mut self.cargo("build"))
    }

    #[track_caller]
    fn built(&self, command: &mut Command) -> (usize, usize) {
        let (all, hits) = self.engine.counts();
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}\n{}", text(&output.stderr), self.log());
        let (all_now, hits_now) = self.engine.counts();
        let left = std::fs::read_dir(self.directory.path().join("tmp")).unwrap().count();
        assert_eq!(left, 0, "something is left in the directory for temporary files");
        ((all_now - hits_now) - (all - hits), hits_now - hits)
    }

    fn clean(&self) {
        std::fs::remove_dir_all(self.work().join("target")).unwrap();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The libraries, by the names of their files.
    fn libraries(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(self.work().join("target/debug/deps")).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let libraries = files.filter(|path| path.extension().is_some_and(|it| it == "rlib" || it == "rmeta"));
        let named = |path: PathBuf| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
        };
        libraries.map(named).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_workspace_is_baked_once_for_all_homes() {
    let engine = engine();
    let one = Home::new(engine);
    assert_eq!(one.build(), (2, 0), "{}", one.log());
    let cold = one.libraries();
    assert_eq!(cold.len(), 4);
    one.clean();
    assert_eq!(one.build(), (0, 2), "{}", one.log());
    assert!(one.libraries() == cold);
    // There is nothing left to do.
    let fresh = one.cargo("build -v").output().unwrap();
    assert!(!text(&fresh.stderr).contains("Running"), "{}", text(&fresh.stderr));
    let two = Home::new(engine);
    assert_eq!(two.build(), (0, 2), "{}", two.log());
    assert!(two.libraries() == cold);
    let fresh = two.cargo("build -v").output().unwrap();
    assert!(!text(&fresh.stderr).contains("Running"), "{}", text(&fresh.stderr));
    for bytes in cold.values() {
        let home = one.directory.path().to_str().unwrap();
        assert!(!text(bytes).contains(home), "the home is in there");
    }
}
