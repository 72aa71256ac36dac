//! An outer process: a command with a session of its own, in the sandbox or as a plain child.
//!
//! In the sandbox it is what Brioche would run: a `process` whose dependencies are the inputs and whose work
//! directory is a copy of one on the machine, with the environment that `std` gives processes. Its hash, and with it
//! its home and every path that it sees, follow from command, inputs and work directory.
//!
//! As a plain child it sees the machine. Its inputs are the directories as they stand; without any, the
//! machine's own compilers are one input, seen at their own top (`/usr`): a compiler's path below there is its path in
//! the artifact.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::artifacts::Owner;
use super::baker::Order;
use super::engine::{Baking, Engine, PrivateDir, SOCKET, Scene, Unbaked};
use super::error::HostError;
use super::files::{self, Place};
use super::grants::{Grant, Grants, Links, Rights, Root, Roots};
use super::pack;
use super::permits::Slot;
use super::sandbox::{Attend, Config, Ended, Limits, Sandbox, Streams};
use super::serve::{Options, Server, serve};
use super::session::Watch;
use crate::recipe::digest::{ArtifactHash, RecipeHash};
use crate::recipe::{
    Artifact, ByteString, Directory, Platform, ProcessRecipe, ProcessTemplate, Recipe, Symbol, Template,
};
use crate::world::{Environment, Stream, World};

/// The variable that names the socket.
pub const SOCKET_VARIABLE: &str = "BRIOCHE_HOST_SOCKET_PATH";
/// The variable that has `brioche-cc` use it.
pub const SPAWN_VARIABLE: &str = "BRIOCHE_CC_SPAWN_RECIPES";
/// The variable that lists all inputs of a sandboxed process, `:` between them.
pub const INPUTS_VARIABLE: &str = "BRIOCHE_HOST_INPUTS";

/// A command to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outer {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Directories that it is given.
    pub inputs: Vec<PathBuf>,
    /// Whether it runs in the sandbox.
    pub sandboxed: bool,
    /// In the sandbox: what its work directory is a copy of.
    pub work: PathBuf,
    /// In the sandbox: variables beside the usual ones.
    pub env: Vec<(OsString, OsString)>,
    /// In the sandbox: where to put what it leaves at its output path, when it succeeds.
    pub output: Option<PathBuf>,
}

/// A session that is served until this is dropped.
pub struct Served {
    server: Server,
    /// Goes when nobody uses it any more.
    _scratch: PrivateDir,
}

impl Served {
    /// Ends it, as [`Server::stop`] does.
    pub fn stop(self) {
        self.server.stop();
    }
}

/// Runs a command to its end, with a host for it alone.
///
/// # Errors
/// When it cannot be run; a command that fails is [`Ended`].
pub fn run(engine: &Engine, outer: &Outer, attend: &dyn Attend) -> Result<Ended, HostError> {
    if outer.sandboxed { sandboxed(engine, outer, attend) } else { plain(engine, outer, attend) }
}

/// Serves a session like that of a plain child, to whoever of this user connects.
///
/// # Errors
/// When the socket cannot be served, or an input cannot be taken.
pub fn serve_plain(engine: &Engine, inputs: &[PathBuf], socket: &Path) -> Result<Served, HostError> {
    let scratch = scratch_directory(engine)?;
    let grant = plain_grant(engine, &[], inputs, &scratch)?;
    let grants = Grants::new(Arc::new(engine.clone()), grant, None);
    Ok(Served { server: serve(Options::new(socket), Arc::new(grants))?, _scratch: scratch })
}

fn plain(engine: &Engine, outer: &Outer, attend: &dyn Attend) -> Result<Ended, HostError> {
    let directory = engine.socket_directory()?;
    let socket = directory.path().join(SOCKET);
    let scratch = scratch_directory(engine)?;
    let grant = plain_grant(engine, &outer.command, &outer.inputs, &scratch)?;
    let grants = Grants::new(Arc::new(engine.clone()), grant, Some(Slot::new(engine.permits())));
    let _server = serve(Options::new(&socket), Arc::new(grants))?;
    let mut environment: Environment = engine.world.environment().clone();
    environment.set(SOCKET_VARIABLE, socket);
    environment.set(SPAWN_VARIABLE, "1");
    let config = Config {
        command: program(&*engine.world, outer.command.first().map_or(OsStr::new(""), |c| c)),
        args: outer.command.iter().skip(1).cloned().collect(),
        env: environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        current_dir: engine.world.cwd().to_owned(),
        mounts: Vec::new(),
        networking: true,
        limits: Limits::default(),
        group: None,
        streams: Streams::Inherited,
    };
    Ok(Sandbox::none().run(&config, attend)?)
}

/// A program's path, as a shell finds it; one that is not there is its name.
fn program(world: &dyn World, name: &OsStr) -> OsString {
    if name.as_bytes().contains(&b'/') {
        return name.to_owned();
    }
    let path = world.environment().get("PATH").unwrap_or(OsStr::new("/usr/bin:/bin"));
    let is_program = |path: &PathBuf| world.stat(path).is_ok_and(|s| s.is_file() && s.mode & 0o111 != 0);
    let dirs = path.as_bytes().split(|b| *b == b':').filter(|dir| !dir.is_empty());
    let found = dirs.map(|dir| world.absolute(Path::new(OsStr::from_bytes(dir))).join(name)).find(is_program);
    found.map_or_else(|| name.to_owned(), OsString::from)
}

/// What a plain child may ask for: it sees the whole machine, and may read and write what the host's user may.
fn plain_grant(
    engine: &Engine,
    command: &[OsString],
    inputs: &[PathBuf],
    scratch: &PrivateDir,
) -> Result<Grant, HostError> {
    let world = &*engine.world;
    let whole = engine.take_loss();
    let mut given = Vec::new();
    for input in inputs {
        let path = world.canonicalize(input).map_err(HostError::io("resolve", input))?;
        given.push((take(engine, &path, whole)?, path));
    }
    if inputs.is_empty()
        && let Some(system) = pack::system(engine, world, whole)?
    {
        given.push((system.artifact, system.top));
    }
    let mut symbols = vec![(Symbol::WorkDir, world.cwd().to_owned())];
    symbols.extend(world.environment().get("HOME").map(|home| (Symbol::HomeDir, home.into())));
    symbols.push((Symbol::TempDir, temporary_directory(engine)));
    let root = files::open_directory(Path::new("/"))?;
    let whole = Root { path: "/".into(), directory: root, writable: true, links: Links::All };
    Ok(Grant {
        recipe: Some(plain_recipe(command, &given)),
        inputs: given,
        symbols,
        rights: Rights { networking: false, platforms: Platform::current().into_iter().collect() },
        roots: Roots { roots: vec![whole], covered: Vec::new() },
        scratch: scratch.path().to_owned(),
        like_a_bake: !engine.sandbox.is_real(),
        owner: Owner::User(rustix::process::geteuid().as_raw()),
    })
}

/// The machine's directory for temporary files.
fn temporary_directory(engine: &Engine) -> PathBuf {
    engine.world.environment().get("TMPDIR").map_or_else(|| "/tmp".into(), PathBuf::from)
}

/// A directory for what is on its way between a plain child and the host.
fn scratch_directory(engine: &Engine) -> Result<PrivateDir, HostError> {
    engine.private_directory([engine.world.absolute(&temporary_directory(engine)), "/tmp".into()])
}

/// A plain child is no recipe; for the lineage it has a hash, over its command and inputs.
fn plain_recipe(command: &[OsString], inputs: &[(ArtifactHash, PathBuf)]) -> RecipeHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"bakeplan plain child 1\0");
    for word in command {
        hasher.update(&(word.len() as u64).to_le_bytes()).update(word.as_bytes());
    }
    for (artifact, _) in inputs {
        hasher.update(artifact.as_bytes());
    }
    hasher.finalize().into()
}

/// Takes a directory of the machine, hashed once and remembered.
fn take(engine: &Engine, path: &Path, whole: bool) -> Result<ArtifactHash, HostError> {
    let opened = files::open_directory(path)?;
    let place = Place { directory: opened.as_fd(), name: OsStr::new("."), shown: path };
    engine.artifacts().import_remembered(&place, whole)
}

fn sandboxed(engine: &Engine, outer: &Outer, attend: &dyn Attend) -> Result<Ended, HostError> {
    let mut whole = false;
    let (process, mut scene) = loop {
        let recipe = outer_recipe(engine, outer, whole)?;
        let nobody = Nobody;
        let order = Order { outer: None, watch: &nobody, slot: None, afresh: false };
        let process = Baking::new(engine, &order).complete(&recipe).map_err(|unbaked| match unbaked {
            Unbaked::Error(error) => error,
            Unbaked::Failed(why) => HostError::BadRecipe(why),
        })?;
        let hash = Recipe::from(process.clone()).hash();
        match Scene::new(engine, &hash, &process) {
            // Something of an input that is remembered was trimmed: it is taken again.
            Err(HostError::Missing(_)) if !whole => whole = true,
            scene => break (process, scene?),
        }
    };
    let session = scene.serve(engine, &process, Slot::new(engine.permits()))?;
    let config = scene.config(&process, &Limits::default(), Streams::Inherited)?;
    let ended = engine.sandbox.run(&config, attend)?;
    drop(session);
    let succeeded = matches!(ended, Ended::Exit(exit) if exit.success());
    if let Some(output) = outer.output.as_ref().filter(|_| succeeded) {
        deliver(engine, &scene, output, attend)?;
    }
    Ok(ended)
}

fn deliver(engine: &Engine, scene: &Scene, output: &Path, attend: &dyn Attend) -> Result<(), HostError> {
    let output = engine.world.absolute(output);
    let artifact = scene.output(engine, &|| attend.stop())?;
    let artifact = artifact.ok_or_else(|| HostError::NotThere(scene.output_path()))?;
    let parent = files::open_directory(output.parent().unwrap_or(Path::new("/")))?;
    let name = output.file_name().unwrap_or_default();
    engine.artifacts().export(&artifact, &Place { directory: parent.as_fd(), name, shown: &output })
}

/// The recipe of a sandboxed command.
fn outer_recipe(engine: &Engine, outer: &Outer, whole: bool) -> Result<ProcessRecipe, HostError> {
    let directory = |path: &Path, whole: bool| -> Result<Directory, HostError> {
        let path = engine.world.absolute(path);
        match engine.artifacts().need(&take(engine, &path, whole)?)? {
            Artifact::Directory(directory) => Ok(directory),
            _ => Err(HostError::NotThere(path)),
        }
    };
    let inputs = outer.inputs.iter().map(|input| Ok(Recipe::Directory(directory(input, whole)?)));
    let inputs = inputs.collect::<Result<Vec<_>, HostError>>()?;
    let (command, args) =
        outer.command.split_first().ok_or_else(|| HostError::BadRecipe("there is no command".to_owned()))?;
    let is_relative = command.as_bytes().contains(&b'/') && !command.as_bytes().starts_with(b"/");
    let command = if is_relative {
        Template::symbol(Symbol::WorkDir).then([b"/", command.as_bytes()].concat())
    } else {
        Template::literal(command.clone())
    };
    Ok(ProcessRecipe {
        command,
        args: args.iter().map(|arg| Template::literal(arg.clone())).collect(),
        env: outer_environment(outer, &inputs),
        current_dir: Template::symbol(Symbol::WorkDir),
        dependencies: inputs,
        // Every byte of it is copied.
        work_dir: Box::new(Recipe::Directory(directory(&outer.work, true)?)),
        output_scaffold: None,
        platform: Platform::current().ok_or(HostError::WrongPlatform("another machine"))?,
        networking: false,
    })
}

/// What `std` gives every process, and what the proposal adds.
fn outer_environment(outer: &Outer, inputs: &[Recipe]) -> BTreeMap<ByteString, ProcessTemplate> {
    let symbols = [
        ("BRIOCHE_OUTPUT", Symbol::OutputPath),
        ("BRIOCHE_RESOURCE_DIR", Symbol::ResourceDir),
        ("BRIOCHE_INPUT_RESOURCE_DIRS", Symbol::InputResourceDirs),
        ("HOME", Symbol::HomeDir),
        ("TMPDIR", Symbol::TempDir),
        (SOCKET_VARIABLE, Symbol::HostSocketPath),
    ];
    let symbols = symbols.map(|(name, symbol)| (ByteString::from(name), Template::symbol(symbol)));
    let mut list = ProcessTemplate::default();
    for (at, input) in inputs.iter().enumerate() {
        if at > 0 {
            list = list.then(":");
        }
        list.components.extend(Template::input(input.clone()).components);
    }
    let more = outer.env.iter().map(|(name, value)| (name.clone().into(), Template::literal(value.clone())));
    symbols
        .into_iter()
        .chain([(SPAWN_VARIABLE.into(), Template::literal("1")), (INPUTS_VARIABLE.into(), list)])
        .chain(more)
        .collect()
}

/// Nobody waits for what is only looked up.
struct Nobody;

impl Watch for Nobody {
    fn log(&self, _: Stream, _: &[u8]) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}
