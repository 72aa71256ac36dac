//! The same crate at other places.

use std::path::Path;

use super::rustc;
use crate::support::Bench;

/// A package and a directory of results, at some place.
struct Place<'b> {
    bench: &'b Bench,
    name: &'static str,
    source: &'static str,
}

impl Place<'_> {
    fn path(&self, name: &str) -> String {
        self.bench.beside(self.name).join(name).display().to_string()
    }

    /// Compiles the package as cargo does, with absolute names; whether it hit, and what was said.
    fn compile(&self, arguments: &[&str]) -> (bool, String) {
        self.compile_with(arguments, &[])
    }

    /// The same with variables.
    fn compile_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
        let package = self.bench.beside(self.source);
        for directory in ["deps", "made"] {
            std::fs::create_dir_all(self.path(directory)).expect("a directory");
        }
        let before = self.bench.statistics();
        let mut command = self.bench.wrapper(&[rustc()]);
        command.args(arguments).arg("--out-dir").arg(self.path("deps"));
        command.args(["-L", &format!("dependency={}", self.path("deps"))]);
        command.args(["--error-format=json", "--json=artifacts", "--emit=dep-info,metadata,link"]);
        command.current_dir(package).env("OUT_DIR", self.path("made")).envs(variables.iter().copied());
        let output = command.output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let after = self.bench.statistics();
        assert_eq!(
            after.hits() + after.misses(),
            before.hits() + before.misses() + 1,
            "{}",
            self.bench.log()
        );
        (after.hits() > before.hits(), said)
    }
}

fn write(path: impl AsRef<Path>, text: &str) {
    std::fs::create_dir_all(path.as_ref().parent().expect("a parent")).expect("directories");
    std::fs::write(path, text).expect("written");
}

fn package(bench: &Bench, name: &str, text: &str) {
    write(bench.beside(name).join("lib.rs"), text);
}

#[test]
fn another_directory_of_results_hits_and_is_what_is_told() {
    let bench = Bench::new();
    package(&bench, "package", "pub fn f() -> u32 { 1 }\n");
    let arguments = ["lib.rs", "--crate-type", "lib", "--crate-name", "a", "-g"];
    let [here, there] = ["here", "th ere"].map(|name| Place { bench: &bench, name, source: "package" });
    assert!(!here.compile(&arguments).0);
    let (hit, said) = there.compile(&arguments);
    assert!(hit, "{}", bench.log());
    for name in ["deps/a.d", "deps/liba.rmeta", "deps/liba.rlib"] {
        assert!(said.contains(&there.path(name)), "{said}");
    }
    assert!(!said.contains(&here.path("")));
    let dependencies = std::fs::read_to_string(there.path("deps/a.d")).expect("text");
    assert!(dependencies.contains(&there.path("deps/liba.rlib")), "{dependencies}");
    assert!(!dependencies.contains(&here.path("")), "{dependencies}");
    // The compiler itself writes the same.
    std::fs::remove_file(there.path("deps/a.d")).expect("removed");
    let bare = bench
        .command(rustc())
        .args(arguments)
        .args(["--out-dir", &there.path("deps"), "--emit=dep-info,metadata,link"])
        .current_dir(bench.beside("package"))
        .output()
        .expect("runs");
    assert!(bare.status.success());
    assert_eq!(std::fs::read_to_string(there.path("deps/a.d")).expect("text"), dependencies);
}

/// Clippy looks for its configuration in all directories above a package, and so above every other place as well.
#[test]
fn lints_hit_with_another_directory_of_results_until_they_are_configured() {
    let bench = Bench::new();
    package(&bench, "packages/one", "pub fn f(_: u32, _: u32) {}\n");
    let hit = |results: &str| {
        let results = bench.beside(results).display().to_string();
        let clippy = rustc().replace("rustc", "clippy-driver");
        let before = bench.statistics().hits();
        let mut command =
            bench.wrapper(&[&clippy, rustc(), "lib.rs", "--crate-type", "lib", "--emit=metadata"]);
        command.args(["--crate-name", "a", "--out-dir", &results]).current_dir(bench.beside("packages/one"));
        let output = command.output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let many = String::from_utf8_lossy(&output.stderr).contains("too_many_arguments");
        (bench.statistics().hits() > before, many)
    };
    for directory in ["here", "packages/there"] {
        std::fs::create_dir_all(bench.beside(directory)).expect("a directory");
    }
    assert_eq!(hit("here"), (false, false));
    assert_eq!(hit("packages/there"), (true, false), "{}", bench.log());
    write(bench.beside("clippy.toml"), "too-many-arguments-threshold = 1\n");
    assert_eq!(hit("here"), (false, true), "{}", bench.log());
    assert_eq!(hit("packages/there"), (true, true), "{}", bench.log());
    write(bench.beside("packages/.clippy.toml"), "too-many-arguments-threshold = 2\n");
    assert_eq!(hit("here"), (false, false), "{}", bench.log());
}

/// Another checkout has other directories above it.
#[test]
fn lints_of_another_checkout_hit_where_the_configuration_is_in_it() {
    let bench = Bench::new();
    let lint = |checkout: &str, remapped: bool| {
        let directory = bench.beside(checkout);
        let clippy = rustc().replace("rustc", "clippy-driver");
        let before = bench.statistics().hits();
        let mut command =
            bench.wrapper(&[&clippy, rustc(), "lib.rs", "--crate-type", "lib", "--emit=metadata"]);
        command.args(["--crate-name", "a"]).current_dir(&directory).env("CARGO_MANIFEST_DIR", &directory);
        if remapped {
            command.arg(format!("--remap-path-prefix={}=/source", directory.display()));
        }
        let output = command.output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let many = String::from_utf8_lossy(&output.stderr).contains("too_many_arguments");
        (bench.statistics().hits() > before, many)
    };
    for name in ["one/checkout", "two/checkout"] {
        package(&bench, name, "pub fn f(_: u32, _: u32) {}\n");
    }
    write(bench.beside("two/clippy.toml"), "too-many-arguments-threshold = 1\n");
    for again in [false, true] {
        assert_eq!(lint("one/checkout", true), (again, false), "{}", bench.log());
        assert_eq!(lint("two/checkout", true), (again, true), "{}", bench.log());
    }
    for name in ["one/checkout", "two/checkout"] {
        write(bench.beside(name).join(".clippy.toml"), "too-many-arguments-threshold = 2\n");
    }
    assert_eq!(lint("one/checkout", true), (false, false), "{}", bench.log());
    assert_eq!(lint("two/checkout", true), (true, false), "{}", bench.log());
    assert_eq!(lint("two/checkout", false), (false, false), "{}", bench.log());
}

#[test]
fn a_result_that_holds_a_place_stays_there() {
    let bench = Bench::new();
    package(&bench, "package", "pub const PLACE: &str = env!(\"OUT_DIR\");\n");
    let arguments = ["lib.rs", "--crate-type", "lib", "--crate-name", "a"];
    let [here, there] = ["here", "there"].map(|name| Place { bench: &bench, name, source: "package" });
    assert!(!here.compile(&arguments).0);
    assert!(here.compile(&arguments).0);
    assert!(!there.compile(&arguments).0);
    assert!(there.compile(&arguments).0);
    assert!(here.compile(&arguments).0, "each place keeps its own: {}", bench.log());
    let library = std::fs::read(there.path("deps/liba.rlib")).expect("bytes");
    assert!(memmem(&library, there.path("made").as_bytes()));
    assert!(!memmem(&library, here.path("made").as_bytes()));
}

#[test]
fn crates_of_another_checkout_hit_where_nothing_shows_the_place() {
    let bench = Bench::new();
    for name in ["one", "two"] {
        package(&bench, name, "#[no_mangle] pub extern \"C\" fn f() -> u32 { 1 }\n");
    }
    let [here, there] = ["one", "two"].map(|source| Place { bench: &bench, name: "results", source });
    // Metadata names the working directory, in a hash at least.
    let library = ["lib.rs", "--crate-type", "lib", "--crate-name", "a"];
    assert!(!here.compile(&library).0);
    assert!(!there.compile(&library).0);
    assert!(here.compile(&library).0);
    // Unless it is remapped, from each place to one name.
    for (place, hits) in [(&here, false), (&there, true), (&here, true)] {
        let remap = format!("--remap-path-prefix={}=/source", bench.beside(place.source).display());
        let arguments = [&library[..], &[&remap]].concat();
        assert_eq!(place.compile(&arguments).0, hits, "{}: {}", place.source, bench.log());
    }
    // A program without debug information holds no place.
    for name in ["one", "two"] {
        package(&bench, name, "fn main() {}\n");
    }
    let program = ["lib.rs", "--crate-type", "bin", "--crate-name", "p", "-C", "strip=debuginfo"];
    let emit = |place: &Place<'_>| {
        let before = bench.statistics().hits();
        let mut command = bench.wrapper(&[rustc()]);
        command.args(program).args(["--out-dir", &place.path("deps"), "--emit=dep-info,link"]);
        assert!(command.current_dir(bench.beside(place.source)).status().expect("runs").success());
        bench.statistics().hits() > before
    };
    assert!(!emit(&here));
    assert!(emit(&there), "{}", bench.log());
}

/// Bitcode can't be searched for places: what the compiler asked for tells which it may hold.
#[test]
fn a_result_that_cannot_be_searched_stays_where_it_may_hold_a_place() {
    let bench = Bench::new();
    let arguments = ["lib.rs", "--crate-type", "lib", "--crate-name", "a", "-C", "linker-plugin-lto"];
    let places = ["here", "there"].map(|name| Place { bench: &bench, name, source: "package" });
    let includes = "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n";
    for (text, hits) in [
        ("pub fn f() -> u32 { 1 }\n", true),
        ("pub fn f() -> &'static str { env!(\"OUT_DIR\") }\n", false),
        ("pub fn f() -> &'static str { env!(\"ELSEWHERE\") }\n", false),
        (includes, false),
    ] {
        package(&bench, "package", text);
        for (place, hits) in places.iter().zip([false, hits]) {
            write(place.path("made/made.rs"), "pub fn f() {}\n");
            let elsewhere = place.path("deps") + "/what";
            let (hit, _) = place.compile_with(&arguments, &[("ELSEWHERE", &elsewhere)]);
            assert_eq!(hit, hits, "{text}: {}: {}", place.name, bench.log());
        }
        let elsewhere = places[0].path("deps") + "/what";
        let (again, _) = places[0].compile_with(&arguments, &[("ELSEWHERE", &elsewhere)]);
        assert!(again, "{text}: {}", bench.log());
    }
}

/// A macro that finds its way from `OUT_DIR` upwards reads something that belongs to this place.
#[test]
fn what_is_found_beside_a_place_binds_to_it() {
    let bench = Bench::new();
    package(
        &bench,
        "macros",
        "extern crate proc_macro;\n#[proc_macro] pub fn up(_: proc_macro::TokenStream) -> proc_macro::TokenStream \
         { let up = format!(\"{}/../marker\", std::env::var(\"OUT_DIR\").unwrap()); let up = \
         std::path::absolute(up).unwrap(); let up = up.parent().unwrap().parent().unwrap().parent().unwrap()\
         .join(\"marker\"); format!(\"{:?}\", std::fs::read_to_string(up).unwrap_or_default()).parse().unwrap() }\n",
    );
    let macros = bench.beside("libmacros.so").display().to_string();
    let mut command =
        bench.wrapper(&[rustc(), "lib.rs", "--crate-type", "proc-macro", "--crate-name", "macros"]);
    command.args(["-o", &macros]).current_dir(bench.beside("macros"));
    assert!(command.status().expect("runs").success());
    package(&bench, "package", "pub const MARKER: &str = macros::up!();\n");
    let other = format!("macros={macros}");
    let arguments =
        ["lib.rs", "--crate-type", "lib", "--crate-name", "a", "--edition", "2021", "--extern", &other];
    let places = ["here", "there"].map(|name| Place { bench: &bench, name, source: "package" });
    for (place, marker) in places.iter().zip(["first", "second"]) {
        write(place.path("marker"), marker);
        place.compile(&arguments);
        let library = std::fs::read(place.path("deps/liba.rmeta")).expect("bytes");
        assert!(memmem(&library, marker.as_bytes()), "{marker}: {}", bench.log());
    }
}

fn memmem(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
