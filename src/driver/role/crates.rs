//! The wrapper in a bake of a crate that loads macros: it runs the compiler, and tells what that and the macros saw,
//! so that whoever takes the result can make sure that they would see the same at home.
//!
//! What a macro makes of a place's own name would be another thing at home, so nothing is left where a result holds
//! one; nor where the recording can't tell all that decides it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Reads, seen_of};
use crate::argparse::rustc::{self, CrateInvocation, RustTool};
use crate::argparse::{Output, OutputKind};
use crate::driver::told::Looked;
use crate::driver::{CompilerCall, parse};
use crate::manifest::{Knowledge, PlacedDigester, PlacedWorld};
use crate::paths;
use crate::planner::places::{Place, Places};
use crate::planner::tree::PLACES_VARIABLE;
use crate::recipe::digest::ToolchainDigest;
use crate::toolchain::Program;
use crate::transport::crates::{Compiled, only_notifies};
use crate::transport::{CrateJob, Helper};
use crate::world::{Access, Command, Exit, Kind, Recording, Sink, Stdin, Transcript, What, World};

/// What came of the compiler: how it ended, and what it and the macros saw, or why that does not serve.
type Ran = (Exit, Result<Looked, String>);

/// Runs the compiler; `None` where it can't be run.
pub(super) fn compile(
    world: &dyn World,
    (call, tool): (&CompilerCall, RustTool),
    (mapped, named): (&Places, &paths::Places),
    sink: Sink<'_>,
) -> Option<Ran> {
    let mut environment = world.environment().clone();
    environment.remove(PLACES_VARIABLE);
    let command = Command {
        program: call.program.clone(),
        argv0: Some(call.argv0.clone()),
        args: call.args.clone(),
        environment,
        cwd: world.cwd().to_owned(),
        stdin: Stdin::Inherited,
        terminal: false,
    };
    let started = world.now();
    let mut said = Transcript::default();
    let ran = world.run_recorded(&command, &[], &mut |stream, bytes| {
        said.add(stream, bytes);
        sink(stream, bytes);
    });
    let (exit, recording) = ran.ok()?;
    let invocation = rustc::parse(tool, &call.args, &parse::reader(world));
    let role = Role { world, call, invocation: &invocation, mapped, named };
    let looked = recording.ok_or_else(|| "it is not known what the compiler saw".to_owned());
    Some((exit, looked.and_then(|recording| role.looked((recording, started), &said))))
}

/// A compile in a bake.
struct Role<'a> {
    world: &'a dyn World,
    call: &'a CompilerCall,
    invocation: &'a CrateInvocation,
    mapped: &'a Places,
    named: &'a paths::Places,
}

impl Role<'_> {
    fn looked(&self, (recording, started): (Recording, i128), said: &Transcript) -> Result<Looked, String> {
        self.is_placeless(said)?;
        self.runs_inputs(&recording)?;
        let world = PlacedWorld::new(self.world, self.named);
        let digester = PlacedDigester { digester: &Reads(self.world), places: self.named };
        // Programs are those of inputs; libraries that macros need were looked at where it was decided what the bake
        // is made of.
        let vouched = |_: &Path, _: Helper| Some(Program::vouched_for(ToolchainDigest::of(b"")));
        let (places, bound, alone) = (self.named, &[][..], !self.invocation.links());
        let krate = CrateJob { invocation: self.invocation, places, bound, program: &vouched, alone };
        let compiled = Compiled {
            world: &world,
            digester: &digester,
            krate: &krate,
            program: &self.call.program,
            outputs: &self.invocation.outputs,
        };
        let recording = Recording { accesses: self.outside(recording.accesses, &compiled)?, ..recording };
        let (mut recording, trail) = compiled.adapted(recording).map_err(|kept| kept.to_string())?;
        // A tree has the crates that were taken, of all that a directory has.
        recording.accesses.retain(|access| access.what != What::ListedCrates);
        if let Some((_, place)) = trail.bound.first() {
            let place = OsStr::from_bytes(place).display();
            return Err(format!("something near {place} was looked at, and not in a place"));
        }
        let knowledge =
            Knowledge { started, driver_aside: false, directory: [Path::new(""); 2], variables: true };
        let seen = seen_of(self.world, &recording, knowledge, self.named)?;
        Ok(Looked { seen, rules: None })
    }

    /// Directories that a bake has of its own.
    fn own(&self, variables: &'static [&str]) -> impl Iterator<Item = &OsStr> {
        variables.iter().filter_map(|name| self.world.environment().get(name))
    }

    /// Makes sure that all programs are those of inputs, but for the shell that starts packed ones, which is the
    /// host's.
    fn runs_inputs(&self, recording: &Recording) -> Result<(), String> {
        const SHELLS: [&str; 4] = ["bash", "busybox", "dash", "sh"];
        let is_inputs = |program: &Path| {
            let located = self.mapped.locate(program.as_os_str().as_bytes());
            matches!(located.map(|located| located.root), Some(Place::Input(_)))
                || SHELLS.iter().any(|shell| program.file_name() == Some(OsStr::new(shell)))
        };
        match recording.programs.iter().find(|program| !is_inputs(program)) {
            Some(program) => Err(format!("{} ran, which is in no input", program.display())),
            None => Ok(()),
        }
    }

    /// Makes sure that nothing that was made or said holds a place of the bake's.
    fn is_placeless(&self, said: &Transcript) -> Result<(), String> {
        if self.invocation.opaque {
            return Err("what was made can't be searched for places".to_owned());
        }
        let own = self
            .own(&["BRIOCHE_OUTPUT", "TMPDIR", "HOME"])
            .chain(self.named.directories().iter().map(|path| OsStr::from_bytes(path)));
        let own = paths::Places::new(own);
        let made = self.invocation.outputs.iter().filter(|output| output.kind != OutputKind::Dependencies);
        for output in made {
            let bytes = self.world.read(Path::new(&output.path)).map_err(|error| error.to_string())?;
            if !own.are_in(&bytes).is_empty() {
                return Err(format!("{} holds a place of the bake", output.path.display()));
            }
        }
        let tells = |bytes: &[u8]| {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            lines.filter(|line| !only_notifies(line)).any(|line| !own.are_in(line).is_empty())
        };
        if said.parts().iter().any(|(_, bytes)| tells(bytes)) {
            return Err("what was said holds a place of the bake".to_owned());
        }
        Ok(())
    }

    /// Whether the compiler may look for a file to make, or not to make, a crate's file of this name.
    fn is_outputs_name(&self, path: &Path) -> bool {
        let crates = |path: &Path| {
            let stem = path.file_stem().unwrap_or_default().as_bytes().to_vec();
            (
                path.parent().map(Path::to_owned),
                stem.strip_prefix(b"lib").map_or(stem.clone(), <[u8]>::to_vec),
            )
        };
        let named = |output: &Output| crates(Path::new(&output.path)) == crates(path);
        self.invocation.outputs.iter().any(named)
    }

    /// Without what is made on the way to the output; or what was looked for there, for it is at home what it is. That
    /// clippy finds no configuration above all places is compared with what it finds at home.
    fn outside(&self, accesses: Vec<Access>, compiled: &Compiled<'_>) -> Result<Vec<Access>, String> {
        let own: Vec<&Path> = self.own(&["BRIOCHE_OUTPUT", "TMPDIR"]).map(Path::new).collect();
        let path_of = |access: &Access| self.world.absolute(&access.path);
        let written: Vec<PathBuf> =
            accesses.iter().filter(|access| access.what == What::Written).map(path_of).collect();
        let is_made = |path: &Path| {
            let made = |written: &PathBuf| path.starts_with(written) && !own.contains(&written.as_path());
            own.contains(&path) || written.iter().any(made) || self.is_outputs_name(path)
        };
        let mut left = Vec::with_capacity(accesses.len());
        for access in accesses {
            let path = path_of(&access);
            if !own.iter().any(|own| path.starts_with(own)) {
                // A linker that goes down to its output meets directories that a bake must have. What a macro sees of
                // them is another matter.
                let meets = access.what == What::Present(Kind::Directory)
                    && own.iter().any(|own| own.starts_with(&path))
                    && !compiled.is_compiler(&access.program);
                let above = compiled.configures(&access)
                    && matches!(access.what, What::Missing(_))
                    && self.named.of(path.as_os_str().as_bytes()).is_none();
                left.extend(Some(access).filter(|_| !meets && !above));
            } else if !is_made(&path) {
                return Err(format!("{} was looked for, where only a bake has something", path.display()));
            }
        }
        Ok(left)
    }
}
