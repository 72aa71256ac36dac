//! The scanner: expands `@file`s, walks the arguments as getopts does, finds each one's row, and lets it act.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::acts::{owned, split_at_equals};
use super::invocation::{CrateArg, CrateInvocation, CrateRole};
use super::spec::{Row, Shape, Use};
use super::table;
use crate::argparse::{Mode, ReadFile};

/// Reads all arguments into an invocation.
pub(super) fn scan(invocation: &mut CrateInvocation, args: &[OsString], files: &dyn ReadFile) {
    let Some(args) = expanded(args, files) else {
        invocation.mode = Mode::Error;
        return invocation.refuse("driver-error", "@", "a file of arguments can't be read");
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_bytes() {
            b"--" => {
                for source in args.by_ref() {
                    input(invocation, source);
                }
            }
            [b'-', b'-', ..] => long(invocation, arg, &mut args),
            [b'-', _, ..] => short(invocation, arg, &mut args),
            _ => input(invocation, arg),
        }
    }
}

/// The arguments with each `@file` replaced by its lines; what stands in them is not looked into again.
fn expanded(args: &[OsString], files: &dyn ReadFile) -> Option<Vec<OsString>> {
    let mut all = Vec::with_capacity(args.len());
    for arg in args {
        match arg.as_bytes().strip_prefix(b"@") {
            Some(name) => {
                let text = files.read(Path::new(OsStr::from_bytes(name)))?;
                let text = std::str::from_utf8(&text).ok()?;
                all.extend(text.lines().map(OsString::from));
            }
            None => all.push(arg.clone()),
        }
    }
    Some(all)
}

fn input(invocation: &mut CrateInvocation, source: &OsStr) {
    invocation.args.push(CrateArg { name: "", role: CrateRole::Input, value: source.to_owned() });
    invocation.sources.push(source.to_owned());
}

type Rest<'i, 'a> = &'i mut std::slice::Iter<'a, OsString>;

fn long(invocation: &mut CrateInvocation, arg: &OsStr, rest: Rest<'_, '_>) {
    let (name, joined) = split_at_equals(arg.as_bytes());
    let row = std::str::from_utf8(name).ok().and_then(table::find);
    match (row, joined) {
        (Some(row), None) if row.shape == Shape::Flag => act(invocation, row, OsStr::new("")),
        (Some(row), Some(value)) if row.shape == Shape::Value => act(invocation, row, value),
        (Some(row), None) => separate(invocation, row, rest),
        _ => unknown(invocation, arg),
    }
}

/// One letter after another, up to one that takes a value: the rest, or the next argument.
fn short(invocation: &mut CrateInvocation, arg: &OsStr, rest: Rest<'_, '_>) {
    let letters = &arg.as_bytes()[1..];
    for (at, letter) in letters.iter().enumerate() {
        let name = [b'-', *letter];
        let Some(row) = std::str::from_utf8(&name).ok().and_then(table::find) else {
            return unknown(invocation, arg);
        };
        match &letters[at + 1..] {
            _ if row.shape == Shape::Flag => act(invocation, row, OsStr::new("")),
            [] => return separate(invocation, row, rest),
            value => return act(invocation, row, OsStr::from_bytes(value)),
        }
    }
}

fn separate(invocation: &mut CrateInvocation, row: &'static Row, rest: Rest<'_, '_>) {
    if let Some(value) = rest.next() {
        act(invocation, row, value);
    } else {
        invocation.mode = Mode::Error;
        invocation.refuse("driver-error", row.name, "its value is missing");
    }
}

fn act(invocation: &mut CrateInvocation, row: &'static Row, value: &OsStr) {
    if matches!(row.name, "-C" | "--codegen") {
        let (name, given) = split_at_equals(value.as_bytes());
        return match std::str::from_utf8(name).ok().and_then(table::find_codegen) {
            Some(row) => perform(invocation, row, given.unwrap_or_default()),
            None => unknown(invocation, value),
        };
    }
    perform(invocation, row, value);
}

fn perform(invocation: &mut CrateInvocation, row: &'static Row, value: &OsStr) {
    invocation.args.push(CrateArg { name: row.name, role: row.role, value: value.to_owned() });
    if let Err(refusal) = (row.act)(invocation, &Use { row, value }) {
        invocation.refusals.push(refusal);
    }
}

fn unknown(invocation: &mut CrateInvocation, arg: &OsStr) {
    invocation.refuse("unknown-option", owned(arg.as_bytes()), "no row of the table knows it");
}
