//! Whether preprocessed text makes the assembler read files that nobody else sees: `.incbin` and
//! `.include` (GNU as manual, *Pseudo Ops*), written plainly, split over adjacent string literals, or
//! composed by an assembler macro. Where that can't be ruled out the answer is yes.

use std::borrow::Cow;

use memchr::memmem;

/// Whether this source for the assembler may read another file.
#[must_use]
pub fn assembly_reads_files(text: &[u8]) -> bool {
    mentions_include(text) || composes_directives(text)
}

/// Whether C-family text may make the assembler read a file: through `asm`, or through a string that
/// ends up in the assembly (a section name).
#[must_use]
pub fn text_reads_files(text: &[u8]) -> bool {
    let text = &without_definitions(text);
    let mut at = 0;
    let mut literal = Vec::new();
    let mut in_asm = false;
    while let Some(offset) = memchr::memchr3(b'"', b'\'', b'a', &text[at..]) {
        at += offset;
        match text[at] {
            b'a' => {
                let end = asm_keyword(text, at);
                match end.map(|end| skip_to_template(text, end)) {
                    Some(AsmOperand::Strings) => in_asm = true,
                    Some(AsmOperand::Computed) => return true,
                    Some(AsmOperand::Nothing) | None => {}
                }
                at = end.unwrap_or(at + 1);
            }
            b'\'' => at = skip_character(text, at),
            _ if is_line_marker(text, at) => at = end_of_line(text, at),
            _ => {
                literal.clear();
                at = joined_literal(text, at, &mut literal);
                if mentions_include(&literal) || in_asm && composes_directives(&literal) {
                    return true;
                }
                in_asm = in_asm && !literal.is_empty() && next_is_continuation(text, at);
            }
        }
    }
    false
}

/// A text without its macros' definitions, which stand in it for the debug information alone.
fn without_definitions(text: &[u8]) -> Cow<'_, [u8]> {
    const DEFINITION: &[u8] = b"\n#define ";
    if memmem::find(text, DEFINITION).is_none() {
        return Cow::Borrowed(text);
    }
    let (mut left, mut done) = (Vec::with_capacity(text.len()), 0);
    for at in memmem::find_iter(text, DEFINITION) {
        left.extend_from_slice(&text[done..=at]);
        done = end_of_line(text, at + 1);
    }
    left.extend_from_slice(&text[done..]);
    Cow::Owned(left)
}

fn mentions_include(assembly: &[u8]) -> bool {
    // `.incbin`, `.include`; directives are known in any case.
    memchr::memchr_iter(b'.', assembly).any(|at| {
        assembly.get(at + 1..at + 4).is_some_and(|three| three.eq_ignore_ascii_case(b"inc"))
            && assembly.get(at + 4).is_some_and(|b| matches!(b.to_ascii_lowercase(), b'b' | b'l' | b'\\'))
    })
}

/// A macro of the assembler can put a directive together from its arguments: a statement that holds a
/// substitution (`\x`) in its first word.
fn composes_directives(assembly: &[u8]) -> bool {
    let defines = [&b".macro"[..], b".irp", b".altmacro", b".MACRO", b".IRP"];
    defines.iter().any(|name| memchr::memmem::find(assembly, name).is_some())
        && assembly.split(|b| matches!(b, b'\n' | b';')).any(|statement| {
            let word = statement.trim_ascii_start();
            let word = &word[..word.iter().take_while(|b| !b.is_ascii_whitespace()).count()];
            word.starts_with(b"\\") || word.starts_with(b".") && word.contains(&b'\\')
        })
}

/// The end of `asm`, `__asm` or `__asm__` when one stands at `at` (which points to its `a`).
fn asm_keyword(text: &[u8], at: usize) -> Option<usize> {
    text[at..].starts_with(b"asm").then_some(())?;
    let before = &text[..at];
    let stem = before.strip_suffix(b"__").unwrap_or(before);
    let mut end = at + 3;
    if text[end..].starts_with(b"__") {
        end += 2;
    }
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'$' || *b >= 0x80;
    (!stem.last().is_some_and(is_word) && !text.get(end).is_some_and(is_word)).then_some(end)
}

enum AsmOperand {
    /// A string literal follows the parenthesis.
    Strings,
    /// Something else does (a constant expression, from C++26 on).
    Computed,
    /// This is no `asm` statement.
    Nothing,
}

/// Skips qualifiers up to the parenthesis, and looks at what stands in it.
fn skip_to_template(text: &[u8], mut at: usize) -> AsmOperand {
    loop {
        at = skip_space(text, at);
        match text.get(at) {
            Some(b'(') => break,
            Some(b) if b.is_ascii_alphabetic() || *b == b'_' => {
                at += text[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            }
            _ => return AsmOperand::Nothing,
        }
    }
    let at = skip_space(text, at + 1);
    match text.get(at) {
        Some(b'"' | b')') => AsmOperand::Strings,
        // A prefix of a literal: `R"(…)"`, `u8"…"`, `L"…"`.
        Some(b) if b.is_ascii_alphabetic() => {
            let prefix = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
            if text.get(at + prefix) == Some(&b'"') { AsmOperand::Strings } else { AsmOperand::Computed }
        }
        _ => AsmOperand::Computed,
    }
}

/// Skips white space and line markers.
fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = text.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
        } else if byte == b'#' && (at == 0 || text[at - 1] == b'\n') {
            at = end_of_line(text, at);
        } else {
            break;
        }
    }
    at
}

fn end_of_line(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length)
}

/// Whether the quote at `at` belongs to a line marker (`# 12 "file"`), which is no literal.
fn is_line_marker(text: &[u8], at: usize) -> bool {
    let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1);
    text[start..at]
        .strip_prefix(b"# ")
        .is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || *b == b' '))
}

/// Skips a character literal; an apostrophe that opens none (a digit separator) is skipped alone.
fn skip_character(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(&byte) = text.get(end) {
        match byte {
            b'\\' => end += 2,
            b'\'' => return end + 1,
            b'\n' => break,
            _ => end += 1,
        }
        if end > at + 12 {
            break;
        }
    }
    at + 1
}

/// Reads the literal at `at` and those right after it into one, escapes undone; gives the end.
fn joined_literal(text: &[u8], mut at: usize, into: &mut Vec<u8>) -> usize {
    loop {
        at = if at > 0 && text[at - 1] == b'R' {
            raw_literal(text, at, into)
        } else {
            literal(text, at, into)
        };
        let next = skip_space(text, at);
        let prefix = text[next.min(text.len())..].iter().take(3).take_while(|b| b"uUL8R".contains(b)).count();
        if text.get(next + prefix) != Some(&b'"') {
            return at;
        }
        at = next + prefix;
    }
}

fn literal(text: &[u8], at: usize, into: &mut Vec<u8>) -> usize {
    let mut end = at + 1;
    while let Some(&byte) = text.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\n' => return end,
            b'\\' => end = escape(text, end + 1, into),
            _ => {
                into.push(byte);
                end += 1;
            }
        }
    }
    end
}

/// Decodes what follows a backslash.
fn escape(text: &[u8], at: usize, into: &mut Vec<u8>) -> usize {
    let digits = |from: usize, most: usize, radix: u32| {
        let digits = text.get(from..).unwrap_or_default();
        let count = digits.iter().take(most).take_while(|b| char::from(**b).is_digit(radix)).count();
        let value = digits[..count].iter().fold(0_u32, |sum, b| {
            sum.wrapping_mul(radix).wrapping_add(char::from(*b).to_digit(radix).unwrap_or(0))
        });
        (count, u8::try_from(value & 0xff).unwrap_or(0))
    };
    match text.get(at) {
        None => at,
        Some(b'0'..=b'7') => {
            let (count, value) = digits(at, 3, 8);
            into.push(value);
            at + count
        }
        Some(b'x') => {
            let (count, value) = digits(at + 1, 8, 16);
            into.push(value);
            at + 1 + count
        }
        Some(&letter) => {
            into.push(match letter {
                b'n' => b'\n',
                b't' => b'\t',
                other => other,
            });
            at + 1
        }
    }
}

fn raw_literal(text: &[u8], at: usize, into: &mut Vec<u8>) -> usize {
    let Some(open) = memchr::memchr(b'(', &text[at..]).map(|length| at + length) else { return text.len() };
    let mut close = vec![b')'];
    close.extend_from_slice(&text[at + 1..open]);
    close.push(b'"');
    let body = &text[open + 1..];
    let Some(length) = memchr::memmem::find(body, &close) else { return text.len() };
    into.extend_from_slice(&body[..length]);
    open + 1 + length + close.len()
}

/// Whether the `asm` statement goes on with more strings that belong to its template.
fn next_is_continuation(text: &[u8], at: usize) -> bool {
    text.get(skip_space(text, at)).is_some_and(|b| *b != b')' && *b != b':' && *b != b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_found_however_they_are_written() {
        for text in [
            &b"asm(\".incbin \\\"x\\\"\");"[..],
            b"__asm__ volatile (\".inc\" \"bin \\\"x\\\"\");",
            b"asm(\".inc\"\n# 3 \"a.h\" 1\n\"lude \\\"x\\\"\");",
            b"asm(\"\\56incbin \\\"x\\\"\");",
            b"asm(R\"x(\n.incbin \"f\")x\");",
            b"asm(\".INCBIN \\\"f\\\"\");",
            b"asm(\".macro m d\\n.inc\\\\d \\\"f\\\"\\n.endm\\nm bin\");",
            b"asm(\".macro m d\\n\\\\d \\\"f\\\"\\n.endm\\nm .inc\" \"bin\");",
            b"asm((text()));",
            b"int x __attribute__((section(\".d,\\\"aw\\\"\\n.incbin \\\"f\\\"#\")));",
        ] {
            assert!(text_reads_files(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn ordinary_text_reads_nothing() {
        for text in [
            &b"asm volatile(\"nop\" ::: \"memory\"); char *s = \"x.inc\";"[..],
            b"# 1 \"dir.include/a.c\"\nint main(void) { return '\"'; }",
            b"int plasma(int x); int asma; char *s = \"file.inc\";",
            b"asm(\".macro ext reg\\n.set .L\\\\reg, 1\\n.ifc \\\\reg, a\\n.endif\\n.endm\");",
            b"int x = 1'000'000; const char *y = \"ok\";",
        ] {
            assert!(!text_reads_files(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn assembly_is_looked_at_as_a_whole() {
        assert!(assembly_reads_files(b"\t.incbin \"blob\"\n"));
        assert!(assembly_reads_files(b".macro i what\n.in\\what \"x\"\n.endm\n"));
        assert!(!assembly_reads_files(b".macro save reg\n\tpush \\reg\n.endm\n.text\n"));
    }
}
