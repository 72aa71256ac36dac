//! What stands in a crate's tree beside its sources.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::crates::{Home, text};
use super::engine;
use crate::crates::{rustc, targets};

/// A path that goes through a directory of which nothing is read.
#[test]
fn directories_that_paths_only_go_through_are_there() {
    let engine = engine();
    for how in ["spawned: baked", "spawned: hit"] {
        let home = Home::with(engine, None);
        home.write("src/a.rs", "pub mod b { #[path = \"../../other/d.rs\"] pub mod d; }\n");
        home.write("src/b/unread.rs", "");
        home.write("other/d.rs", "pub const D: &str = include_str!(\"../src/c/../text\");\n");
        home.write("src/c/unread.rs", "");
        home.write("src/text", "text");
        let line = "src/a.rs --crate-type lib --emit=dep-info,link";
        let output = home.wrapper().arg(rustc()).args(line.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(home.log().lines().last().unwrap().contains(how), "{}", home.log());
    }
}

/// A target that a file describes.
#[test]
fn a_target_of_ones_own_is_baked_for_every_home() {
    let engine = engine();
    let mut made = BTreeMap::new();
    for again in [false, true] {
        let home = Home::with(engine, None);
        home.write("a.rs", targets::SOURCE);
        for (target, sections, known) in [
            ("mine.json", "true", again),
            ("mine.json", "false", again),
            ("mine.json", "true", true),
            ("sub/mine.json", "true", again),
            ("other.json", "true", again),
        ] {
            home.write(target, &targets::described(sections));
            let place = home.work();
            for target in [target.to_owned(), place.join(target).display().to_string()] {
                let mut command = home.wrapper();
                command.arg(rustc()).args(targets::LINE.split_whitespace()).args(["--target", &target]);
                let output = command.env("RUSTC_BOOTSTRAP", "1").output().unwrap();
                assert!(output.status.success(), "{}", text(&output.stderr));
                let how = if known && !target.starts_with('/') { "spawned: hit" } else { "spawned: " };
                assert!(home.log().lines().last().unwrap().contains(how), "{target}: {}", home.log());
            }
            let files = |place: &Path| {
                ["liba.rlib", "liba.rmeta"].map(|name| std::fs::read(place.join(name)).unwrap())
            };
            let library = files(&place);
            // The same call by hand, of the same files below the mapped names.
            let tree = tempfile::tempdir().unwrap();
            let by_hand = tree.path().join("work");
            let copied = Command::new("cp").arg("-a").args([&place, &by_hand]).status();
            assert!(copied.unwrap().success());
            let mut command = home.command(rustc());
            command.args(targets::LINE.split_whitespace()).args(["--target", target]);
            command.arg(format!("--remap-path-prefix={}=/brioche", tree.path().display()));
            let ran = command.current_dir(&by_hand).env("RUSTC_BOOTSTRAP", "1").status();
            assert!(ran.unwrap().success() && files(&by_hand) == library, "{target}");
            let name = (Path::new(target).file_name(), sections);
            assert!(*made.entry(name).or_insert_with(|| library.clone()) == library, "{target}");
        }
    }
    assert_eq!(made.len(), 3);
    let [first, second, third] = made.values().collect::<Vec<_>>()[..] else { panic!() };
    assert!(first != second && second != third && first != third);
}
