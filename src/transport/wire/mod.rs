//! The protocol between a process that wants recipes baked (the *client*) and the host that bakes them. What
//! stands here is all that another implementation needs. This is version 3.
//!
//! # The connection
//!
//! A Unix stream socket at a path; the client connects. Both sides send *frames*, one after the other: a
//! length, 32 bits, little-endian, that does not count itself, and a *body* of that many bytes, which is one
//! message.
//!
//! ```text
//! client                                        host
//!   Hello ────────────────────────────────────▶
//!   Request (any number, not waiting) ────────▶
//!         ◀──────────────────────────────────── Greeting: Welcome, or Refused and the end
//!         ◀──────────────────────────────────── Answer (in any order)
//!   Cancel ───────────────────────────────────▶
//!   closes ───────────────────────────────────▶ ends what nobody waits for
//! ```
//!
//! 1. The client's first frame is [`Hello`]. It may send requests behind it at once.
//! 2. The host's first frame is [`Greeting`]. After `Refused` it closes; it looked at no request then. The
//!    first ten bytes or so of `Hello` (magic and version) and the whole of `Refused` are the same in all
//!    versions: a host of one version can tell a client of another that they do not fit. A client that is
//!    refused, whatever the reason, does without a host.
//! 3. From then on each frame from the client is a [`Request`], each frame from the host an [`Answer`] with
//!    the id of a request. The client chooses ids; no two requests under way have the same, and none has
//!    [`NOBODY`]. At most [`limits::REQUESTS`] are under way; the host answers one more with the error
//!    `too-many-requests`.
//! 4. Each request gets one answer that ends it, and only a bake gets [`Say::Log`] before that. Requests are
//!    worked at together and answered as they are done: who needs an order waits for the answer. The one
//!    exception is [`Ask::Cancel`], which gets no answer, does not count, and whose own id means nothing. The
//!    request that it names is still answered, with whatever came of it or the error `cancelled`.
//! 5. While requests are under way, a host that has nothing to say on a connection for [`ALIVE`] sends
//!    [`Say::Alive`] for one of them. A client that hears nothing for several times as long may give up.
//! 6. Log lines are for people: a host drops what a client does not read in time, and counts on nobody to
//!    have read them.
//! 7. When the client closes (or shuts down) its side, the host reads what was sent before, then ends
//!    everything that is under way on this connection, but for *detached* bakes.
//! 8. A host closes a connection for what it can't go on from: a frame that is too long or no message, a bad
//!    id, a first frame or the rest of a frame that does not come in time (`deadline`), answers that nobody
//!    reads, its own end (`stopping`). It says why, if that can still be sent, in an answer with the error
//!    and the id [`NOBODY`] (before its greeting: in `Refused`).
//!
//! Asking again is safe for everything but a bake that puts its output somewhere: *get-inputs* and the notes'
//! messages change nothing that an equal one does not change alike, and *create-artifact* takes what stands
//! there then.
//!
//! # Encoding
//!
//! Bodies are [postcard] 1.x:
//!
//! | kind | bytes |
//! |---|---|
//! | `u16`, `u32`, `u64` | a varint: seven bits a byte, the lowest first, the eighth bit set on all but the last |
//! | `bool` | `00` or `01` |
//! | bytes, text (UTF-8) | the length as a varint, then the bytes |
//! | a digest | as bytes: `20` and 32 bytes |
//! | a list | the number of items as a varint, then the items |
//! | `Option` | `00`, or `01` and the value |
//! | `Result` | `00` and the value, or `01` and the error |
//! | a struct, a pair | its fields, in order |
//! | an enum | the variant's number as a varint (counted from 0 as they stand in the tables), then its fields |
//! | the magic | eight bytes as they are |
//!
//! There is one spelling for each message: a varint in more bytes than it needs, and a body that goes on
//! after its message, are malformed. New variants go last. Version 3 has no capabilities; bits that are
//! not known are left out of the host's answer and mean nothing.
//!
//! # Messages
//!
//! | message | fields |
//! |---|---|
//! | [`Hello`] | magic `bakeplan`, version `u16`, capabilities `u64` |
//! | [`Greeting`] | 0 `Welcome`: magic, version `u16`, capabilities `u64` that both have · 1 `Refused`: error |
//! | [`Request`] | id `u32`, ask |
//! | [`Answer`] | id `u32`, say |
//! | error ([`WireError`]) | token: text, message: text |
//!
//! | nr | [`Ask`] | fields | is answered by |
//! |---|---|---|---|
//! | 0 | `GetInputs` | | `Inputs` |
//! | 1 | `CreateArtifacts` | list of paths | `Artifacts` |
//! | 2 | `BakeRecipe` | recipe: bytes, delivery (0 `Nowhere` · 1 `At`: path · 2 `Inline`), detached: `bool` | `BakeFinished` |
//! | 3 | `Cancel` | of: `u32` | |
//! | 4 | `GetNote` | name: digest | `Note` |
//! | 5 | `PutNote` | name: digest, note: bytes | `Noted` |
//!
//! | nr | [`Say`] | fields |
//! |---|---|---|
//! | 0 | `Inputs` | artifacts: list of (digest, path), symbols: list of (name: text, path), scratch: path, like a bake: `bool`, recipe: `Option` of a digest |
//! | 1 | `Artifacts` | for each path, in order, a `Result` of a digest |
//! | 2 | `Log` | stream (0 stdout, 1 stderr), bytes |
//! | 3 | `BakeFinished` | 0 `Succeeded`: artifact digest, recipe digest, hit `bool`, took `u64` milliseconds, contents: list of (name: bytes, bytes) · 1 `Failed`: why: text |
//! | 4 | `Note` | `Option` of bytes |
//! | 5 | `Noted` | |
//! | 6 | `Error` | error |
//! | 7 | `Alive` | |
//!
//! Paths are bytes, absolute and without NUL, as the client sees them. A recipe is Brioche's JSON in any
//! spelling, nested at most about 127 deep; the host hashes its canonical form. An output is put where nothing
//! stands yet; or, where it is small and its client asks for that, it comes in the answer. The host believes no
//! hash that a client names: it computes its own from bytes that it reads.
//!
//! # Limits
//!
//! Whoever writes keeps them; whoever reads checks them before anything is allocated. All count bytes, but for
//! the last five.
//!
//! | what | at most |
//! |---|---|
//! | body of a frame ([`limits::FRAME`]) | 1,064,960 |
//! | body of the first frame, from the client ([`limits::HELLO`]) | 1,024 |
//! | body of the first frame, from the host ([`limits::GREETING`]) | 8,192 |
//! | recipe ([`limits::RECIPE`]) | 1,048,576 |
//! | note ([`limits::NOTE`]) | 1,048,576 |
//! | path ([`limits::PATH`]) | 4,096 |
//! | bytes of one `Log` ([`limits::LOG`]) | 16,384 |
//! | token ([`limits::TOKEN`]) | 64 |
//! | message, why ([`limits::MESSAGE`]) | 4,096 |
//! | name of a symbol ([`limits::SYMBOL`]) | 64 |
//! | bytes of an output that comes in the answer ([`limits::INLINE`]) | 262,144 |
//! | name of a file of it ([`limits::NAME`]) | 255 |
//! | artifacts ([`limits::ARTIFACTS`]) | 4,096 |
//! | symbols ([`limits::SYMBOLS`]) | 64 |
//! | its files ([`limits::CONTENTS`]) | 16 |
//! | paths of one `CreateArtifacts` ([`limits::PATHS`]) | 128 |
//! | requests under way on a connection ([`limits::REQUESTS`]) | 64 |
//!
//! # Tokens
//!
//! | token | where | means |
//! |---|---|---|
//! | `not-bakeplan`, `version` | greeting | this is another protocol, or another version of it |
//! | `peer` | greeting | the client's user may not ask here |
//! | `busy` | greeting, connection, request | the host has all that it will hold |
//! | `malformed`, `frame-too-long`, `bad-id` | greeting, connection | the client broke the protocol |
//! | `deadline` | greeting, connection | the client was too slow, or had nothing to ask for too long |
//! | `stopping` | greeting, connection | the host ends |
//! | `too-many-requests` | request | more than may be are under way |
//! | `path` | request | not an absolute path |
//! | `recipe` | request | the recipe can't be read; the message says where |
//! | `cancelled` | request | the bake was ended, since nobody waited for it |
//! | `over-limit` | request | the answer would be beyond a limit |
//! | `internal` | request | the host failed |
//!
//! A request's error may have other tokens: those of the session that serves it.
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format

mod bounded;
mod frame;
pub mod limits;
mod message;
pub mod token;

use std::time::Duration;

pub use frame::{FrameError, Inbox, Message, decode, encode};
pub use message::{
    Answer, Ask, Content, Delivered, Delivery, Finished, Greeting, Hello, Input, Inputs, NOBODY, Request,
    Say, WireError,
};

/// What both sides' first frames begin with.
pub const MAGIC: [u8; 8] = *b"bakeplan";
/// The version of the protocol.
pub const VERSION: u16 = 3;
/// How long a host is silent at most while requests are under way.
pub const ALIVE: Duration = Duration::from_secs(5);
