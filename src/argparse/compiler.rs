//! Compilers by the names under which they are called.

use std::ffi::OsStr;

use super::{Compiler, Family, Version};

/// The compiler that a program's file name says: `cc`, `c++`, `gcc`, `g++`, `clang`, `clang++`, with a
/// version behind (`gcc-12`) or a target before (`x86_64-linux-gnu-gcc`). `cc` and `c++` are taken for
/// gcc: who knows better asks the program itself.
#[must_use]
pub fn compiler_from_name(name: &OsStr) -> Option<Compiler> {
    let name = name.as_encoded_bytes();
    let name = &name[name.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1)..];
    let (base, version) = split_version(name);
    let (target, program) = match base.iter().rposition(|byte| *byte == b'-') {
        Some(at) => (Some(&base[..at]), &base[at + 1..]),
        None => (None, base),
    };
    let (family, cxx) = match program {
        b"cc" | b"gcc" => (Family::Gcc, false),
        b"c++" | b"g++" => (Family::Gcc, true),
        b"clang" => (Family::Clang, false),
        b"clang++" => (Family::Clang, true),
        _ => return None,
    };
    if target.is_some_and(|target| !is_target(target)) {
        return None;
    }
    Some(Compiler { family, cxx, version })
}

/// Takes `-MAJOR[.MINOR[.PATCH]]` off the end.
fn split_version(name: &[u8]) -> (&[u8], Version) {
    let Some(dash) = name.iter().rposition(|byte| *byte == b'-') else {
        return (name, Version::default());
    };
    let mut parts = name[dash + 1..].split(|byte| *byte == b'.').map(number);
    match (parts.next().flatten(), parts.next(), parts.next()) {
        (Some(major), None, None) => (&name[..dash], Version(major, 0)),
        (Some(major), Some(Some(minor)), None | Some(Some(_))) => (&name[..dash], Version(major, minor)),
        _ => (name, Version::default()),
    }
}

/// A short decimal number.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether `target` looks like a target triple (or one of its short forms, `c99`'s sort excluded).
fn is_target(target: &[u8]) -> bool {
    !target.is_empty()
        && target.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
        && target.contains(&b'-')
}
