//! What one row of rustc's tables says.

use std::ffi::OsStr;

use super::{CrateInvocation, CrateRole};
use crate::argparse::Refusal;

/// How an option takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It takes none.
    Flag,
    /// `--name=VALUE` or `--name VALUE`; one letter: `-nVALUE` or `-n VALUE`; under `-C`, `name=VALUE`, or
    /// `name` alone.
    Value,
}

/// What an option does to the invocation.
pub type Act = fn(&mut CrateInvocation, &Use<'_>) -> Result<(), Refusal>;

/// One row of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As a user types it, without its value; under `-C`, without that.
    pub name: &'static str,
    /// How it takes its value.
    pub shape: Shape,
    /// What it is for.
    pub role: CrateRole,
    /// What it does.
    pub act: Act,
    /// Where it is documented; for a refused one, why.
    pub why: &'static str,
}

/// A row, in the order in which the table writes it.
#[must_use]
pub const fn row(name: &'static str, shape: Shape, role: CrateRole, act: Act, why: &'static str) -> Row {
    Row { name, shape, role, act, why }
}

/// One use of an option.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// Its row.
    pub row: &'static Row,
    /// Its value; empty for flags.
    pub value: &'a OsStr,
}

impl Use<'_> {
    /// The value's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.value.as_encoded_bytes()
    }

    /// Refuses this option for the reason that its row gives.
    ///
    /// # Errors
    /// Always.
    pub fn refuse(&self, token: &'static str) -> Result<(), Refusal> {
        let mut argument = std::ffi::OsString::from(self.row.name);
        if !self.value.is_empty() {
            argument.push("=");
            argument.push(self.value);
        }
        Err(Refusal::new(token, argument, self.row.why))
    }
}
