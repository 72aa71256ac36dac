//! The integration tests, one binary.

mod paths;
mod recipe;
