//! bakeplan
pub mod argparse;
pub mod recipe;
pub mod world;
