//! bakeplan
pub mod argparse;
pub mod manifest;
pub mod planner;
pub mod preprocess;
pub mod recipe;
pub mod store;
pub mod world;
