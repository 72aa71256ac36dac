//! The parser against the drivers that are installed: combinations of options, drawn by a fixed seed.
//!
//! `BAKEPLAN_LIVE_CASES` asks for more of them, `BAKEPLAN_LIVE_SEED` for others.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use bakeplan::argparse::{Family, Invocation, Mode, OutputKind, parse};

use super::dryrun::{DryRun, dry_run};
use super::support::{compiler, show};

/// Drivers, by name and the version that the table is asked for.
const DRIVERS: &[(&str, u16)] = &[
    ("gcc-11", 11),
    ("g++-11", 11),
    ("gcc-12", 12),
    ("g++-12", 12),
    ("clang-13", 13),
    ("clang-14", 14),
    ("clang++-14", 14),
    ("clang-19", 19),
    ("clang++-19", 19),
];

const FILES: &[&str] =
    &["a.c", "b.c", "c.cc", "s.S", "t.s", "p.i", "sub/x.y.c", "q r.cpp", "o.m", "noext", "prog.c", "d.o"];

/// A small generator of numbers (xorshift), so that a seed always draws the same cases.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % sides as u64).expect("small")
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
}

/// One command line. Groups stay together, their order is drawn.
fn draw(dice: &mut Dice, gcc: bool) -> Vec<OsString> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    match dice.roll(8) {
        0..=3 => groups.push(vec!["-c"]),
        4 => groups.push(vec!["-S"]),
        5 => groups.push(vec!["-E"]),
        _ => {}
    }
    for _ in 0..1 + dice.roll(2) + usize::from(dice.one_in(3)) {
        match dice.roll(8) {
            0 => groups.push(vec!["-x", dice.pick(&["c", "c++", "assembler-with-cpp", "none"])]),
            1 => groups.push(vec!["-xc", "noext", "-x", "none"]),
            _ => {
                // Under `-x c -c` an object is a source that its own object replaces: once is enough.
                let file = dice.pick(FILES);
                let again = file == "d.o" && groups.iter().any(|group| group[..] == ["d.o"]);
                groups.push(vec![if again { "a.c" } else { file }]);
            }
        }
    }
    let outputs = ["prog", "out/prog.exe", "x.o", "out/a.b.o", "a.out", "b", "prog.v1", "out/.dot"];
    match dice.roll(5) {
        0 | 1 => groups.push(vec!["-o", dice.pick(&outputs)]),
        2 if dice.one_in(2) => groups.push(vec!["-oglued.o"]),
        _ => {}
    }
    if dice.one_in(2) {
        groups.push(vec![dice.pick(&["-MD", "-MMD", "-Wp,-MD,wp.d", "-Wp,-MMD,out/wp.d"])]);
        for _ in 0..dice.roll(3) {
            match dice.roll(5) {
                0 => groups.push(vec!["-MF", dice.pick(&["dep.d", "out/dep.d"])]),
                1 => groups.push(vec!["-MT", "t1"]),
                2 => groups.push(vec!["-MQ", "$(q) t"]),
                3 => groups.push(vec!["-MP"]),
                _ => groups.push(vec![dice.pick(&["-MD", "-MMD", "-MFglued.d"])]),
            }
        }
    }
    for _ in 0..dice.roll(4) {
        groups.push(vec![dice.pick(&[
            "-g",
            "-O2",
            "-Wall",
            "-DX=1",
            "-Iinc",
            "-fPIC",
            "-std=gnu11",
            "-pthread",
            "-fno-lto",
            "-fdiagnostics-color=never",
            "-g0",
            "-pipe",
            "-w",
            "-lm",
            "-Lout",
        ])]);
    }
    if gcc {
        groups.push(vec!["-fstack-usage"]);
        for _ in 0..dice.roll(2) {
            match dice.roll(7) {
                0 => groups.push(vec!["-dumpdir", dice.pick(&["dd/", "pre-"])]),
                1 => groups.push(vec!["-dumpbase", dice.pick(&["base.c", "base", ""])]),
                2 => groups.push(vec!["-dumpbase", "base.k", "-dumpbase-ext", dice.pick(&[".k", ".c"])]),
                3 => groups.push(vec!["-dumpbase-ext", dice.pick(&[".c", ".exe"])]),
                4 => groups.push(vec![dice.pick(&["-save-temps", "-save-temps=cwd", "-save-temps=obj"])]),
                5 => groups.push(vec!["-flto"]),
                _ => groups.push(vec!["-save-temps=obj", "-dumpdir", "dd/"]),
            }
        }
    }
    for at in (1..groups.len()).rev() {
        groups.swap(at, dice.roll(at + 1));
    }
    groups.concat().into_iter().map(OsString::from).collect()
}

/// Where parser and driver differ.
fn differences(ours: &Invocation, theirs: &DryRun) -> Vec<String> {
    let mut wrong = Vec::new();
    if ours.links != theirs.links {
        wrong.push(format!("links: ours {}", ours.links));
    }
    if ours.sources.len() != theirs.sources.len() {
        wrong.push(format!(
            "sources: ours {:?}",
            ours.sources.iter().map(|source| show(&source.path)).collect::<Vec<_>>()
        ));
        return wrong;
    }
    for (ours_one, theirs) in ours.sources.iter().zip(&theirs.sources) {
        let find = |kind| {
            ours_one.outputs.iter().find(|output| output.kind == kind).map(|output| show(&output.path))
        };
        if show(&ours_one.path) != theirs.path {
            wrong.push(format!("path: ours {:?}, theirs {}", ours_one.path, theirs.path));
        }
        if ours.mode == Mode::Object || ours.mode == Mode::Assembly {
            let output = find(OutputKind::Object).or(find(OutputKind::Assembly));
            if output.as_deref() != theirs.final_output() {
                wrong.push(format!("output: ours {output:?}, theirs {:?}", theirs.output));
            }
        }
        let dependencies = ours_one.dependencies.as_ref().map(|file| show(&file.path));
        if dependencies != theirs.dependencies {
            wrong.push(format!("dependencies: ours {dependencies:?}, theirs {:?}", theirs.dependencies));
        }
        wrong.extend(target_difference(ours.compiler.family, ours_one, theirs));
        if let (Some(usage), Some(stem)) = (find(OutputKind::StackUsage), &theirs.stem)
            && usage != format!("{stem}.su")
        {
            wrong.push(format!("auxiliary: ours {usage}, theirs {stem}.su"));
        }
        for kept in &theirs.kept {
            if !ours.links && !ours_one.outputs.iter().any(|output| show(&output.path) == *kept) {
                wrong.push(format!("kept but not foreseen: {kept}, ours {:?}", ours_one.outputs));
            }
        }
    }
    wrong
}

/// Where the targets of dependency files differ.
fn target_difference(
    family: Family,
    ours: &bakeplan::argparse::Source,
    theirs: &super::dryrun::DrySource,
) -> Option<String> {
    let file = ours.dependencies.as_ref()?;
    let values: Vec<String> =
        file.options.chunks(2).filter(|pair| pair.len() == 2).map(|pair| show(&pair[1])).collect();
    let values: Vec<String> = match family {
        Family::Gcc => values,
        Family::Clang => {
            let quote = |value: &String| value.replace('$', "$$").replace(' ', "\\ ");
            let pairs = file.options.chunks(2).filter(|pair| pair.len() == 2);
            pairs.map(|pair| if pair[0] == "-MQ" { quote(&show(&pair[1])) } else { show(&pair[1]) }).collect()
        }
    };
    let theirs: Vec<String> = theirs.targets.iter().map(|(_, value)| value.clone()).collect();
    let made_explicit = family == Family::Gcc && theirs.is_empty() && values.len() == 1;
    (values != theirs && !made_explicit).then(|| format!("targets: ours {values:?}, theirs {theirs:?}"))
}

/// The numbers that the environment may change.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn installed_drivers_agree() {
    let dir =
        tempfile::Builder::new().prefix("live").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    for name in FILES {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, "").expect("a file");
    }
    fs::create_dir_all(dir.path().join("out")).expect("a directory");
    let cases = number("BAKEPLAN_LIVE_CASES", 150);
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, version) in DRIVERS {
        if !is_installed(name) {
            continue;
        }
        let mut dice = Dice(number("BAKEPLAN_LIVE_SEED", 0x5eed_ba4e) + u64::from(*version));
        let compiler = compiler(name, *version);
        for _ in 0..cases.div_ceil(DRIVERS.len() as u64) {
            let args = draw(&mut dice, compiler.family == Family::Gcc);
            let theirs = dry_run(name, &args, dir.path());
            let ours = parse(&compiler, &args, &|_: &Path| None);
            let ends = matches!(ours.mode, Mode::Object | Mode::Assembly | Mode::Link);
            if theirs.failed || !ends {
                let shown = ours.mode;
                if !theirs.failed && shown == Mode::Error && !theirs.sources.is_empty() {
                    wrong.push(format!("{name} {args:?}\n    taken for an error"));
                }
                continue;
            }
            compared += 1;
            let list = differences(&ours, &theirs);
            if !list.is_empty() {
                wrong.push(format!("{name} {args:?}\n    {}", list.join("\n    ")));
            }
        }
    }
    eprintln!("{compared} command lines compared");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether a program of that name can be run.
fn is_installed(name: &str) -> bool {
    std::process::Command::new(name).arg("-dumpversion").output().is_ok()
}
