//! Sparing the preprocessor. A process that has preprocessed a source *notes* at the host which files of its work
//! directory were read, and has the host bake that preprocessing from exactly these files, for others, while
//! nobody waits ([`crate::planner::tree`]). Who compiles the same later, gives the host its own files of these
//! names, and takes the text that comes of them.
//!
//! # Why nobody can be misled
//!
//! A note is a hint from anybody. It says which files to put into a recipe, and the recipe says what comes of them:
//! - their bytes are this process's own: the host has just read them here, and hashed them itself;
//! - what the preprocessor saw in the bake, found or not found, the bake itself tells (a claim of nobody: it is
//!   the output of that recipe); and it is all looked up here: what was read is the same bytes here, what was not
//!   found is not here, directories are directories, two files of equal bytes are one or two as they were. A
//!   preprocessor that sees the same does the same, so the text is what this process's own would give.
//!
//! A note that names too few or too many files, or others, leads to a recipe that nobody else asks for, whose
//! lookups are not those here; then the source is preprocessed here, as if there were no note. The recipes that a
//! note says were baked decide only whether it is worth asking.
//!
//! Nothing is spared where the command holds a place of the process as program data (`-DPREFIX="$HOME/…"`), since its
//! preprocessing would be asked for in this home alone; where the wrapper is in no artifact (the bake runs it); where
//! this process sees the machine and a bake does not (a compiler looks for itself in `/usr`, too); where the working
//! directory is in no work directory; or where a file was read that is in another directory of the process's own.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Compile, Host};
use crate::argparse::{Family, Role};
use crate::driver::told::{Looked, Told};
use crate::paths::{self, Spelling, lexical};
use crate::planner::Unit;
use crate::planner::environment;
use crate::planner::places::Place;
use crate::planner::recipe::unit_recipe_of;
use crate::planner::tree::{TEXT, TOLD, Tree, TreeInputs, output};
use crate::recipe::digest::{ArtifactHash, RecipeHash};
use crate::recipe::{Recipe, Symbol};
use crate::transport::socket::{BakeId, BakeRequest, Deliver};
use crate::transport::wire::Finished;

/// How many files a note may name.
const MOST_FILES: usize = 4096;
/// How many recipes a note remembers.
const MOST_BAKED: usize = 8;
/// The variables beside [`environment::preprocessing`] that may decide how a source is read.
const LOCALE: [&str; 3] = ["LC_ALL", "LC_CTYPE", "LANG"];

/// What is noted of a unit's preprocessing: paths below the work directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    files: Vec<Vec<u8>>,
    directories: Vec<Vec<u8>>,
    /// The recipes that were baked, the latest first.
    baked: Vec<RecipeHash>,
}

/// A unit that may be noted once it is done.
pub(super) struct Notable {
    tree: Tree,
    /// What was noted before, and what was found wanting in it.
    note: Note,
    /// The files that the preprocessor read.
    files: Vec<PathBuf>,
}

/// A bake of a text that need not be made here.
pub(super) struct Spared {
    pub(super) bake: BakeId,
    /// The dependency file.
    pub(super) dependencies: Option<Vec<u8>>,
}

impl Notable {
    pub(super) fn read(self, files: Vec<PathBuf>) -> Self {
        Self { files, ..self }
    }

    /// The places that have names in what a bake tells.
    fn places(&self) -> paths::Places {
        paths::Places::new(self.tree.places.iter().map(|path| OsStr::from_bytes(path)))
    }
}

impl Note {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let note: Self = postcard::from_bytes(bytes).ok()?;
        let paths = || note.files.iter().chain(&note.directories);
        (paths().count() <= MOST_FILES && paths().all(|path| is_below(path))).then_some(note)
    }

    /// Adds something that stands, or not, at a path below the work directory.
    fn add(&mut self, path: Vec<u8>, is_directory: bool) {
        let list = if is_directory { &mut self.directories } else { &mut self.files };
        if is_below(&path) && !list.contains(&path) {
            list.push(path);
        }
    }
}

/// Whether a path names something below a directory, plainly.
fn is_below(path: &[u8]) -> bool {
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    path.split(|byte| *byte == b'/').all(plain)
}

impl Host<'_> {
    /// What is known of a unit's preprocessing; `None` where it can't be baked.
    pub(super) fn notable(&mut self, compile: Compile<'_>, unit: &Unit) -> Option<Notable> {
        if !unit.source.language.preprocessed {
            return None;
        }
        let mut variables = environment::preprocessing(self.world.environment());
        let locale = LOCALE.into_iter().filter_map(|name| Some((name, self.world.environment().get(name)?)));
        variables.extend(locale.map(|(name, value)| (name, value.as_bytes().to_vec())));
        let tree = Tree::new(&TreeInputs {
            invocation: compile.invocation,
            unit,
            wrapper: self.wrapper.as_ref()?,
            search_path: self.search_path.as_ref(),
            places: &self.places,
            directory: [self.world.cwd(), Path::new(compile.directory)],
            environment: &variables,
            platform: self.platform,
        })?;
        // With this process's own places in its command it has another name in any other home.
        if !self.data(b"", &tree.with(&[], &[])).is_empty() {
            return None;
        }
        let noted = self.client.get_note(tree.name()).ok()?;
        let note = noted.and_then(|bytes| Note::decode(&bytes)).unwrap_or_default();
        Some(Notable { tree, note, files: Vec::new() })
    }

    /// Asks for the bake of a unit whose text was made before, where this process's own preprocessor would give the
    /// same. What is wanting in the note is added to it.
    pub(super) fn spared(
        &mut self,
        compile: Compile<'_>,
        index: usize,
        unit: &Unit,
        notable: &mut Notable,
    ) -> Option<Spared> {
        if notable.note.baked.is_empty() {
            return None;
        }
        let preprocessing = self.tree(&notable.tree, &notable.note)?;
        let hash = preprocessing.hash();
        if !notable.note.baked.contains(&hash) {
            return None;
        }
        let looked = match self.told(index, &output(&preprocessing, TOLD)) {
            Ok(looked) => looked,
            Err(why) => {
                let line = format_args!("preprocessing can't be spared: {why}");
                self.log.line(self.world, unit.source.path.display(), line);
                return None;
            }
        };
        // The compile goes on while it is looked whether it may serve.
        let made = Recipe::Proxy { recipe: hash };
        let inputs = self.recipe_inputs(compile, unit, ArtifactHash::from_bytes([0; 32]));
        let recipe = unit_recipe_of(&inputs, output(&made, TEXT)).ok()?;
        let request = BakeRequest { recipe: &recipe, output: Deliver::Inline, detached: false };
        let bake = self.client.submit(request).ok()?;
        let spared = self.looked_up(unit, notable, &looked).and_then(|()| {
            let dependencies = match &unit.source.dependencies {
                Some(_) => Some(dependency_file(looked, notable, compile.invocation.compiler.family)?),
                None => None,
            };
            Some(Spared { bake, dependencies })
        });
        if spared.is_none() {
            let _ = self.client.cancel(bake);
        }
        spared
    }

    /// What the preprocessor saw in its bake, or why that may not serve.
    fn told(&mut self, index: usize, told: &Recipe) -> Result<Looked, String> {
        let request = BakeRequest { recipe: told, output: Deliver::Inline, detached: false };
        match self.client.bake(request, &mut |_, _, _| ()).map_err(|error| error.to_string())? {
            Finished::Succeeded(mut delivered) => {
                let output = self.output(&mut delivered, &format!("told-{index}"));
                let bytes =
                    output.and_then(|output| output.read(self.world, "")).map_err(|local| local.why)?;
                Told::decode(&bytes).ok_or_else(|| "what it saw can't be read".to_owned())?.outcome
            }
            Finished::Failed { why } => Err(why),
        }
    }

    /// Looks up all that the preprocessor looked up in its bake; `None` where it would see something else here.
    fn looked_up(&self, unit: &Unit, notable: &mut Notable, looked: &Looked) -> Option<()> {
        let places = notable.places();
        let files: HashSet<&[u8]> = notable.note.files.iter().map(Vec::as_slice).collect();
        let given = |path: &Path| self.is_given(&notable.tree, &files, path);
        if let Err(mismatch) = looked.holds(self.world, &places, &given) {
            let (token, path) = (mismatch.token(), mismatch.path().display());
            let line = format_args!("a note is wanting: {token} {path}");
            self.log.line(self.world, unit.source.path.display(), line);
            let path = places.path(mismatch.path())?.into_owned();
            let stat = self.world.stat(&path).ok()?;
            let below = self.below_work(&path)?;
            notable.note.add(below, stat.is_dir());
            return None;
        }
        Some(())
    }

    /// Whether a file is known to have the bytes that the bake saw: it is of an artifact that the recipe names, or
    /// was given to the host for it, being among these files of the work directory.
    fn is_given(&self, tree: &Tree, files: &HashSet<&[u8]>, path: &Path) -> bool {
        let Some(located) = self.places.locate(path.as_os_str().as_bytes()) else { return false };
        if let Place::Input(_) = located.root {
            let here = self.places.path_of(located.root);
            return tree.places.iter().any(|path| Some(path.as_slice()) == here);
        }
        let below = self.work().and_then(|work| path.strip_prefix(work).ok());
        let is_named = |below: &Path| files.contains(below.as_os_str().as_bytes());
        // A link was given as a link.
        below.is_some_and(is_named) && self.world.lstat(path).is_ok_and(|stat| stat.is_file())
    }

    /// Notes a unit that was preprocessed here, and has that baked for others. Nothing depends on it.
    pub(super) fn note(&mut self, compile: Compile<'_>, notable: Notable) -> Option<()> {
        let Notable { tree, note, files } = notable;
        let mut new = Note { baked: note.baked, ..Note::default() };
        for (path, is_directory) in note
            .files
            .into_iter()
            .map(|path| (path, false))
            .chain(note.directories.into_iter().map(|path| (path, true)))
        {
            // What was found wanting is kept while it is there.
            let there = self.world.stat(&self.work()?.join(OsStr::from_bytes(&path)));
            if there.is_ok_and(|stat| stat.is_dir() == is_directory) {
                new.add(path, is_directory);
            }
        }
        for file in &files {
            let path = lexical(&self.world.absolute(file));
            if self.world.stat(&path).is_err() {
                continue;
            }
            // What is in no place stands in the bake as it does here, or the bake tells that it doesn't.
            let place = self.places.locate(path.as_os_str().as_bytes()).map(|located| located.root);
            if let Some(Place::Symbol(_)) = place {
                new.add(self.below_work(&path)?, false);
            }
        }
        for directory in self.directories(compile) {
            new.add(directory, true);
        }
        let preprocessing = self.tree(&tree, &new)?;
        let hash = preprocessing.hash();
        new.baked.retain(|other| *other != hash);
        new.baked.insert(0, hash);
        new.baked.truncate(MOST_BAKED);
        let request = BakeRequest { recipe: &preprocessing, output: Deliver::Nowhere, detached: true };
        self.client.submit(request).ok()?;
        self.client.put_note(tree.name(), postcard::to_stdvec(&new).ok()?).ok()
    }

    /// The recipe with this process's files; `None` where one is not there.
    fn tree(&mut self, tree: &Tree, note: &Note) -> Option<Recipe> {
        let work = self.work()?.to_owned();
        let paths: Vec<PathBuf> = note.files.iter().map(|file| work.join(OsStr::from_bytes(file))).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let artifacts = self.client.create_artifacts(&paths).ok()?;
        let artifacts: Vec<ArtifactHash> = artifacts.into_iter().collect::<Result<_, _>>().ok()?;
        let files: Vec<(&[u8], ArtifactHash)> = note.files.iter().map(Vec::as_slice).zip(artifacts).collect();
        let directories: Vec<&[u8]> = note.directories.iter().map(Vec::as_slice).collect();
        Some(tree.with(&files, &directories))
    }

    /// The directories of the work directory that the command names, and the working directory.
    fn directories(&self, compile: Compile<'_>) -> Vec<Vec<u8>> {
        let args = compile.invocation.args.iter().filter(|arg| arg.role == Role::Preprocess);
        let named = args.filter_map(|arg| arg.value.as_deref()).map(Path::new);
        let all = named.chain([self.world.cwd()]).map(|path| lexical(&self.world.absolute(path)));
        let there = all.filter(|path| self.world.stat(path).is_ok_and(|stat| stat.is_dir()));
        there.filter_map(|path| self.below_work(&path)).collect()
    }

    /// The work directory.
    fn work(&self) -> Option<&Path> {
        self.places.path_of(&Place::Symbol(Symbol::WorkDir)).map(|path| Path::new(OsStr::from_bytes(path)))
    }

    /// A path below the work directory without that; `None` where it leads elsewhere.
    fn below_work(&self, path: &Path) -> Option<Vec<u8>> {
        let below = path.strip_prefix(self.work()?).ok()?;
        (self.world.canonicalize(path).ok()? == path).then(|| below.as_os_str().as_bytes().to_vec())
    }
}

/// The dependency file that the compiler would write here.
fn dependency_file(looked: Looked, notable: &Notable, family: Family) -> Option<Vec<u8>> {
    let escapes = |byte: &u8| !byte.is_ascii_graphic() || b"\\#$:".contains(byte);
    if notable.tree.places.iter().flatten().any(escapes) {
        return None;
    }
    let places = notable.places();
    let rules = looked.rules?.renamed(|name| places.spelled(name, Spelling::Plain))?;
    Some(rules.write(family))
}
