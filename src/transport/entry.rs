//! What the local store keeps of a compile.

use serde::{Deserialize, Serialize};

use super::crates::only_notifies;
use super::{Job, SemanticRules, Text};
use crate::argparse::{Output, OutputKind};
use crate::manifest::{InputSet, Match};
use crate::planner::key::KeyRecord;
use crate::preprocess::Traits;
use crate::recipe::digest::{BlobDigest, RecordName};
use crate::world::Stream;

/// How many results one key keeps: they differ only in what was read beside the text, and in how
/// diagnostics look.
const MOST: usize = 8;

/// What came of a compile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Product {
    /// The files that it left, in the order of the job's outputs.
    pub(super) outputs: Vec<Kept>,
    /// What it wrote to the streams, in order.
    pub(super) diagnostics: Vec<(Stream, Vec<u8>)>,
    /// How diagnostics were asked to look.
    pub(super) presentation: BlobDigest,
    /// How long it took, milliseconds.
    pub(super) took: u64,
    /// Files that it left beside those, by their names.
    pub(super) further: Vec<(Vec<u8>, Kept)>,
    /// The places of a build that it holds, by their index: it serves there alone.
    pub(super) bound: Vec<(u32, Vec<u8>)>,
}

/// What came of a compile of some preprocessed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// What it read.
    pub(super) inputs: InputSet,
    /// What came of it.
    pub(super) product: Product,
}

/// One file that a compile left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) kind: OutputKind,
    /// `None` for an optional output that was not made and for one that was discarded.
    pub(super) blob: Option<BlobDigest>,
    pub(super) executable: bool,
    /// Where its bytes stand in another output's, when they are no blob of their own: a library has its metadata in it.
    pub(super) part: Option<Part>,
}

/// Bytes that are part of another output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// That output's index.
    pub(super) of: u32,
    /// Where they begin in it.
    pub(super) offset: u64,
    /// How many they are.
    pub(super) length: u64,
}

/// The results under one key, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entries(Vec<Entry>);

impl Entries {
    /// Reads a record; anything that is none is as good as nothing.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).unwrap_or_default()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    pub(super) fn add(&mut self, entry: Entry) {
        let presentation = entry.product.presentation;
        let same = |other: &Entry| other.inputs == entry.inputs && other.product.presentation == presentation;
        self.0.retain(|other| !same(other));
        self.0.insert(0, entry);
        self.0.truncate(MOST);
    }

    /// The entry that serves this job, and whether exactly. An exact one goes first.
    pub(super) fn find(&self, job: &Job<'_>, text: &Text<'_>, now: &InputSet) -> Option<(&Entry, bool)> {
        let fits = |entry: &&Entry| entry.product.fits(job);
        let exact = self.0.iter().filter(fits).find(|entry| entry.inputs == *now);
        let semantic = || {
            let serves = |entry: &&Entry| text.quiet && entry.serves_semantically(now, text.semantic);
            self.0.iter().filter(fits).find(serves)
        };
        exact.map(|entry| (entry, true)).or_else(|| semantic().map(|entry| (entry, false)))
    }
}

impl Product {
    /// Reads what a manifest holds.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Whether it holds what the job must leave, and says it as this caller would see it.
    pub(super) fn fits(&self, job: &Job<'_>) -> bool {
        let quiet = match job.krate {
            Some(_) => self.diagnostics.iter().all(|(_, said)| only_notifies(said)),
            None => self.diagnostics.is_empty(),
        };
        let looks = quiet || self.presentation == job.presentation;
        let here = |(index, place): &(u32, Vec<u8>)| {
            let places = job.krate.map(|krate| krate.places.directories()).unwrap_or_default();
            places.get(*index as usize) == Some(place)
        };
        let dependencies = job.text.as_ref().is_some_and(|text| text.dependencies.is_some());
        let serves = |(kept, output): (&Kept, &Output)| {
            let need_not = output.optional
                || output.is_discarded()
                || dependencies && output.kind == OutputKind::Dependencies;
            kept.kind == output.kind && (kept.blob.is_some() || need_not)
        };
        looks
            && self.bound.iter().all(here)
            && self.outputs.len() == job.outputs.len()
            && self.outputs.iter().zip(&job.outputs).all(serves)
    }
}

impl Entry {
    /// The exceptions of the semantic hit; each is something that equal preprocessed text does not show.
    fn serves_semantically(&self, now: &InputSet, rules: SemanticRules) -> bool {
        let Match::Differs { traits, layout, .. } = self.inputs.compare(now) else { return true };
        let columns = self.inputs.traits().has(Traits::COLUMN) || now.traits().has(Traits::COLUMN);
        let comments = match rules.fallthrough {
            None => false,
            Some(1) => true,
            Some(_) => traits.has(Traits::FALL),
        };
        rules.allowed
            && self.product.diagnostics.is_empty()
            && !columns
            && !comments
            && !(rules.layout && layout)
    }
}

/// What a unit's latest result was made of, for `--explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The name of its manifest.
    pub invocation: RecordName,
    /// The fields of the invocation.
    pub record: KeyRecord,
    /// The arguments that it was given.
    pub args: Vec<Vec<u8>>,
    /// The compiler's parts, by name and digest.
    pub parts: Vec<(String, BlobDigest)>,
}

impl Explanation {
    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Reads a record; `None` when it is none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}
