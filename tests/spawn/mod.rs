//! Compiles as recipes of their own, over a real socket and the real server loop.

mod crates;
mod host;
mod layout;
mod links;
mod lints;
mod macros;
mod mapping;
mod natives;
mod prefix;
mod spared;
mod trees;
mod words;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use bakeplan::host::{Options, Server, serve};

use crate::support::WRAPPER;
pub use host::{Engine, Outer, Trouble};

/// An outer process: its home, with a work directory, a toolchain in Brioche's layout, and its socket.
pub struct Process {
    directory: tempfile::TempDir,
    _server: Server,
    pub engine: &'static Engine,
}

/// The engine of one test.
pub fn engine() -> &'static Engine {
    let directory = tempfile::tempdir().unwrap().keep();
    Box::leak(Box::new(Engine::new(directory)))
}

impl Process {
    /// With the real compiler of this name behind the wrapper.
    pub fn new(engine: &'static Engine, compiler: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        let toolchain = home.join("toolchain");
        for name in ["home/work", "home/toolchain/bin", "home/toolchain/libexec/brioche-cc", "tmp", "s"] {
            std::fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        let libexec = toolchain.join("libexec/brioche-cc");
        std::os::unix::fs::symlink("/", libexec.join("sysroot")).unwrap();
        // What is written now can't be run while another test starts a program.
        let wrapper = toolchain.join("bin").join(compiler);
        std::fs::hard_link(WRAPPER, &wrapper)
            .or_else(|_| std::fs::copy(WRAPPER, &wrapper).map(drop))
            .unwrap();
        // A compiler finds its programs from where it stands, which is not here.
        let real = libexec.join(compiler);
        std::fs::write(&real, format!("#!/bin/sh\nexec /usr/bin/{compiler} \"$@\"\n")).unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o755)).unwrap();
        let temp = directory.path().join("tmp");
        let outer = Outer { engine, toolchain, wrappers: None, home, temp };
        let server = serve(Options::new(directory.path().join("s/host")), Arc::new(outer)).unwrap();
        Self { directory, _server: server, engine }
    }

    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    pub fn work(&self) -> PathBuf {
        self.home().join("work")
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.work().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The wrapper in its layout, `HOME` in arguments filled in; not started yet.
    pub fn command(&self, line: &str) -> Command {
        let line = line.replace("HOME", self.home().to_str().unwrap());
        let mut words = line.split_whitespace();
        let compiler = words.next().unwrap();
        let mut command = Command::new(self.home().join("toolchain/bin").join(compiler));
        command
            .args(words)
            .current_dir(self.work())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home())
            .env("TMPDIR", self.directory.path().join("tmp"))
            .env("BRIOCHE_CC_LOG", self.directory.path().join("log"))
            .env("BRIOCHE_HOST_SOCKET_PATH", self.directory.path().join("s/host"))
            .env("BRIOCHE_CC_SPAWN_RECIPES", "1");
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    #[track_caller]
    pub fn ok(&self, line: &str) {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{line}: {said}\n{}", self.log());
        assert_eq!(self.left(), [""; 0], "{line}");
    }

    /// What stands in the directory for temporary files.
    pub fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}
