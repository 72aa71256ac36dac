//! Plans and keys, without any compiler.

mod crate_recipes;
mod crates;

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::Path;

use bakeplan::argparse::Family::{Clang, Gcc};
use bakeplan::argparse::{Invocation, compiler_from_name, parse};
use bakeplan::planner::environment;
use bakeplan::planner::key::{KeyInputs, KeyRecord, Subject, unit_key};
use bakeplan::planner::places::Places;
use bakeplan::planner::recipe::{RecipeInputs, unit_recipe};
use bakeplan::planner::{CompilePlan, plan};
use bakeplan::recipe::digest::{BlobDigest, ToolchainDigest};
use bakeplan::recipe::{Artifact, File, Platform, Template};
use bakeplan::world::Environment;

mod mapping;
mod rules;
mod spawned;
mod trees;

fn planned(line: &str) -> (Invocation, CompilePlan) {
    let mut words = line.split_whitespace();
    let compiler = compiler_from_name(OsStr::new(words.next().expect("a compiler"))).expect("its name");
    let args: Vec<OsString> = words.map(OsString::from).collect();
    let invocation = parse(&compiler, &args, &|_: &Path| None);
    let plan = plan(&invocation).unwrap_or_else(|refusals| panic!("{line}: {refusals:?}"));
    (invocation, plan)
}

/// What each unit's miss runs, what it leaves, and the link.
fn shown(line: &str) -> String {
    let (_, plan) = planned(line);
    let argv: Vec<OsString> = line.split_whitespace().skip(1).map(OsString::from).collect();
    let mut text = format!("$ {line}\n");
    let join = |args: &[OsString]| args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let objects: Vec<OsString> = (0..plan.units.len()).map(|i| format!("TEMP{i}.o").into()).collect();
    for (unit, object) in plan.units.iter().zip(&objects) {
        let _ = writeln!(text, "unit {}", join(&unit.arguments(&argv, object)));
        for output in unit.outputs(object) {
            let _ = writeln!(text, "     {} {}", output.kind.name(), output.path.display());
        }
    }
    if let Some(link) = &plan.link {
        let objects: Vec<&Path> = objects.iter().map(Path::new).collect();
        let _ = writeln!(text, "link {}", join(&link.arguments(&objects)));
    }
    text + if plan.ordered { "in order\n" } else { "" }
}

#[test]
fn plans_of_ordinary_lines() {
    let lines = [
        "gcc -O2 -c a.c",
        "gcc -O2 -Iinc -c a.c sub/b.c",
        "gcc -x c -c one -x none two.cc",
        "gcc -MD -c a.c b.c",
        "gcc -MD -MF all.d -c a.c b.c",
        "gcc -O2 -g main.c util.c -o app -Llib -lm",
        "gcc -g -gsplit-dwarf main.c util.c -o app",
        "gcc -MMD -x c main.c -x none lib.a -o app",
        "clang -O2 -DX main.c util.c -o app -lm",
        "clang -S a.c b.c",
    ];
    insta::assert_snapshot!(lines.map(shown).join("\n"));
}

fn inputs<'a>(invocation: &'a Invocation, plan: &'a CompilePlan) -> KeyInputs<'a> {
    KeyInputs {
        invocation,
        unit: &plan.units[0],
        driver: OsStr::new("gcc"),
        toolchain: ToolchainDigest::from_bytes([7; 32]),
        directory: OsStr::new("/work"),
        charset: b"",
        processor: b"",
        files: &[],
        subject: Subject::Text { messages: b"", digest: BlobDigest::of(b"int x;\n") },
    }
}

/// A change of this is a change of every key: then `format` changes too.
#[test]
fn a_key_is_pinned() {
    let (invocation, plan) = planned("gcc -O2 -DX -Iinc -g -c a.c -o out/a.o");
    assert_eq!(unit_key(&inputs(&invocation, &plan)).to_hex(), PINNED);
    let fields: Vec<String> = KeyRecord::of(&inputs(&invocation, &plan))
        .fields()
        .map(|(name, values)| {
            format!(
                "{name} {}",
                values.iter().map(|v| v.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    insta::assert_snapshot!(fields.join("\n"));
}

const PINNED: &str = "e68865508302cc331b645b1998e562ad4e0f62516fbfd8236934e13f7eaeceef";

#[test]
fn each_field_of_a_key_counts() {
    let (invocation, plan) = planned("gcc -O2 -g -c a.c");
    let base = inputs(&invocation, &plan);
    let key = unit_key(&base);
    let files = [BlobDigest::of(b"a profile")];
    let same_text = BlobDigest::of(b"int x;\n");
    for (field, other) in [
        ("driver", KeyInputs { driver: OsStr::new("cc"), ..base }),
        ("toolchain", KeyInputs { toolchain: ToolchainDigest::from_bytes([8; 32]), ..base }),
        ("directory", KeyInputs { directory: OsStr::new("/elsewhere"), ..base }),
        ("charset", KeyInputs { charset: b"de_de.iso-8859-1", ..base }),
        ("processor", KeyInputs { processor: b"another", ..base }),
        ("files", KeyInputs { files: &files, ..base }),
        (
            "messages",
            KeyInputs { subject: Subject::Text { messages: b"a.c:1: warning", digest: same_text }, ..base },
        ),
        (
            "text",
            KeyInputs {
                subject: Subject::Text { messages: b"", digest: BlobDigest::of(b"int y;\n") },
                ..base
            },
        ),
    ] {
        assert_ne!(unit_key(&other), key, "{field}");
        let (then, now) = (KeyRecord::of(&base), KeyRecord::of(&other));
        let differences = now.differences(&then);
        assert_eq!(differences.iter().map(|d| d.field).collect::<Vec<_>>(), [field]);
    }
    for (line, same) in [
        ("gcc -O2 -g -c a.c -o elsewhere/a.o", true),
        ("gcc -O2 -g -DX -Iinc -MD -c a.c", false),
        ("gcc -O2 -g -DX -Iinc -c a.c", true),
        ("gcc -O2 -g -fdiagnostics-color=always -c a.c", true),
        ("gcc -O2 -g -c ./a.c", false),
        ("gcc -O2 -g -c a.c b.c", true),
        ("gcc -g -O2 -c a.c", false),
        ("gcc -O2 -g -S a.c", false),
        ("gcc -O2 -g -frecord-gcc-switches -c a.c", false),
    ] {
        let (invocation, plan) = planned(line);
        assert_eq!(unit_key(&inputs(&invocation, &plan)) == key, same, "{line}");
    }
}

#[test]
fn variables_forbid_choose_charsets_and_present() {
    let environment = |variables: &[(&str, &str)]| {
        Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    };
    assert!(environment::refusals(&environment(&[("PATH", "/bin"), ("CFLAGS", "-O2")])).is_empty());
    assert_eq!(environment::refusals(&environment(&[("SUNPRO_DEPENDENCIES", "x")]))[0].token, "environment");
    for plain in ["C", "POSIX", "C.UTF-8", "de_DE.utf8", ""] {
        assert!(environment::charset(Gcc, &environment(&[("LC_ALL", plain)])).is_empty(), "{plain}");
    }
    let latin = environment(&[("LANG", "de_DE.ISO-8859-1")]);
    assert_eq!(environment::charset(Gcc, &latin), b"de_de.iso-8859-1");
    assert!(environment::charset(Clang, &latin).is_empty());
    let looks =
        |variables: &[(&str, &str)], terminal| environment::presentation(&environment(variables), terminal);
    assert_eq!(looks(&[("PATH", "/bin"), ("TERM", "xterm")], false), []);
    assert_ne!(looks(&[("TERM", "xterm")], true), looks(&[("TERM", "dumb")], true));
    assert_ne!(looks(&[("LANG", "de_DE")], false), looks(&[], false));
}

#[test]
fn a_units_recipe() {
    let (invocation, plan) = planned("g++ -O2 -DX -Iinc -MD -c src/a.cc -o out/a.o");
    let recipe = unit_recipe(&RecipeInputs {
        invocation: &invocation,
        unit: &plan.units[0],
        compiler: &Template::literal("/usr/bin/g++"),
        search_path: Some(&Template::literal("/usr/bin:/bin")),
        places: &Places::default(),
        directory: OsStr::new("/w"),
        text: Artifact::File(File::new(BlobDigest::of(b"int x;\n"), false)).hash(),
        platform: Platform::X86_64Linux,
    })
    .unwrap();
    insta::assert_snapshot!(format!("{}\n{}", recipe.hash(), recipe.to_json()));
}

#[test]
fn an_invocation_is_named_by_all_that_decides_its_text() {
    let environment = [("CPATH", b"inc".to_vec())];
    let name = |line: &str, environment: &[(&'static str, Vec<u8>)]| {
        let (invocation, plan) = planned(line);
        unit_key(&KeyInputs { subject: Subject::Invocation { environment }, ..inputs(&invocation, &plan) })
    };
    let base = name("gcc -O2 -DX -Iinc -MD -c a.c", &[]);
    for (line, same) in [
        ("gcc -O2 -DX -Iinc -MD -c a.c", true),
        ("gcc -O2 -DX -Iinc -MD -c a.c -fdiagnostics-color=always", true),
        ("gcc -O2 -DY -Iinc -MD -c a.c", false),
        ("gcc -O2 -DX -I inc -MD -c a.c", false),
        ("gcc -O2 -DX -Iinc -MMD -c a.c", false),
        ("gcc -O2 -DX -Iinc -c a.c", false),
        ("gcc -O2 -DX -Iinc -MD -c a.c -o other.o", false),
        ("gcc -O2 -DX -Iinc -MD -MT all -c a.c", false),
    ] {
        assert_eq!(name(line, &[]) == base, same, "{line}");
    }
    assert_ne!(
        name("gcc -O2 -DX -Iinc -MD -c a.c", &environment),
        base,
        "a variable that preprocessors read"
    );
    let plain = name("gcc -O2 -c a.c", &[]);
    assert_eq!(name("gcc -O2 -c a.c -o other.o", &[]), plain, "an object's name shows nowhere");
}
