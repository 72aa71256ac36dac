//! Splitting an invocation into units and a link.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::argparse::{Family, Invocation, Mode, Output, OutputKind, Refusal, Role, Source};
use crate::preprocess::source_arguments;

/// What there is to do: compiles that stand alone, then perhaps one link.
#[derive(Debug, Clone)]
pub struct CompilePlan {
    /// One for each source, in order.
    pub units: Vec<Unit>,
    /// The link, where the invocation links.
    pub link: Option<LinkStep>,
    /// Two units write one file (`-c a/x.c b/x.c`, one dependency file for all): the units must run one
    /// after the other, as the driver runs them, so that the last one's stays.
    pub ordered: bool,
}

/// The compile of one source.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The source, and why it is not cacheable, if it isn't.
    pub source: Source,
    /// Where its object goes.
    pub object: Object,
    command: Command,
}

/// What the real compiler is run with on a miss.
#[derive(Debug, Clone)]
enum Command {
    /// The user's own command.
    Own,
    /// What concerns this unit of several; the source and the place of a temporary object follow.
    Part(Vec<OsString>),
}

/// Where a unit's object goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// To the place that the command line names, or that its driver derives.
    InPlace,
    /// To a temporary file that a link then reads.
    Temporary,
}

/// A link of objects made by units.
#[derive(Debug, Clone)]
pub struct LinkStep {
    args: Vec<LinkArgument>,
}

#[derive(Debug, Clone)]
enum LinkArgument {
    Given(OsString),
    Unit(usize),
}

/// Plans an invocation.
///
/// # Errors
/// The reasons why the real compiler must be run as it was called: the invocation's own, and those that
/// concern splitting it.
pub fn plan(invocation: &Invocation) -> Result<CompilePlan, Vec<Refusal>> {
    let mut refusals = invocation.refusals.clone();
    let links = match invocation.mode {
        Mode::Object | Mode::Assembly => false,
        // Bitcode in place of an object (clang `-flto -c`).
        Mode::Other if leaves_objects(invocation) => false,
        Mode::Link => true,
        _ => {
            if refusals.is_empty() {
                refusals.push(Refusal::new("not-a-compile", "", "nothing here that could be cached"));
            }
            return Err(refusals);
        }
    };
    let single = !links && invocation.sources.len() == 1;
    if !single {
        refusals.extend(split_refusals(invocation));
        refusals.extend(overwrites_input(invocation));
    }
    if invocation.sources.is_empty() {
        refusals.push(Refusal::new("nothing-to-compile", "", "there is no source to compile"));
    } else if invocation.sources.iter().all(|source| !source.refusals.is_empty()) {
        refusals.extend(invocation.sources.iter().flat_map(|source| source.refusals.clone()));
    }
    refusals.extend(invocation.sources.iter().filter_map(overwrites_itself));
    refusals.extend(links.then(|| links_twice(&invocation.sources)).flatten());
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let units = invocation.sources.iter().map(|source| Unit {
        source: source.clone(),
        object: if links && source.object().is_none() { Object::Temporary } else { Object::InPlace },
        command: if single { Command::Own } else { Command::Part(unit_arguments(invocation, source)) },
    });
    let ordered = shares_outputs(&invocation.sources);
    Ok(CompilePlan { units: units.collect(), link: links.then(|| link_step(invocation)), ordered })
}

/// A source of which two outputs are one file: which of them stays is a matter of the compiler's order.
fn overwrites_itself(source: &Source) -> Option<Refusal> {
    let written: Vec<_> = source.outputs.iter().filter(|output| !output.is_discarded()).collect();
    let twice = |(index, output): &(usize, &&Output)| written[..*index].iter().any(|o| o.path == output.path);
    let (_, output) = written.iter().enumerate().find(twice)?;
    Some(Refusal::new("same-output", output.path.clone(), "two outputs of one source have this name"))
}

/// An input that has the name of a file that is kept or made beside an object: a unit may read what another left
/// there, and where the link says something, all is done again with what stands there then. Names are compared
/// without their directories, since a path has many spellings.
fn overwrites_input(invocation: &Invocation) -> Option<Refusal> {
    let name = |path: &OsStr| Path::new(path).file_name().map(OsStr::to_owned);
    let sources = invocation.sources.iter().map(|source| source.path.as_os_str());
    let options = invocation.args.iter().filter(|arg| arg.role == Role::Preprocess);
    let included = options.filter_map(|arg| arg.value.as_deref());
    let inputs: Vec<OsString> = sources.chain(included).filter_map(name).collect();
    let mut made = invocation.sources.iter().flat_map(|source| &source.outputs);
    let output = made.find(|output| name(&output.path).is_some_and(|name| inputs.contains(&name)))?;
    Some(Refusal::new("same-output", output.path.clone(), "an input has the name of what is made"))
}

/// A kept object that is two sources' own: the link reads the second one's twice.
fn links_twice(sources: &[Source]) -> Option<Refusal> {
    let objects: Vec<&OsStr> = sources.iter().filter_map(Source::object).collect();
    let twice = |(index, object): &(usize, &&OsStr)| objects[..*index].contains(*object);
    let (_, object) = objects.iter().enumerate().find(twice)?;
    Some(Refusal::new("same-output", *object, "the object of two sources has this name"))
}

/// Whether two sources write one file.
fn shares_outputs(sources: &[Source]) -> bool {
    let mut paths: Vec<&OsStr> =
        sources.iter().flat_map(|source| &source.outputs).map(|output| output.path.as_os_str()).collect();
    let all = paths.len();
    paths.sort_unstable();
    paths.dedup();
    paths.len() < all
}

/// Whether every source ends in an object file.
fn leaves_objects(invocation: &Invocation) -> bool {
    !invocation.sources.is_empty() && invocation.sources.iter().all(|source| source.object().is_some())
}

/// What keeps an invocation whole though each of its sources might be cached.
fn split_refusals(invocation: &Invocation) -> Option<Refusal> {
    let is_source = |index| invocation.sources.iter().any(|source| source.arg == index);
    let unused =
        invocation.args.iter().enumerate().find(|(i, arg)| arg.role == Role::Input && !is_source(*i));
    match unused {
        // The driver warns of it once, not once for each source.
        Some((_, arg)) if !invocation.links => Some(Refusal::new(
            "unused-input",
            arg.tokens.first().cloned().unwrap_or_default(),
            "an input for the linker, which does not run",
        )),
        _ => None,
    }
}

/// The command of one unit out of several: everything that concerns compiling, this source alone.
fn unit_arguments(invocation: &Invocation, source: &Source) -> Vec<OsString> {
    let goes = |role| match role {
        Role::Preprocess | Role::Compile | Role::Assemble | Role::Presentation | Role::Driver => true,
        // clang warns of linker options that it does not use, so what was there stays there.
        Role::Output | Role::Dependencies | Role::Link => !invocation.links,
        Role::Input | Role::Language => false,
    };
    let mut args: Vec<OsString> =
        invocation.args.iter().filter(|arg| goes(arg.role)).flat_map(|arg| arg.tokens.clone()).collect();
    if invocation.links {
        args.extend(source.naming.iter().cloned());
        if let Some(file) = &source.dependencies {
            let style = if file.system { "-MD" } else { "-MMD" };
            args.extend([style.into(), "-MF".into(), file.path.clone()]);
            args.extend(file.options.iter().cloned());
        }
        args.extend(source.object().map(to_object).into_iter().flatten());
    }
    args
}

/// The options for a compile into this object.
fn to_object(object: &OsStr) -> [OsString; 3] {
    ["-c".into(), "-o".into(), object.to_owned()]
}

fn link_step(invocation: &Invocation) -> LinkStep {
    let mut args = Vec::new();
    for (index, arg) in invocation.args.iter().enumerate() {
        if let Some(unit) = invocation.sources.iter().position(|source| source.arg == index) {
            args.push(LinkArgument::Unit(unit));
        } else if !matches!(arg.role, Role::Preprocess | Role::Dependencies | Role::Language) {
            args.extend(arg.tokens.iter().cloned().map(LinkArgument::Given));
        }
    }
    if invocation.compiler.family == Family::Clang {
        // It would warn of compile options, for which this command has no use.
        args.insert(0, LinkArgument::Given("-Qunused-arguments".into()));
    }
    LinkStep { args }
}

impl LinkStep {
    /// The link's arguments, given the object of each unit.
    #[must_use]
    pub fn arguments(&self, objects: &[&Path]) -> Vec<OsString> {
        let argument = |arg: &LinkArgument| match arg {
            LinkArgument::Given(given) => given.clone(),
            LinkArgument::Unit(unit) => objects.get(*unit).map(OsString::from).unwrap_or_default(),
        };
        self.args.iter().map(argument).collect()
    }
}

impl Unit {
    /// The real compiler's arguments on a miss. `given` is what the user gave, response files unexpanded; `object` is the temporary file of an
    /// [`Object::Temporary`]; it is not looked at otherwise.
    #[must_use]
    pub fn arguments(&self, given: &[OsString], object: &OsStr) -> Vec<OsString> {
        let mut args = match &self.command {
            Command::Own => return given.to_vec(),
            Command::Part(args) => args.clone(),
        };
        if self.object == Object::Temporary {
            args.extend(to_object(object));
        }
        args.extend(source_arguments(&self.source));
        args
    }

    /// The files that the compile leaves, the object too where it is temporary.
    #[must_use]
    pub fn outputs(&self, object: &OsStr) -> Vec<Output> {
        let temporary = || Output { kind: OutputKind::Object, path: object.to_owned(), optional: false };
        let made = (self.object == Object::Temporary).then(temporary);
        self.source.outputs.iter().cloned().chain(made).collect()
    }
}
