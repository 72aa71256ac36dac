//! Artifacts of files that were just seen in the store. A process that gives the same hundred headers for each of its
//! sources has each of them looked for once a minute.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::recipe::digest::ArtifactHash;

/// How long it is believed that something is still there. If it is gone all the same, whoever needs it says so, and
/// all is looked for again.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many are remembered, 32 bytes each.
const MOST: usize = 1 << 16;

/// What was seen, since when.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<(Option<Instant>, HashSet<ArtifactHash>)>);

impl Kept {
    pub(super) fn has(&self, hash: &ArtifactHash) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.0.is_some_and(|since| since.elapsed() < BELIEVED) && known.1.contains(hash)
    }

    pub(super) fn add(&self, hash: ArtifactHash) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0.is_none_or(|since| since.elapsed() >= BELIEVED) || known.1.len() >= MOST {
            known.1.clear();
            known.0 = Some(Instant::now());
        }
        known.1.insert(hash);
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }
}
