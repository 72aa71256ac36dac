//! A plan as data for others: the object that `--plan=json` prints, and the same for people.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::path::Path;

use serde::Serialize;

use crate::argparse::rustc::CrateInvocation;
use crate::argparse::{Family, Invocation, Mode, Refusal, Source, refusal};

/// The object that `--plan=json` prints; its shape is a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanReport {
    compiler: CompilerReport,
    cacheable: bool,
    refusals: Vec<RefusalReport>,
    mode: &'static str,
    links: bool,
    units: Vec<UnitReport>,
    /// What a link leaves; not in the contract.
    #[serde(skip)]
    linked: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct CompilerReport {
    kind: &'static str,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RefusalReport {
    token: &'static str,
    argument: String,
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct UnitReport {
    source: String,
    language: &'static str,
    cacheable: bool,
    refusals: Vec<RefusalReport>,
    outputs: Vec<OutputReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct OutputReport {
    kind: &'static str,
    path: String,
}

impl PlanReport {
    /// Reports what a command line means and what keeps it from being cached as a whole.
    #[must_use]
    pub fn new(compiler: &Path, invocation: &Invocation, refusals: &[Refusal]) -> Self {
        let kind = match invocation.compiler.family {
            Family::Gcc => "gcc",
            Family::Clang => "clang",
        };
        Self {
            compiler: CompilerReport { kind, path: text(compiler.as_os_str()) },
            cacheable: refusals.is_empty(),
            refusals: refusals.iter().map(RefusalReport::new).collect(),
            mode: mode_name(invocation.mode),
            links: invocation.links,
            units: invocation.sources.iter().map(|source| UnitReport::new(source, refusals)).collect(),
            linked: invocation
                .links
                .then(|| text(invocation.output.as_deref().unwrap_or(OsStr::new("a.out")))),
        }
    }

    /// Reports what a command line of rustc means.
    #[must_use]
    pub fn of_crate(compiler: &Path, invocation: &CrateInvocation) -> Self {
        let outputs = invocation.outputs.iter();
        let unit = |source: &OsString| UnitReport {
            source: text(source),
            language: "rust",
            cacheable: invocation.refusals.is_empty(),
            refusals: Vec::new(),
            outputs: outputs
                .clone()
                .map(|o| OutputReport { kind: o.kind.name(), path: text(&o.path) })
                .collect(),
        };
        let units = invocation.sources.iter().filter(|_| invocation.mode == Mode::Crate);
        Self {
            compiler: CompilerReport { kind: invocation.tool.name(), path: text(compiler.as_os_str()) },
            cacheable: invocation.mode == Mode::Crate && invocation.refusals.is_empty(),
            refusals: invocation.refusals.iter().map(RefusalReport::new).collect(),
            mode: mode_name(invocation.mode),
            links: false,
            units: units.map(unit).collect(),
            linked: None,
        }
    }

    /// Reports a program that is no compiler that we know.
    #[must_use]
    pub fn unknown(compiler: &Path, refusal: &Refusal) -> Self {
        Self {
            compiler: CompilerReport { kind: "unknown", path: text(compiler.as_os_str()) },
            cacheable: false,
            refusals: vec![RefusalReport::new(refusal)],
            mode: "other",
            links: false,
            units: Vec::new(),
            linked: None,
        }
    }

    /// As JSON, indented.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl RefusalReport {
    fn new(refusal: &Refusal) -> Self {
        Self { token: refusal.token, argument: text(&refusal.argument), why: refusal.why }
    }
}

impl Display for RefusalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        refusal::write(f, self.token, &self.argument, self.why)
    }
}

impl UnitReport {
    fn new(source: &Source, whole: &[Refusal]) -> Self {
        let outputs = source.outputs.iter();
        Self {
            source: text(&source.path),
            language: source.language.name,
            cacheable: source.refusals.is_empty() && whole.is_empty(),
            refusals: source.refusals.iter().map(RefusalReport::new).collect(),
            outputs: outputs.map(|o| OutputReport { kind: o.kind.name(), path: text(&o.path) }).collect(),
        }
    }
}

/// Bytes that are not UTF-8 are tick-encoded.
fn text(bytes: &OsStr) -> String {
    match bytes.to_str() {
        Some(text) => text.to_owned(),
        None => tick_encoding::encode(bytes.as_encoded_bytes()).into_owned(),
    }
}

/// The names of the modes, as `--plan=json` has them.
fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Object => "object",
        Mode::Assembly => "assembly",
        Mode::Preprocess => "preprocess",
        Mode::Dependencies => "dependencies",
        Mode::Link => "link",
        Mode::Pch => "pch",
        Mode::Syntax => "syntax",
        Mode::Info => "info",
        Mode::None => "none",
        Mode::Error => "error",
        Mode::Mixed => "mixed",
        Mode::Other => "other",
        Mode::Crate => "crate",
    }
}

impl Display for PlanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "compiler  {} ({})", self.compiler.path, self.compiler.kind)?;
        writeln!(f, "mode      {}{}", self.mode, if self.links { ", links" } else { "" })?;
        let known = if self.cacheable { "yes, as far as the command line tells" } else { "no" };
        writeln!(f, "cacheable {known}")?;
        refusals(f, "          ", &self.refusals)?;
        for unit in &self.units {
            writeln!(f, "unit      {} ({})", unit.source, unit.language)?;
            refusals(f, "          ", &unit.refusals)?;
            let width = unit.outputs.iter().map(|output| output.kind.len()).max().unwrap_or(0).max(14);
            for output in &unit.outputs {
                writeln!(f, "          {:<width$} {}", output.kind, output.path)?;
            }
        }
        match &self.linked {
            Some(linked) => writeln!(f, "link      {linked}"),
            None => Ok(()),
        }
    }
}

fn refusals(f: &mut fmt::Formatter<'_>, indent: &str, refusals: &[RefusalReport]) -> fmt::Result {
    for refusal in refusals {
        writeln!(f, "{indent}refused: {refusal}")?;
    }
    Ok(())
}
