//! A unit's preprocessing as a recipe: shape *tree*. The work directory holds exactly the files that the
//! preprocessor read, in their places, and the wrapper itself runs the preprocessor in there (see
//! `driver::role`). What comes of it is the text that the unit's compile takes.
//!
//! Paths of the calling process become places of the bake's own, in arguments that are or begin with a path, and
//! in variables that are lists of paths. Everything else is as it was, and where it names a place of the calling
//! process, so does the recipe, which then serves only there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::places::{Place, Places};
use super::recipe::old_prefix;
use crate::argparse::{Arg, Family, Invocation, Role};
use crate::paths::Located;
use crate::planner::Unit;
use crate::preprocess::source_arguments;
use crate::recipe::digest::{ArtifactHash, RecordName};
use crate::recipe::{
    ByteString, Component, Directory, Platform, ProcessRecipe, ProcessTemplate, Recipe, Symbol, Template,
};

/// The variable that has the wrapper preprocess in a bake: a line for each place, what it is and where.
pub const PLACES_VARIABLE: &str = "BRIOCHE_CC_PREPROCESS";
/// The word for an input in that variable. Symbols have their own.
pub const INPUT: &str = "input";
/// The file with the text, in the output.
pub const TEXT: &str = "text";
/// The file that tells what the preprocessor saw, in the output.
pub const TOLD: &str = "told";

/// The symbols that are places, in the order in which they are named.
pub(super) const SYMBOLS: [Symbol; 5] =
    [Symbol::WorkDir, Symbol::HomeDir, Symbol::OutputPath, Symbol::TempDir, Symbol::ResourceDir];

/// What a unit's preprocessing is made of.
#[derive(Debug, Clone, Copy)]
pub struct TreeInputs<'a> {
    /// The invocation.
    pub invocation: &'a Invocation,
    /// The unit of it.
    pub unit: &'a Unit,
    /// The wrapper's path, in its artifact.
    pub wrapper: &'a ProcessTemplate,
    /// `PATH`.
    pub search_path: Option<&'a ProcessTemplate>,
    /// The places that the calling process sees.
    pub places: &'a Places,
    /// The working directory, by its real name and as the compiler sees it.
    pub directory: [&'a Path; 2],
    /// The variables that decide what text is made of.
    pub environment: &'a [(&'static str, Vec<u8>)],
    /// The machine.
    pub platform: Platform,
}

/// A unit's preprocessing, but for the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    process: ProcessRecipe,
    /// The paths of the places that it names, as the calling process sees them, in order.
    pub places: Vec<Vec<u8>>,
}

impl Tree {
    /// Plans it; `None` where the calling process works in no work directory of its own.
    #[must_use]
    pub fn new(inputs: &TreeInputs<'_>) -> Option<Self> {
        let mut templates = Templates { places: inputs.places, artifacts: Vec::new() };
        let [real, named] = inputs.directory.map(|path| path.as_os_str().as_bytes());
        let works =
            |path| matches!(inputs.places.locate(path)?.root, Place::Symbol(Symbol::WorkDir)).then_some(());
        works(real)?;
        works(named)?;
        let (current_dir, pwd) = (templates.path(real)?, templates.path(named)?);
        templates.note(inputs.wrapper);
        inputs.search_path.into_iter().for_each(|path| templates.note(path));
        let args = templates.arguments(inputs.invocation, inputs.unit);
        let mut env: BTreeMap<ByteString, ProcessTemplate> = BTreeMap::new();
        for (name, value) in inputs.environment {
            env.insert((*name).into(), templates.list(value));
        }
        for (name, symbol) in
            [("BRIOCHE_OUTPUT", Symbol::OutputPath), ("HOME", Symbol::HomeDir), ("TMPDIR", Symbol::TempDir)]
        {
            env.insert(name.into(), Template::symbol(symbol));
        }
        env.insert("PWD".into(), pwd);
        env.extend(inputs.search_path.map(|path| ("PATH".into(), path.clone())));
        let (listed, places) = templates.listed();
        env.insert(PLACES_VARIABLE.into(), listed);
        let process = ProcessRecipe {
            command: inputs.wrapper.clone(),
            args,
            env,
            current_dir,
            dependencies: Vec::new(),
            work_dir: Box::new(Recipe::Directory(Directory::default())),
            output_scaffold: Some(Box::new(Recipe::Directory(Directory::default()))),
            platform: inputs.platform,
            networking: false,
        };
        Some(Self { process, places })
    }

    /// The name of it whatever the files are.
    #[must_use]
    pub fn name(&self) -> RecordName {
        RecordName::from_bytes(*Recipe::from(self.process.clone()).hash().as_bytes())
    }

    /// The recipe with these files and directories in its work directory, by their paths below that.
    #[must_use]
    pub fn with(&self, files: &[(&[u8], ArtifactHash)], directories: &[&[u8]]) -> Recipe {
        let work_dir = Box::new(work_directory(files, directories));
        Recipe::from(ProcessRecipe { work_dir, ..self.process.clone() })
    }
}

/// A directory with these files and directories in it, by their paths below it.
pub(super) fn work_directory(files: &[(&[u8], ArtifactHash)], directories: &[&[u8]]) -> Recipe {
    let mut root = Node::default();
    for directory in directories {
        root.at(directory);
    }
    for (path, artifact) in files {
        let (directory, name) = match memchr::memrchr(b'/', path) {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&b""[..], *path),
        };
        root.at(directory).files.insert(name.into(), *artifact);
    }
    root.recipe()
}

/// Part of a recipe's output.
#[must_use]
pub fn output(of: &Recipe, path: &str) -> Recipe {
    Recipe::Get { directory: Box::new(of.clone()), path: path.into() }
}

/// A directory that is put together.
#[derive(Default)]
struct Node {
    directories: BTreeMap<ByteString, Node>,
    files: BTreeMap<ByteString, ArtifactHash>,
}

impl Node {
    /// The directory at a path below this one.
    fn at(&mut self, path: &[u8]) -> &mut Self {
        let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        parts.fold(self, |node, part| node.directories.entry(part.into()).or_default())
    }

    fn recipe(self) -> Recipe {
        let files = self.files.into_iter().map(|(name, file)| (name, Recipe::Proxy { recipe: file.into() }));
        let directories = self.directories.into_iter().map(|(name, node)| (name, node.recipe()));
        Recipe::CreateDirectory { entries: files.chain(directories).collect() }
    }
}

/// Makes templates of paths, and keeps which artifacts they name.
struct Templates<'a> {
    places: &'a Places,
    artifacts: Vec<ArtifactHash>,
}

impl Templates<'_> {
    /// A path below a place.
    fn path(&mut self, path: &[u8]) -> Option<ProcessTemplate> {
        let Located { root, rest } = self.places.locate(path)?;
        let place = match root {
            Place::Symbol(symbol) => Template::symbol(*symbol),
            Place::Input(artifact) => Template::input(Recipe::Proxy { recipe: (*artifact).into() }),
        };
        self.note(&place);
        Some(place.then(rest.to_vec()))
    }

    /// Keeps what a template names.
    fn note(&mut self, template: &ProcessTemplate) {
        for component in &template.components {
            if let Component::Input(Recipe::Proxy { recipe }) = component {
                let artifact = ArtifactHash::from_bytes(*recipe.as_bytes());
                if !self.artifacts.contains(&artifact) {
                    self.artifacts.push(artifact);
                }
            }
        }
    }

    fn path_or_literal(&mut self, value: &[u8]) -> ProcessTemplate {
        self.path(value).unwrap_or_else(|| Template::literal(value.to_vec()))
    }

    /// Paths with colons between them.
    fn list(&mut self, value: &[u8]) -> ProcessTemplate {
        let parts: Vec<_> =
            value.split(|byte| *byte == b':').map(|part| self.path_or_literal(part)).collect();
        parts.into_iter().reduce(|list, part| list.then(":").join(part)).unwrap_or_default()
    }

    /// What the wrapper is given: the compile of this source alone, as far as the preprocessor sees it.
    fn arguments(&mut self, invocation: &Invocation, unit: &Unit) -> Vec<ProcessTemplate> {
        let goes =
            |role| matches!(role, Role::Preprocess | Role::Compile | Role::Presentation | Role::Driver);
        let mut args = Vec::new();
        for arg in invocation.args.iter().filter(|arg| goes(arg.role)) {
            args.extend(self.argument(arg, invocation.compiler.family));
        }
        if let Some(file) = &unit.source.dependencies {
            args.push(Template::literal(if file.system { "-MD" } else { "-MMD" }));
            args.extend(file.options.iter().map(|option| self.path_or_literal(option.as_bytes())));
        }
        args.push(Template::literal("-c"));
        args.extend(source_arguments(&unit.source).iter().map(|word| self.path_or_literal(word.as_bytes())));
        args
    }

    fn argument(&mut self, arg: &Arg, family: Family) -> Vec<ProcessTemplate> {
        let literal = |token: &OsStr| Template::literal(token.as_bytes().to_vec());
        let mut tokens: Vec<ProcessTemplate> = arg.tokens.iter().map(|token| literal(token)).collect();
        let (Some(value), Some(last)) = (&arg.value, arg.tokens.last()) else { return tokens };
        let value = value.as_bytes();
        let Some(front) = last.as_bytes().strip_suffix(value) else { return tokens };
        let (path, rest) = old_prefix(arg, family).unwrap_or((value, b""));
        if let (Some(path), Some(token)) = (self.path(path), tokens.last_mut()) {
            *token = Template::literal(front.to_vec()).join(path).then(rest.to_vec());
        }
        tokens
    }

    /// What [`PLACES_VARIABLE`] holds, and the paths of the calling process in the same order.
    fn listed(&self) -> (ProcessTemplate, Vec<Vec<u8>>) {
        let mut list = ProcessTemplate::default();
        let mut paths = Vec::new();
        let mut add = |word: &str, place: Place, template: ProcessTemplate| {
            if let Some(path) = self.places.path_of(&place) {
                list = std::mem::take(&mut list).then(format!("{word} ")).join(template).then("\n");
                paths.push(path.to_vec());
            }
        };
        for symbol in SYMBOLS {
            add(symbol.name(), Place::Symbol(symbol), Template::symbol(symbol));
        }
        for artifact in &self.artifacts {
            let input = Template::input(Recipe::Proxy { recipe: (*artifact).into() });
            add(INPUT, Place::Input(*artifact), input);
        }
        (list, paths)
    }
}
