//! Any bytes of a manifest are one or none; one that is read is written back as the same.
#![no_main]

use bakeplan::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(manifest) = Manifest::decode(data) else { return };
    for version in manifest.versions() {
        if let Some(seen) = version.seen() {
            let _ = seen.files().count();
        }
    }
    let written = manifest.encode();
    assert_eq!(Manifest::decode(&written), Some(manifest));
});
