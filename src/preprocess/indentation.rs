//! Whether a compiler may find the indentation of a source misleading (`-Wmisleading-indentation`, in `-Wall`).
//!
//! The warning looks at lines of the source: at tabs, which preprocessed text has as single spaces, and at what
//! comes of a macro, which the text does not show. So gcc never gives it for a text, and clang not always. What
//! is told here errs on one side: it finds whatever a compiler finds, and some more.
//!
//! The text tells which statements there are, one after the other; the lines of the source tell where they
//! stand. The rules are those of gcc's `c-indentation.cc` and of clang's `MisleadingIndentationChecker`: what
//! follows the body of a clause without braces stands on the body's line, or as far to the right.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::tokens::{Kind, Token, tokens};

/// Whether a preprocessed text comes of a source that may be indented misleadingly. `read` gives the bytes of a
/// file that the text names; a compiler does not look at lines that can't be read.
#[must_use]
pub fn may_mislead(text: &[u8], read: &dyn Fn(&Path) -> Option<Vec<u8>>) -> bool {
    let (tokens, files) = tokens(text);
    let mut clauses = Clauses { tokens: &tokens, suspects: Vec::new(), ends_do: HashSet::new() };
    clauses.find();
    let mut sources = Sources { files: &files, read, lines: HashMap::new() };
    clauses.suspects.iter().any(|suspect| sources.confirm(&tokens, suspect))
}

/// A clause without braces, and what comes after it: indices of tokens.
struct Suspect {
    guard: usize,
    body: usize,
    next: usize,
}

/// The clauses of a text.
struct Clauses<'t> {
    tokens: &'t [Token<'t>],
    suspects: Vec<Suspect>,
    /// Each `while` that ends a `do`.
    ends_do: HashSet<usize>,
}

/// How deep statements are followed into each other; what is deeper is as good as misleading.
const DEEPEST: usize = 200;

impl Clauses<'_> {
    fn find(&mut self) {
        for index in 0..self.tokens.len() {
            if self.is_word(index, b"do") {
                self.statement(index, 0);
            }
            if self.is_guard(index) && !self.ends_do.contains(&index) {
                self.clause(index);
            }
        }
    }

    fn clause(&mut self, guard: usize) {
        let Some(body) = self.body(guard) else { return };
        if self.is(body, b'{') {
            return;
        }
        let Some(next) = self.statement(body, 0) else { return };
        let quiet = next >= self.tokens.len()
            || self.is(next, b'}')
            || self.is(next, b';')
            || self.is_word(next, b"else");
        let (body_token, system) = (&self.tokens[body], self.tokens[guard].system);
        if !quiet && !system && self.tokens[next].file == body_token.file {
            self.suspects.push(Suspect { guard, body, next });
        }
    }

    /// Where the body of a clause begins.
    fn body(&self, guard: usize) -> Option<usize> {
        if self.is_word(guard, b"else") {
            return self.attributes(guard + 1);
        }
        let mut at = guard + 1;
        while self.is(at, b'!')
            || [&b"constexpr"[..], b"consteval", b"co_await"].iter().any(|word| self.is_word(at, word))
        {
            at += 1;
        }
        if self.is(at, b'(') { self.attributes(self.closed(at)?) } else { self.attributes(at) }
    }

    /// The token after what stands in front of a statement.
    fn attributes(&self, mut at: usize) -> Option<usize> {
        loop {
            if self.is(at, b'[') && self.is(at + 1, b'[') {
                at = self.closed(at)?;
            } else if self.is_word(at, b"__attribute__") && self.is(at + 1, b'(') {
                at = self.closed(at + 1)?;
            } else if self.is_word(at, b"__extension__") {
                at += 1;
            } else {
                return (at < self.tokens.len()).then_some(at);
            }
        }
    }

    /// The token after a statement; `None` where the text ends in the middle of it.
    fn statement(&mut self, start: usize, depth: usize) -> Option<usize> {
        let start = self.attributes(start)?;
        if depth > DEEPEST {
            return None;
        }
        if self.is(start, b'{') {
            return self.closed(start);
        }
        if self.is_word(start, b"do") {
            let end = self.statement(start + 1, depth + 1)?;
            if !self.is_word(end, b"while") {
                return Some(end);
            }
            self.ends_do.insert(end);
            let after = self.closed(end + 1)?;
            return Some(if self.is(after, b';') { after + 1 } else { after });
        }
        if self.is_word(start, b"try") {
            let mut end = self.statement(start + 1, depth + 1)?;
            while self.is_word(end, b"catch") {
                end = self.closed(end + 1).and_then(|block| self.statement(block, depth + 1))?;
            }
            return Some(end);
        }
        if self.is_guard(start) {
            let body = self.body(start)?;
            let end = self.statement(body, depth + 1)?;
            let goes_on = self.is_word(start, b"if") && self.is_word(end, b"else");
            return if goes_on { self.statement(end, depth + 1) } else { Some(end) };
        }
        self.simple(start)
    }

    /// The token after a statement that ends with a semicolon.
    fn simple(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while at < self.tokens.len() {
            match self.tokens[at].kind {
                Kind::Punct(b';') => return Some(at + 1),
                // It has no semicolon: not what it seems.
                Kind::Punct(b'}') => return Some(at),
                Kind::Punct(b'(' | b'[' | b'{') => at = self.closed(at)?,
                _ => at += 1,
            }
        }
        None
    }

    /// The token after the bracket that closes this one.
    fn closed(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in open..self.tokens.len() {
            match self.tokens[at].kind {
                Kind::Punct(b'(' | b'[' | b'{') => depth += 1,
                Kind::Punct(b')' | b']' | b'}') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ if depth == 0 => return Some(at),
                _ => {}
            }
        }
        None
    }

    fn is(&self, at: usize, punct: u8) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Punct(punct))
    }

    fn is_word(&self, at: usize, word: &[u8]) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Word(word))
    }

    fn is_guard(&self, at: usize) -> bool {
        [&b"if"[..], b"else", b"for", b"while", b"switch"].iter().any(|word| self.is_word(at, word))
    }
}

/// The lines of the sources.
struct Sources<'s> {
    files: &'s [PathBuf],
    read: &'s dyn Fn(&Path) -> Option<Vec<u8>>,
    lines: HashMap<usize, Vec<Vec<u8>>>,
}

impl Sources<'_> {
    /// Whether the places of a clause and of what follows it are such that a compiler may warn.
    fn confirm(&mut self, tokens: &[Token<'_>], Suspect { guard, body, next }: &Suspect) -> bool {
        // A clause that a macro gives is not looked at.
        if !self.shows(tokens, *guard) {
            return false;
        }
        let (guard, body, after) = (&tokens[*guard], &tokens[*body], *next);
        let next = &tokens[after];
        // What a macro gives beside the body is (`-Wmultistatement-macros`).
        if next.line == body.line {
            return true;
        }
        if !self.shows(tokens, after) {
            return false;
        }
        let Some(next_column) = self.column(next).filter(|_| next.first) else { return false };
        let Some(guard_column) = self.column(guard) else { return false };
        let apart = body.first && body.line != guard.line && body.kind != Kind::Punct(b';');
        if !apart {
            // Beside the guard it stands further right than any line begins.
            return next_column > guard_column;
        }
        self.column(body) == Some(next_column) && !(guard.first && guard_column == next_column)
    }

    /// Whether a word stands in its line of the source: as the first of its like, the second, ….
    fn shows(&mut self, tokens: &[Token<'_>], at: usize) -> bool {
        let token = &tokens[at];
        let Kind::Word(word) = token.kind else { return self.line(token).is_some() };
        let beside = |other: &&Token<'_>| (other.file, other.line) == (token.file, token.line);
        let earlier = tokens[..at].iter().rev().take_while(beside).filter(|other| other.kind == token.kind);
        let earlier = earlier.count();
        let Some(line) = self.line(token) else { return false };
        memchr::memmem::find_iter(line, word).nth(earlier).is_some()
    }

    /// The column in which a token's line begins, as an editor shows it.
    fn column(&mut self, token: &Token<'_>) -> Option<usize> {
        const TAB: usize = 8;
        let mut column = 0;
        for byte in self.line(token)? {
            column = match byte {
                b'\t' => column / TAB * TAB + TAB,
                b' ' | 0x0b | 0x0c => column + 1,
                _ => return Some(column),
            };
        }
        None
    }

    fn line(&mut self, token: &Token<'_>) -> Option<&[u8]> {
        let (files, read) = (self.files, self.read);
        let lines = self.lines.entry(token.file).or_insert_with(|| {
            let bytes = files.get(token.file).and_then(|file| read(file)).unwrap_or_default();
            bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
        });
        lines.get(token.line.checked_sub(1)?).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a source that has no macros.
    fn misleads(source: &str) -> bool {
        let text = format!("# 1 \"a.c\"\n{source}");
        may_mislead(text.as_bytes(), &|_| Some(source.as_bytes().to_vec()))
    }

    #[test]
    fn what_follows_a_body_beside_it_or_below_it_misleads() {
        for source in [
            "if (x) g(1); g(2);\n",
            "if (x)\n  g(1); g(2);\n",
            "if (x)\n  g(1);\n  g(2);\n",
            "\tif (x)\n\t\tg(1);\n\t\tg(2);\n",
            "if (x)\n\tg(1);\n        g(2);\n",
            "if (x) g(1);\n       g(2);\n",
            "while (x);\n  g(3);\n",
            "for (;;)\n  if (y) { g(1); }\n  g(2);\n",
            "if (x) { a(); } else\n  g(1);\n  g(2);\n",
            "if (x)\n  do { g(1); } while (y);\n  g(2);\n",
            "if (x) [[likely]]\n  g([](int y) { return y; });\n  g(2);\n",
        ] {
            assert!(misleads(source), "{source}");
        }
    }

    #[test]
    fn ordinary_code_does_not() {
        for source in [
            "if (x)\n  g(1);\ng(2);\n",
            "if (x) {\n  g(1);\n  g(2);\n}\n  g(3);\n",
            "if (x) g(1); else g(2);\ng(3);\n",
            "if (x)\n  g(1);\nelse if (y)\n  g(2);\nelse\n  g(3);\ng(4);\n",
            "for (i = 0; i < n; i++)\n\tif (x)\n\t\tg(1);\ng(2);\n",
            "do {\n  g(1);\n} while (x);\n  g(2);\n",
            "if (x)\ng(1);\ng(2);\n",
            "f(void) { if (x) g(1); }\n",
            "switch (x) {\ncase 1:\n  if (y)\n    break;\ncase 2:\n  g(1);\n}\n",
            "if (x)\n  s = \"if (y) g(1);\";\ng(2);\n",
        ] {
            assert!(!misleads(source), "{source}");
        }
    }

    #[test]
    fn what_macros_give_and_what_the_system_has_is_not_looked_at() {
        let source = "M(x); g(3);\n";
        let text = "# 1 \"a.c\"\ndo { if (x) g(1); g(2); } while (0); g(3);\n";
        assert!(!may_mislead(text.as_bytes(), &|_| Some(source.as_bytes().to_vec())));
        let source = "if (x) g(1); g(2);\n";
        let text = format!("# 1 \"s.h\" 1 3 4\n{source}");
        assert!(!may_mislead(text.as_bytes(), &|_| Some(source.as_bytes().to_vec())));
        let text = format!("# 1 \"a.c\"\n{source}");
        assert!(!may_mislead(text.as_bytes(), &|_| None), "no line, no warning");
    }
}
