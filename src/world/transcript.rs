//! What a program wrote, kept.

use std::ffi::OsStr;
use std::path::Path;

use super::{Sink, Stream};

/// What a program wrote to its streams, in order, neighbours joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript(Vec<(Stream, Vec<u8>)>);

impl Transcript {
    /// Adds what was written next.
    pub fn add(&mut self, stream: Stream, bytes: &[u8]) {
        match self.0.last_mut() {
            Some((last, written)) if *last == stream => written.extend_from_slice(bytes),
            _ if bytes.is_empty() => {}
            _ => self.0.push((stream, bytes.to_vec())),
        }
    }

    /// Adds all that another program wrote afterwards.
    pub fn append(&mut self, later: Self) {
        for (stream, bytes) in later.0 {
            self.add(stream, &bytes);
        }
    }

    /// Writes it all to `sink`.
    pub fn replay(&self, sink: Sink<'_>) {
        for (stream, bytes) in &self.0 {
            sink(*stream, bytes);
        }
    }

    /// The parts.
    #[must_use]
    pub fn into_parts(self) -> Vec<(Stream, Vec<u8>)> {
        self.0
    }

    /// The parts, to look at.
    #[must_use]
    pub fn parts(&self) -> &[(Stream, Vec<u8>)] {
        &self.0
    }

    /// Whether a line starts as those of a compiler's driver do: with the name that it was called by, or
    /// with `clang` whatever that was.
    #[must_use]
    pub fn has_line_of_driver(&self, argv0: &OsStr) -> bool {
        let name = Path::new(argv0).file_name().unwrap_or_default().as_encoded_bytes();
        let speaks = |line: &[u8]| {
            let said = |name: &[u8]| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(b": "));
            !name.is_empty() && said(name) || said(b"clang") || said(b"clang++")
        };
        let errors = self.0.iter().filter(|(stream, _)| *stream == Stream::Stderr);
        errors.flat_map(|(_, bytes)| bytes.split(|byte| *byte == b'\n')).any(speaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_order_is_kept() {
        let mut said = Transcript::default();
        for (stream, text) in
            [(Stream::Stderr, "a"), (Stream::Stderr, "b"), (Stream::Stdout, ""), (Stream::Stdout, "c")]
        {
            said.add(stream, text.as_bytes());
        }
        assert_eq!(said.parts(), [(Stream::Stderr, b"ab".to_vec()), (Stream::Stdout, b"c".to_vec())]);
    }

    #[test]
    fn the_driver_is_known_by_its_name_at_the_start_of_a_line() {
        let says = |argv0: &str, text: &str| {
            let mut said = Transcript::default();
            said.add(Stream::Stderr, text.as_bytes());
            said.has_line_of_driver(argv0.as_ref())
        };
        assert!(says("/usr/bin/gcc-12", "a.c:1: warning: x\ngcc-12: warning: y\n"));
        assert!(says("clang++-14", "clang: warning: argument unused\n"));
        assert!(!says("gcc", "a.c: In function 'gcc: f':\n"));
        assert!(!says("gcc", "cc1: warning: x\n"));
    }
}
