//! Byte strings and their form in JSON.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::error::Misfit;
use super::json::{Json, JsonForm};

/// A string of bytes: a path, a file's content, a variable's name. Usually UTF-8, never sure to be.
///
/// In JSON, and when displayed, it is *tick-encoded*: printable ASCII, tab, line feed, carriage return
/// and space stand for themselves, a backtick is written twice, every other byte is a backtick and two
/// upper-case hexadecimal digits. Each byte string has one encoding only; a text that could be encoded
/// in a shorter way is refused.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteString(Vec<u8>);

/// The text is not the tick-encoding of any byte string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not tick-encoded: {0}")]
pub struct BadTicks(pub String);

impl ByteString {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as the system's strings are.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// Gives the bytes away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The tick-encoding.
    #[must_use]
    pub fn to_ticks(&self) -> String {
        tick_encoding::encode(&self.0).into_owned()
    }

    /// Reads a tick-encoding.
    ///
    /// # Errors
    /// When it is not exactly what [`Self::to_ticks`] writes for some bytes.
    pub fn from_ticks(text: &str) -> Result<Self, BadTicks> {
        match tick_encoding::decode(text.as_bytes()) {
            Ok(bytes) => Ok(Self(bytes.into_owned())),
            Err(error) => Err(BadTicks(error.to_string())),
        }
    }
}

impl std::fmt::Display for ByteString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&tick_encoding::encode(&self.0))
    }
}

impl std::fmt::Debug for ByteString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", tick_encoding::encode(&self.0))
    }
}

impl From<&[u8]> for ByteString {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for ByteString {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for ByteString {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for ByteString {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&OsStr> for ByteString {
    fn from(text: &OsStr) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<OsString> for ByteString {
    fn from(text: OsString) -> Self {
        Self(text.into_vec())
    }
}

impl JsonForm for ByteString {
    fn write(&self) -> Json<'_> {
        Json::String(tick_encoding::encode(&self.0))
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        Ok(Self::from_ticks(&json.string()?)?)
    }
}
