//! Dependency files, taken apart and put together again.
//!
//! Where a line of them is broken depends on how long the names are. So a file that was written elsewhere, with
//! other names of directories, is put together anew as the compiler itself would: by the rules of gcc's
//! `mkdeps.cc` and of clang's `DependencyFile.cpp`.

use serde::{Deserialize, Serialize};

use crate::argparse::Family;

/// A dependency file's names, spelled as they are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    targets: Vec<Vec<u8>>,
    files: Vec<Vec<u8>>,
    /// Rules without files, for what `-MP` wants.
    phony: Vec<Vec<u8>>,
    /// Whether an empty line stands before each of those (clang before 15 or so).
    spaced: bool,
}

impl Rules {
    /// Takes a file apart; `None` where putting it together would give another one.
    #[must_use]
    pub fn parse(family: Family, bytes: &[u8]) -> Option<Self> {
        let (rule, rest) = rule(bytes)?;
        let mut words = rule.into_iter();
        let mut targets = Vec::new();
        loop {
            let word = words.next()?;
            match word.strip_suffix(b":") {
                Some(last) => {
                    targets.push(last.to_vec());
                    break;
                }
                None => targets.push(word),
            }
        }
        let phony = rest.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b":"));
        let phony = phony.map(<[u8]>::to_vec).collect();
        let rules = Self { targets, files: words.collect(), phony, spaced: rest.starts_with(b"\n") };
        (rules.write(family) == bytes).then_some(rules)
    }

    /// The same with other names; `None` where one has none.
    pub fn renamed(&self, new: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        let list = |names: &[Vec<u8>]| names.iter().map(|name| new(name)).collect::<Option<Vec<_>>>();
        let Self { targets, files, phony, spaced } = self;
        Some(Self { targets: list(targets)?, files: list(files)?, phony: list(phony)?, spaced: *spaced })
    }

    /// The file, as a compiler of this family writes it.
    #[must_use]
    pub fn write(&self, family: Family) -> Vec<u8> {
        let mut out = match family {
            Family::Gcc => self.gcc(),
            Family::Clang => self.clang(),
        };
        out.push(b'\n');
        for name in &self.phony {
            out.extend_from_slice(if self.spaced { b"\n" } else { b"" });
            out.extend_from_slice(name);
            out.extend_from_slice(b":\n");
        }
        out
    }

    fn gcc(&self) -> Vec<u8> {
        const MOST: usize = 72;
        let mut out = Vec::new();
        let mut column = 0;
        let mut put = |out: &mut Vec<u8>, name: &[u8]| {
            if column > 0 {
                if column + name.len() > MOST {
                    out.extend_from_slice(b" \\\n");
                    column = 0;
                }
                out.push(b' ');
                column += 1;
            }
            out.extend_from_slice(name);
            column += name.len();
        };
        for (index, target) in self.targets.iter().enumerate() {
            put(&mut out, target);
            if index + 1 == self.targets.len() {
                out.push(b':');
            }
        }
        // The colon counts as well.
        column += 1;
        let mut put = |out: &mut Vec<u8>, name: &[u8]| {
            if column + name.len() > MOST {
                out.extend_from_slice(b" \\\n");
                column = 0;
            }
            out.push(b' ');
            out.extend_from_slice(name);
            column += 1 + name.len();
        };
        for file in &self.files {
            put(&mut out, file);
        }
        out
    }

    fn clang(&self) -> Vec<u8> {
        const MOST: usize = 75;
        let mut out = Vec::new();
        let mut column = 0;
        for target in &self.targets {
            let length = target.len();
            if column == 0 {
                column = length;
            } else if column + length + 2 > MOST {
                column = length + 2;
                out.extend_from_slice(b" \\\n  ");
            } else {
                column += length + 1;
                out.push(b' ');
            }
            out.extend_from_slice(target);
        }
        out.push(b':');
        column += 1;
        for file in &self.files {
            let length = unescaped(file);
            if column + length + 3 > MOST {
                out.extend_from_slice(b" \\\n ");
                column = 2;
            }
            out.push(b' ');
            out.extend_from_slice(file);
            column += length + 1;
        }
        out
    }
}

/// The words of the first rule, and what follows it.
fn rule(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, &[u8])> {
    let mut words = vec![Vec::new()];
    let mut at = 0;
    loop {
        let word = words.last_mut()?;
        match (*bytes.get(at)?, bytes.get(at + 1)) {
            (b'\n', _) => break,
            (b'\\', Some(b'\n')) => at += 1,
            (b'\\', Some(next)) => {
                word.extend([b'\\', *next]);
                at += 1;
            }
            (b' ', _) => words.push(Vec::new()),
            (byte, _) => word.push(byte),
        }
        at += 1;
    }
    words.retain(|word| !word.is_empty());
    Some((words, &bytes[at + 1..]))
}

/// The length of a name without what escapes its characters.
fn unescaped(name: &[u8]) -> usize {
    let escaping = |pair: &&[u8]| matches!(pair, [b'\\', b' ' | b'#'] | [b'$', b'$']);
    name.len() - name.windows(2).filter(escaping).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_the_names_make_them_break() {
        let file = b"a.o: a.c /a/long/enough/name/of/a/header.h /another/name/of/a/header.h\n";
        let rules = Rules::parse(Family::Gcc, file).expect("rules");
        let longer = |name: &[u8]| Some([b"/home".as_slice(), name].concat());
        let longer = rules.renamed(longer).expect("names").write(Family::Gcc);
        let text = String::from_utf8(longer).expect("text");
        assert_eq!(
            text,
            "/homea.o: /homea.c /home/a/long/enough/name/of/a/header.h \\\n /home/another/name/of/a/header.h\n"
        );
        let phony = b"a.o b.o: a.c b\\ c.h \\\n d.h\nb\\ c.h:\nd.h:\n";
        assert_eq!(Rules::parse(Family::Gcc, phony), None, "gcc would not break there");
        let phony = b"a.o b.o: a.c b\\ c.h d.h\nb\\ c.h:\nd.h:\n";
        assert_eq!(Rules::parse(Family::Gcc, phony).expect("rules").phony.len(), 2);
        for bad in ["", "a.o", "a.o: a.c", "a.o:\n\nx\n"] {
            assert_eq!(Rules::parse(Family::Gcc, bad.as_bytes()), None, "{bad}");
        }
    }
}
