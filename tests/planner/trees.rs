//! Recipes that preprocess: the same in all homes, and another for each thing that decides the text.

use std::path::Path;

use bakeplan::planner::places::Places;
use bakeplan::planner::recipe::{RecipeInputs, unit_recipe, unit_recipe_of};
use bakeplan::planner::tree::{TEXT, Tree, TreeInputs, output};
use bakeplan::recipe::digest::ArtifactHash;
use bakeplan::recipe::{Platform, Recipe};

use super::planned;
use super::spawned::{LIBRARY, TOOLS, home, places};

const HEADER: ArtifactHash = ArtifactHash::from_bytes([5; 32]);
const SOURCE: ArtifactHash = ArtifactHash::from_bytes([6; 32]);
const LINE: &str =
    "gcc --sysroot TOOLS/sysroot -O2 -g -MD -IHOME/work/inc -ILIBRARY/include -DX=1 -c HOME/work/a.c";

fn filled(text: &str, hash: &str, library: ArtifactHash) -> String {
    let locals = format!("{}/.local/share/brioche/locals", home(hash));
    text.replace("TOOLS", &format!("{locals}/{TOOLS}"))
        .replace("LIBRARY", &format!("{locals}/{library}"))
        .replace("HOME", &home(hash))
}

fn tree(line: &str, hash: &str, library: ArtifactHash, environment: &[(&'static str, &str)]) -> Option<Tree> {
    let places: Places = places(hash, library);
    let fill = |text: &str| filled(text, hash, library);
    let (invocation, plan) = planned(&fill(line));
    let wrapper = places.template(fill("TOOLS/bin/gcc").as_bytes()).unwrap();
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, fill(value).into_bytes())).collect();
    let directory = fill("HOME/work/build");
    Tree::new(&TreeInputs {
        invocation: &invocation,
        unit: &plan.units[0],
        wrapper: &wrapper,
        search_path: None,
        places: &places,
        directory: [Path::new(&directory); 2],
        environment: &environment,
        platform: Platform::X86_64Linux,
    })
}

fn recipe(line: &str, hash: &str, library: ArtifactHash, header: ArtifactHash) -> Recipe {
    let tree = tree(line, hash, library, &[("CPATH", "LIBRARY/more:HOME/work/inc:")]).unwrap();
    tree.with(&[(b"inc/h.h", header), (b"a.c", SOURCE)], &[b"build", b"inc"])
}

#[test]
fn its_form() {
    insta::assert_snapshot!(recipe(LINE, "aa", LIBRARY, HEADER).to_json());
}

#[test]
fn another_home_gives_the_same() {
    let base = recipe(LINE, "aa", LIBRARY, HEADER);
    assert_eq!(recipe(LINE, "0123abcd", LIBRARY, HEADER), base);
    assert!(!recipe(LINE, "0123abcd", LIBRARY, HEADER).to_json().contains("0123abcd"));
    let mapped = "gcc -O2 -ffile-prefix-map=HOME/work=. -include HOME/work/inc/h.h -c a.c";
    let json = recipe(mapped, "0123abcd", LIBRARY, HEADER).to_json();
    assert!(!json.contains("0123abcd"), "{json}");
}

#[test]
fn what_decides_the_text_decides_the_recipe() {
    let base = recipe(LINE, "aa", LIBRARY, HEADER);
    let other = ArtifactHash::from_bytes([9; 32]);
    assert_ne!(recipe(LINE, "aa", LIBRARY, other), base, "a header");
    assert_ne!(recipe(LINE, "aa", other, HEADER), base, "an input");
    assert_ne!(recipe(&LINE.replace("-DX=1", "-DX=2"), "aa", LIBRARY, HEADER), base, "a macro");
    assert_ne!(recipe(&LINE.replace("/inc ", "/other "), "aa", LIBRARY, HEADER), base, "a directory");
    assert_ne!(recipe(&LINE.replace("-MD", "-MMD"), "aa", LIBRARY, HEADER), base, "the dependency file");
    let name = |environment: &[(&'static str, &str)]| tree(LINE, "aa", LIBRARY, environment).unwrap().name();
    assert_ne!(name(&[("CPATH", "HOME/work/inc")]), name(&[]), "a variable");
    assert_ne!(name(&[("SOURCE_DATE_EPOCH", "1")]), name(&[("SOURCE_DATE_EPOCH", "2")]));
}

/// A path in program data stays, and keeps the recipe where it is.
#[test]
fn program_data_is_not_mapped() {
    let line = format!("{LINE} -DPREFIX=\"HOME/work/share\"");
    let json = recipe(&line, "0123abcd", LIBRARY, HEADER).to_json();
    assert_eq!(json.matches("0123abcd").count(), 1, "{json}");
}

#[test]
fn its_places_are_listed_in_one_order() {
    let (one, two) = (tree(LINE, "aa", LIBRARY, &[]).unwrap(), tree(LINE, "bb", LIBRARY, &[]).unwrap());
    let renamed = |path: &Vec<u8>| String::from_utf8(path.clone()).unwrap().replace("aa", "bb");
    assert_eq!(
        one.places.iter().map(renamed).collect::<Vec<_>>(),
        two.places.iter().map(|path| String::from_utf8(path.clone()).unwrap()).collect::<Vec<_>>()
    );
    assert!(one.places.len() >= 5, "work, home, output, temporary files, two inputs");
}

/// The compile of a text that is still to be made is named by how it is made, and differs in nothing else.
#[test]
fn a_compile_takes_its_text_from_there() {
    let (invocation, plan) = planned(&filled(LINE, "aa", LIBRARY));
    let places = places("aa", LIBRARY);
    let compiler = places.template(filled("TOOLS/bin/gcc", "aa", LIBRARY).as_bytes()).unwrap();
    let directory = filled("HOME/work/build", "aa", LIBRARY);
    let inputs = RecipeInputs {
        invocation: &invocation,
        unit: &plan.units[0],
        compiler: &compiler,
        search_path: None,
        places: &places,
        directory: directory.as_ref(),
        text: HEADER,
        platform: Platform::X86_64Linux,
    };
    let preprocessing = recipe(LINE, "aa", LIBRARY, HEADER);
    let (Recipe::Process(given), Recipe::Process(baked)) =
        (unit_recipe(&inputs).unwrap(), unit_recipe_of(&inputs, output(&preprocessing, TEXT)).unwrap())
    else {
        panic!("processes")
    };
    assert_ne!(given.work_dir, baked.work_dir);
    assert_eq!((&given.args, &given.env, &given.command), (&baked.args, &baked.env, &baked.command));
}
