//! What a crate's bake has in its work directory, and whether macros saw there what they would see here.
//!
//! A compiler without macros reads what it is told to read. A macro may make something of anything: of a file's mere
//! presence, of what it finds above its package, of a path that some file names. So where macros were loaded, what
//! they looked at stands in the tree as well, and the bake is recorded, too. It tells what it saw ([`Told`]), and all
//! of that is looked up here before its result is taken: what was read has the same bytes here, what was not found is
//! not here, variables have the same values. A compile that sees the same makes the same.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Host, Local};
use crate::driver::crate_reads::{CrateReads, UNLEARNED};
use crate::driver::told::Told;
use crate::paths::{self, lexical};
use crate::planner::places::Place;
use crate::planner::tree::TOLD;
use crate::recipe::digest::{ArtifactHash, BlobDigest};
use crate::recipe::{Artifact, File, Recipe};

/// Where a compiler reads what is of the machine, to be loaded itself.
const MACHINE: [&str; 8] = ["/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/dev"];

/// What a crate's bake has in its work directory.
pub(super) struct CrateTree {
    /// The files that stand in no input, and which artifacts they may be: those of the bytes that the compiler saw.
    pub(super) files: Vec<(PathBuf, [ArtifactHash; 2])>,
    /// The directories that were looked at.
    pub(super) directories: Vec<PathBuf>,
    /// Whether macros were loaded.
    pub(super) macros: bool,
}

impl Host<'_> {
    /// The tree of what a crate reads.
    pub(super) fn crate_tree(&self, reads: &CrateReads) -> Result<CrateTree, Local> {
        let macros = reads.reads.files.iter().any(|(path, _)| self.is_of_macros(path));
        let mut tree = CrateTree { files: Vec::new(), directories: Vec::new(), macros };
        let sources: Vec<PathBuf> =
            reads.rules.sources().map(|source| self.world.absolute(&source)).collect();
        for (path, digest) in &reads.reads.files {
            let plain = lexical(path);
            match self.place(&plain) {
                Some(Place::Input(_)) => continue,
                None if !macros && is_machines(&plain) && !sources.contains(path) => continue,
                _ => {}
            }
            // A link on the way may make `..` lead elsewhere.
            let real = self.world.canonicalize(path).ok();
            if real.is_none() || real != self.world.canonicalize(&plain).ok() {
                return Err(Local::new("outside", format_args!("{} leads elsewhere", path.display())));
            }
            tree.add_file(plain, *digest);
        }
        if macros {
            self.add_what_macros_saw(reads, &mut tree)?;
        }
        Ok(tree)
    }

    /// Adds what was looked at.
    fn add_what_macros_saw(&self, reads: &CrateReads, tree: &mut CrateTree) -> Result<(), Local> {
        if self.wrapper.is_none() {
            return Err(Local::new("macros", "the wrapper is in no input, to tell what they see in a bake"));
        }
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
        for path in &reads.reads.present {
            let plain = lexical(path);
            // What is in no place stands in the bake as it does here, or the bake tells that it doesn't.
            let Some(Place::Symbol(_)) = self.place(&plain) else { continue };
            let Ok(stat) = self.world.stat(&plain) else { continue };
            if stat.is_dir() {
                tree.directories.push(plain);
            } else if stat.is_file() {
                let gone = |error| Local::new(UNLEARNED, format!("{}: {error}", plain.display()));
                let digest = BlobDigest::of(&self.world.read(&plain).map_err(gone)?);
                tree.add_file(plain, digest);
            }
        }
        Ok(())
    }

    /// Makes sure that the compiler and the macros would see here what they saw in the bake.
    pub(super) fn macros_see_the_same(
        &self,
        tree: &CrateTree,
        places: &[Vec<u8>],
        delivery: &Path,
    ) -> Result<(), Local> {
        if !tree.macros {
            return Ok(());
        }
        let untold = || Local::new("output-missing", "the bake does not tell what was seen");
        let told = self.world.read(&delivery.join(TOLD)).ok().and_then(|bytes| Told::decode(&bytes));
        let looked = told.ok_or_else(untold)?.outcome.map_err(|why| Local::new("macros", why))?;
        let named = paths::Places::new(places.iter().map(|path| OsStr::from_bytes(path)));
        let is_given = |path: &Path| {
            let is_inputs = matches!(self.place(path), Some(Place::Input(_)));
            is_inputs || tree.files.iter().any(|(given, _)| given == path)
        };
        looked.holds(self.world, &named, &is_given).map_err(|mismatch| {
            let path = named.path(mismatch.path()).unwrap_or_else(|| mismatch.path().into());
            Local::new("seen-otherwise", format_args!("{} {}", mismatch.token(), path.display()))
        })
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

impl CrateTree {
    fn add_file(&mut self, path: PathBuf, digest: BlobDigest) {
        if self.files.iter().all(|(other, _)| *other != path) {
            let artifact = |executable| Artifact::File(File::new(digest, executable)).hash();
            self.files.push((path, [false, true].map(artifact)));
        }
    }
}

/// Whether a file is of the machine and no crate.
fn is_machines(path: &Path) -> bool {
    let is_crate = path.extension().is_some_and(|extension| extension == "rlib" || extension == "rmeta");
    !is_crate && MACHINE.iter().any(|place| path.starts_with(place))
}
