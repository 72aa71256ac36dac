//! Crates as recipes: the same in all homes, and another for each thing that decides what is made.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use bakeplan::argparse::Refusal;
use bakeplan::argparse::rustc::{CrateInvocation, RustTool, parse};
use bakeplan::planner::crate_recipe::{CrateRecipe, CrateRecipeInputs, crate_recipe, suits};
use bakeplan::recipe::digest::ArtifactHash;
use bakeplan::recipe::{Platform, Recipe};

use super::spawned::{LIBRARY, TOOLS, home, places};

const SOURCE: ArtifactHash = ArtifactHash::from_bytes([5; 32]);
const OTHER: ArtifactHash = ArtifactHash::from_bytes([6; 32]);
const LINE: &str = "--crate-name a --edition=2021 src/lib.rs --error-format=json --json=artifacts --crate-type lib \
    --emit=dep-info,metadata,link -C opt-level=3 -Cextra-filename=-1 -C metadata= --cfg f --check-cfg cfg(x) \
    --out-dir HOME/work/t/deps -L dependency=HOME/work/t/deps --extern b=HOME/work/t/deps/libb.rmeta \
    -C linker=LIBRARY/bin/ld --remap-path-prefix=HOME/work/src=/s --cap-lints allow -Awarnings --color=never -g";

fn filled(text: &str, hash: &str) -> String {
    let locals = format!("{}/.local/share/brioche/locals", home(hash));
    text.replace("TOOLS", &format!("{locals}/{TOOLS}"))
        .replace("LIBRARY", &format!("{locals}/{LIBRARY}"))
        .replace("HOME", &home(hash))
}

fn parsed(line: &str) -> CrateInvocation {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(RustTool::Rustc, &words, &|_: &Path| None)
}

fn recipe_of(
    line: &str,
    hash: &str,
    source: ArtifactHash,
    variables: &[(&str, Option<&str>)],
) -> Result<Recipe, Refusal> {
    made(line, hash, source, variables, false).map(|made| made.recipe)
}

fn made(
    line: &str,
    hash: &str,
    source: ArtifactHash,
    variables: &[(&str, Option<&str>)],
    tells: bool,
) -> Result<CrateRecipe, Refusal> {
    let places = places(hash, LIBRARY);
    let invocation = parsed(&filled(line, hash));
    suits(&invocation)?;
    let compiler = places.template(filled("TOOLS/bin/rustc", hash).as_bytes()).unwrap();
    let files = ["HOME/work/src/lib.rs", "HOME/work/t/deps/libb.rmeta", "HOME/.cargo/x.rs"]
        .map(|file| filled(file, hash));
    let variables: Vec<(OsString, Option<OsString>)> = variables
        .iter()
        .map(|(name, value)| (name.into(), value.map(|value| filled(value, hash).into())))
        .collect();
    let wrapper = places.template(filled("TOOLS/bin/brioche-cc", hash).as_bytes());
    let search_path = filled("TOOLS/bin:HOME/work/bin:/usr/bin", hash);
    let search_paths = [("PATH", OsStr::new(&search_path))];
    let directory = filled("HOME/work/looked/at", hash);
    let directories = [Path::new(&directory)];
    crate_recipe(&CrateRecipeInputs {
        invocation: &invocation,
        compiler: &compiler,
        places: &places,
        cwd: Path::new(&filled("HOME/work", hash)),
        files: &[
            (Path::new(&files[0]), source),
            (Path::new(&files[1]), OTHER),
            (Path::new(&files[2]), OTHER),
        ],
        directories: if tells { &directories } else { &[] },
        wrapper: wrapper.as_ref().filter(|_| tells),
        search_paths: if tells { &search_paths } else { &[] },
        variables: &variables,
        platform: Platform::X86_64Linux,
    })
}

fn recipe(line: &str, hash: &str) -> Recipe {
    recipe_of(line, hash, SOURCE, &[("OUT_DIR", Some("HOME/work/t/out")), ("FLAVOUR", None)]).unwrap()
}

#[test]
fn its_form() {
    insta::assert_snapshot!(recipe(LINE, "aa").to_json());
}

/// Where the bake is to tell what is seen, the wrapper stands before the compiler and knows the places.
#[test]
fn its_form_where_the_bake_tells() {
    let line = format!("{LINE} --crate-type bin -C link-arg=--sysroot=LIBRARY/sysroot");
    let of = |hash| made(&line, hash, SOURCE, &[("FLAVOUR", Some("sweet"))], true).unwrap();
    let CrateRecipe { recipe, places } = of("aa");
    insta::assert_snapshot!(recipe.to_json());
    assert_eq!(of("0123abcd").recipe, recipe);
    let paths = ["HOME/work", "HOME", "TOOLS", "LIBRARY"].map(|path| filled(path, "aa").into_bytes());
    assert_eq!(places, paths);
}

#[test]
fn another_home_gives_the_same() {
    assert_eq!(recipe(LINE, "0123abcd"), recipe(LINE, "aa"));
    assert!(!recipe(LINE, "0123abcd").to_json().contains("0123abcd"));
}

#[test]
fn what_decides_the_crate_decides_the_recipe() {
    let base = recipe(LINE, "aa");
    for (from, to) in [
        ("opt-level=3", "opt-level=2"),
        ("--cfg f", "--cfg g"),
        ("--edition=2021", "--edition=2024"),
        ("extra-filename=-1", "extra-filename=-2"),
        ("=/s", "=/r"),
        ("dep-info,metadata,link", "dep-info,metadata"),
        ("--cap-lints allow", "--cap-lints warn"),
        (" -g", ""),
    ] {
        assert_ne!(recipe(&LINE.replace(from, to), "aa"), base, "{from}");
    }
    for (from, to) in [
        ("--color=never", "--color=always"),
        ("cfg(x)", "cfg(y)"),
        ("--out-dir HOME/work/t/deps", "--out-dir HOME/work/other"),
    ] {
        assert_eq!(recipe(&LINE.replace(from, to), "aa"), base, "{from}");
    }
    let of = |source, flavour| {
        recipe_of(LINE, "aa", source, &[("OUT_DIR", Some("HOME/work/t/out")), ("FLAVOUR", flavour)]).unwrap()
    };
    assert_eq!(of(SOURCE, None), base);
    assert_ne!(of(OTHER, None), base, "a file");
    assert_ne!(of(SOURCE, Some("")), base, "a variable that is set to nothing");
    assert_ne!(of(SOURCE, Some("sweet")), of(SOURCE, Some("sour")), "a variable");
}

/// A path in program data stays, and keeps the recipe where it is.
#[test]
fn program_data_is_not_mapped() {
    let json = recipe(&LINE.replace("--cfg f", "--cfg p=\"HOME/work/share\""), "0123abcd").to_json();
    assert_eq!(json.matches("0123abcd").count(), 1, "{json}");
}

#[test]
fn what_has_no_place_is_refused() {
    let token = |line: &str, variables: &[(&str, Option<&str>)]| {
        recipe_of(line, "aa", SOURCE, variables).unwrap_err().token
    };
    assert_eq!(token(&LINE.replace("HOME/work/src=", "HOME="), &[]), "remap");
    assert_eq!(token(&LINE.replace("HOME/work/src=", "/home="), &[]), "remap");
    for name in ["HOME", "PATH", "TMPDIR", "BRIOCHE_OUTPUT"] {
        assert_eq!(token(LINE, &[(name, None)]), "environment", "{name}");
    }
    for (more, expected) in [
        ("--crate-type bin --crate-name told -C extra-filename=", "named-output"),
        ("-C rpath", "rpath"),
        ("-C incremental=x", "incremental"),
        ("-o x", "named-output"),
        ("--emit=link=x", "emit"),
        ("-C target-cpu=native", "native-processor"),
        ("-C split-debuginfo=packed", "split-debuginfo"),
        ("-lframework=z", "native-library"),
        ("-C profile-use=x", "profile"),
        ("-C llvm-args=-x", "llvm-args"),
        ("--sysroot=/x", "sysroot"),
    ] {
        assert_eq!(token(&format!("{LINE} {more}"), &[]), expected, "{more}");
    }
}

/// An argument can be said again as it was understood.
#[test]
fn arguments_are_said_again() {
    let line = format!("{LINE} -C prefer-dynamic -C lto -Cllvm_args=x --test -O -Lnative=x -l z -W help");
    let first = parsed(&line);
    let mut again = Vec::new();
    for arg in &first.args {
        let words = arg.words();
        again.extend(words.before.map(OsString::from));
        let mut word = OsString::from(words.front);
        if words.takes {
            word.push(&arg.value);
        }
        again.push(word);
    }
    assert_eq!(parse(RustTool::Rustc, &again, &|_: &Path| None).args, first.args);
}
