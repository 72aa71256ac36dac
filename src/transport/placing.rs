//! How outputs take their places.

use std::io;
use std::path::Path;

use super::{Habits, TransportError};
use crate::argparse::OutputKind;
use crate::store::Placement;
use crate::world::World;

/// How the compiler would write this output over what is there.
///
/// GNU as unlinks a file that is not empty and makes a new one; clang renames a temporary file over
/// it, rustc one of its own or the linker's; everything else is opened and truncated.
///
/// # Errors
/// When what is there must not be replaced, or can't be written.
pub(crate) fn placement(
    world: &dyn World,
    habits: Habits,
    kind: OutputKind,
    path: &Path,
) -> Result<Placement, TransportError> {
    let refuse = |why: &str| TransportError::File {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::Unsupported, why.to_owned()),
    };
    let replaces = matches!(
        (habits, kind),
        (_, OutputKind::Object) | (Habits::Clang, OutputKind::Assembly) | (Habits::Gcc, OutputKind::Dwo)
    ) || habits == Habits::Rustc && kind != OutputKind::Dependencies;
    let Ok(there) = world.lstat(path) else {
        return Ok(if replaces { Placement::Replace } else { Placement::InPlace });
    };
    if !there.is_file() && kind != OutputKind::Dependencies {
        return Err(refuse("the output exists and is no regular file"));
    }
    // rustc goes by the mode, whatever the user may do.
    let is_sealed = habits == Habits::Rustc && there.is_file() && there.mode & 0o222 == 0;
    if is_sealed || rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        return Err(refuse("the output exists and is not writable"));
    }
    let empty = habits == Habits::Gcc && there.size == 0;
    Ok(if replaces && !empty { Placement::Replace } else { Placement::InPlace })
}
