//! Family and version of a driver.

use super::error::ToolchainError;
use super::probe;
use super::request::Request;
use crate::argparse::{Compiler, Family, Version};
use crate::world::World;

/// What the driver says that it is. The request's options have no say in it.
///
/// # Errors
/// [`ToolchainError::UnknownFamily`]; [`ToolchainError::Probe`] when the driver does not answer.
pub(super) fn compiler(world: &dyn World, request: &Request<'_>) -> Result<Compiler, ToolchainError> {
    let driver = request.program();
    let banner = probe::ask(world, driver, &[], &["--version"])?.out;
    let banner = String::from_utf8_lossy(&banner);
    let family = family(&banner).ok_or_else(|| ToolchainError::UnknownFamily(driver.path.to_owned()))?;
    let version = match family {
        Family::Clang => after_words(&banner),
        Family::Gcc => {
            // From gcc 7 on the first option gives all numbers; before, only the second is known.
            let question = ["-dumpfullversion", "-dumpversion"];
            let numbers = probe::ask(world, driver, &[], &question)?.out;
            numbers_of(&String::from_utf8_lossy(&numbers))
        }
    };
    Ok(Compiler { family, cxx: request.cxx, version: version.unwrap_or_default() })
}

fn family(banner: &str) -> Option<Family> {
    if banner.contains("clang version ") {
        Some(Family::Clang)
    } else if banner.contains("Free Software Foundation") {
        Some(Family::Gcc)
    } else {
        None
    }
}

fn after_words(banner: &str) -> Option<Version> {
    banner.split_once("clang version ").and_then(|(_, rest)| numbers_of(rest))
}

/// The numbers that a text begins with: `14.0.6`, `12`, `19.1.7 (3~deb12u1)`, `22.0.0git`.
fn numbers_of(text: &str) -> Option<Version> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some(Version(major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}
