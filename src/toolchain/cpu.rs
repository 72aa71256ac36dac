//! What `-march=native` and `-mtune=native` mean here.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::encoding::Encoding;
use crate::world::World;

/// The lines of `/proc/cpuinfo` that tell one kind of processor from another (x86, then Arm, then
/// others); the rest counts, measures or changes over time.
const KINDS: [&str; 18] = [
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "stepping",
    "cache size",
    "flags",
    "Features",
    "CPU implementer",
    "CPU architecture",
    "CPU variant",
    "CPU part",
    "CPU revision",
    "isa",
    "cpu",
    "machine",
    "revision",
    "uarch",
];

/// What a compiler can see of this machine's processors: two machines with the same answer get the same
/// code for `-march=native`. Processors of several kinds in one machine all count.
///
/// # Errors
/// When `/proc/cpuinfo` cannot be read or says nothing: then `native` cannot be told.
pub fn cpu_identity(world: &dyn World) -> io::Result<Vec<u8>> {
    let text = world.read(Path::new("/proc/cpuinfo"))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = BTreeSet::new();
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(':')
            && KINDS.contains(&key.trim())
        {
            lines.insert(format!("{}: {}", key.trim(), value.trim()));
        }
    }
    if lines.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no processor in /proc/cpuinfo"));
    }
    // gcc passes the sizes of the caches on (`--param=l1-cache-size=`, …).
    let cache = Path::new("/sys/devices/system/cpu/cpu0/cache");
    for index in 0..8 {
        for what in ["level", "type", "size", "coherency_line_size"] {
            let file: PathBuf = cache.join(format!("index{index}")).join(what);
            if let Ok(value) = world.read(&file) {
                lines.insert(format!("cache {index} {what}: {}", String::from_utf8_lossy(&value).trim()));
            }
        }
    }
    let mut encoding = Encoding::new("bakeplan processors 1");
    for line in lines {
        encoding.field(line.as_bytes());
    }
    Ok(encoding.bytes().to_vec())
}
