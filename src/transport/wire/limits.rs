//! How large things may be. A limit is checked where a thing is written, and where it is read, before
//! anything is allocated for it.

/// The body of a frame.
pub const FRAME: usize = RECIPE + 16 * 1024;
/// The body of the first frame from the client.
pub const HELLO: usize = 1024;
/// The body of the first frame from the host.
pub const GREETING: usize = 8 * 1024;
/// A recipe's JSON.
pub const RECIPE: usize = 1024 * 1024;
/// A note.
pub const NOTE: usize = 1024 * 1024;
/// A path.
pub const PATH: usize = 4096;
/// What one [`Say::Log`](super::Say::Log) holds.
pub const LOG: usize = 16 * 1024;
/// The token of an error.
pub const TOKEN: usize = 64;
/// The message of an error, and the reason of a failure.
pub const MESSAGE: usize = 4096;
/// The artifacts that a process sees.
pub const ARTIFACTS: usize = 4096;
/// The symbols of a process.
pub const SYMBOLS: usize = 64;
/// The paths of one [`Ask::CreateArtifacts`](super::Ask::CreateArtifacts). As many errors fit a frame.
pub const PATHS: usize = 128;
/// The files of an output that comes in an answer.
pub const CONTENTS: usize = 16;
/// The bytes of such an output, all files together.
pub const INLINE: usize = 256 * 1024;
/// The name of such a file.
pub const NAME: usize = 255;
/// The name of a symbol.
pub const SYMBOL: usize = 64;
/// Requests under way on one connection.
pub const REQUESTS: usize = 64;
