//! A unit as a recipe: its compile as a Brioche process, with its preprocessed text as the one input.
//!
//! Shape *preprocessed*: the work directory holds the text as one file, named after the source. Where a host
//! bakes it, the compiler is named in its toolchain's artifact, and paths are mapped as [`super::places`] says;
//! elsewhere it is named by its path, and nothing is mapped.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::places::{Place, Places};
use crate::argparse::{Arg, Debug, Facts, Family, Invocation, Mode, OutputKind, Role};
use crate::paths::Located;
use crate::planner::Unit;
use crate::preprocess::markers;
use crate::recipe::digest::ArtifactHash;
use crate::recipe::{
    ByteString, Compile, Directory, Platform, ProcessTemplate, Recipe, Symbol, Template, compile_process,
};

/// What a unit's recipe is made of, beside the plan.
#[derive(Debug, Clone, Copy)]
pub struct RecipeInputs<'a> {
    /// The invocation.
    pub invocation: &'a Invocation,
    /// The unit of it.
    pub unit: &'a Unit,
    /// The compiler's path.
    pub compiler: &'a ProcessTemplate,
    /// `PATH`, by which gcc finds the assembler.
    pub search_path: Option<&'a ProcessTemplate>,
    /// The places that are mapped.
    pub places: &'a Places,
    /// The working directory as the compiler sees it.
    pub directory: &'a OsStr,
    /// The file with the preprocessed text.
    pub text: ArtifactHash,
    /// The machine.
    pub platform: Platform,
}

/// Why a unit can't be baked from its preprocessed text at some other place: a few words for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(&'static str);

/// Whether a unit's preprocessed text, at another place, gives what the source gives here: the exceptions are
/// those of the semantic hit, and whatever holds more than the text and options.
///
/// # Errors
/// Why not.
pub fn suits(invocation: &Invocation, unit: &Unit) -> Result<(), Unfit> {
    let Facts { sanitize, coverage, debug, native, records_command_line, records_cwd, save_temps, .. } =
        invocation.facts;
    let clang = invocation.compiler.family == Family::Clang;
    let assembles = unit.source.language.name.starts_with("assembler");
    let version = invocation.compiler.version;
    let before = |gcc, clang_version| version.0 != 0 && version.0 < if clang { clang_version } else { gcc };
    let because = |why| Err(Unfit(why));
    match () {
        () if sanitize => because("sanitizers put columns into the code"),
        () if coverage => because("coverage and profiles depend on the source's own text"),
        () if clang && invocation.facts.comment_warnings => because("a warning looks at comments or lines"),
        () if clang && debug == Debug::Macros => because("macro debug information needs the source"),
        () if !invocation.facts.files.is_empty() => because("an option names a file that the compiler reads"),
        () if native => because("the processor is this machine's"),
        () if records_command_line => because("the command line is recorded"),
        () if records_cwd => because("the working directory is recorded"),
        () if save_temps || !unit.source.outputs.iter().all(|output| is_plain(output.kind)) => {
            because("it leaves further files")
        }
        () if assembles && debug != Debug::None => {
            because("the assembler puts its directory into debug information")
        }
        () if unit.source.path == "-" => because("the source comes by standard input"),
        () if driver_may_speak(invocation) => because("the driver may say that it has no use for an option"),
        () if before(8, 13) => because("the compiler is too old to map paths"),
        () => Ok(()),
    }
}

/// Whether a file's name decides nothing of what is in the others.
pub(super) fn is_plain(kind: OutputKind) -> bool {
    matches!(kind, OutputKind::Object | OutputKind::Assembly | OutputKind::Dependencies)
}

/// Whether the driver may have something to say of the whole command: of inputs for a linker that does not run,
/// and clang of each option that it does not come to use. The preprocessor's run is given no such option, nor is
/// a bake.
fn driver_may_speak(invocation: &Invocation) -> bool {
    let clang = invocation.compiler.family == Family::Clang;
    let is_source = |index| invocation.sources.iter().any(|source| source.arg == index);
    let is_idle = |(index, arg): (usize, &Arg)| match arg.role {
        Role::Input => !is_source(index),
        Role::Link => clang,
        Role::Assemble => clang && invocation.mode == Mode::Assembly,
        _ => false,
    };
    !invocation.links && invocation.args.iter().enumerate().any(is_idle)
}

/// What in a preprocessed text keeps it from being compiled in the source's place.
///
/// # Errors
/// What that is.
pub fn text_suits(invocation: &Invocation, text: &[u8]) -> Result<(), Unfit> {
    let mentions = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    if [&b"source_location"[..], b"__builtin_COLUMN"].into_iter().any(mentions) {
        return Err(Unfit("columns of the source reach the code"));
    }
    let takes_directory = invocation.compiler.family == Family::Gcc && invocation.facts.debug != Debug::None;
    if takes_directory && !markers::names_directory(text) {
        return Err(Unfit("its debug information would hold the bake's own working directory"));
    }
    Ok(())
}

/// The recipe of a unit.
///
/// # Errors
/// When an option names something that is not there where it is baked.
pub fn unit_recipe(inputs: &RecipeInputs<'_>) -> Result<Recipe, Unfit> {
    let entries = BTreeMap::from([(text_name(inputs.unit), inputs.text)]);
    compile_in(inputs, Recipe::Directory(Directory { entries }))
}

/// The recipe of a unit whose text is what another recipe gives, in place of [`RecipeInputs::text`]. Where that
/// is the same text, it is the same as [`unit_recipe`] once its inputs are baked.
///
/// # Errors
/// As [`unit_recipe`].
pub fn unit_recipe_of(inputs: &RecipeInputs<'_>, text: Recipe) -> Result<Recipe, Unfit> {
    let entries = BTreeMap::from([(text_name(inputs.unit), text)]);
    compile_in(inputs, Recipe::CreateDirectory { entries })
}

/// The name of a unit's preprocessed text.
fn text_name(unit: &Unit) -> ByteString {
    let (_, extension) = preprocessed_language(unit.source.language.name);
    let stem = Path::new(&unit.source.path).file_stem().unwrap_or_default();
    [stem.as_encoded_bytes(), b".", extension.as_bytes()].concat().into()
}

fn compile_in(inputs: &RecipeInputs<'_>, work_dir: Recipe) -> Result<Recipe, Unfit> {
    let RecipeInputs { invocation, unit, compiler, platform, .. } = *inputs;
    let (language, _) = preprocessed_language(unit.source.language.name);

    let (stop, kind) = match invocation.mode {
        Mode::Assembly => ("-S", OutputKind::Assembly),
        _ => ("-c", OutputKind::Object),
    };
    let mut args = options(inputs)?;
    args.extend([stop, "-x", language].map(Template::literal));
    args.push(Template::literal(text_name(unit)));
    args.push(Template::literal("-o"));
    args.push(Template::symbol(Symbol::OutputPath).then(format!("/{}", kind.name()).into_bytes()));

    Ok(compile_process(Compile {
        compiler: compiler.clone(),
        args,
        env: environment(inputs.search_path),
        work_dir,
        current_dir: Template::symbol(Symbol::WorkDir),
        platform,
    }))
}

/// All that decides how the text is compiled, in order.
fn options(inputs: &RecipeInputs<'_>) -> Result<Vec<ProcessTemplate>, Unfit> {
    let RecipeInputs { invocation, unit, places, directory, .. } = *inputs;
    let clang = invocation.compiler.family == Family::Clang;
    let mut args = Vec::new();
    if clang && invocation.facts.debug != Debug::None {
        // gcc takes it from the text. An option of the user's comes after this, and holds.
        let directory = directory.as_encoded_bytes();
        let named = places.named(directory).unwrap_or_else(|| directory.to_vec());
        args.push(Template::literal([b"-fdebug-compilation-dir=", named.as_slice()].concat()));
    }
    let goes = |role| matches!(role, Role::Compile | Role::Assemble | Role::Presentation | Role::Driver);
    for arg in invocation.args.iter().filter(|arg| goes(arg.role)) {
        let family = invocation.compiler.family;
        let maps = arg.name.ends_with(PREFIX_MAP);
        args.extend(if maps { prefix_map(arg, family, places)? } else { mapped(arg, places)? });
    }
    if clang {
        args.extend(OF_TEXT.map(Template::literal));
    }
    // Where no auxiliary file is made, its name shows nowhere.
    if !unit.source.outputs.iter().all(|output| is_plain(output.kind)) {
        args.extend(
            unit.source.naming.iter().map(|token| Template::literal(token.as_encoded_bytes().to_vec())),
        );
    }
    Ok(args)
}

/// The environment that every process of Brioche's has, with the messages of every compiler in one language.
pub(super) fn environment(search_path: Option<&ProcessTemplate>) -> BTreeMap<ByteString, ProcessTemplate> {
    let symbols = [
        ("BRIOCHE_INPUT_RESOURCE_DIRS", Symbol::InputResourceDirs),
        ("BRIOCHE_RESOURCE_DIR", Symbol::ResourceDir),
        ("HOME", Symbol::HomeDir),
        ("TMPDIR", Symbol::TempDir),
    ];
    let mut env: BTreeMap<ByteString, ProcessTemplate> =
        symbols.into_iter().map(|(name, symbol)| (name.into(), Template::symbol(symbol))).collect();
    env.insert("LC_ALL".into(), Template::literal("C.UTF-8"));
    if let Some(path) = search_path {
        env.insert("PATH".into(), path.clone());
    }
    env
}

/// What clang would say of preprocessed text and not of the source: that it has no use for options of the
/// preprocessor, and of the markers. What it says of the user's own options is known from its run as a
/// preprocessor.
const OF_TEXT: [&str; 3] = ["-Qunused-arguments", "-Wno-unknown-warning-option", "-Wno-gnu-line-marker"];

/// How the names of options end that give other names to files: `OLD=NEW`. These are no paths by whole
/// components: `OLD` is the start of a name.
const PREFIX_MAP: &str = "prefix-map=";

/// What an option that maps names gives another name to.
pub(super) fn old_prefix(arg: &Arg, family: Family) -> Option<(&[u8], &[u8])> {
    let value = arg.value.as_ref().filter(|_| arg.name.ends_with(PREFIX_MAP))?.as_encoded_bytes();
    // Where there are several, gcc takes the last one, clang the first.
    let equals =
        if family == Family::Gcc { memchr::memrchr(b'=', value) } else { memchr::memchr(b'=', value) };
    Some(value.split_at(equals?))
}

/// An option that maps names, about the names that the text has.
fn prefix_map(arg: &Arg, family: Family, places: &Places) -> Result<Vec<ProcessTemplate>, Unfit> {
    let mut tokens: Vec<Vec<u8>> = arg.tokens.iter().map(|token| token.as_encoded_bytes().to_vec()).collect();
    if let (Some((old, new)), Some(last)) = (old_prefix(arg, family), tokens.last_mut()) {
        if places.is_cut_by(old) {
            return Err(Unfit("an option maps the start of a place's name"));
        }
        let named = places.named(old).unwrap_or_else(|| old.to_vec());
        last.truncate(last.len() - old.len() - new.len());
        last.extend([&named, new].concat());
    }
    Ok(tokens.into_iter().map(Template::literal).collect())
}

/// An option with its path value mapped. A path anywhere else in it is the program's data.
fn mapped(arg: &Arg, places: &Places) -> Result<Vec<ProcessTemplate>, Unfit> {
    let literal = |token: &std::ffi::OsString| Template::literal(token.as_encoded_bytes().to_vec());
    let mut tokens: Vec<ProcessTemplate> = arg.tokens.iter().map(literal).collect();
    let (Some(value), Some(last)) = (&arg.value, arg.tokens.last()) else { return Ok(tokens) };
    let value = value.as_encoded_bytes();
    let Some(front) = last.as_encoded_bytes().strip_suffix(value) else { return Ok(tokens) };
    let value = match places.locate(value) {
        None => None,
        Some(Located { root: Place::Input(_), .. }) => places.template(value),
        Some(_) if arg.role == Role::Driver => {
            return Err(Unfit("an option chooses programs that are in no artifact"));
        }
        Some(_) => places.named(value).map(Template::literal),
    };
    if let (Some(value), Some(token)) = (value, tokens.last_mut()) {
        *token = Template::literal(front.to_vec()).join(value);
    }
    Ok(tokens)
}

/// The language of a source's preprocessed text, as for `-x`, and the extension that the drivers give it.
fn preprocessed_language(language: &str) -> (&str, &'static str) {
    match language {
        "c" | "cpp-output" => ("cpp-output", "i"),
        "c++" | "c++-cpp-output" => ("c++-cpp-output", "ii"),
        "objective-c" | "objective-c-cpp-output" => ("objective-c-cpp-output", "mi"),
        "objective-c++" | "objective-c++-cpp-output" => ("objective-c++-cpp-output", "mii"),
        "assembler" | "assembler-with-cpp" => ("assembler", "s"),
        other => (other, "i"),
    }
}
