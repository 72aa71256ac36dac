//! Whether a change of a file can leave preprocessed text as it was: a guess that only decides whether the
//! preprocessor is worth running. Nothing is ever served because of it.

/// Whether two versions of a file differ outside of comments and directives, or in how many lines there are.
/// Then the text is another one, but where the difference is in a branch that is not taken.
#[must_use]
pub fn differs_in_code(old: &[u8], new: &[u8]) -> bool {
    code(old) != code(new)
}

/// What is left without comments: the lines, directives as `#` alone, white space at the ends gone.
fn code(bytes: &[u8]) -> Vec<u8> {
    let plain = without_comments(bytes);
    let mut code = Vec::with_capacity(plain.len());
    let mut continued = false;
    for line in plain.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_end();
        let directive = continued || line.trim_ascii_start().starts_with(b"#");
        continued = directive && line.ends_with(b"\\");
        code.extend_from_slice(if directive { b"#" } else { line });
        code.push(b'\n');
    }
    code
}

/// Comments become a space; the lines stay.
fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let (length, shown): (usize, &[u8]) = match byte {
            b'/' if rest.starts_with(b"//") => (line_end(rest), b" "),
            b'/' if rest.starts_with(b"/*") => {
                let length = memchr::memmem::find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4);
                plain.push(b' ');
                let lines = memchr::memchr_iter(b'\n', &rest[..length]).count();
                plain.resize(plain.len() + lines, b'\n');
                (length, b"")
            }
            b'"' | b'\'' => {
                let length = literal(rest, *byte);
                (length, &rest[..length])
            }
            _ => (1, &rest[..1]),
        };
        plain.extend_from_slice(shown);
        at += length;
    }
    plain
}

fn line_end(rest: &[u8]) -> usize {
    memchr::memchr(b'\n', rest).unwrap_or(rest.len())
}

/// The length of a literal, which ends with its line at the latest.
fn literal(rest: &[u8], quote: u8) -> usize {
    let end = line_end(rest);
    let mut at = 1;
    while at < end {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    end.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_directives_are_no_code() {
        let same = |old: &str, new: &str| !differs_in_code(old.as_bytes(), new.as_bytes());
        assert!(same("int x; /* one */\n", "int x; // two\n"));
        assert!(same("#define A 1\nint x;\n", "#define A 2\nint x;\n"));
        assert!(same("#define A \\\n  1\nint x;\n", "#define A \\\n  2\nint x;\n"));
        assert!(same("/* a\n b */\nint x;\n", "/* c\n d */\nint x;\n"));
        assert!(!same("int x;\n", "int y;\n"));
        assert!(!same("int x;\n", "// more\nint x;\n"), "lines move");
        assert!(!same("char s[] = \"/* a */\";\n", "char s[] = \"/* b */\";\n"), "no comment");
        assert!(same("'\"'; // a\n", "'\"'; // b\n"));
        assert!(same("#error don't /* a\n*/\nint x;\n", "#error don't /* a\n*/\nint x;\n"));
    }
}
