//! What compilers make of mapped places: recipes of compiles, run by hand in another home.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bakeplan::argparse::{Invocation, parse};
use bakeplan::planner::places::{Place, Places};
use bakeplan::planner::recipe::{RecipeInputs, Unfit, suits, text_suits, unit_recipe};
use bakeplan::planner::{CompilePlan, plan};
use bakeplan::preprocess;
use bakeplan::recipe::digest::BlobDigest;
use bakeplan::recipe::{Artifact, Component, File, Platform, Recipe, Symbol, Template};

use crate::support::compilers;

const COMPILERS: [&str; 5] = ["gcc-11", "gcc-12", "clang-13", "clang-14", "clang-19"];

/// A home with a work directory, as a process of Brioche's has them.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(source: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("work/sub")).expect("directories");
        std::fs::write(dir.path().join("work/sub/a.c"), source).expect("a source");
        Self { dir }
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn places(&self) -> Places {
        let path = |path: &Path| path.as_os_str().as_bytes().to_vec();
        Places::new([
            (path(self.dir.path()), Place::Symbol(Symbol::HomeDir)),
            (path(&self.work()), Place::Symbol(Symbol::WorkDir)),
        ])
    }

    /// Options with `HOME` and `WORK` filled in, and the source compiled to an object.
    fn args(&self, options: &str) -> Vec<OsString> {
        let home = self.dir.path().to_string_lossy().into_owned();
        let work = self.work().to_string_lossy().into_owned();
        let line =
            format!("{options} -c WORK/sub/a.c -o WORK/a.o").replace("WORK", &work).replace("HOME", &home);
        line.split_whitespace().map(OsString::from).collect()
    }

    fn run(&self, compiler: &str, args: &[OsString]) -> Vec<u8> {
        let mut command = Command::new(compiler);
        let output = command.args(args).current_dir(self.work()).output().expect("the compiler runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{compiler} {args:?}: {output:?}");
        output.stdout
    }

    /// The object that the command itself makes here.
    fn direct(&self, compiler: &str, options: &str) -> Vec<u8> {
        self.run(compiler, &self.args(options));
        std::fs::read(self.work().join("a.o")).expect("an object")
    }

    /// The object that its recipe makes elsewhere.
    fn baked(&self, compiler: &str, options: &str) -> Result<Vec<u8>, Unfit> {
        let (invocation, plan) = self.planned(compiler, options);
        suits(&invocation, &plan.units[0])?;
        let places = self.places();
        let mut preprocessing = places.macro_maps(&invocation);
        preprocessing.extend(preprocess::arguments(&invocation, &plan.units[0].source, Path::new("")));
        let text = self.run(compiler, &preprocessing);
        let text = places.map_text(&text);
        text_suits(&invocation, &text)?;
        let recipe = unit_recipe(&RecipeInputs {
            invocation: &invocation,
            unit: &plan.units[0],
            compiler: &Template::literal(compiler),
            search_path: None,
            places: &places,
            directory: self.work().as_os_str(),
            text: Artifact::File(File::new(BlobDigest::of(&text), false)).hash(),
            platform: Platform::X86_64Linux,
        })?;
        Ok(bake(compiler, &recipe, &text))
    }

    /// Names as they are in text.
    fn mapped(&self, names: Vec<String>) -> Vec<String> {
        let work = self.work().to_string_lossy().into_owned();
        names.into_iter().map(|name| name.replace(&work, "/brioche/work")).collect()
    }

    fn planned(&self, compiler: &str, options: &str) -> (Invocation, CompilePlan) {
        let version = compiler.rsplit('-').next().and_then(|major| major.parse().ok());
        let mut known =
            bakeplan::argparse::compiler_from_name(OsStr::new(compiler)).expect("a compiler's name");
        known.version.0 = version.expect("a version");
        let invocation = parse(&known, &self.args(options), &|_: &Path| None);
        let plan = plan(&invocation).unwrap_or_else(|refusals| panic!("{options}: {refusals:?}"));
        (invocation, plan)
    }
}

/// Runs a recipe's compiler in a home of its own; it must have nothing to say.
fn bake(compiler: &str, recipe: &Recipe, text: &[u8]) -> Vec<u8> {
    let Recipe::Process(process) = recipe else { panic!("{recipe:?}") };
    let home = Home::new("");
    let fill = |template: &Template<Recipe>| {
        let component = |component: &Component<Recipe>| match component {
            Component::Literal(bytes) => bytes.as_bytes().to_vec(),
            Component::Symbol(Symbol::OutputPath) => home.work().as_os_str().as_bytes().to_vec(),
            other => panic!("{other:?}"),
        };
        OsStr::from_bytes(&template.components.iter().flat_map(component).collect::<Vec<_>>()).to_owned()
    };
    std::fs::write(home.work().join("a.i"), text).expect("the text");
    // What follows `-c SCRIPT sh COMPILER`.
    let args: Vec<OsString> = process.args.iter().skip(4).map(fill).collect();
    home.run(compiler, &args);
    std::fs::read(home.work().join("object")).expect("an object")
}

/// The unit's name and directory in an object's debug information.
fn debug_names(object: &[u8]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), object).expect("written");
    let output = Command::new("readelf").arg("--debug-dump=info").arg(file.path()).output().expect("readelf");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter(|line| line.contains("DW_AT_name") || line.contains("DW_AT_comp_dir"));
    let value = |line: &str| line.rsplit(": ").next().unwrap_or_default().trim().to_owned();
    let mut names: Vec<String> = names.take(2).map(value).collect();
    names.sort();
    names
}

const WHERE: &str =
    "const char where[] = __FILE__, base[] = __BASE_FILE__;\nint f(int x) { return x + 1; }\n";

#[test]
fn the_users_own_maps_mean_what_they_mean() {
    for compiler in compilers(&COMPILERS) {
        for options in [
            "-ffile-prefix-map=WORK=.",
            "-fmacro-prefix-map=WORK=src",
            "-ffile-prefix-map=WORK/=",
            "-fmacro-prefix-map=WORK/su=x",
            "-fmacro-prefix-map=WORK/sub=y -fmacro-prefix-map=WORK=z",
            "-ffile-prefix-map=WORK=one -ffile-prefix-map=WORK=two",
        ] {
            let home = Home::new(WHERE);
            let same = home.baked(compiler, options) == Ok(home.direct(compiler, options));
            assert!(same, "{compiler} {options}");
            let debug = format!("-g {options}");
            if !options.contains("macro") {
                let baked = home.baked(compiler, &debug).expect("a bake");
                assert_eq!(
                    debug_names(&baked),
                    home.mapped(debug_names(&home.direct(compiler, &debug))),
                    "{compiler} {options}"
                );
            }
        }
    }
}

#[test]
fn a_map_of_what_is_above_a_place_is_for_the_compiler_here() {
    let home = Home::new(WHERE);
    for options in ["-ffile-prefix-map=HOME=h", "-fdebug-prefix-map=/=r", "-ffile-prefix-map=/brioche=x"] {
        assert!(home.baked("gcc-12", options).is_err(), "{options}");
    }
    assert!(home.baked("gcc-12", "-ffile-prefix-map=/elsewhere=x").is_ok());
}

#[test]
fn two_homes_give_one_object_that_names_neither() {
    for compiler in compilers(&COMPILERS) {
        for options in ["-O2 -g", "-g3", "-O1", "-g -fdebug-prefix-map=WORK/sub=x"] {
            if compiler.starts_with("clang") && options == "-g3" {
                continue;
            }
            let (one, two) = (Home::new(WHERE), Home::new(WHERE));
            let baked = one.baked(compiler, options).expect("a bake");
            assert!(two.baked(compiler, options) == Ok(baked.clone()), "{compiler} {options}");
            assert!(!holds(&baked, one.dir.path().as_os_str().as_bytes()), "{compiler} {options}");
            assert!(holds(&baked, b"/brioche/work"), "{compiler} {options}");
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// [`bake`] fails where a compiler says anything.
#[test]
fn what_only_text_brings_up_is_not_said() {
    for compiler in compilers(&COMPILERS) {
        let home = Home::new(WHERE);
        for options in ["-pedantic", "-pedantic-errors -Wall", "-fmacro-prefix-map=WORK=x"] {
            home.baked(compiler, options).expect("a bake");
        }
    }
}

#[test]
fn what_the_driver_says_of_idle_options_is_for_it_to_say() {
    let home = Home::new(WHERE);
    for (compiler, options) in [
        ("gcc-12", "other.o"),
        ("clang-14", "-lm"),
        ("clang-14", "-L/x"),
        ("clang-14", "-pie"),
        ("clang-14", "-Wl,-z,now"),
        ("clang-14", "-S -Wa,--noexecstack"),
    ] {
        let (invocation, plan) = home.planned(compiler, options);
        assert!(suits(&invocation, &plan.units[0]).is_err(), "{compiler} {options}");
    }
    for options in ["-lm", "-L/x", "-pie", "-Wl,-z,now"] {
        home.baked("gcc-12", options).expect("gcc does not mind");
    }
}
