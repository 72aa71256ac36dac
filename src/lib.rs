//! bakeplan
pub mod argparse;
pub mod recipe;
pub mod toolchain;
pub mod world;
