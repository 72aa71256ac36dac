//! What is remembered, and when it counts.

use std::path::Path;

use bakeplan::toolchain::Frontend;

use super::world::{Ask, Counting, Memory, SECOND, copy};

fn world(variables: &[(&str, &str)]) -> Counting {
    Counting::new(Path::new("/"), variables)
}

#[test]
fn damaged_records_are_ignored_and_made_anew() {
    let (world, memo) = (world(&[]), Memory::default());
    let ask = Ask::new("/usr/bin/gcc");
    let first = ask.identify(&world, &memo).unwrap();
    let damages: [fn(&mut Vec<u8>); 5] = [
        Vec::clear,
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.fill(0xff),
        |bytes| bytes.push(0),
    ];
    for damage in damages {
        memo.records.borrow_mut().values_mut().for_each(damage);
        world.take();
        assert_eq!(ask.identify(&world, &memo).unwrap(), first);
        assert!(world.take().2 > 0, "found anew");
        assert_eq!(ask.identify(&world, &memo).unwrap(), first);
        assert_eq!(world.take().2, 0, "remembered again");
    }
}

#[test]
fn a_record_under_a_wrong_name_is_ignored() {
    let (world, memo) = (world(&[]), Memory::default());
    let (gcc, cxx) = (Ask::new("/usr/bin/gcc"), Ask::new("/usr/bin/gcc").frontends(&[Frontend::Cxx]));
    let (first, other) =
        (gcc.identify(&world, &memo).unwrap(), cxx.identify(&world, &Memory::default()).unwrap());
    assert_ne!(first, other);
    for wrong in memo.records.borrow().clone().into_values() {
        let mixed = Memory::default();
        cxx.identify(&world, &mixed).unwrap();
        mixed.records.borrow_mut().values_mut().for_each(|bytes| bytes.clone_from(&wrong));
        assert_eq!(cxx.identify(&world, &mixed).unwrap(), other);
    }
}

#[test]
fn variables_that_choose_nothing_do_not_matter() {
    let memo = Memory::default();
    let ask = Ask::new("/usr/bin/gcc");
    let first = ask.identify(&world(&[]), &memo).unwrap();
    for (name, value, matters) in [
        ("LC_ALL", "de_DE.UTF-8", false),
        ("TMPDIR", "/var/tmp", false),
        ("CPATH", "/opt/include", false),
        ("COMPILER_PATH", "/opt/bin", true),
        ("LD_BIND_NOW", "1", true),
        ("PATH", "/usr/bin", true),
    ] {
        let world = world(&[(name, value)]);
        let again = ask.identify(&world, &memo).unwrap();
        assert_eq!(again.digest, first.digest, "{name}");
        assert_eq!(world.take().2 > 0, matters, "{name}");
    }
}

#[test]
fn the_working_directory_matters_where_an_option_is_relative() {
    let directory = tempfile::tempdir().unwrap();
    copy("/usr/bin/as", &directory.path().join("here/tools/as"));
    std::fs::create_dir(directory.path().join("there")).unwrap();
    let memo = Memory::default();
    let look = |cwd: &str, option: &str| {
        let world = Counting::new(&directory.path().join(cwd), &[]);
        let found = Ask::new("/usr/bin/gcc").option(option).identify(&world, &memo).unwrap();
        let path = found.parts.iter().find(|part| part.name == "as").unwrap().path.clone();
        (path, world.take().2)
    };
    assert_eq!(look("here", "-Btools").0, directory.path().join("here/tools/as"));
    assert_eq!(look("there", "-Btools").0, Path::new("/usr/bin/as"));
    assert_eq!(look("here", "-Btools").0, directory.path().join("here/tools/as"));
    assert!(look("here", "-m64").1 > 0);
    assert_eq!(look("there", "-m64").1, 0, "one record serves both");
}

#[test]
fn a_driver_is_asked_by_the_name_that_it_will_be_called_by() {
    // A gcc that finds itself in another directory looks for its programs beside that.
    let directory = tempfile::tempdir().unwrap();
    let relocated = directory.path().join("lib/gcc/x86_64-linux-gnu/12/as");
    let gcc = std::fs::canonicalize("/usr/bin/gcc").unwrap();
    if !gcc.ends_with("x86_64-linux-gnu-gcc-12") {
        return;
    }
    copy("/usr/bin/as", &relocated);
    let cc1 = "/usr/lib/gcc/x86_64-linux-gnu/12/cc1";
    std::os::unix::fs::symlink(cc1, relocated.with_file_name("cc1")).unwrap();
    copy(&gcc, &directory.path().join("bin/gcc"));
    let path = format!("{}/bin:/usr/bin", directory.path().display());
    let (world, memo) = (world(&[("PATH", &path)]), Memory::default());
    let mut ask = Ask::new(&gcc);
    let assembler = |ask: &Ask| {
        let found = ask.identify(&world, &memo).unwrap();
        found.parts.into_iter().find(|part| part.name == "as").unwrap().path
    };
    assert_eq!(assembler(&ask), Path::new("/usr/bin/as"));
    ask.argv0 = Some("gcc".into());
    let found = assembler(&ask);
    assert_eq!(std::fs::canonicalize(found).unwrap(), std::fs::canonicalize(relocated).unwrap());
}

#[test]
fn a_fresh_file_is_hashed_until_it_has_settled() {
    let directory = tempfile::tempdir().unwrap();
    copy("/usr/bin/as", &directory.path().join("as"));
    let path = format!("{}:/usr/bin", directory.path().display());
    let (mut world, memo) = (world(&[("PATH", &path)]), Memory::default());
    // The clock stands where the file is fresh, however slow the test is.
    world.later = -SECOND * 60;
    let ask = Ask::new("/usr/bin/gcc");
    let first = ask.identify(&world, &memo).unwrap();
    world.take();
    assert_eq!(ask.identify(&world, &memo).unwrap(), first);
    let (_, reads, runs) = world.take();
    assert_eq!((reads, runs), (1, 0));
    world.later = SECOND;
    assert_eq!(ask.identify(&world, &memo).unwrap(), first);
    assert_eq!(world.take().1, 1, "hashed once more, now that it counts");
    assert_eq!(ask.identify(&world, &memo).unwrap(), first);
    let (_, reads, runs) = world.take();
    assert_eq!((reads, runs), (0, 0));
}

#[test]
fn questions_are_asked_in_english_and_have_no_side_effects() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("deps");
    let file = file.to_str().unwrap();
    let variables = [("DEPENDENCIES_OUTPUT", file), ("LD_TRACE_LOADED_OBJECTS", "1"), ("LC_ALL", "xx")];
    let world = world(&variables);
    let with = Ask::new("/usr/bin/gcc").identify(&world, &Memory::default()).unwrap();
    let without = Ask::new("/usr/bin/gcc").identify(&self::world(&[]), &Memory::default()).unwrap();
    assert_eq!(with.digest, without.digest);
    assert!(!Path::new(file).exists());
}

#[test]
fn what_gcc_is_asked() {
    let world = world(&[]);
    Ask::new("/usr/bin/gcc").option("-m64").identify(&world, &Memory::default()).unwrap();
    let ran = world.ran.lock().unwrap();
    let words: Vec<String> = ran
        .iter()
        .map(|args| args.iter().map(|a| a.to_str().unwrap()).collect::<Vec<_>>().join(" "))
        .filter(|line| !line.starts_with("--list "))
        .collect();
    assert_eq!(
        words,
        [
            "--version",
            "-dumpfullversion -dumpversion",
            "-m64 -print-search-dirs",
            "-m64 -dumpmachine",
            "-m64 -print-file-name=specs",
            "-m64 -print-prog-name=cc1",
            "-m64 -print-prog-name=as",
        ]
    );
    assert_eq!(ran.len() - words.len(), 3, "and the loader, for the driver, cc1 and as");
}

#[test]
fn processors_have_an_identity() {
    let here = bakeplan::toolchain::cpu_identity(&world(&[])).unwrap();
    assert_eq!(here, bakeplan::toolchain::cpu_identity(&world(&[])).unwrap());
    let scripted = |text: &str| {
        let world = bakeplan::world::ScriptedWorld::new("/").file("/proc/cpuinfo", text, 0);
        bakeplan::toolchain::cpu_identity(&world)
    };
    let one = "processor : 0\nmodel name : A\nflags : sse avx\ncpu MHz : 1000\n";
    let same = "processor : 1\nmodel name : A\nflags : sse avx\ncpu MHz : 3000\n";
    let other = "processor : 0\nmodel name : A\nflags : sse\ncpu MHz : 1000\n";
    assert_eq!(scripted(one).unwrap(), scripted(same).unwrap());
    assert_eq!(scripted(one).unwrap(), scripted(&format!("{one}\n{same}")).unwrap());
    assert_ne!(scripted(one).unwrap(), scripted(other).unwrap());
    assert_ne!(scripted(one).unwrap(), scripted(&format!("{one}\n{other}")).unwrap());
    assert!(scripted("").is_err());
    assert!(bakeplan::toolchain::cpu_identity(&bakeplan::world::ScriptedWorld::new("/")).is_err());
}
