//! The driver's own file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::error::ToolchainError;
use super::libraries;
use super::survey::Survey;

/// Compile caches and distributors, which masquerade as compilers.
const CACHES: [&str; 13] = [
    "brioche-cc",
    "buildcache",
    "cachepot",
    "ccache",
    "colorgcc",
    "distcc",
    "gomacc",
    "icecc",
    "kache",
    "rewrapper",
    "sccache",
    "zapcc",
    "zccache",
];

/// A driver that may be asked.
#[derive(Debug)]
pub(super) struct Driver {
    /// Its file, links resolved.
    pub(super) canonical: PathBuf,
    /// The loader that it asks for.
    pub(super) interpreter: Option<PathBuf>,
}

/// Looks at the driver's file, before anything is run, and adds it with its libraries.
///
/// # Errors
/// It is missing, no file, no program, or no compiler but a cache.
pub(super) fn examine(survey: &mut Survey<'_>, path: &Path) -> Result<Driver, ToolchainError> {
    let world = survey.world;
    let missing = |source| ToolchainError::Missing { path: path.to_owned(), source };
    let stat = world.stat(path).map_err(missing)?;
    if !stat.is_file() {
        return Err(ToolchainError::NotAFile(path.to_owned()));
    }
    let canonical = world.canonicalize(path).map_err(missing)?;
    let ourselves = world.stat(Path::new("/proc/self/exe")).is_ok_and(|own| own.same_content(&stat));
    if ourselves || canonical.file_name().is_some_and(is_cache) || is_brioches(survey, &canonical) {
        return Err(ToolchainError::Cache(canonical));
    }
    let facts = libraries::add_program(survey, "driver", path)?;
    Ok(Driver { canonical, interpreter: facts.interpreter() })
}

/// Whether this is a wrapper in Brioche's layout: copies of one program under the compilers' names.
fn is_brioches(survey: &Survey<'_>, canonical: &Path) -> bool {
    let real = canonical.parent().zip(canonical.file_name());
    let real = real.map(|(directory, name)| directory.join("../libexec/brioche-cc").join(name));
    real.is_some_and(|real| survey.world.stat(&real).is_ok())
}

fn is_cache(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    CACHES.iter().any(|cache| {
        name.strip_prefix(cache).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    })
}
