//! What an ELF file says about how it is loaded.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef, elf};
use serde::{Deserialize, Serialize};

use super::encoding::{Encoding, seal, unseal};
use super::memo::Memo;
use crate::recipe::digest::RecordName;
use crate::world::{Parts, Stat, World};

/// What an ELF file says about how it is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    interpreter: Option<Vec<u8>>,
    search: Vec<Vec<u8>>,
    /// The libraries that it needs, by name (`DT_NEEDED`).
    pub(super) needed: Vec<Vec<u8>>,
    /// A launcher of Brioche's: the program that it starts, its loader and its libraries stand
    /// elsewhere, named in data behind the ELF file's end.
    pub(super) packed: bool,
}

impl Facts {
    /// The loader that the program asks for; a static program asks for none.
    pub(super) fn interpreter(&self) -> Option<PathBuf> {
        self.interpreter.clone().map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
    }

    /// Its own search path for libraries (`DT_RPATH`, `DT_RUNPATH`), `$ORIGIN` replaced by the
    /// directory `origin`. Entries with other dynamic tokens are left out.
    pub(super) fn search(&self, origin: &Path) -> Vec<PathBuf> {
        let origin = origin.as_os_str().as_encoded_bytes();
        let expand = |entry: &Vec<u8>| {
            let rest = entry.strip_prefix(b"$ORIGIN").or_else(|| entry.strip_prefix(b"${ORIGIN}"));
            let whole = rest.map_or_else(|| entry.clone(), |rest| [origin, rest].concat());
            (!whole.contains(&b'$')).then(|| PathBuf::from(OsString::from_vec(whole)))
        };
        self.search.iter().filter_map(expand).collect()
    }
}

/// The facts of the file at a path, which looked like `stat` just now; the inner `None` when it is no
/// ELF file. They are remembered by the file's identity, and only what holds them is read: a compiler's
/// libraries have more than 100 MB.
pub(super) fn facts(
    world: &dyn World,
    memo: &dyn Memo,
    path: &Path,
    stat: &Stat,
    settled: bool,
) -> io::Result<Option<Facts>> {
    let name = name(stat);
    if settled && let Some(known) = memo.load(&name).and_then(|bytes| unseal(&name, &bytes)) {
        return Ok(known);
    }
    let cache = ReadCache::new(Heedful { file: world.open(path)?, error: None });
    let facts = parse(&cache);
    if let Some(error) = cache.into_inner().error {
        return Err(error);
    }
    if settled && world.stat(path).is_ok_and(|now| now.same_content(stat)) {
        memo.save(&name, &seal(&name, &facts));
    }
    Ok(facts)
}

fn name(stat: &Stat) -> RecordName {
    let Stat { device, inode, mode: _, links: _, size, modified, changed } = *stat;
    let mut encoding = Encoding::new("bakeplan elf facts 2");
    encoding.number(device);
    encoding.number(inode);
    encoding.number(size);
    encoding.field(&modified.to_le_bytes());
    encoding.field(&changed.to_le_bytes());
    RecordName::of(encoding.bytes())
}

/// A file that remembers why it could not be read.
struct Heedful {
    file: Box<dyn Parts>,
    error: Option<io::Error>,
}

impl Heedful {
    fn heed<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.error = Some(error);
            }
            kind.into()
        })
    }
}

impl Read for Heedful {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let done = self.file.read(buffer);
        self.heed(done)
    }
}

impl Seek for Heedful {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let done = self.file.seek(to);
        self.heed(done)
    }
}

/// The facts of a file of these bytes; `None` when it is no ELF file.
pub(super) fn parse<'b>(bytes: impl ReadRef<'b>) -> Option<Facts> {
    let mut facts = match object::FileKind::parse(bytes).ok()? {
        object::FileKind::Elf32 => of::<elf::FileHeader32<Endianness>>(bytes)?,
        object::FileKind::Elf64 => of::<elf::FileHeader64<Endianness>>(bytes)?,
        _ => return None,
    };
    let end = bytes.len().ok().and_then(|length| bytes.read_bytes_at(length.checked_sub(32)?, 32).ok());
    facts.packed = end.is_some_and(|end| end.starts_with(b"brioche_pack_v"));
    Some(facts)
}

fn of<'b, H: FileHeader<Endian = Endianness>>(bytes: impl ReadRef<'b>) -> Option<Facts> {
    let header = H::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).ok()?;
    let mut facts = Facts::default();
    for segment in segments {
        if let Ok(Some(interpreter)) = segment.interpreter(endian, bytes) {
            facts.interpreter = Some(interpreter.to_vec());
        }
        if let Ok(Some(entries)) = segment.dynamic(endian, bytes) {
            let texts = |tag| texts::<H>(endian, bytes, segments, entries, tag);
            facts.needed.extend(texts(elf::DT_NEEDED).into_iter().map(<[u8]>::to_vec));
            for tag in [elf::DT_RPATH, elf::DT_RUNPATH] {
                let lists = texts(tag).into_iter().flat_map(|list| list.split(|byte| *byte == b':'));
                facts.search.extend(lists.filter(|entry| !entry.is_empty()).map(<[u8]>::to_vec));
            }
        }
    }
    Some(facts)
}

/// The texts that the entries of a tag stand for.
fn texts<'b, H: FileHeader>(
    endian: H::Endian,
    bytes: impl ReadRef<'b>,
    segments: &[H::ProgramHeader],
    entries: &[H::Dyn],
    tag: elf::DynamicTag,
) -> Vec<&'b [u8]> {
    let values = |tag| {
        let entries = entries.iter().filter(move |entry| entry.d_tag(endian) == tag);
        entries.map(|entry| entry.val(endian))
    };
    let Some(strings) = values(elf::DT_STRTAB).next() else { return Vec::new() };
    let text = |offset: u64| {
        let address = strings.checked_add(offset)?;
        let data = segments.iter().filter(|s| s.p_type(endian) == elf::PT_LOAD).find_map(|segment| {
            let at = address.checked_sub(segment.p_vaddr(endian).into())?;
            let (start, size) = segment.file_range(endian);
            let range = start.checked_add(at).filter(|_| at < size)?..start.checked_add(size)?;
            // One of some thousand bytes is not looked for in parts.
            let short = bytes.read_bytes_at_until(range.clone(), 0).ok();
            short.or_else(|| bytes.read_bytes_at(range.start, range.end - range.start).ok())
        })?;
        data.split(|byte| *byte == 0).next()
    };
    values(tag).filter_map(text).collect()
}
