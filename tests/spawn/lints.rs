//! Clippy's driver as a compiler whose crates are recipes of their own.

use std::path::Path;
use std::process::Command;

use super::crates::{Home, text};
use super::engine;
use crate::crates::rustc;
use crate::support::WRAPPER;

const LINE: &str = "src/lib.rs --edition=2021 --crate-type lib --crate-name a --emit=dep-info,metadata \
                    --error-format=json --json=artifacts";
const FEW: &str = "too-many-arguments-threshold = 1\n";
const BAKED: &str = "spawned: baked";
const HIT: &str = "spawned: hit";

fn home(engine: &'static super::Engine) -> Home {
    let home = Home::with(engine, None);
    home.write(
        "src/lib.rs",
        "pub fn f(x: u32, y: u32) -> bool {\n    if x == y { true } else { false }\n}\n",
    );
    home
}

fn clippy() -> String {
    Path::new(rustc()).with_file_name("clippy-driver").display().to_string()
}

/// Lints, and gives whether there were too many arguments, and what was decided. What is said is what clippy says.
#[track_caller]
fn linted(home: &Home, change: impl Fn(&mut Command)) -> (bool, String) {
    let run = |command: &mut Command| {
        change(command.arg(rustc()).args(LINE.split_whitespace()));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stderr), text(&std::fs::read(home.work().join("a.d")).unwrap()))
    };
    let bare = run(&mut home.command(clippy()));
    let told = run(home.wrapper().arg(clippy()));
    assert_eq!(told, bare, "{}", home.log());
    assert!(told.0.contains("clippy::needless_bool"), "{}", told.0);
    let log = home.log();
    let last = log.lines().rfind(|line| line.contains("spawned") || line.contains("here ("));
    let decided = last.unwrap_or_default().split_once(": ").unwrap_or_default().1.to_owned();
    (told.0.contains("clippy::too_many_arguments"), decided)
}

#[track_caller]
fn is(home: &Home, many: bool, decided: &str) {
    let (said, how) = linted(home, |_| ());
    assert!(said == many && how.starts_with(decided), "{said}: {how}\n{}", home.log());
}

/// What configures it counts, and where it is looked for.
#[test]
fn lints_are_baked_for_every_home() {
    let engine = engine();
    for decided in [BAKED, HIT] {
        let home = home(engine);
        is(&home, false, decided);
        home.write("clippy.toml", FEW);
        is(&home, true, decided);
        // One that is found earlier.
        home.write(".clippy.toml", "too-many-arguments-threshold = 3\n");
        home.write("conf/clippy.toml", "too-many-arguments-threshold = 4\n");
        std::fs::remove_file(home.work().join("clippy.toml")).unwrap();
        is(&home, false, decided);
        let conf = home.work().join("conf");
        home.write("conf/clippy.toml", FEW);
        let (many, how) = linted(&home, |command| {
            command.env("CLIPPY_CONF_DIR", &conf);
        });
        assert_eq!((many, how.as_str()), (true, decided), "{}", home.log());
        let (many, how) = linted(&home, |command| {
            command.env("CLIPPY_ARGS", "-Wclippy::pedantic");
        });
        assert_eq!((many, how.as_str()), (false, decided), "{}", home.log());
        std::fs::remove_file(home.work().join(".clippy.toml")).unwrap();
        is(&home, false, HIT);
    }
}

/// A bake has nothing above its places.
#[test]
fn what_configures_it_from_above_is_seen() {
    let home = home(engine());
    is(&home, false, BAKED);
    let above = home.work().with_file_name("clippy.toml");
    std::fs::write(&above, FEW).unwrap();
    is(&home, true, "here (seen-otherwise)");
    std::fs::remove_file(&above).unwrap();
    is(&home, false, HIT);
    let outside = home.work().parent().unwrap().with_file_name(".clippy.toml");
    std::fs::write(&outside, FEW).unwrap();
    is(&home, true, "here (outside)");
    // One that is nearer hides it.
    home.write("clippy.toml", "too-many-arguments-threshold = 3\n");
    is(&home, false, BAKED);
    std::fs::remove_file(home.work().join("clippy.toml")).unwrap();
    home.write("conf.toml", FEW);
    std::os::unix::fs::symlink("conf.toml", home.work().join("clippy.toml")).unwrap();
    is(&home, true, "here (");
    let output = home.command(WRAPPER).arg(clippy()).args(LINE.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(home.log().contains("here (lints): the wrapper is in no input"), "{}", home.log());
}

/// Some lints ask cargo, which a bake does not have.
#[test]
fn lints_that_run_a_program_are_not_baked() {
    let home = home(engine());
    home.write("Cargo.toml", "[package]\nname = \"a\"\nedition = \"2021\"\n");
    let place = home.work();
    let (_, how) = linted(&home, |command| {
        command.args(["-W", "clippy::cargo"]).env("CARGO_MANIFEST_DIR", &place);
    });
    assert!(how.starts_with("here (seen-otherwise)"), "{how}\n{}", home.log());
    is(&home, false, BAKED);
}

/// By cargo.
#[test]
fn a_workspace_is_linted_once_for_all_homes() {
    let engine = engine();
    for decided in [BAKED, HIT] {
        let home = Home::new(engine);
        home.write("top/src/part.rs", "pub fn part() -> u32 { return 1; }\n");
        let run = |expected: bool| {
            let mut command = home.cargo("clippy");
            let output = command.output().unwrap();
            let said = text(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert_eq!(said.contains("unneeded `return`"), expected, "{said}\n{}", home.log());
            let log = home.log();
            let _ = std::fs::remove_file(home.work().parent().unwrap().with_file_name("log"));
            log
        };
        let log = run(true);
        assert!(
            log.contains(&format!("top: {decided}")) && log.contains(&format!("base: {decided}")),
            "{log}"
        );
        home.write("top/clippy.toml", "msrv = \"1.70\"\n");
        home.write("top/src/part.rs", "pub fn part() -> u32 { 1 }\n");
        let log = run(false);
        assert!(log.contains(&format!("top: {decided}")), "{log}");
    }
}
