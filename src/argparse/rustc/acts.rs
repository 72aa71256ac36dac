//! What options do to an invocation.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::CrateInvocation;
use super::invocation::{CrateType, Emit, Extern, Native, NativeKind, Search, SearchKind};
use super::spec::Use;
use crate::argparse::{Mode, Refusal};

type Done = Result<(), Refusal>;

/// Nothing but what its role says.
#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn nothing(_: &mut CrateInvocation, _: &Use<'_>) -> Done {
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn info(invocation: &mut CrateInvocation, _: &Use<'_>) -> Done {
    invocation.mode = Mode::Info;
    Ok(())
}

pub(super) fn lint(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    if used.value == "help" { info(invocation, used) } else { Ok(()) }
}

pub(super) fn unstable(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    match used.bytes() {
        b"help" => info(invocation, used),
        // It makes nothing itself: other options, each with a row of its own, may then have further values.
        b"unstable-options" => Ok(()),
        _ => used.refuse("unstable-option"),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn cap_lints(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    invocation.lints_silenced = used.value == "allow";
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn crate_name(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    invocation.name = Some(used.value.to_owned());
    Ok(())
}

pub(super) fn crate_type(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    for kind in used.bytes().split(|byte| *byte == b',') {
        let kind = match kind {
            b"bin" => CrateType::Bin,
            b"lib" | b"rlib" => CrateType::Rlib,
            b"dylib" => CrateType::Dylib,
            b"cdylib" => CrateType::Cdylib,
            b"staticlib" => CrateType::Staticlib,
            b"proc-macro" => CrateType::ProcMacro,
            _ => return used.refuse("unknown-option"),
        };
        if !invocation.types.contains(&kind) {
            invocation.types.push(kind);
        }
    }
    Ok(())
}

pub(super) fn emit(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    for part in used.bytes().split(|byte| *byte == b',') {
        let (kind, path) = split_at_equals(part);
        let kind = match kind {
            b"asm" => Emit::Assembly,
            b"dep-info" => Emit::DepInfo,
            b"link" => Emit::Link,
            b"llvm-bc" => Emit::Bitcode,
            b"llvm-ir" => Emit::LlvmIr,
            b"metadata" => Emit::Metadata,
            b"mir" => Emit::Mir,
            b"obj" => Emit::Object,
            b"thin-link-bitcode" => Emit::ThinLinkBitcode,
            _ => return used.refuse("unknown-option"),
        };
        if path == Some(OsStr::new("-")) {
            return Err(Refusal::new("stdout-output", used.value, "a result goes to standard output"));
        }
        invocation.emits.retain(|(other, _)| *other != kind);
        invocation.emits.push((kind, path.map(OsStr::to_owned)));
    }
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn extern_crate(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    let (name, path) = split_at_equals(used.bytes());
    // `priv,noprelude:NAME`
    let name = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    let path = path.map(OsStr::to_owned);
    invocation.externs.push(Extern { name: OsStr::from_bytes(name).to_owned(), path });
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn search(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    let (kind, path) = match split_at_equals(used.bytes()) {
        (b"dependency", Some(path)) => (SearchKind::Dependency, path),
        (b"native" | b"framework", Some(path)) => (SearchKind::Native, path),
        (b"crate" | b"all", Some(path)) => (SearchKind::Crates, path),
        _ => (SearchKind::Crates, used.value),
    };
    invocation.searches.push(Search { kind, path: path.to_owned() });
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn native(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    let (front, name) = match split_at_equals(used.bytes()) {
        (front, Some(name)) => (front, name.as_bytes()),
        (name, None) => (&b""[..], name),
    };
    let (kind, modifiers) = front.split_at(memchr::memchr(b':', front).unwrap_or(front.len()));
    let kind = match kind {
        b"static" => NativeKind::Static,
        b"" | b"dylib" => NativeKind::Dynamic,
        _ => NativeKind::Other,
    };
    let verbatim = memchr::memmem::find(modifiers, b"+verbatim").is_some();
    // `NAME:OTHER`: what the source calls NAME is OTHER.
    let names = name.splitn(2, |byte| *byte == b':').filter(|name| !name.is_empty());
    let names = names.map(|name| OsStr::from_bytes(name).to_owned()).collect();
    invocation.natives.push(Native { kind, names, verbatim });
    Ok(())
}

pub(super) fn json(_: &mut CrateInvocation, used: &Use<'_>) -> Done {
    const KNOWN: [&[u8]; 6] = [
        b"artifacts",
        b"diagnostic-rendered-ansi",
        b"diagnostic-short",
        b"diagnostic-unicode",
        b"future-incompat",
        b"unused-externs",
    ];
    let known = |kind: &[u8]| KNOWN.contains(&kind) || kind == b"unused-externs-silent";
    if used.bytes().split(|byte| *byte == b',').all(known) { Ok(()) } else { used.refuse("unknown-option") }
}

pub(super) fn print(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    match split_at_equals(used.bytes()) {
        (b"native-static-libs", None) => Ok(()),
        (b"native-static-libs", Some(_)) => used.refuse("prints-to-file"),
        _ => info(invocation, used),
    }
}

pub(super) fn remap(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    // The last `=` is the one.
    let Some(at) = used.bytes().iter().rposition(|byte| *byte == b'=') else {
        return used.refuse("driver-error");
    };
    let (from, to) = (&used.bytes()[..at], &used.bytes()[at + 1..]);
    invocation.remaps.push((OsStr::from_bytes(from).to_owned(), OsStr::from_bytes(to).to_owned()));
    Ok(())
}

/// Acts that keep the value.
macro_rules! keep {
    ($($name:ident $field:ident)*) => {$(
        #[allow(clippy::unnecessary_wraps, reason = "an act among others")]
        pub(super) fn $name(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
            invocation.$field = Some(used.value.to_owned());
            Ok(())
        }
    )*};
}
keep! {
    codegen_units codegen_units
    incremental incremental
    out_dir out_dir
    output output
    split_debuginfo split_debuginfo
    target target
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn extra_filename(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    used.value.clone_into(&mut invocation.extra_filename);
    Ok(())
}

/// Acts that note a fact.
macro_rules! note {
    ($($name:ident $field:ident)*) => {$(
        #[allow(clippy::unnecessary_wraps, reason = "an act among others")]
        pub(super) fn $name(invocation: &mut CrateInvocation, _: &Use<'_>) -> Done {
            invocation.$field = true;
            Ok(())
        }
    )*};
}
note! {
    debug debug
    opaque opaque
    test test
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn debuginfo(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    invocation.debug = !matches!(used.bytes(), b"0" | b"none");
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn bitcode(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    invocation.opaque |= is_on(used.value);
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn rpath(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    invocation.rpath = is_on(used.value);
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn target_cpu(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    invocation.native = used.value == "native";
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "an act among others")]
pub(super) fn target_feature(invocation: &mut CrateInvocation, used: &Use<'_>) -> Done {
    for feature in used.bytes().split(|byte| *byte == b',') {
        match feature {
            b"+crt-static" => invocation.crt_static = true,
            b"-crt-static" => invocation.crt_static = false,
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn save_temps(_: &mut CrateInvocation, used: &Use<'_>) -> Done {
    if is_on(used.value) { used.refuse("save-temps") } else { Ok(()) }
}

fn is_on(value: &OsStr) -> bool {
    !matches!(value.as_bytes(), b"n" | b"no" | b"off" | b"false")
}

/// What stands before the first `=`, and behind it, if there is one.
pub(super) fn split_at_equals(bytes: &[u8]) -> (&[u8], Option<&OsStr>) {
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (bytes, None),
    }
}

/// A string of bytes as the system's.
pub(super) fn owned(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}
