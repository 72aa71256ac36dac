//! Crates as recipes of their own: cargo's builds through a host, in homes of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bakeplan::host::{Options, Server, serve};

use super::{Engine, Outer, Trouble, engine};
use crate::crates::rustc;
use crate::support::WRAPPER;

/// An outer process with a home, in which cargo builds a workspace.
pub struct Home {
    directory: tempfile::TempDir,
    server: Option<Server>,
    pub engine: &'static Engine,
    /// Where the wrapper is, and the linker if there is one.
    bin: PathBuf,
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
    pub fn new(engine: &'static Engine) -> Self {
        let home = Self::with(engine, None);
        for (name, text) in FILES {
            home.write(name, text);
        }
        home.write("top/src/part.rs", "pub fn part() -> u32 { 1 }\n");
        home
    }

    /// Without a workspace; with a linker and the wrapper in this input.
    pub fn with(engine: &'static Engine, linker: Option<&Path>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["home/work", "tmp", "s"] {
            std::fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        let home = directory.path().join("home");
        let toolchain = Path::new(rustc()).parent().unwrap().parent().unwrap().to_owned();
        let own = directory.path().join("wrappers");
        let bin = linker.map_or(own.clone(), |linker| linker.join("bin"));
        if linker.is_none() {
            std::fs::create_dir(&own).unwrap();
            let wrapper = own.join("brioche-cc");
            std::fs::hard_link(WRAPPER, &wrapper)
                .or_else(|_| std::fs::copy(WRAPPER, &wrapper).map(drop))
                .unwrap();
        }
        let wrappers = linker.map_or(own, Path::to_owned);
        let temp = directory.path().join("tmp");
        let outer = Outer { engine, toolchain, wrappers: Some(wrappers), home, temp };
        let server = serve(Options::new(directory.path().join("s/host")), Arc::new(outer)).unwrap();
        Self { directory, server: Some(server), engine, bin }
    }

    /// The wrapper, in an input of its own.
    pub fn wrapper(&self) -> Command {
        self.command(self.bin.join("brioche-cc"))
    }

    pub fn work(&self) -> PathBuf {
        self.directory.path().join("home/work")
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Cargo compares times.
        std::thread::sleep(Duration::from_millis(if path.exists() { 20 } else { 0 }));
        std::fs::write(path, text).unwrap();
    }

    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let bin = Path::new(rustc()).parent().unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", format!("{}:{}:/usr/bin:/bin", bin.display(), self.bin.display()))
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
    pub fn cargo(&self, line: &str) -> Command {
        let mut command = self.command(Path::new(rustc()).with_file_name("cargo"));
        let wrapper = self.wrapper();
        command.args(line.split(' ')).arg("--offline").env("RUSTC_WRAPPER", wrapper.get_program());
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

    pub fn log(&self) -> String {
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

pub fn text(bytes: &[u8]) -> String {
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
    // Nothing of either home is in a recipe.
    for (recipe, _) in engine.asked.lock().unwrap().iter() {
        for home in [&one, &two] {
            assert!(
                !recipe.to_json().contains(home.directory.path().to_str().unwrap()),
                "{}",
                recipe.to_json()
            );
        }
    }
    for bytes in cold.values() {
        let home = one.directory.path().to_str().unwrap();
        assert!(!text(bytes).contains(home), "the home is in there");
    }
}

/// Only what changed, and what depends on it, is baked; and back again nothing is.
#[test]
fn a_change_bakes_what_it_changes() {
    let home = Home::new(engine());
    assert_eq!(home.build(), (2, 0), "{}", home.log());
    for (name, changed, bakes) in [
        ("top/src/part.rs", "pub fn part() -> u32 { 2 }\n", 1),
        ("base/src/motto.txt", "another motto", 2),
        // A module of its own, which no earlier compile knew of.
        ("top/src/lib.rs", "mod part;\nmod new;\npub use new::new;\npub use part::part;\n", 1),
    ] {
        let before = home.libraries();
        let old = std::fs::read_to_string(home.work().join(name)).unwrap();
        home.write("top/src/new.rs", "pub fn new() -> u32 { 3 }\n");
        home.write(name, changed);
        assert_eq!(home.build().0, bakes, "{name}: {}", home.log());
        assert!(home.libraries() != before, "{name}");
        home.write(name, &old);
        assert_eq!(home.build().0, 0, "{name}: {}", home.log());
        assert!(home.libraries() == before, "{name}");
    }
    // A variable that the source asks for.
    let before = home.libraries();
    assert_eq!(home.built(home.cargo("build").env("FLAVOUR", "sweet")), (2, 0), "{}", home.log());
    assert!(home.libraries().values().any(|bytes| text(bytes).contains("sweet")));
    assert_eq!(home.build(), (0, 2), "{}", home.log());
    assert!(home.libraries() == before);
}

/// What the user maps keeps its meaning.
#[test]
fn the_users_own_names_for_paths_hold() {
    let engine = engine();
    let mut all = Vec::new();
    for bakes in [(2, 0), (0, 2)] {
        let home = Home::new(engine);
        let flags = format!("--remap-path-prefix={}=/source", home.work().display());
        assert_eq!(home.built(home.cargo("build").env("RUSTFLAGS", flags)), bakes, "{}", home.log());
        all.push(home.libraries());
    }
    assert!(all[0] == all[1]);
    let named = |name: &str| all[0].values().filter(|bytes| text(bytes).contains(name)).count();
    assert!(named("/source") > 0 && named("/brioche/work") == 0);
}

/// The same call by hand, of the same files below the mapped names, gives the same bytes.
#[test]
fn what_is_baked_is_what_the_compiler_makes_of_the_mapped_tree() {
    let home = Home::new(engine());
    home.build();
    let elsewhere = tempfile::tempdir().unwrap();
    let (tree, out) = (elsewhere.path().join("tree"), elsewhere.path().join("out"));
    for directory in [&tree, &out] {
        std::fs::create_dir(directory).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([home.work(), tree.join("work")]).status().unwrap().success());
    let verbose = {
        home.clean();
        text(&home.cargo("build -v").output().unwrap().stderr)
    };
    for name in ["base", "top"] {
        let line = verbose.lines().find(|line| line.contains(&format!("--crate-name {name} "))).unwrap();
        let line = line.split_once("rustc ").unwrap().1.trim_end_matches('`');
        let line = line.replace(&home.work().display().to_string(), &tree.join("work").display().to_string());
        let mut words = shlex::split(&line).unwrap();
        let at = words.iter().position(|word| word == "--out-dir").unwrap();
        words[at + 1] = out.display().to_string();
        let mut command = home.command(rustc());
        let made = std::fs::read_dir(tree.join("work/target/debug/build")).unwrap();
        let made = made.map(|entry| entry.unwrap().path().join("out")).find(|path| path.exists()).unwrap();
        command.args(words).current_dir(tree.join("work")).env("OUT_DIR", made);
        command.arg(format!("--remap-path-prefix={}=/brioche", tree.display()));
        assert!(command.stderr(std::process::Stdio::null()).status().unwrap().success());
    }
    let baked = home.libraries();
    for (name, bytes) in &baked {
        assert!(std::fs::read(out.join(name)).unwrap() == *bytes, "{name}");
    }
    assert_eq!(baked.len(), 4);
}

/// Dependency files and what is said are as without us.
#[test]
fn cargo_is_told_what_the_compiler_tells() {
    let home = Home::new(engine());
    let arguments = "--crate-name part top/src/part.rs --edition=2021 --error-format=json --json=artifacts \
                     --crate-type lib --emit=dep-info,metadata,link -C debuginfo=2 -C metadata=1 -C extra-filename=-1";
    home.write("top/src/part.rs", "pub fn part() -> u32 { let unused = file!(); 1 }\n");
    let told = |command: &mut Command| {
        let out = home.work().join("out");
        let _ = std::fs::remove_dir_all(&out);
        std::fs::create_dir(&out).unwrap();
        let output = command.args(arguments.split_whitespace()).arg("--out-dir").arg(&out).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stderr), text(&std::fs::read(out.join("part-1.d")).unwrap()))
    };
    let bare = told(&mut home.command(rustc()));
    assert!(bare.0.contains("unused variable") && bare.0.contains("artifact"), "{}", bare.0);
    for bakes in [1, 0] {
        let before = home.engine.counts();
        assert_eq!(told(home.wrapper().arg(rustc())), bare, "{}", home.log());
        let after = home.engine.counts();
        assert_eq!((after.0 - before.0) - (after.1 - before.1), bakes, "{}", home.log());
    }
}

/// What is explained is what is asked for.
#[test]
fn the_recipe_is_explained() {
    let home = Home::new(engine());
    let words = ["top/src/part.rs", "--crate-type", "lib", "--crate-name", "part"];
    let explained = |more: &[&str]| {
        let mut command = home.wrapper();
        text(&command.args(["--explain", "--", rustc()]).args(words).args(more).output().unwrap().stdout)
    };
    let place = format!("p=\"{}\"", home.work().display());
    // There is no store yet, and to explain makes none.
    let told = explained(&[]);
    assert!(told.contains("once the compiler has told what it reads"), "{told}");
    assert!(home.wrapper().arg(rustc()).args(words).status().unwrap().success());
    let told = explained(&[]);
    assert!(told.contains("    shape      tree\n    input      1 files"), "{told}");
    let asked = home.engine.asked.lock().unwrap()[0].0.hash();
    assert!(told.contains(&format!("  the host would be asked for recipe {asked}\n")), "{told}");
    let data = explained(&["--cfg", &place]);
    assert!(data.contains("    hits only here, for its program data names "), "{data}");
    let told = explained(&["-C", "target-cpu=native"]);
    assert!(told.contains("  the host is not asked (native-processor): "), "{told}");
}

/// The compiler's own words, once; and nothing is asked of a host for what can't be baked.
#[test]
fn what_is_not_baked_is_compiled_here() {
    let home = Home::new(engine());
    home.write("bad.rs", "pub fn f() -> u32 { \"text\" }\n");
    home.write("place.rs", "pub const PLACE: &str = env!(\"THE_PLACE\");\n");
    home.write("good.rs", "pub fn f() -> u32 { 1 }\npub fn main() {}\n");
    for (token, line) in [
        ("bake-failed", "bad.rs --crate-type lib"),
        ("holds-place", "place.rs --crate-type lib --emit=dep-info,link"),
        ("holds-place", "place.rs --crate-type lib"),
        ("linker", "good.rs --crate-type bin"),
        ("linker", "good.rs --crate-type lib,cdylib"),
        ("rpath", "good.rs --crate-type lib -C rpath"),
        ("incremental", "good.rs --crate-type lib -C incremental=memory"),
        ("native-processor", "good.rs --crate-type lib -C target-cpu=native"),
        ("native-library", "good.rs --crate-type lib -l framework=c"),
        ("coverage", "good.rs --crate-type lib -C instrument-coverage"),
        ("emit", "good.rs --crate-type lib --emit=asm,link"),
        ("remap", "good.rs --crate-type lib --remap-path-prefix=HOME=/x"),
        ("remap-scope", "good.rs --crate-type lib --remap-path-scope=macro"),
    ] {
        let line = line.replace("HOME", home.work().parent().unwrap().to_str().unwrap());
        let words: Vec<&str> = line.split_whitespace().collect();
        let run = |command: &mut Command| {
            let _ = std::fs::remove_dir_all(home.work().join("memory"));
            let output = command.args(&words).env("THE_PLACE", home.work()).output().unwrap();
            // A session's name is in what it makes.
            let library = std::fs::read(home.work().join("libgood.rlib")).ok();
            let library = library.filter(|_| token != "incremental");
            (output.status.code(), text(&output.stderr), library)
        };
        let bare = run(&mut home.command(rustc()));
        let _ = std::fs::remove_file(home.directory.path().join("log"));
        let wrapped = run(home.wrapper().arg(rustc()));
        assert!(wrapped == bare, "{line}: {} {}", wrapped.1, bare.1);
        assert!(home.log().contains(&format!("here ({token})")), "{line}: {}", home.log());
    }
}

/// Whatever the host does wrong, cargo's build is whole.
#[test]
fn a_host_in_trouble_or_gone_does_no_harm() {
    for trouble in [Trouble::Refuses, Trouble::Fails] {
        let home = Home::new(engine());
        *home.engine.trouble.lock().unwrap() = trouble;
        assert_eq!(home.build(), (0, 0));
        assert_eq!(home.libraries().len(), 4);
        assert!(home.log().contains("miss (stored)"), "{}", home.log());
    }
    let mut home = Home::new(engine());
    assert_eq!(home.build(), (2, 0));
    home.clean();
    drop(home.server.take());
    assert_eq!(home.build(), (0, 0));
    assert_eq!(home.libraries().len(), 4);
    assert!(home.log().contains("here (host-connect)"), "{}", home.log());
}

/// A host that is killed while it bakes.
#[test]
fn a_host_that_ends_while_it_bakes_does_no_harm() {
    let mut home = Home::new(engine());
    *home.engine.trouble.lock().unwrap() = Trouble::Hangs;
    let mut child = home.cargo("build -q").spawn().unwrap();
    let begun = Instant::now();
    while home.engine.counts().0 == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", home.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(home.server.take());
    assert!(child.wait().unwrap().success(), "{}", home.log());
    assert_eq!(home.libraries().len(), 4);
    assert!(home.log().contains("base: here (host-"), "{}", home.log());
}

/// Every kind of crate in one workspace: some are baked, the others compiled here, and what comes of it is what comes
/// of a build without us.
#[test]
fn what_is_baked_and_what_is_not_go_together() {
    let engine = engine();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cargo/.");
    let said = |home: &Home, wrapped: bool| {
        let mut command = home.cargo("build --all-targets -q");
        if !wrapped {
            command.env_remove("RUSTC_WRAPPER");
        }
        home.built(&mut command);
        let program = Command::new(home.work().join("target/debug/demo-app")).output().unwrap();
        assert!(program.status.success());
        text(&program.stdout)
    };
    let homes = [Home::new(engine), Home::new(engine)];
    for home in &homes {
        std::fs::remove_dir_all(home.work()).unwrap();
        let copied = Command::new("cp").args(["-r", fixture]).arg(home.work()).status();
        assert!(copied.unwrap().success());
        let _ = std::fs::remove_dir_all(home.work().join("target"));
        let bare = said(home, false);
        home.clean();
        assert_eq!(said(home, true), bare, "{}", home.log());
        assert!(home.log().contains("spawned: "), "{}", home.log());
        home.write("core/src/motto.txt", "another motto");
        assert!(said(home, true).contains("another motto"), "{}", home.log());
        home.write("generated/numbers.txt", "40 2 8");
        assert!(said(home, true).contains("50"), "{}", home.log());
    }
    assert!(homes[1].log().contains("spawned: hit"), "{}", homes[1].log());
}
