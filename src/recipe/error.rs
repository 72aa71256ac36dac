//! Why a text is not a recipe.

use super::bytes::BadTicks;
use super::digest::BadDigest;

/// The text is not the JSON of a recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// It is not JSON, has a field twice, is nested more than about 127 deep, or holds a number that is
    /// not a whole one below 2³².
    #[error("cannot read the JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON, but not a recipe.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// Something in the JSON that does not fit, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The place, from the outside in (`args[2].components[0]`); empty for the whole.
    pub place: String,
    /// What is wrong there.
    pub cause: Cause,
}

/// What can be wrong in a recipe's JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A field that every such object has is not there.
    #[error("the field {0:?} is missing")]
    Missing(&'static str),
    /// A field that no such object has is there.
    #[error("unknown field {0:?}")]
    Unknown(String),
    /// One of a fixed set of words was expected.
    #[error("{1:?} is no {0}")]
    NoSuch(&'static str, String),
    /// Another kind of value was expected.
    #[error("expected {0}, found {1}")]
    Kind(&'static str, &'static str),
    /// Another kind of artifact was expected.
    #[error("expected {0}, found a {1}")]
    Wrong(&'static str, &'static str),
    /// A byte string is not encoded as such.
    #[error(transparent)]
    Ticks(#[from] BadTicks),
    /// A digest is not one.
    #[error(transparent)]
    Digest(#[from] BadDigest),
    /// `unsafe` was not set for a process that uses an unsafe feature.
    #[error("`networking` is an unsafe feature, and `unsafe` is not true")]
    UnsafeMissing,
    /// `unsafe` was set for a process that uses none.
    #[error("`unsafe` is true, but no unsafe feature is used")]
    UnsafeUnused,
    /// A download's URL or digest cannot be taken.
    #[error("{0}: {1:?}")]
    Download(&'static str, String),
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() {
            write!(f, "{}", self.cause)
        } else {
            write!(f, "{}: {}", self.place, self.cause)
        }
    }
}

impl std::error::Error for Misfit {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl<C: Into<Cause>> From<C> for Misfit {
    fn from(cause: C) -> Self {
        Self { place: String::new(), cause: cause.into() }
    }
}

impl Misfit {
    /// The same, seen from the value around it.
    pub(super) fn within(mut self, outer: &str) -> Self {
        let joint = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{outer}{joint}{}", self.place);
        self
    }
}

/// At most this much of a text is repeated in an error.
const QUOTED: usize = 80;

/// The start of a text, for an error.
pub(super) fn quote(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}
