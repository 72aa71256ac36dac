//! A crate as a recipe of its own: what it reads is asked of the compiler ([`crate::driver::crate_reads`]), given to
//! the host as a tree, and what comes of it put in place.
//!
//! Nothing depends on a note or a claim: the files are those that this process's own compiler read in this very
//! call, or would read again, and the host hashes their bytes itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::crate_tree::{CrateTree, Unlike};
use super::{Host, Local, Spawned, commit};
use crate::argparse::rustc::{CrateInvocation, CrateRole};
use crate::argparse::{Output, OutputKind, Refusal};
use crate::driver::crate_reads::{CrateReads, CrateRules, UNLEARNED};
use crate::driver::crates::subject;
use crate::driver::{CompilerCall, Context};
use crate::paths::Spelling;
use crate::planner::crate_recipe::{CrateRecipe, CrateRecipeInputs, TOP, crate_recipe, suits};
use crate::recipe::digest::{ArtifactHash, BlobDigest};
use crate::recipe::{Artifact, File, Recipe, STDERR, STDOUT};
use crate::store::Staged;
use crate::transport::Habits;
use crate::transport::placing::placement;
use crate::transport::socket::{BakeRequest, Deliver};
use crate::transport::wire::{Delivered, Finished};
use crate::world::{Exit, Stream, Transcript};

/// The variables by which a linker and its programs find things. cargo sets the second one for every compile.
const SEARCH_PATHS: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// How an artifact notification begins, and what follows the path.
const NOTIFICATION: (&[u8], &[u8]) = (b"{\"$message_type\":\"artifact\",\"artifact\":\"", b"\",\"emit\":");

/// How often a bake is asked for again with what the one before looked for in vain.
const ROUNDS: usize = 2;

/// A host, and what a crate's bake would take.
struct Asked<'a> {
    host: Host<'a>,
    reads: CrateReads,
    tree: CrateTree,
}

impl Context<'_> {
    /// Has a host bake a crate, where one is there; `None` where that is not done.
    pub(in crate::driver) fn spawn_crate(
        &self,
        call: &CompilerCall,
        invocation: &CrateInvocation,
    ) -> Option<(Exit, Transcript)> {
        let socket = self.config.host.as_deref()?;
        let subject = subject(invocation);
        let (spawned, said) = match self.spawned_crate(call, invocation, socket) {
            Ok((spawned, said)) => (Ok(spawned), said),
            Err(local) => (Err(local), Transcript::default()),
        };
        let accounted = self.account_spawned(&subject, spawned);
        if let (None, Some(signal)) = (&accounted, self.world.interrupted()) {
            return Some((Exit::Signal(signal), Transcript::default()));
        }
        let (exit, mut transcript) = accounted?;
        transcript.append(said);
        Some((exit, transcript))
    }

    fn spawned_crate(
        &self,
        call: &CompilerCall,
        invocation: &CrateInvocation,
        socket: &Path,
    ) -> Result<(Spawned, Transcript), Local> {
        let Asked { mut host, reads, mut tree } = self.asked_crate(call, invocation, socket)?;
        for round in 0.. {
            let files = host.given(&tree.files)?;
            let CrateRecipe { recipe, places } = host.crate_recipe(invocation, &reads, &tree, &files)?;
            if let Some(data) = host.data(b"", &recipe).first() {
                let line = format_args!("program data keeps it from hitting elsewhere: {data}");
                self.log.line(self.world, subject(invocation).display(), line);
            }
            let delivery = host.temporary.path()?.join(format!("output-{round}"));
            let request = BakeRequest { recipe: &recipe, output: Deliver::At(&delivery), detached: false };
            let delivered = match host.client.bake(request, &mut |_, _, _| ())? {
                Finished::Succeeded(delivered) => delivered,
                Finished::Failed { why } => return Err(Local::new("bake-failed", why)),
            };
            let Err(Unlike { local, wanting }) = host.sees_the_same(&tree, &places, &delivery) else {
                return host.finish_crate(invocation, &reads, (delivered, &delivery));
            };
            let added =
                wanting.filter(|_| round < ROUNDS).is_some_and(|path| host.add_wanting(&path, &mut tree));
            if !added {
                return Err(local);
            }
        }
        Err(Local::new("seen-otherwise", "too many things are wanting"))
    }

    /// Reaches the host, and learns what a crate's bake would take.
    fn asked_crate(
        &self,
        call: &CompilerCall,
        invocation: &CrateInvocation,
        socket: &Path,
    ) -> Result<Asked<'_>, Local> {
        suits(invocation).map_err(|refusal| refused(&refusal))?;
        let mut host = Host::reach(self.world, self.log, socket, call)?;
        host.take_wrapper(self.wrapper);
        host.has_linker(invocation)?;
        let reads = self.crate_reads(call, invocation, &host.compiler, host.temporary.path()?)?;
        let tree = host.crate_tree(invocation, &reads)?;
        Ok(Asked { host, reads, tree })
    }

    /// The recipe of a crate that a host would be asked for, how many files it takes, and its program data. The host
    /// is given nothing.
    pub(in crate::driver) fn recipe_of_crate(
        &self,
        call: &CompilerCall,
        invocation: &CrateInvocation,
        socket: &Path,
    ) -> Result<(Recipe, usize, Vec<String>), Local> {
        let Asked { host, reads, tree } = self.asked_crate(call, invocation, socket)?;
        let mut files = Vec::new();
        for (path, digest) in &tree.files {
            let of_all = || BlobDigest::of_all(&mut self.world.open(path)?);
            let digest = digest.map_or_else(of_all, Ok).map_err(|error| Local::new(UNLEARNED, error))?;
            let stat = self.world.stat(path).map_err(|error| Local::new(UNLEARNED, error))?;
            files.push((path.clone(), file_artifact(digest, stat.mode & 0o100 != 0)));
        }
        let recipe = host.crate_recipe(invocation, &reads, &tree, &files)?.recipe;
        let data = host.data(b"", &recipe);
        Ok((recipe, files.len(), data))
    }
}

/// The artifact of a file.
fn file_artifact(digest: BlobDigest, executable: bool) -> ArtifactHash {
    Artifact::File(File::new(digest, executable)).hash()
}

impl Host<'_> {
    /// Gives files to the host.
    fn given(
        &mut self,
        files: &BTreeMap<PathBuf, Option<BlobDigest>>,
    ) -> Result<Vec<(PathBuf, ArtifactHash)>, Local> {
        let paths: Vec<&Path> = files.keys().map(PathBuf::as_path).collect();
        let artifacts = self.client.create_artifacts(&paths)?;
        let given = files.iter().zip(artifacts).map(|((path, digest), created)| {
            let created = created.map_err(|error| Local::new("host-error", error))?;
            let is_it = |digest| [false, true].iter().any(|run| file_artifact(digest, *run) == created);
            if digest.is_none_or(is_it) {
                Ok((path.clone(), created))
            } else {
                Err(Local::new("inputs-changed", format_args!("{} changed", path.display())))
            }
        });
        given.collect()
    }

    /// The recipe of a crate with these files.
    fn crate_recipe(
        &self,
        invocation: &CrateInvocation,
        reads: &CrateReads,
        tree: &CrateTree,
        files: &[(PathBuf, ArtifactHash)],
    ) -> Result<CrateRecipe, Local> {
        let files: Vec<_> = files.iter().map(|(path, artifact)| (path.as_path(), *artifact)).collect();
        let directories: Vec<&Path> = tree.directories.iter().map(PathBuf::as_path).collect();
        let named = |name: &'static str| Some((name, self.world.environment().get(name)?));
        let search_paths: Vec<_> =
            SEARCH_PATHS.into_iter().filter(|_| invocation.links()).filter_map(named).collect();
        let recipe = crate_recipe(&CrateRecipeInputs {
            invocation,
            compiler: &self.compiler,
            places: &self.places,
            cwd: self.world.cwd(),
            files: &files,
            directories: &directories,
            wrapper: self.wrapper.as_ref().filter(|_| tree.tells),
            search_paths: &search_paths,
            variables: &self.variables(reads)?,
            platform: self.platform,
        });
        recipe.map_err(|refusal| refused(&refusal))
    }

    /// The variables that are asked for: by the source, and by the compiler where they decide something.
    fn variables(&self, reads: &CrateReads) -> Result<Vec<(OsString, Option<OsString>)>, Local> {
        let value = |name: &OsString| self.world.environment().get(name.to_str()?).map(OsString::from);
        let mut variables: Vec<(OsString, Option<OsString>)> = Vec::new();
        for (name, _) in reads.rules.variables() {
            let name = name.to_owned();
            let value = value(&name);
            variables.push((name, value));
        }
        for name in &reads.reads.variables {
            if variables.iter().any(|(other, _)| other == name) {
                continue;
            }
            let value = value(name);
            // Whoever lists all variables asks for one of no name.
            if name.is_empty() || value.is_some() && name.as_bytes().starts_with(b"RUSTC_LOG") {
                let why = format_args!("{} changes what the compiler does", name.display());
                return Err(Local::new("environment", why));
            }
            variables.push((name.clone(), value));
        }
        Ok(variables)
    }

    /// Puts what a bake delivered in place.
    fn finish_crate(
        &self,
        invocation: &CrateInvocation,
        reads: &CrateReads,
        (delivered, delivery): (Delivered, &Path),
    ) -> Result<(Spawned, Transcript), Local> {
        let read = |name: &OsStr| {
            let missing = |error| Local::new("output-missing", format!("{}: {error}", name.display()));
            self.world.read(&delivery.join(name)).map_err(missing)
        };
        if !read(STDOUT.as_ref())?.is_empty() {
            return Err(Local::new("diagnostics", "the compiler has something to print"));
        }
        let said = said_here(invocation, &read(STDERR.as_ref())?)?;
        let result = |output| Ok((output, read(file_name(output))?));
        let mut results: Vec<Made<'_>> =
            invocation.outputs.iter().map(result).collect::<Result<_, Local>>()?;
        let baked = results.iter().find(|(output, _)| output.kind == OutputKind::Dependencies);
        let baked = baked.map(|(_, bytes)| CrateRules::new(bytes.clone()));
        is_placeless(invocation, reads, &results, baked.as_ref())?;
        for (output, bytes) in &mut results {
            if let (Some(baked), OutputKind::Dependencies) = (&baked, output.kind) {
                *bytes = dependencies_here(invocation, reads, baked)?;
            }
        }
        let stage = |(output, bytes): Made<'_>| {
            let path = self.world.absolute(Path::new(&output.path));
            let executable = self.world.stat(&delivery.join(file_name(output)));
            let executable = executable.is_ok_and(|stat| stat.mode & 0o100 != 0);
            let staged = placement(self.world, Habits::Rustc, output.kind, &path)
                .and_then(|how| Staged::of(bytes, &path, executable, how).map_err(Into::into));
            staged.map_err(|error| Local::new(error.token(), error))
        };
        let staged = results.into_iter().map(stage).collect::<Result<_, Local>>()?;
        Ok((commit(staged, delivered, false), said))
    }
}

/// A file that a bake made, and its bytes.
type Made<'i> = (&'i Output, Vec<u8>);

/// Makes sure that nothing that was made holds a place of the bake: the values of variables that are paths are its
/// own, and the dependency file tells what they were.
fn is_placeless(
    invocation: &CrateInvocation,
    reads: &CrateReads,
    made: &[Made<'_>],
    baked: Option<&CrateRules>,
) -> Result<(), Local> {
    let holds = |why| Err(Local::new("holds-place", why));
    let Some(baked) = baked else {
        return match reads.rules.variables().next() {
            Some(_) => holds("without a dependency file it is not known what variables were"),
            None => Ok(()),
        };
    };
    let values = reads.rules.variables().zip(baked.variables());
    let moved = values.filter(|(here, there)| here != there).filter_map(|(_, (_, there))| there);
    let moved: Vec<&[u8]> = moved.collect();
    let is_in = |(output, bytes): &Made<'_>| {
        let own = output.kind == OutputKind::Dependencies;
        !own && moved.iter().any(|place| memchr::memmem::find(bytes, place).is_some())
    };
    if made.iter().any(is_in) || invocation.opaque && !moved.is_empty() {
        return holds("it holds the value of a variable that is a path");
    }
    let sizes = |rules: &CrateRules| (rules.sources().count(), rules.variables().count());
    if sizes(baked) == sizes(&reads.rules) {
        Ok(())
    } else {
        Err(Local::new(UNLEARNED, "the bake read other files"))
    }
}

/// The name of an output's file.
fn file_name(output: &Output) -> &OsStr {
    Path::new(&output.path).file_name().unwrap_or_default()
}

fn refused(refusal: &Refusal) -> Local {
    let Refusal { token, argument, why } = refusal;
    let why = if argument.is_empty() { why.to_string() } else { format!("{why}: {}", argument.display()) };
    Local::new(token, why)
}

/// The output whose file has this name.
fn output_named<'i>(invocation: &'i CrateInvocation, path: &[u8]) -> Option<&'i Output> {
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    let named = |output: &&Output| file_name(output).as_bytes() == name;
    invocation.outputs.iter().find(named)
}

/// The dependency file as the compiler writes it here.
fn dependencies_here(
    invocation: &CrateInvocation,
    reads: &CrateReads,
    baked: &CrateRules,
) -> Result<Vec<u8>, Local> {
    let targets = baked.targets().map(|target| Some(output_named(invocation, target)?.path.as_bytes()));
    let targets: Option<Vec<&[u8]>> = targets.collect();
    let text = targets.and_then(|targets| reads.rules.with_targets(targets.into_iter()));
    text.ok_or_else(|| Local::new(UNLEARNED, "the dependency file is of another form"))
}

/// What the compiler said in the bake, as it says it here. Words about the source are left to a compile here where
/// they would name a place, or be asked to look some way.
fn said_here(invocation: &CrateInvocation, said: &[u8]) -> Result<Transcript, Local> {
    let looks = invocation.args.iter().any(|arg| arg.role == CrateRole::Presentation);
    let silent = || Local::new("diagnostics", "the compiler has something to say");
    let mut here = Transcript::default();
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        let Some(rest) = line.strip_prefix(NOTIFICATION.0) else {
            let names_place = memchr::memmem::find(line, TOP.as_bytes()).is_some();
            if looks || names_place || !line.starts_with(b"{") {
                return Err(silent());
            }
            here.add(Stream::Stderr, line);
            continue;
        };
        let at = memchr::memmem::find(rest, NOTIFICATION.1).ok_or_else(silent)?;
        let output = output_named(invocation, &rest[..at]).ok_or_else(silent)?;
        let path = Spelling::Json.of(output.path.as_bytes());
        here.add(Stream::Stderr, &[NOTIFICATION.0, &path, &rest[at..]].concat());
    }
    Ok(here)
}
