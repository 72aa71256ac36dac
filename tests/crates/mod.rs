//! Crates through the wrapper: rustc alone, and cargo's builds of a workspace.

mod cargo;
mod changes;
mod macros;
mod places;
mod rustc;
pub mod targets;

use std::process::Command;
use std::sync::OnceLock;

/// The compiler's own file, behind rustup's.
pub fn rustc() -> &'static str {
    static RUSTC: OnceLock<String> = OnceLock::new();
    RUSTC.get_or_init(|| {
        let output = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc runs");
        format!("{}/bin/rustc", String::from_utf8_lossy(&output.stdout).trim())
    })
}

/// A command line with the compiler in front.
fn line(arguments: &str) -> Vec<&str> {
    std::iter::once(rustc()).chain(arguments.split_whitespace()).collect()
}
