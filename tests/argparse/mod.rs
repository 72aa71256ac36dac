//! Tests of the command line parser.

mod corpus;
mod dryrun;
mod live;
mod support;
