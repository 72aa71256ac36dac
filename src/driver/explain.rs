//! `--explain` and `--plan=recipe`: what a unit's key is made of, and what differs from the latest time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::unit::unit_name;
use super::{Aside, CompilerCall, Context, Prepared};
use crate::manifest::{InputSet, Snapshot};
use crate::planner::Unit;
use crate::planner::key::{Difference, KeyRecord};
use crate::planner::recipe::{RecipeInputs, unit_recipe};
use crate::recipe::Platform;
use crate::recipe::digest::BlobDigest;
use crate::store::RecordKind;
use crate::transport::Explanation;

impl Context<'_> {
    /// Says of each unit whether it would hit, and if not, what differs from its latest result.
    pub(super) fn explain(&self, call: &CompilerCall) -> Result<String, Aside> {
        let prepared = self.prepare(call)?;
        let mut text = String::new();
        for unit in &prepared.plan.units {
            let _ = writeln!(text, "{}:", unit.source.path.display());
            match self.explain_unit(&prepared, unit) {
                Ok(explained) => text.push_str(&explained),
                Err(Aside::Refused(refusals)) => {
                    for refusal in refusals {
                        let what = refusal.argument.display();
                        let _ = writeln!(text, "  refused: {} ({what}): {}", refusal.token, refusal.why);
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
        let platform = Platform::current()
            .ok_or_else(|| Aside::Error("platform", "Brioche does not know this platform".to_owned()))?;
        let mut text = String::new();
        for unit in &prepared.plan.units {
            let keyed = self.key(&prepared, unit)?;
            let recipe = unit_recipe(&RecipeInputs {
                invocation: &prepared.invocation,
                unit,
                compiler: &call.program,
                search_path: self.world.environment().get("PATH"),
                text: BlobDigest::of(&keyed.preprocessed.text),
                platform,
            });
            let _ = writeln!(text, "{}\t{}", recipe.hash(), recipe.to_json());
        }
        Ok(text)
    }

    fn explain_unit(&self, prepared: &Prepared<'_>, unit: &Unit) -> Result<String, Aside> {
        let mut text = String::new();
        let keyed = self.key(prepared, unit)?;
        let now = Snapshot::take(self.world, self, &keyed.preprocessed.files);
        let would = match self.would_hit(prepared, unit, &keyed, now.inputs())? {
            Some(true) => "hit (exact)",
            Some(false) => "hit (semantic: equal preprocessed text, other bytes read)",
            None => "miss",
        };
        let _ = writeln!(text, "  would be a {would}");
        let name = unit_name(prepared, unit);
        let earlier = self.store.load(RecordKind::Explanation, &name).ok().flatten();
        match earlier.and_then(|bytes| Explanation::decode(&bytes)) {
            None => text.push_str("  nothing was stored of it before\n"),
            Some(earlier) => {
                for difference in keyed.record.differences(&earlier.key) {
                    describe(&mut text, &difference);
                }
                describe_inputs(&mut text, &earlier.inputs, now.inputs());
            }
        }
        let _ = writeln!(text, "  key {}", keyed.key);
        describe_key(&mut text, &keyed.record);
        Ok(text)
    }
}

/// One field that differs, in words.
fn describe(text: &mut String, difference: &Difference<'_>) {
    let Difference { field, then, now } = difference;
    let _ = match *field {
        "toolchain" => writeln!(text, "  differs: the compiler changed"),
        "text" => writeln!(text, "  differs: the preprocessed text changed"),
        "messages" => writeln!(text, "  differs: what the preprocessor says changed"),
        "files" => writeln!(text, "  differs: a file that an option names changed"),
        "processor" => writeln!(text, "  differs: the processor"),
        _ => {
            let gone = then.iter().filter(|value| !now.contains(value)).map(|value| shown(value));
            let new = now.iter().filter(|value| !then.contains(value)).map(|value| shown(value));
            let (gone, new) = (gone.collect::<Vec<_>>().join(" "), new.collect::<Vec<_>>().join(" "));
            match (gone.is_empty(), new.is_empty()) {
                (true, true) => writeln!(text, "  differs: {field}: another order"),
                (true, false) => writeln!(text, "  differs: {field}: {new} is new"),
                (false, true) => writeln!(text, "  differs: {field}: {gone} is gone"),
                (false, false) => writeln!(text, "  differs: {field}: {gone} became {new}"),
            }
        }
    };
}

/// Which files are others than the latest time.
fn describe_inputs(text: &mut String, then: &InputSet, now: &InputSet) {
    let by_path = |set: &InputSet| {
        let facts =
            set.files().iter().map(|input| (input.path().to_owned(), input.facts().map(|f| f.digest)));
        facts.collect::<BTreeMap<_, _>>()
    };
    let (then, now) = (by_path(then), by_path(now));
    for (path, digest) in &now {
        let _ = match then.get(path) {
            Some(earlier) if earlier == digest => continue,
            Some(_) => writeln!(text, "  differs: {} changed", path.display()),
            None => writeln!(text, "  differs: {} is read now", path.display()),
        };
    }
    for path in then.keys().filter(|path| !now.contains_key(*path)) {
        let _ = writeln!(text, "  differs: {} is not read any more", path.display());
    }
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
