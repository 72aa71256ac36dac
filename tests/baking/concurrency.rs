//! Many wrappers on one store; some are killed.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use crate::support::Bench;

#[test]
fn sixteen_at_once_compile_once() {
    let bench = Bench::new();
    let functions: String =
        (0..100).map(|i| format!("int f{i}(int *p) {{ return p[{i}] * {i}; }}\n")).collect();
    bench.write("a.c", functions);
    bench.bare(&["gcc", "-O2", "-c", "a.c", "-o", "expected.o"]);
    let children: Vec<(String, Child)> = (0..16)
        .map(|i| {
            let object = format!("{i}.o");
            let child = bench.wrapper(&["gcc", "-O2", "-c", "a.c", "-o", &object]).spawn().expect("it runs");
            (object, child)
        })
        .collect();
    for (object, mut child) in children {
        assert!(child.wait().expect("it ends").success());
        assert!(bench.read(&object) == bench.read("expected.o"), "{object}");
    }
    assert_eq!((bench.statistics().misses(), bench.statistics().hits()), (1, 15), "{}", bench.log());
}

/// Sources with objects of a few dozen kilobytes, each with what a bare compile makes of it.
fn sources(bench: &Bench, count: usize) -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    for i in 0..count {
        let name = format!("s{i}.c");
        let values: Vec<String> =
            (0..6000_usize).map(|j| (j.wrapping_mul(2_654_435_761 + i) % 100_000).to_string()).collect();
        bench.write(&name, format!("int s{i}[] = {{{}}};\n", values.join(",")));
        assert!(bench.bare(&["gcc", "-c", &name, "-o", "bare.o"]).status.success());
        objects.insert(name, bench.read("bare.o"));
    }
    objects
}

#[test]
fn a_hundred_on_a_store_that_is_always_full() {
    let bench = Bench::new();
    let expected = sources(&bench, 10);
    std::thread::scope(|scope| {
        for worker in 0..4_usize {
            let (bench, expected) = (&bench, &expected);
            scope.spawn(move || {
                for turn in 0..25_usize {
                    // Some again soon, others long after.
                    let (name, object) =
                        expected.iter().nth((worker + turn / 2) % expected.len()).expect("a source");
                    let made = format!("{worker}.o");
                    let mut command = bench.wrapper(&["gcc", "-c", name, "-o", &made]);
                    assert!(command.env("BRIOCHE_CC_MAX_SIZE", "160k").status().expect("it runs").success());
                    assert!(bench.read(&made) == *object, "wrong bytes for {name}");
                }
            });
        }
    });
    let figures = bench.statistics();
    assert!(figures.number("trims") > 0 && figures.hits() > 0 && figures.misses() > 10, "{}", bench.log());
    assert_eq!(figures.hits() + figures.misses(), 100);
    assert!(bench.wrapped(&["--verify"]).status.success());
}

#[test]
fn the_killed_leave_a_store_that_is_sound() {
    let bench = Bench::new();
    let expected = sources(&bench, 4);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut killed = 0;
    for turn in 0..40_usize {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = expected.keys().nth(turn % expected.len()).expect("a source");
        // Every fourth starts from nothing, so that stores are killed and not only hits.
        if turn % 4 == 0 {
            assert!(bench.wrapped(&["--clear"]).status.success());
        }
        let mut child = bench.wrapper(&["gcc", "-c", name, "-o", "killed.o"]).spawn().expect("it runs");
        std::thread::sleep(Duration::from_micros((random >> 33) % 60_000));
        killed += usize::from(child.try_wait().expect("waited").is_none());
        let _ = child.kill();
        child.wait().expect("it ends");
    }
    assert!(killed > 5, "only {killed} of 40 were killed");
    for (name, object) in &expected {
        for _ in 0..2 {
            bench.remove("after.o");
            bench.ok(&["gcc", "-c", name, "-o", "after.o"]);
            assert!(bench.read("after.o") == *object, "wrong bytes for {name}");
        }
    }
    assert!(bench.statistics().hits() >= 4, "{}", bench.log());
    let verified = bench.wrapped(&["--verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
