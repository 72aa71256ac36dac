//! Tests of the command line parser.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests are asked by variables, and tell figures"
)]

mod corpus;
mod crates;
mod dryrun;
mod live;
mod properties;
mod snapshots;
mod support;
mod table;
mod traps;
