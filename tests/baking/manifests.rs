//! Manifests and identity tables that are damaged, foreign or gone: ignored, made anew, counted; never a wrong
//! hit, never a failed build.

use std::path::PathBuf;

use bakeplan::manifest::Manifest;
use bakeplan::recipe::digest::RecordName;
use bakeplan::store::{Options, RecordKind, Store};
use bakeplan::world::{Environment, RealWorld};
use proptest::prelude::*;

use crate::support::Bench;

const ARGS: [&str; 4] = ["gcc", "-Iinclude", "-c", "a.c"];

/// A compile that was seen, and whose next hit is direct.
fn warm() -> Bench {
    let bench = Bench::new();
    bench
        .write("a.c", "#if __has_include(<late.h>)\n#include <late.h>\n#endif\n#include <h.h>\nint x = H;\n");
    bench.write("include/h.h", "#define H 1\n");
    bench.misses(&ARGS);
    assert!(is_direct(&bench));
    bench
}

/// Compiles, compares with a bare compile; whether it was a hit without preprocessing.
#[track_caller]
fn is_direct(bench: &Bench) -> bool {
    let before = bench.log().len();
    bench.transparent(&ARGS);
    bench.log()[before..].lines().next().is_some_and(|line| line.ends_with("hit (exact)"))
}

/// The files of one kind of record.
fn records(bench: &Bench, kind: &str) -> Vec<PathBuf> {
    let found = bench.command("find").arg(bench.store().join("v1").join(kind)).args(["-type", "f"]).output();
    String::from_utf8(found.expect("find").stdout).expect("names").lines().map(PathBuf::from).collect()
}

fn manifest_of(bench: &Bench) -> (PathBuf, RecordName) {
    let manifests = records(bench, "manifests");
    assert_eq!(manifests.len(), 1, "{manifests:?}");
    let hex = manifests[0].file_name().and_then(|name| name.to_str()).expect("text");
    (manifests[0].clone(), hex.parse().expect("a name"))
}

fn store(bench: &Bench) -> Store {
    Store::open(Options { dir: bench.store(), max_size: 0, read_only: false }).expect("a store")
}

#[test]
fn a_damaged_or_half_written_manifest_is_made_anew_and_counted() {
    let bench = warm();
    let (file, _) = manifest_of(&bench);
    let whole = std::fs::read(&file).expect("a manifest");
    let places = (0..whole.len()).step_by(97).chain([whole.len() - 1]);
    let flipped = places.clone().map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        bytes
    });
    let cut = places.map(|at| whole[..at].to_vec());
    let mut damages = 0;
    for bytes in flipped.chain(cut) {
        std::fs::write(&file, bytes).expect("written");
        assert!(!is_direct(&bench), "a damaged manifest is none");
        damages += 1;
        assert_eq!(bench.statistics().number("corrupt"), damages);
        assert!(is_direct(&bench), "it is made anew");
    }
    assert!(damages > 10);
}

#[test]
fn a_manifest_of_another_version_is_made_anew_and_counted() {
    let bench = warm();
    let (_, name) = manifest_of(&bench);
    let store = store(&bench);
    let whole = store.load(RecordKind::Manifest, &name).expect("readable").expect("a manifest");
    assert!(!Manifest::decode(&whole).expect("a manifest").versions().is_empty());
    let mut newer = whole.clone();
    newer[0] += 1;
    let mut damages = 0;
    for other in
        [newer, vec![whole[0], 0xff, 0xff, 0xff], vec![whole[0]], Vec::new(), b"{\"json\": 1}".to_vec()]
    {
        store.save(RecordKind::Manifest, &name, &other).expect("saved");
        assert!(!is_direct(&bench), "{other:?}");
        damages += 1;
        assert_eq!(bench.statistics().number("corrupt"), damages);
        assert!(is_direct(&bench), "it is made anew");
    }
    // One without versions is whole: it says that nothing could be learned.
    store.save(RecordKind::Manifest, &name, &Manifest::default().encode()).expect("saved");
    assert!(!is_direct(&bench));
    assert_eq!(bench.statistics().number("corrupt"), damages);
}

/// The seal is under the name: another invocation's manifest is not taken for this one's.
#[test]
fn a_manifest_in_anothers_place_is_none() {
    let bench = warm();
    let (file, _) = manifest_of(&bench);
    bench.ok(&["gcc", "-Iinclude", "-DOTHER", "-DH=7", "-c", "a.c", "-w"]);
    let other = records(&bench, "manifests").into_iter().find(|other| *other != file).expect("two");
    std::fs::copy(other, &file).expect("copied");
    assert!(!is_direct(&bench));
    assert_eq!(bench.statistics().number("corrupt"), 1);
}

/// What a direct hit needs can be gone, each alone: what is left decides.
#[test]
fn what_a_manifest_names_may_be_gone() {
    for kind in ["manifests", "results", "explanations", "blobs"] {
        let bench = warm();
        for file in records(&bench, kind) {
            std::fs::remove_file(file).expect("removed");
        }
        is_direct(&bench);
        assert!(is_direct(&bench), "{kind}: {}", bench.log());
    }
}

#[test]
fn garbage_in_the_identity_table_changes_nothing() {
    let bench = warm();
    let table = bench.store().join("v1/identity");
    // Files settle after a while; then they are remembered.
    std::thread::sleep(std::time::Duration::from_millis(100));
    bench.transparent(&["gcc", "-Iinclude", "-O1", "-c", "a.c"]);
    let length = std::fs::metadata(&table).expect("a table").len();
    for fill in [0x00, 0xff, 0x41] {
        let bytes = vec![fill; usize::try_from(length).expect("16 MiB")];
        std::fs::write(&table, bytes).expect("written");
        assert!(is_direct(&bench));
        bench.write("include/h.h", format!("#define H {fill}\n"));
        assert!(!is_direct(&bench));
        assert!(is_direct(&bench));
    }
}

#[test]
fn a_direct_hit_is_verified() {
    let bench = warm();
    let verify = || {
        assert!(bench.wrapper(&ARGS).env("BRIOCHE_CC_VERIFY", "1").status().expect("it runs").success());
        bench.statistics().number("differences")
    };
    assert_eq!(verify(), 0);
    assert!(bench.log().contains("compared with the stored result: the same"), "{}", bench.log());
    assert_eq!(bench.log().matches("preprocessed").count(), 0, "{}", bench.log());
}

/// A manifest in the store and the world that it was made in.
struct Real {
    world: RealWorld,
    bytes: Vec<u8>,
}

struct NoDigests;
impl bakeplan::manifest::Digester for NoDigests {
    fn facts(
        &self,
        path: &std::path::Path,
        _: &bakeplan::world::Stat,
    ) -> std::io::Result<bakeplan::preprocess::FileFacts> {
        Err(std::io::Error::other(path.display().to_string()))
    }
}

fn look(world: &RealWorld, bytes: &[u8]) {
    let Some(manifest) = Manifest::decode(bytes) else { return };
    for version in manifest.versions() {
        if let Some(seen) = version.seen() {
            let _ =
                (seen.holds(world, &NoDigests, true), seen.changed(world, &NoDigests), seen.appeared(world));
        }
    }
    let _ = manifest.encode();
}

#[test]
fn no_bytes_of_a_manifest_are_a_panic() {
    let bench = warm();
    let (_, name) = manifest_of(&bench);
    let bytes = store(&bench).load(RecordKind::Manifest, &name).expect("readable").expect("a manifest");
    let real = Real { world: RealWorld::new(bench.work(), Environment::new(Vec::new())), bytes };
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let cut = any::<prop::sample::Index>();
    let foreign = proptest::collection::vec(any::<u8>(), 0..200);
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&(changes, cut, any::<bool>(), foreign), |(changes, cut, whole, foreign)| {
            let mut bytes = real.bytes.clone();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            look(&real.world, if whole { &bytes } else { &bytes[..cut.index(bytes.len())] });
            look(&real.world, &[&real.bytes[..1], &foreign].concat());
            Ok(())
        })
        .expect("no panic");
}
