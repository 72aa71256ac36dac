//! An [`crate::argparse::Invocation`] becomes a [`CompilePlan`]: one unit a source, and the link that joins
//! them, if there is one. Pure: decides which command makes what, and what enters a key.

pub mod crate_recipe;
pub mod crates;
pub mod environment;
pub mod key;
pub mod places;
mod plan;
pub mod recipe;
pub mod report;
pub mod roots;
pub mod tree;

pub use plan::{CompilePlan, LinkStep, Object, Unit, plan};
