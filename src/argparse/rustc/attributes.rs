//! Attributes of a source by which it names the crate itself.

/// Whether a source may say by `#![crate_name]` or `#![crate_type]` what the crate is called or which kind it
/// is, also behind `cfg_attr`. In doubt (the words stand in a comment) it does.
pub(super) fn name_the_crate(source: &[u8]) -> bool {
    let mentions = |word: &[u8]| memchr::memmem::find(source, word).is_some();
    mentions(b"crate_name") || mentions(b"crate_type")
}
