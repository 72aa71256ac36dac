//! What holds for the table as a whole.

use bakeplan::argparse::spec::{Shape, Spec};
use bakeplan::argparse::table::{cc1_shelf, find, shelves};
use bakeplan::argparse::{Compiler, Family, Version};

use super::support::compiler;

fn all() -> impl Iterator<Item = &'static Spec> {
    shelves().into_iter().flatten()
}

/// The newest of each family.
fn newest() -> [Compiler; 2] {
    [compiler("gcc", 99), compiler("clang", 99)]
}

#[test]
fn rows_are_sorted() {
    for rows in shelves().into_iter().chain([cc1_shelf()]) {
        for pair in rows.windows(2) {
            assert!(
                pair[0].name.as_bytes() <= pair[1].name.as_bytes(),
                "{} before {}",
                pair[0].name,
                pair[1].name
            );
        }
    }
}

#[test]
fn no_driver_finds_two_rows_of_one_name() {
    for compiler in newest() {
        let mut names: Vec<&str> = all().filter(|row| row.on.has(compiler)).map(|row| row.name).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1], "{:?}", compiler.family);
        }
    }
}

#[test]
fn every_row_says_why() {
    for row in all().chain(cc1_shelf()) {
        assert!(!row.why.is_empty(), "{}", row.name);
        assert!(row.name.starts_with('-'), "{}", row.name);
    }
}

#[test]
fn the_longest_spelling_is_found() {
    for compiler in newest() {
        for row in all().filter(|row| row.on.has(compiler)) {
            let found = find(row.name.as_bytes(), compiler).expect(row.name);
            assert_eq!(found.spec.name, row.name);
            assert!(found.on);
            if matches!(row.shape, Shape::Joined | Shape::Either) && row.name != "-d" {
                let arg = format!("{}\u{1}", row.name);
                assert_eq!(find(arg.as_bytes(), compiler).expect(row.name).spec.name, row.name);
            }
        }
    }
}

#[test]
fn negations_find_the_positive_row() {
    let gcc = compiler("gcc", 12);
    for (arg, name, on) in [
        ("-fno-PIC", "-fPIC", false),
        ("-mno-sse2", "-msse2", false),
        ("-fno-builtin-strlen", "-fno-builtin-", true),
        ("-Wno-all", "-Wall", false),
        ("-Wno-unheard-of", "-W", true),
        ("-gno-split-dwarf", "-gsplit-dwarf", false),
        ("-fno-sanitize=all", "-fno-sanitize=", true),
    ] {
        let found = find(arg.as_bytes(), gcc).expect(arg);
        assert_eq!((found.spec.name, found.on), (name, on), "{arg}");
    }
}

#[test]
fn options_are_known_from_their_version_on() {
    let gcc = |major| Compiler { family: Family::Gcc, cxx: false, version: Version(major, 0) };
    assert!(find(b"-fharden-compares", gcc(11)).is_none());
    assert!(find(b"-fharden-compares", gcc(12)).is_some());
    assert!(find(b"-fhardened", gcc(13)).is_none());
    assert!(find(b"-fhardened", gcc(0)).is_some(), "of an unknown version: the newest");
    assert!(find(b"-fno-such-thing", gcc(12)).is_none());
    assert!(find(b"-mno-such-thing", gcc(12)).is_none());
}
