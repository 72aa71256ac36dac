//! bakeplan
pub mod argparse;
pub mod driver;
pub mod manifest;
pub mod planner;
pub mod preprocess;
pub mod recipe;
pub mod store;
pub mod transport;
pub mod toolchain;
pub mod world;
