//! An engine in a directory of its own, a session on it, and recipes to bake.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bakeplan::host::artifacts::Owner;
use bakeplan::host::sandbox::{Sandbox, SandboxError};
use bakeplan::host::{
    Baked, Baker, Engine, EngineOptions, Grant, Grants, HostError, Links, Order, Output, Place, Rights, Root,
    Roots, Session, Watch,
};
use bakeplan::recipe::digest::{ArtifactHash, RecipeHash};
use bakeplan::recipe::{
    Artifact, ByteString, Directory, Platform, ProcessRecipe, ProcessTemplate, Recipe, Symbol, Template,
};
use bakeplan::store::{Options, Store};
use bakeplan::transport::wire::WireError;
use bakeplan::world::{Environment, RealWorld, Stream};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};

/// A host in a temporary directory.
pub struct Host {
    // Before the directory: its store writes its last figures when it is dropped, and would make it again.
    pub engine: Engine,
    pub dir: tempfile::TempDir,
}

pub fn world() -> Arc<RealWorld> {
    Arc::new(RealWorld::new("/".into(), Environment::new(std::env::vars_os().collect())))
}

pub fn open_store(dir: &Path, read_only: bool) -> Arc<Store> {
    let options = Options { dir: dir.join("store"), max_size: 4 << 30, read_only };
    Arc::new(Store::open(options).expect("a store"))
}

/// A sandbox. Where the kernel has namespaces at all, not to get one is a failure.
pub fn sandbox(scratch: &Path) -> Sandbox {
    match Sandbox::new(&*world(), scratch) {
        Ok(sandbox) => sandbox,
        Err(SandboxError::Forbidden(why)) => panic!("the kernel forbids namespaces here: {why}"),
        Err(error) => panic!("{error}"),
    }
}

pub fn engine(dir: &Path, change: impl FnOnce(&mut EngineOptions)) -> Engine {
    let store = open_store(dir, false);
    let sandbox = sandbox(&EngineOptions::scratch(&store));
    let mut options = EngineOptions::new(store, world(), sandbox);
    change(&mut options);
    Engine::new(options).expect("an engine")
}

impl Host {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = engine(dir.path(), change);
        Self { engine, dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Bakes for nobody in particular.
    pub fn bake(&self, recipe: &Recipe) -> Result<Baked, HostError> {
        self.bake_for(recipe, &Waiter::default())
    }

    pub fn bake_for(&self, recipe: &Recipe, watch: &dyn Watch) -> Result<Baked, HostError> {
        self.engine.bake(recipe, &Order { outer: None, watch, slot: None, afresh: false })
    }

    #[track_caller]
    pub fn ok(&self, recipe: &Recipe) -> Output {
        match self.bake(recipe) {
            Ok(Baked::Done(output)) => output,
            other => panic!("{other:?}"),
        }
    }

    /// Takes a path of the host's own.
    pub fn import(&self, path: &Path) -> ArtifactHash {
        import(&self.engine, path).expect("an artifact")
    }

    /// Writes an artifact to a new place.
    pub fn export(&self, artifact: &ArtifactHash, path: &Path) -> Result<(), HostError> {
        let parent = open(path.parent().expect("a parent"));
        let name = path.file_name().expect("a name");
        self.engine.export(artifact, &Place { directory: parent.as_fd(), name, shown: path })
    }

    /// A file of a baked directory.
    #[track_caller]
    pub fn file(&self, artifact: &ArtifactHash, path: &str) -> Vec<u8> {
        let artifacts = self.engine.artifacts();
        let Artifact::Directory(directory) = artifacts.need(artifact).expect("an artifact") else {
            panic!("no directory")
        };
        match artifacts.entry(&directory, path.as_bytes()).expect("entries") {
            Some(Artifact::File(file)) => artifacts.read_blob(&file.content_blob).expect("bytes"),
            other => panic!("{path}: {other:?}"),
        }
    }

    /// A session of a process that sees `root` at `/outer`, read-write, and nothing else.
    pub fn session(&self, inputs: &[ArtifactHash]) -> Grants {
        let root = self.path("outer");
        let _ = std::fs::create_dir(&root);
        self.session_with(inputs, vec![outer_root(&root)])
    }

    pub fn session_with(&self, inputs: &[ArtifactHash], roots: Vec<Root>) -> Grants {
        let roots = Roots { roots, covered: Vec::new() };
        self.session_of(inputs, roots, Rights { networking: false, platforms: vec![platform()] })
    }

    pub fn session_of(&self, inputs: &[ArtifactHash], roots: Roots, rights: Rights) -> Grants {
        let grant = Grant {
            recipe: Some(RecipeHash::of(b"outer")),
            inputs: inputs.iter().map(|a| (*a, PathBuf::from(format!("/inputs/{a}")))).collect(),
            symbols: vec![(Symbol::WorkDir, "/outer".into())],
            rights,
            roots,
            scratch: "/outer".into(),
            like_a_bake: true,
            owner: Owner::User(rustix::process::geteuid().as_raw()),
        };
        Grants::new(Arc::new(self.engine.clone()), grant, None)
    }
}

/// *create-artifact* of one path.
pub fn give(session: &Grants, path: &Path) -> Result<ArtifactHash, WireError> {
    session.create_artifacts(&[path], &Waiter::default()).pop().expect("an answer")
}

pub fn outer_root(dir: &Path) -> Root {
    Root { path: "/outer".into(), directory: open(dir), writable: true, links: Links::Within }
}

pub fn import(engine: &Engine, path: &Path) -> Result<ArtifactHash, HostError> {
    let parent = open(path.parent().expect("a parent"));
    let name = path.file_name().expect("a name");
    let place = Place { directory: parent.as_fd(), name, shown: path };
    engine.import(&place, Owner::Host, &Waiter::default())
}

pub fn open(path: &Path) -> OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .expect("a directory")
}

pub fn platform() -> Platform {
    Platform::current().expect("a platform that Brioche knows")
}

/// A process of `/bin/sh -c SCRIPT`, which finds its output path in `$out`.
pub fn shell(script: &str) -> ProcessRecipe {
    ProcessRecipe {
        command: Template::literal("/bin/sh"),
        args: vec![Template::literal("-c"), Template::literal(script)],
        env: BTreeMap::from([
            ("out".into(), Template::symbol(Symbol::OutputPath)),
            ("HOME".into(), Template::symbol(Symbol::HomeDir)),
        ]),
        current_dir: Template::symbol(Symbol::WorkDir),
        dependencies: Vec::new(),
        work_dir: Box::new(Recipe::Directory(Directory::default())),
        output_scaffold: None,
        platform: platform(),
        networking: false,
    }
}

pub fn sh(script: &str) -> Recipe {
    shell(script).into()
}

/// An input of a process, in a variable.
pub fn with_input(mut process: ProcessRecipe, name: &str, input: Recipe) -> ProcessRecipe {
    process.env.insert(name.into(), ProcessTemplate::input(input));
    process
}

pub fn file(content: &str) -> Recipe {
    Recipe::CreateFile {
        content: content.into(),
        executable: false,
        resources: Box::new(Recipe::Directory(Directory::default())),
    }
}

pub fn directory(entries: &[(&str, Recipe)]) -> Recipe {
    let entries = entries.iter().map(|(name, recipe)| (ByteString::from(*name), recipe.clone()));
    Recipe::CreateDirectory { entries: entries.collect() }
}

/// Somebody who waits.
#[derive(Default)]
pub struct Waiter {
    pub said: Mutex<Vec<u8>>,
    pub cancelled: AtomicBool,
    pub detached: bool,
}

impl Waiter {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }
}

impl Watch for Waiter {
    fn log(&self, _: Stream, bytes: &[u8]) {
        self.said.lock().unwrap().extend_from_slice(bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn is_detached(&self) -> bool {
        self.detached
    }
}

/// Sets a flag when it is dropped, so that a thread that waits for it ends with a test that fails.
pub struct Setter<'a>(pub &'a AtomicBool);

impl Drop for Setter<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The names in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A name as the system's string.
pub fn os(name: &str) -> &OsStr {
    OsStr::new(name)
}
