//! What the parser's tests share.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use bakeplan::argparse::{Compiler, Family, Invocation, Version, compiler_from_name, parse};
use serde_json::Value;

/// A compiler by its name and version.
pub(super) fn compiler(name: &str, major: u16) -> Compiler {
    let mut compiler = compiler_from_name(OsStr::new(name)).expect(name);
    if compiler.version == Version::default() {
        compiler.version = Version(major, 0);
    }
    compiler
}

/// gcc 12 or clang 14, as the corpus was made with.
pub(super) fn corpus_compiler(tool: &str) -> Compiler {
    let compiler = compiler(tool, 12);
    if compiler.family == Family::Clang { Compiler { version: Version(14, 0), ..compiler } } else { compiler }
}

/// A string of a corpus record: itself, or bytes in hex.
pub(super) fn text(value: &Value) -> OsString {
    match value {
        Value::String(text) => text.into(),
        Value::Object(object) => {
            let hex = object["hex"].as_str().expect("hex");
            let bytes = hex
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex"));
            OsString::from_vec(bytes.collect())
        }
        other => panic!("{other}"),
    }
}

/// The strings of a list.
pub(super) fn texts(value: &Value) -> Vec<OsString> {
    value.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
}

/// A reader of response files that are given.
pub(super) fn reader(files: HashMap<Vec<u8>, Vec<u8>>) -> impl Fn(&Path) -> Option<Vec<u8>> {
    move |path| files.get(path.as_os_str().as_bytes()).cloned()
}

/// Parses words; no response files.
pub(super) fn line(tool: &str, line: &str) -> Invocation {
    let args: Vec<OsString> = line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
    words(tool, &args)
}

/// Parses arguments; no response files.
pub(super) fn words(tool: &str, args: &[OsString]) -> Invocation {
    parse(&corpus_compiler(tool), args, &|_: &Path| None)
}

/// The refusals' tokens, of the whole and of its sources.
pub(super) fn tokens(invocation: &Invocation) -> Vec<&'static str> {
    let sources = invocation.sources.iter().flat_map(|source| &source.refusals);
    let mut tokens: Vec<_> = invocation.refusals.iter().chain(sources).map(|refusal| refusal.token).collect();
    tokens.dedup();
    tokens
}

/// What a path would be called in a message.
pub(super) fn show(path: &OsStr) -> String {
    path.to_string_lossy().into_owned()
}
