//! The rules across options: a finished draft becomes an [`Invocation`].

use std::ffi::{OsStr, OsString};

use super::draft::{Draft, Input};
use super::language::Kind;
use super::names::DumpName;
use super::{
    Arg, DISCARD, Debug, Facts, Family, Invocation, Mode, Output, OutputKind, Refusal, Role, Source, linker,
    names, passed, targets,
};

/// Runs all rules.
pub(super) fn finish(mut draft: Draft) -> Invocation {
    passed::unpack(&mut draft);
    linker::check(&mut draft);
    let mode = mode(&mut draft);
    let links = mode == Mode::Link;
    let mut sources = sources(&draft, mode);
    whole(&mut draft, mode, &sources);
    if links {
        let split = std::mem::take(&mut draft.link_refusals);
        draft.refusals.extend(split);
        link_rules(&mut draft, &sources);
    }
    for source in &mut sources {
        each(&draft, source);
    }
    if draft.refusals.is_empty() && sources.iter().all(|source| !source.refusals.is_empty()) {
        draft.refusals.extend(sources.first().and_then(|source| source.refusals.first()).cloned());
    }
    let facts = facts(&mut draft);
    Invocation {
        compiler: draft.compiler,
        args: draft.args,
        mode,
        links,
        sources,
        output: draft.output,
        facts,
        refusals: draft.refusals,
    }
}

/// What the driver would do.
fn mode(draft: &mut Draft) -> Mode {
    let stops = draft.stops;
    if stops.info {
        return Mode::Info;
    }
    if draft.inputs.is_empty() && !has_linker_input(draft) {
        if draft.args.iter().any(|arg| arg.name == "-v" || arg.name == "--verbose") && !draft.error {
            return Mode::Info;
        }
        draft.error = true;
        return Mode::Error;
    }
    let compiled = draft.inputs.iter().filter(|input| takes_part(draft, input)).count();
    let stopped = stops.preprocess || stops.dependencies || stops.assembly || stops.object;
    let many = match draft.compiler.family {
        Family::Gcc => gcc_counts(draft),
        Family::Clang => compiled,
    };
    if many > 1 && draft.output.is_some() && stopped {
        draft.error = true;
    }
    if draft.compiler.family == Family::Gcc && output_is_input(draft) {
        draft.error = true;
    }
    if draft.compiler.family == Family::Clang && keeps_comments_in_vain(draft) {
        draft.error = true;
    }
    if draft.error {
        return Mode::Error;
    }
    if let Some(forced) = draft.forced {
        let links = forced == Mode::Mixed && !stopped;
        return if links { Mode::Link } else { forced };
    }
    let clang_deps = draft.compiler.family == Family::Clang && (draft.deps.md || draft.deps.mmd);
    if stops.other {
        Mode::Other
    } else if stops.dependencies && !clang_deps {
        by_inputs(draft, Mode::Dependencies)
    } else if stops.preprocess || stops.dependencies {
        by_inputs(draft, Mode::Preprocess)
    } else if stops.syntax {
        by_inputs(draft, Mode::Syntax)
    } else if stops.assembly {
        by_inputs(draft, Mode::Assembly)
    } else if stops.object {
        by_inputs(draft, Mode::Object)
    } else {
        by_inputs(draft, Mode::Link)
    }
}

/// Whether an option counts as an input for the linker.
fn has_linker_input(draft: &Draft) -> bool {
    !draft.to_linker.is_empty() || draft.args.iter().any(|arg| matches!(arg.name, "-l" | "-framework"))
}

/// The mode that the inputs make of what the options ask for.
fn by_inputs(draft: &Draft, asked: Mode) -> Mode {
    let headers = draft.inputs.iter().filter(|input| matches!(input.kind, Kind::Header(_))).count();
    let compiled = draft.inputs.iter().filter(|input| takes_part(draft, input)).count();
    let foreign = draft.inputs.iter().any(|input| matches!(input.kind, Kind::Foreign(_)));
    let assembly =
        |input: &Input| matches!(input.kind, Kind::Source(language) if language.name == "assembler-with-cpp");
    let ends = matches!(asked, Mode::Object | Mode::Assembly | Mode::Link);
    let unit = |input: &Input| matches!(input.kind, Kind::Foreign(name) if name.starts_with("c++-"));
    if ends && draft.compiler.family == Family::Gcc && draft.inputs.iter().any(unit) {
        return Mode::Other;
    }
    if asked == Mode::Syntax && draft.inputs.iter().all(assembly) && compiled > 0 {
        return match draft.compiler.family {
            Family::Clang => Mode::Preprocess,
            Family::Gcc if draft.stops.object => Mode::Object,
            Family::Gcc => Mode::Syntax,
        };
    }
    if ends && headers > 0 {
        return if headers == compiled { Mode::Pch } else { Mode::Mixed };
    }
    if compiled == 0 && asked != Mode::Link {
        return Mode::None;
    }
    if asked == Mode::Assembly && draft.inputs.iter().any(assembly) {
        return if draft.inputs.iter().all(assembly) { Mode::Preprocess } else { Mode::Mixed };
    }
    let llvm = draft.compiler.family == Family::Clang && draft.facts.lto && asked != Mode::Link;
    let bitcode = |input: &Input| matches!(input.kind, Kind::Source(language) if !matches!(language.name, "assembler" | "assembler-with-cpp"));
    if llvm && ends && (foreign || draft.inputs.iter().any(bitcode)) {
        let plain = |input: &Input| takes_part(draft, input) && !bitcode(input);
        return if draft.inputs.iter().any(plain) && !foreign { Mode::Mixed } else { Mode::Other };
    }
    asked
}

/// How many inputs gcc counts when it asks whether `-o` can name one output: one whose language was set to
/// another than the one before it is not among them.
fn gcc_counts(draft: &Draft) -> usize {
    let (mut count, mut last) = (0, None);
    for input in draft.inputs.iter().filter(|input| !matches!(input.kind, Kind::Linker)) {
        let name = input.path.as_encoded_bytes();
        // g++ sets the language of these itself.
        let set = draft.compiler.cxx && [b".c", b".i", b".h"].iter().any(|end| name.ends_with(*end));
        if count == 0 || last == Some(input.kind) || !(input.given || set) {
            count += 1;
            last = Some(input.kind);
        }
    }
    count
}

/// Whether an input is one for the compiler in this mode.
fn takes_part(draft: &Draft, input: &Input) -> bool {
    let stops = draft.stops;
    match input.kind {
        Kind::Linker => false,
        Kind::Header(_) | Kind::Foreign(_) | Kind::Stdin => true,
        Kind::Source(language) => {
            if stops.preprocess || stops.dependencies {
                language.preprocessed
            } else if stops.assembly {
                language.name != "assembler"
            } else {
                true
            }
        }
    }
}

/// clang refuses to keep comments in text that it does not print.
fn keeps_comments_in_vain(draft: &Draft) -> bool {
    let keeps = |arg: &Arg| matches!(arg.name, "-C" | "-CC" | "--comments" | "--comments-in-macros");
    let preprocessed = |input: &Input| matches!(input.kind, Kind::Source(language) if language.preprocessed);
    !draft.stops.preprocess && draft.args.iter().any(keeps) && draft.inputs.iter().any(preprocessed)
}

/// gcc refuses to write over an input.
fn output_is_input(draft: &Draft) -> bool {
    draft.output.as_ref().is_some_and(|output| {
        output != "-" && output != "/dev/null" && draft.inputs.iter().any(|input| input.path == *output)
    })
}

/// The sources with all that their compiles leave.
fn sources(draft: &Draft, mode: Mode) -> Vec<Source> {
    if matches!(mode, Mode::Info | Mode::Error | Mode::None) {
        return Vec::new();
    }
    let mut sources = Vec::new();
    for input in draft.inputs.iter().filter(|input| takes_part(draft, input)) {
        let language = match input.kind {
            Kind::Source(language) | Kind::Header(language) => language,
            Kind::Foreign(name) => super::Language { name, preprocessed: false },
            Kind::Stdin | Kind::Linker => super::Language { name: "c", preprocessed: true },
        };
        let dump = names::gcc_dump_name(draft, mode, &input.path, draft.inputs.len());
        let dependencies = targets::dependencies(draft, &input.path, language, &dump);
        let mut outputs: Vec<Output> = primary(draft, mode, &input.path, &dump).into_iter().collect();
        outputs.extend(dependencies.as_ref().map(|file| Output {
            kind: OutputKind::Dependencies,
            path: file.path.clone(),
            optional: false,
        }));
        let gcc = draft.compiler.family == Family::Gcc;
        outputs.extend(if gcc {
            names::gcc_extras(draft, mode, language, &dump)
        } else {
            names::clang_extras(draft, mode, language, &input.path)
        });
        let told = draft.dump.dir.is_some() || draft.dump.base.is_some() || draft.dump.ext.is_some();
        let naming = if gcc && (mode == Mode::Link || told) { dump.options() } else { Vec::new() };
        sources.push(Source {
            path: input.path.clone(),
            arg: input.arg,
            language,
            language_given: input.given,
            outputs,
            dependencies,
            naming,
            refusals: Vec::new(),
        });
    }
    sources
}

/// The file that the mode is for; none where it is a temporary of the link that is not kept.
fn primary(draft: &Draft, mode: Mode, source: &OsStr, dump: &DumpName) -> Option<Output> {
    let family = draft.compiler.family;
    if mode == Mode::Link {
        draft.save_temps?;
        let path = match family {
            Family::Gcc => dump.file(b".o"),
            Family::Clang => names::clang_temporary(draft, source, b".o"),
        };
        return Some(Output { kind: OutputKind::Object, path, optional: false });
    }
    let (kind, path) = match mode {
        Mode::Object => (OutputKind::Object, names::join(&[names::stem(family, source), b".o"])),
        Mode::Other if draft.stops.object && !draft.stops.other && !draft.stops.assembly => {
            (OutputKind::Object, names::join(&[names::stem(family, source), b".o"]))
        }
        Mode::Assembly => (OutputKind::Assembly, names::join(&[names::stem(family, source), b".s"])),
        Mode::Preprocess => (OutputKind::Preprocessed, OsString::from("-")),
        Mode::Pch => (OutputKind::Pch, names::join(&[source.as_encoded_bytes(), b".gch"])),
        _ => return None,
    };
    Some(Output { kind, path: draft.output.clone().unwrap_or(path), optional: false })
}

/// Refusals of the whole that the mode and the inputs give.
fn whole(draft: &mut Draft, mode: Mode, sources: &[Source]) {
    let shown = draft.output.clone().unwrap_or_default();
    let none = sources.is_empty();
    let foreign = draft.inputs.iter().find(|input| matches!(input.kind, Kind::Foreign(_)));
    let foreign = foreign.map(|input| input.path.clone());
    let mut refuse = |token, why| draft.refusals.push(Refusal::new(token, shown.clone(), why));
    match mode {
        Mode::Link if none => refuse("nothing-to-compile", "only the linker has work"),
        Mode::Preprocess => refuse("preprocess-only", "the result is preprocessed text"),
        Mode::Dependencies => refuse("dependencies-only", "the result is a list of dependencies"),
        Mode::Pch => refuse("makes-pch", "the result is a precompiled header"),
        Mode::Syntax => refuse("syntax-only", "there is no result"),
        Mode::Info => refuse("prints-information", "the driver prints and does no work"),
        Mode::None => refuse("nothing-to-compile", "no input takes part"),
        Mode::Error => refuse("driver-error", "the driver refuses the command line"),
        Mode::Mixed => refuse("mixed-outputs", "the inputs end in different kinds of output"),
        Mode::Other if draft.stops.other || draft.stops.assembly => {
            refuse("other-product", "the result is neither object nor assembly");
        }
        Mode::Object | Mode::Assembly | Mode::Link | Mode::Other | Mode::Crate => {}
    }
    if draft.stops.syntax && mode != Mode::Syntax {
        draft.refusals.push(Refusal::new("syntax-only", "-fsyntax-only", "there may be no result"));
    }
    if matches!(mode, Mode::Object | Mode::Assembly | Mode::Link) && dependencies_in_vain(draft) {
        let why = "the compiler fails, or warns that it is of no use";
        draft.refusals.push(Refusal::new("dependencies-in-vain", shown, why));
    }
    if mode == Mode::Assembly && draft.compiler.family == Family::Clang && draft.debug.split {
        let why = "clang leaves an empty file beside the assembly";
        draft.refusals.push(Refusal::new("split-dwarf-assembly", "-gsplit-dwarf", why));
    }
    // What is said of the whole is not said again on a hit, nor by the command of one unit.
    if draft.language_seen && draft.language.is_some() && draft.compiler.family == Family::Gcc {
        draft.refusals.push(Refusal::new("language-in-vain", "-x", "gcc warns of it behind the last input"));
    }
    if let Some(path) = foreign {
        draft.refusals.push(Refusal::new("unsupported-language", path, "no language of this table"));
    }
    if draft.arches.windows(2).any(|pair| pair[0] != pair[1]) {
        let arch = draft.arches[1].clone();
        draft.refusals.push(Refusal::new("several-architectures", arch, "compiles more than once"));
    }
    if draft.facts.response_files && draft.args.len() > 1 << 18 {
        draft.refusals.push(Refusal::new("too-many-arguments", "@", "more than any build has"));
    }
}

/// Options about a dependency file where none is asked for (an error to gcc's compiler proper, a warning of
/// clang's driver), or, with clang, where it is asked for twice (the driver warns of the one that loses).
fn dependencies_in_vain(draft: &Draft) -> bool {
    let deps = &draft.deps;
    let asked = deps.md || deps.mmd || deps.passed.is_some();
    let details = deps.file.is_some()
        || deps.phony
        || deps.missing
        || !deps.targets.is_empty()
        || !deps.passed_targets.is_empty();
    let twice = deps.md && deps.mmd && draft.compiler.family == Family::Clang;
    details && !asked || twice
}

/// Rules for a compile-and-link that is to be split.
fn link_rules(draft: &mut Draft, sources: &[Source]) {
    let clang = draft.compiler.family == Family::Clang;
    let old = draft.compiler.version.0 != 0 && draft.compiler.version.0 < 11;
    let mut refuse = |token, argument: &str, why| draft.refusals.push(Refusal::new(token, argument, why));
    if sources.is_empty() {
        return;
    }
    if draft.save_temps.is_some() && draft.facts.lto {
        refuse("save-temps-link", "-save-temps", "the link itself keeps files of its own");
    }
    // It hands each program its arguments in a file then, and keeps those files, too.
    if draft.save_temps.is_some() && draft.facts.response_files && !clang {
        refuse("save-temps-link", "@", "the files with the arguments of each program are kept");
    }
    let outputs = draft.args.iter().filter(|arg| arg.role == Role::Output).count();
    if outputs > 1 && (draft.deps.md || draft.deps.mmd) && !clang {
        refuse("several-outputs", "-o", "gcc names a dependency file for each, and then fails");
    }
    if draft.facts.coverage {
        refuse("coverage-link", "--coverage", "names of notes and counters follow the link");
    }
    let extras = draft.debug.split || draft.extras.stack_usage || draft.extras.call_graph;
    if extras && (clang || old) {
        refuse("auxiliary-link", "-gsplit-dwarf", "names of auxiliary files follow the link");
    }
    if draft.facts.records_command_line {
        let option = draft.recording.clone().unwrap_or_default();
        let why = "it prints or records the whole command";
        draft.refusals.push(Refusal::new("recorded-link", option, why));
    }
}

/// Refusals of one source.
fn each(draft: &Draft, source: &mut Source) {
    let odd = draft.compiler.family == Family::Gcc && source.path.as_encoded_bytes().ends_with(b"-");
    if odd && source.path != "-" {
        let why = "gcc reads standard input for it";
        source.refusals.push(Refusal::new("stdin-source", source.path.clone(), why));
    }
    // What goes to /dev/null need not be put in place; other devices are the compiler's.
    let device = |path: &OsStr| {
        path == "-" || path.as_encoded_bytes().starts_with(b"/dev/") && path != OsStr::new(DISCARD)
    };
    if let Some(output) = source.outputs.iter().find(|output| device(&output.path)) {
        let why = "the output is no file to put in place";
        source.refusals.push(Refusal::new("output-is-device", output.path.clone(), why));
    }
    if let Some(file) = &source.dependencies
        && file.path.is_empty()
    {
        source.refusals.push(Refusal::new("empty-output", "-MF", "a dependency file without a name"));
    }
}

/// The facts that several options decide together.
fn facts(draft: &mut Draft) -> Facts {
    let mut facts = std::mem::take(&mut draft.facts);
    let gcc = draft.compiler.family == Family::Gcc;
    let level = match (draft.debug.level, draft.debug.toggled) {
        (0, true) => 2,
        (_, true) => 0,
        (level, false) => level,
    };
    facts.debug = match level {
        0 => Debug::None,
        3 if gcc => Debug::Macros,
        _ if draft.debug.macros => Debug::Macros,
        _ => Debug::Some,
    };
    facts.split_dwarf = draft.debug.split && (gcc || level > 0);
    facts.records_cwd |= facts.coverage;
    facts.save_temps = draft.save_temps.is_some();
    if gcc {
        let level = draft.warnings.fallthrough.or(draft.warnings.extra.then_some(3));
        facts.fallthrough = level.filter(|level| *level > 0);
    }
    facts.layout_warnings = draft.warnings.all || draft.warnings.layout;
    facts.comment_warnings = draft.warnings.layout;
    facts
}
