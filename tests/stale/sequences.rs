//! Ways in which inputs hide, two at a time: build, change the world, change it otherwise, and back again; each
//! time the result must be a bare compile's.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Bench, compilers};

/// Includes, probes and reads everything that a change below is about.
const SOURCE: &str = r#"
#include <h.h>
#include <sub/s.h>
#include <l.h>
#include <k.h>
#if __has_include("probe.h")
int probe;
#endif
#if __has_include /*
*/ ( \
 "spliced.h")
int spliced;
#endif
#define NAMED "named.h"
#if __has_include(NAMED)
int named;
#endif
#define COMPUTED <computed.h>
#include COMPUTED
#if defined OPTIONAL && __has_include(OPTIONAL)
#include OPTIONAL
#endif
asm(".data\n.inc" "bin \"blob\"");
int values[] = {H, S, L, K, C};
"#;

const OPTIONS: [&str; 11] = [
    "-O1",
    "-Izero",
    "-Ione",
    "-Ihere",
    "-Itwo",
    "-Ithree",
    "-DOPTIONAL=<sub/optional.h>",
    "-MD",
    "-c",
    "a.c",
    "-oa.o",
];

fn project() -> Bench {
    let bench = Bench::new();
    bench.write("a.c", SOURCE);
    bench.write("two/h.h", "#define H 2\n#if __has_include_next(<h.h>)\nint next;\n#endif\n");
    bench.write("other/h.h", "#define H 4\n");
    for directory in ["two", "other"] {
        bench.write(&format!("{directory}/sub/s.h"), "#define S 2\n");
        bench.write(&format!("{directory}/l.h"), "#define L 2\n");
        bench.write(&format!("{directory}/computed.h"), "#define C 2\n");
    }
    bench.write("here.a/k.h", "#define K 2\n");
    bench.write("here.b/k.h", "#define K 3\n");
    bench.write("one/sub/empty", "");
    bench.write("three/empty", "");
    bench.write("blob", "blob");
    symlink("here.a", bench.work().join("here")).expect("a link");
    symlink("../late.h", bench.work().join("one/l.h")).expect("a link");
    bench
}

/// A change of the world, and the way back.
struct Change {
    name: &'static str,
    apply: fn(&Path) -> io::Result<()>,
    revert: fn(&Path) -> io::Result<()>,
}

/// A file that appears.
macro_rules! appears {
    ($name:literal, $text:literal) => {
        Change {
            name: concat!($name, " appears"),
            apply: |root| fs::write(root.join($name), $text),
            revert: |root| fs::remove_file(root.join($name)),
        }
    };
}

/// Another text of the same size, under the same time.
fn rewrite_quietly(path: &Path, text: &str) -> io::Result<()> {
    let modified = fs::metadata(path)?.modified()?;
    assert_eq!(fs::metadata(path)?.len(), text.len() as u64);
    fs::write(path, text)?;
    fs::File::options().write(true).open(path)?.set_modified(modified)
}

fn point(root: &Path, target: &str) -> io::Result<()> {
    fs::remove_file(root.join("here"))?;
    symlink(target, root.join("here"))
}

const CHANGES: [Change; 15] = [
    appears!("one/h.h", "#define H 1\n"),
    appears!("one/sub/s.h", "#define S 1\n"),
    appears!("late.h", "#define L 1\n"),
    appears!("probe.h", ""),
    appears!("spliced.h", ""),
    appears!("named.h", ""),
    appears!("one/computed.h", "#define C 1\n"),
    appears!("three/h.h", ""),
    appears!("one/sub/optional.h", "int optional;\n"),
    Change {
        name: "a search directory appears",
        apply: |root| {
            fs::create_dir(root.join("zero")).and_then(|()| fs::write(root.join("zero/h.h"), "#define H 0\n"))
        },
        revert: |root| fs::remove_dir_all(root.join("zero")),
    },
    Change {
        name: "a search directory becomes another",
        apply: |root| {
            fs::rename(root.join("two"), root.join("away"))
                .and_then(|()| fs::rename(root.join("other"), root.join("two")))
        },
        revert: |root| {
            fs::rename(root.join("two"), root.join("other"))
                .and_then(|()| fs::rename(root.join("away"), root.join("two")))
        },
    },
    Change {
        name: "a search directory goes, and comes back",
        apply: |root| fs::rename(root.join("one"), root.join("gone")),
        revert: |root| fs::rename(root.join("gone"), root.join("one")),
    },
    Change {
        name: "a link points elsewhere",
        apply: |root| point(root, "here.b"),
        revert: |root| point(root, "here.a"),
    },
    Change {
        name: "what only the assembler reads changes",
        apply: |root| rewrite_quietly(&root.join("blob"), "BLOB"),
        revert: |root| rewrite_quietly(&root.join("blob"), "blob"),
    },
    Change {
        name: "other bytes, same size and time",
        apply: |root| rewrite_quietly(&root.join("here.a/k.h"), "#define K 7\n"),
        revert: |root| rewrite_quietly(&root.join("here.a/k.h"), "#define K 2\n"),
    },
];

/// Compiles through the wrapper and bare: status, messages, object and dependency file.
#[track_caller]
fn compare(bench: &Bench, compiler: &str, when: &str) {
    let mut args = vec![compiler];
    args.extend(OPTIONS);
    let results = [bench.wrapper(&args), {
        let mut bare = bench.command(compiler);
        bare.args(OPTIONS);
        bare
    }]
    .map(|mut command| {
        let output = command.output().expect("it runs");
        let left = ["a.o", "a.d"].map(|name| {
            let bytes = bench.exists(name).then(|| bench.read(name));
            bench.remove(name);
            bytes
        });
        (output, left)
    });
    assert!(
        results[0] == results[1],
        "{compiler}, {when}: {:?} {:?}\n{}",
        results[0].0,
        results[1].0,
        bench.log()
    );
}

#[test]
fn every_pair_of_hidden_changes_is_followed() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = project();
        let root = bench.work();
        compare(&bench, compiler, "at first");
        let mut impossible = 0;
        for (index, first) in CHANGES.iter().enumerate() {
            (first.apply)(&root).expect(first.name);
            compare(&bench, compiler, first.name);
            // Each pair in one of its orders with one compiler, in the other with the other.
            let others: Vec<&Change> = match compiler {
                "gcc" => CHANGES[index + 1..].iter().collect(),
                _ => CHANGES[..index].iter().collect(),
            };
            for second in others {
                if (second.apply)(&root).is_err() {
                    impossible += 1;
                    continue;
                }
                compare(&bench, compiler, &format!("{}, then {}", first.name, second.name));
                (second.revert)(&root).expect(second.name);
            }
            compare(&bench, compiler, &format!("{}, and nothing else", first.name));
            (first.revert)(&root).expect(first.name);
        }
        compare(&bench, compiler, "at last");
        assert!(impossible < 10, "{impossible} pairs can't be");
        let figures = bench.statistics();
        println!("{compiler}: {} hits", figures.hits());
        // What the assembler reads leaves the manifest's latest versions as the only way to a hit.
        assert!(figures.hits() >= 8, "it hits where the world is as it was: {}", bench.log());
        assert!(bench.log().matches("absent-appeared").count() > 20, "{}", bench.log());
    }
}

/// Runs a command that needs a privilege; false where it is not to be had.
fn may(bench: &Bench, program: &str, args: &[&str]) -> bool {
    bench.command(program).args(args).output().is_ok_and(|output| output.status.success())
}

#[test]
fn what_a_mount_brings_is_seen() {
    let bench = project();
    compare(&bench, "gcc", "before");
    compare(&bench, "gcc", "before");
    bench.write("mounted/h.h", "#define H 8\n");
    if !may(&bench, "mount", &["--bind", "mounted", "one"]) {
        println!("SKIPPED: mounts need a privilege");
        return;
    }
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| compare(&bench, "gcc", "mounted")));
    assert!(may(&bench, "umount", &["one"]));
    seen.expect("the same");
    compare(&bench, "gcc", "unmounted");
}

#[test]
fn a_precompiled_header_that_appears_is_seen() {
    let bench = project();
    compare(&bench, "gcc", "before");
    // Made of another text, as a stale one is.
    bench.write("two/h.h", "#define H 9\n");
    let made = may(&bench, "gcc", &["-O1", "-x", "c-header", "two/h.h", "-o", "two/h.h.gch"]);
    bench.write("two/h.h", "#define H 2\n");
    assert!(made);
    compare(&bench, "gcc", "precompiled");
    compare(&bench, "gcc", "precompiled, again");
    bench.remove("two/h.h.gch");
    compare(&bench, "gcc", "gone again");
}

#[test]
fn what_stands_in_the_way_of_a_header_is_seen() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = project();
        compare(&bench, compiler, "before");
        // A directory of the header's name is passed over, or an error.
        fs::create_dir(bench.work().join("one/h.h")).expect("a directory");
        compare(&bench, compiler, "a directory");
        fs::remove_dir(bench.work().join("one/h.h")).expect("it goes");
        symlink("h.h", bench.work().join("one/h.h")).expect("a link to itself");
        compare(&bench, compiler, "a loop");
        bench.remove("one/h.h");
        bench.write("one/h.h", "#define H 1\n");
        fs::set_permissions(
            bench.work().join("one/h.h"),
            std::os::unix::fs::PermissionsExt::from_mode(0o000),
        )
        .expect("a mode");
        compare(&bench, compiler, "unreadable");
        bench.remove("one/h.h");
        compare(&bench, compiler, "as before");
    }
}
