//! The proposal's eight steps: a compile as a recipe of its own, baked by the host of the process that this one
//! runs in. <https://github.com/brioche-dev/brioche/issues/343>
//!
//! | step | where |
//! |---|---|
//! | 1. without `-c`, build locally | [`super::layout`]; elsewhere a link runs here |
//! | 2. without `$BRIOCHE_HOST_SOCKET_PATH`, too | [`Config::host`](super::Config::host) |
//! | 3. unless `$BRIOCHE_CC_SPAWN_RECIPES` says so, too | the same |
//! | 4. find the toolchain's artifact by *get-inputs* | [`Host::reach`] |
//! | 5. preprocess as needed | [`Host::text`] |
//! | 6. *create-artifact* of the text | [`Host::submit`] |
//! | 7. *bake-recipe*, for each unit | the same; the next unit is preprocessed meanwhile |
//! | 8. wait for all, put the outputs in place | [`Host::finish`] |
//!
//! Whatever goes wrong before a unit's outputs are put in place leaves that unit to a local compile. A bake that
//! fails, or that has something to say, is compiled again here: only the compiler's own words for the original
//! source reach the user.

mod crate_tree;
mod crates;
mod delivery;
mod spare;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::delivery::Temporary;
use self::spare::{Notable, Spared};
use super::{CompilerCall, Context, Log, Prepared};
use crate::argparse::{Invocation, Output, OutputKind};
use crate::planner::Unit;
use crate::planner::places::{Place, Places};
use crate::planner::recipe::{RecipeInputs, Unfit, suits, text_suits, unit_recipe};
use crate::preprocess::{Driver, Outcome, Scratch, may_mislead, preprocess};
use crate::recipe::digest::ArtifactHash;
use crate::recipe::{Platform, ProcessTemplate, Recipe, STDERR, STDOUT, Symbol};
use crate::store::{Event, Staged};
use crate::transport::placing::placement;
use crate::transport::socket::{BAKES, BakeId, BakeRequest, Client, ClientError, Deadlines, Deliver};
use crate::transport::wire::{Delivered, Finished, Inputs};
use crate::world::{Exit, Stream, Transcript, World};

/// Why a unit is compiled here: a stable word, and the rest of the line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) token: &'static str,
    pub(super) why: String,
}

impl Local {
    pub(super) fn new(token: &'static str, why: impl std::fmt::Display) -> Self {
        Self { token, why: why.to_string() }
    }
}

impl From<ClientError> for Local {
    fn from(error: ClientError) -> Self {
        Self::new(error.token(), error)
    }
}

/// What became of a unit that is not to be compiled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spawned {
    /// Its outputs are in place.
    Done(Done),
    /// Its outputs could not all be put in place, for this reason.
    Unfinished(String),
}

/// How a unit was baked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) delivered: Delivered,
    /// It was not preprocessed here.
    spared: bool,
}

impl Done {
    /// For the log.
    pub(super) fn how(&self) -> &'static str {
        match (self.delivered.hit, self.spared) {
            (true, true) => "spawned: hit, not preprocessed",
            (true, false) => "spawned: hit",
            (false, true) => "spawned: baked, not preprocessed",
            (false, false) => "spawned: baked",
        }
    }
}

/// Says what could not be put in place, as a compiler would that can't write.
pub(super) fn unfinished(why: &str, said: &mut Transcript) -> Exit {
    said.add(Stream::Stderr, format!("brioche-cc: {why}\n").as_bytes());
    Exit::Code(1)
}

/// What is to be compiled.
#[derive(Clone, Copy)]
pub(super) struct Compile<'a> {
    pub(super) driver: Driver<'a>,
    pub(super) invocation: &'a Invocation,
    /// The working directory as the compiler sees it.
    pub(super) directory: &'a OsStr,
}

/// A host that was reached, and what it says of this process.
pub(super) struct Host<'a> {
    world: &'a dyn World,
    log: &'a Log,
    client: Client,
    places: Places,
    compiler: ProcessTemplate,
    search_path: Option<ProcessTemplate>,
    /// The wrapper, where it may run in a bake.
    wrapper: Option<ProcessTemplate>,
    platform: Platform,
    /// See [`Inputs::like_a_bake`].
    like_a_bake: bool,
    /// For texts on their way to the host, and large outputs on their way back.
    temporary: Temporary,
    under_way: BTreeMap<BakeId, Baking>,
}

/// A unit whose bake is under way.
struct Baking {
    index: usize,
    outputs: Vec<Output>,
    dependencies: Option<Vec<u8>>,
    spared: bool,
    notable: Option<Notable>,
}

/// A unit's text.
pub(super) struct Text {
    /// Mapped.
    pub(super) bytes: Vec<u8>,
    /// The dependency file as the preprocessor wrote it.
    dependencies: Option<Vec<u8>>,
    /// The files that it read.
    files: Vec<PathBuf>,
}

impl<'a> Host<'a> {
    /// Connects, and finds the artifact that the compiler is in.
    pub(super) fn reach(
        world: &'a dyn World,
        log: &'a Log,
        socket: &Path,
        call: &CompilerCall,
    ) -> Result<Self, Local> {
        let chosen = ["COMPILER_PATH", "GCC_EXEC_PREFIX"]
            .into_iter()
            .find(|name| world.environment().get(name).is_some_and(|value| !value.is_empty()));
        if let Some(name) = chosen {
            return Err(Local::new("environment", format_args!("{name} chooses the compiler's programs")));
        }
        let platform = Platform::current()
            .ok_or_else(|| Local::new("platform", "Brioche does not know this platform"))?;
        let mut client = Client::connect(socket, Deadlines::default())?;
        if let Some(signal) = world.heed_signals() {
            client.heed(signal);
        }
        let Inputs { artifacts, symbols, scratch, like_a_bake, recipe: _ } = client.get_inputs()?;
        let inputs = artifacts.into_iter().map(|input| (input.path, Place::Input(input.artifact)));
        let symbol = |name: &str| Symbol::ALL.into_iter().find(|symbol| symbol.name() == name);
        let mapped = |symbol: &Symbol| !matches!(symbol, Symbol::InputResourceDirs | Symbol::HostSocketPath);
        let symbols: Vec<(Vec<u8>, Symbol)> = symbols
            .into_iter()
            .filter_map(|(name, path)| Some((path, symbol(&name).filter(mapped)?)))
            .collect();
        let temporary = Temporary::new(Path::new(OsStr::from_bytes(&scratch)));
        let places = symbols.iter().map(|(path, symbol)| (path.clone(), Place::Symbol(*symbol)));
        let places = Places::new(inputs.chain(places));
        let program = call.program.as_os_str().as_bytes();
        let canonical = world.canonicalize(&call.program).unwrap_or_else(|_| call.program.clone());
        let compiler = places.template(program).or_else(|| places.template(canonical.as_os_str().as_bytes()));
        let compiler = compiler.ok_or_else(|| {
            Local::new("no-toolchain", format_args!("{} is in no input", call.program.display()))
        })?;
        let search_path = search_path(world, &places, &call.program);
        let under_way = BTreeMap::new();
        let wrapper = None;
        Ok(Self {
            world,
            log,
            client,
            places,
            compiler,
            search_path,
            wrapper,
            platform,
            like_a_bake,
            temporary,
            under_way,
        })
    }

    /// Lets the wrapper run in bakes, where it is in an artifact. It tells what is seen there, which is of use only where
    /// this process sees the like.
    pub(super) fn take_wrapper(&mut self, wrapper: &Path) {
        let template = || self.places.template(wrapper.as_os_str().as_bytes());
        self.wrapper = self.like_a_bake.then(template).flatten();
    }

    /// Bakes units, each with the place of its object where that is a temporary file. Gives for each whether it
    /// is done, in order.
    pub(super) fn bake(
        &mut self,
        compile: Compile<'_>,
        units: &[(&Unit, &OsStr)],
    ) -> Vec<Result<Spawned, Local>> {
        let mut done: Vec<Option<Result<Spawned, Local>>> = vec![None; units.len()];
        for (index, (unit, object)) in units.iter().enumerate() {
            if self.under_way.len() >= BAKES {
                self.collect(compile, &mut done);
            }
            match self.submit(compile, index, unit, object) {
                Ok((bake, baking)) => drop(self.under_way.insert(bake, baking)),
                Err(local) => done[index] = Some(Err(local)),
            }
        }
        while !self.under_way.is_empty() {
            self.collect(compile, &mut done);
        }
        let lost = || Err(Local::new("host-lost", "the bake did not end"));
        done.into_iter().map(|done| done.unwrap_or_else(lost)).collect()
    }

    /// Waits for the next bake to end, and sees to its outputs. When the host is lost, all are.
    fn collect(&mut self, compile: Compile<'_>, done: &mut [Option<Result<Spawned, Local>>]) {
        match self.client.wait(&mut |_, _, _| ()) {
            Ok((bake, finished)) => {
                let Some(baking) = self.under_way.remove(&bake) else { return };
                let finished = finished.map_err(|error| Local::new("host-error", error));
                let finished = finished.and_then(|finished| self.finish(compile, &baking, finished));
                if let (Ok(Spawned::Done(_)), Some(notable)) = (&finished, baking.notable) {
                    let _ = self.note(compile, notable);
                }
                done[baking.index] = Some(finished);
            }
            Err(error) => {
                let lost = Local::from(error);
                for baking in std::mem::take(&mut self.under_way).into_values() {
                    done[baking.index] = Some(Err(lost.clone()));
                }
            }
        }
    }

    /// Preprocesses a unit, gives its text to the host, and asks for its bake.
    fn submit(
        &mut self,
        compile: Compile<'_>,
        index: usize,
        unit: &Unit,
        object: &OsStr,
    ) -> Result<(BakeId, Baking), Local> {
        let mut notable = self.notable(compile, unit);
        let spared = notable.as_mut().and_then(|notable| self.spared(compile, index, unit, notable));
        let outputs = unit.outputs(object);
        if let Some(Spared { bake, dependencies }) = spared {
            return Ok((bake, Baking { index, outputs, dependencies, spared: true, notable: None }));
        }
        let text = self.text(compile, unit)?;
        let artifact = self.create(index, &text.bytes)?;
        let recipe = self.recipe(compile, unit, artifact)?;
        if let Some(data) = self.data(&text.bytes, &recipe).first() {
            let line = format_args!("program data keeps it from hitting elsewhere: {data}");
            self.log.line(self.world, unit.source.path.display(), line);
        }
        let notable = notable.map(|notable| notable.read(text.files));
        let dependencies = text.dependencies;
        let request = BakeRequest { recipe: &recipe, output: Deliver::Inline, detached: false };
        let bake = self.client.submit(request)?;
        Ok((bake, Baking { index, outputs, dependencies, spared: false, notable }))
    }

    /// The recipe of a unit with this text.
    pub(super) fn recipe(
        &self,
        compile: Compile<'_>,
        unit: &Unit,
        text: ArtifactHash,
    ) -> Result<Recipe, Local> {
        unit_recipe(&self.recipe_inputs(compile, unit, text)).map_err(unfit)
    }

    fn recipe_inputs<'i>(
        &'i self,
        compile: Compile<'i>,
        unit: &'i Unit,
        text: ArtifactHash,
    ) -> RecipeInputs<'i> {
        RecipeInputs {
            invocation: compile.invocation,
            unit,
            compiler: &self.compiler,
            search_path: self.search_path.as_ref(),
            places: &self.places,
            directory: compile.directory,
            text,
            platform: self.platform,
        }
    }

    /// What names a place of this process in a unit's text and options: program data.
    pub(super) fn data(&self, text: &[u8], recipe: &Recipe) -> Vec<String> {
        let mut data = self.places.mentions(text);
        data.extend(self.places.mentions(recipe.to_json().as_bytes()));
        data
    }

    /// The path in its artifact of the compiler, as it is in recipes.
    pub(super) fn compiler(&self) -> &ProcessTemplate {
        &self.compiler
    }

    /// A unit's preprocessed text.
    pub(super) fn text(&self, compile: Compile<'_>, unit: &Unit) -> Result<Text, Local> {
        suits(compile.invocation, unit).map_err(unfit)?;
        let maps = self.places.macro_maps(compile.invocation);
        let scratch = Scratch { directory: self.temporary.path()?, redirects: &[], options: &maps };
        let Compile { driver, invocation, .. } = compile;
        let outcome = preprocess(self.world, driver, invocation, &unit.source, scratch);
        match outcome.map_err(|error| Local::new("preprocess", error))? {
            Outcome::Done(preprocessed) if preprocessed.messages.is_empty() => {
                let read = |path: &Path| self.world.read(path).ok();
                let looks = invocation.facts.layout_warnings && unit.source.language.preprocessed;
                if looks && may_mislead(&preprocessed.text, &read) {
                    return Err(Local::new(
                        "diagnostics",
                        "the compiler may find the indentation misleading",
                    ));
                }
                text_suits(invocation, &preprocessed.text).map_err(unfit)?;
                Ok(Text {
                    bytes: self.places.map_text(&preprocessed.text).into_owned(),
                    dependencies: preprocessed.dependencies,
                    files: preprocessed.files,
                })
            }
            Outcome::Done(_) => Err(Local::new("diagnostics", "the preprocessor has something to say")),
            Outcome::Failed => Err(Local::new("preprocessor-failed", "the compiler will say why")),
            Outcome::Refused(refusal) => Err(Local::new(refusal.token, refusal.why)),
        }
    }

    /// Has the host take a text as an artifact.
    fn create(&mut self, index: usize, text: &[u8]) -> Result<ArtifactHash, Local> {
        let path = self.temporary.path()?.join(format!("text-{index}"));
        std::fs::write(&path, text).map_err(|error| Local::new("temporary", error))?;
        let created = self.client.create_artifacts(&[&path])?.pop();
        let created = created.unwrap_or_else(|| Err(crate::transport::wire::WireError::new("internal", "")));
        created.map_err(|error| Local::new("host-error", error))
    }

    /// Puts what a bake delivered in place.
    fn finish(
        &mut self,
        compile: Compile<'_>,
        baking: &Baking,
        finished: Finished,
    ) -> Result<Spawned, Local> {
        let mut delivered = match finished {
            Finished::Succeeded(delivered) => delivered,
            Finished::Failed { why } => return Err(Local::new("bake-failed", why)),
        };
        let output = self.output(&mut delivered, &format!("output-{}", baking.index))?;
        let read = |name: &str| output.read(self.world, name);
        if !(read(STDOUT)?.is_empty() && read(STDERR)?.is_empty()) {
            return Err(Local::new("diagnostics", "the compiler has something to say"));
        }
        let mut staged = Vec::new();
        for output in baking.outputs.iter().filter(|output| !output.is_discarded()) {
            let path = self.world.absolute(Path::new(&output.path));
            let bytes = match (output.kind, &baking.dependencies) {
                (OutputKind::Dependencies, Some(bytes)) => bytes.clone(),
                (OutputKind::Dependencies, None) => continue,
                (kind, _) => read(kind.name())?,
            };
            if bytes.is_empty() {
                return Err(Local::new("output-missing", format!("{} is empty", output.kind.name())));
            }
            let family = compile.invocation.compiler.family;
            let staging = placement(self.world, family.into(), output.kind, &path)
                .and_then(|how| Staged::of(bytes, &path, false, how).map_err(Into::into));
            staged.push(staging.map_err(|error| Local::new(error.token(), error))?);
        }
        Ok(commit(staged, delivered, baking.spared))
    }
}

/// Puts outputs in place. From here on nothing is run again.
fn commit(staged: Vec<Staged>, delivered: Delivered, spared: bool) -> Spawned {
    let failed = staged.into_iter().find_map(|staged| staged.commit().err());
    match failed {
        Some(error) => Spawned::Unfinished(error.to_string()),
        None => Spawned::Done(Done { delivered, spared }),
    }
}

impl Prepared<'_> {
    /// What is to be compiled, for a host.
    pub(super) fn compile(&self) -> Compile<'_> {
        Compile { driver: self.driver(), invocation: &self.invocation, directory: &self.directory }
    }
}

impl Context<'_> {
    /// Has a host bake the units, where one is there: gives how each ended that is done.
    pub(super) fn spawn(
        &self,
        prepared: &Prepared<'_>,
        objects: &[OsString],
    ) -> Vec<Option<(Exit, Transcript)>> {
        let nothing = || objects.iter().map(|_| None).collect();
        let Some(socket) = self.config.host.as_deref().filter(|_| prepared.stdin.is_none()) else {
            return nothing();
        };
        let mut host = match Host::reach(self.world, self.log, socket, prepared.call) {
            Ok(host) => host,
            Err(local) => {
                self.count_local(&prepared.call.argv0, &local);
                return nothing();
            }
        };
        let compile = prepared.compile();
        let units = prepared.plan.units.iter().zip(objects).map(|(unit, object)| (unit, object.as_os_str()));
        let spawned = host.bake(compile, &units.collect::<Vec<_>>());
        let sources = prepared.plan.units.iter().map(|unit| &unit.source.path);
        sources.zip(spawned).map(|(source, spawned)| self.account_spawned(source, spawned)).collect()
    }

    fn account_spawned(&self, source: &OsStr, spawned: Result<Spawned, Local>) -> Option<(Exit, Transcript)> {
        let mut said = Transcript::default();
        let exit = match spawned {
            Ok(Spawned::Done(done)) => {
                let delivered = &done.delivered;
                let saved = Duration::from_millis(delivered.took);
                let event = if delivered.hit { Event::HitSemantic { saved } } else { Event::Miss };
                self.store.record(&event);
                self.log.line(self.world, source.display(), done.how());
                Exit::Code(0)
            }
            Ok(Spawned::Unfinished(why)) => {
                self.log.line(self.world, source.display(), &why);
                unfinished(&why, &mut said)
            }
            Err(local) => {
                self.count_local(source, &local);
                return None;
            }
        };
        Some((exit, said))
    }

    /// The local store does what the host did not.
    fn count_local(&self, subject: &OsStr, Local { token, why }: &Local) {
        self.log.line(self.world, subject.display(), format_args!("here ({token}): {why}"));
    }
}

fn unfit(why: Unfit) -> Local {
    Local::new("unfit", why)
}

/// `PATH` for a bake: the entries in which gcc finds the compiler's companions, as far as they are in artifacts.
fn search_path(world: &dyn World, places: &Places, program: &Path) -> Option<ProcessTemplate> {
    let path = world.environment().get("PATH")?;
    let entries = path.as_bytes().split(|byte| *byte == b':').filter(|entry| entry.starts_with(b"/"));
    let own = places.locate(program.as_os_str().as_bytes()).map(|located| *located.root);
    let has_assembler = |entry: &&[u8]| world.stat(&Path::new(OsStr::from_bytes(entry)).join("as")).is_ok();
    let mut assembler = entries.clone().filter(has_assembler).take(1).collect::<Vec<_>>();
    let mine = |entry: &&[u8]| own.is_some() && places.locate(entry).map(|located| *located.root) == own;
    let mut wanted: Vec<&[u8]> = entries.filter(mine).collect();
    wanted.append(&mut assembler);
    wanted.dedup();
    let templates = wanted.into_iter().filter_map(|entry| places.template(entry));
    templates.reduce(|list, entry| list.then(":").join(entry))
}
