//! The places that a process of Brioche's sees, and what stands for each of them in what its compiles are made
//! of. In Brioche all of them hold the hash of the outer recipe, which is another one after every change.
//!
//! | place | its name in text | in a recipe's options |
//! |---|---|---|
//! | an input artifact | `/brioche/inputs` | the artifact, as an input of the recipe |
//! | the work directory | `/brioche/work` | its name |
//! | the home directory | `/brioche/home` | its name |
//! | the output | `/brioche/output` | its name |
//! | the directory for temporary files | `/brioche/tmp` | its name |
//! | the resource directory | `/brioche/resources` | its name |
//!
//! *Text* is what the preprocessor gives: line markers and, by an option of its own, `__FILE__`. So that is what
//! debug information, assertions and diagnostics hold. Nothing else is mapped: a path in any other token or
//! string is the program's data, and stays as it is.
//!
//! All inputs have one name. Their hashes must not show, for a new version of a library whose headers are the
//! same gives the same text; nor their order, for one more tool changes it. That two files of two inputs may get
//! the same name does no harm to what a compile gives: that is decided by the text and the options. Only who
//! looks a name up again, as a debugger does, has two places to look at.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use memchr::memmem;

use super::recipe::old_prefix;
use crate::argparse::Invocation;
use crate::paths::{Located, PathMap};
use crate::preprocess::markers;
use crate::recipe::digest::ArtifactHash;
use crate::recipe::{ProcessTemplate, Recipe, Symbol, Template};

/// A place that a process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where an input artifact stands.
    Input(ArtifactHash),
    /// What a symbol of its recipe stands for.
    Symbol(Symbol),
}

impl Place {
    /// What stands for it in text.
    #[must_use]
    pub fn name(&self) -> &'static [u8] {
        match self {
            Self::Input(_) => b"/brioche/inputs",
            Self::Symbol(Symbol::WorkDir) => b"/brioche/work",
            Self::Symbol(Symbol::OutputPath) => b"/brioche/output",
            Self::Symbol(Symbol::TempDir) => b"/brioche/tmp",
            Self::Symbol(Symbol::ResourceDir) => b"/brioche/resources",
            Self::Symbol(_) => b"/brioche/home",
        }
    }
}

/// All places that a process knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(PathMap<Place>);

impl Places {
    /// The places at these paths. What is no plain path below `/`, or stands for something already, is left
    /// out: a path that is not mapped stays as it is.
    pub fn new<P: Into<Vec<u8>>>(places: impl IntoIterator<Item = (P, Place)>) -> Self {
        let mut known: Vec<(Vec<u8>, Place)> = Vec::new();
        for (path, place) in places {
            let mut path: Vec<u8> = path.into();
            while path.len() > 1 && path.ends_with(b"/") {
                path.pop();
            }
            let plain = PathMap::new([(path.as_slice(), ())]).is_ok();
            if plain && known.iter().all(|(other, _)| *other != path) {
                known.push((path, place));
            }
        }
        Self(PathMap::new(known).unwrap_or_default())
    }

    /// The place that a path is, or is below, and what follows it.
    #[must_use]
    pub fn locate<'a>(&'a self, path: &'a [u8]) -> Option<Located<'a, Place>> {
        self.0.locate(path)
    }

    /// The path of a place.
    #[must_use]
    pub fn path_of(&self, place: &Place) -> Option<&[u8]> {
        self.0.roots().find(|(_, other)| *other == place).map(|(path, _)| path)
    }

    /// A path with its place's name in place of the place; `None` when it is below none.
    #[must_use]
    pub fn named(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.locate(path).map(|Located { root, rest }| [root.name(), rest].concat())
    }

    /// A path inside an input, as a template that names the artifact by its hash.
    #[must_use]
    pub fn template(&self, path: &[u8]) -> Option<ProcessTemplate> {
        match self.locate(path)? {
            Located { root: Place::Input(artifact), rest } => {
                let input = Template::input(Recipe::Proxy { recipe: (*artifact).into() });
                Some(if rest.is_empty() { input } else { input.then(rest.to_vec()) })
            }
            _ => None,
        }
    }

    /// Options by which a preprocessor maps `__FILE__`: for gcc from 8 and clang from 10 on. The user's own
    /// options of that kind go before them. For gcc that takes no more than that they come after them; clang
    /// takes the longest name that fits, and of two equal ones the first. So what they name is left to them.
    #[must_use]
    pub fn macro_maps(&self, invocation: &Invocation) -> Vec<OsString> {
        let family = invocation.compiler.family;
        let olds: Vec<&[u8]> = invocation
            .args
            .iter()
            .filter(|arg| matches!(arg.name, "-fmacro-prefix-map=" | "-ffile-prefix-map="))
            .filter_map(|arg| old_prefix(arg, family).map(|(old, _)| old))
            .collect();
        let is_users = |root: &[u8]| olds.iter().any(|old| root.starts_with(old));
        // Of two that fit, gcc takes the last one given: shorter roots first.
        let mut roots: Vec<_> = self.0.roots().collect();
        roots.reverse();
        let map = |(root, place): (&[u8], &Place)| {
            OsString::from_vec([b"-fmacro-prefix-map=", root, b"=", place.name()].concat())
        };
        let ours = roots.into_iter().filter(|(root, _)| !root.contains(&b'=') && !is_users(root));
        ours.map(map).collect()
    }

    /// Whether these bytes are the start of a place's path, or of its name, and not all of it.
    #[must_use]
    pub fn is_cut_by(&self, start: &[u8]) -> bool {
        let cuts = |whole: &[u8]| whole.starts_with(start) && whole.len() > start.len();
        self.0.roots().any(|(root, place)| cuts(root) || cuts(place.name()) || place.name() == start)
    }

    /// A preprocessed text with its line markers mapped.
    #[must_use]
    pub fn map_text<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        markers::rename(text, &|name| match name.strip_suffix(b"//") {
            // How gcc says what the working directory is.
            Some(directory) => self.named(directory).map(|named| [&named, &b"//"[..]].concat()),
            None => self.named(name),
        })
    }

    /// The paths of places that these bytes mention, each once, as far as they go: program data, which keeps a
    /// unit from being the same elsewhere.
    #[must_use]
    pub fn mentions(&self, bytes: &[u8]) -> Vec<String> {
        let goes_on = |byte: &&u8| byte.is_ascii_alphanumeric() || b"/._-+@~%,:=".contains(byte);
        let mut found: Vec<(usize, String)> = Vec::new();
        for (root, _) in self.0.roots() {
            for at in memmem::find_iter(bytes, root) {
                let length = bytes[at..].iter().take_while(goes_on).count().max(root.len());
                let path = String::from_utf8_lossy(&bytes[at..at + length]).into_owned();
                if found.iter().all(|(place, other)| *place != at && *other != path) {
                    found.push((at, path));
                }
            }
        }
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }
}
