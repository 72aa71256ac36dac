//! Recipes of compiles in Brioche's places: no hash of an outer recipe reaches them.

use std::ffi::OsStr;

use bakeplan::planner::places::{Place, Places};
use bakeplan::planner::recipe::{RecipeInputs, suits, text_suits, unit_recipe};
use bakeplan::recipe::digest::{ArtifactHash, BlobDigest};
use bakeplan::recipe::{Artifact, File, Platform, Recipe, Symbol};

use super::planned;

pub(super) const TOOLS: ArtifactHash = ArtifactHash::from_bytes([1; 32]);
pub(super) const LIBRARY: ArtifactHash = ArtifactHash::from_bytes([2; 32]);

/// What a process sees whose complete recipe has this hash.
pub(super) fn home(hash: &str) -> String {
    format!("/home/brioche-runner-{hash}")
}

pub(super) fn places(hash: &str, library: ArtifactHash) -> Places {
    let home = home(hash);
    let input = |artifact: ArtifactHash| {
        (format!("{home}/.local/share/brioche/locals/{artifact}"), Place::Input(artifact))
    };
    Places::new([
        input(TOOLS),
        input(library),
        (home.clone(), Place::Symbol(Symbol::HomeDir)),
        (format!("{home}/work"), Place::Symbol(Symbol::WorkDir)),
        (format!("{home}/.local/share/brioche/outputs/output-{hash}"), Place::Symbol(Symbol::OutputPath)),
        ("/tmp".to_owned(), Place::Symbol(Symbol::TempDir)),
    ])
}

/// The recipe of a line, `HOME`, `TOOLS` and `LIBRARY` standing for the places.
fn recipe(line: &str, hash: &str, library: ArtifactHash, text: &str) -> Recipe {
    let places = places(hash, library);
    let locals = format!("{}/.local/share/brioche/locals", home(hash));
    let fill = |text: &str| {
        text.replace("TOOLS", &format!("{locals}/{TOOLS}"))
            .replace("LIBRARY", &format!("{locals}/{library}"))
            .replace("HOME", &home(hash))
    };
    let (invocation, plan) = planned(&fill(line));
    let compiler = places.template(fill("TOOLS/libexec/brioche-cc/gcc").as_bytes()).unwrap();
    let text = fill(text);
    let text = places.map_text(text.as_bytes());
    unit_recipe(&RecipeInputs {
        invocation: &invocation,
        unit: &plan.units[0],
        compiler: &compiler,
        search_path: None,
        places: &places,
        directory: OsStr::new(&fill("HOME/work/build")),
        text: Artifact::File(File::new(BlobDigest::of(&text), false)).hash(),
        platform: Platform::X86_64Linux,
    })
    .unwrap()
}

const LINE: &str = "gcc --sysroot TOOLS/sysroot -O2 -g -IHOME/work/include -ILIBRARY/include -c HOME/work/a.c -o HOME/work/build/a.o";
const TEXT: &str =
    "# 0 \"HOME/work/a.c\"\n# 1 \"HOME/work/build//\"\n# 1 \"LIBRARY/include/z.h\" 1 3\nint x;\n";

#[test]
fn its_form() {
    let recipe = recipe(LINE, "aa", LIBRARY, TEXT);
    insta::assert_snapshot!(format!("{}\n{}", recipe.hash(), recipe.to_json()));
}

#[test]
fn another_outer_recipe_gives_the_same() {
    let base = recipe(LINE, "aa", LIBRARY, TEXT);
    assert_eq!(recipe(LINE, "bb", LIBRARY, TEXT), base, "other homes");
    let updated = ArtifactHash::from_bytes([3; 32]);
    assert_eq!(recipe(LINE, "bb", updated, TEXT), base, "a new library with the same headers");
    let remapped = "gcc -O2 -g -ffile-prefix-map=HOME/work=. -c a.c";
    assert_eq!(recipe(remapped, "aa", LIBRARY, TEXT), recipe(remapped, "bb", LIBRARY, TEXT));
    assert!(recipe(remapped, "aa", LIBRARY, TEXT).to_json().contains("-ffile-prefix-map=/brioche/work=."));
    let clang = "clang -O2 -g -c HOME/work/a.c";
    assert_eq!(recipe(clang, "aa", LIBRARY, TEXT), recipe(clang, "bb", LIBRARY, TEXT));
    assert!(
        recipe(clang, "aa", LIBRARY, TEXT).to_json().contains("-fdebug-compilation-dir=/brioche/work/build")
    );
}

#[test]
fn no_path_value_holds_the_outer_hash() {
    for line in [
        LINE,
        "gcc -O2 -g -BTOOLS/bin -B TOOLS/lib/ -c HOME/work/a.c",
        "gcc -fdebug-prefix-map=HOME/work=/src -fmacro-prefix-map=LIBRARY=/lib -c a.c",
        "clang -g -fdebug-compilation-dir=HOME/work/other -c a.c",
        "clang --gcc-toolchain=TOOLS -resource-dir TOOLS/lib/clang -c a.c",
    ] {
        let json = recipe(line, "0123abcd", LIBRARY, TEXT).to_json();
        assert!(!json.contains("0123abcd"), "{line}: {json}");
    }
}

#[test]
fn what_decides_the_object_decides_the_recipe() {
    let base = recipe(LINE, "aa", LIBRARY, TEXT);
    for other in [
        recipe(&LINE.replace("-O2", "-O3"), "aa", LIBRARY, TEXT),
        recipe(LINE, "aa", LIBRARY, &TEXT.replace("int x", "int y")),
        recipe(LINE, "aa", LIBRARY, &TEXT.replace("include/z.h", "include/sub/z.h")),
        recipe(&LINE.replace("TOOLS/sysroot", "TOOLS/other"), "aa", LIBRARY, TEXT),
        recipe(&LINE.replace("-c", "-S"), "aa", LIBRARY, TEXT),
    ] {
        assert_ne!(other, base);
    }
}

#[test]
fn program_data_stays_as_it_is() {
    let places = places("aa", LIBRARY);
    let text = format!("char p[] = \"{}/share\";\n", home("aa"));
    assert_eq!(places.map_text(text.as_bytes()), text.as_bytes());
    assert_eq!(places.mentions(text.as_bytes()), [format!("{}/share", home("aa"))]);
    let marker = format!("# 1 \"{}/work/a.c\"\nint x;\n", home("aa"));
    let mapped = places.map_text(marker.as_bytes());
    assert_eq!(mapped, b"# 1 \"/brioche/work/a.c\"\nint x;\n".as_slice());
    assert_eq!(places.mentions(&mapped), [""; 0]);
}

#[test]
fn a_preprocessor_maps_the_longest_place_last() {
    let (invocation, _) = planned("gcc -c a.c");
    let maps = places("aa", LIBRARY).macro_maps(&invocation);
    let position = |end: &str| maps.iter().position(|map| map.to_string_lossy().ends_with(end)).unwrap();
    assert!(position("=/brioche/home") < position("=/brioche/work"));
    assert!(position("=/brioche/home") < position("=/brioche/inputs"));
}

#[test]
fn what_text_does_not_show_is_compiled_here() {
    let unfit = |line: &str| {
        let (invocation, plan) = planned(line);
        suits(&invocation, &plan.units[0]).is_err()
    };
    for line in [
        "gcc -fsanitize=address -c a.c",
        "gcc --coverage -c a.c",
        "clang -g -fdebug-macro -c a.c",
        "gcc -march=native -c a.c",
        "gcc -frecord-gcc-switches -c a.c",
        "gcc -g -gsplit-dwarf -c a.c",
        "gcc -fstack-usage -c a.c",
        "gcc -save-temps -c a.c",
        "gcc -g -c a.s",
        "gcc-7 -c a.c",
        "clang-12 -c a.c",
    ] {
        assert!(unfit(line), "{line}");
    }
    for line in
        ["gcc -O2 -g -MD -c a.c", "gcc -g3 -c a.c", "clang -O2 -g -c a.cc", "gcc -c a.s", "gcc-8 -c a.c"]
    {
        assert!(!unfit(line), "{line}");
    }
    let (gcc, _) = planned("gcc -g -c a.c");
    assert!(text_suits(&gcc, b"# 0 \"a.c\"\n# 1 \"/w//\"\nint x;\n").is_ok());
    assert!(text_suits(&gcc, b"# 0 \"a.c\"\nint x;\n").is_err(), "gcc would take the bake's own directory");
    let (cxx, _) = planned("g++ -c a.cc");
    assert!(text_suits(&cxx, b"auto x = std::source_location::current();\n").is_err());
    assert!(text_suits(&cxx, b"int x;\n").is_ok());
}
