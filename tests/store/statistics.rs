//! Counting: nothing is lost, nothing is counted twice, and damage is survived.

use std::fs;
use std::time::Duration;

use bakeplan::store::{Event, RecordKind};

use super::damage::damaged;
use super::{name, open, temporary};

const SAVED: Duration = Duration::from_millis(1500);

#[test]
fn events_are_counted() {
    let dir = temporary();
    let store = open(dir.path());
    store.record(&Event::HitExact { saved: SAVED });
    store.record(&Event::HitExact { saved: SAVED });
    store.record(&Event::HitSemantic { saved: SAVED });
    store.record(&Event::Miss);
    store.record(&Event::Refused { token: "several-sources" });
    store.record(&Event::Refused { token: "several-sources" });
    store.record(&Event::Refused { token: "odd one\nm 83d9dab0" });
    store.record(&Event::Error { token: "host-gone" });
    store.record(&Event::Difference);
    let figures = open(dir.path()).statistics().unwrap();
    insta::assert_json_snapshot!(figures, @r#"
    {
      "hits": 3,
      "hits_exact": 2,
      "hits_semantic": 1,
      "misses": 1,
      "refused": {
        "odd_one_m_83d9dab0": 1,
        "several-sources": 2
      },
      "errors": 1,
      "errors_by_token": {
        "host-gone": 1
      },
      "bytes": 0,
      "entries": 0,
      "saved_seconds": 4.5,
      "corrupt": 0,
      "differences": 1,
      "trims": 0
    }
    "#);
    store.zero_statistics().unwrap();
    let zero = store.statistics().unwrap();
    assert_eq!(zero, bakeplan::store::Statistics::default());
}

#[test]
fn bytes_and_entries_are_measured() {
    let dir = temporary();
    let store = open(dir.path());
    store.put_blob(&[1; 10_000]).unwrap();
    store.save(RecordKind::Result, &name("a"), b"value").unwrap();
    store.save(RecordKind::Manifest, &name("a"), b"value").unwrap();
    let figures = store.statistics().unwrap();
    assert_eq!((figures.bytes, figures.entries), (3 * 4096 + 2 * 4096, 1));
    store.zero_statistics().unwrap();
    assert_eq!(store.statistics().unwrap().bytes, figures.bytes);
}

/// Long logs are summed several times over.
#[test]
fn logs_are_summed_without_loss() {
    let dir = temporary();
    let store = open(dir.path());
    for i in 0..20_000_u64 {
        store.record(&Event::HitExact { saved: Duration::from_millis(i) });
    }
    let figures = store.statistics().unwrap();
    assert_eq!(figures.hits_exact, 20_000);
    assert!((figures.saved_seconds - 199_990.0).abs() < 1e-6, "{}", figures.saved_seconds);
    let bytes: u64 =
        super::files(&dir.path().join("v1/statistics")).iter().map(|f| f.metadata().unwrap().len()).sum();
    assert!(bytes < 200_000, "{bytes}");
    assert!(dir.path().join("v1/statistics/total").exists());
    store.zero_statistics().unwrap();
    assert_eq!(store.statistics().unwrap().hits, 0);
    store.record(&Event::Miss);
    assert_eq!(store.statistics().unwrap().misses, 1);
}

#[test]
fn lines_of_a_later_program_are_passed_over() {
    let dir = temporary();
    let store = open(dir.path());
    store.record(&Event::Miss);
    let sum = |text: &str| bakeplan::recipe::digest::BlobDigest::of(text.as_bytes()).to_hex()[..8].to_owned();
    let log = dir.path().join("v1/statistics/log");
    let before = fs::read_to_string(&log).unwrap();
    assert_eq!(before, format!("\nm {}", sum("m")), "the format of a line");
    fs::write(&log, format!("{before}\nfuture 5 6 {}", sum("future 5 6"))).unwrap();
    store.record(&Event::Miss);
    assert_eq!(store.statistics().unwrap().misses, 2);
    assert_eq!(store.verify().unwrap().damaged_lines, 0);
}

/// A process that was killed after `total` was written and before the log in it was removed.
#[test]
fn a_log_that_is_in_the_total_is_not_counted_again() {
    let dir = temporary();
    let store = open(dir.path());
    let statistics = dir.path().join("v1/statistics");
    while !statistics.join("log.1").exists() {
        store.record(&Event::Miss);
    }
    let aside = fs::read(statistics.join("log.1")).unwrap();
    let mut count = store.statistics().unwrap().misses;
    while !statistics.join("log.2").exists() {
        store.record(&Event::Miss);
        count += 1;
    }
    fs::write(statistics.join("log.1"), aside).unwrap();
    assert_eq!(store.statistics().unwrap().misses, count);
    while !statistics.join("log.3").exists() {
        store.record(&Event::Miss);
        count += 1;
    }
    assert_eq!(store.statistics().unwrap().misses, count);
    assert!(!statistics.join("log.1").exists());
}

#[test]
fn a_damaged_log_counts_less_and_never_more() {
    let dir = temporary();
    let store = open(dir.path());
    for _ in 0..5 {
        store.record(&Event::HitExact { saved: SAVED });
        store.record(&Event::Refused { token: "token" });
    }
    let log = dir.path().join("v1/statistics/log");
    let whole = fs::read(&log).unwrap();
    for variant in damaged(&whole) {
        fs::write(&log, &variant).unwrap();
        let figures = store.statistics().unwrap();
        let refused = figures.refused.get("token").copied().unwrap_or_default();
        assert!(figures.hits <= 5 && refused <= 5 && figures.refused.len() <= 1, "{figures:?}");
        if variant.len() == whole.len() {
            assert!(figures.hits + refused >= 8, "one byte spoils two lines at most: {figures:?}");
        }
    }
    // A line that was cut off does not take the next one with it.
    fs::write(&log, &whole[..whole.len() - 3]).unwrap();
    store.record(&Event::Miss);
    let figures = store.statistics().unwrap();
    assert_eq!((figures.misses, figures.hits), (1, 5));
    assert_eq!(store.verify().unwrap().damaged_lines, 1);
}

/// The size is unknown then: it is measured, and what is there stays.
#[test]
fn a_damaged_total_is_survived() {
    let dir = temporary();
    let store = open(dir.path());
    let digest = store.put_blob(b"kept").unwrap();
    let total = dir.path().join("v1/statistics/total");
    let mut count = 0;
    while !total.exists() {
        store.record(&Event::Miss);
        count += 1;
    }
    let whole = fs::read(&total).unwrap();
    for at in [0, 9, 45, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 2;
        fs::write(&total, bytes).unwrap();
        assert!(store.statistics().unwrap().misses < count);
        store.put_blob(format!("another {at}").as_bytes()).unwrap();
        store.record(&Event::Miss);
        assert!(store.read_blob(&digest).unwrap().is_some());
        assert_eq!(store.statistics().unwrap().trims, 0);
    }
    fs::write(&total, &whole).unwrap();
    assert_eq!(store.statistics().unwrap().misses, count + 4);
}
