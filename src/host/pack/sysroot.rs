//! What a compiler needs to compile and link beside itself: headers, start files, the C library, gcc's and
//! C++'s run-time libraries.
//!
//! They stand in `sysroot/` as they stand in `/`. The linker takes absolute paths in its scripts (`libc.so` is
//! one) as below the sysroot, for the scripts themselves stand there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{PackError, Packer, copy};
use crate::world::World;

/// The directories of libraries, as they are called in the sysroot.
const LIBRARIES: [&str; 4] = [
    "usr/lib/x86_64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib/aarch64-linux-gnu",
];

/// The start of the names that are taken, up to a dot or the end.
const WANTED: [&str; 25] = [
    "crt1",
    "crti",
    "crtn",
    "Scrt1",
    "rcrt1",
    "gcrt1",
    "grcrt1",
    "Mcrt1",
    "libc",
    "libc_nonshared",
    "libm",
    "libmvec",
    "libpthread",
    "libdl",
    "librt",
    "libutil",
    "libresolv",
    "libanl",
    "libcrypt",
    "libg",
    "libBrokenLocale",
    "libstdc++",
    "libgcc_s",
    "libgomp",
    "libatomic",
];

/// Copies all that into `sysroot/`, and what gcc looks for beside itself into its own directory.
pub(super) fn copy(packer: &Packer<'_>) -> Result<(), PackError> {
    let root = packer.into.join("sysroot");
    copy::tree(Path::new("/usr/include"), &root.join("usr/include"), &|_| true)?;
    // Where `/lib` is `/usr/lib`, so it is here.
    for dir in ["lib", "lib64"] {
        if std::fs::read_link(Path::new("/").join(dir))
            .is_ok_and(|to| to.ends_with(Path::new("usr").join(dir)))
        {
            copy::directory(&root.join("usr").join(dir))?;
            copy::link(Path::new("usr").join(dir), &root.join(dir))?;
        }
    }
    for dir in LIBRARIES {
        let from = Path::new("/").join(dir);
        let Ok(entries) = std::fs::read_dir(&from) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let wanted = path.file_name().and_then(OsStr::to_str).is_some_and(is_wanted);
            if wanted && path.is_file() {
                let target = std::fs::canonicalize(&path).map_err(PackError::io("resolve", &path))?;
                copy::file(&target, &root.join(dir).join(path.file_name().unwrap_or_default()))?;
            }
        }
    }
    for loader in ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"] {
        if let Ok(target) = std::fs::canonicalize(Path::new("/").join(loader)) {
            copy::file(&target, &root.join(loader))?;
        }
    }
    for (install, below) in &packer.installs {
        let is_no_program = |path: &Path| !is_program(path);
        copy::tree(install, &packer.into.join(below), &is_no_program)?;
    }
    // gcc looks for C++'s headers beside its own place, not in the sysroot.
    copy::link("sysroot/usr/include", &packer.into.join("include"))
}

/// Where the standard library of a rustc is.
pub(super) fn rust_library(world: &dyn World, rustc: &Path) -> Result<PathBuf, PackError> {
    let rustc = world.canonicalize(rustc).map_err(PackError::io("resolve", rustc))?;
    let top = rustc.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let library = top.join("lib/rustlib");
    if library.is_dir() { Ok(library) } else { Err(PackError::NoStandardLibrary { rustc, library }) }
}

/// Copies the standard library of rustc and its linker, for each target that there is, beside the library that
/// the compiler is: there rustc looks for them.
pub(super) fn copy_rust(packer: &mut Packer<'_>, rustc: &Path) -> Result<(), PackError> {
    let from = rust_library(packer.world, rustc)?;
    for target in std::fs::read_dir(&from).map_err(PackError::io("list", &from))?.flatten() {
        let below = Path::new("libexec/packed/lib/rustlib").join(target.file_name());
        let library = target.path().join("lib");
        if library.is_dir() {
            copy::tree(&library, &packer.into.join(&below).join("lib"), &|_| true)?;
        }
        // `gcc-ld/ld.lld` is a program that runs the one beside its directory. Which linker that is to be is told
        // by the name that it is called by, so that here one launcher does.
        let linker = target.path().join("bin/rust-lld");
        if linker.is_file() {
            let places = ["bin/rust-lld", "bin/gcc-ld/ld.lld"].map(|place| below.join(place));
            packer.plain_program(&linker, &places)?;
        }
    }
    Ok(())
}

fn is_wanted(name: &str) -> bool {
    let is_one = |wanted: &&str| name.strip_prefix(*wanted).is_some_and(|rest| rest.starts_with(['.', '-']));
    WANTED.iter().any(is_one) && !name.contains("gdb")
}

/// Programs and the plugins of other compilers are no part of a sysroot.
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let is_plugin = path.file_name().is_some_and(|name| name == "plugin");
    let executable =
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o100 != 0);
    is_plugin || executable
}
