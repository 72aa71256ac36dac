//! The parts of a clang. The driver is the compiler and mostly the assembler too; what it runs beside
//! itself it says when it is asked with `-###`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::driver::Driver;
use super::error::ToolchainError;
use super::probe::{self, after, ask, ask_path};
use super::request::Request;
use super::survey::Survey;
use super::{config, libraries, search};

/// The lists that clang takes by itself under `-fsanitize=`, in its resource directory.
const LISTS: [&str; 8] = [
    "asan_ignorelist.txt",
    "cfi_ignorelist.txt",
    "dfsan_abilist.txt",
    "hwasan_ignorelist.txt",
    "memtag_ignorelist.txt",
    "msan_ignorelist.txt",
    "tysan_ignorelist.txt",
    "ubsan_ignorelist.txt",
];

/// Other drivers, which clang calls for some targets: what those run is not known.
const DRIVERS: [&str; 4] = ["gcc", "g++", "cc", "clang"];

/// Where clang reads which distribution it is on: some have other defaults.
const DISTRIBUTION: [&str; 6] = [
    "/etc/SuSE-release",
    "/etc/debian_version",
    "/etc/lsb-release",
    "/etc/os-release",
    "/etc/redhat-release",
    "/usr/lib/os-release",
];

/// A configuration file that nobody has: asked for it, clang says where it looks.
const NO_SUCH_FILE: &str = "bakeplan-asks-where.cfg";

/// How clang says so, behind its own name.
const SEARCHED_IN: &str = "was searched for in the directory: ";

/// Adds every part that serves the request.
///
/// # Errors
/// A part that the request needs is missing or cannot be identified.
pub(super) fn survey(
    survey: &mut Survey<'_>,
    request: &Request<'_>,
    driver: &Driver,
) -> Result<(), ToolchainError> {
    let Request { options, links, .. } = *request;
    let program = request.program();
    let compile = ["-###", "-x", "c", "-c", "/dev/null", "-o", "/dev/null"];
    let link = ["-###", "-x", "c", "/dev/null", "-o", "/dev/null"];
    let plan = ask(survey.world, program, options, if links { &link } else { &compile })?.err;
    let target = after(&plan, "Target: ").next().unwrap_or_default().to_string_lossy().into_owned();

    search::watch_missing_prefixes(survey, options);
    configuration(survey, request, &plan, &target)?;
    for command in plan.split(|b| *b == b'\n').filter_map(quoted) {
        programs(survey, request, driver, &command, &target)?;
    }
    let resources = ask_path(survey.world, program, options, "-print-resource-dir")?;
    let lists = LISTS.map(|list| resources.join("share").join(list));
    for file in lists.into_iter().chain(DISTRIBUTION.map(PathBuf::from)) {
        if survey.look(&file).is_some_and(|stat| stat.is_file()) {
            survey.add(&file.file_name().unwrap_or_default().to_string_lossy(), &file)?;
        }
    }
    Ok(())
}

/// Adds the configuration files that were read, and watches the places where one could be.
fn configuration(
    survey: &mut Survey<'_>,
    request: &Request<'_>,
    plan: &[u8],
    target: &str,
) -> Result<(), ToolchainError> {
    let mut pending: Vec<_> = after(plan, "Configuration file: ").map(PathBuf::from).collect();
    pending.reverse();
    let mut done = Vec::new();
    while let Some(file) = pending.pop() {
        if done.contains(&file) || survey.look(&file).is_none() {
            continue;
        }
        survey.add("configuration", &file)?;
        pending.extend(config::clang_includes(survey.world, &file)?);
        done.push(file);
    }
    let places: Vec<_> =
        request.options.iter().filter(|o| o.as_bytes().starts_with(b"--config-")).cloned().collect();
    let answer = probe::ask_anyway(
        survey.world,
        request.program(),
        &places,
        &["--config", NO_SUCH_FILE, "--version"],
    )?;
    let said = String::from_utf8_lossy(&answer.err);
    for (_, directory) in said.lines().filter_map(|line| line.split_once(SEARCHED_IN)) {
        for name in configuration_names(request.argv0, target) {
            survey.look(&Path::new(directory).join(name));
        }
    }
    Ok(())
}

/// What a default configuration file can be called (clang's manual, "Configuration files"): by target and
/// mode from version 16 on, by what stands before `clang` in the driver's name in all of them.
fn configuration_names(argv0: &OsStr, target: &str) -> Vec<String> {
    let own = Path::new(argv0).file_name().unwrap_or_default().to_string_lossy();
    let prefix = own.split_once("-clang").map(|(prefix, _)| prefix).filter(|prefix| *prefix != target);
    let mut names = vec!["clang.cfg".to_owned(), "clang++.cfg".to_owned()];
    for prefix in [Some(target), prefix].into_iter().flatten() {
        names.extend(["-clang.cfg", "-clang++.cfg", ".cfg"].map(|end| format!("{prefix}{end}")));
    }
    names
}

/// Adds the program of a command, unless it is the driver itself, and the plugins that it is given.
fn programs(
    survey: &mut Survey<'_>,
    request: &Request<'_>,
    driver: &Driver,
    command: &[OsString],
    target: &str,
) -> Result<(), ToolchainError> {
    let Some(program) = command.first().map(Path::new) else { return Ok(()) };
    let own = survey.world.stat(&driver.canonical).ok();
    if own.zip(survey.world.stat(program).ok()).is_some_and(|(own, its)| own.same_content(&its)) {
        return Ok(());
    }
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = name.strip_prefix(&format!("{target}-")).unwrap_or(&name).to_owned();
    if DRIVERS.iter().any(|driver| plain == *driver || plain.ends_with(&format!("-{driver}"))) {
        return Err(ToolchainError::Delegates { driver: request.driver.to_owned(), to: program.to_owned() });
    }
    let found = search::resolve(survey, program)?;
    let prefixes = program_prefixes(survey, request)?;
    // Clang takes the name with the target before it wherever it is, and only then the plain one.
    search::watch_prefixes(survey, &prefixes, &[&format!("{target}-{plain}")], Some(&found));
    search::watch_prefixes(survey, &prefixes, &[&plain], Some(&found));
    let facts = libraries::add_program(survey, &plain, &found)?;
    for pair in command.windows(2) {
        if let [option, plugin] = pair
            && option == "-plugin"
        {
            let loader = facts.interpreter();
            libraries::add_plugin(survey, &format!("{plain} plugin"), Path::new(plugin), loader.as_deref())?;
        }
    }
    Ok(())
}

/// Where clang looks for programs: `-B`, `COMPILER_PATH`, its own places, `PATH`.
fn program_prefixes(survey: &Survey<'_>, request: &Request<'_>) -> Result<Vec<Vec<u8>>, ToolchainError> {
    let world = survey.world;
    let mut prefixes = search::option_prefixes(request.options);
    // A `-B` may be a directory, or the beginning of a name.
    let directories: Vec<_> = prefixes.iter().map(|p| [p.as_slice(), b"/"].concat()).collect();
    prefixes.extend(directories);
    let question = ["-print-search-dirs"];
    let answer = ask(world, request.program(), request.options, &question)?.out;
    let mut lists = search::entries(world, world.environment().get("COMPILER_PATH"));
    lists.extend(search::entries(world, after(&answer, "programs: =").next()));
    lists.extend(search::path(world));
    prefixes.extend(lists.into_iter().map(|directory| {
        let mut bytes = directory.into_os_string().into_vec();
        bytes.push(b'/');
        bytes
    }));
    Ok(prefixes)
}

/// The words of a command as `-###` prints it: ` "word" "word"`, with a backslash before `"`, `\` and
/// `$`. `None` for a line that is no command.
fn quoted(line: &[u8]) -> Option<Vec<OsString>> {
    let mut rest = line.strip_prefix(b" ")?.iter().copied();
    let mut words = Vec::new();
    while rest.next()? == b'"' {
        let mut word = Vec::new();
        loop {
            match rest.next()? {
                b'"' => break,
                b'\\' => word.push(rest.next()?),
                byte => word.push(byte),
            }
        }
        words.push(OsString::from_vec(word));
        match rest.next() {
            Some(b' ') => {}
            _ => return Some(words),
        }
    }
    None
}
