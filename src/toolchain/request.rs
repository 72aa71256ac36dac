//! What is asked, and the answer.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::encoding::Encoding;
use super::probe::Program;
use crate::argparse::{Compiler, Family, Version};
use crate::recipe::digest::{BlobDigest, ToolchainDigest};

/// How a driver is asked: whatever changes which programs serve.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The driver's file, absolute, as it will be executed (links not resolved).
    pub driver: &'a Path,
    /// What it will be told that it is called by. gcc looks for itself by that name on `PATH`, and for its
    /// programs beside the place where it finds itself; clang takes its mode and target from it.
    pub argv0: &'a OsStr,
    /// Whether it is a C++ driver (`g++`, `clang++`).
    pub cxx: bool,
    /// The arguments that choose programs and libraries, in their order: those of
    /// [`Role::Driver`](crate::argparse::Role::Driver), and those that make clang call an assembler or
    /// take another target's configuration file (`-fno-integrated-as`, `-m32`).
    pub options: &'a [OsString],
    /// What is going to be compiled.
    pub frontends: &'a [Frontend],
    /// Whether the linker runs.
    pub links: bool,
}

impl<'a> Request<'a> {
    /// The driver, to be asked.
    pub(super) fn program(&self) -> Program<'a> {
        Program { path: self.driver, argv0: self.argv0 }
    }
}

/// The part of a compiler that a language needs. An assembler is always needed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frontend {
    /// C, and assembly that is preprocessed.
    C,
    /// C++.
    Cxx,
    /// Objective-C.
    ObjC,
    /// Objective-C++.
    ObjCxx,
    /// Assembly as it is: the assembler alone.
    Assembler,
}

impl Frontend {
    /// The front end for a language as `-x` spells it; `None` for one that is not known.
    #[must_use]
    pub fn of(language: &str) -> Option<Self> {
        match language {
            "c" | "c-header" | "cpp-output" | "assembler-with-cpp" => Some(Self::C),
            "c++" | "c++-header" | "c++-cpp-output" => Some(Self::Cxx),
            "objective-c" | "objective-c-header" | "objective-c-cpp-output" | "objc-cpp-output" => {
                Some(Self::ObjC)
            }
            "objective-c++" | "objective-c++-header" | "objective-c++-cpp-output" | "objc++-cpp-output" => {
                Some(Self::ObjCxx)
            }
            "assembler" => Some(Self::Assembler),
            _ => None,
        }
    }

    /// gcc's program for it.
    pub(super) fn program(self) -> Option<&'static str> {
        match self {
            Self::C => Some("cc1"),
            Self::Cxx => Some("cc1plus"),
            Self::ObjC => Some("cc1obj"),
            Self::ObjCxx => Some("cc1objplus"),
            Self::Assembler => None,
        }
    }
}

/// A compiler, identified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The digest over everything below, paths excepted.
    pub digest: ToolchainDigest,
    /// What it is.
    pub compiler: Compiler,
    /// The files that it consists of, in the order in which they were found.
    pub parts: Vec<Part>,
}

/// A file that a compiler consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it serves as: `driver`, `cc1`, `as`, `specs`, …; `cc1:libmpfr.so.6` is a library of `cc1`.
    pub name: String,
    /// Where it stands.
    pub path: PathBuf,
    /// Its content.
    pub digest: BlobDigest,
}

impl Toolchain {
    /// Digests what was found.
    pub(super) fn new(compiler: Compiler, parts: Vec<Part>) -> Self {
        let Compiler { family, cxx, version: Version(major, minor) } = compiler;
        let mut encoding = Encoding::new("bakeplan toolchain 1");
        encoding.field(match family {
            Family::Gcc => b"gcc",
            Family::Clang => b"clang",
        });
        encoding.number(u64::from(cxx));
        encoding.number(u64::from(major));
        encoding.number(u64::from(minor));
        encoding.number(parts.len() as u64);
        for Part { name, path: _, digest } in &parts {
            encoding.field(name.as_bytes());
            encoding.field(digest.as_bytes());
        }
        Self { digest: ToolchainDigest::of(encoding.bytes()), compiler, parts }
    }

    /// The driver's own file.
    #[must_use]
    pub fn driver(&self) -> Option<&Path> {
        self.parts.iter().find(|part| part.name == "driver").map(|part| part.path.as_path())
    }

    /// Whether every program of it loads the C library that this program was made for, so that a library of
    /// ours can be loaded into it as well.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        let loads = |program: &str| is_loaded_dynamically(&self.parts, program);
        let runs = |name: &str| name == "driver" || name == "as" || name.starts_with("cc1");
        self.parts
            .iter()
            .map(|part| part.name.as_str())
            .filter(|name| !name.contains(':') && runs(name))
            .all(loads)
    }
}

/// Whether a program among these parts loads the C library that this program was made for.
pub(super) fn is_loaded_dynamically(parts: &[Part], program: &str) -> bool {
    let interpreter = format!("ld-linux-{}.so.", std::env::consts::ARCH.replace('_', "-"));
    let mut loaded = parts.iter().filter_map(|part| part.name.strip_prefix(program)?.strip_prefix(':'));
    loaded.any(|library| library.starts_with(&interpreter))
}
