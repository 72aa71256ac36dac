//! Options that the driver passes on: `-Wp,`, `-Wa,`, `-Wl,`, `-Xclang` and their relatives.

use std::ffi::OsStr;

use super::draft::{Draft, Piece};
use super::response::from_bytes;
use super::spec::{Shape, Value};
use super::{Family, Refusal, Role, table};

/// Looks into everything that was passed on.
pub(super) fn unpack(draft: &mut Draft) {
    match draft.compiler.family {
        Family::Gcc => gcc_preprocessor(draft),
        Family::Clang => clang_preprocessor(draft),
    }
    assembler(draft);
    cc1(draft);
}

/// gcc joins all pieces into one list for its preprocessor.
fn gcc_preprocessor(draft: &mut Draft) {
    let pieces = std::mem::take(&mut draft.to_preprocessor);
    let mut roles: Vec<(usize, Role)> = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let (arg, piece) = &pieces[at];
        let next = pieces.get(at + 1);
        at += 1;
        if piece.is_empty() {
            continue;
        }
        let Some((role, taken)) = gcc_piece(draft, piece, next) else {
            refuse_piece(draft, piece);
            continue;
        };
        roles.push((*arg, role));
        if taken {
            roles.extend(next.map(|(arg, _)| (*arg, role)));
            at += 1;
        }
    }
    settle(draft, &roles);
    draft.to_preprocessor = pieces;
}

/// One piece for gcc's preprocessor: its role and whether the next piece is its value.
fn gcc_piece(draft: &mut Draft, piece: &OsStr, next: Option<&Piece>) -> Option<(Role, bool)> {
    let bytes = piece.as_encoded_bytes();
    if bytes[0] != b'-' {
        return None;
    }
    if bytes == b"-MD" || bytes == b"-MMD" {
        let (_, file) = next?;
        draft.deps.passed = Some((bytes == b"-MD", file.clone()));
        return Some((Role::Dependencies, true));
    }
    let spec = table::find(bytes, draft.compiler)?.spec;
    let glued = &bytes[spec.name.len().min(bytes.len())..];
    let separate = spec.shape == Shape::Separate || (spec.shape == Shape::Either && glued.is_empty());
    let text = if separate { next?.1.clone() } else { from_bytes(glued) };
    match (spec.role, spec.name) {
        (
            Role::Preprocess,
            "-I" | "-D" | "-U" | "-A" | "-include" | "-imacros" | "-iquote" | "-isystem" | "-idirafter"
            | "-nostdinc" | "-undef",
        ) => Some((Role::Preprocess, separate)),
        (Role::Dependencies, "-MT" | "-MQ") => {
            draft.deps.passed_targets.push((spec.name, text));
            Some((Role::Dependencies, separate))
        }
        (Role::Dependencies, "-MF") => {
            let system = draft.deps.passed.as_ref().is_none_or(|(system, _)| *system);
            draft.deps.passed = Some((system, text));
            // `-MF` alone asks for nothing: rare enough to leave alone.
            None
        }
        (Role::Dependencies, "-MP") => {
            draft.deps.phony = true;
            Some((Role::Dependencies, separate))
        }
        _ => None,
    }
}

/// clang knows `-Wp,-MD,…` and `-Wp,-MMD,…`, which acted when they were read; the rest it hands to `-cc1`.
fn clang_preprocessor(draft: &mut Draft) {
    let pieces = std::mem::take(&mut draft.to_preprocessor);
    let mut roles = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let arg = pieces[at].0;
        let end = at + pieces[at..].iter().take_while(|(index, _)| *index == arg).count();
        let list = &pieces[at..end];
        let first = list[0].1.as_encoded_bytes();
        if draft.args[arg].name == "-Wp," && (first == b"-MD" || first == b"-MMD") {
            roles.push((arg, Role::Dependencies));
            at = end;
            continue;
        }
        let separate = [&b"-D"[..], b"-U", b"-I", b"-include", b"-isystem"].contains(&first);
        let joined = [&b"-D"[..], b"-U", b"-I"].iter().any(|name| first.starts_with(name));
        at += 1;
        if separate && at < pieces.len() {
            at += 1;
        } else if !joined {
            refuse_piece(draft, &list[0].1);
        }
    }
    settle(draft, &roles);
    draft.to_preprocessor = pieces;
}

/// Gives the arguments that only asked for dependency files that role; one that asks for other things
/// too cannot be written anew.
fn settle(draft: &mut Draft, roles: &[(usize, Role)]) {
    let mut last = None;
    for (arg, _) in roles {
        if last == Some(*arg) {
            continue;
        }
        last = Some(*arg);
        let of_arg = || roles.iter().filter(|(other, _)| other == arg).map(|(_, role)| *role);
        if of_arg().all(|role| role != Role::Dependencies) {
            continue;
        }
        let mixed = of_arg().any(|role| role != Role::Dependencies);
        if mixed {
            let token = draft.args[*arg].tokens[0].clone();
            draft.refusals.push(Refusal::new("mixed-wp", token, "asks for dependencies and for more"));
        } else {
            draft.args[*arg].role = Role::Dependencies;
        }
    }
}

/// Refuses a piece for the preprocessor.
fn refuse_piece(draft: &mut Draft, piece: &OsStr) {
    let late = piece.as_encoded_bytes().starts_with(b"@");
    let (token, why) = if late {
        ("response-file-late", "the preprocessor reads it, not the driver")
    } else {
        ("unusual-wp", "not an option that is passed to a preprocessor every day")
    };
    draft.refusals.push(Refusal::new(token, piece, why));
}

/// The options of the assembler that neither read nor write other files, nor print.
const ASSEMBLER: [&[u8]; 34] = [
    b"--32",
    b"--64",
    b"--x32",
    b"--alternate",
    b"--compress-debug-sections",
    b"--divide",
    b"--elf-stt-common",
    b"--execstack",
    b"--fatal-warnings",
    b"--gdwarf",
    b"--gen-debug",
    b"--generate-missing-build-notes",
    b"--gstabs",
    b"--hash-size",
    b"--keep-locals",
    b"--no-pad-sections",
    b"--no-warn",
    b"--nocompress-debug-sections",
    b"--noexecstack",
    b"--reduce-memory-overheads",
    b"--sectname-subst",
    b"--size-check",
    b"--strip-local-absolute",
    b"--warn",
    b"-L",
    b"-R",
    b"-W",
    b"-g",
    b"-m",
    b"-n",
    b"-compress-debug-sections",
    b"-fatal-warnings",
    b"-noexecstack",
    b"-Qy",
];

/// What is passed to the assembler.
fn assembler(draft: &mut Draft) {
    let pieces = std::mem::take(&mut draft.to_assembler);
    let mut at = 0;
    while at < pieces.len() {
        let bytes = pieces[at].1.as_encoded_bytes();
        let pair = [&b"--defsym"[..], b"-defsym", b"--debug-prefix-map"].contains(&bytes);
        if pair && at + 1 < pieces.len() {
            at += 2;
            continue;
        }
        if let Some((token, why)) = assembler_refusal(bytes) {
            draft.refusals.push(Refusal::new(token, pieces[at].1.clone(), why));
        }
        at += 1;
    }
    draft.to_assembler = pieces;
}

/// Why a piece for the assembler refuses.
fn assembler_refusal(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        b"" => None,
        [b'@', ..] => Some(("response-file-late", "the assembler reads it, not the driver")),
        [b'-', b'a', ..] if !bytes.starts_with(b"-align") => Some(("assembler-listing", "writes a listing")),
        b"--statistics" => Some(("assembler-prints", "the assembler prints how long it took")),
        // What these print is the same each time.
        b"-v" | b"-V" | b"--version" | b"--help" | b"--target-help" => None,
        [b'-', b'I', ..] => Some(("assembler-include", "the assembler may read other files")),
        b"--MD" | b"-MD" => Some(("assembler-dependencies", "the assembler writes a dependency file")),
        _ if bytes.starts_with(b"--defsym=") || ASSEMBLER.iter().any(|known| bytes.starts_with(known)) => {
            None
        }
        _ => Some(("unknown-assembler-option", "may read, write or print what is not known here")),
    }
}

/// `-Xclang`: the same scan over the table of `-cc1`, then over the driver's plain options.
fn cc1(draft: &mut Draft) {
    let pieces = std::mem::take(&mut draft.to_cc1);
    let mut at = 0;
    while at < pieces.len() {
        let taken = cc1_piece(draft, &pieces, at);
        at += 1 + usize::from(taken);
    }
    draft.to_cc1 = pieces;
}

/// One option for `-cc1`; whether the next piece is its value.
fn cc1_piece(draft: &mut Draft, pieces: &[Piece], at: usize) -> bool {
    let (arg, token) = &pieces[at];
    let bytes = token.as_encoded_bytes();
    let compiler = draft.compiler;
    let plain = || {
        let harmless = matches!(bytes, [b'-', b'f' | b'm' | b'W', _, ..]);
        table::find(bytes, compiler).filter(|found| harmless && found.spec.role == Role::Compile)
    };
    let Some(found) = table::find_cc1(bytes, compiler).or_else(plain) else {
        draft.refusals.push(Refusal::new(
            "unknown-cc1-option",
            token,
            "no row of the table of -cc1 knows it",
        ));
        return false;
    };
    let spec = found.spec;
    let glued = bytes.get(spec.name.len()..).unwrap_or_default();
    let separate = spec.shape == Shape::Separate || (spec.shape == Shape::Either && glued.is_empty());
    let text = match pieces.get(at + 1) {
        Some((_, next)) if separate => next.clone(),
        _ => from_bytes(glued),
    };
    if spec.role == Role::Preprocess {
        for (arg, _) in &pieces[at..=(at + usize::from(separate)).min(pieces.len() - 1)] {
            draft.args[*arg].role = Role::Preprocess;
        }
    }
    draft.here = *arg;
    let result = (spec.act)(draft, &Value { spec, on: found.on, text: &text, token });
    if let Err(refusal) = result {
        draft.refusals.push(refusal);
    }
    separate
}
