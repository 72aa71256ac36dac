//! Running a process: what it finds when it starts, and what it leaves.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::flights::{Flight, Landed};
use super::results::Kept;
use super::runs::Run;
use super::{Baking, Engine, Unbaked};
use crate::host::artifacts::{IsOver, Local, Look, Owner};
use crate::host::error::HostError;
use crate::host::files::{self, Place};
use crate::host::lineage::{Asked, Outcome};
use crate::host::sandbox::{self, Attend, Config, Ended, Mount, Streams, What};
use crate::recipe::digest::{ArtifactHash, RecipeHash};
use crate::recipe::{
    Artifact, CompleteProcessRecipe, CompleteProcessTemplate, Component, Platform, ProcessRecipe, Recipe,
    Symbol,
};
use crate::world::Stream;

impl Baking<'_> {
    /// Bakes a process: what it was baked to before, else as the complete process that it becomes.
    pub(super) fn process(&self, process: &ProcessRecipe) -> Result<Artifact, Unbaked> {
        let hash = Recipe::from(process.clone()).hash();
        if let Some(kept) = self.known(&hash)? {
            self.engine.lineage.add(&Asked::new(self, hash, None, Outcome::Hit, kept.took, kept.log));
            return self.take(&kept);
        }
        let complete = self.complete(process)?;
        let kept = self.run(&complete, Some(hash))?;
        self.engine.keep_result(&hash, &kept);
        self.take(&kept)
    }

    /// Bakes a complete process.
    pub(super) fn complete_process(&self, process: &CompleteProcessRecipe) -> Result<Artifact, Unbaked> {
        let kept = self.run(process, None)?;
        self.take(&kept)
    }

    fn known(&self, hash: &RecipeHash) -> Result<Option<Kept>, HostError> {
        if self.order.afresh { Ok(None) } else { self.engine.result(hash) }
    }

    fn take(&self, kept: &Kept) -> Result<Artifact, Unbaked> {
        self.took.set(self.took.get().saturating_add(kept.took));
        Ok(self.engine.artifacts.need(&kept.artifact)?)
    }

    /// Finds what a complete process was baked to, or bakes it. `asked` is the recipe that it comes from.
    fn run(&self, process: &CompleteProcessRecipe, asked: Option<RecipeHash>) -> Result<Kept, Unbaked> {
        let hash = Recipe::from(process.clone()).hash();
        let tell = |outcome, took, log| {
            let complete = asked.map(|_| hash);
            self.engine.lineage.add(&Asked::new(self, asked.unwrap_or(hash), complete, outcome, took, log));
        };
        if let Some(kept) = self.known(&hash)? {
            tell(Outcome::Hit, kept.took, kept.log);
            return Ok(kept);
        }
        if Platform::current() != Some(process.platform) {
            return Err(HostError::WrongPlatform(process.platform.name()).into());
        }
        self.ran.set(true);
        let start = Instant::now();
        let (landed, joined) = self.fly(hash, process)?;
        let milliseconds = || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        match landed {
            Landed::Baked(kept) => {
                tell(if joined { Outcome::Joined } else { Outcome::Baked }, kept.took, kept.log);
                Ok(kept)
            }
            Landed::Failed(why, log) => {
                tell(Outcome::Failed, milliseconds(), log);
                Err(Unbaked::Failed(why))
            }
            Landed::Error(error) => {
                tell(Outcome::Error, milliseconds(), None);
                Err(HostError::Shared(error).into())
            }
        }
    }
}

impl Engine {
    /// Runs a process, on a flight's own thread. Also gives what has to be tidied up.
    pub(super) fn bake_alone(
        &self,
        hash: &RecipeHash,
        process: &CompleteProcessRecipe,
        flight: &Flight,
    ) -> (Landed, Option<Scene>) {
        let stopped = || flight.stopped.load(Ordering::Relaxed);
        let Some(permit) = self.permits.take(&stopped, &|| flight.can_wait()) else {
            return (Landed::Error(Arc::new(HostError::Cancelled)), None);
        };
        let mut scene = match Scene::new(self, hash, process) {
            Ok(scene) => scene,
            Err(error) => return (Landed::Error(Arc::new(error)), None),
        };
        let landed = self.run_process(&mut scene, process, flight, permit);
        (landed.unwrap_or_else(|error| Landed::Error(Arc::new(error))), Some(scene))
    }

    fn run_process(
        &self,
        scene: &mut Scene,
        process: &CompleteProcessRecipe,
        flight: &Flight,
        permit: crate::host::permits::Permit,
    ) -> Result<Landed, HostError> {
        let _session = scene.open_session(self, process, permit)?;
        let mut config = scene.config(process, &self.limits, Streams::Log)?;
        config.group = self.runs.group(&self.limits)?.map(Arc::new);
        let start = Instant::now();
        let ended = self.sandbox.run(&config, &Passenger(flight))?;
        let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let log = flight.whole_log();
        let log = if log.is_empty() { None } else { self.artifacts.put_blob(&log).ok() };
        let why = match ended {
            Ended::Exit(exit) if exit.success() => {
                match scene.output(self, &|| flight.stopped.load(Ordering::Relaxed))? {
                    Some(artifact) => {
                        let kept = Kept { artifact, took, log };
                        self.keep_result(&scene.hash(), &kept);
                        return Ok(Landed::Baked(kept));
                    }
                    None => "the process left nothing at its output path".to_owned(),
                }
            }
            Ended::Exit(exit) => format!("the process ended with {exit}"),
            Ended::NotStarted(why) => format!("the process could not be started: {why}"),
            Ended::TimedOut(seconds) => format!("the process was stopped after {seconds} seconds"),
            Ended::OutOfMemory(bytes) => {
                format!("the process and those that it started used more than {} MiB of memory", bytes >> 20)
            }
            Ended::Stopped => return Err(HostError::Cancelled),
        };
        Ok(Landed::Failed(why, log))
    }
}

struct Passenger<'a>(&'a Flight);

impl Attend for Passenger<'_> {
    fn log(&self, stream: Stream, bytes: &[u8]) {
        self.0.log(stream, bytes);
    }

    fn stop(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }
}

/// Where things are for a process.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) home: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) outputs: PathBuf,
    pub(crate) temp: PathBuf,
    pub(crate) resources: PathBuf,
    pub(crate) locals: PathBuf,
}

impl Paths {
    fn new(home: PathBuf, temp: PathBuf, resources: PathBuf) -> Self {
        let own = home.join(".local/share/brioche");
        let (work, outputs, locals) = (home.join("work"), own.join("outputs"), own.join("locals"));
        Self { home, work, outputs, temp, resources, locals }
    }
}

/// An input, where the process sees it and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) guest: PathBuf,
    pub(crate) host: PathBuf,
    pub(crate) is_directory: bool,
    resources: Option<(PathBuf, PathBuf)>,
    /// Stays while the process runs.
    _local: Option<Arc<Local>>,
}

/// All that a process finds when it starts.
pub(crate) struct Scene {
    hash: RecipeHash,
    run: Run,
    /// As the process sees them.
    pub(crate) guest: Paths,
    /// Where they are.
    pub(crate) host: Paths,
    pub(crate) inputs: BTreeMap<ArtifactHash, Seen>,
    /// The directory of the socket of its own session, where it is and where it is seen.
    pub(crate) socket: Option<(PathBuf, PathBuf)>,
    real: bool,
    certificates: Option<PathBuf>,
}

/// How the directory of a process's own socket is called in a sandbox, and the socket in it.
pub(crate) const SOCKET: &str = "socket";

impl Scene {
    /// Sets everything up for a process.
    pub(crate) fn new(
        engine: &Engine,
        hash: &RecipeHash,
        process: &CompleteProcessRecipe,
    ) -> Result<Self, HostError> {
        let real = engine.sandbox.is_real();
        let run = if real { engine.runs.run()? } else { engine.runs.plain_run(hash)? };
        let at = |name: &str| run.path().join(name);
        let host = Paths::new(at("home"), at("tmp"), at("resources"));
        let guest = if real {
            let home = PathBuf::from(format!("/home/brioche-runner-{hash}"));
            Paths::new(home, "/tmp".into(), "/brioche-resources.d".into())
        } else {
            host.clone()
        };
        let mut scene = Self {
            hash: *hash,
            run,
            guest,
            host,
            inputs: BTreeMap::new(),
            socket: None,
            real,
            certificates: None,
        };
        scene.make_directories()?;
        if real {
            scene.write_etc(process.networking)?;
        }
        scene.fill(engine, process)?;
        Ok(scene)
    }

    /// The recipe's hash.
    pub(crate) fn hash(&self) -> RecipeHash {
        self.hash
    }

    /// Whether the process sees other paths than there are.
    pub(crate) fn is_real(&self) -> bool {
        self.real
    }

    /// The output's path, as the process sees it.
    pub(crate) fn output_path(&self) -> PathBuf {
        self.guest.outputs.join(format!("output-{}", self.hash))
    }

    fn make_directories(&self) -> Result<(), HostError> {
        let Paths { home: _, work, outputs, temp, resources, locals } = &self.host;
        for dir in [work, outputs, locals, temp, resources] {
            fs::create_dir_all(dir).map_err(HostError::io("make the directory", dir))?;
        }
        fs::set_permissions(temp, fs::Permissions::from_mode(0o1777))
            .map_err(HostError::io("change the mode of", temp))
    }

    fn write_etc(&mut self, networking: bool) -> Result<(), HostError> {
        let etc = self.run.path().join("etc");
        let write = || -> std::io::Result<Option<PathBuf>> {
            fs::create_dir(&etc)?;
            let user = format!("brioche-runner-{}", self.hash);
            sandbox::write_users(&etc, &user, &self.guest.home)?;
            for (name, text) in sandbox::hosts_files() {
                fs::write(etc.join(name), text)?;
            }
            if !networking {
                return Ok(None);
            }
            fs::write(etc.join("resolv.conf"), fs::read("/etc/resolv.conf").unwrap_or_default())?;
            let name = format!("ssl/ca-certificates-{}.crt", self.hash);
            fs::create_dir(etc.join("ssl"))?;
            fs::write(etc.join(&name), fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default())?;
            Ok(Some(Path::new("/etc").join(name)))
        };
        self.certificates = write().map_err(HostError::io("write", &etc))?;
        Ok(())
    }

    /// The inputs, the work directory, what stands at the output path.
    fn fill(&mut self, engine: &Engine, process: &CompleteProcessRecipe) -> Result<(), HostError> {
        let CompleteProcessRecipe { command, args, env, current_dir, work_dir, output_scaffold, .. } =
            process;
        for template in [command, current_dir].into_iter().chain(args).chain(env.values()) {
            for artifact in template.inputs() {
                let hash = artifact.hash();
                if !self.inputs.contains_key(&hash) {
                    let seen = self.bring(engine, hash, artifact)?;
                    self.inputs.insert(hash, seen);
                }
            }
        }
        let resources = files::open_directory(&self.host.resources)?;
        let resources = Some(resources.as_fd());
        let home = files::open_directory(&self.host.home)?;
        let work = Place { directory: home.as_fd(), name: OsStr::new("work"), shown: &self.host.work };
        engine.artifacts.write_into(work_dir, &work, Look::Fresh, resources)?;
        if let Some(scaffold) = output_scaffold {
            let outputs = files::open_directory(&self.host.outputs)?;
            let name = OsString::from(format!("output-{}", self.hash));
            let place = Place { directory: outputs.as_fd(), name: &name, shown: &self.host.outputs };
            engine.artifacts.write(scaffold, &place, Look::Fresh, resources)?;
        }
        Ok(())
    }

    /// Makes an input be there. Directories are shared; anything else is small, and made for each process.
    fn bring(&self, engine: &Engine, artifact: ArtifactHash, what: &Artifact) -> Result<Seen, HostError> {
        let guest_at = |name: &str| self.guest.locals.join(name);
        if let Artifact::Directory(directory) = what {
            let local = engine.locals.get(&artifact, directory)?;
            let host = local.path().to_owned();
            let guest = if self.real { guest_at(&artifact.to_hex()) } else { host.clone() };
            let resources = local.resources().map(|path| {
                let guest = guest_at(&format!("{artifact}-pack.d"));
                (if self.real { guest } else { path.to_owned() }, path.to_owned())
            });
            return Ok(Seen { guest, host, is_directory: true, resources, _local: Some(local) });
        }
        let dir = if self.real && !matches!(what, Artifact::Symlink { .. }) {
            let dir = self.run.path().join("files");
            fs::create_dir_all(&dir).map_err(HostError::io("make the directory", &dir))?;
            dir
        } else {
            self.host.locals.clone()
        };
        let opened = files::open_directory(&dir)?;
        let name = OsString::from(artifact.to_hex());
        let host = dir.join(&name);
        let place = Place { directory: opened.as_fd(), name: &name, shown: &host };
        let packs_name = OsString::from(format!("{artifact}-pack.d"));
        let packs = dir.join(&packs_name);
        let has_resources = matches!(what, Artifact::File(file) if !file.resources.entries.is_empty());
        let packs_fd = if has_resources { Some(made(opened.as_fd(), &packs_name, &packs)?) } else { None };
        engine.artifacts.write(what, &place, Look::Locked, packs_fd.as_ref().map(AsFd::as_fd))?;
        let guest = if self.real { guest_at(&artifact.to_hex()) } else { host.clone() };
        let resources = has_resources.then(|| {
            let guest = guest_at(&format!("{artifact}-pack.d"));
            (if self.real { guest } else { packs.clone() }, packs)
        });
        Ok(Seen { guest, host, is_directory: false, resources, _local: None })
    }

    /// The process as the sandbox runs it.
    pub(crate) fn config(
        &self,
        process: &CompleteProcessRecipe,
        limits: &sandbox::Limits,
        streams: Streams,
    ) -> Result<Config, HostError> {
        let CompleteProcessRecipe { command, args, env, current_dir, networking, .. } = process;
        let variable = |(name, value): (&crate::recipe::ByteString, &CompleteProcessTemplate)| {
            Ok((name.as_os_str().to_owned(), self.text(value)?))
        };
        Ok(Config {
            command: self.text(command)?,
            args: args.iter().map(|arg| self.text(arg)).collect::<Result<_, _>>()?,
            env: env.iter().map(variable).collect::<Result<_, HostError>>()?,
            current_dir: self.text(current_dir)?.into(),
            mounts: if self.real { self.mounts() } else { Vec::new() },
            networking: *networking,
            limits: limits.clone(),
            group: None,
            streams,
        })
    }

    fn mounts(&self) -> Vec<Mount> {
        let mount = |guest: &Path, what: What| Mount { guest: guest.to_owned(), what };
        let mut mounts = vec![
            mount(Path::new("/etc"), What::ReadOnly(self.run.path().join("etc"))),
            mount(&self.guest.home, What::Writable(self.host.home.clone())),
            mount(&self.guest.temp, What::Writable(self.host.temp.clone())),
            mount(&self.guest.resources, What::Writable(self.host.resources.clone())),
        ];
        for Seen { guest, host, resources, is_directory, .. } in self.inputs.values() {
            // A link that is an input stands in the home itself.
            if *is_directory || !host.starts_with(&self.host.locals) {
                mounts.push(mount(guest, What::ReadOnly(host.clone())));
            }
            if let Some((guest, host)) = resources {
                mounts.push(mount(guest, What::ReadOnly(host.clone())));
            }
        }
        if let Some((host, guest)) = &self.socket {
            mounts.push(mount(guest, What::ReadOnly(host.clone())));
        }
        mounts
    }

    /// A template's text.
    fn text(&self, template: &CompleteProcessTemplate) -> Result<OsString, HostError> {
        let mut text = OsString::new();
        for component in &template.components {
            match component {
                Component::Literal(bytes) => text.push(bytes.as_os_str()),
                Component::Input(artifact) => {
                    let hash = artifact.hash();
                    let seen = self.inputs.get(&hash).ok_or_else(|| HostError::Missing(hash.to_hex()))?;
                    text.push(&seen.guest);
                }
                Component::Symbol(symbol) => text.push(self.symbol(*symbol)?),
            }
        }
        Ok(text)
    }

    /// What a symbol stands for.
    pub(crate) fn symbol(&self, symbol: Symbol) -> Result<OsString, HostError> {
        let lacks = |what: &str| HostError::BadRecipe(format!("there is {what} for this process"));
        Ok(match symbol {
            Symbol::OutputPath => self.output_path().into(),
            Symbol::ResourceDir => self.guest.resources.clone().into(),
            Symbol::InputResourceDirs => {
                let guests = self.inputs.values().filter_map(|seen| Some(&seen.resources.as_ref()?.0));
                let mut list = OsString::new();
                for guest in guests {
                    if !list.is_empty() {
                        list.push(":");
                    }
                    list.push(guest);
                }
                list
            }
            Symbol::HomeDir => self.guest.home.clone().into(),
            Symbol::WorkDir => self.guest.work.clone().into(),
            Symbol::TempDir => self.guest.temp.clone().into(),
            Symbol::CaCertificateBundlePath => {
                self.certificates.clone().ok_or_else(|| lacks("no list of authorities"))?.into()
            }
            Symbol::HostSocketPath => {
                let (_, guest) = self.socket.as_ref().ok_or_else(|| lacks("no socket"))?;
                guest.join(SOCKET).into()
            }
        })
    }

    /// Takes what the process left at its output path; `None` when that is nothing.
    pub(crate) fn output(
        &self,
        engine: &Engine,
        is_over: IsOver<'_>,
    ) -> Result<Option<ArtifactHash>, HostError> {
        let outputs = files::open_directory(&self.host.outputs)?;
        let name = OsString::from(format!("output-{}", self.hash));
        let shown = self.output_path();
        let place = Place { directory: outputs.as_fd(), name: &name, shown: &shown };
        match engine.artifacts.import_while(&place, Owner::Host, is_over) {
            Ok(artifact) => Ok(Some(artifact)),
            Err(HostError::NotThere(path)) if path == shown => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn made(directory: std::os::fd::BorrowedFd<'_>, name: &OsStr, shown: &Path) -> Result<OwnedFd, HostError> {
    files::make_directory_at(directory, name, 0o755).map_err(HostError::io("make the directory", shown))
}
