//! The host: artifacts, sandbox, bakes, what a hostile process tries.

mod artifacts;
mod bakes;
mod grants;
mod recipes;
mod sandbox;
mod support;
