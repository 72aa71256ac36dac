//! Artifacts of files that were just seen in the store. A process that gives the same hundred headers for each of its
//! sources has each of them looked for once a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::recipe::digest::{ArtifactHash, BlobDigest};

/// How long it is believed that something is still there. If it is gone all the same, whoever needs it says so, and
/// all is looked for again.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many are remembered, some 70 bytes each.
const MOST: usize = 1 << 16;

/// The artifacts that were seen, by the file's bytes and whether it is executable.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    since: Option<Instant>,
    artifacts: HashMap<(BlobDigest, bool), ArtifactHash>,
}

impl Recent {
    pub(super) fn get(&self, digest: &BlobDigest, executable: bool) -> Option<ArtifactHash> {
        let seen = self.seen();
        let is_recent = seen.since.is_some_and(|since| since.elapsed() < BELIEVED);
        is_recent.then(|| seen.artifacts.get(&(*digest, executable)).copied()).flatten()
    }

    pub(super) fn add(&self, digest: BlobDigest, executable: bool, artifact: ArtifactHash) {
        let mut seen = self.seen();
        if seen.since.is_none_or(|since| since.elapsed() >= BELIEVED) || seen.artifacts.len() >= MOST {
            *seen = Seen { since: Some(Instant::now()), artifacts: HashMap::new() };
        }
        seen.artifacts.insert((digest, executable), artifact);
    }

    pub(super) fn forget(&self) {
        *self.seen() = Seen::default();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
