//! The real world, counted, and a memo in memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bakeplan::recipe::digest::{BlobDigest, RecordName};
use bakeplan::toolchain::{Frontend, Memo, Request, Toolchain, ToolchainError, identify};
use bakeplan::world::{Command, Environment, Exit, RealWorld, Sink, Stat, World};

/// The real world, and how often it was asked what.
pub(super) struct Counting {
    real: RealWorld,
    pub(super) stats: AtomicUsize,
    pub(super) reads: AtomicUsize,
    pub(super) runs: AtomicUsize,
    pub(super) ran: Mutex<Vec<Vec<OsString>>>,
    /// Added to the clock.
    pub(super) later: i128,
}

/// The variables that tests set themselves.
const OURS: [&str; 6] =
    ["COMPILER_PATH", "GCC_EXEC_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD", "LIBRARY_PATH", "PATH"];

impl Counting {
    /// A world with the tests' environment, but for a plain `PATH` and these variables.
    pub(super) fn new(cwd: &Path, variables: &[(&str, &str)]) -> Self {
        #[allow(clippy::disallowed_methods, reason = "a test stands outside of the library")]
        let mut environment = Environment::new(std::env::vars_os().collect());
        for name in OURS {
            environment.remove(name);
        }
        environment.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        for (name, value) in variables {
            environment.set(name, *value);
        }
        Self {
            real: RealWorld::new(cwd.to_owned(), environment),
            stats: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
            ran: Mutex::default(),
            later: 0,
        }
    }

    /// Stats, reads, runs since the last time.
    pub(super) fn take(&self) -> (usize, usize, usize) {
        self.ran.lock().unwrap().clear();
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        (take(&self.stats), take(&self.reads), take(&self.runs))
    }
}

impl World for Counting {
    fn read_stdin(&self) -> io::Result<Vec<u8>> {
        self.real.read_stdin()
    }

    fn cwd(&self) -> &Path {
        self.real.cwd()
    }

    fn environment(&self) -> &Environment {
        self.real.environment()
    }

    fn now(&self) -> i128 {
        self.real.now() + self.later
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.real.read(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.stats.fetch_add(1, Ordering::Relaxed);
        self.real.stat(path)
    }

    fn lstat(&self, path: &Path) -> io::Result<Stat> {
        self.stats.fetch_add(1, Ordering::Relaxed);
        self.real.lstat(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.real.canonicalize(path)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.real.read_link(path)
    }

    fn run(&self, command: &Command, sink: Sink<'_>) -> io::Result<Exit> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.ran.lock().unwrap().push(command.args.clone());
        self.real.run(command, sink)
    }
}

/// Device, inode, size, times.
type Identity = (u64, u64, u64, i128, i128);

/// A store in memory.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) records: RefCell<HashMap<RecordName, Vec<u8>>>,
    digests: RefCell<HashMap<Identity, BlobDigest>>,
}

impl Memo for Memory {
    fn load(&self, name: &RecordName) -> Option<Vec<u8>> {
        self.records.borrow().get(name).cloned()
    }

    fn save(&self, name: &RecordName, bytes: &[u8]) {
        self.records.borrow_mut().insert(*name, bytes.to_vec());
    }

    fn digest(&self, world: &dyn World, path: &Path, stat: &Stat) -> io::Result<BlobDigest> {
        let key = (stat.device, stat.inode, stat.size, stat.modified, stat.changed);
        let settled = stat.is_settled(world.now());
        if let Some(known) = self.digests.borrow().get(&key).filter(|_| settled) {
            return Ok(*known);
        }
        let digest = BlobDigest::of(&world.read(path)?);
        if settled {
            self.digests.borrow_mut().insert(key, digest);
        }
        Ok(digest)
    }
}

/// A request, owned.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) driver: PathBuf,
    pub(super) argv0: Option<OsString>,
    pub(super) options: Vec<OsString>,
    pub(super) frontends: Vec<Frontend>,
    pub(super) links: bool,
}

impl Ask {
    /// C, no options, no link.
    pub(super) fn new(driver: impl Into<PathBuf>) -> Self {
        Self {
            driver: driver.into(),
            argv0: None,
            options: vec![],
            frontends: vec![Frontend::C],
            links: false,
        }
    }

    pub(super) fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    pub(super) fn links(mut self) -> Self {
        self.links = true;
        self
    }

    pub(super) fn frontends(mut self, frontends: &[Frontend]) -> Self {
        self.frontends = frontends.to_vec();
        self
    }

    pub(super) fn identify(&self, world: &dyn World, memo: &dyn Memo) -> Result<Toolchain, ToolchainError> {
        let cxx = self.driver.to_string_lossy().contains("++");
        let request = Request {
            driver: &self.driver,
            argv0: self.argv0.as_deref().unwrap_or(self.driver.as_os_str()),
            cxx,
            options: &self.options,
            frontends: &self.frontends,
            links: self.links,
        };
        identify(world, memo, &request)
    }
}

/// The names of the parts that are no libraries.
pub(super) fn programs(toolchain: &Toolchain) -> Vec<&str> {
    toolchain.parts.iter().map(|p| p.name.as_str()).filter(|name| !name.contains(':')).collect()
}

/// The names of the libraries of a part.
pub(super) fn libraries<'a>(toolchain: &'a Toolchain, part: &str) -> Vec<&'a str> {
    let of = format!("{part}:");
    toolchain.parts.iter().filter_map(|p| p.name.strip_prefix(of.as_str())).collect()
}

/// Those of these compilers that are installed.
pub(super) fn installed(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| Path::new("/usr/bin").join(name)).filter(|path| path.exists()).collect()
}

/// A second of the world's clock.
pub(super) const SECOND: i128 = 1_000_000_000;

/// Copies a program; directories are made.
pub(super) fn copy(from: impl AsRef<Path>, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    crate::support::copy_program(from, to);
}

/// Writes bytes behind what is in a file.
pub(super) fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    std::fs::File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Writes an executable file.
pub(super) fn executable(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
