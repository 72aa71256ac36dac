//! Names in text that is not a path by itself: dependency files, diagnostics.

use super::PathMap;

/// The quotation marks that compilers put around names, in UTF-8.
const QUOTES: [&[u8]; 4] = ["‘".as_bytes(), "’".as_bytes(), "“".as_bytes(), "”".as_bytes()];

/// Whether a byte beside a name makes both part of a longer word or path.
fn joins(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-+~@%".contains(&byte) || !byte.is_ascii()
}

/// Whether a path can start after this text.
fn free_after(before: &[u8]) -> bool {
    before.last().is_none_or(|byte| !joins(*byte))
        || QUOTES.iter().any(|quote| before.ends_with(quote))
        || ends_in_colour(before)
}

/// Whether a path's root can end before this text.
fn free_before(after: &[u8]) -> bool {
    after.first().is_none_or(|byte| *byte == b'/' || !joins(*byte))
        || QUOTES.iter().any(|quote| after.starts_with(quote))
}

/// Whether a text ends in a terminal's `ESC [ … m` or `ESC [ K`.
fn ends_in_colour(text: &[u8]) -> bool {
    let Some((b'm' | b'K', text)) = text.split_last() else { return false };
    let end = text.iter().rposition(|byte| !matches!(byte, b'0'..=b'9' | b';')).map_or(0, |last| last + 1);
    text[..end].ends_with(b"\x1b[")
}

impl<T: AsRef<[u8]>> PathMap<T> {
    /// A text with every name that stands at the start of a path in it replaced by its root, which
    /// `write` puts down as that kind of text wants it (a dependency file escapes spaces).
    ///
    /// A name counts when nothing joins it to what is before it, and a slash or nothing joins it to what
    /// is after it: that is sure for names that nobody else uses, which is for the caller to choose.
    #[must_use]
    pub fn unmap_text(&self, text: &[u8], mut write: impl FnMut(&[u8], &mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let (before, here) = text.split_at(at);
            let named = |name: &[u8]| here.strip_prefix(name).is_some_and(free_before) && free_after(before);
            if let Some((root, name)) = self.roots().find(|(_, name)| named(name.as_ref())) {
                write(root, &mut out);
                at += name.as_ref().len();
            } else {
                out.push(text[at]);
                at += 1;
            }
        }
        out
    }
}
