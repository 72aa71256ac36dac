//! What is found of real compilers, and what a second look costs.

use std::path::Path;

use bakeplan::argparse::Family;
use bakeplan::toolchain::Frontend;

use super::world::{Ask, Counting, Memory, installed, libraries, programs};

const GCCS: [&str; 4] = ["gcc", "gcc-11", "gcc-12", "g++"];

/// The oldest and the newest.
const CLANGS: [&str; 2] = ["clang-13", "clang-19"];

fn all() -> Vec<std::path::PathBuf> {
    let all = installed(&[&GCCS[..], &CLANGS[..]].concat());
    assert!(all.iter().any(|path| path.ends_with("gcc")), "these tests need a gcc");
    all
}

#[test]
fn a_second_look_stats_and_does_nothing_else() {
    for driver in all() {
        let memo = Memory::default();
        for ask in [Ask::new(&driver), Ask::new(&driver).links().option("-fno-integrated-as")] {
            let world = Counting::new(Path::new("/"), &[]);
            let first = ask.identify(&world, &memo).unwrap();
            let (_, reads, runs) = world.take();
            assert!(reads > 0 && runs > 0, "{driver:?}: nothing is known yet");
            let second = ask.identify(&world, &memo).unwrap();
            let (stats, reads, runs) = world.take();
            assert_eq!((reads, runs), (0, 0), "{driver:?}");
            assert!((20..=60).contains(&stats), "{driver:?}: {stats} stats");
            assert_eq!(first, second);
        }
    }
}

#[test]
fn the_digest_does_not_depend_on_what_was_remembered() {
    for driver in installed(&["gcc", "clang-14"]) {
        let world = Counting::new(Path::new("/"), &[]);
        let first = Ask::new(&driver).identify(&world, &Memory::default()).unwrap();
        let again = Ask::new(&driver).identify(&world, &Memory::default()).unwrap();
        assert_eq!(first, again);
    }
}

#[test]
fn gcc_is_its_driver_front_end_and_assembler_with_their_libraries() {
    for driver in installed(&GCCS) {
        let world = Counting::new(Path::new("/"), &[]);
        let found = Ask::new(&driver).identify(&world, &Memory::default()).unwrap();
        assert_eq!(found.compiler.family, Family::Gcc);
        assert!(found.compiler.version.0 >= 4);
        assert_eq!(found.compiler.cxx, driver.ends_with("g++"));
        assert_eq!(programs(&found), ["driver", "cc1", "as"]);
        for (part, library) in
            [("driver", "libc.so.6"), ("cc1", "libmpfr.so.6"), ("cc1", "libisl.so.23"), ("as", "libz.so.1")]
        {
            assert!(libraries(&found, part).contains(&library), "{driver:?}: {part} loads {library}");
        }
        assert!(libraries(&found, "as").iter().any(|name| name.starts_with("libbfd-")));
        assert!(libraries(&found, "as").iter().any(|name| name.starts_with("ld-linux-")));
    }
}

#[test]
fn a_link_needs_more_of_gcc() {
    let world = Counting::new(Path::new("/"), &[]);
    let found = Ask::new("/usr/bin/gcc").links().identify(&world, &Memory::default()).unwrap();
    let wanted = ["driver", "cc1", "as", "collect2", "lto-wrapper", "lto1", "ld", "liblto_plugin.so"];
    assert_eq!(programs(&found), wanted);
    assert_eq!(libraries(&found, "liblto_plugin.so")[0], "libc.so.6");
}

#[test]
fn the_linker_that_an_option_chooses() {
    let (world, memo) = (Counting::new(Path::new("/"), &[]), Memory::default());
    for driver in installed(&["gcc", "clang-14"]) {
        let linker = |option: Option<&str>| {
            let ask = option.into_iter().fold(Ask::new(&driver).links(), Ask::option);
            let found = ask.identify(&world, &memo).unwrap();
            found.parts.into_iter().find(|part| part.name.starts_with("ld")).unwrap().path
        };
        assert_eq!(linker(None), Path::new("/usr/bin/ld"));
        for other in installed(&["ld.gold", "ld.lld"]) {
            let name = other.extension().unwrap().to_str().unwrap();
            assert_eq!(linker(Some(&format!("-fuse-ld={name}"))), other);
        }
    }
}

#[test]
fn a_front_end_that_is_not_asked_for_is_no_part() {
    let (world, memo) = (Counting::new(Path::new("/"), &[]), Memory::default());
    let ask = |frontends| Ask::new("/usr/bin/gcc").frontends(frontends).identify(&world, &memo).unwrap();
    assert_eq!(programs(&ask(&[Frontend::Assembler])), ["driver", "as"]);
    assert_eq!(
        programs(&ask(&[Frontend::Cxx, Frontend::C, Frontend::C])),
        ["driver", "cc1", "cc1plus", "as"]
    );
    assert_ne!(ask(&[Frontend::C]).digest, ask(&[Frontend::Cxx]).digest);
    assert_eq!(ask(&[Frontend::C, Frontend::Cxx]).digest, ask(&[Frontend::Cxx, Frontend::C]).digest);
}

#[test]
fn clang_is_mostly_libraries() {
    for driver in installed(&CLANGS) {
        let (world, memo) = (Counting::new(Path::new("/"), &[]), Memory::default());
        let found = Ask::new(&driver).identify(&world, &memo).unwrap();
        assert_eq!(found.compiler.family, Family::Clang);
        assert!(found.compiler.version.0 >= 13);
        let loads = libraries(&found, "driver");
        assert!(loads.iter().any(|name| name.starts_with("libLLVM")), "{loads:?}");
        assert!(loads.iter().any(|name| name.starts_with("libclang-cpp")), "{loads:?}");
        assert!(!programs(&found).contains(&"as"));
        assert_eq!(programs(&found).contains(&"os-release"), Path::new("/etc/os-release").exists());

        let external = Ask::new(&driver).option("-fno-integrated-as");
        let found = external.identify(&world, &memo).unwrap();
        assert!(programs(&found).contains(&"as"));
        assert!(!libraries(&found, "as").is_empty());
    }
}

#[test]
fn two_compilers_are_two_and_one_under_two_names_is_one() {
    let (world, memo) = (Counting::new(Path::new("/"), &[]), Memory::default());
    let mut digests = std::collections::BTreeMap::new();
    for driver in installed(&["gcc-11", "gcc-12", "clang-13", "clang-14"]) {
        let found = Ask::new(&driver).identify(&world, &memo).unwrap();
        if let Some(other) = digests.insert(found.digest, driver.clone()) {
            panic!("{driver:?} and {other:?} are not the same");
        }
    }
    let by_link = Ask::new("/usr/bin/gcc").identify(&world, &memo).unwrap();
    let canonical = std::fs::canonicalize("/usr/bin/gcc").unwrap();
    let itself = Ask::new(canonical).identify(&world, &memo).unwrap();
    assert_eq!(by_link.digest, itself.digest);
}
