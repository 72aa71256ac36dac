//! What an invocation read and looked for, and whether that still holds.
//!
//! A **manifest** belongs to an invocation: everything that is known without reading a source. For each
//! state of the world in which it was compiled it holds what that compile [`Seen`], and what came of it.
//! Where all of that is seen again, the compile would do the same again, and needs neither be run nor
//! preprocessed:
//!
//! | what a compile did | holds while |
//! |---|---|
//! | read a file | a file of the same bytes stands there; where it read two of equal bytes, they are or are not one file, or of one time, as they were (`#pragma once`) |
//! | looked for something in vain | nothing stands there. The directory's identity and times answer for all names in it at once; where they are others, each name is looked up |
//! | looked for something in a directory that is not there | the first missing directory on the way is missing |
//! | ran into a link that dangles | nothing stands there; looked up each time, for no directory's times tell |
//! | looked at something | it is there, of the same kind, and the same thing as another if it was |
//! | read a link | it leads to the same place |
//! | listed a directory | the directory has the same identity and times |
//! | asked for the time of day | never |
//! | asked for a variable (crates only; else the invocation's name has what matters) | it has the same value, or is unset as it was |
//!
//! All this comes from a [`Recording`](crate::world::Recording) of the compiler's own processes, so that
//! nothing depends on understanding a source: a probe by `__has_include` that is spliced, pasted or behind a
//! macro is a lookup like any other.
//!
//! An [`InputSet`] is the smaller brother: the files that the line markers of preprocessed text name; it
//! tells an exact hit from a semantic one after preprocessing.

mod inputs;
mod learn;
mod lookups;
mod placed;
mod record;
mod seen;

pub use inputs::{Digester, Input, InputSet, Match, Snapshot};
pub use learn::{Knowledge, Learned, Unlearnable};
pub use placed::{PlacedDigester, PlacedWorld};
pub use record::{Manifest, Version};
pub use seen::{ALL_VARIABLES, Mismatch, Seen};
