//! What happened, and how often: events, the lines that tell of them, and their sums.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that the statistics count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A hit where every byte that the compile would read is the same.
    HitExact {
        /// The compiler's time that it saved.
        saved: Duration,
    },
    /// A hit on equal preprocessed text.
    HitSemantic {
        /// The compiler's time that it saved.
        saved: Duration,
    },
    /// Looked for and not found.
    Miss,
    /// Not for a cache, for this reason.
    Refused {
        /// The refusal's token.
        token: &'a str,
    },
    /// Something was broken, and the compile went on without it.
    Error {
        /// What it was.
        token: &'a str,
    },
    /// Something in the store did not have the bytes that it was written with. (The store itself
    /// counts what it finds.)
    Corrupt,
    /// A hit was compiled as well, and the results differed.
    Difference,
}

/// A line of the log, which is more than the events of callers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line<'a> {
    /// An event.
    Event(Event<'a>),
    /// The store grew by so many bytes.
    Grown(u64),
    /// The store was measured: so many bytes.
    Measured(u64),
    /// The store was trimmed.
    Trimmed,
}

/// How much of a token is kept.
const TOKEN: usize = 80;

impl Line<'_> {
    /// Appends the line as it stands in the log: a newline, the text, a space and eight hexadecimal
    /// digits of its BLAKE3. The newline comes first so that a line that was cut off spoils itself
    /// alone.
    pub(super) fn write(&self, log: &mut String) {
        let text = match *self {
            Self::Event(Event::HitExact { saved }) => format!("x {}", saved.as_millis()),
            Self::Event(Event::HitSemantic { saved }) => format!("s {}", saved.as_millis()),
            Self::Event(Event::Miss) => "m".to_owned(),
            Self::Event(Event::Refused { token }) => format!("r {}", plain(token)),
            Self::Event(Event::Error { token }) => format!("e {}", plain(token)),
            Self::Event(Event::Corrupt) => "c".to_owned(),
            Self::Event(Event::Difference) => "d".to_owned(),
            Self::Grown(bytes) => format!("+ {bytes}"),
            Self::Measured(bytes) => format!("= {bytes}"),
            Self::Trimmed => "t".to_owned(),
        };
        // Writing to a string does not fail.
        let _ = write!(log, "\n{text} {:08x}", checksum(&text));
    }
}

/// A token without what would break a line.
fn plain(token: &str) -> String {
    token.chars().take(TOKEN).map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

/// The first four bytes of the text's BLAKE3.
fn checksum(text: &str) -> u32 {
    let [a, b, c, d, ..] = *blake3::hash(text.as_bytes()).as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The sums over the lines of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    pub(super) exact: u64,
    pub(super) semantic: u64,
    pub(super) saved_ms: u64,
    pub(super) misses: u64,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) corrupt: u64,
    pub(super) differences: u64,
    pub(super) trims: u64,
    /// About how large the store is.
    pub(super) size: u64,
    /// Lines that could not be read.
    pub(super) damaged: u64,
}

impl Tally {
    /// Adds what a log says, in its order.
    pub(super) fn add(&mut self, log: &[u8]) {
        for line in log.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            if self.add_line(line).is_none() {
                self.damaged += 1;
            }
        }
    }

    fn add_line(&mut self, line: &[u8]) -> Option<()> {
        let (text, sum) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
        if sum.len() != 8 || u32::from_str_radix(sum, 16) != Ok(checksum(text)) {
            return None;
        }
        let (code, value) = text.split_once(' ').unwrap_or((text, ""));
        let number = || value.parse::<u64>().ok();
        let one = |map: &mut BTreeMap<String, u64>| *map.entry(value.to_owned()).or_default() += 1;
        match code {
            "x" | "s" => {
                self.saved_ms = self.saved_ms.saturating_add(number()?);
                *(if code == "x" { &mut self.exact } else { &mut self.semantic }) += 1;
            }
            "m" => self.misses += 1,
            "r" => one(&mut self.refused),
            "e" => one(&mut self.errors),
            "c" => self.corrupt += 1,
            "d" => self.differences += 1,
            "t" => self.trims += 1,
            "+" => self.size = self.size.saturating_add(number()?),
            "=" => self.size = number()?,
            // A later program's line.
            _ => {}
        }
        Some(())
    }
}

/// The store's figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// All hits.
    pub hits: u64,
    /// Hits where every byte read is the same.
    pub hits_exact: u64,
    /// Hits on equal preprocessed text.
    pub hits_semantic: u64,
    /// Looked for and not found.
    pub misses: u64,
    /// Not for a cache: how often for which reason.
    pub refused: BTreeMap<String, u64>,
    /// Things that were broken.
    pub errors: u64,
    /// The same, by what it was.
    pub errors_by_token: BTreeMap<String, u64>,
    /// What the store holds, in bytes, each file counted in whole blocks. Measured, not summed.
    pub bytes: u64,
    /// The results that the store holds.
    pub entries: u64,
    /// The compiler's time that hits saved.
    pub saved_seconds: f64,
    /// Things in the store that did not have the bytes that they were written with.
    pub corrupt: u64,
    /// Hits that were compiled as well and came out differently.
    pub differences: u64,
    /// How often the store was trimmed to its limit.
    pub trims: u64,
}

impl Statistics {
    pub(super) fn new(tally: Tally, bytes: u64, entries: u64) -> Self {
        let Tally {
            exact,
            semantic,
            saved_ms,
            misses,
            refused,
            errors,
            corrupt,
            differences,
            trims,
            size: _,
            damaged: _,
        } = tally;
        Self {
            hits: exact + semantic,
            hits_exact: exact,
            hits_semantic: semantic,
            misses,
            refused,
            errors: errors.values().sum(),
            errors_by_token: errors,
            bytes,
            entries,
            saved_seconds: Duration::from_millis(saved_ms).as_secs_f64(),
            corrupt,
            differences,
            trims,
        }
    }
}
