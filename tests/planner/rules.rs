//! Dependency files as compilers write them.

use std::fmt::Write as _;
use std::process::Command;

use bakeplan::argparse::Family;
use bakeplan::preprocess::Rules;

use crate::support::compilers;

/// Written in a directory with a short name and in one with a long name, one is made of the other.
#[test]
fn a_file_is_put_together_as_the_compiler_would() {
    let (short, long) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let long = long.path().join("a-directory-that-has-quite-a-long-name/and-another");
    let mut source = String::new();
    for index in 0..24 {
        let name = format!("{}{index}{}.h", "h".repeat(index * 2), ["", " x", "#y", "$z"][index % 4]);
        let _ = writeln!(source, "#include \"{name}\"");
        for directory in [short.path(), &long] {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::write(directory.join(&name), "int x;\n").unwrap();
        }
    }
    for compiler in compilers(&["gcc-11", "gcc-12", "clang-13", "clang-14", "clang-19"]) {
        let family = if compiler.starts_with("gcc") { Family::Gcc } else { Family::Clang };
        for options in
            [&[][..], &["-MP"], &["-MT", "one", "-MT", "a target of a long name $(with) #", "-MQ", "$x y"]]
        {
            let written = |directory: &std::path::Path| {
                std::fs::write(directory.join("a.c"), &source).unwrap();
                let mut command = Command::new(compiler);
                command.args(["-E", "-MMD", "-MF", "a.d"]).args(options).arg("-o").arg(directory.join("a.i"));
                let status = command.arg(directory.join("a.c")).current_dir(directory).status().unwrap();
                assert!(status.success(), "{compiler}");
                std::fs::read(directory.join("a.d")).unwrap()
            };
            let (from, to) = (short.path().to_str().unwrap(), long.to_str().unwrap());
            let rules = Rules::parse(family, &written(short.path()))
                .unwrap_or_else(|| panic!("{compiler} {options:?}"));
            let moved = |name: &[u8]| Some(String::from_utf8_lossy(name).replace(from, to).into_bytes());
            let made = rules.renamed(moved).unwrap().write(family);
            let (made, written) = (String::from_utf8_lossy(&made).into_owned(), written(&long));
            assert_eq!(made, String::from_utf8_lossy(&written), "{compiler} {options:?}");
        }
    }
}
