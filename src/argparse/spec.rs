//! What one row of the option table says.

use std::ffi::{OsStr, OsString};

use super::draft::Draft;
use super::{Compiler, Family, Refusal, Role};

/// How an option takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Exactly the spelling.
    Flag,
    /// The spelling, or its negation with `no-` after the first letter (`-fno-…`, `-mno-…`, `-Wno-…`).
    Toggle,
    /// The spelling with the value right behind it; the value may be empty.
    Joined,
    /// The value is the next argument.
    Separate,
    /// Glued, or else the next argument.
    Either,
    /// A long option: `--name=VALUE`, or `--name VALUE`.
    Long,
}

/// For which drivers a row holds, and since which major version of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialects {
    /// First gcc that knows it; 0 for any, `u16::MAX` for none.
    pub gcc: u16,
    /// First clang that knows it; 0 for any, `u16::MAX` for none.
    pub clang: u16,
}

/// Not known to that family.
const NEVER: u16 = u16::MAX;
/// Any gcc and any clang.
pub const BOTH: Dialects = Dialects { gcc: 0, clang: 0 };
/// Any gcc.
pub const GCC: Dialects = Dialects { gcc: 0, clang: NEVER };
/// Any clang.
pub const CLANG: Dialects = Dialects { gcc: NEVER, clang: 0 };

/// gcc from that version on.
#[must_use]
pub const fn gcc(since: u16) -> Dialects {
    Dialects { gcc: since, clang: NEVER }
}

/// clang from that version on.
#[must_use]
pub const fn clang(since: u16) -> Dialects {
    Dialects { gcc: NEVER, clang: since }
}

/// gcc and clang, each from its version on.
#[must_use]
pub const fn both(gcc: u16, clang: u16) -> Dialects {
    Dialects { gcc, clang }
}

impl Dialects {
    /// Whether `compiler` knows the option. One whose version is not known is taken for the newest.
    #[must_use]
    pub fn has(self, compiler: Compiler) -> bool {
        let since = match compiler.family {
            Family::Gcc => self.gcc,
            Family::Clang => self.clang,
        };
        since != NEVER && (compiler.version.0 == 0 || compiler.version.0 >= since)
    }
}

/// What an option does to the draft.
pub type Act = fn(&mut Draft, &Value) -> Result<(), Refusal>;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// As a user types it, without its value; `=` belongs to it where it is needed.
    pub name: &'static str,
    /// How it takes its value.
    pub shape: Shape,
    /// What it is for.
    pub role: Role,
    /// Who knows it.
    pub on: Dialects,
    /// What it does.
    pub act: Act,
    /// Where it is documented; for a refused one, why.
    pub why: &'static str,
}

/// A row, in the order in which the table writes it.
#[must_use]
pub const fn row(
    name: &'static str,
    shape: Shape,
    role: Role,
    on: Dialects,
    act: Act,
    why: &'static str,
) -> Spec {
    Spec { name, shape, role, on, act, why }
}

/// One use of an option.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// Its row.
    pub spec: &'static Spec,
    /// Whether it was spelled positively.
    pub on: bool,
    /// Its value; empty for flags.
    pub text: &'a OsStr,
    /// The first argument, as spelled.
    pub token: &'a OsStr,
}

impl Value<'_> {
    /// The value's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.text.as_encoded_bytes()
    }

    /// The value, owned.
    #[must_use]
    pub fn owned(&self) -> OsString {
        self.text.to_owned()
    }

    /// A refusal of this argument for the reason that its row gives.
    #[must_use]
    pub fn refusal(&self, token: &'static str) -> Refusal {
        Refusal::new(token, self.token, self.spec.why)
    }

    /// Refuses this argument.
    ///
    /// # Errors
    /// Always.
    pub fn refuse(&self, token: &'static str) -> Result<(), Refusal> {
        Err(self.refusal(token))
    }

    /// Refuses this argument unless it is the negative form.
    ///
    /// # Errors
    /// When it is spelled positively.
    pub fn refuse_on(&self, token: &'static str) -> Result<(), Refusal> {
        if self.on { self.refuse(token) } else { Ok(()) }
    }
}
