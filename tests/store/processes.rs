//! Many processes on one store, some of which are killed.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use bakeplan::recipe::digest::BlobDigest;
use bakeplan::store::{Event, Placement, RecordKind, Remembered, Store};
use bakeplan::world::Stat;

use super::{files, name, open, open_limited, roles, temporary};

/// Numbers that look random; the same seed gives the same ones.
struct Numbers(u64);

impl Numbers {
    fn of_this_process() -> Self {
        Self(u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The output of a compile, by its number.
fn output(i: u64) -> Vec<u8> {
    let mut bytes = bytes_from(i, 500 + (i * 977) % 20_000);
    bytes[0] = 0x7f;
    bytes
}

fn bytes_from(seed: u64, len: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    (0..len).map(|_| u8::try_from(numbers.below(256)).unwrap()).collect()
}

fn result_name(i: u64) -> bakeplan::recipe::digest::RecordName {
    name(&format!("unit {i}"))
}

/// One compile: `true` if it was a hit. Whatever comes out is compared with what must.
fn compile(store: &Store, i: u64, dest: &Path) -> bool {
    let expected = output(i);
    let digest = BlobDigest::of(&expected);
    let hit = store.load(RecordKind::Result, &result_name(i)).unwrap().is_some_and(|value| {
        assert_eq!(value, digest.as_bytes(), "the record of {i}");
        match store.stage(&digest, dest, false, Placement::Replace).unwrap() {
            Some(staged) => {
                staged.commit().unwrap();
                assert!(fs::read(dest).unwrap() == expected, "the output of {i}");
                true
            }
            None => false,
        }
    });
    if !hit {
        store.put_blob(&expected).unwrap();
        store.save(RecordKind::Result, &result_name(i), digest.as_bytes()).unwrap();
    }
    hit
}

const UNITS: u64 = 60;
const LIMIT: u64 = 80 * 4096;
const EACH: u64 = 600;

/// Compiles a few units over and over, in a store that holds half of them.
pub(super) fn hammer(dir: &Path) {
    let mut numbers = Numbers::of_this_process();
    let dest = dir.join(format!("{}.o", std::process::id()));
    let (mut hits, mut misses) = (0, 0);
    for _ in 0..EACH {
        let store = open_limited(&dir.join("store"), LIMIT);
        // Some units are compiled more often than others.
        let i = numbers.below(UNITS) * numbers.below(UNITS) / UNITS;
        if compile(&store, i, &dest) {
            store.record(&Event::HitExact { saved: Duration::from_millis(1) });
            hits += 1;
        } else {
            store.record(&Event::Miss);
            misses += 1;
        }
    }
    fs::write(dest.with_extension("counts"), format!("{hits} {misses}")).unwrap();
}

#[test]
fn many_processes_on_a_store_that_is_always_trimmed() {
    let dir = temporary();
    let children: Vec<_> = (0..4).map(|_| roles::spawn("hammer", dir.path())).collect();
    for mut child in children {
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }
    let counts = files(dir.path()).into_iter().filter(|f| f.extension().is_some_and(|e| e == "counts"));
    let (mut hits, mut misses) = (0, 0);
    for file in counts {
        let text = fs::read_to_string(file).unwrap();
        let (hit, miss) = text.split_once(' ').unwrap();
        hits += hit.parse::<u64>().unwrap();
        misses += miss.parse::<u64>().unwrap();
    }
    let store = open_limited(&dir.path().join("store"), LIMIT);
    let figures = store.statistics().unwrap();
    assert_eq!(hits + misses, 4 * EACH);
    assert_eq!((figures.hits, figures.misses), (hits, misses), "no event is lost");
    assert!(hits > 200 && misses > 200 && figures.trims > 20, "{figures:?}");
    assert_eq!((figures.corrupt, figures.errors), (0, 0));
    assert!(figures.bytes <= LIMIT + LIMIT / 2, "{figures:?}");
    assert!(store.gc().unwrap().bytes <= LIMIT);
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.damaged_lines == 0, "{report:?}");
    assert!(files(&dir.path().join("store/v1/tmp")).is_empty());
}

/// Does everything that writes, until it is killed.
pub(super) fn write_for_ever(dir: &Path) {
    let mut numbers = Numbers::of_this_process();
    let store = open_limited(&dir.join("store"), LIMIT);
    let dest = dir.join(format!("{}.o", std::process::id()));
    std::io::stdout().write_all(b"\nready\n").unwrap();
    loop {
        let i = numbers.below(UNITS);
        let _lock = store.lock(&result_name(i)).unwrap();
        let hit = compile(&store, i, &dest);
        store.record(if hit { &Event::HitExact { saved: Duration::ZERO } } else { &Event::Miss });
        let stat = Stat { device: 1, inode: i, mode: 0o100_644, links: 1, size: i, modified: 5, changed: 5 };
        let what = Remembered { digest: BlobDigest::of(&output(i)), traits: 0, layout: i };
        store.identity().put(&stat, i128::from(u32::MAX) * 1_000_000_000, &what);
        match numbers.below(50) {
            0 => drop(store.gc().unwrap()),
            1 => store.zero_statistics().unwrap(),
            _ => {}
        }
    }
}

#[test]
fn processes_killed_anywhere_leave_a_store_that_is_whole() {
    let dir = temporary();
    let at = dir.path().join("store");
    let mut numbers = Numbers::of_this_process();
    let mut checked = 0;
    for round in 0..25 {
        let mut writers: Vec<_> = (0..2).map(|_| roles::spawn("write", dir.path())).collect();
        for writer in &mut writers {
            let mut lines = BufReader::new(writer.stdout.as_mut().unwrap()).lines();
            assert!(lines.any(|line| line.unwrap() == "ready"), "round {round}");
        }
        std::thread::sleep(Duration::from_micros(numbers.below(20_000)));
        for mut writer in writers {
            assert_eq!(writer.try_wait().unwrap(), None, "round {round}: a writer failed");
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
        let store = open(&at);
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "round {round}: {report:?}");
        checked += report.checked + report.identities;
        for i in 0..UNITS {
            if let Some(value) = store.load(RecordKind::Result, &result_name(i)).unwrap() {
                assert_eq!(value, BlobDigest::of(&output(i)).as_bytes());
            }
            let lock = store.try_lock(&result_name(i)).unwrap();
            assert!(lock.is_some(), "round {round}: the kernel gave the lock of {i} back");
        }
        assert_eq!(store.statistics().unwrap().corrupt, 0);
    }
    assert!(checked > 500, "{checked}");
    open(&at).gc().unwrap();
    assert!(files(&at.join("v1/locks")).is_empty());
    assert!(
        compile(&open(&at), 3, &dir.path().join("a.o")) || compile(&open(&at), 3, &dir.path().join("a.o"))
    );
}

/// Reads, adds one, writes: which loses counts unless the lock keeps the others out.
pub(super) fn count_under_lock(dir: &Path) {
    let store = open(&dir.join("store"));
    let (counter, inside) = (dir.join("counter"), dir.join("inside"));
    for _ in 0..200 {
        let _lock = store.lock(&name("counter")).unwrap();
        OpenOptions::new().write(true).create_new(true).open(&inside).expect("alone");
        let count = fs::read_to_string(&counter).map_or(0, |text| text.parse::<u64>().unwrap());
        fs::write(&counter, (count + 1).to_string()).unwrap();
        fs::remove_file(&inside).unwrap();
    }
}

#[test]
fn a_lock_keeps_others_out_although_its_file_comes_and_goes() {
    let dir = temporary();
    let children: Vec<_> = (0..4).map(|_| roles::spawn("count", dir.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(fs::read_to_string(dir.path().join("counter")).unwrap(), "800");
    assert!(files(&dir.path().join("store/v1/locks")).is_empty());
}

#[test]
fn threads_keep_each_other_out() {
    let dir = temporary();
    let store = open(dir.path());
    let counter = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let _lock = store.lock(&name("counter")).unwrap();
                    let count = counter.load(std::sync::atomic::Ordering::Relaxed);
                    std::thread::yield_now();
                    counter.store(count + 1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(counter.into_inner(), 800);
    let first = store.try_lock(&name("a")).unwrap();
    assert!(first.is_some());
    assert!(store.try_lock(&name("a")).unwrap().is_none());
    assert!(store.try_lock(&name("b")).unwrap().is_some(), "another name is another lock");
    drop(first);
    assert!(store.try_lock(&name("a")).unwrap().is_some());
}

/// Records events and nothing else.
pub(super) fn record_events(dir: &Path) {
    let store = open(dir);
    for _ in 0..6000 {
        store.record(&Event::Refused { token: "token" });
    }
}

/// Logs are put aside and summed all the time, by all of them.
#[test]
fn events_of_many_processes_are_summed() {
    let dir = temporary();
    let children: Vec<_> = (0..4).map(|_| roles::spawn("events", dir.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let counted = open(dir.path()).statistics().unwrap().refused["token"];
    // One that was stopped for so long that two logs passed it by may lose its event.
    assert!((23_900..=24_000).contains(&counted), "{counted}");
    assert!(dir.path().join("v1/statistics/total").exists());
}

/// Holds a lock until it is killed.
pub(super) fn hold_lock(dir: &Path) {
    let _lock = open(dir).lock(&name("held")).unwrap();
    std::io::stdout().write_all(b"\nready\n").unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_lock_whose_holder_is_killed_is_free() {
    let dir = temporary();
    let mut holder = roles::spawn("hold", dir.path());
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    let store = open(dir.path());
    assert!(store.try_lock(&name("held")).unwrap().is_none());
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(store.lock(&name("held")).unwrap()));
        std::thread::sleep(Duration::from_millis(30));
        assert!(!waiter.is_finished());
        holder.kill().unwrap();
        holder.wait().unwrap();
        waiter.join().unwrap();
    });
    assert!(store.try_lock(&name("held")).unwrap().is_some());
}
