//! What a crate reads, asked of the compiler itself: `--emit=dep-info` in place of what is to be made, recorded. The
//! compiler expands the source and resolves all names, and reads what it will read in a whole compile of a library:
//! sources, embedded files, other crates. Code is not made.
//!
//! Macros run while it does, and what they read, looked for and asked for is recorded as the compiler's own.
//!
//! That is a compile like another, and its result is kept in the local store: while nothing that it saw has
//! changed, it is not run again. The artifact that the compiler is in stands for its identity.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::crates::PreparedCrate;
use super::spawn::Local;
use super::{Aside, CompilerCall, Context, parse};
use crate::argparse::rustc::{self, CrateInvocation};
use crate::planner::key::{FieldWriter, KeyHasher};
use crate::recipe::ProcessTemplate;
use crate::recipe::digest::{RecordName, ToolchainDigest};
use crate::toolchain::Program;
use crate::transport::{Baked, Direct, Job, Kept, LocalTransport, Reads, Transport, TransportError};
use crate::world::Stat;

/// The word for what can't be told this time.
pub(super) const UNLEARNED: &str = "unlearned";

/// What a crate reads.
pub(super) struct CrateReads {
    /// All files and variables.
    pub(super) reads: Reads,
    /// The dependency file, for another target than the crate's.
    pub(super) rules: CrateRules,
}

/// A dependency file of rustc's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CrateRules(Vec<u8>);

impl CrateRules {
    /// Takes a file's text.
    pub(super) fn new(text: Vec<u8>) -> Self {
        Self(text)
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'\n')
    }

    /// The targets, as they are spelled.
    pub(super) fn targets(&self) -> impl Iterator<Item = &[u8]> {
        let target = |line| memchr::memmem::find(line, b": ").map(|at| &line[..at]);
        self.lines().take_while(|line| !line.starts_with(b"# ")).filter_map(target)
    }

    /// What all targets depend on, as it is spelled.
    fn prerequisites(&self) -> Option<&[u8]> {
        let line = self.lines().next()?;
        memchr::memmem::find(line, b": ").map(|at| &line[at + 2..])
    }

    /// What follows the targets.
    fn rest(&self) -> Option<&[u8]> {
        let targets = self.targets().count();
        let mut ends = memchr::memmem::find_iter(&self.0, b"\n\n");
        ends.nth(targets.checked_sub(1)?).map(|at| &self.0[at + 2..])
    }

    /// The files that are read, as they are spelled.
    pub(super) fn sources(&self) -> impl Iterator<Item = PathBuf> {
        let rest = self.rest().unwrap_or_default().split(|byte| *byte == b'\n');
        let names =
            rest.take_while(|line| !line.starts_with(b"# ")).filter_map(|line| line.strip_suffix(b":"));
        names.map(|name| {
            let mut plain = Vec::with_capacity(name.len());
            for (at, byte) in name.iter().enumerate() {
                if !(*byte == b'\\' && name.get(at + 1) == Some(&b' ')) {
                    plain.push(*byte);
                }
            }
            OsString::from_vec(plain).into()
        })
    }

    /// The variables that the source asks for, with their values as they are spelled.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&OsStr, Option<&[u8]>)> {
        self.lines().filter_map(|line| line.strip_prefix(b"# env-dep:")).map(|line| {
            let at = memchr::memchr(b'=', line);
            (OsStr::from_bytes(&line[..at.unwrap_or(line.len())]), at.map(|at| &line[at + 1..]))
        })
    }

    /// The same for these targets.
    pub(super) fn with_targets<'t>(&self, targets: impl Iterator<Item = &'t [u8]>) -> Option<Vec<u8>> {
        let (prerequisites, rest) = (self.prerequisites()?, self.rest()?);
        let mut text: Vec<u8> =
            targets.flat_map(|target| [target, b": ", prerequisites, b"\n\n"].concat()).collect();
        text.extend_from_slice(rest);
        Some(text)
    }
}

impl Context<'_> {
    /// Asks the compiler, or the store what it said when it was asked before.
    pub(super) fn crate_reads(
        &self,
        call: &CompilerCall,
        invocation: &CrateInvocation,
        compiler: &ProcessTemplate,
        temporary: &Path,
    ) -> Result<CrateReads, Local> {
        let file = temporary.join("reads.d");
        let call = CompilerCall { args: arguments(invocation, &file), ..call.clone() };
        let asked = rustc::parse(invocation.tool, &call.args, &parse::reader(self.world));
        let program = Program::vouched_for(ToolchainDigest::of(format!("{compiler:?}").as_bytes()));
        let mut prepared = self.name_crate(&call, asked, &program).map_err(of_aside)?;
        prepared.alone = true;
        let unit = name(&prepared, invocation);
        let reads =
            self.with_transport(&prepared, &mut |transport, job| ask(transport, &Job { unit, ..job }))?;
        let text = self.world.read(&file).map_err(|error| Local::new(UNLEARNED, error))?;
        Ok(CrateReads { reads, rules: CrateRules::new(text) })
    }
}

fn of_aside(aside: Aside) -> Local {
    match aside {
        Aside::Refused(refusals) => match refusals.first() {
            Some(refusal) => Local::new(refusal.token, refusal),
            None => Local::new("refused", ""),
        },
        Aside::Error(token, why) => Local::new(token, why),
    }
}

fn ask(transport: &LocalTransport<'_>, job: &Job<'_>) -> Result<Reads, Local> {
    let broken = |error: TransportError| Local::new(error.token(), error);
    let mut nobody = |_, _: &[u8]| ();
    let known = transport.direct(job, &mut nobody).map_err(broken)?;
    match known {
        Direct::Hit(_) => {}
        // It was asked before, and nothing could be learned.
        Direct::Changed(mismatches) if mismatches.is_empty() => return Err(unknowable()),
        _ => asked_now(transport, job)?,
    }
    let reads = transport.reads(job).map_err(broken)?;
    reads.ok_or_else(|| Local::new(UNLEARNED, "something changed meanwhile"))
}

/// Runs the compiler.
fn asked_now(transport: &LocalTransport<'_>, job: &Job<'_>) -> Result<(), Local> {
    let run = || {
        let baked = transport.bake(job, &mut |_, _: &[u8]| ());
        baked.map_err(|error| Local::new(error.token(), error))
    };
    let mut baked = run()?;
    if let Baked::Compiled { kept: Kept::InputsChanged, .. } = baked {
        // What was made just before can't be told from what changes meanwhile, until the clock has moved on.
        std::thread::sleep(Duration::from_nanos(u64::try_from(Stat::GRANULARITY).unwrap_or_default()));
        baked = run()?;
    }
    match baked {
        Baked::Compiled { kept: Kept::Stored | Kept::Verified { same: true }, .. } | Baked::Hit(_) => Ok(()),
        Baked::Compiled { kept: Kept::Failed, .. } => {
            Err(Local::new("compile-failed", "the compiler will say why"))
        }
        Baked::Compiled { kept: Kept::NotRecorded, .. } => Err(unknowable()),
        Baked::Compiled { kept: kept @ Kept::Timed, .. } => Err(Local::new("time-of-day", kept)),
        Baked::Compiled { kept: kept @ Kept::RanPrograms, .. } => Err(Local::new("program", kept)),
        Baked::Compiled { kept: kept @ Kept::WroteMore, .. } => Err(Local::new("wrote-more", kept)),
        Baked::Compiled { kept, .. } => Err(Local::new(UNLEARNED, kept)),
    }
}

/// What macros did can't be told, or not be done again elsewhere.
fn unknowable() -> Local {
    Local::new("macros", "what they do is not known, or can't be done elsewhere")
}

/// The compiler's arguments, with nothing to make but the dependency file.
fn arguments(invocation: &CrateInvocation, file: &Path) -> Vec<OsString> {
    let mut args = Vec::new();
    for arg in invocation.args.iter().filter(|arg| !matches!(arg.name, "--emit" | "--out-dir")) {
        let words = arg.words();
        args.extend(words.before.map(OsString::from));
        let mut word = OsString::from(words.front);
        if words.takes {
            word.push(&arg.value);
        }
        args.push(word);
    }
    let mut emit = OsString::from("--emit=dep-info=");
    emit.push(file);
    args.push(emit);
    args
}

/// The name of "what this crate reads" across its versions.
fn name(prepared: &PreparedCrate<'_>, invocation: &CrateInvocation) -> RecordName {
    let mut hasher = KeyHasher::default();
    hasher.field("reads", &[prepared.explanation.invocation.as_bytes()]);
    let outputs = invocation.outputs.iter().map(|output| output.path.as_bytes());
    hasher.field("outputs", &outputs.collect::<Vec<_>>());
    RecordName::from_bytes(*hasher.finish().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_files_are_read_and_written_for_other_targets() {
        let text = b"t/x.d: a.rs b\\ c.rs\n\na.rs:\nb\\ c.rs:\n\n# env-dep:A\n# env-dep:B=1: 2=3\n";
        let rules = CrateRules::new(text.to_vec());
        assert_eq!(rules.targets().collect::<Vec<_>>(), [b"t/x.d"]);
        assert_eq!(rules.sources().collect::<Vec<_>>(), [Path::new("a.rs"), Path::new("b c.rs")]);
        let variables: Vec<_> = rules.variables().collect();
        assert_eq!(variables, [(OsStr::new("A"), None), (OsStr::new("B"), Some(&b"1: 2=3"[..]))]);
        assert_eq!(rules.with_targets([&b"t/x.d"[..]].into_iter()).as_deref(), Some(&text[..]));
        let two = rules.with_targets([&b"o/a.d"[..], b"o/b.rlib"].into_iter()).expect("rules");
        let rules = CrateRules::new(two);
        assert_eq!(rules.targets().collect::<Vec<_>>(), [&b"o/a.d"[..], b"o/b.rlib"]);
        assert_eq!(rules.sources().count(), 2);
    }

    #[test]
    fn what_is_no_dependency_file_gives_nothing() {
        for text in [&b""[..], b"\n", b"x", b"# env-dep:A=b: c\n", b"x: y"] {
            let rules = CrateRules::new(text.to_vec());
            assert_eq!(rules.with_targets([&b"t"[..]].into_iter()), None, "{text:?}");
            assert_eq!(rules.sources().count(), 0);
        }
    }
}
