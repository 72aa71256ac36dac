//! Compile-and-link: the compiles are baked, their objects linked here.

use std::ffi::OsString;
use std::path::Path;

use tempfile::TempPath;

use super::context::refused;
use super::{Aside, Context, Prepared};
use crate::planner::LinkStep;
use crate::world::{Exit, Sink};

impl Context<'_> {
    /// Bakes the units into temporary objects (or those that `-save-temps` keeps), then links them. Where the link prints anything or fails, it
    /// is left to the user's own command, since what it says may name the objects; nothing was said yet.
    pub(super) fn bake_and_link(
        &self,
        prepared: &Prepared<'_>,
        link: &LinkStep,
        sink: Sink<'_>,
    ) -> Result<Exit, Aside> {
        let scratch = self.scratch();
        let failed = |error: std::io::Error| Aside::Error("temporary", error.to_string());
        // Named as gcc names its own, since a linker script can match names.
        let temporary = || tempfile::Builder::new().prefix("cc").suffix(".o").tempfile_in(&scratch);
        let mut files: Vec<TempPath> = Vec::new();
        let mut objects: Vec<OsString> = Vec::new();
        for unit in &prepared.plan.units {
            if let Some(kept) = unit.source.object() {
                objects.push(kept.to_owned());
            } else {
                let file = temporary().map_err(failed)?.into_temp_path();
                objects.push(file.as_os_str().to_owned());
                files.push(file);
            }
        }
        let (exit, said) = self.bake_units(prepared, &objects)?;
        if !exit.success() {
            said.replay(sink);
            return Ok(exit);
        }
        let paths: Vec<&Path> = objects.iter().map(Path::new).collect();
        let command = prepared.driver().command(self.world, link.arguments(&paths));
        let mut quiet = true;
        let linked = self.world.run(&command, &mut |_, bytes| quiet &= bytes.is_empty()).map_err(failed)?;
        if !(linked.success() && quiet) {
            let why = "the link prints or fails, and may name the objects: all is done again";
            return Err(refused("link-not-quiet", &prepared.call.argv0, why));
        }
        self.log.line(self.world, prepared.call.argv0.display(), "linked");
        said.replay(sink);
        Ok(linked)
    }
}
