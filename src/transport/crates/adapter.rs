//! A recording of one compile of a crate, in terms that hold for the next one.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::{CrateJob, Helper, Kept};
use super::Trail;
use crate::argparse::rustc::{RustTool, SearchKind, rust_tool_from_name};
use crate::argparse::{Output, OutputKind};
use crate::manifest::{ALL_VARIABLES, Digester};
use crate::paths::Spelling;
use crate::planner::environment;
use crate::preprocess::Traits;
use crate::world::{Access, Recording, What, World};

/// Where nothing that is found depends on where a build stands.
const SYSTEM: [&str; 8] = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/opt", "/nix"];

/// The variables that say where clippy looks for it; else it does in the working directory.
const CONFIGURED: [&str; 2] = ["CLIPPY_CONF_DIR", "CARGO_MANIFEST_DIR"];

/// A compile that was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Compiled<'a> {
    /// The machine, with places named.
    pub(crate) world: &'a dyn World,
    /// Gives the digests of what was read.
    pub(crate) digester: &'a dyn Digester,
    /// The crate.
    pub(crate) krate: &'a CrateJob<'a>,
    /// The compiler's file.
    pub(crate) program: &'a Path,
    /// The files that it leaves.
    pub(crate) outputs: &'a [Output],
}

impl Compiled<'_> {
    /// A recording in terms that hold for the next compile: by the places' names, without the compiler's own
    /// memory and what it looks at in vain, with the programs that were run. Or why nothing can be kept.
    pub(crate) fn adapted(&self, mut recording: Recording) -> Result<(Recording, Trail), Kept> {
        let adapter = Adapter::new(self);
        adapter.check_clock(&recording)?;
        adapter.check_alone(&recording)?;
        adapter.check_memory(&recording)?;
        let mut trail = Trail { further: adapter.further(&recording)?, bound: Vec::new() };
        trail.bound = adapter.beside(&recording);
        let variables = adapter.variables(&recording);
        let unasked = adapter.unasked(&variables);
        trail.bound.extend(adapter.hidden(&recording, &variables));
        let mut accesses = Vec::with_capacity(recording.accesses.len());
        accesses.extend(adapter.shadows(&recording));
        adapter.helpers(&recording, &mut accesses)?;
        accesses.extend(adapter.lookups(&recording));
        let listed = adapter.listed_by_macros(&mut recording);
        for access in recording.accesses {
            accesses.extend(adapter.access(access, &listed));
        }
        for access in &mut accesses {
            adapter.name(access);
        }
        Ok((Recording { accesses, variables, unasked, clock: false, ..recording }, trail))
    }

    /// Whether a program is the compiler itself, in which macros run. What is only known to be run by the loader of a
    /// packed compiler counts as that.
    pub(crate) fn is_compiler(&self, program: &Path) -> bool {
        let tool = program.file_name().and_then(rust_tool_from_name);
        matches!(tool, Some(RustTool::Rustc | RustTool::Clippy)) || self.is_own_loader(program)
    }

    /// Whether clippy looks here for its configuration, as it does in a directory and all above it.
    pub(crate) fn configures(&self, access: &Access) -> bool {
        self.krate.invocation.tool == RustTool::Clippy
            && self.is_compiler(&access.program)
            && is_configuration(&access.path)
    }

    /// Where the compiler's own libraries are.
    fn sysroot(&self) -> &Path {
        self.program.parent().and_then(Path::parent).unwrap_or(Path::new("/"))
    }

    /// Whether a program is the loader of a packed compiler.
    fn is_own_loader(&self, program: &Path) -> bool {
        let name = program.file_name().unwrap_or_default().as_bytes();
        name.starts_with(b"ld-linux") && program.starts_with(self.sysroot())
    }
}

/// Turns a recording of one compile.
struct Adapter<'a> {
    compiled: &'a Compiled<'a>,
    /// The outputs, absolute.
    outputs: Vec<PathBuf>,
    /// The directory of `-C incremental`, absolute.
    incremental: Option<PathBuf>,
    /// The dependency file, where one is written.
    dependencies: Option<Vec<u8>>,
}

impl<'a> Adapter<'a> {
    fn new(compiled: &'a Compiled<'a>) -> Self {
        let Compiled { world, krate, outputs, .. } = *compiled;
        let absolute = |path: &OsString| world.absolute(Path::new(path));
        let dependencies = outputs.iter().find(|output| output.kind == OutputKind::Dependencies);
        Self {
            compiled,
            outputs: outputs.iter().map(|output| absolute(&output.path)).collect(),
            incremental: krate.invocation.incremental.as_ref().map(absolute),
            dependencies: dependencies.and_then(|output| world.read(Path::new(&output.path)).ok()),
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        self.compiled.world.absolute(path)
    }

    /// What the compiler keeps for itself.
    fn is_memory(&self, path: &Path) -> bool {
        self.incremental.as_ref().is_some_and(|directory| path.starts_with(directory))
    }

    /// Refuses what a macro may have made of the time. The compiler itself asks for it only to name sessions and
    /// reports of crashes.
    fn check_clock(&self, recording: &Recording) -> Result<(), Kept> {
        let mut timed = recording.timed.iter();
        let macros = timed.any(|(program, object)| self.is_of_macros(program, object));
        if recording.clock || macros { Err(Kept::Timed) } else { Ok(()) }
    }

    /// Whether code of this object in a program is that of macros in the compiler.
    fn is_of_macros(&self, program: &Path, object: &Path) -> bool {
        let name = object.file_name().unwrap_or_default().as_bytes();
        let own = [&b"librustc_driver-"[..], b"libLLVM"].iter().any(|own| name.starts_with(own));
        self.compiled.is_compiler(program) && !own && !self.compiled.is_compiler(object)
    }

    /// The directories that macros listed.
    fn listed_by_macros(&self, recording: &mut Recording) -> BTreeSet<PathBuf> {
        let listers = std::mem::take(&mut recording.listers).into_iter();
        let macros = listers.filter(|(_, program, object)| {
            self.is_of_macros(program, object.as_deref().unwrap_or(Path::new("")))
        });
        macros.map(|(directory, _, _)| directory).collect()
    }

    /// Refuses programs beside the compiler where none may run. A packed compiler is started by a script, as its
    /// own loader.
    fn check_alone(&self, recording: &Recording) -> Result<(), Kept> {
        let starts = &recording.started;
        let launched = starts.len() <= 1 && starts.iter().all(|program| self.compiled.is_own_loader(program));
        if self.compiled.krate.alone && !launched { Err(Kept::RanPrograms) } else { Ok(()) }
    }

    /// Refuses what continued an earlier session: what is kept shall be what a fresh compile makes. A session
    /// of this very compile is made before anything in it is used.
    fn check_memory(&self, recording: &Recording) -> Result<(), Kept> {
        let Some(memory) = &self.incremental else { return Ok(()) };
        let mut made = BTreeSet::new();
        for access in &recording.accesses {
            let path = self.absolute(&access.path);
            let Ok(below) = path.strip_prefix(memory) else { continue };
            let session: PathBuf = below.components().take(2).collect();
            let name = session.file_name().unwrap_or_default().as_bytes();
            if session.components().count() < 2 || !name.starts_with(b"s-") || name.ends_with(b".lock") {
                continue;
            }
            if access.what == What::Written && below == session {
                made.insert(session);
            } else if !made.contains(&session) {
                return Err(Kept::Continued);
            }
        }
        Ok(())
    }

    /// The files that were left beside the outputs; they must stand where outputs do.
    fn further(&self, recording: &Recording) -> Result<Vec<PathBuf>, Kept> {
        let written = recording.accesses.iter().filter(|access| access.what == What::Written);
        let mut further = Vec::new();
        for access in written {
            let path = self.absolute(&access.path);
            let known = self.outputs.contains(&path) || self.is_memory(&path) || further.contains(&path);
            let Ok(stat) = self.compiled.world.lstat(&path) else { continue };
            if known || path.starts_with("/dev") || path.starts_with("/proc") {
                continue;
            }
            let beside = self.outputs.iter().any(|output| output.parent() == path.parent());
            if !beside || !stat.is_file() {
                return Err(Kept::WroteMore);
            }
            further.push(path);
        }
        let named = |path: PathBuf| {
            let name = self.compiled.krate.places.name(path.as_os_str().as_bytes());
            PathBuf::from(OsStr::from_bytes(&name))
        };
        Ok(further.into_iter().map(named).collect())
    }

    /// The places that are bound to where they are: those near which the compiler, or a macro in it, reached
    /// something that is not below them. It may have found its way from there, as from `OUT_DIR` upwards.
    fn beside(&self, recording: &Recording) -> Vec<(usize, Vec<u8>)> {
        let places = self.compiled.krate.places;
        let mut bound = BTreeSet::new();
        for access in recording.accesses.iter().filter(|access| self.compiled.is_compiler(&access.program)) {
            let path = access.path.as_os_str().as_bytes();
            if self.compiled.configures(access) {
                let from = self.configured();
                bound.extend(from.filter(|_| places.of(path) != from));
                continue;
            }
            let outside = !access.path.is_absolute()
                || access.path.starts_with(self.compiled.sysroot())
                || SYSTEM.iter().any(|place| access.path.starts_with(place));
            if outside {
                continue;
            }
            let own = places.of(path);
            let length = own.and_then(|index| places.directories().get(index)).map_or(1, Vec::len);
            for (index, place) in places.directories().iter().enumerate() {
                if Some(index) != own && common(place, path) > length {
                    bound.extend(own);
                    bound.insert(index);
                }
            }
        }
        let place = |index: usize| Some((index, places.directories().get(index)?.clone()));
        bound.into_iter().filter_map(place).collect()
    }

    /// The place from which clippy looks for its configuration.
    fn configured(&self) -> Option<usize> {
        let world = self.compiled.world;
        let named = CONFIGURED.iter().find_map(|name| world.environment().get(name));
        let places = self.compiled.krate.places;
        let directory = places.path(Path::new(named.unwrap_or(OsStr::new("."))))?;
        places.of(world.absolute(&directory).as_os_str().as_bytes())
    }

    /// The places that a result may hold unseen, where it can't be searched: those that the variables name that
    /// were asked for, and `OUT_DIR` where anything in it was looked at, or a macro ran.
    fn hidden(&self, recording: &Recording, asked: &[OsString]) -> Vec<(usize, Vec<u8>)> {
        if !self.compiled.krate.invocation.opaque {
            return Vec::new();
        }
        let places = self.compiled.krate.places;
        let environment = self.compiled.world.environment();
        let all = asked.iter().any(|name| name == ALL_VARIABLES);
        let values = environment.iter().filter(|(name, _)| all || asked.iter().any(|asked| asked == name));
        let spelled = values.filter_map(|(_, value)| places.spelled(value.as_bytes(), Spelling::Plain));
        let mut hidden: BTreeSet<usize> = spelled.flat_map(|value| places.are_in(&value)).collect();
        let out_dir = environment.get("OUT_DIR").and_then(|name| places.path(Path::new(name)));
        let out_dir = out_dir.and_then(|directory| places.index(directory.as_os_str()));
        let uses = |access: &Access| {
            self.is_loaded(access) || places.of(access.path.as_os_str().as_bytes()) == out_dir
        };
        hidden.extend(out_dir.filter(|_| recording.accesses.iter().any(uses)));
        let place = |index: usize| Some((index, places.directories().get(index)?.clone()));
        hidden.into_iter().filter_map(place).collect()
    }

    /// The variables whose values decide nothing, unless the source itself asks for them.
    fn unasked(&self, variables: &[OsString]) -> Vec<OsString> {
        let Some(dependencies) = &self.dependencies else { return Vec::new() };
        let asked = |name: &OsStr| {
            let line = [b"# env-dep:", name.as_bytes()].concat();
            dependencies.split(|byte| *byte == b'\n').any(|text| {
                text.strip_prefix(line.as_slice()).is_some_and(|rest| matches!(rest, [] | [b'=', ..]))
            })
        };
        let unasked = variables.iter().filter(|name| environment::is_unasked(name) && !asked(name));
        unasked.cloned().collect()
    }

    /// The variables that were asked for; all that there are, where a macro that was loaded can list them.
    fn variables(&self, recording: &Recording) -> Vec<OsString> {
        let mut names = recording.variables.clone();
        let lists = |access: &Access| {
            let What::Read(stat) = access.what else { return false };
            let facts = || self.compiled.digester.facts(&access.path, &stat);
            self.is_loaded(access) && facts().map_or(true, |facts| facts.traits.has(Traits::ENVIRONMENT))
        };
        if recording.accesses.iter().any(lists) {
            names.push(ALL_VARIABLES.into());
        }
        // The C library looks up what is started by its name, and asks nobody.
        let by_name = |started: &PathBuf| !started.as_os_str().as_bytes().contains(&b'/');
        if recording.started.iter().any(by_name) && !names.iter().any(|name| name == "PATH") {
            names.push("PATH".into());
        }
        names
    }

    /// Whether a file is a library that the compiler may have loaded, so that macros in it ran.
    fn is_loaded(&self, access: &Access) -> bool {
        matches!(access.what, What::Read(_))
            && access.path.extension().is_some_and(|extension| extension == "so")
            && self.compiled.is_compiler(&access.program)
            && !access.path.starts_with(self.compiled.sysroot())
            && !self.outputs.contains(&self.absolute(&access.path))
    }

    /// The programs that were run beside the compiler, with their libraries.
    fn helpers(&self, recording: &Recording, accesses: &mut Vec<Access>) -> Result<(), Kept> {
        let programs = recording.programs.iter().filter(|program| ***program != *recording.program);
        let programs = programs.map(|program| (Arc::clone(program), Helper::Program));
        // What a library of macros loads, the loader opens.
        let libraries = recording.accesses.iter().filter(|access| self.is_loaded(access));
        let libraries = libraries.map(|access| (self.absolute(&access.path).into(), Helper::Library));
        for (program, helper) in programs.chain(libraries) {
            let program: &Arc<Path> = &program;
            let found = (self.compiled.krate.program)(program, helper).ok_or(Kept::NotRecorded)?;
            for part in &found.parts {
                let stat = self.compiled.world.stat(&part.path).map_err(|_| Kept::InputsChanged)?;
                let what = What::Read(stat);
                accesses.push(Access { program: Arc::clone(program), path: part.path.clone(), what });
            }
            let missing = |path: &PathBuf| missing(program, path.clone());
            accesses.extend(found.absent.iter().map(missing));
        }
        Ok(())
    }

    /// Where a program would have been found earlier on `PATH`.
    fn lookups(&self, recording: &Recording) -> Vec<Access> {
        let environment = self.compiled.world.environment();
        let path = environment.get("PATH").unwrap_or(OsStr::new("/bin:/usr/bin"));
        let names = recording.started.iter().filter(|name| !name.as_os_str().as_bytes().contains(&b'/'));
        let mut lookups = Vec::new();
        for name in names {
            for directory in path.as_bytes().split(|byte| *byte == b':') {
                let place = Path::new(OsStr::from_bytes(directory)).join(name);
                if self.compiled.world.stat(&place).is_ok() {
                    break;
                }
                lookups.push(missing(&recording.program.as_path().into(), place));
            }
        }
        lookups
    }

    /// Where a crate of the same file name would be taken for one that was read: in the other directories
    /// where crates are looked for.
    fn shadows(&self, recording: &Recording) -> Vec<Access> {
        let searches = self.compiled.krate.invocation.searches.iter();
        let directories: Vec<&Path> = searches
            .filter(|search| search.kind != SearchKind::Native)
            .map(|search| Path::new(&search.path))
            .collect();
        let mut shadows = Vec::new();
        for access in recording.accesses.iter().filter(|access| matches!(access.what, What::Read(_))) {
            let (Some(parent), Some(name)) = (access.path.parent(), access.path.file_name()) else {
                continue;
            };
            if !directories.contains(&parent) {
                continue;
            }
            let others = directories.iter().filter(|directory| **directory != parent);
            let others = others.map(|directory| directory.join(name));
            let absent = others.filter(|path| self.compiled.world.lstat(path).is_err());
            shadows.extend(absent.map(|path| missing(&access.program, path)));
        }
        shadows
    }

    /// One access as it matters for the next compile. Of directories that macros list, all names count.
    fn access(&self, access: Access, listed: &BTreeSet<PathBuf>) -> Option<Access> {
        let path = self.absolute(&access.path);
        if self.is_memory(&path) {
            return None;
        }
        let Access { program, path: spelled, what } = access;
        let what = match what {
            // What stood in its own place before is nobody's input.
            What::Read(_) | What::Present(_) | What::Missing(_) | What::Link | What::Resolved
                if self.outputs.contains(&path) =>
            {
                return None;
            }
            What::Listed if self.compiled.is_compiler(&program) && !listed.contains(&spelled) => {
                match self.searched_as(&spelled) {
                    Some(SearchKind::Crates) => What::ListedCrates,
                    Some(SearchKind::Dependency | SearchKind::Native) => return None,
                    None => What::Listed,
                }
            }
            what => what,
        };
        Some(Access { program, path: spelled, what })
    }

    /// What the compiler looks for in a directory that it lists.
    fn searched_as(&self, directory: &Path) -> Option<SearchKind> {
        let searches = self.compiled.krate.invocation.searches.iter();
        let here = searches.filter(|search| Path::new(&search.path) == directory);
        let kinds: Vec<SearchKind> = here.map(|search| search.kind).collect();
        kinds.iter().find(|kind| **kind == SearchKind::Crates).or(kinds.first()).copied()
    }

    /// Gives a path its name. A place itself that is missing keeps its own.
    fn name(&self, access: &mut Access) {
        let bytes = access.path.as_os_str().as_bytes();
        let is_place = self.compiled.krate.places.directories().iter().any(|place| place == bytes);
        if !(is_place && matches!(access.what, What::Missing(_))) {
            let name = self.compiled.krate.places.name(bytes);
            access.path = PathBuf::from(OsStr::from_bytes(&name));
        }
    }
}

/// Whether a file is called what clippy's configuration is.
pub(crate) fn is_configuration(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "clippy.toml" || name == ".clippy.toml")
}

/// How long the directories are, together, that two paths begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    let parts = one.split(|byte| *byte == b'/').zip(other.split(|byte| *byte == b'/'));
    let same = parts.take_while(|(one, other)| one == other);
    same.map(|(part, _)| part.len() + 1).sum::<usize>().saturating_sub(1)
}

fn missing(program: &Arc<Path>, path: PathBuf) -> Access {
    const NOT_FOUND: i32 = 2;
    Access { program: Arc::clone(program), path, what: What::Missing(NOT_FOUND) }
}
