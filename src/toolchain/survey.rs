//! A look at a compiler: the parts found so far, and the places looked at.

use std::path::Path;

use super::elf::{self, Facts};
use super::error::ToolchainError;
use super::memo::Memo;
use super::request::Part;
use super::watch::Watch;
use crate::recipe::digest::BlobDigest;
use crate::world::{Stat, World};

/// A look at a compiler.
pub(super) struct Survey<'a> {
    /// Where we look.
    pub(super) world: &'a dyn World,
    /// What is remembered.
    pub(super) memo: &'a dyn Memo,
    /// The places looked at.
    pub(super) watch: Watch,
    /// The parts found.
    pub(super) parts: Vec<Part>,
}

impl<'a> Survey<'a> {
    /// Nothing is known yet.
    pub(super) fn new(world: &'a dyn World, memo: &'a dyn Memo) -> Self {
        Self { world, memo, watch: Watch::new(world), parts: Vec::new() }
    }

    /// Looks at a place; whatever is there or not is part of the answer from now on.
    pub(super) fn look(&mut self, path: &Path) -> Option<Stat> {
        let path = self.world.absolute(path);
        self.watch.look(self.world, &path)
    }

    /// Adds a file by its content.
    ///
    /// # Errors
    /// [`ToolchainError::MissingPart`], [`ToolchainError::Unreadable`].
    pub(super) fn add(&mut self, name: &str, path: &Path) -> Result<Stat, ToolchainError> {
        let path = self.world.absolute(path);
        let stat = self.look(&path).ok_or_else(|| ToolchainError::MissingPart(name.to_owned()))?;
        let digest = self.digest(&path, &stat)?;
        self.parts.push(Part { name: name.to_owned(), path, digest });
        Ok(stat)
    }

    fn digest(&mut self, path: &Path, stat: &Stat) -> Result<BlobDigest, ToolchainError> {
        if let Some(known) = self.watch.known(path) {
            return Ok(known);
        }
        let digest = self
            .memo
            .digest(self.world, path, stat)
            .map_err(|source| ToolchainError::Unreadable { path: path.to_owned(), source })?;
        self.watch.content(path, digest);
        Ok(digest)
    }

    /// Adds an ELF file by its content and tells how it is loaded.
    ///
    /// # Errors
    /// As [`Survey::add`]; [`ToolchainError::NotABinary`].
    pub(super) fn add_elf(&mut self, name: &str, path: &Path) -> Result<Facts, ToolchainError> {
        let stat = self.add(name, path)?;
        self.facts(path, &stat)?
            .ok_or_else(|| ToolchainError::NotABinary { name: name.to_owned(), path: path.to_owned() })
    }

    fn facts(&self, path: &Path, stat: &Stat) -> Result<Option<Facts>, ToolchainError> {
        elf::facts(self.world, self.memo, path, stat, self.watch.settled(stat))
            .map_err(|source| ToolchainError::Unreadable { path: path.to_owned(), source })
    }
}
