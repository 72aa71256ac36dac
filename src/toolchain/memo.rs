//! What is remembered between calls, and by whom.

use std::io;
use std::path::Path;

use crate::recipe::digest::{BlobDigest, RecordName};
use crate::world::{Stat, World};

/// Remembers small records, and the digests of files. The store is one.
///
/// Nothing is trusted: a record that comes back damaged is as good as none, and one that cannot be
/// saved is found anew the next time.
pub trait Memo {
    /// The record of this name.
    fn load(&self, name: &RecordName) -> Option<Vec<u8>>;

    /// Files a record, in place of an earlier one of the name.
    fn save(&self, name: &RecordName, bytes: &[u8]);

    /// The digest of the file at a path, which looked like `stat` just now. It may be remembered by
    /// that identity when it is [settled](Stat::is_settled), and only if the file still looked so after it
    /// was read.
    ///
    /// # Errors
    /// As [`World::read`].
    fn digest(&self, world: &dyn World, path: &Path, stat: &Stat) -> io::Result<BlobDigest>;
}
