//! `--explain` and `--plan=recipe`: what a unit's key is made of, and what differs from the latest time.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use super::explain_spawned::{explain_spawned, spawned_recipe};
use super::unit::unit_name;
use super::{Aside, CompilerCall, Context, Prepared};
use crate::argparse::rustc::{RustTool, rust_tool_from_name};
use crate::manifest::{Manifest, Mismatch, Seen, Snapshot};
use crate::planner::Unit;
use crate::planner::key::{Difference, KeyRecord};
use crate::planner::places::Places;
use crate::planner::recipe::{RecipeInputs, unit_recipe};
use crate::recipe::digest::BlobDigest;
use crate::recipe::{Artifact, File, Platform, Template};
use crate::store::RecordKind;
use crate::transport::{Direct, Explanation};

/// A hit of which there is nothing more to say.
const DIRECT: &str = "hit (exact)";

impl Context<'_> {
    /// Says of each unit whether it would hit, and if not, what differs from its latest result.
    pub(super) fn explain(&self, call: &CompilerCall) -> Result<String, Aside> {
        if let Some(tool) = rust_tool_from_name(&call.argv0) {
            return self.explain_crate(call, tool);
        }
        let prepared = self.prepare(call)?;
        let host = self.host_for(call);
        let mut text = String::new();
        for unit in &prepared.plan.units {
            let _ = writeln!(text, "{}:", unit.source.path.display());
            if let Some(host) = &host {
                text.push_str(&explain_spawned(host.as_ref(), &prepared, unit));
            }
            match self.explain_unit(&prepared, unit) {
                Ok(explained) => text.push_str(&explained),
                Err(Aside::Refused(refusals)) => {
                    for refusal in refusals {
                        let _ = writeln!(text, "  refused: {refusal}");
                    }
                }
                Err(aside) => return Err(aside),
            }
        }
        Ok(text)
    }

    /// One line a unit: the hash of its recipe, a tab, the recipe as Brioche's JSON.
    pub(super) fn recipes(&self, call: &CompilerCall) -> Result<String, Aside> {
        let prepared = self.prepare(call)?;
        let literal = |text: &OsStr| Template::literal(text.as_encoded_bytes().to_vec());
        let platform = Platform::current()
            .ok_or_else(|| Aside::Error("platform", "Brioche does not know this platform".to_owned()))?;
        let host = self.host_for(call).and_then(Result::ok);
        let mut text = String::new();
        for unit in &prepared.plan.units {
            if let Some(recipe) = host.as_ref().and_then(|host| spawned_recipe(host, &prepared, unit).ok()) {
                let _ = writeln!(text, "{}\t{}", recipe.hash(), recipe.to_json());
                continue;
            }
            let keyed = self.key(&prepared, unit)?;
            let input = Artifact::File(File::new(BlobDigest::of(&keyed.preprocessed.text), false));
            let recipe = unit_recipe(&RecipeInputs {
                invocation: &prepared.invocation,
                unit,
                compiler: &literal(call.program.as_os_str()),
                search_path: self.world.environment().get("PATH").map(literal).as_ref(),
                places: &Places::default(),
                directory: &prepared.directory,
                text: input.hash(),
                platform,
            });
            let recipe = recipe.map_err(|unfit| Aside::Error("recipe", unfit.to_string()))?;
            let _ = writeln!(text, "{}\t{}", recipe.hash(), recipe.to_json());
        }
        Ok(text)
    }

    /// The same of a crate.
    fn explain_crate(&self, call: &CompilerCall, tool: RustTool) -> Result<String, Aside> {
        let prepared = self.prepare_crate(call, tool)?;
        let mut text = format!("{}:\n", prepared.subject().display());
        let direct = self.would_hit_crate(&prepared)?;
        if matches!(direct, Direct::Hit(_) | Direct::WouldHit) {
            let _ = writeln!(text, "  would be a {DIRECT}");
        } else {
            text.push_str("  would be a miss\n");
            let earlier =
                self.store.load(RecordKind::Explanation, &self.crate_name(&prepared)).ok().flatten();
            match earlier.and_then(|bytes| Explanation::decode(&bytes)) {
                None => text
                    .push_str("  nothing was stored of this crate before for this output, compiled here\n"),
                Some(earlier) => describe_invocation(&mut text, &earlier, &prepared.explanation),
            }
        }
        if let Direct::Changed(mismatches) = direct {
            for mismatch in mismatches {
                let _ = writeln!(text, "  differs: {}", prepared.describe(&mismatch));
            }
        }
        text.push_str(&self.explain_spawned_crate(call, &prepared.invocation));
        let _ = writeln!(text, "  key {}", prepared.explanation.invocation);
        describe_key(&mut text, &prepared.explanation.record);
        Ok(text)
    }

    fn explain_unit(&self, prepared: &Prepared<'_>, unit: &Unit) -> Result<String, Aside> {
        let mut text = String::new();
        let explanation = self.explanation(prepared, unit);
        let direct = self.would_hit_directly(prepared, unit, &explanation)?;
        let keyed = self.key(prepared, unit)?;
        if !matches!(direct, Direct::WouldHit) {
            self.recover(prepared, unit, &explanation, &keyed);
        }
        let now = Snapshot::take(self.world, self, &keyed.preprocessed.files);
        let by_text = || self.would_hit(prepared, unit, &explanation, &keyed, now.inputs());
        let would = match direct {
            Direct::Hit(_) | Direct::WouldHit => DIRECT,
            Direct::Changed(_) | Direct::Unseen => match by_text()? {
                Some(true) => "hit (exact, after preprocessing)",
                Some(false) => "hit (semantic: equal preprocessed text, other bytes read)",
                None if now.inputs().holds_time(self.world) => {
                    "miss each time (time-macro: a file mentions __TIME__)"
                }
                None => "miss",
            },
        };
        let _ = writeln!(text, "  would be a {would}");
        let name = unit_name(prepared, unit);
        let earlier = self.store.load(RecordKind::Explanation, &name).ok().flatten();
        match earlier.and_then(|bytes| Explanation::decode(&bytes)) {
            _ if would == DIRECT => {}
            None => {
                text.push_str("  nothing was stored of this source before for this output, compiled here\n");
            }
            Some(earlier) => {
                describe_invocation(&mut text, &earlier, &explanation);
                self.describe_world(&mut text, &earlier);
            }
        }
        let _ = writeln!(text, "  key {}", keyed.key);
        describe_key(&mut text, &keyed.record);
        Ok(text)
    }

    /// What is not as the nearest earlier compile saw it.
    fn describe_world(&self, text: &mut String, earlier: &Explanation) {
        let record = self.store.load(RecordKind::Manifest, &earlier.invocation).ok().flatten();
        let record = record.unwrap_or_default();
        let manifest = Manifest::decode(&record).unwrap_or_default();
        let looked = manifest.versions().iter().filter_map(|version| {
            let seen = version.seen()?;
            let (changed, appeared) = (seen.changed(self.world, self), seen.appeared(self.world));
            let held = seen.holds(self.world, self, true);
            Some((seen, changed, appeared, held))
        });
        let nearest =
            looked.min_by_key(|(_, changed, appeared, held)| (held.is_err(), changed.len() + appeared.len()));
        let Some((seen, changed, appeared, held)) = nearest else { return };
        for (path, _) in &changed {
            let what = if self.world.stat(path).is_ok() { "changed" } else { "is gone" };
            let _ = writeln!(text, "  differs: {} {} {what}", noun(path), plain(path).display());
        }
        for path in &appeared {
            let shadowed = shadowed(&seen, path);
            let (noun, path) = (noun(path), plain(path).display());
            let _ = match shadowed {
                Some(shadowed) => {
                    writeln!(text, "  differs: new {noun} {path} now shadows {}", plain(shadowed).display())
                }
                None => writeln!(text, "  differs: new {noun} {path} stands where nothing was found before"),
            };
            text.push_str("    (stale in a cache that doesn't look for what was not there)\n");
        }
        if let (Err(Mismatch::Other(path)), true, true) = (&held, changed.is_empty(), appeared.is_empty()) {
            let _ = writeln!(text, "  differs: what stands at {} changed", path.display());
        }
    }
}

/// A path as a person writes it: clang begins those of the source's own directory with `./`.
fn plain(path: &Path) -> &Path {
    path.strip_prefix("./").unwrap_or(path)
}

/// What to call a file.
fn noun(path: &Path) -> &'static str {
    let extension = path.extension().map(OsStr::as_encoded_bytes).unwrap_or_default();
    match extension {
        b"h" | b"hh" | b"hpp" | b"hxx" | b"h++" | b"H" | b"inc" | b"tcc" | b"" => "header",
        _ => "file",
    }
}

/// The file that was read and that a new one of the same name would be found instead of.
fn shadowed<'s>(seen: &'s Seen<'_>, new: &Path) -> Option<&'s Path> {
    let common = |path: &Path| {
        let pairs = path.components().rev().zip(new.components().rev());
        pairs.take_while(|(old, new)| old == new).count()
    };
    seen.files()
        .map(|(path, _)| (common(path), path))
        .filter(|(common, _)| *common > 0)
        .max_by_key(|(common, _)| *common)
        .map(|(_, path)| path)
}

/// What of an invocation is not as it was the last time.
fn describe_invocation(text: &mut String, then: &Explanation, now: &Explanation) {
    for difference in now.record.differences(&then.record) {
        if difference.field == "toolchain" {
            let parts = changed_parts(&then.parts, &now.parts);
            let _ = writeln!(text, "  differs: compiler changed ({})", parts.join(", "));
        } else {
            describe(text, &difference);
        }
    }
}

/// The parts of a compiler that are not as they were.
fn changed_parts<'p>(then: &'p [(String, BlobDigest)], now: &'p [(String, BlobDigest)]) -> Vec<&'p str> {
    let new = now.iter().filter(|part| !then.contains(part));
    let gone = then.iter().filter(|(name, _)| !now.iter().any(|(other, _)| other == name));
    new.chain(gone).map(|(name, _)| name.as_str()).collect()
}

/// One field that differs, in words.
fn describe(text: &mut String, difference: &Difference<'_>) {
    let Difference { field, then, now } = difference;
    let label = match *field {
        "arguments" | "preprocess" => "option".to_owned(),
        "environment" => "variable".to_owned(),
        field => format!("{field}:"),
    };
    let _ = match *field {
        "files" => writeln!(text, "  differs: a file that an option names changed"),
        "processor" => writeln!(text, "  differs: the processor"),
        _ => {
            let gone = then.iter().filter(|value| !now.contains(value)).map(|value| shown(value));
            let new = now.iter().filter(|value| !then.contains(value)).map(|value| shown(value));
            let (gone, new) = (gone.collect::<Vec<_>>().join(" "), new.collect::<Vec<_>>().join(" "));
            match (gone.is_empty(), new.is_empty()) {
                (true, true) => writeln!(text, "  differs: {label} in another order"),
                (true, false) => writeln!(text, "  differs: {label} {new} is new"),
                (false, true) => writeln!(text, "  differs: {label} {gone} is gone"),
                (false, false) => writeln!(text, "  differs: {label} {gone} became {new}"),
            }
        }
    };
}

/// The fields of the key, a line each.
fn describe_key(text: &mut String, record: &KeyRecord) {
    for (name, values) in record.fields() {
        let values: Vec<_> = values.iter().map(|value| shown(value)).collect();
        let _ = writeln!(text, "    {name:<10} {}", values.join(" "));
    }
}

/// Text as it is, digests in hexadecimal, cut where it gets long.
fn shown(value: &[u8]) -> String {
    const LONG: usize = 200;
    let is_text = std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(char::is_control));
    if is_text {
        let text = String::from_utf8_lossy(value);
        let cut: String = text.chars().take(LONG).collect();
        return if cut.len() < text.len() { cut + "…" } else { cut };
    }
    let mut hex: String = String::new();
    for byte in value.iter().take(32) {
        let _ = write!(hex, "{byte:02x}");
    }
    if value.len() > 32 { hex + "…" } else { hex }
}
