//! The names of a unit, and the one table of what enters them: its local *key*, which its preprocessed text
//! decides, and the name of its *invocation*, which is known without reading a source.
//!
//! | field | what | why |
//! |---|---|---|
//! | `format` | the version of this table | a change of it is a decision |
//! | `toolchain` | digest over the compiler and all that it runs and loads | another compiler, another object |
//! | `driver` | gcc or clang, C or C++ driver, the name it is called by | defaults depend on it, and its messages start with the name |
//! | `mode` | object or assembly | |
//! | `language` | as for `-x` | |
//! | `source` | its path as spelled | it names the unit in the object (`.file`) and in diagnostics |
//! | `arguments` | in order: what acts on compiling, assembling and on the driver itself; not what only acts on preprocessing, its effect shows in the text; everything where the command line is recorded in the object; clang's linker options too, and its dependency options where no dependency file is made, for it warns of unused ones | |
//! | `naming` | options that a compile-and-link adds for the names of its auxiliary files, where it makes any | they show in the object |
//! | `outputs` | the kinds of files that are made; their paths too where one shows in another (split DWARF, coverage, a recorded command line) | |
//! | `directory` | the working directory, where debug information or coverage holds it | |
//! | `charset` | the character set of the locale, where it is not UTF-8 | gcc reads sources in it |
//! | `processor` | the processor's model and features under `-march=native` and its like | |
//! | `files` | digests of files that options name and that are read by the compiler proper, and of a source that comes by standard input | |
//! | `messages` (key) | what the preprocessor wrote to standard error | it is part of what the user sees |
//! | `text` (key) | digest of the preprocessed text | |
//! | `preprocess` (invocation) | in order: what only acts on preprocessing | no text shows its effect yet |
//! | `dependencies` (invocation) | whether and how a dependency file is written, with its targets | it is restored, not made anew |
//! | `environment` (invocation) | the variables that preprocessors read | |
//!
//! Left out on purpose: the name of the output (but as said), options and variables that only change how
//! diagnostics look (a result with diagnostics holds them itself); from the key also dependency options (a
//! dependency file comes from this run's own preprocessor) and every variable whose effect shows in the text.
//!
//! The encoding: each field as the length of its name and the name, the number of its values, and each
//! value after its length; lengths and numbers are eight bytes, little endian. [`KeyHasher`] hashes that,
//! [`KeyRecord`] keeps the same calls for `--explain`.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

use crate::argparse::{Debug, Family, Invocation, Mode, Role};
use crate::planner::Unit;
use crate::planner::recipe::is_plain;
use crate::planner::roots::{Roots, TakenOut};
use crate::recipe::digest::{BlobDigest, ToolchainDigest, UnitKey};

/// Everything that a key is made of.
#[derive(Debug, Clone, Copy)]
pub struct KeyInputs<'a> {
    /// The invocation.
    pub invocation: &'a Invocation,
    /// The unit of it.
    pub unit: &'a Unit,
    /// The file name that the driver is called by.
    pub driver: &'a OsStr,
    /// The compiler's identity.
    pub toolchain: ToolchainDigest,
    /// The working directory as the compiler sees it: `$PWD` where that names it, else the real path.
    pub directory: &'a OsStr,
    /// See [`super::environment::charset`].
    pub charset: &'a [u8],
    /// The processor, where the invocation asks for the native one; else empty.
    pub processor: &'a [u8],
    /// The digests of [`crate::argparse::Facts::files`], in order, and of standard input.
    pub files: &'a [BlobDigest],
    /// What the name stands on.
    pub subject: Subject<'a>,
}

/// What a name stands on.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A key: on the preprocessed text.
    Text {
        /// What the preprocessor wrote to standard error.
        messages: &'a [u8],
        /// The text's digest.
        digest: BlobDigest,
    },
    /// An invocation's name: on what decides the text, sources and headers left out.
    Invocation {
        /// See [`super::environment::preprocessing`].
        environment: &'a [(&'static str, Vec<u8>)],
    },
}

/// Takes the fields of a key, in order.
pub trait FieldWriter {
    /// One field with its values.
    fn field(&mut self, name: &'static str, values: &[&[u8]]);
}

/// Writes the fields of a key: the table in this module's documentation.
pub fn write(inputs: &KeyInputs<'_>, writer: &mut dyn FieldWriter) {
    let KeyInputs { invocation, unit, driver, toolchain, directory, charset, processor, files, subject } =
        *inputs;
    let facts = &invocation.facts;
    let compiler = invocation.compiler;
    let family = match compiler.family {
        Family::Gcc => b"gcc".as_slice(),
        Family::Clang => b"clang",
    };
    writer.field("format", &[b"2"]);
    writer.field("toolchain", &[toolchain.as_bytes()]);
    writer.field("driver", &[family, if compiler.cxx { b"c++" } else { b"c" }, driver.as_encoded_bytes()]);
    writer.field("mode", &[if invocation.mode == Mode::Assembly { b"assembly" } else { b"object" }]);
    writer.field("language", &[unit.source.language.name.as_bytes()]);
    writer.field("source", &[unit.source.path.as_encoded_bytes()]);
    writer.field("arguments", &arguments(invocation, unit));
    let mut outputs: Vec<&[u8]> = Vec::new();
    let paths_show = facts.split_dwarf || facts.coverage || facts.records_command_line || facts.save_temps;
    // Where no auxiliary file is made, its name shows nowhere.
    let names_show = paths_show || !unit.source.outputs.iter().all(|output| is_plain(output.kind));
    writer.field("naming", &if names_show { bytes(&unit.source.naming) } else { Vec::new() });
    for output in &unit.source.outputs {
        outputs.push(output.kind.name().as_bytes());
        if paths_show {
            outputs.push(output.path.as_encoded_bytes());
        }
    }
    writer.field("outputs", &outputs);
    let cwd_shows =
        facts.debug != Debug::None || facts.coverage || facts.records_cwd || facts.records_command_line;
    writer.field("directory", &[if cwd_shows { directory.as_encoded_bytes() } else { b"" }]);
    writer.field("charset", &[charset]);
    writer.field("processor", &[processor]);
    let files: Vec<&[u8]> = files.iter().map(|digest| digest.as_bytes().as_slice()).collect();
    writer.field("files", &files);
    match subject {
        Subject::Text { messages, digest } => {
            writer.field("messages", &[messages]);
            writer.field("text", &[digest.as_bytes()]);
        }
        Subject::Invocation { environment } => write_invocation(invocation, unit, environment, writer),
    }
}

/// The fields that only the name of an invocation has.
fn write_invocation(
    invocation: &Invocation,
    unit: &Unit,
    environment: &[(&'static str, Vec<u8>)],
    writer: &mut dyn FieldWriter,
) {
    let preprocess = invocation.args.iter().filter(|arg| arg.role == Role::Preprocess);
    let preprocess: Vec<&[u8]> = preprocess.flat_map(|arg| bytes(&arg.tokens)).collect();
    writer.field("preprocess", &preprocess);
    let dependencies = unit.source.dependencies.as_ref().map_or_else(Vec::new, |file| {
        let system: &[u8] = if file.system { b"system" } else { b"user" };
        std::iter::once(system).chain(bytes(&file.options)).collect()
    });
    writer.field("dependencies", &dependencies);
    let variables = environment.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_slice()]);
    writer.field("environment", &variables.collect::<Vec<_>>());
}

fn bytes(values: &[std::ffi::OsString]) -> Vec<&[u8]> {
    values.iter().map(|value| value.as_encoded_bytes()).collect()
}

/// The arguments that are in the key; see the table. A unit's key is the same whether the unit was alone
/// on its command line or one of several.
fn arguments<'a>(invocation: &'a Invocation, unit: &Unit) -> Vec<&'a [u8]> {
    let recorded = invocation.facts.records_command_line;
    let clang = invocation.compiler.family == Family::Clang;
    let enters = |index: usize, role| match role {
        Role::Compile | Role::Assemble | Role::Driver => true,
        // A source that is not preprocessed shows no effect of them.
        Role::Preprocess => recorded || !unit.source.language.preprocessed,
        // clang warns of the ones that are of no use to this source.
        Role::Dependencies => recorded || clang && unit.source.dependencies.is_none(),
        Role::Presentation | Role::Output => recorded,
        Role::Link => !invocation.links && (clang || recorded),
        // Other inputs of a single compile are unused, and warned of.
        Role::Input => !invocation.links && index != unit.source.arg && invocation.sources.len() == 1,
        Role::Language => false,
    };
    let entering = invocation.args.iter().enumerate().filter(|(index, arg)| enters(*index, arg.role));
    entering.flat_map(|(_, arg)| bytes(&arg.tokens)).collect()
}

/// The options that change how diagnostics look.
#[must_use]
pub fn presentation_options(invocation: &Invocation) -> Vec<&[u8]> {
    let looks = invocation.args.iter().filter(|arg| arg.role == Role::Presentation);
    looks.flat_map(|arg| bytes(&arg.tokens)).collect()
}

/// Hashes the encoding of the fields.
#[derive(Debug, Clone, Default)]
pub struct KeyHasher(blake3::Hasher);

impl FieldWriter for KeyHasher {
    fn field(&mut self, name: &'static str, values: &[&[u8]]) {
        self.put(name.as_bytes());
        self.0.update(&(values.len() as u64).to_le_bytes());
        for value in values {
            self.put(value);
        }
    }
}

impl KeyHasher {
    fn put(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }

    /// The digest over what was written.
    #[must_use]
    pub fn finish(&self) -> UnitKey {
        self.0.finalize().into()
    }
}

/// The key of these inputs.
#[must_use]
pub fn unit_key(inputs: &KeyInputs<'_>) -> UnitKey {
    let mut hasher = KeyHasher::default();
    write(inputs, &mut hasher);
    hasher.finish()
}

/// The key of these inputs without the names of some directories.
#[must_use]
pub fn unit_key_without(inputs: &KeyInputs<'_>, roots: &Roots) -> UnitKey {
    let mut taken_out = TakenOut { writer: KeyHasher::default(), roots };
    write(inputs, &mut taken_out);
    taken_out.writer.finish()
}

/// Keeps the fields of a key, so that two keys can be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    fields: Vec<(String, Vec<Vec<u8>>)>,
}

impl FieldWriter for KeyRecord {
    fn field(&mut self, name: &'static str, values: &[&[u8]]) {
        self.fields.push((name.to_owned(), values.iter().map(|value| value.to_vec()).collect()));
    }
}

impl KeyRecord {
    /// The record of these inputs.
    #[must_use]
    pub fn of(inputs: &KeyInputs<'_>) -> Self {
        let mut record = Self::default();
        write(inputs, &mut record);
        record
    }

    /// The names and values of the fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[Vec<u8>])> {
        self.fields.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// The fields that differ from an `earlier` record, with the earlier values and ours.
    #[must_use]
    pub fn differences<'a>(&'a self, earlier: &'a Self) -> Vec<Difference<'a>> {
        let paired = self.fields.iter().map(|(name, now)| {
            let then = earlier.fields.iter().find(|(other, _)| other == name);
            (name.as_str(), then.map_or(&[][..], |(_, then)| then.as_slice()), now.as_slice())
        });
        paired
            .filter(|(_, then, now)| then != now)
            .map(|(field, then, now)| Difference { field, then, now })
            .collect()
    }
}

/// A field that differs between two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Its name.
    pub field: &'a str,
    /// Its values in the earlier key.
    pub then: &'a [Vec<u8>],
    /// Its values in this one.
    pub now: &'a [Vec<u8>],
}
