//! The socket in the file system.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;

use interprocess::ConnectWaitMode;
use interprocess::local_socket::{
    ConnectOptions, GenericFilePath, ListenerNonblockingMode, ListenerOptions, ToFsName,
};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use interprocess::os::unix::uds_local_socket::{Listener, Stream};
use rustix::fs::FlockOperation;

use super::ServeError;
use crate::transport::socket::Address;

/// A socket that is bound. It is removed when this is dropped, if it is still this one.
pub(super) struct Socket {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    pub(super) listener: Listener,
}

impl Socket {
    /// Binds a socket, in place of one that nobody serves.
    pub(super) fn bind(path: &Path) -> Result<Self, ServeError> {
        let directory = directory(path);
        if let Err(error) = DirBuilder::new().mode(0o700).create(directory)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(ServeError::io("make", directory)(error));
        }
        // Two servers that find a stale socket together would each remove the other's new one.
        let _lock = lock(directory).map_err(ServeError::io("lock", directory))?;
        clear(path)?;
        Self::put(path, &directory.join(format!(".{}.socket", process::id())))
            .map_err(ServeError::io("bind", path))
    }

    /// Binds under a name aside, and gives the socket its own once it listens: whoever sees it can connect.
    fn put(path: &Path, aside: &Path) -> io::Result<Self> {
        match fs::remove_file(aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = bind(Address::of(aside)?.path())?;
        let metadata = fs::symlink_metadata(aside)?;
        fs::rename(aside, path)?;
        Ok(Self { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()), listener })
    }

    /// The next client that waits, and its user.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        self.listener.inner().accept().map(|(stream, _)| stream.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let Ok(_lock) = lock(directory(&self.path)) else { return };
        let ours = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| ours(&metadata)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Removes a socket that nobody serves.
fn clear(path: &Path) -> Result<(), ServeError> {
    let socket = || path.to_owned();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ServeError::io("look at", path)(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ServeError::NoSocket { socket: socket() });
        }
        Ok(_) => {}
    }
    let address = Address::of(path).map_err(ServeError::io("look at", path))?;
    match connect(address.path()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(ServeError::io("remove", path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(ServeError::InUse { socket: socket() }),
        Err(error) => Err(ServeError::io("look at", path)(error)),
    }
}

/// Connects without waiting: one whose queue is full is served, too.
fn connect(path: &Path) -> io::Result<Stream> {
    let name = path.to_fs_name::<GenericFilePath>()?;
    ConnectOptions::new().name(name).wait_mode(ConnectWaitMode::Deferred).connect_sync_as()
}

fn bind(path: &Path) -> io::Result<Listener> {
    ListenerOptions::new()
        .name(path.to_fs_name::<GenericFilePath>()?)
        .mode(0o600)
        .nonblocking(ListenerNonblockingMode::Accept)
        .reclaim_name(false)
        .create_sync_as::<Listener>()
}
