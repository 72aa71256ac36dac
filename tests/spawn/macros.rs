//! Crates that load macros as recipes of their own: where a macro saw in the bake what it would see at home.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::crates::{Home, text};
use super::{Engine, engine};
use crate::crates::rustc;
use crate::support::WRAPPER;

/// Macros that do what they should not, and a derive.
const MACROS: &str = r#"extern crate proc_macro;
use proc_macro::TokenStream;
fn literal(text: impl std::fmt::Debug) -> TokenStream { format!("{text:?}").parse().unwrap() }
#[proc_macro_derive(Named)] pub fn named(item: TokenStream) -> TokenStream {
    let name = item.into_iter().nth(1).unwrap().to_string();
    format!("impl {name} {{ pub const NAME: &'static str = {name:?}; }}").parse().unwrap()
}
#[proc_macro] pub fn file(_: TokenStream) -> TokenStream { literal(std::fs::read_to_string("secret.txt").unwrap()) }
#[proc_macro] pub fn optional(_: TokenStream) -> TokenStream {
    literal(std::fs::read_to_string("opt/maybe.txt").unwrap_or_default())
}
#[proc_macro] pub fn there(_: TokenStream) -> TokenStream {
    literal((Path::new("seen.txt").is_file(), Path::new("opt").is_dir()))
}
#[proc_macro] pub fn variable(_: TokenStream) -> TokenStream { literal(std::env::var("HIDDEN").unwrap_or_default()) }
#[proc_macro] pub fn below_variable(_: TokenStream) -> TokenStream {
    literal(std::fs::read_to_string(format!("{}/secret.txt", std::env::var("PLACE").unwrap())).unwrap())
}
#[proc_macro] pub fn place(_: TokenStream) -> TokenStream { literal(std::env::current_dir().unwrap()) }
#[proc_macro] pub fn named_by_a_file(_: TokenStream) -> TokenStream {
    let name = std::fs::read_to_string("name.txt").unwrap();
    literal(std::fs::read_to_string(name.trim()).unwrap_or_default())
}
#[proc_macro] pub fn above(_: TokenStream) -> TokenStream {
    literal(std::fs::read_to_string("../above.txt").unwrap_or_default())
}
#[proc_macro] pub fn machine(_: TokenStream) -> TokenStream {
    literal(std::fs::read_to_string("/etc/passwd").unwrap().len())
}
#[proc_macro] pub fn home(_: TokenStream) -> TokenStream { literal(std::env::var("HOME").unwrap().len()) }
#[proc_macro] pub fn listed(_: TokenStream) -> TokenStream { literal(std::fs::read_dir("opt").unwrap().count()) }
#[proc_macro] pub fn libraries(_: TokenStream) -> TokenStream { literal(std::fs::read_dir(".").unwrap().count()) }
#[proc_macro] pub fn time(_: TokenStream) -> TokenStream {
    literal(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() > 0)
}
#[proc_macro] pub fn resolved(_: TokenStream) -> TokenStream {
    literal(std::fs::canonicalize("link.txt").unwrap().file_name().unwrap())
}
use std::path::Path;
"#;

/// Those that can list the environment, as whoever runs a program does.
const COUNTING: &str = r#"extern crate proc_macro;
use proc_macro::TokenStream;
#[proc_macro] pub fn variables(_: TokenStream) -> TokenStream {
    let counted = std::env::vars().filter(|(name, _)| name.starts_with("COUNTED")).count();
    format!("{counted}usize").parse().unwrap()
}
#[proc_macro] pub fn run(_: TokenStream) -> TokenStream {
    format!("{}", std::process::Command::new("true").status().unwrap().success()).parse().unwrap()
}
"#;

/// The libraries of these macros, compiled once, so that all homes have the same bytes.
fn libraries() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        for (name, source) in [("macros", MACROS), ("counting", COUNTING)] {
            std::fs::write(directory.path().join(format!("{name}.rs")), source).unwrap();
            let mut command = Command::new(rustc());
            command.current_dir(directory.path()).arg(format!("{name}.rs"));
            assert!(command.args(["--crate-type=proc-macro", "--edition=2021"]).status().unwrap().success());
        }
        directory
    });
    made.path()
}

/// A home with a crate in it that is this expression, a constant.
fn home(engine: &'static Engine, kind: &str, value: &str) -> Home {
    let home = Home::new(engine);
    for name in ["libmacros.so", "libcounting.so"] {
        std::fs::copy(libraries().join(name), home.work().join(name)).unwrap();
    }
    home.write("secret.txt", "one");
    home.write("seen.txt", "");
    home.write("opt/other.txt", "");
    home.write("user.rs", &format!("pub const VALUE: {kind} = {value};\n"));
    home.write("main.rs", "fn main() { println!(\"{:?}\", user::VALUE); }\n");
    home
}

const LINE: &str = "user.rs --edition=2021 --crate-type lib --crate-name user --extern macros=libmacros.so \
                    --extern counting=libcounting.so -L dependency=. --emit=dep-info,metadata,link -C debuginfo=2";

/// Compiles the crate, and tells what a program says that is linked with it, and what was decided.
#[track_caller]
fn with(home: &Home, change: impl Fn(&mut Command)) -> (String, String) {
    let _ = std::fs::remove_file(home.work().parent().unwrap().with_file_name("log"));
    let mut command = home.wrapper();
    change(command.arg(rustc()).args(LINE.split_whitespace()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), home.log());
    let mut link = home.command(rustc());
    assert!(link.args(["main.rs", "--extern", "user=libuser.rlib", "-L", "."]).status().unwrap().success());
    let said = home.command(home.work().join("main")).output().unwrap();
    let log = home.log();
    let words = ["spawned: baked", "spawned: hit"].into_iter().filter(|word| log.contains(word));
    let local = log.split_once("here (").and_then(|(_, rest)| rest.split_once(')')).map(|(word, _)| word);
    (text(&said.stdout).trim().to_owned(), words.chain(local).collect::<Vec<_>>().join(", "))
}

#[track_caller]
fn is(home: &Home, value: &str, decision: &str) {
    let (said, decided) = with(home, |_| ());
    assert_eq!((said.as_str(), decided.as_str()), (value, decision), "{}", home.log());
}

const BAKED: &str = "spawned: baked";
const HIT: &str = "spawned: hit";

#[test]
fn a_derive_is_baked_for_every_home() {
    let engine = engine();
    let mut made = Vec::new();
    for decision in [BAKED, HIT] {
        let home = home(engine, "&str", "{ #[derive(macros::Named)] struct Thing; Thing::NAME }");
        is(&home, "\"Thing\"", decision);
        made.push(
            ["libuser.rlib", "libuser.rmeta"].map(|name| std::fs::read(home.work().join(name)).unwrap()),
        );
        // The same call by hand, of the same files below the mapped names.
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.work().join("out")).unwrap();
        let copied = Command::new("cp").arg("-a").args([home.work(), tree.path().join("work")]).status();
        assert!(copied.unwrap().success());
        let mut command = home.command(rustc());
        command.args(LINE.split_whitespace()).current_dir(tree.path().join("work"));
        command.arg(format!("--remap-path-prefix={}=/brioche", tree.path().display()));
        assert!(command.args(["--out-dir", "out"]).status().unwrap().success());
        let by_hand = ["libuser.rlib", "libuser.rmeta"]
            .map(|name| std::fs::read(tree.path().join("work/out").join(name)));
        assert!(by_hand.map(Result::unwrap) == made[0], "{}", home.log());
    }
    assert!(made[0] == made[1]);
}

/// A crate that uses one with macros loads them as well.
#[test]
fn macros_of_other_crates_count() {
    let engine = engine();
    for decision in [BAKED, HIT] {
        let home = home(engine, "u8", "1");
        home.write("user.rs", "pub use macros::file;\n");
        with_nothing_to_run(&home);
        home.write("next.rs", "pub fn next() -> &'static str { user::file!() }\n");
        let line = "next.rs --edition=2021 --crate-type lib --extern user=libuser.rlib -L dependency=. --emit=dep-info,link";
        let next = |secret: &str| {
            home.write("secret.txt", secret);
            let output = home.wrapper().arg(rustc()).args(line.split_whitespace()).output().unwrap();
            assert!(output.status.success(), "{}\n{}", text(&output.stderr), home.log());
            let library = std::fs::read(home.work().join("libnext.rlib")).unwrap();
            assert!(text(&library).contains(secret), "{}", home.log());
            home.log().lines().last().unwrap().to_owned()
        };
        for secret in ["a secret", "another secret"] {
            let decided = next(secret);
            assert!(decided.ends_with(decision), "{}", home.log());
        }
    }
}

fn with_nothing_to_run(home: &Home) {
    let output = home.wrapper().arg(rustc()).args(LINE.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), home.log());
}

/// Only the wrapper tells what macros see in a bake.
#[test]
fn without_the_wrapper_in_an_input_macros_stay_here() {
    let home = home(engine(), "&str", "macros::file!()");
    let output = home.command(WRAPPER).arg(rustc()).args(LINE.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(home.log().contains("here (macros): the wrapper is in no input"), "{}", home.log());
}

#[test]
fn a_file_that_a_macro_reads_counts() {
    let engine = engine();
    let one = home(engine, "&str", "macros::file!()");
    is(&one, "\"one\"", BAKED);
    is(&one, "\"one\"", HIT);
    one.write("secret.txt", "two");
    is(&one, "\"two\"", BAKED);
    let two = home(engine, "&str", "macros::file!()");
    is(&two, "\"one\"", HIT);
    two.write("secret.txt", "two");
    is(&two, "\"two\"", HIT);
}

#[test]
fn a_file_that_a_macro_looks_for_counts() {
    let engine = engine();
    for decision in [BAKED, HIT] {
        let home = home(engine, "&str", "macros::optional!()");
        is(&home, "\"\"", decision);
        home.write("opt/maybe.txt", "it appeared");
        is(&home, "\"it appeared\"", decision);
        std::fs::remove_dir_all(home.work().join("opt")).unwrap();
        is(&home, "\"\"", decision);
    }
}

#[test]
fn what_a_macro_looks_at_counts() {
    let engine = engine();
    for decision in [BAKED, HIT] {
        let home = home(engine, "(bool, bool)", "macros::there!()");
        is(&home, "(true, true)", decision);
        std::fs::remove_file(home.work().join("seen.txt")).unwrap();
        is(&home, "(false, true)", decision);
        std::fs::remove_dir_all(home.work().join("opt")).unwrap();
        is(&home, "(false, false)", decision);
        // A link leads where the bake's file does not.
        home.write("opt/x", "");
        home.write("user.rs", "pub const VALUE: &str = macros::resolved!();\n");
        std::os::unix::fs::symlink("secret.txt", home.work().join("link.txt")).unwrap();
        is(&home, "\"secret.txt\"", "link");
    }
}

#[test]
fn a_variable_that_a_macro_asks_for_counts() {
    let engine = engine();
    for decision in [BAKED, HIT] {
        let home = home(engine, "&str", "macros::variable!()");
        is(&home, "\"\"", decision);
        for value in ["x", "y"] {
            let (said, decided) = with(&home, |command| {
                command.env("HIDDEN", value);
            });
            assert_eq!((said, decided.as_str()), (format!("{value:?}"), decision), "{}", home.log());
        }
        home.write("user.rs", "pub const VALUE: &str = macros::below_variable!();\n");
        let place = home.work();
        let (said, decided) = with(&home, |command| {
            command.env("PLACE", &place);
        });
        assert_eq!((said.as_str(), decided.as_str()), ("\"one\"", decision), "{}", home.log());
        // A place that the result holds is another one in the bake.
        let (said, decided) = with(&home, |command| {
            command.env("HIDDEN", &place).env("PLACE", &place);
        });
        assert_eq!((said.as_str(), decided.as_str()), ("\"one\"", HIT), "{}", home.log());
        home.write("user.rs", "pub const VALUE: &str = macros::variable!();\n");
        let (said, decided) = with(&home, |command| {
            command.env("HIDDEN", &place);
        });
        assert_eq!((said, decided.as_str()), (format!("{place:?}"), "seen-otherwise"), "{}", home.log());
    }
}

/// What can't be done again elsewhere is done here, and is right.
#[test]
fn what_a_bake_would_not_see_stays_here() {
    let engine = engine();
    for (kind, value, word) in [
        ("usize", "macros::listed!()", "listed"),
        ("usize", "macros::libraries!()", "listed"),
        ("bool", "counting::run!()", "program"),
        ("bool", "macros::time!()", "time-of-day"),
        ("usize", "counting::variables!()", "environment"),
        ("usize", "macros::home!()", "environment"),
        ("usize", "macros::machine!()", "outside"),
        ("&str", "macros::place!()", "seen-otherwise"),
        ("&str", "macros::above!()", "seen-otherwise"),
        ("&str", "macros::named_by_a_file!()", "seen-otherwise"),
    ] {
        let home = home(engine, kind, value);
        home.write("../above.txt", "above");
        let named = home.work().join("secret.txt");
        home.write("name.txt", named.to_str().unwrap());
        for words in [&[word][..], &[word, "macros"]] {
            let (_, decided) = with(&home, |_| ());
            assert!(words.contains(&decided.as_str()), "{value}: {decided}\n{}", home.log());
        }
        let library = || std::fs::read(home.work().join("libuser.rlib")).unwrap();
        let wrapped = library();
        let output = home.command(rustc()).args(LINE.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(wrapped == library(), "{value}");
    }
}
