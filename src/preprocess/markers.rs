//! Line markers: which files the preprocessor says it entered.
//!
//! Their form is that of *Preprocessor Output* in the manual of GNU cpp: `# LINE "FILE" FLAGS`, with the
//! file name escaped as in a string literal; clang writes the same.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The files named by the line markers of a preprocessed text, each once, in order of first mention.
///
/// A `#line` directive names files that nobody read: they are listed too. That is harmless to whoever
/// asks whether everything is still the same, and no file that was read is missing.
#[must_use]
pub fn files(text: &[u8]) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    let mut last: &[u8] = b"";
    for line in marker_lines(text) {
        let Some(quoted) = quoted_name(line) else { continue };
        if quoted == last {
            continue;
        }
        last = quoted;
        let name = unescape(quoted);
        // `<built-in>`, `<command-line>`; `"/work/dir//"` is gcc's way to name the working directory.
        let pseudo = name.first() == Some(&b'<') && name.last() == Some(&b'>') || name.ends_with(b"//");
        if !pseudo && !name.is_empty() && seen.insert(name.clone()) {
            files.push(PathBuf::from(OsString::from_vec(name)));
        }
    }
    files
}

/// Whether a text says, as gcc's does under `-g`, what the working directory is.
#[must_use]
pub fn names_directory(text: &[u8]) -> bool {
    // It stands before all code.
    let first = text.split(|byte| *byte == b'\n').take(4).filter_map(|line| line.strip_prefix(b"# "));
    first.filter_map(quoted_name).any(|name| name.ends_with(b"//"))
}

/// A preprocessed text with other names in its line markers, where `new` has one for a name. What looks like
/// a marker inside a raw string is the program's data, and stays.
#[must_use]
pub fn rename<'t>(text: &'t [u8], new: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Cow<'t, [u8]> {
    let raw = raw_strings(text);
    let (mut renamed, mut done) = (Vec::new(), 0);
    let mut last: Option<(&[u8], Option<Vec<u8>>)> = None;
    for line in marker_lines(text) {
        let Some(quoted) = quoted_name(line) else { continue };
        let at = quoted.as_ptr().addr() - text.as_ptr().addr();
        if raw.iter().any(|range| range.contains(&at)) {
            continue;
        }
        if last.as_ref().is_none_or(|(name, _)| *name != quoted) {
            last = Some((quoted, new(&unescape(quoted)).map(|name| escape(&name))));
        }
        if let Some((_, Some(name))) = &last {
            renamed.extend_from_slice(&text[done..at]);
            renamed.extend_from_slice(name);
            done = at + quoted.len();
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    renamed.extend_from_slice(&text[done..]);
    Cow::Owned(renamed)
}

/// Where the raw strings of a text are, as far as they can span lines: `R"DELIMITER(…)DELIMITER"`.
fn raw_strings(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for start in memchr::memmem::find_iter(text, b"R\"") {
        if ranges.last().is_some_and(|range| range.contains(&start)) {
            continue;
        }
        let rest = &text[start + 2..];
        let Some(open) = rest.iter().take(17).position(|byte| *byte == b'(') else { continue };
        let delimiter = &rest[..open];
        if delimiter.iter().any(|byte| byte.is_ascii_whitespace() || b"\\)\"".contains(byte)) {
            continue;
        }
        let close = [b")", delimiter, b"\""].concat();
        if let Some(length) = memchr::memmem::find(&rest[open..], &close) {
            ranges.push(start..start + 2 + open + length + close.len());
        }
    }
    ranges
}

/// Lines that start with `# `, without it.
fn marker_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let first = text.starts_with(b"# ").then_some(2);
    let later = memchr::memmem::find_iter(text, b"\n# ").map(|at| at + 3);
    first.into_iter().chain(later).map(|start| {
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
        &text[start..end]
    })
}

/// What stands between the quotes after the line number, still escaped.
pub(super) fn quoted_name(line: &[u8]) -> Option<&[u8]> {
    let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = line[digits..].strip_prefix(b" \"")?;
    let mut at = 0;
    while digits > 0 && at < rest.len() {
        match rest[at] {
            b'"' => return Some(&rest[..at]),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// Undoes `\\`, `\"` and octal escapes.
pub(super) fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            name.push(byte);
            continue;
        }
        let octal = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
        if octal > 0 {
            name.push(rest[..octal].iter().fold(0_u8, |sum, b| sum.wrapping_mul(8).wrapping_add(b - b'0')));
            rest = &rest[octal..];
        } else if let Some((&escaped, tail)) = rest.split_first() {
            name.push(escaped);
            rest = tail;
        }
    }
    name
}

/// Escapes a name as GNU cpp does: backslashes and quotation marks, and in octal what is not printable.
fn escape(name: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'\\' | b'"' => quoted.extend([b'\\', byte]),
            b' '..=b'~' => quoted.push(byte),
            _ => quoted.extend(format!("\\{byte:03o}").into_bytes()),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_once_in_order_and_unescaped() {
        let text = b"# 0 \"a b.c\"\n# 0 \"<built-in>\"\n# 1 \"/w//\"\n# 1 \"in\\\"c/\\303\\244.h\" 1 3\nint x;\n# 2 \"a b.c\" 2\n#pragma x\n# 3 \"q\\\\.h\" 1\n";
        let names: Vec<_> = files(text).into_iter().map(|p| p.into_os_string().into_vec()).collect();
        assert_eq!(names, [b"a b.c".to_vec(), "in\"c/ä.h".as_bytes().to_vec(), b"q\\.h".to_vec()]);
    }

    #[test]
    fn what_is_no_marker_is_passed_over() {
        assert!(files(b"# 1 \"unterminated\\").is_empty());
        assert!(files(b"# \"x.h\"\n# 12\n #1 \"y\"\n").is_empty());
    }

    #[test]
    fn names_in_markers_are_renamed_and_nothing_else() {
        let new = |name: &[u8]| name.strip_prefix(b"/home/x/").map(|rest| [b"/w/", rest].concat());
        let text = b"# 0 \"/home/x/a \\\"b.c\"\n# 0 \"/home/x//\"\nchar s[] = \"/home/x/a.c\";\n# 3 \"/usr/h.h\" 1 3\n";
        let renamed =
            b"# 0 \"/w/a \\\"b.c\"\n# 0 \"/w//\"\nchar s[] = \"/home/x/a.c\";\n# 3 \"/usr/h.h\" 1 3\n";
        assert_eq!(rename(text, &new), renamed.as_slice());
        assert!(matches!(rename(b"int x;\n# 1 \"y\"\n", &new), Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_raw_string_holds_is_data() {
        let new = |name: &[u8]| name.strip_prefix(b"/home/x/").map(|rest| [b"/w/", rest].concat());
        let text = b"auto s = R\"(\n# 1 \"/home/x/a.c\"\n)\";\n# 1 \"/home/x/a.c\"\n";
        assert_eq!(
            rename(text, &new),
            b"auto s = R\"(\n# 1 \"/home/x/a.c\"\n)\";\n# 1 \"/w/a.c\"\n".as_slice()
        );
        let no_raw = b"x(\"FOR\", 1);\n# 1 \"/home/x/a.c\"\n";
        assert_eq!(rename(no_raw, &new), b"x(\"FOR\", 1);\n# 1 \"/w/a.c\"\n".as_slice());
    }
}
