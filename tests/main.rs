//! The integration tests, one binary.
#![allow(clippy::disallowed_methods, reason = "tests stand in the real surroundings")]
#![allow(missing_docs, reason = "tests document themselves by their names")]
#![allow(clippy::format_collect, clippy::format_push_string, reason = "sources are written as they read")]
#![allow(clippy::type_complexity, reason = "tables of cases")]
#![allow(clippy::print_stdout, reason = "tests print figures, and what could not be tested")]
#![allow(unreachable_pub, reason = "one binary: everything is reachable or unused")]
#![allow(clippy::unnecessary_debug_formatting, reason = "a failing test shows what it saw")]

mod argparse;
mod baking;
mod crates;
#[cfg(feature = "host")]
mod host;
mod paths;
mod planner;
mod readme;
mod recipe;
mod recording;
#[cfg(feature = "host")]
mod spawn;
mod stale;
mod store;
mod support;
mod toolchain;
mod wire;
