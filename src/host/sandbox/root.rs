//! The root that all sandboxes share, read-only: a shell, `env`, what they load, and empty directories.
//!
//! `/bin/sh` is the machine's `dash`, `/usr/bin/env` its `env`; neither is static on most distributions, so the
//! root also has their loader and libraries where these programs look for them, and no other library.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::SandboxError;
use super::linked::{Linked, linked};
use crate::world::World;

/// The places where the programs may be, and the place that they have in the root.
const PROGRAMS: [(&[&str], &str); 2] =
    [(&["/bin/dash", "/usr/bin/dash"], "bin/sh"), (&["/usr/bin/env", "/bin/env"], "usr/bin/env")];

/// Where things are mounted.
const PLACES: [&str; 6] = ["dev", "proc", "etc", "home", "tmp", "brioche-resources.d"];

/// Where the socket of a process's session stands: in a directory of its own.
pub(crate) const SOCKET_DIR: &str = "brioche-host.d";

/// Makes the root, unless it is there. What is in it decides its name.
pub(super) fn make(world: &dyn World, scratch: &Path) -> Result<PathBuf, SandboxError> {
    let mut files = Vec::new();
    for (candidates, place) in PROGRAMS {
        let is_there = |path: &&Path| world.stat(path).is_ok_and(|stat| stat.is_file());
        let Some(program) = candidates.iter().map(Path::new).find(is_there) else {
            let why = "there is none".to_owned();
            return Err(SandboxError::Root { program: candidates[0].into(), why });
        };
        files.push((program.to_owned(), PathBuf::from(place)));
        if let Linked::Dynamic { loader, libraries } = linked(world, program, None)? {
            let places = std::iter::once(loader).chain(libraries.into_iter().map(|(_, file)| file));
            files.extend(places.map(|file| {
                let place = file.strip_prefix("/").unwrap_or(&file).to_owned();
                (file, place)
            }));
        }
    }
    files.sort();
    files.dedup();
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"bakeplan root 1\0");
    let mut contents = Vec::new();
    for (file, place) in files {
        let bytes = world.read(&file).map_err(SandboxError::io("read", &file))?;
        let name = place.as_os_str().as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
        hasher.update(blake3::hash(&bytes).as_bytes());
        contents.push((place, bytes));
    }
    let name = format!("root-{}", &hasher.finalize().to_hex()[..16]);
    let root = scratch.join(&name);
    if !is_whole(&root, &contents) {
        write(scratch, &root, &contents)?;
    }
    Ok(root)
}

fn is_whole(root: &Path, contents: &[(PathBuf, Vec<u8>)]) -> bool {
    let same = |(place, bytes): &(PathBuf, Vec<u8>)| fs::read(root.join(place)).is_ok_and(|is| is == *bytes);
    contents.iter().all(same) && PLACES.iter().chain([&SOCKET_DIR]).all(|place| root.join(place).is_dir())
}

/// Writes it beside its place, and renames it.
fn write(scratch: &Path, root: &Path, contents: &[(PathBuf, Vec<u8>)]) -> Result<(), SandboxError> {
    fs::create_dir_all(scratch).map_err(SandboxError::io("make the directory", scratch))?;
    let temporary = tempfile::Builder::new().prefix(".root-").tempdir_in(scratch);
    let temporary = temporary.map_err(SandboxError::io("make a directory in", scratch))?;
    for place in PLACES.iter().chain([&SOCKET_DIR]) {
        let path = temporary.path().join(place);
        fs::create_dir_all(&path).map_err(SandboxError::io("make the directory", &path))?;
    }
    for (place, bytes) in contents {
        let path = temporary.path().join(place);
        let parent = path.parent().unwrap_or(root);
        fs::create_dir_all(parent).map_err(SandboxError::io("make the directory", parent))?;
        fs::write(&path, bytes).map_err(SandboxError::io("write", &path))?;
        fs::set_permissions(&path, Permissions::from_mode(0o555))
            .map_err(SandboxError::io("change the mode of", &path))?;
    }
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o755))
        .map_err(SandboxError::io("change the mode of", root))?;
    match fs::rename(temporary.path(), root) {
        Ok(()) => Ok(()),
        // Another host was faster; or what is there is damaged.
        Err(_) if is_whole(root, contents) => Ok(()),
        Err(_) => fs::remove_dir_all(root)
            .and_then(|()| fs::rename(temporary.path(), root))
            .map_err(SandboxError::io("replace", root)),
    }
}

/// The files of `/etc` that are the same for all: name and text.
pub(crate) fn hosts_files() -> [(&'static str, &'static str); 3] {
    [
        ("hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"),
        (
            "services",
            "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\nssh 22/tcp\nftp 21/tcp\nsmtp 25/tcp\n",
        ),
        ("protocols", "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\n"),
    ]
}

/// Writes `passwd` and `group` for the user of a process.
pub(crate) fn write_users(etc: &Path, user: &str, home: &Path) -> std::io::Result<()> {
    let id = super::USER;
    let mut passwd = File::create(etc.join("passwd"))?;
    writeln!(passwd, "{user}:x:{id}:{id}::{}:/bin/sh", home.display())?;
    let mut group = File::create(etc.join("group"))?;
    writeln!(group, "{user}:x:{id}:")
}
