//! The integration tests, one binary.

mod argparse;
