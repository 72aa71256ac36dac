//! Tests of the command line parser.

mod corpus;
mod support;
