//! A compiler of the machine as a directory that runs anywhere: an artifact to be handed to sandboxes.
//!
//! ```text
//! bin/NAME                          the driver, under each name by which it was reached
//! lib/gcc/MACHINE/VERSION/…         gcc's programs, where gcc looks for them from its own place
//! lib/clang/VERSION/…               clang's resource directory
//! libexec/packed/bin/NAME           the programs themselves
//! libexec/packed/lib/NAME           the libraries that they load
//! libexec/packed/lib/rustlib/…      Rust's standard library and linker, where rustc looks from its own library's place
//! libexec/packed/ld-linux-….so.2    their loader
//! ```
//!
//! What stands in the first three places are launchers, a few lines of shell each: they find the directory by
//! their own path and run the program by the packed loader with the packed libraries. The layout below the top
//! is that of `/usr`, so a path in one is a path in the other.
//!
//! In **Brioche's layout** ([`Pack::wrapper`]) the wrapper stands at `bin/NAME`, the compiler at
//! `libexec/brioche-cc/NAME` (a link to `../../bin/.brioche-cc-orig-NAME`), and `libexec/brioche-cc/sysroot` (a
//! link) holds headers and libraries ([`Pack::sysroot`]).
//!
//! The parts are those of the compiler's identity ([`crate::toolchain`]), found as there. No path of the machine
//! gets into any file, so equal compilers give equal directories.

mod copy;
mod launcher;
mod sysroot;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::argparse::Family;
use crate::host::sandbox::{Linked, SandboxError, linked};
use crate::paths::lexical;
use crate::toolchain::{self, Frontend, Memo, Part, Request, Toolchain, ToolchainError};
use crate::world::{self, Command, Environment, Stdin, World};

pub use system::{System, system};

/// What to pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pack {
    /// Compilers, as names to be found on `PATH` or as paths.
    pub compilers: Vec<OsString>,
    /// Other programs (`ar`, `make`, …), in the same way. With `rustc`, its standard library and its linker are
    /// taken along; rustup's program of that name is no compiler.
    pub programs: Vec<OsString>,
    /// The wrapper to put before each compiler, in Brioche's layout.
    pub wrapper: Option<PathBuf>,
    /// Whether to take headers, start files and libraries along, so that links can be done.
    pub sysroot: bool,
}

/// Why something could not be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// There is no such program.
    #[error("there is no program {}{}", .0.display(), if .0.as_bytes().contains(&b'/') { "" } else { " on PATH" })]
    NoSuchProgram(OsString),
    /// What a compiler is made of cannot be told.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The directory to be made is there, with something in it.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A rustc without its standard library, as rustup's is.
    #[error(
        "{} has no standard library at {} (rustup's is no compiler; `rustc --print sysroot` tells where that is)",
        .rustc.display(), .library.display()
    )]
    NoStandardLibrary {
        /// The program.
        rustc: PathBuf,
        /// Where it should be.
        library: PathBuf,
    },
    /// What a program loads cannot be told.
    #[error(transparent)]
    Libraries(#[from] SandboxError),
    /// A compiler has its programs where a copy of it would not look for them.
    #[error("{} has its programs in {}, which is no place beside it", .driver.display(), .install.display())]
    Elsewhere {
        /// The compiler.
        driver: PathBuf,
        /// Where its programs are.
        install: PathBuf,
    },
    /// Two different libraries have one name.
    #[error("{} and {} are two libraries of one name", .0.display(), .1.display())]
    Ambiguous(PathBuf, PathBuf),
    /// The system refuses.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl PackError {
    /// For `map_err`: names the action and the path.
    fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

/// Packs compilers and programs into a directory, which is made and must be empty.
///
/// # Errors
/// When something is missing, cannot be told apart from the machine, or cannot be written.
pub fn pack(world: &dyn World, memo: &dyn Memo, into: &Path, what: &Pack) -> Result<(), PackError> {
    // What is missing is told before anything is made.
    for name in what.compilers.iter().chain(&what.programs) {
        let path = find(world, name)?;
        if is_rustc(&path) {
            sysroot::rust_library(world, &path)?;
        }
    }
    if let Some(wrapper) = &what.wrapper {
        find(world, wrapper.as_os_str())?;
    }
    let mut packer = Packer::new(world, into)?;
    for name in &what.compilers {
        packer.compiler(memo, name, what)?;
    }
    for name in &what.programs {
        let path = find(world, name)?;
        packer.plain_program(&path, &[Path::new("bin").join(path.file_name().unwrap_or_default())])?;
        if is_rustc(&path) {
            sysroot::copy_rust(&mut packer, &path)?;
        }
    }
    if what.sysroot {
        sysroot::copy(&packer)?;
    }
    if what.wrapper.is_some() && what.sysroot {
        copy::link("../../sysroot", &into.join("libexec/brioche-cc/sysroot"))?;
    }
    Ok(())
}

fn is_rustc(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "rustc")
}

/// Finds a program on `PATH`; a name with a slash is a path.
fn find(world: &dyn World, name: &OsStr) -> Result<PathBuf, PackError> {
    let is_program = |path: &PathBuf| world.stat(path).is_ok_and(|s| s.is_file() && s.mode & 0o111 != 0);
    if name.as_bytes().contains(&b'/') {
        let path = world.absolute(Path::new(name));
        return Some(path).filter(is_program).ok_or_else(|| PackError::NoSuchProgram(name.to_owned()));
    }
    let path = world.environment().get("PATH").unwrap_or(OsStr::new("/usr/bin:/bin"));
    path.as_bytes()
        .split(|b| *b == b':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| world.absolute(Path::new(OsStr::from_bytes(dir))).join(name))
        .find(is_program)
        .ok_or_else(|| PackError::NoSuchProgram(name.to_owned()))
}

/// A directory that is being packed.
struct Packer<'a> {
    world: &'a dyn World,
    into: &'a Path,
    /// What each library was copied from.
    libraries: BTreeMap<OsString, PathBuf>,
    /// What each program was copied from.
    programs: BTreeMap<OsString, PathBuf>,
    /// Where the compilers' own directories are, and below the top.
    installs: BTreeSet<(PathBuf, PathBuf)>,
}

impl<'a> Packer<'a> {
    fn new(world: &'a dyn World, into: &'a Path) -> Result<Self, PackError> {
        copy::directory(into)?;
        // What stands in a place already is left there, so two packs would mix.
        if into.read_dir().map_err(PackError::io("list", into))?.next().is_some() {
            return Err(PackError::NotEmpty(into.to_owned()));
        }
        let (libraries, programs, installs) = Default::default();
        Ok(Self { world, into, libraries, programs, installs })
    }

    fn compiler(&mut self, memo: &dyn Memo, name: &OsStr, what: &Pack) -> Result<(), PackError> {
        let driver = find(self.world, name)?;
        let toolchain = identify(self.world, memo, &driver)?;
        let real = self.world.canonicalize(&driver).map_err(PackError::io("resolve", &driver))?;
        let own = driver.file_name().unwrap_or(name).to_owned();
        let mut places = self.places(&driver);
        if let Some(wrapper) = &what.wrapper {
            let original = Path::new("bin").join(dotted(&own));
            copy::file(wrapper, &self.into.join("bin").join(&own))?;
            let link = self.into.join("libexec/brioche-cc").join(&own);
            copy::link(OsStr::from_bytes(&[b"../../", original.as_os_str().as_bytes()].concat()), &link)?;
            places.retain(|place| *place != Path::new("bin").join(&own) && place.starts_with("bin"));
            places.retain(|place| !self.into.join(place).exists());
            places.push(original);
        }
        let kind = match toolchain.compiler.family {
            Family::Gcc => launcher::Kind::Gcc,
            Family::Clang => launcher::Kind::Clang,
        };
        let parts = &toolchain.parts;
        self.program("driver", &real, parts, &places, kind)?;
        match toolchain.compiler.family {
            Family::Gcc => self.gcc_programs(&driver, &real, parts),
            Family::Clang => self.clang_directory(&driver, what.sysroot),
        }
    }

    /// Where a driver stands in the directory: at `bin/NAME` for each name by which it is reached, and at the
    /// places of these names below the same top.
    fn places(&self, driver: &Path) -> Vec<PathBuf> {
        let top = driver.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let mut places = Vec::new();
        let mut hop = driver.to_owned();
        for _ in 0..40 {
            if let Some(name) = hop.file_name() {
                places.push(Path::new("bin").join(name));
            }
            if let Ok(below) = hop.strip_prefix(top) {
                places.push(below.to_owned());
            }
            let Ok(target) = self.world.read_link(&hop) else { break };
            let parent = hop.parent().unwrap_or(Path::new("/")).join(target);
            hop = lexical(&parent);
        }
        places.sort();
        places.dedup();
        places
    }

    /// gcc's programs, in its own directory, where it finds them before it looks at `PATH`.
    fn gcc_programs(&mut self, driver: &Path, real: &Path, parts: &[Part]) -> Result<(), PackError> {
        let answer = ask(self.world, driver, "-print-search-dirs")?;
        let install = answer.lines().find_map(|line| line.strip_prefix("install: ")).unwrap_or_default();
        let install = PathBuf::from(install);
        let elsewhere = || PackError::Elsewhere { driver: driver.to_owned(), install: install.clone() };
        let top = real.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let below = lexical(&install).strip_prefix(top).map_err(|_| elsewhere())?.to_owned();
        for part in parts.iter().filter(|part| !part.name.contains(':') && part.name != "driver") {
            let Part { name, path, digest: _ } = part;
            if name == "specs" {
                return Err(elsewhere());
            }
            let mut places = vec![below.join(name)];
            if name == "as" || name == "ld" {
                places.push(Path::new("bin").join(name));
            }
            if Path::new(name).extension().is_some_and(|e| e == "so") {
                copy::file(path, &self.into.join(&below).join(name))?;
                self.add_libraries(name, parts)?;
            } else {
                let path = self.world.canonicalize(path).map_err(PackError::io("resolve", path))?;
                self.program(name, &path, parts, &places, launcher::Kind::Plain)?;
            }
        }
        self.installs.insert((install, below));
        Ok(())
    }

    /// clang's own headers and lists, where it looks for them from its own place.
    fn clang_directory(&mut self, driver: &Path, whole: bool) -> Result<(), PackError> {
        let resources = PathBuf::from(ask(self.world, driver, "-print-resource-dir")?.trim());
        let version = resources.file_name().unwrap_or_default();
        let below = Path::new("lib/clang").join(version);
        for name in if whole { &["include", "share", "lib"][..] } else { &["share"] } {
            let from = resources.join(name);
            if self.world.stat(&from).is_ok() {
                copy::tree(&from, &self.into.join(&below).join(name), &|_| true)?;
            }
        }
        Ok(())
    }

    /// A part of a compiler, with what it loads.
    fn program(
        &mut self,
        name: &str,
        path: &Path,
        parts: &[Part],
        places: &[PathBuf],
        kind: launcher::Kind,
    ) -> Result<(), PackError> {
        self.add_libraries(name, parts)?;
        let loader = parts.iter().find_map(|part| {
            let library = part.name.strip_prefix(name)?.strip_prefix(':')?;
            library.starts_with("ld-").then_some((library, part.path.as_path()))
        });
        self.launch(path, loader.map(|(name, _)| OsStr::new(name)), places, kind)
    }

    fn add_libraries(&mut self, name: &str, parts: &[Part]) -> Result<(), PackError> {
        for part in parts {
            let library = part.name.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
            if let Some(library) = library {
                self.library(OsStr::new(library), &part.path)?;
            }
        }
        Ok(())
    }

    /// Any program, with what it loads; a script is itself.
    fn plain_program(&mut self, path: &Path, places: &[PathBuf]) -> Result<(), PackError> {
        let real = self.world.canonicalize(path).map_err(PackError::io("resolve", path))?;
        match linked(self.world, &real, None)? {
            Linked::Alone => places.iter().try_for_each(|place| copy::file(&real, &self.into.join(place))),
            Linked::Dynamic { loader, libraries } => {
                let loader_name = loader.file_name().unwrap_or_default().to_owned();
                self.library(&loader_name, &loader)?;
                for (name, file) in libraries {
                    self.library(&name, &file)?;
                }
                self.launch(&real, Some(&loader_name), places, launcher::Kind::Plain)
            }
        }
    }

    /// Copies a program and puts launchers for it in places that are not taken.
    fn launch(
        &mut self,
        path: &Path,
        loader: Option<&OsStr>,
        places: &[PathBuf],
        kind: launcher::Kind,
    ) -> Result<(), PackError> {
        let Some(loader) = loader else {
            return places.iter().try_for_each(|place| copy::file(path, &self.into.join(place)));
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        while self.programs.get(&name).is_some_and(|from| from != path) {
            name.push("+");
        }
        if self.programs.insert(name.clone(), path.to_owned()).is_none() {
            copy::file(path, &self.into.join("libexec/packed/bin").join(&name))?;
        }
        let text = launcher::text(kind, loader, &name);
        places.iter().try_for_each(|place| copy::script(&text, &self.into.join(place)))
    }

    fn library(&mut self, name: &OsStr, path: &Path) -> Result<(), PackError> {
        let path = self.world.canonicalize(path).map_err(PackError::io("resolve", path))?;
        match self.libraries.get(name) {
            Some(known) if *known == path => return Ok(()),
            Some(known) => {
                let same = self.world.read(known).ok() == self.world.read(&path).ok();
                return if same { Ok(()) } else { Err(PackError::Ambiguous(known.clone(), path)) };
            }
            None => {}
        }
        let place = if name.as_bytes().starts_with(b"ld-") { "libexec/packed" } else { "libexec/packed/lib" };
        copy::file(&path, &self.into.join(place).join(name))?;
        self.libraries.insert(name.to_owned(), path);
        Ok(())
    }
}

/// What a compiler is made of, C++ too where it can that, and the linker.
fn identify(world: &dyn World, memo: &dyn Memo, driver: &Path) -> Result<Toolchain, PackError> {
    let name = driver.file_name().unwrap_or_default();
    let cxx = name.as_bytes().windows(2).any(|two| two == b"++");
    let ask = |frontends: &[Frontend]| {
        let request =
            Request { driver, argv0: driver.as_os_str(), cxx, options: &[], frontends, links: true };
        toolchain::identify(world, memo, &request)
    };
    match ask(&[Frontend::C, Frontend::Cxx]) {
        Err(ToolchainError::MissingPart(_)) => Ok(ask(&[Frontend::C])?),
        other => Ok(other?),
    }
}

/// What a compiler says of itself.
fn ask(world: &dyn World, driver: &Path, question: &str) -> Result<String, PackError> {
    let command = Command {
        program: driver.to_owned(),
        argv0: None,
        args: vec![question.into()],
        environment: Environment::new(vec![(
            "PATH".into(),
            world.environment().get("PATH").unwrap_or_default().to_owned(),
        )]),
        cwd: "/".into(),
        stdin: Stdin::Empty,
        terminal: false,
    };
    let (_, out, _) = world::output(world, &command).map_err(PackError::io("run", driver))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The name of the compiler behind the wrapper.
fn dotted(name: &OsStr) -> OsString {
    let mut dotted = OsString::from(".brioche-cc-orig-");
    dotted.push(name);
    dotted
}
