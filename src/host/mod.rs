//! The host's side of the protocol (cargo feature `host`): a server loop over a [`Session`], so that any
//! engine can bake what a running process asks for.

mod serve;
mod session;

pub use serve::{Options, ServeError, Server, serve};
pub use session::{Session, Watch};
