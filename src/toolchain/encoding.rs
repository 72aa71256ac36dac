//! The encoding under every digest and record name of this room: fields in a fixed order, each with
//! its length (eight bytes, little endian) before it, so that no two lists of fields look alike.

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
