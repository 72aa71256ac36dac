//! The parts of a gcc, found by asking the driver with the request's own options.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::driver::Driver;
use super::error::ToolchainError;
use super::probe::{self, Program, after, ask_path};
use super::request::Request;
use super::search::{self, is_program, watch_prefixes};
use super::survey::Survey;
use super::{config, libraries};

/// `collect2` takes these before `ld`, from the driver's directories alone.
const LINKERS_BEFORE: [&str; 2] = ["real-ld", "collect-ld"];

/// Adds every part that serves the request.
///
/// # Errors
/// A part that the request needs is missing or cannot be identified.
pub(super) fn survey(
    survey: &mut Survey<'_>,
    request: &Request<'_>,
    driver: &Driver,
) -> Result<(), ToolchainError> {
    let gcc = Gcc::new(survey, request)?;
    search::watch_missing_prefixes(survey, request.options);
    gcc.specs(survey)?;
    let mut frontends: Vec<_> = request.frontends.iter().filter_map(|f| f.program()).collect();
    frontends.sort_unstable();
    frontends.dedup();
    for frontend in frontends {
        gcc.program(survey, frontend)?;
    }
    gcc.program(survey, "as")?;
    if request.links {
        for name in ["collect2", "lto-wrapper", "lto1"] {
            gcc.program_if_there(survey, name)?;
        }
        gcc.linker(survey)?;
        gcc.plugin(survey, driver)?;
    }
    Ok(())
}

struct Gcc<'a> {
    driver: Program<'a>,
    options: &'a [OsString],
    machine: String,
    programs: Vec<Vec<u8>>,
    libraries: Vec<Vec<u8>>,
    install: PathBuf,
}

impl<'a> Gcc<'a> {
    fn new(survey: &Survey<'_>, request: &Request<'a>) -> Result<Self, ToolchainError> {
        let (driver, options) = (request.program(), request.options);
        let question = "-print-search-dirs";
        let answer = probe::ask(survey.world, driver, options, &[question])?.out;
        let list = |label| {
            let value = after(&answer, label).next();
            let dirs = value.map(|list| list.as_bytes().split(|b| *b == b':').map(<[u8]>::to_vec).collect());
            dirs.ok_or_else(|| probe::failed(driver.path, &[question.into()], format!("no {label:?} in it")))
        };
        let machine = ask_path(survey.world, driver, options, "-dumpmachine")?;
        Ok(Self {
            driver,
            options,
            machine: machine.to_string_lossy().into_owned(),
            programs: list("programs: =")?,
            libraries: list("libraries: =")?,
            install: after(&answer, "install: ").next().map(PathBuf::from).unwrap_or_default(),
        })
    }

    fn ask(&self, survey: &Survey<'_>, question: &str) -> Result<PathBuf, ToolchainError> {
        ask_path(survey.world, self.driver, self.options, question)
    }

    /// Finds a program, as the driver finds it; `None` when it is only a name and not on `PATH`.
    fn find(&self, survey: &mut Survey<'_>, name: &str) -> Result<Option<PathBuf>, ToolchainError> {
        let given = self.ask(survey, &format!("-print-prog-name={name}"))?;
        let only_a_name = !given.as_os_str().as_bytes().contains(&b'/');
        let found = (!only_a_name).then(|| survey.world.absolute(&given));
        // Debian's gcc tries the name with the machine before it first.
        let with_machine = format!("{}-{name}", self.machine);
        watch_prefixes(survey, &self.programs, &[&with_machine, name], found.as_deref());
        match found {
            None => Ok(search::on_path(survey, &given).ok()),
            found => Ok(found),
        }
    }

    fn program(&self, survey: &mut Survey<'_>, name: &str) -> Result<(), ToolchainError> {
        if self.program_if_there(survey, name)? {
            return Ok(());
        }
        Err(ToolchainError::MissingPart(name.to_owned()))
    }

    fn program_if_there(&self, survey: &mut Survey<'_>, name: &str) -> Result<bool, ToolchainError> {
        let Some(path) = self.find(survey, name)? else { return Ok(false) };
        libraries::add_program(survey, name, &path)?;
        Ok(true)
    }

    fn linker(&self, survey: &mut Survey<'_>) -> Result<(), ToolchainError> {
        for name in LINKERS_BEFORE {
            watch_prefixes(survey, &self.programs, &[name], None);
            for prefix in &self.programs {
                let candidate = [prefix, name.as_bytes()].concat();
                let candidate = PathBuf::from(OsStr::from_bytes(&candidate));
                if survey.look(&candidate).is_some_and(|stat| is_program(&stat)) {
                    return libraries::add_program(survey, "ld", &candidate).map(drop);
                }
            }
        }
        let chosen = self.options.iter().rev().find_map(|o| o.to_str()?.strip_prefix("-fuse-ld="));
        let name = chosen.map_or_else(|| "ld".to_owned(), |chosen| format!("ld.{chosen}"));
        let missing = || ToolchainError::MissingPart(name.clone());
        let path = self.find(survey, &name)?.ok_or_else(missing)?;
        libraries::add_program(survey, "ld", &path).map(drop)
    }

    fn plugin(&self, survey: &mut Survey<'_>, driver: &Driver) -> Result<(), ToolchainError> {
        let name = "liblto_plugin.so";
        let path = self.ask(survey, &format!("-print-file-name={name}"))?;
        let found = path.is_absolute().then_some(path.as_path());
        watch_prefixes(survey, &self.libraries, &[name], found);
        found.map_or(Ok(()), |path| libraries::add_plugin(survey, name, path, driver.interpreter.as_deref()))
    }

    /// The file `specs` where gcc looks for one, those that the options name, and those that they
    /// include.
    fn specs(&self, survey: &mut Survey<'_>) -> Result<(), ToolchainError> {
        let mut pending: Vec<PathBuf> = vec![self.install.join("../specs")];
        // What is found nowhere is taken from the working directory, but not this one.
        let unasked = self.specs_file(survey, OsStr::new("specs"))?;
        pending.extend(Some(unasked).filter(|path| *path != survey.world.absolute(Path::new("specs"))));
        for name in named_specs(self.options) {
            pending.push(self.specs_file(survey, &name)?);
        }
        let mut done = Vec::new();
        while let Some(path) = pending.pop() {
            if !survey.look(&path).is_some_and(|stat| stat.is_file()) || done.contains(&path) {
                continue;
            }
            survey.add("specs", &path)?;
            for name in config::specs_includes(survey.world, &path)? {
                pending.push(self.specs_file(survey, &name)?);
            }
            done.push(path);
        }
        Ok(())
    }

    fn specs_file(&self, survey: &mut Survey<'_>, name: &OsStr) -> Result<PathBuf, ToolchainError> {
        let mut question = OsString::from("-print-file-name=");
        question.push(name);
        let options: Vec<_> = self.options.iter().cloned().chain([question]).collect();
        let mut out = probe::ask(survey.world, self.driver, &options, &[])?.out;
        out.truncate(out.iter().position(|b| *b == b'\n').unwrap_or(out.len()));
        let path = survey.world.absolute(Path::new(OsStr::from_bytes(&out)));
        if let Some(name) = name.to_str().filter(|name| !name.contains('/')) {
            watch_prefixes(survey, &self.libraries, &[name], Some(&path));
        }
        Ok(path)
    }
}

fn named_specs(options: &[OsString]) -> Vec<OsString> {
    let mut names = Vec::new();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let bytes = option.as_bytes();
        if let Some(name) = bytes.strip_prefix(b"-specs=").or_else(|| bytes.strip_prefix(b"--specs=")) {
            names.push(OsStr::from_bytes(name).to_owned());
        } else if bytes == b"-specs" || bytes == b"--specs" {
            names.extend(rest.next().cloned());
        }
    }
    names
}
