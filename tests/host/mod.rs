//! The host: artifacts, sandbox, bakes, what a hostile process tries.

mod artifacts;
mod bakes;
pub mod command;
mod cost;
mod crates;
pub mod full;
mod grants;
mod killed;
mod left;
pub mod limits;
mod lists;
mod lost;
mod nested;
mod networking;
mod pack;
mod recipes;
mod running;
mod sandbox;
mod support;
mod whole;
