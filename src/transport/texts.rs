//! Results by preprocessed text: found and kept under its key, and under the one that it has at several
//! places alike.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection};

use super::entry::{Entries, Entry, Product};
use super::outputs::Written;
use super::{Job, LocalTransport, Shared, Text, TransportError};
use crate::argparse::OutputKind;
use crate::manifest::InputSet;
use crate::planner::roots::Roots;
use crate::recipe::digest::{RecordName, UnitKey};
use crate::store::RecordKind;
use crate::world::{Stream, Transcript};

/// A result that serves.
pub(super) struct Found {
    /// Under which record it stands.
    pub(super) name: RecordName,
    /// What came of the compile.
    pub(super) product: Product,
    /// Whether all that was read is the same, too.
    pub(super) exact: bool,
}

/// The record of a key.
pub(super) fn record_name(key: UnitKey) -> RecordName {
    RecordName::from_bytes(*key.as_bytes())
}

impl LocalTransport<'_> {
    fn entries(&self, name: &RecordName) -> Result<Entries, TransportError> {
        let record = self.store.load(RecordKind::Result, name)?;
        Ok(record.map(|bytes| Entries::decode(&bytes)).unwrap_or_default())
    }

    /// The result that serves a job: one of this place, else one of another.
    pub(super) fn found(
        &self,
        job: &Job<'_>,
        text: &Text<'_>,
        now: &InputSet,
    ) -> Result<Option<Found>, TransportError> {
        let here = record_name(text.key);
        let find = |name: RecordName, now: &InputSet| -> Result<Option<Found>, TransportError> {
            let entries = self.entries(&name)?;
            let found = entries.find(job, text, now);
            Ok(found.map(|(entry, exact)| Found { name, product: entry.product.clone(), exact }))
        };
        match (find(here, now)?, text.shared) {
            (None, Some(Shared { key, roots })) => find(record_name(key), &anywhere(now, roots)),
            (found, _) => Ok(found),
        }
    }

    /// Keeps a result: where nothing in it tells this place from the others, for all of them.
    pub(super) fn keep_text(
        &self,
        text: &Text<'_>,
        inputs: &InputSet,
        product: Product,
        placeless: bool,
    ) -> Result<(), TransportError> {
        match text.shared.filter(|_| placeless) {
            Some(Shared { key, roots }) => {
                let mut product = product;
                // It names this place, and is made anew for each.
                for output in product.outputs.iter_mut().filter(|kept| kept.kind == OutputKind::Dependencies)
                {
                    output.blob = None;
                }
                self.add_entry(key, anywhere(inputs, roots), product)
            }
            None => self.add_entry(text.key, inputs.clone(), product),
        }
    }

    /// Files a result under a key.
    pub(super) fn add_entry(
        &self,
        key: UnitKey,
        inputs: InputSet,
        product: Product,
    ) -> Result<(), TransportError> {
        let name = record_name(key);
        let mut entries = self.entries(&name)?;
        entries.add(Entry { inputs, product });
        Ok(self.store.save(RecordKind::Result, &name, &entries.encode())?)
    }
}

/// Files by names without the directories'.
fn anywhere(inputs: &InputSet, roots: &Roots) -> InputSet {
    let rename = |path: &Path| {
        let bytes = roots.taken_out(path.as_os_str().as_bytes());
        PathBuf::from(OsStr::from_bytes(&bytes))
    };
    inputs.renamed(&rename)
}

/// Whether nothing that a compile left or said names one of the directories. A dependency file may: it is
/// made anew.
pub(super) fn is_placeless(shared: &Shared<'_>, outputs: &[Written], said: &Transcript) -> bool {
    let silent = said.parts().iter().all(|(_, bytes): &(Stream, Vec<u8>)| !shared.roots.are_in(bytes));
    let mut files = outputs.iter().filter(|written| written.kind != OutputKind::Dependencies);
    silent
        && files.all(|written| {
            let bytes = written.bytes.as_deref().unwrap_or_default();
            !shared.roots.are_in(bytes) && is_legible(bytes)
        })
}

/// Whether what a file holds stands in it as it is: text without code for the linker, or an ELF file without
/// compressed sections.
fn is_legible(bytes: &[u8]) -> bool {
    if !bytes.starts_with(b"\x7fELF") {
        let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
        return is_text && memchr::memmem::find(bytes, b".gnu.lto").is_none();
    }
    let Ok(file) = object::File::parse(bytes) else { return false };
    file.sections().all(|section| {
        let name = section.name_bytes().unwrap_or_default();
        let hidden =
            [&b".gnu.lto"[..], b".gnu.debuglto", b".zdebug", b".llvmbc", b".llvm.lto", b".gnu.offload"];
        let plain = section
            .compressed_file_range()
            .is_ok_and(|range| range.format == object::CompressionFormat::None);
        plain && !hidden.iter().any(|prefix| name.starts_with(prefix))
    })
}
