//! The integration tests, one binary.
#![allow(clippy::disallowed_methods, reason = "tests stand in the real surroundings")]
#![allow(missing_docs, reason = "tests document themselves by their names")]

mod baking;
mod paths;
mod recipe;
mod store;
mod support;
mod toolchain;
