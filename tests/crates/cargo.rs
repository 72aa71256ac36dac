//! cargo's builds of a workspace with every kind of crate: bare, cold, and warm after `cargo clean`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::rustc;
use crate::support::{Bench, WRAPPER};

/// A checkout of the workspace in `fixtures/cargo`.
struct Checkout<'b> {
    bench: &'b Bench,
    path: PathBuf,
}

/// What files hold, by their names below the directory of results.
type Results = BTreeMap<PathBuf, Vec<u8>>;

impl<'b> Checkout<'b> {
    fn new(bench: &'b Bench, name: &str) -> Self {
        let path = bench.beside(name);
        copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cargo")), &path);
        Self { bench, path }
    }

    /// `cargo ARGS…`, bare.
    fn bare(&self, arguments: &str) -> Command {
        let bin = Path::new(rustc()).parent().expect("a directory");
        let mut command = self.bench.command(bin.join("cargo"));
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        command.current_dir(&self.path).args(arguments.split(' ')).arg("--offline").env("PATH", path);
        command
    }

    /// The same through both wrappers.
    fn wrapped(&self, arguments: &str) -> Command {
        let mut command = self.bare(arguments);
        command.env("RUSTC_WRAPPER", WRAPPER).env("CC", format!("{WRAPPER} cc"));
        command
    }

    fn clean(&self) {
        let _ = std::fs::remove_dir_all(self.path.join("target"));
    }

    fn write(&self, name: &str, text: &str) {
        // Cargo compares times.
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(self.path.join(name), text).expect("written");
    }

    /// What was made, but for cargo's own notes and the compiler's memory.
    fn results(&self) -> Results {
        let mut results = Results::new();
        collect(&self.path.join("target"), Path::new(""), &mut results);
        results
    }

    fn counted(&self, mut command: Command) -> (u64, u64) {
        let before = self.bench.statistics();
        run(&mut command);
        let after = self.bench.statistics();
        (after.hits() - before.hits(), after.misses() - before.misses())
    }

    /// What the program of the workspace says.
    fn said(&self) -> String {
        let output = Command::new(self.path.join("target/debug/demo-app")).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() && entry.file_name() != "target" {
            copy(&from, &to);
        } else if from.is_file() {
            std::fs::copy(&from, &to).expect("copied");
        }
    }
}

fn collect(root: &Path, below: &Path, results: &mut Results) {
    for entry in std::fs::read_dir(root.join(below)).into_iter().flatten().flatten() {
        let name = below.join(entry.file_name());
        let own = [".fingerprint", "incremental", ".rustc_info.json", ".cargo-lock", "doc"];
        if own.iter().any(|own| entry.file_name() == *own) {
            continue;
        }
        if entry.path().is_dir() {
            collect(root, &name, results);
        } else {
            let bytes = std::fs::read(entry.path()).expect("bytes");
            let bytes = if is_cargos(&name) { of_any_kind(&bytes) } else { bytes };
            results.insert(name, bytes);
        }
    }
}

/// Whether a file is a dependency file of cargo's own, beside what it leaves for the user.
fn is_cargos(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "d") && name.components().count() == 2
}

/// A dependency file of cargo's without the extension of its target. Of a library of several kinds cargo
/// writes only one, for the kind that comes first when it goes through a hash table: `libdemo_ffi.a` or
/// `.rlib` or `.so`, by chance, without us too.
fn of_any_kind(dependencies: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(dependencies);
    let (target, rest) = text.split_once(": ").expect("a target");
    format!("{}: {rest}", Path::new(target).with_extension("").display()).into_bytes()
}

/// Whether two bare compiles may make a file unlike: where the compiler keeps a session for `-C incremental`,
/// it gives the objects in archives names with a random part.
fn names_its_session(name: &Path) -> bool {
    let archive = name.extension().is_some_and(|extension| extension == "rlib" || extension == "a");
    archive && name.starts_with("debug")
}

/// What cargo says, but for how long it took, and which of two compiles of one source it heard first.
fn told(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let varies = |line: &&str| line.contains("Finished") || line.contains("generated 1 warning");
    let mut lines: Vec<String> = text.lines().filter(|line| !varies(line)).map(str::to_owned).collect();
    // Crates are compiled side by side.
    lines.sort();
    lines
}

/// Bare twice, cold, warm: what is the same in both bare builds is the same in all, and warm is like cold.
#[track_caller]
fn transparent(arguments: &str, fewest: u64) {
    let bench = Bench::new();
    let checkout = Checkout::new(&bench, "checkout");
    let mut bare = Vec::new();
    let mut said = Vec::new();
    for _ in 0..2 {
        checkout.clean();
        said.push(told(&run(&mut checkout.bare(arguments))));
        bare.push(checkout.results());
    }
    assert_eq!(said[0], said[1]);
    checkout.clean();
    assert_eq!(told(&run(&mut checkout.wrapped(arguments))), said[0], "cold");
    let cold = checkout.results();
    let missed = bench.statistics().misses();
    checkout.clean();
    let before = bench.statistics().hits();
    assert_eq!(told(&run(&mut checkout.wrapped(arguments))), said[0], "warm");
    let warm = checkout.results();
    let after = bench.statistics();
    assert_eq!(after.misses(), missed, "{arguments}: all hit\n{}", bench.log());
    assert!(after.hits() - before >= fewest, "{arguments}: {} hits", after.hits() - before);
    assert_eq!(warm.keys().collect::<Vec<_>>(), bare[0].keys().collect::<Vec<_>>(), "{arguments}");
    for (name, bytes) in &bare[0] {
        assert!(warm[name] == cold[name], "{arguments}: warm is not as cold: {}", name.display());
        if bare[1].get(name) == Some(bytes) {
            assert!(&warm[name] == bytes, "{arguments}: not as bare: {}", name.display());
        } else {
            assert!(names_its_session(name), "{arguments}: not stable: {}", name.display());
        }
    }
    // There is nothing left to do.
    let hits = bench.statistics().hits();
    run(&mut checkout.wrapped(arguments));
    assert_eq!(
        (bench.statistics().hits(), bench.statistics().misses()),
        (hits, missed),
        "{arguments}: fresh"
    );
}

#[test]
fn a_build_is_as_without_us() {
    transparent("build --all-targets", 14);
}

#[test]
fn a_check_is_as_without_us() {
    transparent("check --all-targets", 14);
}

#[test]
fn a_release_build_is_as_without_us() {
    transparent("build --release", 9);
}

#[test]
fn tests_are_built_as_without_us() {
    transparent("test --no-run", 14);
}

#[test]
fn clippy_is_as_without_us() {
    transparent("clippy --all-targets", 14);
}

#[test]
fn nothing_stale_is_built() {
    let bench = Bench::new();
    let checkout = Checkout::new(&bench, "checkout");
    let build = || run(&mut checkout.wrapped("build"));
    build();
    assert!(checkout.said().contains("what is made once is kept"), "{}", checkout.said());
    // What cargo itself follows: an embedded file, a C source, what a build script reads, a variable.
    for (name, text, shows) in [
        ("core/src/motto.txt", "another motto", "another motto"),
        ("native/src/add.c", "int demo_add(int a, int b) { return a * b; }", "440"),
        ("generated/numbers.txt", "40 2 8", "50"),
    ] {
        let old = std::fs::read_to_string(checkout.path.join(name)).expect("text");
        checkout.write(name, text);
        build();
        assert!(checkout.said().contains(shows), "{name}: {}", checkout.said());
        checkout.write(name, &old);
        build();
        assert!(!checkout.said().contains(shows), "{name}: {}", checkout.said());
    }
    run(checkout.wrapped("build").env("DEMO_FLAVOUR", "spicy"));
    assert!(checkout.said().contains("spicy"), "{}", checkout.said());
    build();
    assert!(checkout.said().contains("plain"), "{}", checkout.said());
    // What nobody follows but us, once something else makes cargo look.
    for (name, text, shows) in
        [("app/secret.txt", "not any more", "not any more"), ("app/parts/two", "", "one two")]
    {
        checkout.write(name, text);
        checkout.clean();
        build();
        assert!(checkout.said().contains(shows), "{name}: {}", checkout.said());
    }
    for (variable, shows) in [("DEMO_HIDDEN", "\"shown\""), ("DEMO_COUNTED_1", "1 \"one")] {
        checkout.clean();
        run(checkout.wrapped("build").env(variable, "shown"));
        assert!(checkout.said().contains(shows), "{variable}: {}", checkout.said());
    }
}

/// The compiler's own memory: a first compile is kept, one that continues an earlier session is not, and a
/// hit leaves the session alone.
#[test]
fn incremental_sessions_are_left_to_the_compiler() {
    let bench = Bench::new();
    let checkout = Checkout::new(&bench, "checkout");
    let build = || checkout.counted(checkout.wrapped("build -p demo-core"));
    assert_eq!(build(), (0, 1));
    let old = std::fs::read_to_string(checkout.path.join("core/src/lib.rs")).expect("text");
    checkout.write("core/src/lib.rs", &format!("{old}pub fn more() {{}}\n"));
    assert_eq!(build(), (0, 1));
    assert!(bench.log().contains("continued an earlier session"), "{}", bench.log());
    // As it was: a hit, though the session is of the other version.
    checkout.write("core/src/lib.rs", &old);
    assert_eq!(build(), (1, 0));
    // That is the session which the next compile continues.
    checkout.write("core/src/lib.rs", &format!("{old}pub fn another() {{}}\n"));
    assert_eq!(build(), (0, 1));
    checkout.clean();
    checkout.write("core/src/lib.rs", &old);
    assert_eq!(build(), (1, 0));
}

#[test]
fn another_directory_of_results_and_another_checkout() {
    let bench = Bench::new();
    let checkout = Checkout::new(&bench, "checkout");
    run(&mut checkout.wrapped("build --all-targets"));
    let mut command = checkout.wrapped("build --all-targets");
    command.env("CARGO_TARGET_DIR", bench.beside("elsewhere"));
    let (hits, misses) = checkout.counted(command);
    // What holds the place of `OUT_DIR` or of a program must be compiled, and what needs that.
    assert!(hits >= 10 && misses <= 6, "{hits} hits, {misses} misses\n{}", bench.log());
    let other = Checkout::new(&bench, "another");
    let (hits, misses) = other.counted(other.wrapped("build --all-targets"));
    assert!(hits >= 3 && misses <= 14, "{hits} hits, {misses} misses\n{}", bench.log());
    // Where places are remapped, all that does not ask for its place hits.
    let remapped = |checkout: &Checkout<'_>| {
        let mut command = checkout.wrapped("build");
        let remap = format!("--remap-path-prefix={}=/source", checkout.path.display());
        command.env("RUSTFLAGS", remap);
        checkout.counted(command)
    };
    checkout.clean();
    other.clean();
    remapped(&checkout);
    let (hits, misses) = remapped(&other);
    assert!(hits >= 6, "{hits} hits, {misses} misses\n{}", bench.log());
}
