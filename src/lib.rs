//! bakeplan
pub mod argparse;
pub mod recipe;
pub mod store;
pub mod world;
