//! What must be noticed: another program, library or configuration file under the same driver.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use bakeplan::recipe::digest::ToolchainDigest;
use bakeplan::toolchain::Toolchain;

use super::world::{Ask, Counting, Memory, SECOND, append, copy, installed, programs};

/// A directory of its own, a memo, and one request that is made again and again.
struct Case {
    directory: tempfile::TempDir,
    memo: Memory,
    ask: Ask,
    variables: Vec<(&'static str, String)>,
}

impl Case {
    fn new(ask: impl FnOnce(&Path) -> Ask) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ask = ask(directory.path());
        Self { directory, memo: Memory::default(), ask, variables: Vec::new() }
    }

    fn gcc() -> Self {
        Self::new(|_| Ask::new("/usr/bin/gcc"))
    }

    fn variable(mut self, name: &'static str, value: impl FnOnce(&str) -> String) -> Self {
        let value = value(self.directory.path().to_str().unwrap());
        self.variables.push((name, value));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Looks a second later, so that what was just written counts as settled.
    fn look(&self) -> Toolchain {
        self.look_and_count().0
    }

    fn look_and_count(&self) -> (Toolchain, (usize, usize, usize)) {
        let variables: Vec<_> = self.variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let mut world = Counting::new(Path::new("/"), &variables);
        world.later = SECOND;
        (self.ask.identify(&world, &self.memo).unwrap(), world.take())
    }

    /// Looks before and after, twice each: the second time it is remembered, and after is not before.
    fn notices(&self, change: impl FnOnce(&Self)) -> (Toolchain, Toolchain) {
        let steady = |found: &Toolchain| {
            let (again, (_, reads, runs)) = self.look_and_count();
            assert_eq!((&again, reads, runs), (found, 0, 0));
        };
        let before = self.look();
        steady(&before);
        // Beyond a tick of the file system's clock, which is what a settled stat stands for.
        sleep(Duration::from_millis(50));
        change(self);
        let after = self.look();
        steady(&after);
        assert_ne!(before.digest, after.digest);
        (before, after)
    }
}

fn path_of(toolchain: &Toolchain, part: &str) -> PathBuf {
    toolchain.parts.iter().find(|p| p.name == part).unwrap().path.clone()
}

/// An assembler that is not the system's.
fn other_as(path: &Path) {
    copy("/usr/bin/as", path);
    append(path, b"other");
}

#[test]
fn an_assembler_that_appears_earlier_on_path() {
    let case = Case::gcc().variable("PATH", |dir| format!("{dir}:/usr/bin:/bin"));
    let (before, after) = case.notices(|case| other_as(&case.path("as")));
    assert_eq!(path_of(&before, "as"), Path::new("/usr/bin/as"));
    assert_eq!(path_of(&after, "as"), case.path("as"));
}

#[test]
fn a_directory_on_path_that_appears() {
    let case = Case::gcc().variable("PATH", |dir| format!("{dir}/a/b:/usr/bin:/bin"));
    case.notices(|case| other_as(&case.path("a/b/as")));
}

#[test]
fn a_file_on_path_that_becomes_executable() {
    let case = Case::gcc().variable("PATH", |dir| format!("{dir}:/usr/bin:/bin"));
    other_as(&case.path("as"));
    set_mode(&case.path("as"), 0o644);
    case.notices(|case| set_mode(&case.path("as"), 0o755));
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_program_in_a_directory_of_option_b() {
    for (below, program) in [("", "as"), ("x86_64-linux-gnu/", "as"), ("", "cc1")] {
        let case = Case::new(|dir| Ask::new("/usr/bin/gcc").option("-B").option(dir));
        let (before, after) = case.notices(|case| {
            copy(path_of(&case.look(), program), &case.path(below).join(program));
            append(&case.path(below).join(program), b"other");
        });
        assert!(!path_of(&before, program).starts_with(case.directory.path()));
        if below.is_empty() || cfg!(target_arch = "x86_64") {
            assert!(path_of(&after, program).starts_with(case.directory.path()));
        }
    }
}

#[test]
fn a_directory_of_option_b_that_appears() {
    for driver in installed(&["gcc", "clang-14"]) {
        let case = Case::new(|dir| {
            let option = format!("-B{}/tools", dir.display());
            Ask::new(driver).option(option).option("-fno-integrated-as")
        });
        case.notices(|case| other_as(&case.path("tools/as")));
    }
}

#[test]
fn a_program_on_compiler_path() {
    for driver in installed(&["gcc", "clang-14"]) {
        let case = Case::new(|_| Ask::new(driver).option("-fno-integrated-as"));
        let case = case.variable("COMPILER_PATH", |dir| format!("{dir}/none:{dir}"));
        case.notices(|case| other_as(&case.path("as")));
    }
}

#[test]
fn other_bytes_under_the_same_size_and_time() {
    let case = Case::gcc().variable("PATH", |dir| format!("{dir}:/usr/bin:/bin"));
    other_as(&case.path("as"));
    case.notices(|case| rewrite(&case.path("as")));
}

/// Changes the last byte and puts the time of modification back.
fn rewrite(path: &Path) {
    let before = fs::metadata(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let after = fs::metadata(path).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
}

#[test]
fn another_file_of_the_same_size_and_time_moved_into_place() {
    let case = Case::gcc().variable("PATH", |dir| format!("{dir}:/usr/bin:/bin"));
    let (old, new) = (case.path("as"), case.path("new"));
    other_as(&old);
    case.notices(|_| {
        copy(&old, &new);
        let time = fs::metadata(&old).unwrap().modified().unwrap();
        rewrite(&new);
        fs::File::options().write(true).open(&new).unwrap().set_modified(time).unwrap();
        fs::rename(&new, &old).unwrap();
    });
}

#[test]
fn a_change_within_the_same_tick() {
    let case = Case::gcc().variable("PATH", |dir| format!("{dir}:/usr/bin:/bin"));
    let variables = [("PATH", case.variables[0].1.as_str())];
    let world = Counting::new(Path::new("/"), &variables);
    let digest = || -> ToolchainDigest { case.ask.identify(&world, &case.memo).unwrap().digest };
    digest();
    for _ in 0..3 {
        other_as(&case.path("as"));
        let before = digest();
        rewrite(&case.path("as"));
        assert_ne!(before, digest());
    }
}

#[test]
fn a_library_on_the_loaders_path() {
    for below in ["", "glibc-hwcaps/x86-64-v2/"] {
        let case = Case::gcc().variable("LD_LIBRARY_PATH", |dir| format!("{dir}/none:{dir}"));
        let library = "libz.so.1";
        let system = case.look().parts.iter().find(|p| p.name == "cc1:libz.so.1").unwrap().path.clone();
        let file = case.path(below).join(library);
        let before = case.look();
        copy(system, &file);
        append(&file, b"other");
        let after = case.look();
        // Not every processor has the capability.
        if below.is_empty() || path_of(&after, "cc1:libz.so.1") == file {
            assert_eq!(path_of(&after, "cc1:libz.so.1"), file);
            assert_ne!(before.digest, after.digest);
        }
    }
}

#[test]
fn a_library_on_the_programs_own_path() {
    let case = Case::new(|dir| {
        let build = |args: &[&str]| {
            let status = std::process::Command::new("/usr/bin/gcc").current_dir(dir).args(args).status();
            assert!(status.unwrap().success());
        };
        fs::create_dir(dir.join("last")).unwrap();
        fs::write(dir.join("own.c"), "int own(void) { return 0; }\n").unwrap();
        fs::write(dir.join("as.c"), "int own(void); int main(void) { return own(); }\n").unwrap();
        build(&["-shared", "-fPIC", "-o", "last/libown.so", "own.c"]);
        // Longer than what is looked for in one piece.
        let nowhere: String = (0..400).map(|number| format!(":/nowhere/{number}")).collect();
        let rpath = format!("-Wl,-rpath,$ORIGIN/first{nowhere}:${{ORIGIN}}/last");
        build(&["-o", "as", "as.c", "-Llast", "-lown", &rpath]);
        Ask::new("/usr/bin/gcc").option(format!("-B{}", dir.display()))
    });
    let (before, after) = case.notices(|case| {
        copy(case.path("last/libown.so"), &case.path("first/libown.so"));
        append(&case.path("first/libown.so"), b"other");
    });
    assert_eq!(path_of(&before, "as:libown.so"), case.path("last/libown.so"));
    assert_eq!(path_of(&after, "as:libown.so"), case.path("first/libown.so"));
    case.notices(|case| fs::remove_dir_all(case.path("first")).unwrap());
    fs::create_dir(case.path("first")).unwrap();
    case.notices(|case| {
        copy(case.path("last/libown.so"), &case.path("first/libown.so"));
        append(&case.path("first/libown.so"), b"other");
    });
}

#[test]
fn a_library_that_is_preloaded() {
    let case = Case::gcc().variable("LD_PRELOAD", |dir| format!("{dir}/preload.so"));
    let (_, after) = case.notices(|case| {
        let file = case.path("preload.so");
        copy(path_of(&case.look(), "cc1:libz.so.1"), &file);
        append(&file, b"other");
    });
    assert!(programs(&after).len() == 3 && after.parts.iter().any(|p| p.name == "as:preload.so"));
}

#[test]
fn a_specs_file_that_appears() {
    let case = Case::new(|dir| Ask::new("/usr/bin/gcc").option(format!("-B{}", dir.display())));
    let (before, after) =
        case.notices(|case| fs::write(case.path("specs"), "*asm_debug:\n--gdwarf-5\n\n").unwrap());
    assert_eq!((programs(&before)[1], programs(&after)[1]), ("cc1", "specs"));
}

#[test]
fn a_specs_file_that_an_option_names_and_the_file_that_it_includes() {
    let case = Case::new(|dir| {
        fs::write(dir.join("own.specs"), "%include <more.specs>\n*cc1:\n-O1\n\n").unwrap();
        fs::write(dir.join("more.specs"), "*asm_debug:\n--gdwarf-4\n\n").unwrap();
        let specs = format!("-specs={}/own.specs", dir.display());
        Ask::new("/usr/bin/gcc").option(format!("-B{}", dir.display())).option(specs)
    });
    let (before, _) = case.notices(|case| {
        fs::write(case.path("own.specs"), "%include <more.specs>\n*cc1:\n-O2\n\n").unwrap();
    });
    assert_eq!(programs(&before).iter().filter(|name| **name == "specs").count(), 2);
    case.notices(|case| fs::write(case.path("more.specs"), "*asm_debug:\n--gdwarf-5\n\n").unwrap());
}

#[test]
fn a_clang_configuration_file_and_the_file_that_it_includes() {
    for driver in installed(&["clang-13", "clang-19"]) {
        let case = Case::new(|dir| {
            fs::write(dir.join("a.cfg"), "-DA\n@more/b.cfg\n").unwrap();
            fs::create_dir(dir.join("more")).unwrap();
            fs::write(dir.join("more/b.cfg"), "-O1\n").unwrap();
            Ask::new(driver).option("--config").option(dir.join("a.cfg"))
        });
        let (before, _) = case.notices(|case| fs::write(case.path("more/b.cfg"), "-O2\n").unwrap());
        assert_eq!(programs(&before).iter().filter(|name| **name == "configuration").count(), 2);
    }
}

#[test]
fn a_default_configuration_file_that_appears_beside_clang() {
    for _ in installed(&["clang-19"]) {
        let clang = fs::canonicalize("/usr/bin/clang-19").unwrap();
        let libraries = clang.parent().unwrap().join("../lib");
        let case = Case::new(|dir| Ask::new(dir.join("bin/clang")));
        let case = case.variable("LD_LIBRARY_PATH", |_| libraries.to_str().unwrap().to_owned());
        copy(&clang, &case.path("bin/clang"));
        let (before, after) =
            case.notices(|case| fs::write(case.path("bin/clang.cfg"), "-fno-integrated-as\n").unwrap());
        assert!(!programs(&before).contains(&"as"));
        assert!(programs(&after).contains(&"configuration") && programs(&after).contains(&"as"));
    }
}

#[test]
fn the_same_bytes_at_another_place_are_the_same() {
    let case = Case::gcc().variable("PATH", |dir| format!("{dir}:/usr/bin:/bin"));
    let before = case.look();
    copy("/usr/bin/as", &case.path("as"));
    let after = case.look();
    assert_ne!(path_of(&before, "as"), path_of(&after, "as"));
    assert_eq!(before.digest, after.digest);
}
