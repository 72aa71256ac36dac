//! Crates that are linked as recipes of their own, with a linker in an input.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::crates::{Home, text};
use super::engine;
use crate::crates::rustc;
use crate::support::WRAPPER;

/// A packed gcc with the wrapper beside it.
pub fn linker() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut pack = Command::new(env!("CARGO_BIN_EXE_brioche-host"));
        pack.arg("--store").arg(directory.path().join("store")).arg("pack-toolchain");
        pack.arg(directory.path().join("packed")).args(["gcc", "--program", WRAPPER]);
        let output = pack.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        directory
    });
    Box::leak(made.path().join("packed").into_boxed_path())
}

fn home(engine: &'static super::Engine) -> Home {
    let home = Home::with(engine, Some(linker()));
    home.write("base.rs", "pub fn base() -> u32 { 40 }\n");
    home.write("top.rs", "pub fn top() -> u32 { base::base() + 1 }\n");
    home.write("main.rs", "fn main() { println!(\"{}\", top::top() + 1); }\n#[test] fn works() {}\n");
    home.write("c.rs", "#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> u32 { top::top() + 1 }\n");
    home.write("d.rs", "pub fn answer() -> u32 { top::top() + 1 }\n");
    home.write(
        "m.rs",
        "extern crate proc_macro;\n#[proc_macro] pub fn answer(_: proc_macro::TokenStream) -> \
         proc_macro::TokenStream { \"42u32\".parse().unwrap() }\n",
    );
    home.write("user.rs", "fn main() { println!(\"{}\", m::answer!()); }\n");
    home.write(
        "main.c",
        "#include <stdio.h>\nunsigned answer(void);\nint main(void) { printf(\"%u\\n\", answer()); }\n",
    );
    home
}

/// Compiles, and tells what was decided.
#[track_caller]
pub fn compile(home: &Home, line: &str) -> String {
    let output = with_arguments(home.wrapper().arg(rustc()), line).output().unwrap();
    assert!(output.status.success(), "{line}: {}\n{}", text(&output.stderr), home.log());
    let log = home.log();
    let last = log.lines().rfind(|line| line.contains("spawned") || line.contains("here ("));
    last.unwrap_or_default().split_once(": ").unwrap_or_default().1.to_owned()
}

/// Gives a compiler its arguments.
pub fn with_arguments<'c>(command: &'c mut Command, line: &str) -> &'c mut Command {
    let sysroot = format!("link-arg=--sysroot={}/sysroot", linker().display());
    command.args(line.split_whitespace()).args(["--edition=2024", "-C", &sysroot]);
    if !line.contains("linker=") {
        command.args(["-C", "linker=gcc"]);
    }
    command.args(["-L", "dependency=.", "-C", "debuginfo=2"])
}

const LIBRARIES: [&str; 2] = [
    "base.rs --crate-type lib --emit=dep-info,metadata,link -C metadata=1 -C extra-filename=-1",
    "top.rs --crate-type lib --emit=dep-info,metadata,link --extern base=libbase-1.rmeta",
];

/// A crate of each kind, and the file that it is.
const KINDS: [(&str, &str); 7] = [
    ("main.rs --crate-type bin --extern top=libtop.rlib", "main"),
    ("main.rs --test --extern top=libtop.rlib -C extra-filename=-test", "main-test"),
    ("c.rs --crate-type staticlib --extern top=libtop.rlib", "libc.a"),
    ("c.rs --crate-type cdylib --extern top=libtop.rlib", "libc.so"),
    ("d.rs --crate-type dylib --extern top=libtop.rlib", "libd.so"),
    ("m.rs --crate-type proc-macro", "libm.so"),
    ("user.rs --crate-type bin --extern m=libm.so", "user"),
];

#[test]
fn every_kind_is_linked_once_for_all_homes() {
    let engine = engine();
    let mut made: Vec<Vec<u8>> = Vec::new();
    for decision in ["spawned: baked", "spawned: hit"] {
        let home = home(engine);
        let said = |program: &str| text(&home.command(home.work().join(program)).output().unwrap().stdout);
        for line in LIBRARIES {
            assert_eq!(compile(&home, line), decision, "{}", home.log());
        }
        for (index, (line, name)) in KINDS.into_iter().enumerate() {
            assert_eq!(
                compile(&home, &format!("{line} --emit=dep-info,link")),
                decision,
                "{line}: {}",
                home.log()
            );
            let file = std::fs::read(home.work().join(name)).unwrap();
            let place = home.work();
            assert!(!text(&file).contains(place.parent().unwrap().to_str().unwrap()), "{line}");
            match made.get(index) {
                Some(first) => assert!(*first == file, "{line}"),
                None => made.push(file),
            }
        }
        assert_eq!((said("main"), said("user")), ("42\n".to_owned(), "42\n".to_owned()));
        assert!(said("main-test").contains("1 passed"), "{}", said("main-test"));
        for library in ["libc.a", "./libc.so"] {
            let mut link = home.command("cc");
            assert!(link.args(["main.c", library, "-o", "c"]).status().unwrap().success());
            assert_eq!(said("c"), "42\n");
        }
    }
}

/// What is linked is made of all crates below, whichever the command names.
#[test]
fn a_crate_below_counts() {
    let home = home(engine());
    let build = |value: &str| {
        home.write("base.rs", &format!("pub fn base() -> u32 {{ {value} }}\n"));
        let line = "main.rs --crate-type bin --extern top=libtop.rlib --emit=dep-info,link";
        let decided =
            LIBRARIES.into_iter().chain([line]).map(|line| compile(&home, line)).collect::<Vec<_>>();
        let said = home.command(home.work().join("main")).output().unwrap();
        (text(&said.stdout).trim().to_owned(), decided.last().unwrap().clone())
    };
    assert_eq!(build("40"), ("42".to_owned(), "spawned: baked".to_owned()));
    assert_eq!(build("50"), ("52".to_owned(), "spawned: baked".to_owned()));
    assert_eq!(build("40"), ("42".to_owned(), "spawned: hit".to_owned()));
}

/// Where profiles go is the program's data, as it was said.
#[test]
fn what_writes_profiles_is_baked() {
    let engine = engine();
    let mut made = Vec::new();
    for decision in ["spawned: baked", "spawned: hit"] {
        let home = home(engine);
        let main = "main.rs --crate-type bin --extern top=libtop.rlib --emit=dep-info,link";
        for line in LIBRARIES.into_iter().chain([main]) {
            let line = format!("{line} -C profile-generate=profiles");
            assert_eq!(compile(&home, &line), decision, "{}", home.log());
        }
        assert_eq!(text(&home.command(home.work().join("main")).output().unwrap().stdout), "42\n");
        assert_eq!(std::fs::read_dir(home.work().join("profiles")).unwrap().count(), 1);
        made.push(std::fs::read(home.work().join("main")).unwrap());
    }
    assert!(made[0] == made[1]);
}

/// What the linker would take here and has not there.
#[test]
fn a_linker_that_would_see_something_else_links_here() {
    let home = home(engine());
    for line in LIBRARIES {
        compile(&home, line);
    }
    let line = "main.rs --crate-type bin --extern top=libtop.rlib --emit=dep-info,link";
    // A linker of the machine, and one that an earlier directory has.
    let decided = compile(&home, &format!("{line} -C linker=/usr/bin/cc"));
    assert!(decided.starts_with("here ("), "{decided}");
}

/// All of cargo's own: a build script, macros, a library with them, a program, tests.
#[test]
fn a_whole_build_is_baked() {
    let engine = engine();
    for decision in ["spawned: baked", "spawned: hit"] {
        let home = Home::with(engine, Some(linker()));
        home.write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"app\", \"macros\"]\n");
        home.write(
            "macros/Cargo.toml",
            "[package]\nname = \"macros\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
        );
        home.write(
            "macros/src/lib.rs",
            "use proc_macro::TokenStream;\n#[proc_macro] pub fn told(_: TokenStream) -> TokenStream {\n    \
             let file = format!(\"{}/told.txt\", std::env::var(\"CARGO_MANIFEST_DIR\").unwrap());\n    \
             format!(\"{:?}\", std::fs::read_to_string(file).unwrap()).parse().unwrap()\n}\n",
        );
        home.write(
            "app/Cargo.toml",
            "[package]\nname = \"app\"\nedition = \"2024\"\n[dependencies]\nmacros = { path = \"../macros\" }\n",
        );
        home.write("app/build.rs", "fn main() { println!(\"cargo:rustc-env=MADE=40\"); }\n");
        home.write("app/src/lib.rs", "pub fn told() -> &'static str { macros::told!() }\n");
        home.write(
            "app/src/main.rs",
            "fn main() { println!(\"{} {}\", app::told(), env!(\"MADE\")); }\n#[test] fn works() {}\n",
        );
        home.write("app/told.txt", "told");
        let flags = format!("-C linker=gcc -C link-arg=--sysroot={}/sysroot", linker().display());
        for line in ["build -q", "test -q"] {
            let output = home.cargo(line).env("RUSTFLAGS", &flags).output().unwrap();
            assert!(output.status.success(), "{}\n{}", text(&output.stderr), home.log());
        }
        let said = home.command(home.work().join("target/debug/app")).output().unwrap();
        assert_eq!(text(&said.stdout), "told 40\n");
        let log = home.log();
        assert!(!log.contains("here ("), "{log}");
        assert_eq!(log.matches(decision).count(), 9, "{log}");
    }
}

/// What a linker looks at is known only afterwards: what it looks for in vain in the bake, and stands here, is given to
/// a second one.
#[test]
fn what_a_bake_lacks_is_given_to_the_next_one() {
    let engine = engine();
    let line = "main.rs --crate-type bin --extern top=libtop.rlib --emit=dep-info,link -C link-arg=-Llibs";
    for decision in ["spawned: baked", "spawned: hit"] {
        let home = home(engine);
        home.write("libs/sub/readme", "nothing to link\n");
        for library in LIBRARIES {
            compile(&home, library);
        }
        assert_eq!(compile(&home, line), decision, "{}", home.log());
        assert_eq!(text(&home.command(home.work().join("main")).output().unwrap().stdout), "42\n");
    }
    // Another file there is another tree; a link in there has no place in one.
    let home = home(engine);
    home.write("libs/sub/readme", "something else\n");
    for library in LIBRARIES {
        compile(&home, library);
    }
    assert_eq!(compile(&home, line), "spawned: baked", "{}", home.log());
    std::os::unix::fs::symlink("readme", home.work().join("libs/sub/link")).unwrap();
    assert!(compile(&home, line).starts_with("here (seen-otherwise)"), "{}", home.log());
}
