//! What a file's bytes say beside their digest: the things that preprocessed text does not show, but a
//! compile of the original source can.

use std::io::{self, Read};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::recipe::digest::BlobDigest;

/// A file's digest and traits. Small, so that it can be remembered by the file's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// The digest of its bytes.
    pub digest: BlobDigest,
    /// What its text mentions.
    pub traits: Traits,
    /// A digest of the leading white space of the lines that are indented with tabs. `-E` replaces tabs
    /// by as many spaces, while `-Wmisleading-indentation` counts the columns of the source.
    pub layout: u64,
}

/// Things that a file mentions, each a bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits(pub u32);

impl Traits {
    /// `__TIME__` as a word: the result is another one each second.
    pub const TIME: Self = Self(1);
    /// `source_location` or a column builtin: columns of the source reach the code.
    pub const COLUMN: Self = Self(1 << 1);
    /// "fall" in any case, as in the comments that `-Wimplicit-fallthrough` accepts.
    pub const FALL: Self = Self(1 << 2);
    /// A library that lists the whole environment, as a macro in it may.
    pub const ENVIRONMENT: Self = Self(1 << 3);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn set(&mut self, other: Self, when: bool) {
        if when {
            self.0 |= other.0;
        }
    }
}

impl FileFacts {
    /// The facts of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut traits = Traits::default();
        traits.set(Traits::TIME, mentions_word(bytes, b"__TIME__"));
        let columns: [&[u8]; 3] = [b"source_location", b"__builtin_COLUMN", b"__builtin_column"];
        traits.set(Traits::COLUMN, columns.iter().any(|name| memmem::find(bytes, name).is_some()));
        traits.set(Traits::FALL, mentions_fall(bytes));
        traits.set(Traits::ENVIRONMENT, lists_environment(bytes));
        Self { digest: BlobDigest::of(bytes), traits, layout: layout(bytes) }
    }
}

impl FileFacts {
    /// The facts of bytes that no preprocessor reads: what they mention is not looked for, so that they may
    /// mention anything, but for what a library can do.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn of_no_text(file: &mut dyn Read) -> io::Result<Self> {
        let mut start = Vec::new();
        file.take(ELF.len() as u64).read_to_end(&mut start)?;
        // Only a library's symbols must be there as a whole.
        let (digest, lists) = if start == ELF {
            file.read_to_end(&mut start)?;
            (BlobDigest::of(&start), lists_environment(&start))
        } else {
            (BlobDigest::of_all(&mut start.as_slice().chain(file))?, false)
        };
        let left_out = if lists { 0 } else { Traits::ENVIRONMENT.0 };
        Ok(Self { digest, traits: Traits(!left_out), layout: u64::MAX })
    }
}

/// How libraries and programs begin.
const ELF: &[u8] = b"\x7fELF";

/// Whether a shared library holds Rust's `std::env::vars`, which is left out of those that don't call it. In
/// doubt (it was stripped of its symbols) it does. C's `environ` is in all of them.
fn lists_environment(bytes: &[u8]) -> bool {
    use object::{Object, ObjectSymbol};
    if !bytes.starts_with(ELF) {
        return false;
    }
    let Ok(file) = object::File::parse(bytes) else { return true };
    let lists = |name: &[u8]| {
        let parts = [&b"3std3env4vars"[..], b"3std3env7vars_os"];
        parts.iter().any(|part| memmem::find(name, part).is_some())
    };
    let mut symbols = file.symbols().peekable();
    symbols.peek().is_none() || symbols.any(|symbol| symbol.name_bytes().is_ok_and(lists))
}

fn mentions_word(bytes: &[u8], word: &[u8]) -> bool {
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    memmem::find_iter(bytes, word).any(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !is_word(before) && !is_word(bytes.get(at + word.len()))
    })
}

fn mentions_fall(bytes: &[u8]) -> bool {
    memchr::memchr2_iter(b'f', b'F', bytes)
        .any(|at| bytes.get(at..at + 4).is_some_and(|four| four.eq_ignore_ascii_case(b"fall")))
}

/// Zero when no line is indented with a tab.
fn layout(bytes: &[u8]) -> u64 {
    let mut hasher = None;
    let mut line_start = 0;
    for (number, end) in memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]).enumerate() {
        let line = &bytes[line_start..end];
        let indent = &line[..line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()];
        if indent.contains(&b'\t') && indent.len() < line.len() {
            let hasher = hasher.get_or_insert_with(blake3::Hasher::new);
            hasher.update(&(number as u64).to_le_bytes()).update(indent).update(b"\n");
        }
        line_start = end + 1;
    }
    hasher.map_or(0, |hasher| {
        let mut word = [0; 8];
        hasher.finalize_xof().fill(&mut word);
        u64::from_le_bytes(word).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_macro_counts_only_as_a_word() {
        assert!(FileFacts::of(b"char t[] = __TIME__;").traits.has(Traits::TIME));
        assert!(!FileFacts::of(b"int MY__TIME__; int __TIME__S;").traits.has(Traits::TIME));
    }

    #[test]
    fn fall_counts_in_any_case() {
        assert!(FileFacts::of(b"/* FALL THROUGH */").traits.has(Traits::FALL));
        assert!(!FileFacts::of(b"int f; int al;").traits.has(Traits::FALL));
    }

    #[test]
    fn the_layout_changes_with_tabs_and_nothing_else() {
        let of = |text: &[u8]| FileFacts::of(text).layout;
        assert_eq!(of(b"if (x)\n        y();\n"), 0);
        assert_ne!(of(b"if (x)\n\ty();\n"), of(b"if (x)\n y();\n"));
        assert_eq!(of(b"\tx(); /* a */\n"), of(b"\tx(); /* b */\n"));
        assert_ne!(of(b"\tx();\n"), of(b"\n\tx();\n"));
    }
}
