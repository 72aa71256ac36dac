//! What options do: the `fn`s that rows of the table name. Each only records; rules across options run
//! when the draft is finished.

use std::ffi::OsString;

use super::draft::{Draft, SaveTemps};
use super::language;
use super::response::from_bytes;
use super::spec::{Shape, Value};
use super::{Family, Mode, Refusal};

/// Nothing beyond standing on the command line.
#[allow(clippy::unnecessary_wraps, reason = "an `Act`")]
pub(super) fn plain(_: &mut Draft, _: &Value) -> Result<(), Refusal> {
    Ok(())
}

/// Defines acts that only record something and never refuse.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident($draft:ident, $value:ident) $body:block)*) => {
        $(
            $(#[$doc])*
            #[allow(clippy::unnecessary_wraps, reason = "an `Act`")]
            pub(super) fn $name($draft: &mut Draft, $value: &Value) -> Result<(), Refusal> {
                let _ = $value;
                $body
                Ok(())
            }
        )*
    };
}

records! {
    /// `-c`.
    stop_object(draft, value) { draft.stops.object = true; }
    /// `-S`.
    stop_assembly(draft, value) { draft.stops.assembly = true; }
    /// `-E`.
    stop_preprocess(draft, value) { draft.stops.preprocess = true; }
    /// `-fsyntax-only`.
    syntax_only(draft, value) { draft.stops.syntax = true; }
    /// Options that print something and do no work.
    info(draft, value) { draft.stops.info = true; }
    /// `-M`, `-MM`.
    deps_only(draft, value) { draft.stops.dependencies = true; }
    /// `-MD`.
    deps_system(draft, value) { draft.deps.md = true; }
    /// `-MMD`.
    deps_user(draft, value) { draft.deps.mmd = true; }
    /// `-MF`.
    deps_file(draft, value) { draft.deps.file = Some(value.owned()); }
    /// `-MT`.
    deps_target(draft, value) { draft.deps.targets.push(("-MT", value.owned())); }
    /// `-MQ`.
    deps_quoted(draft, value) { draft.deps.targets.push(("-MQ", value.owned())); }
    /// `-MP`.
    deps_phony(draft, value) { draft.deps.phony = true; }
    /// `-MG`.
    deps_missing(draft, value) { draft.deps.missing = true; }
    /// `-MV`.
    deps_nmake(draft, value) { draft.deps.nmake = true; }
    /// `-march=`, `-mtune=`, `-mcpu=`.
    native(draft, value) { draft.facts.native |= value.bytes() == b"native"; }
    /// `-B`.
    program_dir(draft, value) { draft.facts.program_dirs.push(value.owned()); }
    /// `-flto`, `-flto=…`, `-fno-lto`.
    lto(draft, value) { draft.facts.lto = value.on; }
    /// Coverage and profile instrumentation.
    coverage(draft, value) { draft.facts.coverage |= value.on; }
    /// `-ftest-coverage`.
    test_coverage(draft, value) { draft.facts.coverage |= value.on; draft.extras.notes = value.on; }
    /// `--coverage`.
    full_coverage(draft, value) { draft.facts.coverage = true; draft.extras.notes = true; }
    /// `-fsanitize=`.
    sanitize(draft, value) { draft.facts.sanitize |= value.on; }
    /// The working directory may show.
    records_cwd(draft, value) { draft.facts.records_cwd |= value.on; }
    /// The command line is recorded.
    records_command_line(draft, value) { if value.on { records(draft, value); } }
    /// `-fstack-usage`.
    stack_usage(draft, value) { draft.extras.stack_usage = value.on; }
    /// `-fcallgraph-info`.
    call_graph(draft, value) { draft.extras.call_graph = value.on; }
    /// Names a file that preprocessing does not show.
    reads_file(draft, value) { if value.on { draft.facts.files.push(value.owned()); } }
    /// `-fdebug-macro`.
    debug_macro(draft, value) { draft.debug.macros = value.on; }
    /// `-g`: gcc keeps a higher level, clang sets its own.
    debug(draft, value) {
        let level = if draft.compiler.family == Family::Gcc { draft.debug.level.max(2) } else { 2 };
        draft.debug.level = level;
    }
    /// A debug format: raises the level to 2 if there is none.
    debug_format(draft, value) {
        if draft.compiler.family == Family::Clang || draft.debug.level == 0 { draft.debug.level = 2; }
    }
    /// `-gline-tables-only` and the like.
    debug_lines(draft, value) { if value.on { draft.debug.level = 1; } }
    /// `-ccc-print-phases` and the like.
    prints_plan(draft, value) { draft.forced = Some(Mode::None); }
    /// `-gtoggle`.
    debug_toggle(draft, value) { draft.debug.toggled = true; }
    /// `-gsplit-dwarf`.
    debug_split(draft, value) { draft.debug.split = value.on; }
    /// `-Wall`.
    warn_all(draft, value) { draft.warnings.all = value.on; }
    /// `-Wextra`.
    warn_extra(draft, value) { draft.warnings.extra = value.on; }
    /// `-Wimplicit-fallthrough`.
    warn_fallthrough(draft, value) { draft.warnings.fallthrough = Some(if value.on { 3 } else { 0 }); }
    /// Warnings that look at comments or indentation.
    warn_layout(draft, value) { draft.warnings.layout |= value.on; }
    /// `-dumpbase`.
    dump_base(draft, value) { draft.dump.base = Some(value.owned()); }
    /// `-dumpbase-ext`.
    dump_ext(draft, value) { draft.dump.ext = Some(value.owned()); }
    /// `-dumpdir`.
    dump_dir(draft, value) { draft.dump.dir = Some(value.owned()); draft.save_temps_last = false; }
    /// `-arch`.
    arch(draft, value) { draft.arches.push(value.owned()); }
    /// `-Wp,…`.
    to_preprocessor(draft, value) {
        let here = draft.here;
        let first = draft.to_preprocessor.len();
        push_commas(&mut draft.to_preprocessor, here, value);
        if draft.compiler.family == Family::Clang { clang_dependencies(draft, first); }
    }
    /// `-Wa,…`.
    to_assembler(draft, value) { let here = draft.here; push_commas(&mut draft.to_assembler, here, value); }
    /// `-Wl,…`.
    to_linker(draft, value) { let here = draft.here; push_commas(&mut draft.to_linker, here, value); }
    /// `-Xpreprocessor`.
    x_preprocessor(draft, value) { draft.to_preprocessor.push((draft.here, value.owned())); }
    /// `-Xassembler`.
    x_assembler(draft, value) { draft.to_assembler.push((draft.here, value.owned())); }
    /// `-Xlinker`.
    x_linker(draft, value) { draft.to_linker.push((draft.here, value.owned())); }
    /// `-Xclang`.
    x_clang(draft, value) { draft.to_cc1.push((draft.here, value.owned())); }
    /// Makes the linker name the objects it is given, which are temporaries of the driver.
    link_names(draft, value) { draft.link_refusals.push(value.refusal("link-names-temporaries")); }
    /// `-z KEYWORD`.
    link_z(draft, value) {
        draft.to_linker.push((draft.here, OsString::from("-z")));
        draft.to_linker.push((draft.here, value.owned()));
    }
}

/// clang takes `-Wp,-MD,FILE` for `-MD -MF FILE` in its place; with more behind it the file counts for nothing.
fn clang_dependencies(draft: &mut Draft, first: usize) {
    let pieces = &draft.to_preprocessor[first..];
    let system = pieces[0].1 == "-MD";
    if !system && pieces[0].1 != "-MMD" {
        return;
    }
    draft.deps.md |= system;
    draft.deps.mmd |= !system;
    if let [_, (_, file)] = pieces {
        draft.deps.file = Some(file.clone());
    }
}

/// The comma-separated pieces of a value.
fn push_commas(pieces: &mut Vec<(usize, OsString)>, here: usize, value: &Value) {
    pieces.extend(value.bytes().split(|byte| *byte == b',').map(|piece| (here, from_bytes(piece))));
}

/// `-o`.
pub(super) fn output(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.output = Some(value.owned());
    if value.text.is_empty() {
        // gcc refuses it, clang ignores it.
        draft.output = None;
        draft.error |= draft.compiler.family == Family::Gcc;
        return value.refuse("empty-output");
    }
    Ok(())
}

/// `-x`.
pub(super) fn language(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.language_seen = true;
    if value.bytes() == b"none" {
        draft.language = None;
        return Ok(());
    }
    if let Some(kind) = language::by_option(draft.compiler, value.bytes()) {
        draft.language = Some(kind);
        return Ok(());
    }
    draft.error = true;
    value.refuse("unknown-language")
}

/// `-g` with a level: 0 to 3.
pub(super) fn debug_level(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.debug.level = match value.spec.name.as_bytes().last() {
        Some(b'0') => 0,
        Some(b'1') => 1,
        Some(b'3') => 3,
        _ => 2,
    };
    plain(draft, value)
}

/// `-gsplit-dwarf=`.
pub(super) fn debug_split_kind(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.debug.split = value.bytes() == b"split";
    plain(draft, value)
}

/// `-Wimplicit-fallthrough=LEVEL`.
pub(super) fn warn_fallthrough_level(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.warnings.fallthrough = match value.bytes() {
        [digit @ b'0'..=b'5'] => Some(digit - b'0'),
        _ => Some(1),
    };
    plain(draft, value)
}

/// `-save-temps`.
pub(super) fn save_temps(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    let named = value.spec.shape == Shape::Joined;
    draft.save_temps = match value.bytes() {
        // gcc's names follow `-dumpdir` and `-o` then, clang's the working directory.
        b"" if !named => draft.save_temps.or(Some(SaveTemps::Plain)),
        b"cwd" => Some(SaveTemps::Cwd),
        b"obj" | b"object" => Some(SaveTemps::Obj),
        _ => return Err(Refusal::new("unknown-option", value.token, "it is cwd or obj")),
    };
    draft.save_temps_last |= named;
    Ok(())
}

/// `--debug=LEVEL`: `-g` with that behind it.
pub(super) fn debug_long(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    match value.bytes() {
        [digit @ b'0'..=b'3'] => draft.debug.level = digit - b'0',
        b"" => return debug(draft, value),
        _ => return value.refuse("unusual-option"),
    }
    Ok(())
}

/// `--machine=X`: `-mX`; only the word sizes are taken.
pub(super) fn machine(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if matches!(value.bytes(), b"32" | b"64" | b"x32" | b"16") {
        Ok(())
    } else {
        value.refuse("unusual-option")
    }
}

/// `--driver-mode=`: the scanner has looked ahead for gcc's and g++'s.
pub(super) fn driver_mode(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    match value.bytes() {
        b"gcc" | b"g++" => Ok(()),
        b"cpp" => {
            draft.stops.preprocess = true;
            value.refuse("driver-mode")
        }
        _ => {
            draft.forced = Some(Mode::Other);
            value.refuse("driver-mode")
        }
    }
}

/// `-fcompare-debug`: compiles twice.
pub(super) fn compare_debug(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if value.on {
        draft.forced = Some(Mode::Mixed);
    }
    value.refuse_on("compare-debug")
}

/// `-emit-ast`.
pub(super) fn emits_ast(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.forced = Some(Mode::Pch);
    value.refuse("other-product")
}

/// clang ignores `-d` with letters, unless they ask for macros.
pub(super) fn clang_letters(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if value.bytes().iter().any(|letter| b"DMINU".contains(letter)) { value.refuse("dumps") } else { Ok(()) }
}

/// A profile that the option does not name.
pub(super) fn profile_use(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    value.refuse_on("profile-directory")
}

/// A profile by its path, which may be a directory.
pub(super) fn profile_path(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    let bytes = value.bytes();
    let file = [&b".gcda"[..], b".profdata", b".profraw", b".afdo", b".prof", b".pgo"];
    if !file.iter().any(|suffix| bytes.ends_with(suffix)) {
        return value.refuse("profile-directory");
    }
    reads_file(draft, value)
}

/// `-fauto-profile`: reads `fbdata.afdo` here.
pub(super) fn auto_profile(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if value.on {
        draft.facts.files.push(OsString::from("fbdata.afdo"));
    }
    plain(draft, value)
}

/// `-fbasic-block-sections=`: `list=FILE` names a file.
pub(super) fn block_sections(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if let Some(file) = value.bytes().strip_prefix(b"list=") {
        draft.facts.files.push(from_bytes(file));
    }
    plain(draft, value)
}

/// `-fopt-info…`: notes among the diagnostics, or a file.
pub(super) fn opt_info(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if value.bytes().contains(&b'=') { value.refuse("optimization-record") } else { Ok(()) }
}

/// `-fdiagnostics-format=`: some formats are files.
pub(super) fn diagnostics_format(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if value.bytes().ends_with(b"-file") { value.refuse("diagnostics-file") } else { Ok(()) }
}

/// Notes that the whole command shows, and by which option.
fn records(draft: &mut Draft, value: &Value) {
    draft.facts.records_command_line = true;
    draft.recording = Some(value.token.to_owned());
}

/// `-d<letters>`: harmless ones only annotate assembly.
pub(super) fn dump_letters(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    let letters = value.bytes();
    if letters.iter().all(|letter| b"ApP".contains(letter)) {
        records(draft, value);
        return Ok(());
    }
    value.refuse("dumps")
}

/// What `-mllvm` may say: options that decide code and print nothing.
const LLVM_OPTIONS: [&[u8]; 24] = [
    b"-aarch64-",
    b"-align-",
    b"-arm-",
    b"-asan-",
    b"-disable-",
    b"-dwarf-",
    b"-enable-",
    b"-fp-contract",
    b"-hot-cold-split",
    b"-hwasan-",
    b"-import-instr-limit",
    b"-inline-threshold",
    b"-inlinehint-threshold",
    b"-instcombine-",
    b"-loop-",
    b"-msan-",
    b"-regalloc",
    b"-riscv-",
    b"-sanitizer-coverage-",
    b"-slp-",
    b"-tsan-",
    b"-unroll-",
    b"-vectorize-",
    b"-x86-",
];

/// `-mllvm`.
pub(super) fn llvm_option(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    let bytes = value.bytes();
    let bytes = if bytes.starts_with(b"--") { &bytes[1..] } else { bytes };
    if LLVM_OPTIONS.iter().any(|known| bytes.starts_with(known)) {
        Ok(())
    } else {
        value.refuse("llvm-option")
    }
}

/// LLVM's own products.
pub(super) fn emits_llvm(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.stops.other = true;
    value.refuse("emits-llvm")
}

/// Products that are no object.
pub(super) fn other_product(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    draft.stops.other = true;
    value.refuse("other-product")
}

/// `-W…`: any warning by its name; some spellings are shorter names of options with rows.
pub(super) fn warning(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    match value.bytes() {
        b"" => draft.warnings.extra = true,
        name if name.starts_with(b"documentation") => draft.warnings.layout = true,
        name if name.starts_with(b"error=implicit-fallthrough") => {
            draft.warnings.fallthrough.get_or_insert(3);
        }
        b"error=misleading-indentation" | b"error=documentation" => draft.warnings.layout = true,
        _ => {}
    }
    plain(draft, value)
}

/// clang's `-R`: optimization remarks, which are diagnostics, or a path for the linker.
pub(super) fn remarks(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    if value.text.is_empty() || value.bytes().starts_with(b"pass") {
        Ok(())
    } else {
        value.refuse("unusual-option")
    }
}

/// `-v`: with nothing to do it only prints.
#[allow(clippy::unnecessary_wraps, reason = "the signature of an act")]
pub(super) fn verbose(draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
    records(draft, value);
    Ok(())
}

/// clang's `-dumpdir`, which names auxiliary files.
pub(super) fn clang_dump_dir(_: &mut Draft, value: &Value) -> Result<(), Refusal> {
    value.refuse("unusual-option")
}
