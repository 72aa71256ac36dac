//! The wrapper in a bake: it preprocesses a source, and leaves the mapped text and what the preprocessor saw; or it
//! compiles a crate ([`crates`]), and leaves beside it what the compiler saw.
//!
//! A text that another process may take for its own must be what its own preprocessor would give: so nothing is
//! left where the preprocessor says something, asks for the time, fails, or where it is not known what it saw.

mod crates;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::told::{Looked, Told};
use super::{CompilerCall, layout};
use crate::argparse::Family;
use crate::argparse::rustc::RustTool;
use crate::manifest::{Digester, Knowledge, Learned, PlacedDigester, PlacedWorld};
use crate::paths;
use crate::planner::places::{Place, Places};
use crate::planner::recipe::{suits, text_suits};
use crate::planner::tree::{INPUT, PLACES_VARIABLE, TEXT, TOLD};
use crate::preprocess::{Driver, FileFacts, Outcome, Preprocessed, Rules, Scratch, may_mislead, preprocess};
use crate::recipe::Symbol;
use crate::recipe::digest::ArtifactHash;
use crate::world::{Access, Exit, Recording, Sink, Stat, What, World};

/// Whether this process is such a bake's.
pub(super) fn is_ours(world: &dyn World) -> bool {
    world.environment().get(PLACES_VARIABLE).is_some_and(|value| !value.is_empty())
}

/// Preprocesses. Fails only where nothing can be left.
pub(super) fn run(world: &dyn World, call: &CompilerCall) -> Exit {
    let environment = world.environment();
    let (Some(output), Some(listed)) = (environment.get("BRIOCHE_OUTPUT"), environment.get(PLACES_VARIABLE))
    else {
        return Exit::Code(1);
    };
    let output = Path::new(output);
    let left = leave(world, call, listed.as_bytes());
    let (text, outcome) = match left {
        Ok((text, looked)) => (Some(text), Ok(looked)),
        Err(why) => (None, Err(why)),
    };
    let written = text.map_or(Ok(()), |text| std::fs::write(output.join(TEXT), text));
    let written = written.and_then(|()| std::fs::write(output.join(TOLD), Told::new(outcome).encode()));
    Exit::Code(i32::from(written.is_err()))
}

/// Compiles a crate. Fails where the compiler does, and where nothing can be told.
pub(super) fn run_crate(world: &dyn World, call: &CompilerCall, tool: RustTool, sink: Sink<'_>) -> Exit {
    let environment = world.environment();
    let (Some(output), Some(listed)) = (environment.get("BRIOCHE_OUTPUT"), environment.get(PLACES_VARIABLE))
    else {
        return Exit::Code(1);
    };
    let (mapped, named) = places(listed.as_bytes());
    let Some((exit, outcome)) = crates::compile(world, (call, tool), (&mapped, &named), sink) else {
        return Exit::Code(1);
    };
    let written = std::fs::write(Path::new(output).join(TOLD), Told::new(outcome).encode());
    if written.is_ok() { exit } else { Exit::Code(1) }
}

/// The text and what was seen, or why there is none.
fn leave(world: &dyn World, call: &CompilerCall, listed: &[u8]) -> Result<(Vec<u8>, Looked), String> {
    let (mapped, named) = places(listed);
    let plan = layout::plan(world, call).map_err(|local| local.why)?;
    let (invocation, plan) = plan.ok_or("not a compile")?;
    let [unit] = plan.units.as_slice() else { return Err("not one source".to_owned()) };
    suits(&invocation, unit).map_err(|why| why.to_string())?;
    let (program, argv0) = (call.program.as_path(), call.argv0.as_os_str());
    let mut environment = world.environment().clone();
    environment.remove(PLACES_VARIABLE);
    let driver = Driver { program, argv0, environment: &environment, stdin: None };
    let temporary = environment.get("TMPDIR").unwrap_or(OsStr::new("/tmp")).to_owned();
    let started = world.now();
    let maps = mapped.macro_maps(&invocation);
    let scratch = Scratch { directory: Path::new(&temporary), redirects: &[], options: &maps };
    let outcome = preprocess(world, driver, &invocation, &unit.source, scratch);
    let preprocessed = match outcome.map_err(|error| error.to_string())? {
        Outcome::Done(preprocessed) => preprocessed,
        Outcome::Refused(refusal) => return Err(refusal.token.to_owned()),
        Outcome::Failed => return Err("the preprocessor failed".to_owned()),
    };
    let Preprocessed { text, messages, dependencies, recording, .. } = *preprocessed;
    if !messages.is_empty() {
        return Err("the preprocessor has something to say".to_owned());
    }
    text_suits(&invocation, &text).map_err(|why| why.to_string())?;
    let read = |path: &Path| world.read(path).ok();
    if invocation.facts.layout_warnings && may_mislead(&text, &read) {
        return Err("the indentation may mislead".to_owned());
    }
    let recording = recording.ok_or("it is not known what the preprocessor saw")?;
    let family = invocation.compiler.family;
    let rules = match dependencies {
        Some(bytes) => Some(rules(family, &bytes, &named)?),
        None => None,
    };
    let seen = seen(world, family, (recording, started), &named)?;
    Ok((mapped.map_text(&text).into_owned(), Looked { seen, rules }))
}

/// The places that a list names: for text, and for what was seen.
fn places(listed: &[u8]) -> (Places, paths::Places) {
    let line = |line: &[u8]| {
        let at = memchr::memchr(b' ', line)?;
        let (word, path) = (&line[..at], line[at + 1..].to_vec());
        let symbol = Symbol::ALL.into_iter().find(|symbol| symbol.name().as_bytes() == word);
        let input = || (word == INPUT.as_bytes()).then_some(Place::Input(ArtifactHash::from_bytes([0; 32])));
        Some((path, symbol.map(Place::Symbol).or_else(input)?))
    };
    let all: Vec<(Vec<u8>, Place)> = listed.split(|byte| *byte == b'\n').filter_map(line).collect();
    let named = paths::Places::new(all.iter().map(|(path, _)| OsStr::from_bytes(path)));
    (Places::new(all), named)
}

/// A dependency file by the names of places.
fn rules(family: Family, bytes: &[u8], named: &paths::Places) -> Result<Rules, String> {
    let rules = Rules::parse(family, bytes).ok_or("the dependency file is of another form")?;
    rules.renamed(|name| Some(named.name(name).into_owned())).ok_or_else(String::new)
}

/// What the preprocessor saw, by the names of places.
fn seen(
    world: &dyn World,
    family: Family,
    (recording, started): (Recording, i128),
    named: &paths::Places,
) -> Result<Vec<u8>, String> {
    if recording.clock {
        return Err("it asked for the time".to_owned());
    }
    let name = |path: &Path| OsString::from(OsStr::from_bytes(&named.name(path.as_os_str().as_bytes())));
    let access = |access: Access| Access { path: name(&access.path).into(), ..access };
    let accesses = of_preprocessor(family, recording.accesses).map(access).collect();
    let recording = Recording { accesses, ..recording };
    let driver_aside = family == Family::Gcc;
    let knowledge = Knowledge { started, driver_aside, directory: [Path::new(""); 2], variables: false };
    seen_of(world, &recording, knowledge, named)
}

/// What a recording says was seen, by the names of places; its paths have these already.
fn seen_of(
    world: &dyn World,
    recording: &Recording,
    knowledge: Knowledge<'_>,
    named: &paths::Places,
) -> Result<Vec<u8>, String> {
    let name = |path: &Path| OsString::from(OsStr::from_bytes(&named.name(path.as_os_str().as_bytes())));
    let pwd = world.environment().get("PWD").map_or(world.cwd(), Path::new);
    let (cwd, pwd) = (name(world.cwd()), name(pwd));
    let knowledge = Knowledge { directory: [Path::new(&cwd), Path::new(&pwd)], ..knowledge };
    let placed = PlacedWorld::new(world, named);
    let digester = PlacedDigester { digester: &Reads(world), places: named };
    let learned = Learned::of(&placed, &digester, recording, knowledge)
        .map_err(|_| "what it saw can't be told".to_owned())?;
    let seen = learned.seen();
    // rustc takes no file for another of the same bytes.
    let seen = if knowledge.variables { seen.of_crate_for_elsewhere() } else { seen.for_elsewhere() };
    postcard::to_stdvec(&seen).map_err(|error| error.to_string())
}

/// What the preprocessor itself did: of gcc's programs it is the one that read the most. What drivers and shells
/// look for decides which programs run, and those are in the artifact.
fn of_preprocessor(family: Family, accesses: Vec<Access>) -> impl Iterator<Item = Access> {
    let mut read: BTreeMap<&Path, usize> = BTreeMap::new();
    for access in accesses.iter().filter(|access| matches!(access.what, What::Read(_))) {
        *read.entry(&access.program).or_default() += 1;
    }
    let most = read.into_iter().max_by_key(|(_, count)| *count).map(|(program, _)| program.to_owned());
    let written = |access: &Access| access.what == What::Written;
    let matters = move |access: &Access| {
        family == Family::Clang || written(access) || Some(&*access.program) == most.as_deref()
    };
    accesses.into_iter().filter(matters)
}

/// Digests of files that are read.
struct Reads<'a>(&'a dyn World);

impl Digester for Reads<'_> {
    fn facts(&self, path: &Path, _: &Stat) -> io::Result<FileFacts> {
        Ok(FileFacts::of(&self.0.read(path)?))
    }
}
