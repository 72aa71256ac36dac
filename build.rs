//! Compiles the recorder (`recorder/`), a library of its own that this one carries in it.

// A build script is told everything by Cargo's variables; `World` is for what it builds.
#![allow(clippy::disallowed_methods)]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=recorder");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let output = PathBuf::from(variable("OUT_DIR")).join("recorder.so");
    let system = (variable("CARGO_CFG_TARGET_OS"), variable("CARGO_CFG_TARGET_ARCH"));
    let known = matches!((system.0.as_str(), system.1.as_str()), ("linux", "x86_64" | "aarch64"));
    link_statically();
    if !(known && compile(&output)) {
        // An empty one means: nothing can be recorded here.
        std::fs::write(&output, []).expect("the output directory can be written");
    }
}

/// Whether the recorder was built. It is loaded into compilers that are linked to glibc, whatever we are
/// linked to.
fn compile(output: &Path) -> bool {
    let variable = |name: &str| env::var_os(name).unwrap_or_default();
    let target = format!("{}-unknown-linux-gnu", env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default());
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args([
            "--crate-name",
            "recorder",
            "--crate-type",
            "cdylib",
            "--edition",
            "2024",
            "--target",
            &target,
        ])
        .args(["-C", "panic=abort", "-C", "opt-level=2", "-C", "strip=symbols", "-C", "relocation-model=pic"])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-Wl,-z,now", "-C", "codegen-units=1"])
        .args(["recorder/lib.rs", "-o"])
        .arg(output);
    if !variable("RUSTC_LINKER").is_empty() {
        let mut linker = std::ffi::OsString::from("linker=");
        linker.push(variable("RUSTC_LINKER"));
        rustc.arg("-C").arg(linker);
    }
    // Flags for the crate (sanitizers, coverage) are not for the recorder.
    rustc.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    match rustc.status() {
        Ok(status) if status.success() => true,
        _ => {
            println!(
                "cargo::warning=the recorder could not be built: unseen invocations are preprocessed first"
            );
            false
        }
    }
}

/// Links the wrapper statically where the C library is there as an archive: its start then takes half a
/// millisecond less, as long as all the rest of a hit. Only where the machine's own compiler links for the
/// machine itself.
fn link_statically() {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let gnu = variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ENV") == "gnu";
    let plain = variable("HOST") == variable("TARGET") && variable("RUSTC_LINKER").is_empty();
    let release = variable("PROFILE") == "release";
    // Sanitizers and the like need the shared one.
    let untouched = variable("CARGO_ENCODED_RUSTFLAGS").is_empty();
    if !(gnu && plain && release && untouched) {
        return;
    }
    let place = PathBuf::from(variable("OUT_DIR")).join("static");
    if shadow(&place).is_some() {
        for argument in [&format!("-L{}", place.display()), "-static", "-no-pie"] {
            println!("cargo::rustc-link-arg-bin=brioche-cc={argument}");
        }
    }
}

/// Rust's own list of libraries asks for shared ones; in this directory, which is searched first, each of
/// their names stands for the archive. `None` when one of them is missing.
fn shadow(place: &Path) -> Option<()> {
    std::fs::create_dir_all(place).ok()?;
    let archive = |name: &str| {
        let said = Command::new("cc").arg(format!("-print-file-name=lib{name}.a")).output().ok()?;
        let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
        (path.is_absolute() && path.exists()).then_some(path)
    };
    for name in ["c", "m", "rt", "pthread", "util", "dl"] {
        std::fs::write(place.join(format!("lib{name}.a")), format!("INPUT({})", archive(name)?.display()))
            .ok()?;
    }
    std::fs::write(place.join("libgcc_s.a"), format!("INPUT({})", archive("gcc_eh")?.display())).ok()
}
