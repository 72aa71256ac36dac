//! A compile-cache planner: it turns a command line of gcc, clang or rustc into a compile plan, and bakes it.
//!
//! ```text
//! argv ──argparse──▶ Invocation ──planner──▶ CompilePlan ──driver, over a transport──▶ outputs in place,
//!                                                           diagnostics replayed, exit status
//! ```
//!
//! | room | holds |
//! |---|---|
//! | [`driver`] | the order of steps: who was called, parse, plan, bake each unit (the proposal's eight steps, where a host is there), link; and when to stand aside |
//! | `host` (feature `host`) | serves the socket to a running process, over a session that bakes |
//! | [`transport`] | where a unit is baked: the local store and the user's own compiler, or a host behind a socket; the protocol |
//! | [`manifest`] | what a compile read, and whether that still holds |
//! | [`store`] | content-addressed blobs and records on disk, shared by any number of processes |
//! | [`toolchain`] | a compiler's identity, by content |
//! | [`preprocess`] | running `-E`, reading line markers, what text does not show |
//! | [`planner`] | one unit a source, the link, what enters a key, and a unit's recipe with its paths mapped; pure |
//! | [`argparse`] | argv → [`argparse::Invocation`], or [`argparse::Refusal`]s; one table of options; pure |
//! | [`recipe`], [`paths`], [`world`] | Brioche's data model and hashes; path mapping; files, clock and processes |
//!
//! A room uses only what stands below it. What holds throughout:
//!
//! - *Transparent*: same exit status, same bytes on the streams, same files as without us. What can't be
//!   told apart safely is left to the real compiler: [`driver::Ending::Exec`].
//! - *Refuse by default*: an option that no table row knows is a refusal with a stable token. A refusal is
//!   data, not an error.
//! - *Never stale*: everything that the compiler reads decides the key ([`planner::key`] has the table).
//! - *Silent, no ambient reads*: only programs print; environment, files, clock and processes come in
//!   through [`world::World`].
//! - *Verified bytes*: whatever comes out of a store is checked against its digest.
//!
//! # Example
//!
//! What does this command line mean?
//!
//! ```
//! use bakeplan::argparse::{self, Mode};
//! use std::ffi::OsString;
//!
//! let compiler = argparse::compiler_from_name("gcc-12".as_ref()).expect("a compiler's name");
//! let args: Vec<OsString> = ["-O2", "-MMD", "-c", "src/a.c", "src/b.c"].map(OsString::from).into();
//! let no_response_files = |_: &std::path::Path| None;
//!
//! let invocation = argparse::parse(&compiler, &args, &no_response_files);
//! assert_eq!(invocation.mode, Mode::Object);
//! assert_eq!(invocation.sources[1].outputs[0].path, "b.o");
//!
//! let plan = bakeplan::planner::plan(&invocation).expect("nothing here is refused");
//! assert_eq!(plan.units.len(), 2);
//! ```
//!
//! A wrapper of forty lines is in `examples/wrapper.rs`.

pub mod argparse;
pub mod driver;
#[cfg(all(feature = "host", target_os = "linux"))]
pub mod host;
pub mod manifest;
pub mod paths;
pub mod planner;
pub mod preprocess;
pub mod recipe;
pub mod store;
pub mod toolchain;
pub mod transport;
pub mod world;

#[cfg(all(feature = "host", not(target_os = "linux")))]
compile_error!("the feature `host` needs Linux");
