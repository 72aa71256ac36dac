//! Framing: a length, and that many bytes of one message.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::limits;
use super::message::{Answer, Greeting, Hello, Request};

/// What can be a frame.
pub trait Message: Serialize + DeserializeOwned + sealed::Sealed {
    /// How long its frame's body may be.
    const LIMIT: usize;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! messages {
    ($($message:ty: $limit:expr;)*) => {$(
        impl sealed::Sealed for $message {}
        impl Message for $message {
            const LIMIT: usize = $limit;
        }
    )*};
}

messages! {
    Hello: limits::HELLO;
    Greeting: limits::GREETING;
    Request: limits::FRAME;
    Answer: limits::FRAME;
}

/// Bytes that are no frame, or a message that can't be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Its length is beyond the limit.
    #[error("a frame of more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The body is no such message, is longer than the message, spells it in another way than the one that
    /// there is, or holds something that is beyond its limit.
    #[error("a frame that is no message of this protocol: {0}")]
    Malformed(postcard::Error),
    /// Something in the message is beyond its limit.
    #[error("a message holds something that is beyond its limit")]
    OverLimit,
}

impl FrameError {
    /// A stable word.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => super::token::FRAME_TOO_LONG,
            Self::Malformed(_) => super::token::MALFORMED,
            Self::OverLimit => super::token::OVER_LIMIT,
        }
    }
}

/// Bytes of the length that stands before each body.
const PREFIX: usize = 4;

/// Appends a message as a frame.
///
/// # Errors
/// When something in it, or the whole, is beyond its limit; nothing was appended then.
pub fn encode<M: Message>(message: &M, into: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = into.len();
    into.extend([0; PREFIX]);
    let body = Body { bytes: into, left: M::LIMIT };
    if let Err(error) = postcard::serialize_with_flavor(message, body) {
        into.truncate(start);
        return Err(match error {
            postcard::Error::SerializeBufferFull => FrameError::TooLong { limit: M::LIMIT },
            _ => FrameError::OverLimit,
        });
    }
    let length = into.len() - start - PREFIX;
    // Below the limit, so it fits.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    into[start..start + PREFIX].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// A body that is written, up to a limit.
struct Body<'a> {
    bytes: &'a mut Vec<u8>,
    left: usize,
}

impl Flavor for Body<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(postcard::Error::SerializeBufferFull)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads a message from a frame's body.
///
/// # Errors
/// When the body is anything but what [`encode`] writes for some message.
pub fn decode<M: Message>(body: &[u8]) -> Result<M, FrameError> {
    if body.len() > M::LIMIT {
        return Err(FrameError::TooLong { limit: M::LIMIT });
    }
    let (message, rest) = postcard::take_from_bytes(body).map_err(FrameError::Malformed)?;
    if !rest.is_empty() {
        return Err(FrameError::Malformed(postcard::Error::DeserializeUnexpectedEnd));
    }
    // Numbers can be spelled longer than they need; one message has one spelling.
    postcard::serialize_with_flavor(&message, Expected(body)).map_err(FrameError::Malformed)?;
    Ok(message)
}

/// Compares what is written with what was read.
struct Expected<'a>(&'a [u8]);

impl Flavor for Expected<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(bytes).ok_or(postcard::Error::DeserializeBadEncoding)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Bytes as they come, cut into frames' bodies. It holds what was put in and not yet taken out, and never
/// makes room for what is only announced.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// What was taken out already.
    taken: usize,
}

/// Room that an empty inbox may keep.
const KEPT: usize = 16 * 1024;

impl Inbox {
    /// Puts bytes in.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the body of the next frame out, when it is there as a whole.
    ///
    /// # Errors
    /// When its length is beyond the limit; there is no way on from there.
    pub fn take(&mut self, limit: usize) -> Result<Option<&[u8]>, FrameError> {
        let Some(length) = self.announced(limit)? else {
            self.tidy();
            return Ok(None);
        };
        let start = self.taken + PREFIX;
        if self.bytes.len() - start < length {
            return Ok(None);
        }
        self.taken = start + length;
        Ok(Some(&self.bytes[start..start + length]))
    }

    /// The length of the next frame's body, when its prefix is there.
    ///
    /// # Errors
    /// When it is beyond the limit.
    pub fn announced(&self, limit: usize) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.bytes[self.taken..].first_chunk::<PREFIX>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > limit { Err(FrameError::TooLong { limit }) } else { Ok(Some(length)) }
    }

    /// Whether no part of a further frame is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.taken
    }

    fn tidy(&mut self) {
        if self.is_empty() {
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        }
    }
}
