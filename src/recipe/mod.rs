//! Brioche's data model: recipes, artifacts, templates, digests.

pub mod digest;
