//! The integration tests, one binary.

mod recipe;
