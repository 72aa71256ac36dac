//! Targets that a file describes: what it says decides, and the name that it has; neither its times nor its place do.

use std::process::Command;

use super::rustc;
use crate::support::Bench;

/// As much of a core library as a function takes.
pub const SOURCE: &str = "#![feature(no_core, lang_items)]\n#![no_core]\n#[lang = \"pointee_sized\"] pub trait PointeeSized {}\n\
     #[lang = \"meta_sized\"] pub trait MetaSized: PointeeSized {}\n#[lang = \"sized\"] pub trait Sized: MetaSized {}\n\
     #[lang = \"copy\"] pub trait Copy {}\nimpl Copy for u64 {}\n#[no_mangle] pub extern \"C\" fn f(x: u64) -> u64 { x }\n";

pub const LINE: &str = "a.rs --crate-type lib --crate-name a -A internal_features -Z unstable-options \
                    --emit=dep-info,metadata,link";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("a.rs", SOURCE);
    bench.write("mine.json", described("true"));
    bench
}

/// The machine's own target, with a section for each function, or not.
pub fn described(sections: &str) -> String {
    let mut command = Command::new(rustc());
    command.env("RUSTC_BOOTSTRAP", "1").args(["-Z", "unstable-options", "--print", "target-spec-json"]);
    let text = String::from_utf8(command.output().expect("rustc runs").stdout).expect("text");
    text.replacen('{', &format!("{{\"function-sections\": {sections},"), 1)
}

/// Compiles for this target, with this in `RUST_TARGET_PATH`: whether it hit, and the library.
#[track_caller]
fn compile(bench: &Bench, target: &str, searched: &str) -> (bool, Vec<u8>) {
    let run = |command: &mut Command| {
        command.args(LINE.split_whitespace()).args(["--target", target]);
        command.env("RUSTC_BOOTSTRAP", "1").env("RUST_TARGET_PATH", searched);
        let output = command.output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ["liba.rlib", "liba.rmeta", "a.d"].map(|name| bench.read(name))
    };
    let bare = run(&mut bench.command(rustc()));
    for name in ["liba.rlib", "liba.rmeta", "a.d"] {
        bench.remove(name);
    }
    let before = bench.statistics();
    let wrapped = run(&mut bench.wrapper(&[rustc()]));
    let after = bench.statistics();
    assert!(wrapped == bare, "{target}: not as bare\n{}", bench.log());
    let counted = (after.hits() - before.hits(), after.misses() - before.misses());
    assert!(matches!(counted, (1, 0) | (0, 1)), "{counted:?}\n{}", bench.log());
    let [library, ..] = wrapped;
    (counted == (1, 0), library)
}

#[test]
fn what_describes_the_target_counts() {
    let bench = bench();
    let compile = |target: &str| compile(&bench, target, "");
    let (hit, first) = compile("mine.json");
    assert!(!hit);
    assert_eq!(compile("mine.json"), (true, first.clone()));
    bench.write("mine.json", described("false"));
    let (hit, other) = compile("mine.json");
    assert!(!hit, "it says something else");
    assert!(other != first);
    bench.write("mine.json", described("true"));
    assert_eq!(compile("mine.json"), (true, first.clone()), "it was written again, with the same bytes");
    // The compiler knows it by its name without the directory.
    bench.write("sub/mine.json", described("true"));
    bench.write("other.json", described("true"));
    let (hit, elsewhere) = compile("sub/mine.json");
    assert!(!hit && elsewhere == first, "{}", bench.log());
    let (hit, named) = compile("other.json");
    assert!(!hit && named != first, "{}", bench.log());
    for (target, library) in [("sub/mine.json", &first), ("other.json", &named), ("mine.json", &first)] {
        assert_eq!(compile(target), (true, library.clone()), "{target}");
    }
}

/// It has the name of the file that a link leads to.
#[test]
fn where_a_link_to_it_leads_counts() {
    let bench = bench();
    bench.write("other.json", described("true"));
    let link = bench.work().join("link.json");
    let lead = |to: &str| {
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(to, &link).expect("a link");
    };
    lead("mine.json");
    let (hit, first) = compile(&bench, "link.json", "");
    assert!(!hit);
    lead("other.json");
    let (hit, other) = compile(&bench, "link.json", "");
    assert!(!hit && other != first, "{}", bench.log());
    lead("mine.json");
    assert_eq!(compile(&bench, "link.json", ""), (true, first), "{}", bench.log());
}

/// A target by its name is looked for in directories.
#[test]
fn a_target_that_is_found_earlier_counts() {
    let bench = bench();
    let compile = |searched: &str| compile(&bench, "mine", searched);
    bench.write("two/mine.json", described("true"));
    std::fs::create_dir(bench.work().join("one")).expect("a directory");
    let (hit, first) = compile("one:two");
    assert!(!hit);
    assert!(compile("one:two").0);
    bench.write("one/mine.json", described("false"));
    let (hit, earlier) = compile("one:two");
    assert!(!hit && earlier != first, "{}", bench.log());
    assert!(compile("one:two").0);
    bench.remove("one/mine.json");
    assert_eq!(compile("one:two"), (true, first));
}
