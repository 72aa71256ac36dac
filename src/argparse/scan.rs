//! The scanner: walks the arguments, finds each one's row, and lets it act on the draft.

use std::ffi::{OsStr, OsString};

use super::draft::Draft;
use super::response::from_bytes;
use super::spec::{Shape, Value};
use super::{Arg, Compiler, Family, Refusal, Role, table};

/// The compiler that clang takes itself for: `--driver-mode=` counts wherever it stands.
pub(super) fn called_as(compiler: Compiler, args: &[OsString]) -> Compiler {
    if compiler.family == Family::Gcc {
        return compiler;
    }
    let mode = args.iter().rev().find_map(|arg| arg.as_encoded_bytes().strip_prefix(b"--driver-mode="));
    match mode {
        Some(b"g++") => Compiler { cxx: true, ..compiler },
        Some(b"gcc") => Compiler { cxx: false, ..compiler },
        _ => compiler,
    }
}

/// Reads all arguments into a draft.
pub(super) fn scan(compiler: Compiler, args: &[OsString]) -> Draft {
    let mut draft = Draft::new(compiler);
    draft.args.reserve(args.len());
    let mut at = 0;
    let mut options = true;
    while let Some(arg) = args.get(at) {
        let bytes = arg.as_encoded_bytes();
        let is_option = options && bytes.len() > 1 && bytes[0] == b'-';
        if !is_option {
            if bytes.len() > 1 && bytes[0] == b'-' {
                draft.refusals.push(Refusal::new("dashed-input", arg, "a name that looks like an option"));
            }
            draft.input(arg);
        } else if bytes == b"--" && compiler.family == Family::Clang {
            options = false;
            // Like `-x`, it says how the inputs behind it are read; what we add would be taken for one.
            push(&mut draft, "--", Role::Language, vec![arg.clone()], None);
        } else {
            at += option(&mut draft, arg, args.get(at + 1));
        }
        at += 1;
    }
    debug_assert!(
        draft.args.iter().flat_map(|arg| &arg.tokens).eq(args),
        "what was read spells the command line again"
    );
    draft
}

/// Reads one option; how many arguments beyond its own it took.
fn option(draft: &mut Draft, arg: &OsString, next: Option<&OsString>) -> usize {
    let bytes = arg.as_encoded_bytes();
    let Some(found) = table::find(bytes, draft.compiler) else {
        unknown(draft, arg);
        return 0;
    };
    let spec = found.spec;
    let glued = bytes.get(spec.name.len()..).unwrap_or_default();
    let (value, taken) = match spec.shape {
        Shape::Flag | Shape::Toggle => (None, 0),
        Shape::Joined => (Some(from_bytes(glued)), 0),
        Shape::Long if !glued.is_empty() => (Some(from_bytes(&glued[1..])), 0),
        Shape::Either if !glued.is_empty() => (Some(from_bytes(glued)), 0),
        Shape::Separate | Shape::Either | Shape::Long => {
            let Some(next) = next else {
                push(draft, spec.name, spec.role, vec![arg.clone()], None);
                draft.fail(arg, "its value is missing");
                return 0;
            };
            (Some(next.clone()), 1)
        }
    };
    draft.here = draft.args.len();
    let text = value.as_deref().unwrap_or(OsStr::new(""));
    let result = (spec.act)(draft, &Value { spec, on: found.on, text, token: arg });
    if let Err(refusal) = result {
        draft.refusals.push(refusal);
    }
    let mut tokens = Vec::with_capacity(1 + taken);
    tokens.push(arg.clone());
    tokens.extend(next.filter(|_| taken == 1).cloned());
    push(draft, spec.name, spec.role, tokens, value);
    taken
}

/// An option that no row knows.
fn unknown(draft: &mut Draft, arg: &OsStr) {
    draft.refusals.push(Refusal::new("unknown-option", arg, "no row of the table knows it"));
    push(draft, "", Role::Compile, vec![arg.to_owned()], None);
}

/// Adds an argument.
fn push(draft: &mut Draft, name: &'static str, role: Role, tokens: Vec<OsString>, value: Option<OsString>) {
    draft.args.push(Arg { name, role, tokens, value });
}
