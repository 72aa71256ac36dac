//! The configuration: nothing but the environment.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::planner::roots::Roots;
use crate::store::{Options, Store, StoreError};
use crate::world::{Environment, World};

/// What the environment configures; see the README's table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of the environment")]
pub struct Config {
    /// `BRIOCHE_CC_DIR` or its default; `None` where no variable says where a home is.
    pub dir: Option<PathBuf>,
    /// `BRIOCHE_CC_MAX_SIZE`, bytes.
    pub max_size: u64,
    /// `BRIOCHE_CC_DISABLE`.
    pub disable: bool,
    /// `BRIOCHE_CC_READONLY`.
    pub read_only: bool,
    /// `BRIOCHE_CC_SEMANTIC`.
    pub semantic: bool,
    /// `BRIOCHE_CC_VERIFY`.
    pub verify: bool,
    /// `BRIOCHE_CC_BASE_DIRS`.
    pub base_dirs: Roots,
    /// Whether lookups that failed are looked up again before a direct hit. No variable switches that off:
    /// tests do, to see that they would notice.
    #[doc(hidden)]
    pub absences: bool,
    /// `BRIOCHE_HOST_SOCKET_PATH`, where `BRIOCHE_CC_SPAWN_RECIPES` says that it is to be used.
    pub host: Option<PathBuf>,
    /// `BRIOCHE_CC_LOG`.
    pub log: Option<PathBuf>,
    /// Values that were not understood, each as a line; their defaults hold.
    pub complaints: Vec<String>,
}

/// The default of `BRIOCHE_CC_MAX_SIZE`.
const DEFAULT_SIZE: u64 = 10 << 30;

impl Config {
    /// Reads the configuration.
    #[must_use]
    pub fn read(world: &dyn World) -> Self {
        let environment = world.environment();
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let mut complaints = Vec::new();
        let max_size = set("BRIOCHE_CC_MAX_SIZE").map_or(DEFAULT_SIZE, |value| {
            value.to_str().and_then(parse_size).unwrap_or_else(|| {
                complaints
                    .push(format!("BRIOCHE_CC_MAX_SIZE={} is no size, as 500M or 10G are", value.display()));
                DEFAULT_SIZE
            })
        });
        let mut switch = |name: &str, default: bool| {
            set(name).map_or(default, |value| {
                parse_switch(value).unwrap_or_else(|| {
                    complaints.push(format!("{name}={} is neither 1 nor 0", value.display()));
                    default
                })
            })
        };
        let (disable, read_only) =
            (switch("BRIOCHE_CC_DISABLE", false), switch("BRIOCHE_CC_READONLY", false));
        let (semantic, verify) = (switch("BRIOCHE_CC_SEMANTIC", true), switch("BRIOCHE_CC_VERIFY", false));
        let (base_dirs, unusable) = set("BRIOCHE_CC_BASE_DIRS").map(Roots::parse).unwrap_or_default();
        let unusable = unusable.iter().map(|entry| {
            format!("BRIOCHE_CC_BASE_DIRS: {entry} is not the plain, absolute name of a directory")
        });
        complaints.extend(unusable);
        Self {
            base_dirs,
            dir: directory(environment).map(|dir| world.absolute(&dir)),
            max_size,
            disable,
            read_only,
            semantic,
            verify,
            absences: true,
            host: set("BRIOCHE_HOST_SOCKET_PATH").filter(|_| spawns(environment)).map(PathBuf::from),
            log: set("BRIOCHE_CC_LOG").map(|path| world.absolute(path.as_ref())),
            complaints,
        }
    }
}

/// The store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing says where it is.
    #[error("none of BRIOCHE_CC_DIR, XDG_CACHE_HOME and HOME is set: there is no place for a store")]
    NoDirectory,
    /// It can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Config {
    /// Opens the store.
    ///
    /// # Errors
    /// When nothing says where it is, or it can't be used.
    pub fn open_store(&self) -> Result<Store, ConfigError> {
        let Self { dir, max_size, read_only, .. } = self;
        let dir = dir.clone().ok_or(ConfigError::NoDirectory)?;
        Ok(Store::open(Options { dir, max_size: *max_size, read_only: *read_only })?)
    }
}

fn directory(environment: &Environment) -> Option<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || set("HOME").map(|home| home.join(".cache"));
    set("BRIOCHE_CC_DIR").or_else(|| cache().or_else(home).map(|cache| cache.join("brioche-cc")))
}

/// Unlike other switches, this one is off unless it is on in one of three ways.
fn spawns(environment: &Environment) -> bool {
    let value = environment.get("BRIOCHE_CC_SPAWN_RECIPES").and_then(OsStr::to_str);
    matches!(value, Some("1" | "true" | "on"))
}

fn parse_switch(value: &OsStr) -> Option<bool> {
    match value.to_str()?.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Some(true),
        "0" | "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// `10G`, `500M`, `2.5GiB`, `1000000`: powers of 1024.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    match number.split_once('.') {
        None => number.parse::<u64>().ok()?.checked_mul(1 << shift),
        Some((whole, fraction)) => {
            let fraction = fraction.get(..fraction.len().min(6))?;
            let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
            let part = fraction.parse::<u64>().ok()?.checked_mul(1 << shift)? / scale;
            whole.parse::<u64>().ok()?.checked_mul(1 << shift)?.checked_add(part)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::ScriptedWorld;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("10G"), Some(10 << 30));
        assert_eq!(parse_size("1.5 MiB"), Some(3 << 19));
        assert_eq!(parse_size("4096"), Some(4096));
        assert_eq!(parse_size("64kb"), Some(64 << 10));
        assert_eq!(parse_size("10GB"), Some(10 << 30));
        assert_eq!(parse_size("10GiB"), Some(10 << 30));
        assert_eq!(parse_size("10 G"), Some(10 << 30));
        for bad in ["", "G", "-1", "10X", "1e3", "99999999999999999999"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_directory_follows_the_precedence() {
        let nowhere = Config::read(&ScriptedWorld::new("/w"));
        assert!(matches!(nowhere.open_store(), Err(ConfigError::NoDirectory)));
        let world = ScriptedWorld::new("/w").variable("HOME", "/h");
        assert_eq!(Config::read(&world).dir, Some(PathBuf::from("/h/.cache/brioche-cc")));
        let world = world.variable("XDG_CACHE_HOME", "/x");
        assert_eq!(Config::read(&world).dir, Some(PathBuf::from("/x/brioche-cc")));
        let world = world.variable("BRIOCHE_CC_DIR", "here");
        assert_eq!(Config::read(&world).dir, Some(PathBuf::from("/w/here")));
    }

    #[test]
    fn what_is_not_understood_is_said_and_the_default_holds() {
        let config = Config::read(&ScriptedWorld::new("/w").variable("BRIOCHE_CC_MAX_SIZE", "lots"));
        assert_eq!(config.max_size, DEFAULT_SIZE);
        assert_eq!(config.complaints, ["BRIOCHE_CC_MAX_SIZE=lots is no size, as 500M or 10G are"]);
        let switched = |value| Config::read(&ScriptedWorld::new("/w").variable("BRIOCHE_CC_SEMANTIC", value));
        for (value, semantic) in [("yes", true), ("0", false), ("Off", false), ("", true), ("2", true)] {
            assert_eq!(switched(value).semantic, semantic, "{value}");
        }
        assert_eq!(switched("2").complaints, ["BRIOCHE_CC_SEMANTIC=2 is neither 1 nor 0"]);
        assert_eq!(switched("yes").complaints, [""; 0]);
    }
}
