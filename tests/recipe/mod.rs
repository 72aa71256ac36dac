//! Recipes: their JSON, their hashes, compiles.

mod compile;
mod example;
mod oracle;
mod properties;
mod strict;
mod vectors;
