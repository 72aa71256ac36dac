//! A process that asks its host for bakes of its own: it has a session, with no more rights than itself.
//!
//! A process has one when its recipe names the symbol `host_socket_path`. In the sandbox the socket stands at
//! `/brioche-host.d/socket`: a path, since an abstract socket does not reach into a network namespace, and a short
//! one, since the system allows 107 bytes and a home alone has 85.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Engine;
use super::process::{SOCKET, Scene};
use super::runs::PrivateDir;
use crate::host::artifacts::Owner;
use crate::host::error::HostError;
use crate::host::files;
use crate::host::grants::{Grant, Grants, Links, Rights, Root, Roots};
use crate::host::permits::{Permit, Slot};
use crate::host::sandbox::SOCKET_DIR;
use crate::host::serve::{Options, Server, serve};
use crate::recipe::{CompleteProcessRecipe, Component, Symbol};

/// What lasts while a process runs.
pub(crate) struct Open {
    _permit: Option<Permit>,
    /// Stopped before the directory of its socket goes.
    _server: Option<Server>,
    _directory: Option<PrivateDir>,
}

impl Scene {
    /// Opens a session for a process whose recipe names the socket.
    pub(super) fn open_session(
        &mut self,
        engine: &Engine,
        process: &CompleteProcessRecipe,
        permit: Permit,
    ) -> Result<Open, HostError> {
        let CompleteProcessRecipe { command, args, env, current_dir, .. } = process;
        let templates = [command, current_dir].into_iter().chain(args).chain(env.values());
        let mut components = templates.flat_map(|template| &template.components);
        if components.any(|component| *component == Component::Symbol(Symbol::HostSocketPath)) {
            return self.serve(engine, process, Slot::of(permit));
        }
        Ok(Open { _permit: Some(permit), _server: None, _directory: None })
    }

    /// Serves a session for this process, on a socket that only it sees.
    pub(crate) fn serve(
        &mut self,
        engine: &Engine,
        process: &CompleteProcessRecipe,
        slot: Slot,
    ) -> Result<Open, HostError> {
        let directory = engine.socket_directory()?;
        let guest =
            if self.is_real() { Path::new("/").join(SOCKET_DIR) } else { directory.path().to_owned() };
        self.socket = Some((directory.path().to_owned(), guest));
        let grants = Grants::new(Arc::new(engine.clone()), self.grant(process)?, Some(slot));
        let server = serve(Options::new(directory.path().join(SOCKET)), Arc::new(grants))?;
        Ok(Open { _permit: None, _server: Some(server), _directory: Some(directory) })
    }

    /// What this process may ask for.
    fn grant(&self, process: &CompleteProcessRecipe) -> Result<Grant, HostError> {
        let symbols = Symbol::ALL.into_iter().filter_map(|symbol| Some((symbol, self.symbol(symbol).ok()?)));
        Ok(Grant {
            recipe: Some(self.hash()),
            inputs: self.inputs.iter().map(|(artifact, seen)| (*artifact, seen.guest.clone())).collect(),
            symbols: symbols.map(|(symbol, path): (_, OsString)| (symbol, path.into())).collect(),
            rights: Rights { networking: process.networking, platforms: vec![process.platform] },
            roots: self.roots()?,
            scratch: self.guest.temp.clone(),
            like_a_bake: true,
            owner: Owner::User(rustix::process::geteuid().as_raw()),
        })
    }

    /// The places that this process sees. Links out of the home are not followed: on the host's side there is
    /// nothing where the inputs are mounted.
    fn roots(&self) -> Result<Roots, HostError> {
        let root = |guest: &Path, host: &Path, writable: bool, links: Links| {
            let directory = files::open_directory(host)?;
            Ok::<_, HostError>(Root { path: guest.to_owned(), directory, writable, links })
        };
        let (guest, host) = (&self.guest, &self.host);
        let mut roots = vec![
            root(&guest.home, &host.home, true, Links::None)?,
            root(&guest.work, &host.work, true, Links::Within)?,
            root(&guest.outputs, &host.outputs, true, Links::Within)?,
            root(&guest.temp, &host.temp, true, Links::Within)?,
            root(&guest.resources, &host.resources, true, Links::Within)?,
        ];
        let mut covered: Vec<PathBuf> = Vec::new();
        for seen in self.inputs.values() {
            if seen.is_directory {
                roots.push(root(&seen.guest, &seen.host, false, Links::Within)?);
            } else {
                covered.push(seen.guest.clone());
            }
        }
        Ok(Roots { roots, covered })
    }
}

impl Engine {
    /// A directory with a short path, for a socket.
    pub(crate) fn socket_directory(&self) -> Result<PrivateDir, HostError> {
        let runtime = self.world.environment().get("XDG_RUNTIME_DIR").map(PathBuf::from);
        let is_short = |dir: &PathBuf| dir.is_absolute() && dir.as_os_str().len() < 60 && dir.is_dir();
        self.private_directory(runtime.into_iter().chain(["/tmp".into()]).filter(is_short))
    }

    /// A directory for this user alone, in the first of these in which one can be made.
    pub(crate) fn private_directory(
        &self,
        candidates: impl IntoIterator<Item = PathBuf>,
    ) -> Result<PrivateDir, HostError> {
        let mut last = HostError::NotThere("/tmp".into());
        for dir in candidates {
            match self.runs.private_dir(&dir) {
                Ok(made) => return Ok(made),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
