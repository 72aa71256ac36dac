//! A complete small embedding: a host with a `Baker` of its own behind the protocol, as Brioche would put its
//! engine there. This one keeps everything in memory and bakes by running processes in temporary directories,
//! without a sandbox; grants, protocol and server are the crate's.
//!
//!     cargo run --features host --example embedding -- make CC='brioche-cc gcc'
#![allow(clippy::disallowed_methods, reason = "this is where the surroundings come in")]
#![allow(clippy::print_stderr, reason = "a program may print")]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};

use bakeplan::host::artifacts::Owner;
use bakeplan::host::{
    Baked, Baker, Grant, Grants, HostError, Links, Options, Order, Output, Place, Rights, Root, Roots, Watch,
    serve,
};
use bakeplan::recipe::digest::{ArtifactHash, BlobDigest, RecipeHash, RecordName};
use bakeplan::recipe::{
    Artifact, ByteString, Component, Directory, File, Platform, ProcessTemplate, Recipe, Symbol,
};

/// What an engine knows. Brioche's has a database and a directory of blobs.
#[derive(Default)]
struct Memory {
    blobs: HashMap<BlobDigest, Vec<u8>>,
    artifacts: HashMap<ArtifactHash, Artifact>,
    baked: HashMap<RecipeHash, Output>,
    notes: HashMap<RecordName, Vec<u8>>,
}

/// The engine, and the machine's compilers, which stand for an artifact.
struct Engine {
    memory: Mutex<Memory>,
    toolchain: (ArtifactHash, PathBuf),
}

impl Engine {
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, path: &Path) -> std::io::Result<ArtifactHash> {
        let artifact = if path.is_dir() {
            let entries = fs::read_dir(path)?.map(|entry| {
                let entry = entry?;
                let name = ByteString::from(entry.file_name().as_bytes().to_vec());
                Ok((name, self.take(&entry.path())?))
            });
            Artifact::Directory(Directory { entries: entries.collect::<std::io::Result<_>>()? })
        } else {
            let bytes = fs::read(path)?;
            let digest = BlobDigest::of(&bytes);
            self.memory().blobs.insert(digest, bytes);
            Artifact::File(File::new(digest, false))
        };
        let hash = artifact.hash();
        self.memory().artifacts.insert(hash, artifact);
        Ok(hash)
    }

    fn put(&self, hash: &ArtifactHash, path: &Path) -> Result<(), HostError> {
        let artifact = self.memory().artifacts.get(hash).cloned();
        match artifact.ok_or(HostError::Missing(hash.to_string()))? {
            Artifact::File(file) => {
                let bytes = self.memory().blobs.get(&file.content_blob).cloned();
                fs::write(path, bytes.unwrap_or_default()).map_err(HostError::io("write", path))
            }
            Artifact::Directory(directory) => {
                fs::create_dir_all(path).map_err(HostError::io("make", path))?;
                let mut entries = directory.entries.iter();
                entries.try_for_each(|(name, entry)| self.put(entry, &path.join(name.as_os_str())))
            }
            Artifact::Symlink { target } => {
                std::os::unix::fs::symlink(target.as_os_str(), path).map_err(HostError::io("make", path))
            }
        }
    }

    /// Runs a process; its work directory is an artifact, its only input the toolchain.
    fn run(&self, recipe: &Recipe) -> Result<Result<ArtifactHash, String>, HostError> {
        let Recipe::Process(process) = recipe else {
            return Err(HostError::BadRecipe("this engine bakes processes only".to_owned()));
        };
        let home = tempfile::tempdir().map_err(HostError::io("make a directory in", Path::new("/tmp")))?;
        let (work, output) = (home.path().join("work"), home.path().join("output"));
        let Ok(Artifact::Directory(work_dir)) = process.work_dir.to_artifact() else {
            return Err(HostError::BadRecipe("the work directory is no artifact".to_owned()));
        };
        let work_dir = Artifact::Directory(work_dir);
        self.memory().artifacts.insert(work_dir.hash(), work_dir.clone());
        self.put(&work_dir.hash(), &work)?;
        fs::create_dir(&output).map_err(HostError::io("make", &output))?;
        let fill = |template: &ProcessTemplate| {
            let mut filled = Vec::new();
            for component in &template.components {
                filled.extend_from_slice(match component {
                    Component::Literal(bytes) => bytes.as_bytes(),
                    Component::Input(_) => self.toolchain.1.as_os_str().as_bytes(),
                    Component::Symbol(Symbol::OutputPath) => output.as_os_str().as_bytes(),
                    Component::Symbol(Symbol::WorkDir) => work.as_os_str().as_bytes(),
                    Component::Symbol(_) => home.path().as_os_str().as_bytes(),
                });
            }
            OsStr::from_bytes(&filled).to_owned()
        };
        let env = process.env.iter().map(|(name, value)| (name.as_os_str().to_owned(), fill(value)));
        let status = Command::new(fill(&process.command))
            .args(process.args.iter().map(fill))
            .env_clear()
            .envs(env)
            .current_dir(fill(&process.current_dir))
            .status()
            .map_err(HostError::io("run a process in", &work))?;
        if !status.success() {
            return Ok(Err(status.to_string()));
        }
        Ok(Ok(self.take(&output).map_err(HostError::io("take", &output))?))
    }
}

/// A place's path, by way of the directory that is held open.
fn path_of(place: &Place<'_>) -> PathBuf {
    Path::new("/proc/self/fd").join(place.directory.as_raw_fd().to_string()).join(place.name)
}

impl Baker for Engine {
    fn import(&self, place: &Place<'_>, _: Owner, _: &dyn Watch) -> Result<ArtifactHash, HostError> {
        self.take(&path_of(place)).map_err(HostError::io("take", place.shown))
    }

    fn artifact(&self, hash: &ArtifactHash) -> Result<Option<Artifact>, HostError> {
        Ok(self.memory().artifacts.get(hash).cloned())
    }

    fn bake(&self, recipe: &Recipe, order: &Order<'_>) -> Result<Baked, HostError> {
        let known = self.memory().baked.get(&recipe.hash()).copied().filter(|_| !order.afresh);
        if let Some(output) = known {
            return Ok(Baked::Done(Output { hit: true, ..output }));
        }
        Ok(match self.run(recipe)? {
            Ok(artifact) => {
                let output = Output { artifact, hit: false, took: 0 };
                self.memory().baked.insert(recipe.hash(), output);
                Baked::Done(output)
            }
            Err(why) => Baked::Failed { why },
        })
    }

    fn export(&self, artifact: &ArtifactHash, place: &Place<'_>) -> Result<(), HostError> {
        self.put(artifact, &path_of(place))
    }

    fn get_note(&self, name: &RecordName) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.memory().notes.get(name).cloned())
    }

    fn put_note(&self, name: &RecordName, note: &[u8]) -> Result<(), HostError> {
        self.memory().notes.insert(*name, note.to_vec());
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else {
        eprintln!("usage: embedding COMMAND [ARGS]...");
        return Ok(ExitCode::FAILURE);
    };
    // A real engine hashes all that the compilers are made of; here the driver's bytes stand for `/usr`.
    let toolchain = (ArtifactHash::of(&fs::read("/usr/bin/gcc")?), PathBuf::from("/usr"));
    let engine = Engine { memory: Mutex::default(), toolchain: toolchain.clone() };
    engine.memory().artifacts.insert(toolchain.0, Artifact::Directory(Directory::default()));
    let here = std::env::current_dir()?;
    let scratch = tempfile::tempdir()?;
    let root =
        Root { path: "/".into(), directory: fs::File::open("/")?.into(), writable: true, links: Links::All };
    let grant = Grant {
        recipe: None,
        inputs: vec![toolchain],
        symbols: vec![(Symbol::WorkDir, here), (Symbol::TempDir, "/tmp".into())],
        rights: Rights { networking: false, platforms: Platform::current().into_iter().collect() },
        roots: Roots { roots: vec![root], covered: Vec::new() },
        scratch: scratch.path().to_owned(),
        like_a_bake: false,
        owner: Owner::Host,
    };
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("host/socket");
    let server = serve(Options::new(&socket), Arc::new(Grants::new(Arc::new(engine), grant, None)))?;
    let status = Command::new(program)
        .args(args)
        .env("BRIOCHE_HOST_SOCKET_PATH", &socket)
        .env("BRIOCHE_CC_SPAWN_RECIPES", "1")
        .status()?;
    server.stop();
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
