//! How outputs take their places.

use std::io;
use std::path::Path;

use super::TransportError;
use crate::argparse::{Family, Output, OutputKind};
use crate::store::Placement;
use crate::world::World;

/// How the compiler would write this output over what is there.
///
/// GNU as unlinks a file that is not empty and makes a new one; clang renames a temporary file over
/// it; everything else is opened and truncated.
///
/// # Errors
/// When what is there must not be replaced, or can't be written.
pub(crate) fn placement(
    world: &dyn World,
    family: Family,
    output: &Output,
    path: &Path,
) -> Result<Placement, TransportError> {
    let refuse = |why: &str| TransportError::File {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::Unsupported, why.to_owned()),
    };
    let replaces = matches!(
        (family, output.kind),
        (_, OutputKind::Object) | (Family::Clang, OutputKind::Assembly) | (Family::Gcc, OutputKind::Dwo)
    );
    let Ok(there) = world.lstat(path) else {
        return Ok(if replaces { Placement::Replace } else { Placement::InPlace });
    };
    if !there.is_file() && output.kind != OutputKind::Dependencies {
        return Err(refuse("the output exists and is no regular file"));
    }
    if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        return Err(refuse("the output exists and is not writable"));
    }
    let empty = family == Family::Gcc && there.size == 0;
    Ok(if replaces && !empty { Placement::Replace } else { Placement::InPlace })
}
