//! Whether a change of a file can leave preprocessed text as it was: a guess that only decides whether the
//! preprocessor is worth running. Nothing is ever served because of it.

/// Whether two versions of a file differ in code that no condition stands around, or in the lines before
/// it. Then the text is another one.
#[must_use]
pub fn differs_in_code(old: &[u8], new: &[u8]) -> bool {
    code(old) != code(new)
}

/// The code that no condition but the guard of the whole file stands around. All other lines are empty, and
/// those after it are left out.
fn code(bytes: &[u8]) -> Vec<u8> {
    let lines = lines(&without_comments(bytes));
    let guard = usize::from(is_guarded(&lines));
    let mut code = Vec::with_capacity(bytes.len());
    let mut depth = 0_usize;
    for line in &lines {
        match line {
            Line::If => depth += 1,
            Line::Endif => depth = depth.saturating_sub(1),
            Line::Code(text) if depth <= guard => code.extend_from_slice(text),
            _ => {}
        }
        code.push(b'\n');
    }
    code.truncate(code.trim_ascii_end().len());
    code
}

enum Line {
    /// `#if` and its like.
    If,
    /// `#endif`.
    Endif,
    /// Another directive.
    Directive,
    Code(Vec<u8>),
}

fn lines(plain: &[u8]) -> Vec<Line> {
    let mut continued = false;
    let line = |line: &[u8]| {
        let line = line.trim_ascii_end();
        let directive = line.trim_ascii_start().strip_prefix(b"#").map(<[u8]>::trim_ascii_start);
        let is_more = continued;
        continued = line.ends_with(b"\\") && (is_more || directive.is_some());
        match directive {
            _ if is_more => Line::Directive,
            Some(name) if name.starts_with(b"if") => Line::If,
            Some(name) if name.starts_with(b"endif") => Line::Endif,
            Some(_) => Line::Directive,
            None => Line::Code(line.to_vec()),
        }
    };
    plain.split(|byte| *byte == b'\n').map(line).collect()
}

/// Whether all code stands between the first condition and its end.
fn is_guarded(lines: &[Line]) -> bool {
    let mut said = lines.iter().filter(|line| !matches!(line, Line::Code(text) if text.is_empty()));
    let mut depth = 0_isize;
    let first = said.next().is_some_and(|line| matches!(line, Line::If));
    let inside = said.by_ref().all(|line| {
        match line {
            Line::If => depth += 1,
            Line::Endif => depth -= 1,
            _ => {}
        }
        depth >= 0
    });
    // What ended it was the end of the guard, the last that is said.
    first && !inside && said.next().is_none()
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
        assert!(same("int x;\n", "int x;\n// more\n#define A\n"), "nothing moves");
        assert!(!same("char s[] = \"/* a */\";\n", "char s[] = \"/* b */\";\n"), "no comment");
        assert!(same("'\"'; // a\n", "'\"'; // b\n"));
        assert!(same("#error don't /* a\n*/\nint x;\n", "#error don't /* a\n*/\nint x;\n"));
    }

    #[test]
    fn what_stands_under_a_condition_is_unknown() {
        let same = |old: &str, new: &str| !differs_in_code(old.as_bytes(), new.as_bytes());
        assert!(same("#ifdef A\nint x;\n#endif\nint z;\n", "#ifdef A\nint y;\n#endif\nint z;\n"));
        assert!(!same("#ifdef A\nint x;\n#endif\nint z;\n", "#ifdef A\nint x;\n#endif\nint y;\n"));
        let guarded = |code: &str| format!("/* of */\n#ifndef H\n#define H\n{code}\n#endif // H\n");
        assert!(!same(&guarded("int x;"), &guarded("int y;")));
        let inside = |code: &str| guarded(&format!("#  if A\n{code}\n# else\n int z;\n# endif\n"));
        assert!(same(&inside("int x;"), &inside("int y;")));
        assert!(same("#if A\nint x;\n", "#if A\nint y;\n"), "no end");
        assert!(same("#endif\n#endif\n", "#endif\n#endif\n#if\n"));
    }
}
