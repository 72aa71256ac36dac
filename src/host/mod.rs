//! The host's side of the protocol (cargo feature `host`): a server loop over a [`Session`], so that any
//! engine can bake what a running process asks for.

pub mod artifacts;
mod baker;
mod engine;
mod error;
mod files;
mod grants;
mod lineage;
pub mod pack;
mod permits;
mod run;
pub mod sandbox;
mod serve;
mod session;

pub use baker::{Baked, Baker, Order, Output};
pub use engine::{Engine, EngineOptions, Verified};
pub use error::HostError;
pub use files::Place;
pub use grants::{Grant, Grants, Links, Rights, Root, Roots};
pub use lineage::{Entry, Lineage, Outcome};
pub use permits::{Permits, Slot};
pub use run::{INPUTS_VARIABLE, Outer, SOCKET_VARIABLE, SPAWN_VARIABLE, Served, run, serve_plain};
pub use serve::{Options, ServeError, Server, serve};
pub use session::{Session, Watch};
