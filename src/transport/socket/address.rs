//! A socket's path as the system takes it: it has room for 107 bytes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The longest path that fits a socket address.
const LONGEST: usize = 107;

/// A path to bind or to connect to. One that is too long for the system is reached through its directory,
/// which is held open: by `/proc/self/fd/<number>/<name>`.
#[derive(Debug)]
pub(crate) struct Address {
    path: PathBuf,
    _directory: Option<File>,
}

impl Address {
    /// The address of a socket.
    ///
    /// # Errors
    /// When the path is too long and its directory can't be opened, or the name alone is too long.
    pub(crate) fn of(socket: &Path) -> io::Result<Self> {
        if socket.as_os_str().len() <= LONGEST {
            return Ok(Self { path: socket.to_owned(), _directory: None });
        }
        let too_long = |why| io::Error::new(io::ErrorKind::InvalidFilename, why);
        let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(too_long("the path is too long for a socket, and has no directory"));
        };
        #[cfg(target_os = "linux")]
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = File::from(rustix::fs::open(directory, flags, Mode::empty())?);
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        if path.as_os_str().as_bytes().len() > LONGEST {
            return Err(too_long("the socket's name alone is too long"));
        }
        Ok(Self { path, _directory: Some(directory) })
    }

    /// The path to give to the system, while the address is held.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
