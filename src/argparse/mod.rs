//! Command lines: argv → [`Invocation`], with [`Refusal`]s where it cannot be cached.
//!
//! Pure: response files come through an injected reader, nothing else is read. What an option does
//! stands in one table row ([`spec::Spec`]); an option that no row knows is refused.

mod invocation;
mod refusal;

pub use invocation::{
    Arg, Compiler, Debug, DependencyFile, Facts, Family, Invocation, Language, Mode, Output, OutputKind,
    Role, Source, Version,
};
pub use refusal::Refusal;
