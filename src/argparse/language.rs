//! Languages: what `-x` names and what file names say.

use std::ffi::OsStr;

use super::{Compiler, Family, Language};

/// What an input is for the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A source of C, C++, Objective-C, their preprocessed forms, or assembler.
    Source(Language),
    /// A header: makes a precompiled one.
    Header(Language),
    /// Something that is compiled, but not by rules that are known here.
    Foreign(&'static str),
    /// For the linker.
    Linker,
    /// Standard input under a name that gcc takes for it.
    Stdin,
}

/// A language that is preprocessed.
const fn pre(name: &'static str) -> Language {
    Language { name, preprocessed: true }
}

/// A language that is not.
const fn raw(name: &'static str) -> Language {
    Language { name, preprocessed: false }
}

const C: Kind = Kind::Source(pre("c"));
const CXX: Kind = Kind::Source(pre("c++"));
const OBJC: Kind = Kind::Source(pre("objective-c"));
const OBJCXX: Kind = Kind::Source(pre("objective-c++"));
const CPP_OUT: Kind = Kind::Source(raw("cpp-output"));
const CXX_OUT: Kind = Kind::Source(raw("c++-cpp-output"));
const OBJC_OUT: Kind = Kind::Source(raw("objective-c-cpp-output"));
const OBJCXX_OUT: Kind = Kind::Source(raw("objective-c++-cpp-output"));
const ASM: Kind = Kind::Source(raw("assembler"));
const ASM_CPP: Kind = Kind::Source(pre("assembler-with-cpp"));
const C_HEADER: Kind = Kind::Header(pre("c-header"));
const CXX_HEADER: Kind = Kind::Header(pre("c++-header"));

/// The language that `-x name` means; `None` for one that the driver does not know.
#[must_use]
pub fn by_option(compiler: Compiler, name: &[u8]) -> Option<Kind> {
    let kind = match name {
        b"c" => C,
        b"c++" => CXX,
        b"objective-c" => OBJC,
        b"objective-c++" => OBJCXX,
        b"cpp-output" => CPP_OUT,
        b"c++-cpp-output" => CXX_OUT,
        b"objective-c-cpp-output" => OBJC_OUT,
        b"objective-c++-cpp-output" => OBJCXX_OUT,
        b"assembler" => ASM,
        b"assembler-with-cpp" => ASM_CPP,
        b"c-header" => C_HEADER,
        b"c++-header" => CXX_HEADER,
        b"objective-c-header" => Kind::Header(pre("objective-c-header")),
        b"objective-c++-header" => Kind::Header(pre("objective-c++-header")),
        b"f77" | b"f95" | b"f77-cpp-input" | b"f95-cpp-input" => Kind::Foreign("fortran"),
        _ => return foreign_option(compiler, name),
    };
    Some(kind)
}

/// The languages of `-x` that are not ours.
fn foreign_option(compiler: Compiler, name: &[u8]) -> Option<Kind> {
    let names: &[&'static str] = match compiler.family {
        Family::Gcc => &["ada", "adascil", "adawhy", "brig", "d", "go", "lto", "modula-2", "rust"],
        Family::Clang => &[
            "ast",
            "c++-module",
            "c++-module-cpp-output",
            "cl",
            "clcpp",
            "cuda",
            "cuda-cpp-output",
            "hip",
            "hip-cpp-output",
            "hlsl",
            "ir",
            "lto-bc",
            "lto-ir",
            "renderscript",
        ],
    };
    let modules: &[&'static str] = &["c++-system-header", "c++-user-header", "c++-header-unit-header"];
    names.iter().chain(modules).find(|known| known.as_bytes() == name).map(|known| Kind::Foreign(known))
}

/// What the driver takes the file `path` for when no `-x` holds. `after_x` says that an `-x none` stood
/// right before it.
#[must_use]
pub fn by_name_of_file(compiler: Compiler, path: &OsStr, after_x: bool) -> Kind {
    let bytes = path.as_encoded_bytes();
    if bytes == b"-" || (compiler.family == Family::Gcc && bytes.ends_with(b"-")) {
        return Kind::Stdin;
    }
    let name = &bytes[bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1)..];
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else {
        return Kind::Linker;
    };
    if dot == 0 && compiler.family == Family::Gcc && name.len() == bytes.len() {
        return Kind::Linker;
    }
    let kind = by_suffix(compiler.family, &name[dot + 1..]);
    let plain = match compiler.family {
        Family::Gcc => !after_x,
        Family::Clang => true,
    };
    if compiler.cxx && plain { as_cxx(kind) } else { kind }
}

/// C read by a C++ driver.
fn as_cxx(kind: Kind) -> Kind {
    match kind {
        C => CXX,
        CPP_OUT => CXX_OUT,
        C_HEADER => CXX_HEADER,
        other => other,
    }
}

/// The table of suffixes.
fn by_suffix(family: Family, suffix: &[u8]) -> Kind {
    match suffix {
        b"c" => C,
        b"cc" | b"cp" | b"cxx" | b"cpp" | b"CPP" | b"c++" | b"C" => CXX,
        b"m" => OBJC,
        b"mm" | b"M" => OBJCXX,
        b"i" => CPP_OUT,
        b"ii" => CXX_OUT,
        b"mi" => OBJC_OUT,
        b"mii" => OBJCXX_OUT,
        b"s" => ASM,
        b"S" => ASM_CPP,
        b"h" => C_HEADER,
        b"hh" | b"H" | b"hpp" | b"hxx" => CXX_HEADER,
        _ => match family {
            Family::Gcc => gcc_suffix(suffix),
            Family::Clang => clang_suffix(suffix),
        },
    }
}

/// Suffixes of gcc alone.
fn gcc_suffix(suffix: &[u8]) -> Kind {
    match suffix {
        b"sx" => ASM_CPP,
        b"hp" | b"HPP" | b"h++" | b"tcc" => CXX_HEADER,
        b"d" | b"dd" | b"di" => Kind::Foreign("d"),
        b"go" => Kind::Foreign("go"),
        b"adb" | b"ads" => Kind::Foreign("ada"),
        b"mod" | b"m2i" => Kind::Foreign("modula-2"),
        b"f" | b"for" | b"ftn" | b"f90" | b"f95" | b"f03" | b"f08" | b"F" | b"FOR" | b"fpp" | b"FPP"
        | b"FTN" | b"F90" | b"F95" | b"F03" | b"F08" => Kind::Foreign("fortran"),
        b"brig" => Kind::Foreign("brig"),
        b"rs" => Kind::Foreign("rust"),
        b"cppm" | b"ixx" | b"cxxm" | b"c++m" | b"ccm" => Kind::Foreign("c++-module"),
        _ => Kind::Linker,
    }
}

/// Suffixes of clang alone.
fn clang_suffix(suffix: &[u8]) -> Kind {
    match suffix {
        b"CC" | b"CXX" | b"C++" => CXX,
        b"asm" => ASM,
        b"f" | b"for" | b"f90" | b"f95" | b"F" | b"FOR" | b"fpp" | b"FPP" | b"F90" | b"F95" | b"ftn" => {
            Kind::Foreign("fortran")
        }
        b"adb" | b"ads" => Kind::Foreign("ada"),
        b"bc" | b"ll" => Kind::Foreign("ir"),
        b"cl" | b"clcpp" => Kind::Foreign("cl"),
        b"cu" | b"cui" | b"cuh" => Kind::Foreign("cuda"),
        b"hip" | b"hipi" => Kind::Foreign("hip"),
        b"hlsl" => Kind::Foreign("hlsl"),
        b"rs" => Kind::Foreign("renderscript"),
        b"cppm" | b"cxxm" | b"c++m" | b"ccm" | b"ixx" | b"iim" | b"iih" => Kind::Foreign("c++-module"),
        b"ast" | b"pcm" | b"pch" | b"gch" | b"ifs" => Kind::Foreign("ast"),
        _ => Kind::Linker,
    }
}
