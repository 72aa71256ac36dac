//! The tables of options: rustc's own, and those of `-C`.
//!
//! Each is sorted by spelling (byte-wise). A new option is one line. Sources: `rustc --help -v`, `rustc -C
//! help`, and the chapters *Command-line Arguments* and *Codegen Options* of the rustc book (1.95).

use super::CrateRole::{Compile, Expect, Presentation};
#[allow(clippy::wildcard_imports, reason = "a table of them")]
use super::acts::*;
use super::spec::Shape::{Flag, Value};
use super::spec::{Row, row};

/// The compiler's options.
#[rustfmt::skip]
pub static OPTIONS: &[Row] = &[
    row("--allow", Value, Compile, lint, "lints: messages"),
    row("--cap-lints", Value, Compile, cap_lints, "lints: messages"),
    row("--cfg", Value, Compile, nothing, "conditional code"),
    row("--check-cfg", Value, Expect, nothing, "which cfgs are expected: the lint unexpected_cfgs"),
    row("--codegen", Value, Compile, nothing, "the long form of -C"),
    row("--color", Value, Presentation, nothing, "looks of messages"),
    row("--crate-name", Value, Compile, crate_name, "the crate's name"),
    row("--crate-type", Value, Compile, crate_type, "the crate's kinds"),
    row("--deny", Value, Compile, lint, "lints: messages, and failure"),
    row("--diagnostic-width", Value, Presentation, nothing, "looks of messages"),
    row("--edition", Value, Compile, nothing, "the language's edition"),
    row("--emit", Value, Compile, emit, "which files are made, and where"),
    row("--error-format", Value, Compile, nothing, "messages as text or JSON; artifact notifications with them"),
    row("--explain", Value, Compile, info, "prints an explanation"),
    row("--extern", Value, Compile, extern_crate, "another crate"),
    row("--forbid", Value, Compile, lint, "lints: messages, and failure"),
    row("--force-warn", Value, Compile, lint, "lints: messages"),
    row("--help", Flag, Compile, info, "prints help"),
    row("--json", Value, Compile, json, "which messages there are in JSON"),
    row("--out-dir", Value, Compile, out_dir, "where files go"),
    row("--print", Value, Compile, print, "prints something about the compiler or the crate"),
    row("--remap-path-prefix", Value, Compile, remap, "paths in what is made"),
    row("--remap-path-scope", Value, Compile, nothing, "where paths are remapped"),
    row("--sysroot", Value, Compile, nothing, "where the standard library is; what is read there is recorded"),
    row("--target", Value, Compile, target, "for which machine; a file of its own is read, and recorded"),
    row("--test", Flag, Compile, test, "a test program"),
    row("--verbose", Flag, Presentation, nothing, "more of each message"),
    row("--version", Flag, Compile, info, "prints the version"),
    row("--warn", Value, Compile, lint, "lints: messages"),
    row("-A", Value, Compile, lint, "lints: messages"),
    row("-C", Value, Compile, nothing, "see the other table"),
    row("-D", Value, Compile, lint, "lints: messages, and failure"),
    row("-F", Value, Compile, lint, "lints: messages, and failure"),
    row("-L", Value, Compile, search, "where crates and libraries are searched for"),
    row("-O", Flag, Compile, nothing, "-C opt-level=3"),
    row("-V", Flag, Compile, info, "prints the version"),
    row("-W", Value, Compile, lint, "lints: messages"),
    row("-Z", Value, Compile, unstable, "unstable options may do anything; unstable-options itself does nothing"),
    row("-g", Flag, Compile, debug, "-C debuginfo=2"),
    row("-h", Flag, Compile, info, "prints help"),
    row("-l", Value, Compile, native, "a native library; its file is read, and recorded"),
    row("-o", Value, Compile, output, "where the result goes"),
    row("-v", Flag, Presentation, nothing, "more of each message"),
];

/// The options of `-C`.
#[rustfmt::skip]
pub static CODEGEN: &[Row] = &[
    row("ar", Value, Compile, nothing, "does nothing any more"),
    row("code-model", Value, Compile, nothing, "code"),
    row("codegen-units", Value, Compile, codegen_units, "into how many parts the crate is cut"),
    row("collapse-macro-debuginfo", Value, Compile, nothing, "debug information"),
    row("control-flow-guard", Value, Compile, nothing, "code"),
    row("debug-assertions", Value, Compile, nothing, "code"),
    row("debuginfo", Value, Compile, debuginfo, "debug information"),
    row("default-linker-libraries", Value, Compile, nothing, "the link; what it reads is recorded"),
    row("dlltool", Value, Compile, nothing, "a program, which is recorded"),
    row("dwarf-version", Value, Compile, nothing, "debug information"),
    row("embed-bitcode", Value, Compile, bitcode, "bitcode in objects"),
    row("extra-filename", Value, Compile, extra_filename, "the names of files"),
    row("force-frame-pointers", Value, Compile, nothing, "code"),
    row("force-unwind-tables", Value, Compile, nothing, "code"),
    row("help", Value, Compile, info, "prints help"),
    row("incremental", Value, Compile, incremental, "what is kept for the next compile"),
    row("inline-threshold", Value, Compile, nothing, "does nothing any more"),
    row("instrument-coverage", Value, Compile, opaque, "coverage: compressed tables with paths in them"),
    row("jump-tables", Value, Compile, nothing, "code"),
    row("link-arg", Value, Compile, nothing, "the link; what it reads and writes is recorded"),
    row("link-args", Value, Compile, nothing, "the link; what it reads and writes is recorded"),
    row("link-dead-code", Value, Compile, nothing, "the link"),
    row("link-self-contained", Value, Compile, nothing, "the link; what it reads is recorded"),
    row("linker", Value, Compile, nothing, "the linker, which is recorded"),
    row("linker-features", Value, Compile, nothing, "the linker, which is recorded"),
    row("linker-flavor", Value, Compile, nothing, "how the linker is called"),
    row("linker-plugin-lto", Value, Compile, opaque, "bitcode in place of objects"),
    row("llvm-args", Value, Compile, nothing, "code; what it writes is recorded"),
    row("lto", Value, Compile, nothing, "code"),
    row("metadata", Value, Compile, nothing, "the names of symbols"),
    row("no-prepopulate-passes", Value, Compile, nothing, "code"),
    row("no-redzone", Value, Compile, nothing, "code"),
    row("no-stack-check", Value, Compile, nothing, "does nothing any more"),
    row("no-vectorize-loops", Value, Compile, nothing, "code"),
    row("no-vectorize-slp", Value, Compile, nothing, "code"),
    row("opt-level", Value, Compile, nothing, "code"),
    row("overflow-checks", Value, Compile, nothing, "code"),
    row("panic", Value, Compile, nothing, "code"),
    row("passes", Value, Compile, nothing, "code"),
    row("prefer-dynamic", Value, Compile, nothing, "the link"),
    row("profile-generate", Value, Compile, nothing, "code; the place of profiles stands in it as it is given"),
    row("profile-use", Value, Compile, nothing, "code; the profile is read, and recorded"),
    row("relocation-model", Value, Compile, nothing, "code"),
    row("relro-level", Value, Compile, nothing, "the link"),
    row("remark", Value, Compile, nothing, "messages"),
    row("rpath", Value, Compile, rpath, "places of libraries in what is linked"),
    row("save-temps", Value, Compile, save_temps, "all files on the way are kept, some of which have names by chance"),
    row("soft-float", Value, Compile, nothing, "code"),
    row("split-debuginfo", Value, Compile, split_debuginfo, "debug information, in files beside the result"),
    row("strip", Value, Compile, nothing, "the link; the program for it is recorded"),
    row("symbol-mangling-version", Value, Compile, nothing, "the names of symbols"),
    row("target-cpu", Value, Compile, target_cpu, "code"),
    row("target-feature", Value, Compile, target_feature, "code; +crt-static also which kinds of crates are made"),
    row("unsafe-allow-abi-mismatch", Value, Compile, nothing, "a check that is left out"),
];

/// The row of an option, dashes included.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    by_name(OPTIONS, name)
}

/// The row of an option of `-C`, which may be spelled with underscores.
#[must_use]
pub fn find_codegen(name: &str) -> Option<&'static Row> {
    by_name(CODEGEN, &name.replace('_', "-"))
}

fn by_name(rows: &'static [Row], name: &str) -> Option<&'static Row> {
    rows.binary_search_by(|row| row.name.cmp(name)).ok().map(|at| &rows[at])
}
