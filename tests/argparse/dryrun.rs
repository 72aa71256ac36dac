//! A reader of `COMPILER -###`: what the driver would run, and what that makes of each source.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What the driver would do with one source.
#[derive(Debug, Clone, Default)]
pub(super) struct DrySource {
    pub(super) path: String,
    /// The last output, unless it is a temporary.
    pub(super) output: Option<String>,
    /// Outputs on the way that are kept.
    pub(super) kept: Vec<String>,
    /// The dependency file.
    pub(super) dependencies: Option<String>,
    /// Its targets, as `-cc1` or `cc1` is told.
    pub(super) targets: Vec<(String, String)>,
    /// Stem of gcc's auxiliary files.
    pub(super) stem: Option<String>,
}

/// What the driver would do.
#[derive(Debug, Clone, Default)]
pub(super) struct DryRun {
    pub(super) sources: Vec<DrySource>,
    pub(super) links: bool,
    pub(super) preprocesses: bool,
    pub(super) failed: bool,
}

/// Options whose value is the next token, in the commands of either family.
const SEPARATE: &[&str] = &[
    "-I",
    "-D",
    "-U",
    "-A",
    "-include",
    "-imacros",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-isysroot",
    "-imultiarch",
    "-imultilib",
    "-MF",
    "-MT",
    "-MQ",
    "-MD",
    "-MMD",
    "-dumpdir",
    "-dumpbase",
    "-dumpbase-ext",
    "-o",
    "-aux-info",
    "--param",
    "-x",
    "-dependency-file",
    "-main-file-name",
    "-resource-dir",
    "-mllvm",
    "-triple",
    "-target-cpu",
    "-target-feature",
    "-tune-cpu",
    "-internal-isystem",
    "-internal-externc-isystem",
    "-split-dwarf-file",
    "-split-dwarf-output",
    "-mrelocation-model",
    "-pic-level",
    "-stack-protector",
    "-ferror-limit",
    "-fmessage-length",
    "-stack-usage-file",
    "-dwarf-debug-flags",
];

/// Runs the driver dry in `dir`.
pub(super) fn dry_run(program: &str, args: &[OsString], dir: &Path) -> DryRun {
    let mut command = Command::new(program);
    command.arg("-###").args(args).current_dir(dir).env("LC_ALL", "C").env("TMPDIR", "/tmp");
    let output = command.output().expect(program);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut run = DryRun { failed: !output.status.success() || text.contains("error:"), ..DryRun::default() };
    let mut made: HashMap<String, usize> = HashMap::new();
    for line in text.lines().filter(|line| line.starts_with(' ')) {
        let mut words = words(line);
        let piped = words.last().is_some_and(|word| word == "|");
        words.truncate(words.len() - usize::from(piped));
        if let Some(index) = one_command(&words, &mut run, &mut made) {
            made.remove("-");
            if piped {
                made.insert("-".to_owned(), index);
            }
        }
    }
    run
}

/// Splits a line of `-###`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => word.get_or_insert_default().extend(letters.next()),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

fn is_temporary(path: &str) -> bool {
    path.starts_with("/tmp/")
}

/// Reads one command.
fn one_command(words: &[String], run: &mut DryRun, made: &mut HashMap<String, usize>) -> Option<usize> {
    let program = words[0].rsplit('/').next().unwrap_or_default();
    match program {
        "collect2" | "ld" | "x86_64-linux-gnu-ld" => {
            run.links = true;
            return None;
        }
        "objcopy" | "(in-process)" => return None,
        _ => {}
    }
    let mut source = DrySource::default();
    let (mut dir, mut base, mut ext) = (None, None, None);
    let mut input = None;
    let mut at = 1;
    while at < words.len() {
        let word = words[at].as_str();
        let value = words.get(at + 1).cloned();
        if SEPARATE.contains(&word) {
            match word {
                "-o" => source.output = value,
                "-MF" | "-MD" | "-MMD" | "-dependency-file" => source.dependencies = value,
                "-MT" | "-MQ" => source.targets.extend(value.map(|value| (word.to_owned(), value))),
                "-dumpdir" => dir = value,
                "-dumpbase" => base = value,
                "-dumpbase-ext" => ext = value,
                _ => {}
            }
            at += 2;
            continue;
        }
        if word == "-E" && program != "as" {
            run.preprocesses = true;
        }
        if !word.starts_with('-') || word == "-" {
            input = Some(word.to_owned());
        }
        at += 1;
    }
    // An assembler at the end of a pipe names no input.
    let input = input.or_else(|| made.contains_key("-").then(|| "-".to_owned()))?;
    if let (Some(base), ext) = (base, ext.unwrap_or_default()) {
        let stem = base.strip_suffix(&ext).unwrap_or(&base).to_owned();
        source.stem = Some(dir.unwrap_or_default() + &stem);
    }
    let index = if let Some(index) = made.get(&input) {
        *index
    } else {
        source.path.clone_from(&input);
        run.sources.push(source.clone());
        run.sources.len() - 1
    };
    let output = source.output.clone();
    let known = &mut run.sources[index];
    if known.path != input
        && let Some(before) = known.output.take().filter(|path| !is_temporary(path) && path != "-")
    {
        known.kept.push(before);
    }
    known.output.clone_from(&output);
    if let Some(output) = output {
        made.insert(output, index);
    }
    Some(index)
}

impl DrySource {
    /// The last output if it is no temporary.
    pub(super) fn final_output(&self) -> Option<&str> {
        self.output.as_deref().filter(|path| !is_temporary(path))
    }
}
