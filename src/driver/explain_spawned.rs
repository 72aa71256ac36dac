//! `--explain` and `--plan=recipe` where a host is there: the recipe that it would be asked to bake.

use std::fmt::Write as _;

use super::crate_reads::UNLEARNED;
use super::spawn::{Host, Local};
use super::{CompilerCall, Context, Prepared};
use crate::argparse::rustc::CrateInvocation;
use crate::planner::Unit;
use crate::recipe::digest::{ArtifactHash, BlobDigest};
use crate::recipe::{Artifact, File, Recipe};

impl<'a> Context<'a> {
    /// The host that would be asked; `None` where none is configured.
    pub(super) fn host_for(&self, call: &CompilerCall) -> Option<Result<Host<'a>, Local>> {
        let socket = self.config.host.as_deref()?;
        Some(Host::reach(self.world, self.log, socket, call))
    }
}

/// The recipe of a unit. The host is not given its text.
pub(super) fn spawned_recipe(host: &Host<'_>, prepared: &Prepared<'_>, unit: &Unit) -> Result<Recipe, Local> {
    told(host, prepared, unit).map(|(recipe, _, _)| recipe)
}

/// The recipe of a unit, its text's artifact, and the program data in it.
fn told(
    host: &Host<'_>,
    prepared: &Prepared<'_>,
    unit: &Unit,
) -> Result<(Recipe, ArtifactHash, Vec<String>), Local> {
    let compile = prepared.compile();
    let text = host.text(compile, unit)?.bytes;
    let artifact = Artifact::File(File::new(BlobDigest::of(&text), false)).hash();
    let recipe = host.recipe(compile, unit, artifact)?;
    let data = host.data(&text, &recipe);
    Ok((recipe, artifact, data))
}

/// What a host would be asked to bake for a unit, or why it would not.
pub(super) fn explain_spawned(
    host: Result<&Host<'_>, &Local>,
    prepared: &Prepared<'_>,
    unit: &Unit,
) -> String {
    let host = match host {
        Ok(host) => host,
        Err(Local { token, why }) => return format!("  no host bakes it ({token}): {why}\n"),
    };
    let (recipe, input, data) = match told(host, prepared, unit) {
        Ok(told) => told,
        Err(Local { token, why }) => return format!("  the host is not asked ({token}): {why}\n"),
    };
    let mut text = format!("  the host would be asked for recipe {}\n", recipe.hash());
    text.push_str("    shape      preprocessed\n");
    let _ = writeln!(text, "    input      {input} the text");
    for compiler in host.compiler().inputs() {
        if let Recipe::Proxy { recipe } = compiler {
            let _ = writeln!(text, "    input      {recipe} the compiler's");
        }
    }
    for data in data {
        let _ = writeln!(text, "    hits only here, for its program data names {data}");
    }
    text
}

impl Context<'_> {
    /// What a host would be asked to bake for a crate, or why it would not; nothing where none is configured.
    pub(super) fn explain_spawned_crate(&self, call: &CompilerCall, invocation: &CrateInvocation) -> String {
        let Some(socket) = self.config.host.as_deref() else { return String::new() };
        match self.recipe_of_crate(call, invocation, socket) {
            // Where nothing can be kept, only what was learned before is known.
            Err(Local { token: UNLEARNED, .. }) if self.store.is_read_only() => {
                "  the host would be asked once the compiler has told what it reads\n".to_owned()
            }
            Err(Local { token, why }) => format!("  the host is not asked ({token}): {why}\n"),
            Ok((recipe, files, data)) => {
                let mut text = format!("  the host would be asked for recipe {}\n", recipe.hash());
                let _ = writeln!(
                    text,
                    "    shape      tree\n    input      {files} files that the compiler reads"
                );
                for data in data {
                    let _ = writeln!(text, "    hits only here, for its program data names {data}");
                }
                text
            }
        }
    }
}
