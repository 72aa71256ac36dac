//! Preprocessed text as words and marks, each with its place in the source.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::markers::{quoted_name, unescape};

/// What a token is. Literals and numbers are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    /// A keyword, a name, a number.
    Word(&'t [u8]),
    /// A mark; of `->` and its like, each byte.
    Punct(u8),
}

/// A token and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    /// Which of the files.
    pub(super) file: usize,
    pub(super) line: usize,
    /// Whether it is the first of its line.
    pub(super) first: bool,
    /// Whether it is of a system header.
    pub(super) system: bool,
}

/// The tokens of a preprocessed text, and the files that they come from.
pub(super) fn tokens(text: &[u8]) -> (Vec<Token<'_>>, Vec<PathBuf>) {
    let mut lexer = Lexer {
        text,
        at: 0,
        place: Place { file: 0, line: 1, system: false },
        first: true,
        tokens: Vec::with_capacity(text.len() / 8),
        files: Vec::new(),
        known: HashMap::new(),
    };
    lexer.run();
    (lexer.tokens, lexer.files)
}

#[derive(Clone, Copy)]
struct Place {
    file: usize,
    line: usize,
    system: bool,
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    place: Place,
    first: bool,
    tokens: Vec<Token<'t>>,
    files: Vec<PathBuf>,
    known: HashMap<&'t [u8], usize>,
}

impl<'t> Lexer<'t> {
    fn run(&mut self) {
        while let Some(byte) = self.text.get(self.at).copied() {
            match byte {
                b'\n' => {
                    self.place.line += 1;
                    self.first = true;
                    self.at += 1;
                }
                b'#' if self.first => self.directive(),
                b'"' if self.is_raw() => self.raw_string(),
                b'"' | b'\'' => self.literal(byte),
                _ if is_word(byte) => self.word(),
                _ if byte.is_ascii_whitespace() => self.at += 1,
                _ => {
                    self.push(Kind::Punct(byte));
                    self.at += 1;
                }
            }
        }
    }

    fn push(&mut self, kind: Kind<'t>) {
        let Place { file, line, system } = self.place;
        self.tokens.push(Token { kind, file, line, first: self.first, system });
        self.first = false;
    }

    /// A line that is a marker or a pragma.
    fn directive(&mut self) {
        let rest = &self.text[self.at..];
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at += end;
        let Some(marker) = rest[..end].strip_prefix(b"# ") else { return };
        let Some(name) = quoted_name(marker) else { return };
        let digits = marker.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&marker[..digits]).ok().and_then(|digits| digits.parse().ok());
        let flags = &marker[digits + 3 + name.len()..];
        let next = self.files.len();
        let file = *self.known.entry(name).or_insert(next);
        if file == next {
            self.files.push(PathBuf::from(OsString::from_vec(unescape(name))));
        }
        let line = number.unwrap_or(0_usize);
        self.place = Place { file, line, system: flags.contains(&b'3') };
        // The newline that ends the marker counts none.
        self.at += usize::from(rest.len() > end);
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| is_word(**byte)).count();
        // What stands before a literal is a part of it.
        if !matches!(rest.get(length), Some(b'"' | b'\'')) {
            self.push(Kind::Word(&rest[..length]));
        }
        self.at += length;
    }

    /// Whether a quotation mark begins a raw string.
    fn is_raw(&self) -> bool {
        let before = &self.text[..self.at];
        let prefix = before.iter().rev().take_while(|byte| is_word(**byte)).count();
        matches!(&before[before.len() - prefix..], b"R" | b"LR" | b"uR" | b"UR" | b"u8R")
    }

    fn raw_string(&mut self) {
        let rest = &self.text[self.at + 1..];
        let open = memchr::memchr(b'(', &rest[..rest.len().min(17)]);
        let Some(open) = open else { return self.literal(b'"') };
        let close = [b")", &rest[..open], b"\""].concat();
        let length =
            memchr::memmem::find(&rest[open..], &close).map_or(rest.len(), |at| open + at + close.len());
        self.literal_of(1 + length);
    }

    fn literal(&mut self, quote: u8) {
        let rest = &self.text[self.at..];
        let mut length = 1;
        while let Some(byte) = rest.get(length) {
            match byte {
                b'\\' => length += 2,
                b'\n' => break,
                byte if *byte == quote => {
                    length += 1;
                    break;
                }
                _ => length += 1,
            }
        }
        self.literal_of(length.min(rest.len()));
    }

    fn literal_of(&mut self, length: usize) {
        self.push(Kind::Word(b""));
        let literal = &self.text[self.at..self.at + length];
        self.place.line += memchr::memchr_iter(b'\n', literal).count();
        self.at += length;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}
