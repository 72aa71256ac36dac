//! What the environment decides: which variables forbid caching, which enter the key, and which only
//! change how diagnostics look.
//!
//! Sources: *Environment Variables* in the manuals of gcc and of GNU cpp; the driver's code and
//! *Clang command line argument reference* for clang.

use std::ffi::OsStr;

use crate::argparse::{Family, Refusal};
use crate::world::Environment;

/// Variables that make a compiler write files of their own, or change its command line.
const FORBIDDING: [&str; 16] = [
    "CCC_OVERRIDE_OPTIONS",
    "CC_LOG_DIAGNOSTICS",
    "CC_PRINT_HEADERS",
    "CC_PRINT_HEADERS_FILE",
    "CC_PRINT_INTERNAL_STAT",
    "CC_PRINT_OPTIONS",
    "CC_PRINT_PROC_STAT",
    "CINDEXTEST_COMPILATION_DB",
    "CLANG_CRASH_DIAGNOSTICS_DIR",
    "DEPENDENCIES_OUTPUT",
    "EXPERIMENTAL_SARIF_SOCKET",
    "GCC_COMPARE_DEBUG",
    "GCC_EXTRA_DIAGNOSTIC_OUTPUT",
    "LLVM_PROFILE_FILE",
    "QA_OVERRIDE_GCC3_OPTIONS",
    "SUNPRO_DEPENDENCIES",
];

/// Variables that decide language, colours and width of messages.
const PRESENTING: [&str; 13] = [
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORTERM",
    "COLUMNS",
    "GCC_COLORS",
    "GCC_URLS",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "NO_COLOR",
    "TERM_URLS",
];

/// Variables that decide what preprocessed text is made of. Those that choose the compiler's programs are in
/// its identity.
const PREPROCESSING: [&str; 8] = [
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "C_INCLUDE_PATH",
    "OBJCPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "SDKROOT",
    "SOURCE_DATE_EPOCH",
    "ZERO_AR_DATE",
];

/// Variables that a compile of a crate may ask for though they decide nothing in it; see
/// [`super::crates`].
const UNASKED: [&str; 11] = [
    "BRIOCHE_CC_SPAWN_RECIPES",
    "BRIOCHE_HOST_SOCKET_PATH",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_MIN_STACK",
    "TEMP",
    "TMP",
    "TMPDIR",
];

/// Whether a compile of a crate may ask for a variable though it decides nothing but the looks of
/// diagnostics, or how the compiler runs.
#[must_use]
pub fn is_unasked(name: &OsStr) -> bool {
    UNASKED.iter().chain(&PRESENTING).chain(&["TERM"]).any(|other| name == *other)
}

/// The variables that decide what preprocessed text is made of, as they are set.
#[must_use]
pub fn preprocessing(environment: &Environment) -> Vec<(&'static str, Vec<u8>)> {
    let value = |name: &&'static str| Some((*name, environment.get(name)?.as_encoded_bytes().to_vec()));
    PREPROCESSING.iter().filter_map(value).collect()
}

/// The variables that are set and forbid caching.
#[must_use]
pub fn refusals(environment: &Environment) -> Vec<Refusal> {
    let set = FORBIDDING.iter().filter(|name| environment.get(name).is_some());
    set.map(|name| {
        Refusal::new("environment", *name, "this variable makes the compiler do more than its command says")
    })
    .collect()
}

/// The character set that sources are read in where it is not UTF-8: gcc takes it from the locale, and a
/// source that is not preprocessed does not show it.
#[must_use]
pub fn charset(family: Family, environment: &Environment) -> Vec<u8> {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| environment.get(name))
        .find(|value| !value.is_empty())
        .map(|value| value.as_encoded_bytes().to_ascii_lowercase())
        .unwrap_or_default();
    let plain =
        locale == b"c" || locale == b"posix" || locale.ends_with(b"utf-8") || locale.ends_with(b"utf8");
    if family == Family::Clang || plain { Vec::new() } else { locale }
}

/// What decides how diagnostics look: these variables, and whether they go to a terminal and which.
#[must_use]
pub fn presentation(environment: &Environment, terminal: bool) -> Vec<(&'static str, Vec<u8>)> {
    let value =
        |name: &&'static str| environment.get(name).map(|value| (*name, value.as_encoded_bytes().to_vec()));
    let mut looks: Vec<_> = PRESENTING.iter().filter_map(&value).collect();
    if terminal {
        looks.push(("terminal", b"1".to_vec()));
        looks.extend(value(&"TERM"));
    }
    looks
}
