//! Dependency files: where the driver puts them and what their rules are for.

use std::ffi::{OsStr, OsString};

use super::draft::Draft;
use super::names::{self, DumpName};
use super::{DependencyFile, Family, Language};

/// The dependency file of one source, if it gets one.
pub(super) fn dependencies(
    draft: &Draft,
    source: &OsStr,
    language: Language,
    dump: &DumpName,
) -> Option<DependencyFile> {
    let deps = &draft.deps;
    let asked = deps.md || deps.mmd;
    if !language.preprocessed || draft.stops.dependencies || !(asked || deps.passed.is_some()) {
        return None;
    }
    let mut file = match draft.compiler.family {
        Family::Gcc => gcc(draft, source, dump),
        Family::Clang => clang(draft, source),
    };
    for (on, name) in [(deps.phony, "-MP"), (deps.missing, "-MG"), (deps.nmake, "-MV")] {
        if on {
            file.options.push(OsString::from(name));
        }
    }
    Some(file)
}

/// gcc: `-MD`'s own file, then `-MF`, then `-Wp,`: the last one wins.
fn gcc(draft: &Draft, source: &OsStr, dump: &DumpName) -> DependencyFile {
    let deps = &draft.deps;
    let asked = deps.md || deps.mmd;
    let own = || match &draft.output {
        Some(output) => names::replace_suffix(output, b".d"),
        None => dump.file(b".d"),
    };
    let path = match (&deps.passed, &deps.file) {
        (Some((_, file)), _) | (None, Some(file)) => file.clone(),
        (None, None) => own(),
    };
    // The specs write `-MD` before `-MMD`, whatever the order on the command line.
    let system = deps.passed.as_ref().map_or(!deps.mmd, |(system, _)| *system);
    let mut options = Vec::new();
    for kind in ["-MQ", "-MT"] {
        push_targets(&mut options, deps.targets.iter().filter(|(name, _)| *name == kind));
    }
    if let (true, true, Some(output)) = (options.is_empty(), asked, &draft.output) {
        options.extend([OsString::from("-MQ"), output.clone()]);
    }
    push_targets(&mut options, deps.passed_targets.iter());
    if options.is_empty() {
        options.extend([OsString::from("-MQ"), default_target(source)]);
    }
    DependencyFile { path, system, options }
}

/// Writes targets as options.
fn push_targets<'a>(
    options: &mut Vec<OsString>,
    targets: impl Iterator<Item = &'a (&'static str, OsString)>,
) {
    for (name, target) in targets {
        options.extend([OsString::from(name), target.clone()]);
    }
}

/// clang: `-MF`, else named after `-o`, else after the source.
fn clang(draft: &Draft, source: &OsStr) -> DependencyFile {
    let deps = &draft.deps;
    let path = match (&deps.file, &draft.output) {
        (Some(file), _) => file.clone(),
        (None, Some(output)) => names::replace_suffix(output, b".d"),
        (None, None) => names::join(&[names::stem(Family::Clang, source), b".d"]),
    };
    let mut options = Vec::new();
    push_targets(&mut options, deps.targets.iter());
    if options.is_empty() {
        let target = draft.output.clone().unwrap_or_else(|| default_target(source));
        options.extend([OsString::from("-MQ"), target]);
    }
    DependencyFile { path, system: !deps.mmd, options }
}

/// The object that a compile of `source` alone would make.
fn default_target(source: &OsStr) -> OsString {
    names::replace_suffix(&names::join(&[names::file_name(source.as_encoded_bytes())]), b".o")
}
