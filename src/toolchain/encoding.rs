//! The encoding under every digest and record name of this room: fields in a fixed order, each with
//! its length (eight bytes, little endian) before it, so that no two lists of fields look alike. And the
//! seal around what is remembered.

use serde::{Deserialize, Serialize};

use crate::recipe::digest::RecordName;

/// Bytes that are going to be hashed.
#[derive(Debug)]
pub(super) struct Encoding(Vec<u8>);

impl Encoding {
    /// Starts with what is encoded and in which version.
    pub(super) fn new(subject: &str) -> Self {
        let mut encoding = Self(Vec::new());
        encoding.field(subject.as_bytes());
        encoding
    }

    /// Adds a field.
    pub(super) fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Adds a number: the length of a list, or a field that is one.
    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// The encoding.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A value's bytes behind a digest of them and of the name that they go by; empty when it cannot be
/// written, which nobody can read.
pub(super) fn seal<T: Serialize>(name: &RecordName, value: &T) -> Vec<u8> {
    let Ok(payload) = postcard::to_stdvec(value) else { return Vec::new() };
    [&seal_of(name, &payload)[..], &payload].concat()
}

/// The value, if the bytes are whole and were sealed under this name.
pub(super) fn unseal<'b, T: Deserialize<'b>>(name: &RecordName, bytes: &'b [u8]) -> Option<T> {
    let (seal, payload) = bytes.split_first_chunk::<32>()?;
    (seal_of(name, payload) == *seal).then(|| postcard::from_bytes(payload).ok())?
}

fn seal_of(name: &RecordName, payload: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(name.as_bytes()).update(payload).finalize().as_bytes()
}
