//! Any program, by content: its file and the libraries that it loads. So rustc is told, and what a link or a
//! macro runs.

use std::path::{Path, PathBuf};

use super::ATTEMPTS;
use super::encoding::Encoding;
use super::error::ToolchainError;
use super::memo::Memo;
use super::record;
use super::request::{Part, is_loaded_dynamically};
use super::survey::Survey;
use super::{driver, libraries};
use crate::recipe::digest::ToolchainDigest;
use crate::world::World;

/// A program, identified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The digest over everything below, paths excepted.
    pub digest: ToolchainDigest,
    /// Its file, then the libraries that it loads.
    pub parts: Vec<Part>,
    /// Where a library would be found earlier, were there one.
    pub absent: Vec<PathBuf>,
}

impl Program {
    fn new(parts: Vec<Part>, absent: Vec<PathBuf>) -> Self {
        let mut encoding = Encoding::new("bakeplan program 1");
        encoding.number(parts.len() as u64);
        for Part { name, path: _, digest } in &parts {
            encoding.field(name.as_bytes());
            encoding.field(digest.as_bytes());
        }
        Self { digest: ToolchainDigest::of(encoding.bytes()), parts, absent }
    }

    /// A program for whose parts something else answers.
    #[must_use]
    pub fn vouched_for(digest: ToolchainDigest) -> Self {
        Self { digest, parts: Vec::new(), absent: Vec::new() }
    }

    /// The loader that it is loaded by.
    #[must_use]
    pub fn loader(&self) -> Option<&Path> {
        let loader = self.parts.iter().find(|part| part.name.contains(":ld-linux"));
        loader.map(|part| part.path.as_path())
    }

    /// Whether it loads the C library that this program was made for, so that a library of ours can be loaded
    /// into it as well.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        is_loaded_dynamically(&self.parts, NAME)
    }
}

/// What a program's own file serves as.
const NAME: &str = "driver";

/// Identifies a compiler that is a program by itself (rustc), remembered like [`super::identify`].
///
/// # Errors
/// [`ToolchainError`]: there is no such program, or it is one whose identity cannot be told.
pub fn identify_program(world: &dyn World, memo: &dyn Memo, path: &Path) -> Result<Program, ToolchainError> {
    identify(world, memo, path, &|survey| driver::examine(survey, path).map(|_| ()))
}

/// Identifies a program that a compiler runs, remembered the same way.
///
/// # Errors
/// As [`identify_program`].
pub fn identify_helper(world: &dyn World, memo: &dyn Memo, path: &Path) -> Result<Program, ToolchainError> {
    identify(world, memo, path, &|survey| libraries::add_program(survey, NAME, path).map(|_| ()))
}

/// Identifies a library that a program with this loader opens, remembered the same way.
///
/// # Errors
/// As [`identify_program`].
pub fn identify_library(
    world: &dyn World,
    memo: &dyn Memo,
    path: &Path,
    loader: &Path,
) -> Result<Program, ToolchainError> {
    identify(world, memo, path, &|survey| libraries::add_plugin(survey, NAME, path, Some(loader)))
}

type Look<'l> = &'l dyn Fn(&mut Survey<'_>) -> Result<(), ToolchainError>;

fn identify(
    world: &dyn World,
    memo: &dyn Memo,
    path: &Path,
    look: Look<'_>,
) -> Result<Program, ToolchainError> {
    let name = record::program_name(world, path);
    let known = memo.load(&name).and_then(|bytes| record::restore_parts(world, memo, &name, &bytes));
    if let Some((parts, absent)) = known {
        return Ok(Program::new(parts, absent));
    }
    for _ in 0..ATTEMPTS {
        let mut survey = Survey::new(world, memo);
        look(&mut survey)?;
        if survey.watch.holds(world) {
            memo.save(&name, &record::store_parts(world, &name, None, &survey.parts, &survey.watch));
            let absent = survey.watch.iter().filter(|(_, seen)| seen.stat.is_none());
            let absent = absent.map(|(path, _)| path.to_owned()).collect();
            return Ok(Program::new(survey.parts, absent));
        }
    }
    Err(ToolchainError::Changing(path.to_owned()))
}
