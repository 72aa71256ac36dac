//! Compile-and-link: the compiles are baked, their objects linked here.

use std::ffi::OsString;
use std::path::Path;

use tempfile::TempPath;

use super::{Aside, Context, Prepared};
use crate::planner::LinkStep;
use crate::store::Event;
use crate::world::{Exit, Sink};

impl Context<'_> {
    /// Bakes the units into temporary objects, then links them. A link that prints anything or fails is
    /// done again by the user's own command, since what it says may name the objects.
    pub(super) fn bake_and_link(
        &self,
        prepared: &Prepared<'_>,
        link: &LinkStep,
        sink: Sink<'_>,
    ) -> Result<Exit, Aside> {
        let scratch = self.scratch();
        let failed = |error: std::io::Error| Aside::Error("temporary", error.to_string());
        // Named as gcc names its own, since a linker script can match names.
        let temporary = |_| tempfile::Builder::new().prefix("cc").suffix(".o").tempfile_in(&scratch);
        let files: Result<Vec<TempPath>, _> = prepared
            .plan
            .units
            .iter()
            .map(temporary)
            .map(|file| file.map(tempfile::NamedTempFile::into_temp_path))
            .collect();
        let files = files.map_err(failed)?;
        let objects: Vec<OsString> = files.iter().map(|path| path.as_os_str().to_owned()).collect();
        let exit = self.bake_units(prepared, &objects, sink);
        if !exit.success() {
            return Ok(exit);
        }
        let paths: Vec<&Path> = objects.iter().map(Path::new).collect();
        let command = prepared.driver().command(self.world, link.arguments(&paths));
        let mut quiet = true;
        let linked = self.world.run(&command, &mut |_, bytes| quiet &= bytes.is_empty()).map_err(failed)?;
        if linked.success() && quiet {
            self.log.line(self.world, prepared.argv0.display(), "linked");
            return Ok(linked);
        }
        self.store.record(&Event::Refused { token: "link-not-quiet" });
        self.log.line(self.world, prepared.argv0.display(), "the link prints or fails: done again whole");
        self.run_whole(prepared, sink).map_err(failed)
    }
}
