//! Names that drivers derive: objects, dependency files, auxiliary files.

use std::ffi::{OsStr, OsString};

use super::draft::{Draft, SaveTemps};
use super::response::from_bytes;
use super::{Family, Language, Mode, Output, OutputKind};

/// The part behind the last `/`.
pub(super) fn file_name(path: &[u8]) -> &[u8] {
    &path[path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1)..]
}

/// The part up to and with the last `/`.
pub(super) fn directory(path: &[u8]) -> &[u8] {
    &path[..path.len() - file_name(path).len()]
}

/// A file name's suffix with its dot, if it has one. For gcc, a dot in front begins no suffix.
fn suffix(family: Family, path: &[u8]) -> &[u8] {
    let name = file_name(path);
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(0) if family == Family::Gcc => &[],
        Some(at) => &name[at..],
        None => &[],
    }
}

/// The path without its suffix.
fn without_suffix(family: Family, path: &[u8]) -> &[u8] {
    &path[..path.len() - suffix(family, path).len()]
}

/// The source's file name without its suffix.
pub(super) fn stem(family: Family, source: &OsStr) -> &[u8] {
    without_suffix(family, file_name(source.as_encoded_bytes()))
}

/// Joins byte strings to an argument.
pub(super) fn join(parts: &[&[u8]]) -> OsString {
    from_bytes(&parts.concat())
}

/// `path` with what stands behind its file name's last dot replaced, as specs' `%.d%*` and LLVM's
/// `replace_extension` do it.
pub(super) fn replace_suffix(path: &OsStr, new: &[u8]) -> OsString {
    let bytes = path.as_encoded_bytes();
    let name = file_name(bytes);
    let cut = name.iter().rposition(|byte| *byte == b'.').map_or(0, |at| name.len() - at);
    join(&[&bytes[..bytes.len() - cut], new])
}

/// Whether gcc takes an output name for no file: names of auxiliary files do not follow it.
fn not_a_file(output: &[u8]) -> bool {
    output == b"-" || output == b"/dev/null"
}

/// How gcc names a source's auxiliary files: `dir` in front, then `base` without `ext`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DumpName {
    dir: Vec<u8>,
    base: Vec<u8>,
    ext: Vec<u8>,
}

impl DumpName {
    /// The name of an auxiliary file with `suffix`.
    pub(super) fn file(&self, suffix: &[u8]) -> OsString {
        let stem = self.base.strip_suffix(&self.ext[..]).unwrap_or(&self.base);
        join(&[&self.dir, stem, suffix])
    }

    /// The options that say it.
    pub(super) fn options(&self) -> Vec<OsString> {
        let mut options = Vec::with_capacity(6);
        for (name, value) in
            [("-dumpdir", &self.dir), ("-dumpbase", &self.base), ("-dumpbase-ext", &self.ext)]
        {
            // Without `-dumpdir` the directory of the temporary object would be it.
            if !value.is_empty() || name == "-dumpdir" {
                options.extend([OsString::from(name), from_bytes(value)]);
            }
        }
        options
    }
}

/// gcc's rules (from 11 on) for `source`, `inputs` being how many inputs there are.
pub(super) fn gcc_dump_name(draft: &Draft, mode: Mode, source: &OsStr, inputs: usize) -> DumpName {
    let output = draft.output.as_deref().map(OsStr::as_encoded_bytes).filter(|output| !not_a_file(output));
    let no_file = draft.output.is_some() && output.is_none();
    let links = mode == Mode::Link;
    let explicit = draft.dump.dir.as_deref().map(OsStr::as_encoded_bytes);
    let overridden = draft.save_temps_last;
    let mut dir = match (explicit, output) {
        (Some(dir), _) if !overridden => Some(dir.to_vec()),
        _ if no_file => explicit.map(<[u8]>::to_vec),
        (_, Some(output)) if draft.save_temps != Some(SaveTemps::Cwd) => Some(directory(output).to_vec()),
        _ => None,
    }
    .unwrap_or_default();

    let mut base = draft.dump.base.as_deref().map(|base| base.as_encoded_bytes().to_vec());
    let mut ext = draft.dump.ext.as_deref().map(|ext| ext.as_encoded_bytes().to_vec());
    if let (Some(base), Some(end)) = (&base, &ext)
        && !base.is_empty()
        && (end.len() >= base.len() || !base.ends_with(end))
    {
        ext = None;
    }
    if base.as_ref().is_some_and(|base| !base.is_empty() && (inputs > 1 || (links && explicit.is_none()))) {
        let name = base.take().unwrap_or_default();
        let end = ext.take().unwrap_or_default();
        dir = [&dir, name.strip_suffix(&end[..]).unwrap_or(&name), b"-"].concat();
    } else if links && (explicit.is_none() || base.as_ref().is_some_and(Vec::is_empty)) {
        let product = product_name(output, ext.as_deref());
        let name = file_name(source.as_encoded_bytes());
        let same = inputs == 1 && adds_single_suffix(name, &product);
        if base.is_none() && !same {
            dir = [&dir, &product[..], b"-"].concat();
        }
    }
    finish_dump_name(draft, links, dir, base, ext, source)
}

/// The linked file's name, without the suffixes that gcc takes off.
fn product_name(output: Option<&[u8]>, ext: Option<&[u8]>) -> Vec<u8> {
    let Some(name) = output.map(file_name) else { return b"a".to_vec() };
    let cut = match ext {
        Some(ext) if !ext.is_empty() => name.strip_suffix(ext).filter(|rest| !rest.is_empty()),
        _ if name == b"a.out" => Some(&b"a"[..]),
        _ => name.strip_suffix(b".exe").filter(|rest| !rest.is_empty()),
    };
    cut.unwrap_or(name).to_vec()
}

/// Whether `file` is `stem` with one suffix.
fn adds_single_suffix(file: &[u8], stem: &[u8]) -> bool {
    file.strip_prefix(stem).is_some_and(|rest| rest.first() == Some(&b'.') && !rest[1..].contains(&b'.'))
}

/// Puts the base together: `-dumpbase`, else the name of `-o` with the source's suffix, else the source.
fn finish_dump_name(
    draft: &Draft,
    links: bool,
    dir: Vec<u8>,
    base: Option<Vec<u8>>,
    ext: Option<Vec<u8>>,
    source: &OsStr,
) -> DumpName {
    let name = file_name(source.as_encoded_bytes());
    let own = suffix(Family::Gcc, name).to_vec();
    if let Some(base) = base.filter(|base| !base.is_empty()) {
        return DumpName { dir, base, ext: ext.unwrap_or_default() };
    }
    let output = draft.output.as_deref().map(OsStr::as_encoded_bytes).filter(|output| !not_a_file(output));
    match output {
        // An empty `-dumpbase` asks for the source's name.
        Some(output) if !links && draft.dump.base.as_deref().is_none_or(|base| !base.is_empty()) => {
            let base = [without_suffix(Family::Gcc, file_name(output)), &own].concat();
            DumpName { dir, base, ext: own }
        }
        _ => DumpName { dir, base: name.to_vec(), ext: own },
    }
}

/// The auxiliary files of one source, gcc's names.
pub(super) fn gcc_extras(draft: &Draft, mode: Mode, language: Language, name: &DumpName) -> Vec<Output> {
    let mut extras = Vec::new();
    let mut add = |kind, suffix: &[u8], optional| {
        extras.push(Output { kind, path: name.file(suffix), optional });
    };
    let assembler = matches!(language.name, "assembler" | "assembler-with-cpp");
    if draft.debug.split && mode != Mode::Assembly {
        add(OutputKind::Dwo, b".dwo", true);
    }
    if draft.extras.notes && !assembler {
        add(OutputKind::Gcno, b".gcno", true);
    }
    if draft.extras.stack_usage && !assembler {
        add(OutputKind::StackUsage, b".su", true);
    }
    if draft.extras.call_graph && !assembler {
        add(OutputKind::CallGraph, b".ci", true);
    }
    if draft.save_temps.is_some() {
        if language.preprocessed && !assembler {
            add(OutputKind::TemporaryPreprocessed, preprocessed_suffix(language), false);
        }
        if language.name != "assembler" && mode != Mode::Assembly {
            add(OutputKind::TemporaryAssembly, b".s", false);
        }
    }
    extras
}

/// The suffix of a language's preprocessed text.
fn preprocessed_suffix(language: Language) -> &'static [u8] {
    match language.name {
        "c++" => b".ii",
        "objective-c" => b".mi",
        "objective-c++" => b".mii",
        _ => b".i",
    }
}

/// The auxiliary files of one source, clang's names.
pub(super) fn clang_extras(draft: &Draft, mode: Mode, language: Language, source: &OsStr) -> Vec<Output> {
    let beside = |suffix: &[u8]| match &draft.output {
        Some(output) => replace_suffix(output, suffix),
        None => join(&[stem(Family::Clang, source), suffix]),
    };
    let mut extras = Vec::new();
    let mut add = |kind, path, optional| extras.push(Output { kind, path, optional });
    let assembler = matches!(language.name, "assembler" | "assembler-with-cpp");
    if draft.debug.split && draft.debug.level > 0 && mode != Mode::Assembly {
        add(OutputKind::Dwo, beside(b".dwo"), true);
    }
    if draft.extras.notes && !assembler {
        add(OutputKind::Gcno, beside(b".gcno"), true);
    }
    if draft.extras.stack_usage && !assembler {
        add(OutputKind::StackUsage, beside(b".su"), true);
    }
    if draft.save_temps.is_some() {
        let name = |suffix: &[u8]| clang_temporary(draft, source, suffix);
        if language.preprocessed {
            let suffix = if assembler { b".s" } else { preprocessed_suffix(language) };
            let kind =
                if assembler { OutputKind::TemporaryAssembly } else { OutputKind::TemporaryPreprocessed };
            add(kind, name(suffix), false);
        }
        if !assembler {
            add(OutputKind::TemporaryBitcode, name(b".bc"), false);
            if mode != Mode::Assembly {
                add(OutputKind::TemporaryAssembly, name(b".s"), false);
            }
        }
    }
    extras
}

/// The name of a file that clang keeps for `-save-temps`.
pub(super) fn clang_temporary(draft: &Draft, source: &OsStr, suffix: &[u8]) -> OsString {
    let dir = match (&draft.output, draft.save_temps) {
        (Some(output), Some(SaveTemps::Obj)) => directory(output.as_encoded_bytes()),
        _ => b"",
    };
    join(&[dir, stem(Family::Clang, source), suffix])
}
