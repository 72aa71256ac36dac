//! The stable words of the protocol's own refusals. What a session refuses has words of its own.

/// The first frame is no [`Hello`](super::Hello).
pub const NOT_BAKEPLAN: &str = "not-bakeplan";
/// The client speaks another version.
pub const VERSION: &str = "version";
/// The client runs as a user who may not ask here.
pub const PEER: &str = "peer";
/// The host has all the connections, or holds all the bytes, that it will.
pub const BUSY: &str = "busy";
/// A frame is no message.
pub const MALFORMED: &str = "malformed";
/// A frame is longer than it may be.
pub const FRAME_TOO_LONG: &str = "frame-too-long";
/// The answer holds something beyond its limit.
pub const OVER_LIMIT: &str = "over-limit";
/// A request has the id of another that is under way, or the one that none may have.
pub const BAD_ID: &str = "bad-id";
/// The first frame, or the rest of one, did not come in time, or nothing was asked for too long.
pub const DEADLINE: &str = "deadline";
/// The host ends.
pub const STOPPING: &str = "stopping";
/// More requests are under way on the connection than may be.
pub const TOO_MANY_REQUESTS: &str = "too-many-requests";
/// The recipe can't be read.
pub const RECIPE: &str = "recipe";
/// The path is not absolute, or holds a NUL.
pub const PATH: &str = "path";
/// The bake was ended because nobody waited for it.
pub const CANCELLED: &str = "cancelled";
/// The host failed at something that it should not.
pub const INTERNAL: &str = "internal";
