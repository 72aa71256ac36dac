//! Why an invocation, or one of its units, is left to the real compiler. Data, not an error.

use std::ffi::OsString;

/// A reason not to cache, with a stable token that statistics count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable, hyphenated word: `unknown-option`, `stdin-source`, …
    pub token: &'static str,
    /// The argument (or file, or variable) that is the reason.
    pub argument: OsString,
    /// One line for people.
    pub why: &'static str,
}

impl Refusal {
    /// A refusal of `argument` for the reason `why`.
    pub fn new(token: &'static str, argument: impl Into<OsString>, why: &'static str) -> Self {
        Self { token, argument: argument.into(), why }
    }
}
