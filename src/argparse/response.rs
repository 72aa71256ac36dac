//! Response files: `@file` arguments, expanded as each family of drivers does.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::Family;

/// Reads a response file; `None` when there is none (then `@file` is an argument).
pub trait ReadFile {
    /// The file's content.
    fn read(&self, path: &Path) -> Option<Vec<u8>>;
}

impl<F: Fn(&Path) -> Option<Vec<u8>>> ReadFile for F {
    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        self(path)
    }
}

/// How many expansions are followed; gcc gives up at 2000.
const LIMIT: usize = 2000;
/// How many arguments may come of it.
const MOST: usize = 1 << 20;

/// The arguments with response files expanded, and whether all could be followed.
pub(super) fn expand<'a>(
    family: Family,
    args: &'a [OsString],
    files: &dyn ReadFile,
) -> (Cow<'a, [OsString]>, Expansion) {
    let mut expansion = Expansion::default();
    if !args.iter().any(|arg| arg.as_encoded_bytes().first() == Some(&b'@')) {
        return (Cow::Borrowed(args), expansion);
    }
    let mut out = Vec::with_capacity(args.len());
    let mut work: Vec<OsString> = args.iter().rev().cloned().collect();
    let mut left = LIMIT;
    while let Some(arg) = work.pop() {
        let bytes = arg.as_encoded_bytes();
        if bytes.first() == Some(&b'@') && bytes.len() > 1 {
            if left == 0 || work.len() > MOST {
                expansion.endless = true;
                out.push(arg);
                continue;
            }
            left -= 1;
            if let Some(content) = files.read(Path::new(&from_bytes(&bytes[1..]))) {
                expansion.used = true;
                let words = split(family, &content);
                work.extend(words.into_iter().rev().map(|word| from_bytes(&word)));
                continue;
            }
        }
        out.push(arg);
    }
    (Cow::Owned(out), expansion)
}

/// What came up while response files were expanded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expansion {
    /// There was at least one.
    pub(super) used: bool,
    /// They include each other without end.
    pub(super) endless: bool,
}

/// Bytes as an argument.
pub(super) fn from_bytes(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        OsStr::from_bytes(bytes).to_owned()
    }
    #[cfg(not(unix))]
    {
        OsString::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Splits a response file into arguments.
fn split(family: Family, content: &[u8]) -> Vec<Vec<u8>> {
    let is_space = |byte: u8| match family {
        Family::Gcc => matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c),
        Family::Clang => matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
    };
    // gcc reads the file as a C string: the first NUL ends it.
    let content = match family {
        Family::Gcc => content.split(|byte| *byte == 0).next().unwrap_or_default(),
        Family::Clang => content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content),
    };
    let mut words = Vec::new();
    let mut at = 0;
    while at < content.len() {
        if is_space(content[at]) {
            at += 1;
            continue;
        }
        let (word, next) = one_word(family, content, at, &is_space);
        words.push(word);
        at = next;
    }
    words
}

/// The word that begins at `at`, and where the next may begin.
fn one_word(
    family: Family,
    content: &[u8],
    mut at: usize,
    is_space: &dyn Fn(u8) -> bool,
) -> (Vec<u8>, usize) {
    let mut word = Vec::new();
    let mut quote = None;
    while at < content.len() {
        let byte = content[at];
        match (byte, quote) {
            (b'\\', _) if at + 1 < content.len() => {
                at += 1;
                word.push(content[at]);
            }
            // A last backslash escapes nothing: gcc drops it, clang keeps it.
            (b'\\', _) => {
                if family == Family::Clang {
                    word.push(byte);
                }
            }
            (_, Some(open)) if byte == open => quote = None,
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, None) if is_space(byte) => break,
            _ => word.push(byte),
        }
        at += 1;
    }
    (word, at)
}
