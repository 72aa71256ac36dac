//! Tests of the command line parser.

mod corpus;
mod dryrun;
mod live;
mod properties;
mod support;
mod table;
mod traps;
