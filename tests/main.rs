//! The integration tests, one binary.

mod toolchain;
