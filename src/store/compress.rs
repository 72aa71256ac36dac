//! Compressed blobs: what of a blob is stored when it is worth to be made smaller, and back again.
//!
//! A compressed blob is `b"bakezst1"`, the length of its own bytes, the length of the frame that follows, both
//! 64 bits, least first, and one frame of Zstandard. It has its directory, so that its form is told by where it
//! stands, and no bytes of a plain one are ever taken for it. It is named by the digest of its own bytes, as
//! all blobs are, and they are checked against that: a header or a frame that is damaged, or made to do harm,
//! is found out at the latest at the end, and never makes more than the header says.

use std::io::{self, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::error::StoreError;
use super::files;

const MAGIC: &[u8; 8] = b"bakezst1";
const HEADER: usize = MAGIC.len() + 16;

/// The lowest level: the next ones take up to twice as long for a tenth less.
const LEVEL: i32 = 1;
/// What is smaller saves three blocks at most.
const WORTH: usize = 16 * 1024;
/// The longest blob that is compressed, which is done in memory. A header that says more is a lie.
const MOST: u64 = 1 << 30;
/// As much memory as any frame of ours asks for, as a power of two; a frame that asks for more is none.
const WINDOW: u32 = 23;
/// What is given away at a time: stays in the processor's cache.
const PIECE: usize = 64 * 1024;

/// The file of a blob that is compressed; `None` unless that takes a quarter off what it counts for.
pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = bytes.len() as u64;
    if bytes.len() < WORTH || length > MOST {
        return None;
    }
    let mut file = vec![0; HEADER + zstd::zstd_safe::compress_bound(bytes.len())];
    let frame = zstd::bulk::compress_to_buffer(bytes, &mut file[HEADER..], LEVEL).ok()?;
    file.truncate(HEADER + frame);
    file[..HEADER].copy_from_slice(&Header { length, frame: frame as u64 }.to_bytes());
    let pays = files::charge(file.len() as u64) <= files::charge(length) / 4 * 3;
    pays.then_some(file)
}

/// Whether a file of this size begins as the compressed form of a blob of this length does.
pub(super) fn is_of(file: &mut dyn Read, size: u64, length: u64) -> bool {
    let mut start = [0; HEADER];
    let header = file.read_exact(&mut start).ok().and_then(|()| Header::of(&start));
    header.is_some_and(|header| {
        header.length == length && header.frame.checked_add(HEADER as u64) == Some(size)
    })
}

struct Header {
    /// How many bytes the blob has.
    length: u64,
    /// How many bytes follow.
    frame: u64,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.length.to_le_bytes());
        bytes[16..].copy_from_slice(&self.frame.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8; HEADER]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (frame, _) = rest.split_first_chunk::<8>()?;
        let header = Self { length: u64::from_le_bytes(*length), frame: u64::from_le_bytes(*frame) };
        (magic == MAGIC && header.length <= MOST).then_some(header)
    }
}

/// Makes a blob of its compressed form, which comes piece by piece.
pub(super) struct Expander {
    decoder: Decoder<'static>,
    /// The header as far as it has come.
    start: Vec<u8>,
    /// What the header leaves to come in and to be made.
    left: Header,
    room: Vec<u8>,
    /// Whether the frame has ended.
    ended: bool,
}

impl Expander {
    pub(super) fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        let left = Header { length: 0, frame: 0 };
        Ok(Self { decoder, start: Vec::with_capacity(HEADER), left, room: vec![0; PIECE], ended: false })
    }

    /// Takes the next piece, and gives away what it makes. `false` when it is none of a compressed blob.
    pub(super) fn feed(
        &mut self,
        mut piece: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        if self.start.len() < HEADER {
            let (start, rest) = piece.split_at(piece.len().min(HEADER - self.start.len()));
            self.start.extend_from_slice(start);
            piece = rest;
            let Ok(start) = <&[u8; HEADER]>::try_from(self.start.as_slice()) else { return Ok(true) };
            let Some(header) = Header::of(start) else { return Ok(false) };
            self.left = header;
        }
        if piece.len() as u64 > self.left.frame {
            return Ok(false);
        }
        let mut input = InBuffer::around(piece);
        while !self.ended {
            let mut output = OutBuffer::around(self.room.as_mut_slice());
            let Ok(wanted) = self.decoder.run(&mut input, &mut output) else { return Ok(false) };
            let made = output.pos();
            let Some(left) = self.left.length.checked_sub(made as u64) else { return Ok(false) };
            self.left.length = left;
            take(&self.room[..made])?;
            self.ended = wanted == 0;
            if made < self.room.len() && input.pos() == piece.len() {
                break;
            }
        }
        // What follows the frame is never taken, and so left.
        self.left.frame -= input.pos() as u64;
        Ok(input.pos() == piece.len())
    }

    /// Whether all that the header says has come, and nothing else.
    pub(super) fn is_complete(&self) -> bool {
        self.ended && self.left.length == 0 && self.left.frame == 0
    }
}
