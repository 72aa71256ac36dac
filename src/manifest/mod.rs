//! What an invocation read, and whether that still holds.
//!
//! Today a set of inputs tells an exact hit from a semantic one after preprocessing. This is also the
//! place of the manifests that will spare a hit its preprocessor run: those will record what was looked
//! for and *not* found beside what was read.

mod inputs;

pub use inputs::{Digester, Input, InputSet, Match, Snapshot};
