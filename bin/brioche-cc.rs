//! The drop-in wrapper.
fn main() {}
