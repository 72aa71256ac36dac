//! A host for tests: it bakes compiles by really running them, in a home of its own for each recipe, and does
//! what it is told to do wrong.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use bakeplan::host::{Session, Watch};
use bakeplan::recipe::digest::{ArtifactHash, BlobDigest, RecordName};
use bakeplan::recipe::{Artifact, Component, File, ProcessRecipe, ProcessTemplate, Recipe, Symbol};
use bakeplan::transport::wire::{Delivered, Finished, Input, Inputs, WireError};

/// The artifact that stands for the toolchain.
pub const TOOLCHAIN: ArtifactHash = ArtifactHash::from_bytes([7; 32]);

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
    baked: Mutex<HashMap<String, PathBuf>>,
    files: Mutex<HashMap<ArtifactHash, Vec<u8>>>,
}

impl Engine {
    pub fn new(directory: PathBuf) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        Self {
            directory,
            trouble: Mutex::new(Trouble::None),
            asked: Mutex::default(),
            baked: Mutex::default(),
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
        Ok(Inputs {
            artifacts: vec![Input { artifact: TOOLCHAIN, path: bytes(&self.toolchain) }],
            symbols: symbols.into_iter().map(|(name, path)| (name.to_owned(), path)).collect(),
            recipe: None,
        })
    }

    fn create_artifact(&self, path: &Path) -> Result<ArtifactHash, WireError> {
        let bytes = std::fs::read(path).map_err(|error| WireError::new("file", error.to_string()))?;
        let hash = Artifact::File(File::new(BlobDigest::of(&bytes), false)).hash();
        self.engine.files.lock().unwrap().insert(hash, bytes);
        Ok(hash)
    }

    fn bake(&self, recipe: &Recipe, output: Option<&Path>, watch: &dyn Watch) -> Result<Finished, WireError> {
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
        let Recipe::Process(process) = recipe else { panic!("no process: {recipe:?}") };
        let name = recipe.hash().to_string();
        let known = self.engine.baked.lock().unwrap().get(&name).cloned();
        self.engine.asked.lock().unwrap().push((recipe.clone(), known.is_some()));
        let hit = known.is_some();
        let baked = match known {
            Some(baked) => baked,
            None => match self.run(process, &name) {
                Ok(baked) => baked,
                Err(why) => return Ok(Finished::Failed { why }),
            },
        };
        if let Some(output) = output {
            std::fs::create_dir(output).unwrap();
            for entry in std::fs::read_dir(&baked).unwrap() {
                let entry = entry.unwrap();
                if *self.engine.trouble.lock().unwrap() != Trouble::Forgets || entry.file_name() != "object" {
                    std::fs::copy(entry.path(), output.join(entry.file_name())).unwrap();
                }
            }
        }
        self.engine.baked.lock().unwrap().insert(name, baked);
        let artifact = ArtifactHash::from_bytes([9; 32]);
        Ok(Finished::Succeeded(Delivered { artifact, recipe: recipe.hash(), hit, took: 5 }))
    }

    fn get_note(&self, _: &RecordName) -> Result<Option<Vec<u8>>, WireError> {
        Ok(None)
    }

    fn put_note(&self, _: &RecordName, _: &[u8]) -> Result<(), WireError> {
        Ok(())
    }
}

impl Outer {
    /// Runs a process in a home that is named after its recipe.
    fn run(&self, process: &ProcessRecipe, name: &str) -> Result<PathBuf, String> {
        let home = self.engine.directory.join(format!("home-{name}"));
        let (work, output, temp) = (home.join("work"), home.join("output"), home.join("tmp"));
        for directory in [&work, &output, &temp] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let Recipe::Directory(directory) = &*process.work_dir else { panic!("{:?}", process.work_dir) };
        for (file, artifact) in &directory.entries {
            let files = self.engine.files.lock().unwrap();
            std::fs::write(work.join(file.as_os_str()), &files[artifact]).unwrap();
        }
        let fill = |template: &ProcessTemplate| -> String {
            let component = |component: &Component<Recipe>| match component {
                Component::Literal(bytes) => bytes.as_os_str().to_str().unwrap().to_owned(),
                Component::Input(Recipe::Proxy { recipe }) => {
                    assert_eq!(recipe.to_string(), TOOLCHAIN.to_string());
                    self.toolchain.display().to_string()
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
            .envs(env)
            .env("PATH", "/usr/bin:/bin")
            .current_dir(fill(&process.current_dir))
            .status()
            .map_err(|error| error.to_string())?;
        if status.success() { Ok(output) } else { Err(status.to_string()) }
    }
}
