//! What may be passed to the linker while its inputs lie under other names than the driver would choose.
//!
//! A linker that prints or writes the names of its inputs would show the difference; what is not known
//! to be harmless is taken to do that.

use std::ffi::OsStr;

use super::Refusal;
use super::draft::Draft;

/// Options without a value, or with a glued one; with one dash or two.
const HARMLESS: &[&str] = &[
    "Bdynamic",
    "Bstatic",
    "Bsymbolic",
    "E",
    "EB",
    "EL",
    "O",
    "S",
    "X",
    "allow-multiple-definition",
    "allow-shlib-undefined",
    "as-needed",
    "build-id",
    "call_shared",
    "compress-debug-sections",
    "copy-dt-needed-entries",
    "demangle",
    "disable-new-dtags",
    "discard-all",
    "discard-locals",
    "dn",
    "dy",
    "dynamic-list-cpp-new",
    "dynamic-list-cpp-typeinfo",
    "dynamic-list-data",
    "eh-frame-hdr",
    "enable-new-dtags",
    "end-group",
    "end-lib",
    "error-unresolved-symbols",
    "exclude-libs",
    "export-dynamic",
    "fatal-warnings",
    "gc-sections",
    "gdb-index",
    "hash-style",
    "icf",
    "lto-O",
    "n",
    "no-add-needed",
    "no-allow-shlib-undefined",
    "no-as-needed",
    "no-build-id",
    "no-copy-dt-needed-entries",
    "no-demangle",
    "no-dynamic-linker",
    "no-eh-frame-hdr",
    "no-export-dynamic",
    "no-fatal-warnings",
    "no-gc-sections",
    "no-keep-memory",
    "no-omagic",
    "no-pie",
    "no-relax",
    "no-rosegment",
    "no-undefined",
    "no-undefined-version",
    "no-warn-execstack",
    "no-warn-mismatch",
    "no-warn-rwx-segments",
    "no-whole-archive",
    "non_shared",
    "noinhibit-exec",
    "omagic",
    "pack-dyn-relocs",
    "pie",
    "pic-executable",
    "pop-state",
    "push-state",
    "reduce-memory-overheads",
    "relax",
    "rosegment",
    "s",
    "shared",
    "sort-common",
    "sort-section",
    "start-group",
    "start-lib",
    "static",
    "strip-all",
    "strip-debug",
    "thinlto-jobs",
    "threads",
    "no-threads",
    "undefined-version",
    "unresolved-symbols",
    "warn-common",
    "warn-once",
    "warn-shared-textrel",
    "warn-textrel",
    "warn-unresolved-symbols",
    "whole-archive",
    "x",
    "orphan-handling",
    "spare-dynamic-tags",
    "package-metadata",
    "secure-plt",
    "warn-execstack",
    "(",
    ")",
];

/// Options whose value stands behind `=` or in the next piece.
const VALUED: &[&str] = &[
    "I",
    "L",
    "e",
    "f",
    "h",
    "l",
    "m",
    "u",
    "z",
    "auxiliary",
    "defsym",
    "default-symver",
    "dynamic-linker",
    "dynamic-list",
    "entry",
    "export-dynamic-symbol",
    "export-dynamic-symbol-list",
    "filter",
    "fini",
    "image-base",
    "init",
    "library",
    "library-path",
    "max-page-size",
    "common-page-size",
    "require-defined",
    "retain-symbols-file",
    "rpath",
    "rpath-link",
    "soname",
    "sysroot",
    "undefined",
    "version-script",
    "wrap",
    "Ttext",
    "Tdata",
    "Tbss",
    "section-start",
    "framework",
];

/// Checks all that is passed to the linker.
pub(super) fn check(draft: &mut Draft) {
    let pieces = std::mem::take(&mut draft.to_linker);
    let mut at = 0;
    while at < pieces.len() {
        let taken = piece(draft, &pieces[at].1, at + 1 < pieces.len());
        at += 1 + usize::from(taken);
    }
    draft.to_linker = pieces;
}

/// One piece; whether the next one is its value.
fn piece(draft: &mut Draft, piece: &OsStr, more: bool) -> bool {
    let bytes = piece.as_encoded_bytes();
    if bytes.starts_with(b"@") {
        refuse(draft, piece, "response-file-late", "the linker reads it, not the driver");
        return false;
    }
    if bytes.is_empty() || bytes[0] != b'-' {
        return false;
    }
    let name = bytes[1..].strip_prefix(b"-").unwrap_or(&bytes[1..]);
    let (name, glued) = match name.iter().position(|byte| *byte == b'=') {
        Some(at) => (&name[..at], true),
        None => (name, false),
    };
    let has = |list: &[&str]| list.iter().any(|known| known.as_bytes() == name);
    if has(VALUED) {
        return !glued && more;
    }
    let short = matches!(name.first(), Some(b'O' | b'L' | b'l' | b'z' | b'h' | b'e' | b'u' | b'm' | b'I'));
    let short = short && bytes[1] != b'-';
    if !has(HARMLESS) && !short && !name.starts_with(b"Bsymbolic") {
        let why = "not known to keep the names of the objects to itself";
        refuse(draft, piece, "link-names-temporaries", why);
    }
    false
}

/// Refuses the link.
fn refuse(draft: &mut Draft, piece: &OsStr, token: &'static str, why: &'static str) {
    draft.link_refusals.push(Refusal::new(token, piece, why));
}
