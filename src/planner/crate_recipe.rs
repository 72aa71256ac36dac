//! A crate as a recipe: shape *tree*. The work directory holds exactly the files that the compiler reads, each
//! below the name of the place where it stands:
//!
//! ```text
//! work/…      what is below the calling process's work directory
//! home/…      what is below its home; and so on, by the names of [`super::places`]
//! ```
//!
//! so that one `--remap-path-prefix` from the bake's work directory to `/brioche` names all of them as text does.
//! What stands in an input artifact is named in that, the compiler with its standard library first of all.
//!
//! Where macros or lints run in the compiler, it takes native libraries, or it links, the wrapper stands before it, and
//! leaves in the output what was seen, by the names of places ([`PLACES_VARIABLE`]).
//!
//! A path that is a whole value, of an option that takes one or of a variable that the source asks for, becomes
//! the bake's own. A path anywhere else is the program's data and stays what it is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::places::{Place, Places};
use super::recipe::environment;
use super::tree::{INPUT, PLACES_VARIABLE, SYMBOLS, TOLD, work_directory};
use crate::argparse::rustc::{CrateArg, CrateInvocation, CrateRole, Emit, NativeKind};
use crate::argparse::{Output, Refusal};
use crate::paths::Located;
use crate::recipe::digest::ArtifactHash;
use crate::recipe::{
    ByteString, Compile, Component, Platform, ProcessTemplate, Recipe, STDERR, STDOUT, Symbol, Template,
    compile_process,
};

/// What the names of all places begin with.
pub const TOP: &str = "/brioche";

/// Options by which a crate reads, or leaves, more than is known here, and why.
const UNFIT: [(&str, &str, &str); 9] = [
    ("--print", "prints-information", "the compiler prints more than it makes"),
    ("--remap-path-scope", "remap-scope", "paths are to stay what they are somewhere"),
    ("--sysroot", "sysroot", "the standard library is chosen"),
    ("instrument-coverage", "coverage", "coverage's tables hold the paths by which its reports find sources"),
    ("link-self-contained", "linker", "it is about a link"),
    ("llvm-args", "llvm-args", "LLVM may be told to read and write anything"),
    ("passes", "llvm-args", "LLVM may be told to read and write anything"),
    ("profile-use", "profile", "the place of the profile decides the crate's hash"),
    ("remark", "llvm-args", "LLVM may have to say something"),
];

/// Whether a crate can be baked elsewhere, from the files that it reads, as far as its command line tells.
///
/// # Errors
/// Why not.
pub fn suits(invocation: &CrateInvocation) -> Result<(), Refusal> {
    let because = |token, why| Err(Refusal::new(token, "", why));
    let plain = |(emit, path): &(Emit, Option<OsString>)| {
        path.is_none() && matches!(emit, Emit::DepInfo | Emit::Link | Emit::Metadata)
    };
    let split = invocation.split_debuginfo.as_ref().is_some_and(|split| split != "off");
    match () {
        () if invocation.incremental.is_some() => because("incremental", "the compiler keeps its own memory"),
        () if !invocation.emits.iter().all(plain) => because("emit", "other files than a library's are made"),
        () if invocation.rpath => because("rpath", "the places of libraries are put into what is made"),
        () if invocation.outputs.iter().any(is_reserved) => {
            because("named-output", "a bake has a file of this name")
        }
        () if invocation.output.is_some() => because("named-output", "what is made has a name of its own"),
        () if split => because("split-debuginfo", "debug information is put into files of its own"),
        () if invocation.native => because("native-processor", "the processor is this machine's"),
        () if invocation.natives.iter().any(|native| native.kind == NativeKind::Other) => {
            because("native-library", "how such a library is found is not known here")
        }
        () => Ok(()),
    }?;
    let unfit = |arg: &CrateArg| UNFIT.iter().find(|(name, _, _)| *name == arg.name);
    match invocation.args.iter().find_map(unfit) {
        Some((name, token, why)) => Err(Refusal::new(token, *name, why)),
        None => Ok(()),
    }
}

/// Whether an output has the name of a file that the bake itself leaves.
fn is_reserved(output: &Output) -> bool {
    let name = Path::new(&output.path).file_name();
    name.is_some_and(|name| [STDOUT, STDERR, TOLD].iter().any(|own| name == *own))
}

/// What a crate's recipe is made of.
#[derive(Debug, Clone, Copy)]
pub struct CrateRecipeInputs<'a> {
    /// The invocation, which [`suits`].
    pub invocation: &'a CrateInvocation,
    /// The compiler's path.
    pub compiler: &'a ProcessTemplate,
    /// The places that the calling process sees.
    pub places: &'a Places,
    /// The working directory.
    pub cwd: &'a Path,
    /// The files that are read and in no input, by their absolute paths.
    pub files: &'a [(&'a Path, ArtifactHash)],
    /// The directories that are looked at, beside those of the files.
    pub directories: &'a [&'a Path],
    /// Where macros or lints run in the compiler, it takes native libraries, or it links: the path of the wrapper, which
    /// tells in the bake what is seen there.
    pub wrapper: Option<&'a ProcessTemplate>,
    /// Variables that are lists of directories, by which a linker and its programs find things.
    pub search_paths: &'a [(&'a str, &'a OsStr)],
    /// The variables that the compile asks for, and what they are set to.
    pub variables: &'a [(OsString, Option<OsString>)],
    /// The machine.
    pub platform: Platform,
}

/// A crate's recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrateRecipe {
    /// The recipe. Its output has the crate's files under the names that they have where they are to go.
    pub recipe: Recipe,
    /// The paths here of the places whose names the wrapper uses for what it tells, in order; none without it.
    pub places: Vec<Vec<u8>>,
}

/// The recipe of a crate.
///
/// # Errors
/// When something has no place where it is baked.
pub fn crate_recipe(inputs: &CrateRecipeInputs<'_>) -> Result<CrateRecipe, Refusal> {
    let CrateRecipeInputs { invocation, compiler, places, platform, .. } = *inputs;
    let cwd = inputs.cwd.as_os_str();
    let outside = |path: &OsStr| Refusal::new("outside", path, "it is in no place that a recipe can name");
    let below = |path: &OsStr| tree_path(places, path.as_bytes()).ok_or_else(|| outside(path));
    let directory = below(cwd)?;
    let files: Vec<(Vec<u8>, ArtifactHash)> = inputs
        .files
        .iter()
        .map(|(path, artifact)| Ok((below(path.as_os_str())?, *artifact)))
        .collect::<Result<_, Refusal>>()?;
    let files: Vec<(&[u8], ArtifactHash)> =
        files.iter().map(|(path, file)| (path.as_slice(), *file)).collect();
    let current_dir = template(places, cwd.as_bytes()).ok_or_else(|| outside(cwd))?;
    let directories = inputs.directories.iter().map(|path| below(path.as_os_str()));
    let directories: Vec<Vec<u8>> = directories.chain([Ok(directory)]).collect::<Result<_, Refusal>>()?;
    let directories: Vec<&[u8]> = directories.iter().map(Vec::as_slice).collect();
    let mut env = variables(inputs)?;
    let given = arguments(invocation, places)?;
    let search_paths = inputs.search_paths.iter();
    env.extend(search_paths.map(|(name, path)| ((*name).into(), search_path(places, path))));
    let named: Vec<&ProcessTemplate> = [compiler].into_iter().chain(&given).chain(env.values()).collect();
    let mut args = remaps(&named);
    let stands: Vec<&[u8]> = files.iter().map(|(path, _)| *path).chain(directories.iter().copied()).collect();
    let (listed, known) = listed(places, &named, &stands);
    args.extend(given);
    args.push(Template::literal("--out-dir"));
    args.push(Template::symbol(Symbol::OutputPath));
    let (program, known) = match inputs.wrapper {
        Some(wrapper) => {
            args.insert(0, compiler.clone());
            env.insert(PLACES_VARIABLE.into(), listed);
            (wrapper, known)
        }
        None => (compiler, Vec::new()),
    };
    let recipe = compile_process(Compile {
        compiler: program.clone(),
        args,
        env,
        work_dir: work_directory(&files, &directories),
        current_dir,
        platform,
    });
    Ok(CrateRecipe { recipe, places: known })
}

/// What [`PLACES_VARIABLE`] holds, and the same places' paths here: of the places in which something stands, by its
/// path in the tree, and of the inputs that are named.
fn listed(places: &Places, named: &[&ProcessTemplate], stands: &[&[u8]]) -> (ProcessTemplate, Vec<Vec<u8>>) {
    let is_used = |symbol: &Symbol| {
        let own = Place::Symbol(*symbol).name().strip_prefix(TOP.as_bytes());
        let own = own.and_then(|name| name.strip_prefix(b"/")).unwrap_or_default();
        stands.iter().any(|path| matches!(path.strip_prefix(own), Some([] | [b'/', ..])))
    };
    let symbols = SYMBOLS.into_iter().filter(is_used);
    let symbols = symbols.map(|symbol| (symbol.name(), Place::Symbol(symbol)));
    let inputs = inputs_of(named).into_iter().filter_map(|input| match input {
        Recipe::Proxy { recipe } => Some((INPUT, Place::Input(ArtifactHash::from_bytes(*recipe.as_bytes())))),
        _ => None,
    });
    let mut list = ProcessTemplate::default();
    let mut paths = Vec::new();
    for (word, place) in symbols.chain(inputs) {
        let path = places.path_of(&place);
        if let Some((path, there)) = path.and_then(|path| Some((path, template(places, path)?))) {
            list = list.then(format!("{word} ")).join(there).then("\n");
            paths.push(path.to_vec());
        }
    }
    (list, paths)
}

/// Where a path of the calling process is below the bake's work directory; `None` where it is not.
fn tree_path(places: &Places, path: &[u8]) -> Option<Vec<u8>> {
    match places.locate(path)? {
        Located { root: Place::Input(_), .. } => None,
        Located { root, rest } => {
            let name = root.name().strip_prefix(TOP.as_bytes())?.strip_prefix(b"/")?;
            Some([name, rest].concat())
        }
    }
}

/// A path of the calling process where it is baked; `None` where it is below no place.
fn template(places: &Places, path: &[u8]) -> Option<ProcessTemplate> {
    let in_tree = |below: Vec<u8>| Template::symbol(Symbol::WorkDir).then([b"/", below.as_slice()].concat());
    tree_path(places, path).map(in_tree).or_else(|| places.template(path))
}

/// A list of directories where it is baked.
fn search_path(places: &Places, path: &OsStr) -> ProcessTemplate {
    let entries = path.as_bytes().split(|byte| *byte == b':');
    let entries = entries.map(|entry| template(places, entry).unwrap_or_else(|| Template::literal(entry)));
    entries.reduce(|list, entry| list.then(":").join(entry)).unwrap_or_default()
}

/// The options that give the bake's own places the names that text has for them. The user's own come after, and
/// hold.
fn remaps(named: &[&ProcessTemplate]) -> Vec<ProcessTemplate> {
    let remap = |from: ProcessTemplate, to: &str| {
        Template::literal("--remap-path-prefix=").join(from).then(format!("={to}").into_bytes())
    };
    let mut all = vec![remap(Template::symbol(Symbol::WorkDir), TOP)];
    let input = |input: &Recipe| remap(Template::input(input.clone()), &format!("{TOP}/inputs"));
    all.extend(inputs_of(named).into_iter().map(input));
    all
}

/// The inputs that templates name, each once.
fn inputs_of<'t>(named: &[&'t ProcessTemplate]) -> Vec<&'t Recipe> {
    let mut inputs = Vec::new();
    for component in named.iter().flat_map(|template| &template.components) {
        if let Component::Input(input) = component
            && !inputs.contains(&input)
        {
            inputs.push(input);
        }
    }
    inputs
}

/// The arguments: all but where results go and how diagnostics look.
fn arguments(invocation: &CrateInvocation, places: &Places) -> Result<Vec<ProcessTemplate>, Refusal> {
    let goes = |arg: &&CrateArg| match arg.role {
        CrateRole::Presentation => false,
        CrateRole::Expect => !invocation.lints_silenced,
        CrateRole::Input | CrateRole::Compile => arg.name != "--out-dir",
    };
    let mut args = Vec::new();
    for arg in invocation.args.iter().filter(goes) {
        let words = arg.words();
        args.extend(words.before.map(Template::literal));
        let front = Template::literal(words.front.into_bytes());
        args.push(if words.takes { front.join(value(arg, places)?) } else { front });
    }
    Ok(args)
}

/// An argument's value with its path, where it has one, as it is where it is baked.
fn value(arg: &CrateArg, places: &Places) -> Result<ProcessTemplate, Refusal> {
    let value = arg.value.as_bytes();
    let first = memchr::memchr(b'=', value);
    let (front, path, rest) = match arg.name {
        "" | "linker" => (&b""[..], value, &b""[..]),
        // A target that a file describes has the file's name, wherever that is.
        "--target" if value.ends_with(b".json") => (&b""[..], value, &b""[..]),
        "--extern" | "link-arg" => match first {
            Some(at) => (&value[..=at], &value[at + 1..], &b""[..]),
            None => return Ok(Template::literal(value)),
        },
        "-L" => match first.filter(|at| is_search_kind(&value[..*at])) {
            Some(at) => (&value[..=at], &value[at + 1..], &b""[..]),
            None => (&b""[..], value, &b""[..]),
        },
        "--remap-path-prefix" => {
            let at = memchr::memrchr(b'=', value).unwrap_or(value.len());
            let (from, to) = value.split_at(at);
            if places.is_cut_by(from) {
                let why = "it maps the start of a place's name";
                return Err(Refusal::new("remap", arg.value.clone(), why));
            }
            (&b""[..], from, to)
        }
        _ => return Ok(Template::literal(value)),
    };
    let path = template(places, path).unwrap_or_else(|| Template::literal(path));
    Ok(Template::literal(front).join(path).then(rest))
}

fn is_search_kind(kind: &[u8]) -> bool {
    matches!(kind, b"dependency" | b"native" | b"framework" | b"crate" | b"all")
}

/// The environment: that of every process, and what the source asks for.
fn variables(inputs: &CrateRecipeInputs<'_>) -> Result<BTreeMap<ByteString, ProcessTemplate>, Refusal> {
    let own = environment(None);
    let mut env = own.clone();
    for (name, value) in inputs.variables {
        let key = ByteString::from(name.as_bytes());
        if own.contains_key(&key) || name == "PATH" || name.as_bytes().starts_with(b"BRIOCHE_") {
            return Err(Refusal::new("environment", name.clone(), "a bake has a value of its own for it"));
        }
        if let Some(value) = value.as_ref().map(|value| value.as_bytes()) {
            env.insert(key, template(inputs.places, value).unwrap_or_else(|| Template::literal(value)));
        }
    }
    Ok(env)
}
