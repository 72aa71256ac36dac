//! bakeplan
pub mod argparse;
pub mod paths;
pub mod recipe;
pub mod world;
