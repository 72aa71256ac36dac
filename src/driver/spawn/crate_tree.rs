//! What a crate's bake has in its work directory, and whether macros saw there what they would see here.
//!
//! A compiler without macros reads what it is told to read. A macro may make something of anything: of a file's mere
//! presence, of what it finds above its package, of a path that some file names. So where macros were loaded, what
//! they looked at stands in the tree as well, and the bake is recorded, too; and so it is where a linker runs, of which
//! nothing is known beforehand. It tells what it saw ([`Told`]), and all
//! of that is looked up here before its result is taken: what was read has the same bytes here, what was not found is
//! not here, variables have the same values. A compile that sees the same makes the same.
//!
//! Native libraries are looked for only once code is made, so that they are added as the compiler finds them. Clippy
//! looks for its configuration above its place, too: the bake must have found what is found here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Host, Local};
use crate::argparse::rustc::{CrateInvocation, CrateType, NativeKind, RustTool, SearchKind};
use crate::driver::crate_reads::CrateReads;
use crate::driver::told::Told;
use crate::driver::who;
use crate::manifest::Mismatch;
use crate::paths::{self, lexical};
use crate::planner::places::Place;
use crate::planner::tree::TOLD;
use crate::recipe::Recipe;
use crate::recipe::digest::BlobDigest;
use crate::transport::crates::is_configuration;

/// Where a compiler reads what is of the machine, to be loaded itself.
const MACHINE: [&str; 8] = ["/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/dev"];

/// What a crate's bake has in its work directory.
#[derive(Default)]
pub(super) struct CrateTree {
    /// The files that stand in no input, with the digests of what the compiler read; none of what was only looked at.
    pub(super) files: BTreeMap<PathBuf, Option<BlobDigest>>,
    /// The directories that were looked at.
    pub(super) directories: Vec<PathBuf>,
    /// Whether the bake is to tell what was seen.
    pub(super) tells: bool,
    /// Whether clippy is asked.
    lints: bool,
    /// The files that it read as its configuration.
    configurations: BTreeSet<PathBuf>,
}

/// Why the result of a bake may not serve here.
pub(super) struct Unlike {
    pub(super) local: Local,
    /// What the bake looked for in vain, and stands here.
    pub(super) wanting: Option<PathBuf>,
}

/// How many files and directories may be wanting.
const MOST_WANTING: usize = 500;

/// The linker, where the command names none.
const LINKER: &str = "cc";

impl Host<'_> {
    /// Makes sure that the linker, where one is needed, is in an input: a bake has no other.
    pub(super) fn has_linker(&self, invocation: &CrateInvocation) -> Result<(), Local> {
        let own = [CrateType::Rlib, CrateType::Staticlib];
        if !invocation.links() || invocation.made().iter().all(|made| own.contains(made)) {
            return Ok(());
        }
        let said = invocation.args.iter().rev().find(|arg| arg.name == "linker");
        let name = said.map_or(OsStr::new(LINKER), |arg| arg.value.as_os_str());
        let is_program = |path: &PathBuf| self.world.stat(path).is_ok_and(|stat| stat.mode & 0o111 != 0);
        let found = who::on_path(self.world, name).into_iter().find(is_program);
        match found.and_then(|path| self.place(&path)) {
            Some(Place::Input(_)) => Ok(()),
            _ => Err(Local::new("linker", format_args!("{} is in no input", name.display()))),
        }
    }

    /// The tree of what a crate reads.
    pub(super) fn crate_tree(
        &self,
        invocation: &CrateInvocation,
        reads: &CrateReads,
    ) -> Result<CrateTree, Local> {
        let macros = reads.reads.files.iter().any(|(path, _)| self.is_of_macros(path));
        let lints = invocation.tool == RustTool::Clippy;
        let tells = macros || lints || invocation.links() || !invocation.natives.is_empty();
        if tells && self.wrapper.is_none() {
            let token = match () {
                () if macros => "macros",
                () if invocation.links() => "crate-type",
                () if lints => "lints",
                () => "native-library",
            };
            let why = "the wrapper is in no input, to tell what is seen in a bake, or this process sees something else";
            return Err(Local::new(token, why));
        }
        let mut tree = CrateTree { tells, lints, ..CrateTree::default() };
        if lints {
            let read = reads.reads.files.iter().map(|(path, _)| lexical(path));
            tree.configurations.extend(read.filter(|path| is_configuration(path)));
        }
        let sources: Vec<PathBuf> =
            reads.rules.sources().map(|source| self.world.absolute(&source)).collect();
        for (path, digest) in &reads.reads.files {
            let plain = lexical(path);
            match self.place(&plain) {
                Some(Place::Input(_)) => continue,
                None if !macros && is_machines(&plain) && !sources.contains(path) => continue,
                _ => {}
            }
            self.leads_to(path, &plain)?;
            tree.directories.extend(self.passed(path));
            tree.files.insert(plain, Some(*digest));
        }
        if tells {
            self.add_what_was_seen(invocation, reads, &mut tree)?;
            self.add_natives(invocation, &mut tree)?;
        }
        if invocation.links() {
            self.add_libraries(&mut tree)?;
        }
        Ok(tree)
    }

    /// Makes sure that a path leads to the same without its `.` and `..`: a link on the way may make `..` lead elsewhere.
    fn leads_to(&self, path: &Path, plain: &Path) -> Result<(), Local> {
        let real = self.world.canonicalize(path).ok();
        if real.is_none() || real != self.world.canonicalize(plain).ok() {
            return Err(Local::new("outside", format_args!("{} leads elsewhere", path.display())));
        }
        Ok(())
    }

    /// The directories that a path goes into and out of again by `..`: they must be there, though nothing in them is.
    fn passed(&self, path: &Path) -> Vec<PathBuf> {
        let up = |path: &&Path| path.file_name().is_none();
        let before = path.ancestors().filter(up).filter_map(Path::parent).map(lexical);
        before.filter(|path| matches!(self.place(path), Some(Place::Symbol(_)))).collect()
    }

    /// Adds the native libraries that may be taken, of every directory in which they are looked for: those that `-l`
    /// names; where the crate is linked, all, since the source and other crates may name more.
    fn add_natives(&self, invocation: &CrateInvocation, tree: &mut CrateTree) -> Result<(), Local> {
        for search in invocation.searches.iter().filter(|search| search.kind != SearchKind::Dependency) {
            let directory = self.world.absolute(Path::new(&search.path));
            let plain = lexical(&directory);
            if matches!(self.place(&plain), Some(Place::Input(_))) || self.world.stat(&directory).is_err() {
                continue;
            }
            self.leads_to(&directory, &plain)?;
            tree.directories.extend(self.passed(&directory));
            let is_placed = self.place(&plain).is_some();
            for native in &invocation.natives {
                let named = native.archives().map(|name| lexical(&plain.join(name)));
                for archive in named.filter(|path| self.world.stat(path).is_ok()) {
                    if is_placed {
                        self.add_present(archive, tree)?;
                    } else if native.kind == NativeKind::Static {
                        return Err(Local::new(
                            "outside",
                            format_args!("{} is in no place", archive.display()),
                        ));
                    }
                }
            }
            if is_placed && invocation.links() {
                self.add_all_natives(invocation, &plain, tree)?;
            }
        }
        Ok(())
    }

    /// Adds all native libraries of a directory, but what is made itself.
    fn add_all_natives(
        &self,
        invocation: &CrateInvocation,
        directory: &Path,
        tree: &mut CrateTree,
    ) -> Result<(), Local> {
        let made: Vec<PathBuf> =
            invocation.outputs.iter().map(|output| self.world.absolute(Path::new(&output.path))).collect();
        let names = self.world.list(directory).unwrap_or_default();
        let libraries = names.into_iter().filter(|name| is_native(name)).map(|name| directory.join(name));
        for library in libraries.filter(|path| !made.contains(path)) {
            self.add_present(library, tree)?;
        }
        Ok(())
    }

    /// Adds the crates of which only the metadata was read: a link takes what is beside that.
    fn add_libraries(&self, tree: &mut CrateTree) -> Result<(), Local> {
        let read = tree.files.keys();
        let metadata = read.filter(|path| path.extension().is_some_and(|extension| extension == "rmeta"));
        let beside: Vec<PathBuf> = metadata.map(|path| path.with_extension("rlib")).collect();
        for path in beside.into_iter().filter(|path| self.world.stat(path).is_ok()) {
            self.add_present(path, tree)?;
        }
        Ok(())
    }

    /// Adds a file that was not read: whatever the host finds there.
    fn add_present(&self, path: PathBuf, tree: &mut CrateTree) -> Result<(), Local> {
        if !self.world.lstat(&path).is_ok_and(|stat| stat.is_file()) {
            return Err(Local::new("link", format_args!("{} is no file itself", path.display())));
        }
        tree.files.entry(path).or_default();
        Ok(())
    }

    /// Adds what was looked at, and the directories in which crates and programs are looked for.
    fn add_what_was_seen(
        &self,
        invocation: &CrateInvocation,
        reads: &CrateReads,
        tree: &mut CrateTree,
    ) -> Result<(), Local> {
        let is_elsewhere = |path: &&PathBuf| !matches!(self.place(path), Some(Place::Input(_)));
        if let Some(listed) = reads.reads.listed.iter().find(is_elsewhere) {
            return Err(Local::new(
                "listed",
                format_args!("the names in {} were asked for", listed.display()),
            ));
        }
        if let Some(link) = reads.reads.linked.iter().find(is_elsewhere) {
            return Err(Local::new("link", format_args!("{} leads over a link", link.display())));
        }
        let path = self.world.environment().get("PATH").filter(|_| invocation.links()).unwrap_or_default();
        let programs = path.as_bytes().split(|byte| *byte == b':').map(OsStr::from_bytes);
        let crates = invocation.searches.iter().map(|search| search.path.as_os_str());
        let searched = crates.chain(programs).map(|path| self.world.absolute(Path::new(path)));
        for path in reads.reads.present.iter().cloned().chain(searched) {
            let plain = lexical(&path);
            // What is in no place stands in the bake as it does here, or the bake tells that it doesn't.
            let Some(Place::Symbol(_)) = self.place(&plain) else { continue };
            tree.directories.extend(self.passed(&path));
            let Ok(stat) = self.world.stat(&plain) else { continue };
            if stat.is_dir() {
                tree.directories.push(plain);
            } else if stat.is_file() {
                self.add_present(plain, tree)?;
            }
        }
        Ok(())
    }

    /// Makes sure that the compiler, macros and the linker would see here what they saw in the bake.
    pub(super) fn sees_the_same(
        &self,
        tree: &CrateTree,
        places: &[Vec<u8>],
        delivery: &Path,
    ) -> Result<(), Unlike> {
        if !tree.tells {
            return Ok(());
        }
        let otherwise = |local| Unlike { local, wanting: None };
        let untold = || otherwise(Local::new("output-missing", "the bake does not tell what was seen"));
        let told = self.world.read(&delivery.join(TOLD)).ok().and_then(|bytes| Told::decode(&bytes));
        let outcome = told.ok_or_else(untold)?.outcome;
        let looked = outcome.map_err(|why| otherwise(Local::new("seen-otherwise", why)))?;
        let named = paths::Places::new(places.iter().map(|path| OsStr::from_bytes(path)));
        let mut configurations: BTreeSet<PathBuf> = looked.files(&named).into_iter().collect();
        configurations.retain(|path| is_configuration(path));
        if tree.lints && configurations != tree.configurations {
            return Err(otherwise(Local::new("seen-otherwise", "clippy's configuration is another one")));
        }
        // What is in an input that the recipe names is the same there, and so is what the host was given.
        let is_given = |path: &Path| {
            let place = self.place(path).filter(|place| matches!(place, Place::Input(_)));
            let input = place.and_then(|place| self.places.path_of(&place));
            let is_named = input.is_some_and(|input| places.iter().any(|place| place == input));
            is_named || tree.files.contains_key(path)
        };
        looked.holds(self.world, &named, &is_given).map_err(|mismatch| {
            let path = named.path(mismatch.path()).unwrap_or_else(|| mismatch.path().into());
            let local = Local::new("seen-otherwise", format_args!("{} {}", mismatch.token(), path.display()));
            let appeared = matches!(mismatch, Mismatch::Appeared(_));
            Unlike { local, wanting: appeared.then(|| path.into_owned()) }
        })
    }

    /// Adds what a bake looked for in vain: of a directory all that is in it, since more of that may be looked for
    /// then (rustc reads the source of another crate whose macros it expanded). Whether that could be done.
    pub(super) fn add_wanting(&self, path: &Path, tree: &mut CrateTree) -> bool {
        let path = lexical(&self.world.absolute(path));
        if !matches!(self.place(&path), Some(Place::Symbol(_))) {
            return false;
        }
        let mut left = vec![path];
        let mut room = MOST_WANTING;
        while let Some(path) = left.pop() {
            let Ok(stat) = self.world.lstat(&path) else { return false };
            room = room.saturating_sub(1);
            let added = if stat.is_dir() {
                let names = self.world.list(&path).unwrap_or_default();
                left.extend(names.into_iter().map(|name| path.join(name)));
                tree.directories.push(path);
                true
            } else {
                stat.is_file() && self.add_present(path, tree).is_ok()
            };
            if room == 0 || !added {
                return false;
            }
        }
        true
    }

    /// Whether a file is a library that the compiler may have loaded, so that macros in it ran.
    fn is_of_macros(&self, path: &Path) -> bool {
        let is_library = path.extension().is_some_and(|extension| extension == "so");
        is_library && self.place(path).is_none_or(|place| !self.is_compilers(&place))
    }

    /// Whether a place is the input that the compiler is in.
    fn is_compilers(&self, place: &Place) -> bool {
        let Place::Input(artifact) = place else { return false };
        let artifact = Recipe::Proxy { recipe: (*artifact).into() };
        self.compiler.inputs().any(|input| *input == artifact)
    }

    fn place(&self, path: &Path) -> Option<Place> {
        self.places.locate(path.as_os_str().as_bytes()).map(|located| *located.root)
    }
}

/// Whether a linker may take a file of this name for `-l`.
fn is_native(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let shared = memchr::memmem::find(name, b".so").map(|at| &name[at + 3..]);
    let is_shared = shared.is_some_and(|version| matches!(version, [] | [b'.', ..]));
    name.starts_with(b"lib") && (name.ends_with(b".a") || is_shared)
}

/// Whether a file is of the machine and no crate.
fn is_machines(path: &Path) -> bool {
    let is_crate = path.extension().is_some_and(|extension| extension == "rlib" || extension == "rmeta");
    !is_crate && MACHINE.iter().any(|place| path.starts_with(place))
}
