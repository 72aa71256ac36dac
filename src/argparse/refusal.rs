//! Why an invocation, or one of its units, is left to the real compiler. Data, not an error.

use std::ffi::OsString;
use std::fmt;

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

/// `token (argument): why`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.token, &self.argument.display(), self.why)
    }
}

/// A refusal in words. There is not always an argument to name.
pub(crate) fn write(
    f: &mut fmt::Formatter<'_>,
    token: &str,
    argument: &dyn fmt::Display,
    why: &str,
) -> fmt::Result {
    match argument.to_string().as_str() {
        "" => write!(f, "{token}: {why}"),
        argument => write!(f, "{token} ({argument}): {why}"),
    }
}
