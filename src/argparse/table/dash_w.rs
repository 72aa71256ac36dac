//! Options that begin with `-W`. A warning that no row names only decides diagnostics: it is `-W` with a value.

use super::super::acts::{
    to_assembler, to_linker, to_preprocessor, warn_all, warn_extra, warn_fallthrough, warn_fallthrough_level,
    warn_layout, warning,
};
use super::prelude::*;

/// See the module.
#[rustfmt::skip]
pub(super) static ROWS: &[Spec] = &[
    row("-W", Joined, Compile, BOTH, warning, "gcc: Warning Options"),
    row("-Wa,", Joined, Assemble, BOTH, to_assembler, "gcc: Assembler Options"),
    row("-Wall", Toggle, Compile, BOTH, warn_all, "gcc: Warning Options; looks at indentation"),
    row("-Wbidi-chars", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
    row("-Wdocumentation", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
    row("-Wdocumentation-pedantic", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
    row("-Wdocumentation-unknown-command", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
    row("-Wempty-body", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
    row("-Weverything", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
    row("-Wextra", Toggle, Compile, BOTH, warn_extra, "gcc: Warning Options; looks at fall-through comments"),
    row("-Wimplicit-fallthrough", Toggle, Compile, BOTH, warn_fallthrough, "gcc: Warning Options; looks at fall-through comments"),
    row("-Wimplicit-fallthrough=", Joined, Compile, BOTH, warn_fallthrough_level, "gcc: Warning Options; looks at fall-through comments"),
    row("-Wl,", Joined, Link, BOTH, to_linker, "gcc: Link Options"),
    row("-Wmisleading-indentation", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
    row("-Wp,", Joined, Preprocess, BOTH, to_preprocessor, "gcc: Preprocessor Options"),
    row("-Wunused-but-set-variable", Toggle, Compile, BOTH, warn_layout, "gcc: Warning Options; looks at comments or layout"),
];
