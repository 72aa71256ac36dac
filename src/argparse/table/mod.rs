//! The one table of options, on shelves by the letters that a spelling begins with, and its lookup.
//!
//! Each shelf is sorted by spelling (byte-wise); the longest spelling that fits an argument wins. A new
//! option is one line on its shelf.

mod cc1;
mod dash_f;
mod dash_g;
mod dash_m;
mod dash_w;
mod link;
mod long;
mod short;

use super::spec::{Shape, Spec};
use super::{Compiler, Family};

/// What the shelves write their rows with.
mod prelude {
    pub(super) use crate::argparse::Role::{
        Assemble, Compile, Dependencies, Driver, Language, Link, Output, Preprocess, Presentation,
    };
    pub(super) use crate::argparse::spec::Shape::{Either, Flag, Joined, Long, Separate, Toggle};
    pub(super) use crate::argparse::spec::{BOTH, CLANG, GCC, Spec, both, clang, gcc, row};
}

/// The shelves of the driver's options.
#[must_use]
pub fn shelves() -> [&'static [Spec]; 7] {
    [dash_f::ROWS, dash_g::ROWS, dash_m::ROWS, dash_w::ROWS, link::ROWS, long::ROWS, short::ROWS]
}

/// The shelf of the options of clang's `-cc1`, as `-Xclang` passes them.
#[must_use]
pub fn cc1_shelf() -> &'static [Spec] {
    cc1::ROWS
}

/// A row that fits an argument.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The row.
    pub spec: &'static Spec,
    /// Whether the argument spells it positively.
    pub on: bool,
}

/// The row of the driver's option `arg`, by the longest spelling that fits.
#[must_use]
pub fn find(arg: &[u8], compiler: Compiler) -> Option<Found> {
    let rows = match arg.get(1) {
        Some(b'f') => dash_f::ROWS,
        Some(b'g') => dash_g::ROWS,
        Some(b'm') => dash_m::ROWS,
        Some(b'W') => dash_w::ROWS,
        Some(b'-') => long::ROWS,
        _ => part(short::ROWS, &SHORT_INDEX, arg),
    };
    let linked = part(link::ROWS, &LINK_INDEX, arg);
    let positive = |spec| Found { spec, on: true };
    let exact = || exact(rows, arg, compiler).or_else(|| exact(linked, arg, compiler)).map(positive);
    let longest = || longer(search(rows, arg, compiler), search(linked, arg, compiler)).map(positive);
    // Most arguments are spelled in full, and need but one look.
    exact().or_else(|| negated(arg, compiler)).or_else(longest).or_else(|| doubled(arg, compiler))
}

/// The row on `rows` whose spelling is the whole of `arg`.
fn exact(rows: &'static [Spec], arg: &[u8], compiler: Compiler) -> Option<&'static Spec> {
    let start = rows.partition_point(|row| row.name.as_bytes() < arg);
    let same = rows[start..].iter().take_while(|row| row.name.as_bytes() == arg);
    same.into_iter().find(|row| fits(row, arg, compiler))
}

/// gcc takes `--X` for `-fX` when it is nothing else.
fn doubled(arg: &[u8], compiler: Compiler) -> Option<Found> {
    let rest = arg.strip_prefix(b"--").filter(|_| compiler.family == Family::Gcc)?;
    let single = [b"-f", rest].concat();
    if single.len() == 2 { None } else { find(&single, compiler) }
}

/// The row of `-cc1`'s option `arg`.
#[must_use]
pub fn find_cc1(arg: &[u8], compiler: Compiler) -> Option<Found> {
    search(cc1::ROWS, arg, compiler).map(|spec| Found { spec, on: true })
}

/// The longer spelling of two.
fn longer(a: Option<&'static Spec>, b: Option<&'static Spec>) -> Option<&'static Spec> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.name.len() >= b.name.len() { a } else { b }),
        (a, b) => a.or(b),
    }
}

/// The row that `arg` negates: `-fno-X` for a toggle `-fX`.
fn negated(arg: &[u8], compiler: Compiler) -> Option<Found> {
    let rest = arg.get(2..)?.strip_prefix(b"no-")?;
    let mut positive = Vec::with_capacity(rest.len() + 2);
    positive.extend_from_slice(&arg[..2]);
    positive.extend_from_slice(rest);
    let rows = match arg[1] {
        b'f' => dash_f::ROWS,
        b'g' => dash_g::ROWS,
        b'm' => dash_m::ROWS,
        b'W' => dash_w::ROWS,
        _ => return None,
    };
    let spec = exact(rows, &positive, compiler).filter(|spec| spec.shape == Shape::Toggle)?;
    Some(Found { spec, on: false })
}

/// Where the rows of each second letter begin on a shelf, and where the last of them end.
type Index = [u16; 129];

/// The index of a shelf, made when the crate is compiled.
const fn index(rows: &[Spec]) -> Index {
    let mut starts = [0; 129];
    let mut letter = 0;
    let mut at = 0;
    while letter < 129 {
        while at < rows.len() && (rows[at].name.as_bytes()[1] as usize) < letter {
            at += 1;
        }
        #[allow(clippy::cast_possible_truncation, reason = "no shelf has that many rows")]
        {
            starts[letter] = at as u16;
        }
        letter += 1;
    }
    starts
}

static SHORT_INDEX: Index = index(short::ROWS);
static LINK_INDEX: Index = index(link::ROWS);

/// The part of a shelf whose rows begin like `arg`.
fn part(rows: &'static [Spec], starts: &Index, arg: &[u8]) -> &'static [Spec] {
    let letter = usize::from(arg.get(1).copied().unwrap_or_default());
    if letter > 127 {
        return &[];
    }
    &rows[usize::from(starts[letter])..usize::from(starts[letter + 1])]
}

/// The row with the longest spelling on `rows` that fits `arg`.
fn search(rows: &'static [Spec], arg: &[u8], compiler: Compiler) -> Option<&'static Spec> {
    let mut key = arg;
    loop {
        // Every spelling that is a prefix of `key` sorts at or before it, longer ones later.
        let end = rows.partition_point(|row| row.name.as_bytes() <= key);
        let last = rows.get(end.checked_sub(1)?)?;
        let name = last.name.as_bytes();
        let common = name.iter().zip(key).take_while(|(a, b)| a == b).count();
        if common == name.len() {
            let same = rows[..end].iter().rev().take_while(|row| row.name == last.name);
            if let Some(row) = same.into_iter().find(|row| fits(row, arg, compiler)) {
                return Some(row);
            }
            key = &key[..common.checked_sub(1)?];
        } else {
            key = &key[..common];
        }
    }
}

/// Whether `row`, whose spelling `arg` begins with, takes the whole of it.
fn fits(row: &Spec, arg: &[u8], compiler: Compiler) -> bool {
    let rest = &arg[row.name.len()..];
    let shape = match row.shape {
        Shape::Flag | Shape::Toggle | Shape::Separate => rest.is_empty(),
        Shape::Joined | Shape::Either => true,
        Shape::Long => rest.is_empty() || rest[0] == b'=',
    };
    shape && row.on.has(compiler)
}
