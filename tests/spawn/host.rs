//! A host for tests: it bakes compiles by really running them, in a home of its own for each recipe, and does
//! what it is told to do wrong.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bakeplan::host::{Session, Watch};
use bakeplan::recipe::digest::{ArtifactHash, BlobDigest, RecipeHash, RecordName};
use bakeplan::recipe::{
    Artifact, COMPILE_SCRIPT, Component, Directory, File, ProcessRecipe, ProcessTemplate, Recipe, Symbol,
};
use bakeplan::transport::socket::Deliver;
use bakeplan::transport::wire::{Content, Delivered, Finished, Input, Inputs, WireError, limits};

/// The artifact that stands for the toolchain.
pub const TOOLCHAIN: ArtifactHash = ArtifactHash::from_bytes([7; 32]);

/// The artifact that stands for the wrapper's.
pub const WRAPPERS: ArtifactHash = ArtifactHash::from_bytes([8; 32]);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    Refuses,
    Fails,
    /// The output lacks the object.
    Forgets,
    /// Nothing comes of it.
    Hangs,
}

/// Everything that outer processes share.
pub struct Engine {
    directory: PathBuf,
    pub trouble: Mutex<Trouble>,
    /// Every recipe that was asked for, and whether it was there already.
    pub asked: Mutex<Vec<(Recipe, bool)>>,
    /// The same of preprocessing.
    pub preprocessed: Mutex<Vec<(Recipe, bool)>>,
    pub running: AtomicUsize,
    /// Whether its processes see what its bakes see.
    pub like_a_bake: AtomicBool,
    pub notes: Mutex<HashMap<RecordName, Vec<u8>>>,
    /// What was baked. A slot is locked while it is: what is asked for twice at once is baked once.
    baked: Mutex<HashMap<String, Arc<Mutex<Option<PathBuf>>>>>,
    recipes: Mutex<HashMap<RecipeHash, PathBuf>>,
    files: Mutex<HashMap<ArtifactHash, Vec<u8>>>,
}

impl Engine {
    pub fn new(directory: PathBuf) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        Self {
            directory,
            trouble: Mutex::new(Trouble::None),
            asked: Mutex::default(),
            preprocessed: Mutex::default(),
            running: AtomicUsize::new(0),
            like_a_bake: AtomicBool::new(true),
            notes: Mutex::default(),
            baked: Mutex::default(),
            recipes: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// How many bakes there were, and how many of them were there already.
    pub fn counts(&self) -> (usize, usize) {
        let asked = self.asked.lock().unwrap();
        (asked.len(), asked.iter().filter(|(_, hit)| *hit).count())
    }
}

/// One outer process.
pub struct Outer {
    pub engine: &'static Engine,
    /// The toolchain as the process sees it.
    pub toolchain: PathBuf,
    /// The wrapper's directory, where that is in an artifact of its own.
    pub wrappers: Option<PathBuf>,
    pub home: PathBuf,
    pub temp: PathBuf,
}

impl Session for Outer {
    fn inputs(&self) -> Result<Inputs, WireError> {
        let bytes = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
        let symbols = [
            ("home_dir", bytes(&self.home)),
            ("work_dir", bytes(&self.home.join("work"))),
            ("temp_dir", bytes(&self.temp)),
        ];
        let input = |artifact, path: &PathBuf| Input { artifact, path: bytes(path) };
        let toolchain = input(TOOLCHAIN, &self.toolchain);
        let wrappers = self.wrappers.iter().map(|path| input(WRAPPERS, path));
        Ok(Inputs {
            artifacts: [toolchain].into_iter().chain(wrappers).collect(),
            symbols: symbols.into_iter().map(|(name, path)| (name.to_owned(), path)).collect(),
            scratch: bytes(&self.temp),
            like_a_bake: self.engine.like_a_bake.load(Ordering::SeqCst),
            recipe: None,
        })
    }

    fn create_artifacts(&self, paths: &[&Path], _: &dyn Watch) -> Vec<Result<ArtifactHash, WireError>> {
        let create = |path: &&Path| {
            let bytes = std::fs::read(path).map_err(|error| WireError::new("file", error.to_string()))?;
            let hash = Artifact::File(File::new(BlobDigest::of(&bytes), false)).hash();
            self.engine.files.lock().unwrap().insert(hash, bytes);
            Ok(hash)
        };
        paths.iter().map(create).collect()
    }

    fn bake(&self, recipe: &Recipe, output: Deliver<'_>, watch: &dyn Watch) -> Result<Finished, WireError> {
        match *self.engine.trouble.lock().unwrap() {
            Trouble::Refuses => return Err(WireError::new("not-granted", "told to refuse")),
            Trouble::Fails => return Ok(Finished::Failed { why: "told to fail".to_owned() }),
            Trouble::Hangs => {
                self.engine.asked.lock().unwrap().push((recipe.clone(), false));
                while !watch.is_cancelled() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                return Err(WireError::new("cancelled", "nobody waits"));
            }
            Trouble::None | Trouble::Forgets => {}
        }
        self.engine.running.fetch_add(1, Ordering::SeqCst);
        let baked = self.baked(recipe);
        self.engine.running.fetch_sub(1, Ordering::SeqCst);
        let (baked, hit) = match baked {
            Ok(baked) => baked,
            Err(why) => return Ok(Finished::Failed { why }),
        };
        let forgets = *self.engine.trouble.lock().unwrap() == Trouble::Forgets;
        let mut contents = Vec::new();
        match output {
            Deliver::Nowhere => {}
            Deliver::At(output) => {
                copy(&baked, output);
                if forgets {
                    let _ = std::fs::remove_file(output.join("object"));
                }
            }
            Deliver::Inline => {
                contents = small(&baked);
                contents.retain(|content| !(forgets && content.name == b"object"));
            }
        }
        self.engine.recipes.lock().unwrap().insert(recipe.hash(), baked);
        let artifact = ArtifactHash::from_bytes([9; 32]);
        Ok(Finished::Succeeded(Delivered { artifact, recipe: recipe.hash(), hit, took: 5, contents }))
    }

    fn get_note(&self, name: &RecordName) -> Result<Option<Vec<u8>>, WireError> {
        Ok(self.engine.notes.lock().unwrap().get(name).cloned())
    }

    fn put_note(&self, name: &RecordName, note: &[u8]) -> Result<(), WireError> {
        self.engine.notes.lock().unwrap().insert(*name, note.to_vec());
        Ok(())
    }
}

/// The files of a small output.
fn small(baked: &Path) -> Vec<Content> {
    let read = |name: &std::ffi::OsStr, path: &Path| Content {
        name: name.as_encoded_bytes().to_vec(),
        bytes: std::fs::read(path).unwrap(),
    };
    let contents: Vec<Content> = if baked.is_file() {
        vec![read("".as_ref(), baked)]
    } else {
        let entries = std::fs::read_dir(baked).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| read(&entry.file_name(), &entry.path())).collect()
    };
    let size: usize = contents.iter().map(|content| content.bytes.len()).sum();
    if size <= limits::INLINE { contents } else { Vec::new() }
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Every file and directory below one, with the bytes.
fn listed(directory: &Path) -> String {
    let mut entries: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let shown = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            format!("{name}/({})", listed(path))
        } else {
            format!("{name}={};", BlobDigest::of(&std::fs::read(path).unwrap()))
        }
    };
    entries.iter().map(shown).collect()
}

impl Outer {
    /// What a recipe gives, and whether that was there already.
    fn baked(&self, recipe: &Recipe) -> Result<(PathBuf, bool), String> {
        match recipe {
            Recipe::Get { directory, path } => {
                let (baked, hit) = self.baked(directory)?;
                let part = baked.join(path.as_os_str());
                if part.exists() { Ok((part, hit)) } else { Err(format!("no {path} in it")) }
            }
            Recipe::Process(process) => {
                let baked = self.process(process)?;
                self.engine.recipes.lock().unwrap().insert(recipe.hash(), baked.0.clone());
                Ok(baked)
            }
            Recipe::Proxy { recipe } => {
                let known = self.engine.recipes.lock().unwrap().get(recipe).cloned();
                known.map(|baked| (baked, true)).ok_or_else(|| format!("{recipe} was not baked"))
            }
            other => panic!("{other:?}"),
        }
    }

    fn process(&self, process: &ProcessRecipe) -> Result<(PathBuf, bool), String> {
        let work = tempfile::tempdir_in(&self.engine.directory).unwrap();
        self.put(&process.work_dir, work.path())?;
        // A process is the same if its inputs are, however they came about.
        let complete =
            ProcessRecipe { work_dir: Box::new(Recipe::Directory(Directory::default())), ..process.clone() };
        let name = format!("{}-{}", Recipe::from(complete).hash(), listed(work.path()));
        let name = BlobDigest::of(name.as_bytes()).to_string();
        let slot = Arc::clone(self.engine.baked.lock().unwrap().entry(name.clone()).or_default());
        let mut slot = slot.lock().unwrap();
        let compiles = process.args.get(1) == Some(&ProcessTemplate::literal(COMPILE_SCRIPT));
        let asked = if compiles { &self.engine.asked } else { &self.engine.preprocessed };
        asked.lock().unwrap().push((Recipe::from(process.clone()), slot.is_some()));
        if let Some(known) = &*slot {
            return Ok((known.clone(), true));
        }
        let baked = self.run(process, &name, work.path())?;
        *slot = Some(baked.clone());
        Ok((baked, false))
    }

    /// Puts what a recipe without processes gives, but for parts of their outputs, at a path.
    fn put(&self, recipe: &Recipe, at: &Path) -> Result<(), String> {
        let file = |hash: &ArtifactHash, at: &Path| {
            std::fs::write(at, &self.engine.files.lock().unwrap()[hash]).unwrap();
        };
        match recipe {
            Recipe::CreateDirectory { entries } => {
                std::fs::create_dir_all(at).unwrap();
                for (name, entry) in entries {
                    self.put(entry, &at.join(name.as_os_str()))?;
                }
            }
            Recipe::Directory(directory) => {
                for (name, hash) in &directory.entries {
                    file(hash, &at.join(name.as_os_str()));
                }
            }
            Recipe::Proxy { recipe } => file(&ArtifactHash::from_bytes(*recipe.as_bytes()), at),
            other => copy(&self.baked(other)?.0, at),
        }
        Ok(())
    }

    /// Runs a process in a home that is named after its recipe.
    fn run(&self, process: &ProcessRecipe, name: &str, from: &Path) -> Result<PathBuf, String> {
        let home = self.engine.directory.join(format!("home-{name}"));
        let (work, output, temp) = (home.join("work"), home.join("output"), home.join("tmp"));
        for directory in [&work, &output, &temp] {
            std::fs::create_dir_all(directory).unwrap();
        }
        copy(from, &work);
        let fill = |template: &ProcessTemplate| -> String {
            let component = |component: &Component<Recipe>| match component {
                Component::Literal(bytes) => bytes.as_os_str().to_str().unwrap().to_owned(),
                Component::Input(Recipe::Proxy { recipe }) => {
                    let of = |artifact: ArtifactHash| recipe.to_string() == artifact.to_string();
                    assert!(of(TOOLCHAIN) || of(WRAPPERS), "{recipe}");
                    let wrappers = self.wrappers.as_ref().filter(|_| of(WRAPPERS));
                    wrappers.unwrap_or(&self.toolchain).display().to_string()
                }
                Component::Symbol(Symbol::WorkDir) => work.display().to_string(),
                Component::Symbol(Symbol::OutputPath) => output.display().to_string(),
                Component::Symbol(Symbol::TempDir) => temp.display().to_string(),
                Component::Symbol(Symbol::HomeDir) => home.display().to_string(),
                Component::Symbol(_) => String::new(),
                other @ Component::Input(_) => panic!("{other:?}"),
            };
            template.components.iter().map(component).collect()
        };
        let env: BTreeMap<String, String> = process
            .env
            .iter()
            .map(|(name, value)| (name.as_os_str().to_str().unwrap().to_owned(), fill(value)))
            .collect();
        let status = Command::new(fill(&process.command))
            .args(process.args.iter().map(fill))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(env)
            .current_dir(fill(&process.current_dir))
            .status()
            .map_err(|error| error.to_string())?;
        if status.success() { Ok(output) } else { Err(status.to_string()) }
    }
}
