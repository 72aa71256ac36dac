//! The parser against what real drivers did: command lines of real builds and made by hand, with what
//! `-###` said about each.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use bakeplan::argparse::{Family, Invocation, Mode, OutputKind, Source, parse};
use serde_json::Value;

use super::support::{corpus_compiler, reader, show, text, texts, tokens};

const CORPUS: &str = include_str!("../../fixtures/corpus/gcc-clang.jsonl");

/// The mode that the corpus names.
fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Object => "c",
        Mode::Assembly => "S",
        Mode::Preprocess => "preprocess",
        Mode::Dependencies => "M",
        Mode::Link => "link",
        Mode::Pch => "pch",
        Mode::Syntax => "syntax",
        Mode::Info => "info",
        Mode::None => "none",
        Mode::Error => "error",
        Mode::Mixed => "mixed",
        Mode::Other => "other",
        Mode::Crate => "crate",
    }
}

/// The corpus' finer names as the plan's contract has them.
fn contract_mode(name: &str) -> &str {
    match name {
        "c-llvm" | "S-llvm" | "header-unit" | "module" | "cc1-direct" => "other",
        name if name.starts_with("other:") => "other",
        name => name,
    }
}

fn parse_record(record: &Value) -> Invocation {
    let files: HashMap<Vec<u8>, Vec<u8>> = record["rsp"]
        .as_object()
        .map(|files| {
            let pair = |(name, content): (&String, &Value)| {
                (name.as_bytes()[1..].to_vec(), text(content).as_bytes().to_vec())
            };
            files.iter().map(pair).collect()
        })
        .unwrap_or_default();
    let tool = record["tool"].as_str().expect("tool");
    parse(&corpus_compiler(tool), &texts(&record["argv"]), &reader(files))
}

/// clang's quoting of make targets.
fn quoted(target: &OsStr) -> OsString {
    let mut out = Vec::new();
    let bytes = target.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b' ' | b'\t' => {
                let slashes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                out.extend(std::iter::repeat_n(b'\\', slashes + 1));
            }
            b'$' => out.push(b'$'),
            b'#' => out.push(b'\\'),
            _ => {}
        }
        out.push(*byte);
    }
    OsStr::from_bytes(&out).to_owned()
}

/// The differences between a source and what the driver did with it.
fn compare_source(family: Family, mode: Mode, source: &Source, truth: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, ours: Option<&OsStr>, theirs: Option<OsString>| {
        if ours != theirs.as_deref() {
            wrong.push(format!("{what}: ours {ours:?}, theirs {theirs:?}"));
        }
    };
    check("path", Some(&source.path), Some(text(&truth["path"])));
    check("language", Some(OsStr::new(source.language.name)), Some(text(&truth["lang"])));
    let output = |kinds: &[OutputKind]| {
        source
            .outputs
            .iter()
            .find(|output| kinds.contains(&output.kind))
            .map(|output| output.path.as_os_str())
    };
    let theirs = Some(&truth["out"]).filter(|out| !out.is_null()).map(text);
    let ours = output(&[OutputKind::Object, OutputKind::Assembly, OutputKind::Preprocessed]);
    let none = mode == Mode::Link;
    if !none || ours.is_some() {
        check("output", ours, theirs);
    }
    let dep = Some(&truth["dep"]).filter(|dep| dep["style"].is_string());
    let file = source.dependencies.as_ref().map(|file| file.path.as_os_str());
    let stdout = |dep: &Value| if dep["file"].is_null() { OsString::from("-") } else { text(&dep["file"]) };
    check("dependencies", file, dep.map(stdout));
    if let (Some(dep), Some(file)) = (dep, &source.dependencies) {
        let style = if file.system { "MD" } else { "MMD" };
        check("style", Some(OsStr::new(style)), Some(text(&dep["style"])));
        let mut theirs: Vec<(OsString, OsString)> = Vec::new();
        for pair in dep["targets"].as_array().into_iter().flatten() {
            theirs.push((text(&pair[0]), text(&pair[1])));
        }
        let mut ours: Vec<(OsString, OsString)> = Vec::new();
        let mut options = file.options.iter();
        while let Some(option) = options.next() {
            if option == "-MT" || option == "-MQ" {
                let value = options.next().expect("a target");
                let clang = family == Family::Clang;
                let value = if clang && option == "-MQ" { quoted(value) } else { value.clone() };
                ours.push((if clang { "-MT".into() } else { option.clone() }, value));
            }
        }
        let by_default = family == Family::Gcc && theirs.is_empty() && ours.len() == 1 && ours[0].0 == "-MQ";
        if ours != theirs && !by_default {
            wrong.push(format!("targets: ours {ours:?}, theirs {theirs:?}"));
        }
        for flag in ["MP", "MG", "MV"] {
            let ours = file.options.iter().any(|option| option.as_bytes() == format!("-{flag}").as_bytes());
            if ours != (dep[flag] == true) {
                wrong.push(format!("{flag}: ours {ours}"));
            }
        }
    }
    if truth["dwo"].is_string() {
        let ours = source.outputs.iter().find(|output| output.kind == OutputKind::Dwo);
        if ours.map(|output| output.path.clone()) != Some(text(&truth["dwo"])) {
            wrong.push(format!("dwo: ours {ours:?}, theirs {}", truth["dwo"]));
        }
    }
    wrong
}

/// The differences between an invocation and a record.
fn compare(invocation: &Invocation, record: &Value) -> Vec<String> {
    let truth = &record["truth"];
    let mut wrong = Vec::new();
    let theirs = contract_mode(truth["mode"].as_str().expect("mode"));
    if mode_name(invocation.mode) != theirs {
        wrong.push(format!("mode: ours {}, theirs {theirs}", mode_name(invocation.mode)));
    }
    if invocation.links != (truth["links"] == true) {
        wrong.push(format!("links: ours {}", invocation.links));
    }
    let sources = truth["sources"].as_array().expect("sources");
    if sources.len() != invocation.sources.len() {
        wrong.push(format!("sources: ours {}, theirs {}", invocation.sources.len(), sources.len()));
    }
    let outputs: Vec<&[u8]> = invocation
        .sources
        .iter()
        .flat_map(|source| &source.outputs)
        .map(|output| output.path.as_bytes())
        .collect();
    for (ours, theirs) in invocation.sources.iter().zip(sources) {
        wrong.extend(compare_source(invocation.compiler.family, invocation.mode, ours, theirs));
        for side in theirs["intermediates"].as_array().into_iter().flatten().map(text) {
            if !outputs.contains(&side.as_bytes()) {
                wrong.push(format!("intermediate not foreseen: {side:?}"));
            }
        }
    }
    for side in truth["side_outputs"].as_array().into_iter().flatten().map(text) {
        // What the shell redirected is not the compiler's, nor are others' temporary files.
        let foreign = side.as_bytes().ends_with(b".err") || side.as_bytes().starts_with(b"/tmp/cc");
        if !outputs.contains(&side.as_bytes()) && !foreign {
            wrong.push(format!("not foreseen: {side:?}"));
        }
    }
    wrong
}

/// Figures over one kind of records.
#[derive(Default)]
struct Tally {
    compiles: usize,
    refused: usize,
}

#[test]
fn every_record_that_is_not_refused_is_right() {
    let mut wrong = Vec::new();
    let mut tallies: BTreeMap<bool, Tally> = BTreeMap::new();
    let mut forms: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut reasons: BTreeMap<(bool, &str), Vec<String>> = BTreeMap::new();
    let (mut harmless_errors, mut refused_modes) = (0, 0);
    for line in CORPUS.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let invocation = parse_record(&record);
        let by_hand = record["project"] == "hand";
        let truth = &record["truth"];
        let mode = truth["mode"].as_str().expect("mode");
        let argv: Vec<String> = texts(&record["argv"]).iter().map(|arg| show(arg)).collect();
        let shown = format!("{} {} {}", record["id"], record["tool"], argv.join(" "));
        let refused = !tokens(&invocation).is_empty();
        // The environment is not the parser's to know.
        if record["env"].get("GCC_COMPARE_DEBUG").is_some() {
            continue;
        }
        if mode == "error" {
            harmless_errors += usize::from(!refused);
            continue;
        }
        let compiles = matches!(mode, "c" | "S" | "link")
            && truth["dry_run"] != true
            && record["exit"] == 0
            && !truth["sources"].as_array().expect("sources").is_empty();
        if compiles {
            let tally = tallies.entry(by_hand).or_default();
            tally.compiles += 1;
            tally.refused += usize::from(refused);
            let family = if invocation.compiler.family == Family::Gcc { "gcc" } else { "clang" };
            let form = forms.entry(format!("{} {family} {mode}", record["project"] == "hand")).or_default();
            form.0 += 1;
            form.1 += usize::from(!refused);
            if refused {
                reasons.entry((by_hand, tokens(&invocation)[0])).or_default().push(shown.clone());
            }
        }
        let differences = compare(&invocation, &record);
        if refused {
            refused_modes += usize::from(differences.iter().any(|text| text.starts_with("mode")));
            if std::env::var_os("CORPUS_MODES").is_some() && !differences.is_empty() {
                eprintln!("REFUSED {shown}\n    {}", differences.join("\n    "));
            }
        } else if !differences.is_empty() {
            wrong.push(format!("{shown}\n    {}", differences.join("\n    ")));
        }
    }
    report(&tallies, &forms, &reasons, harmless_errors, refused_modes);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    for (by_hand, tally) in tallies {
        let most = if by_hand { 15 } else { 2 };
        assert!(tally.refused * 100 <= tally.compiles * most, "by hand {by_hand}: too many refused");
    }
}

fn report(
    tallies: &BTreeMap<bool, Tally>,
    forms: &BTreeMap<String, (usize, usize)>,
    reasons: &BTreeMap<(bool, &str), Vec<String>>,
    harmless_errors: usize,
    refused_modes: usize,
) {
    let verbose = std::env::var_os("CORPUS_VERBOSE").is_some();
    for ((by_hand, token), lines) in reasons {
        eprintln!("refused (by hand: {by_hand}) {token}: {}", lines.len());
        for line in lines.iter().filter(|_| verbose) {
            eprintln!("    {}", line.chars().take(400).collect::<String>());
        }
    }
    for (form, (all, cacheable)) in forms {
        eprintln!("by hand {form}: {cacheable} of {all} cacheable");
    }
    for (by_hand, tally) in tallies {
        eprintln!("by hand {by_hand}: {} of {} compiles refused", tally.refused, tally.compiles);
    }
    eprintln!(
        "driver errors taken for compiles: {harmless_errors}; refused with another mode: {refused_modes}"
    );
}
