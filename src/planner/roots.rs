//! Directories that keys must not depend on (`BRIOCHE_CC_BASE_DIRS`): checkouts of one project at several
//! places share results.
//!
//! What is compiled in one of them serves another only where nothing tells the two apart:
//!
//! - the preprocessed texts are the same, once the directories' names are taken out of the line markers;
//!   nowhere else does a text mention one of the directories, nor what the compiler itself makes a path of
//!   (`__builtin_FILE`, `source_location`, `__PRETTY_FUNCTION__`: the length or a hash of a path can reach the
//!   code without the path);
//! - the options are the same, once the names are taken out;
//! - no file that was left mentions one of the directories, and all of them can be read for that (a
//!   compressed section can't); nor does a diagnostic. Only dependency files are made anew.
//!
//! So debug information, which holds the working directory, keeps results apart until an option such as
//! `-ffile-prefix-map=DIRECTORY=.` takes it out.

use std::borrow::Cow;
use std::ffi::OsStr;

use memchr::memmem;

use super::key::FieldWriter;

/// The directories, the longest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots(Vec<Vec<u8>>);

/// What stands for a directory.
const PLACEHOLDER: &[u8] = b"\0base";

/// What the compiler proper makes a path of, or of something that holds one.
const PATH_MAKERS: [&[u8]; 4] =
    [b"__builtin_FILE", b"source_location", b"__PRETTY_FUNCTION__", b"#pragma GCC pch_preprocess"];

impl Roots {
    /// Reads a list with colons between the directories; gives the entries that can't be used, too.
    #[must_use]
    pub fn parse(value: &OsStr) -> (Self, Vec<String>) {
        let entries = value.as_encoded_bytes().split(|byte| *byte == b':').filter(|entry| !entry.is_empty());
        let (mut roots, mut bad) = (Vec::new(), Vec::new());
        for entry in entries {
            let root = entry.trim_ascii_end();
            let root = root.strip_suffix(b"/").unwrap_or(root);
            // Other bytes may be escaped where they are written down, so that they would not be found.
            let plain = root.iter().all(|byte| byte.is_ascii_graphic() && !b"\"\\'".contains(byte));
            match root.starts_with(b"/") && plain {
                true if !roots.contains(&root.to_vec()) => roots.push(root.to_vec()),
                true => {}
                false => bad.push(String::from_utf8_lossy(entry).into_owned()),
            }
        }
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        (Self(roots), bad)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The directories.
    #[must_use]
    pub fn directories(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Whether one of them is mentioned anywhere.
    #[must_use]
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|root| memmem::find(bytes, root).is_some())
    }

    /// Whether an option maps something above a directory to another name, so that only the rest of the
    /// directory's name would be left of it.
    #[must_use]
    pub fn are_cut_by(&self, option: &[u8]) -> bool {
        let Some(at) = memmem::find(option, b"prefix-map=") else { return false };
        let old = option[at + 11..].split(|byte| *byte == b'=').next().unwrap_or_default();
        self.0.iter().any(|root| root.starts_with(old) && root != old)
    }

    /// These bytes without the directories' names.
    #[must_use]
    pub fn taken_out<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if !self.are_in(bytes) {
            return Cow::Borrowed(bytes);
        }
        let mut left = Vec::with_capacity(bytes.len());
        let mut done = 0;
        for at in memchr::memchr_iter(b'/', bytes) {
            if let Some(length) = self.at(&bytes[at..]).filter(|_| at >= done) {
                left.extend_from_slice(&bytes[done..at]);
                left.extend_from_slice(PLACEHOLDER);
                done = at + length;
            }
        }
        left.extend_from_slice(&bytes[done..]);
        Cow::Owned(left)
    }

    /// The length of the directory that these bytes begin with, where its name ends there.
    fn at(&self, bytes: &[u8]) -> Option<usize> {
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+@~%,#".contains(byte) || *byte > 127;
        let whole = |root: &&Vec<u8>| bytes.starts_with(root) && !bytes.get(root.len()).is_some_and(goes_on);
        self.0.iter().find(whole).map(Vec::len)
    }

    /// A preprocessed text without the directories' names in its line markers; `None` where the text may
    /// depend on them otherwise.
    #[must_use]
    pub fn out_of_text<'t>(&self, text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        let is_marker = |at: usize| {
            let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |end| end + 1);
            text[start..].strip_prefix(b"# ").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
        };
        let mentioned = self.0.iter().flat_map(|root| memmem::find_iter(text, root));
        let only_in_markers = mentioned.into_iter().all(is_marker);
        let makes_paths = PATH_MAKERS.iter().any(|maker| memmem::find(text, maker).is_some());
        (only_in_markers && !makes_paths).then(|| self.taken_out(text))
    }
}

/// Takes the directories' names out of all that is written.
pub struct TakenOut<'a, W> {
    /// What takes the fields.
    pub writer: W,
    /// The directories.
    pub roots: &'a Roots,
}

impl<W: FieldWriter> FieldWriter for TakenOut<'_, W> {
    fn field(&mut self, name: &'static str, values: &[&[u8]]) {
        let values: Vec<Cow<'_, [u8]>> = values.iter().map(|value| self.roots.taken_out(value)).collect();
        self.writer.field(name, &values.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(list: &str) -> Roots {
        Roots::parse(OsStr::new(list)).0
    }

    #[test]
    fn only_plain_directories_are_taken() {
        let (read, bad) = Roots::parse(OsStr::new("/a:/a/b/::relative:/:/a b:/a"));
        assert_eq!(read, Roots(vec![b"/a/b".to_vec(), b"/a".to_vec()]));
        assert_eq!(bad, ["relative", "/", "/a b"]);
    }

    #[test]
    fn names_are_taken_out_where_they_end() {
        let roots = roots("/w/one:/w/one/build");
        let out =
            |text: &str| String::from_utf8(roots.taken_out(text.as_bytes()).into_owned()).expect("text");
        assert_eq!(out("-I/w/one/include"), "-I\0base/include");
        assert_eq!(out("-ffile-prefix-map=/w/one=."), "-ffile-prefix-map=\0base=.");
        assert_eq!(out("/w/one/build/x /w/one/builds"), "\0base/x \0base/builds");
        assert_eq!(out("/w/one2/a /w/one.old"), "/w/one2/a /w/one.old");
    }

    #[test]
    fn a_map_of_something_above_leaves_a_rest() {
        let roots = roots("/w/one");
        assert!(roots.are_cut_by(b"-ffile-prefix-map=/w=."));
        assert!(roots.are_cut_by(b"-fdebug-prefix-map=/w/o=x"));
        assert!(!roots.are_cut_by(b"-ffile-prefix-map=/w/one=."));
        assert!(!roots.are_cut_by(b"-ffile-prefix-map=/w/one/build=."));
        assert!(!roots.are_cut_by(b"-I/w"));
    }

    #[test]
    fn a_text_may_name_them_in_markers_only() {
        let roots = roots("/w/one");
        let out = |text: &str| roots.out_of_text(text.as_bytes()).map(Cow::into_owned);
        assert_eq!(out("# 1 \"/w/one/a.c\"\nint x;\n"), Some(b"# 1 \"\0base/a.c\"\nint x;\n".to_vec()));
        assert_eq!(out("# 1 \"/w/one/a.c\"\nchar s[] = \"/w/one/a.c\";\n"), None);
        assert_eq!(out("# 1 \"/w/one/a.c\"\n#pragma x \"/w/one\"\n"), None);
        assert_eq!(out("int x = __builtin_FILE() != 0;\n"), None);
    }
}
