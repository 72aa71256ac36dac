//! Any content of a response file is split into arguments, files that name themselves included.
#![no_main]

use std::ffi::OsString;
use std::path::Path;

use bakeplan::argparse::{compiler_from_name, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let args = ["-c", "@file", "a.c"].map(OsString::from);
    let content = |path: &Path| (path == "file").then(|| data.to_vec());
    for name in ["gcc", "clang"] {
        let compiler = compiler_from_name(name.as_ref()).expect("a compiler's name");
        let invocation = parse(&compiler, &args, &content);
        let Some((last, before)) = invocation.args.split_last() else { panic!("all arguments are gone") };
        assert!(last.tokens.iter().any(|token| token == "a.c"), "{before:?} swallowed {last:?}");
    }
});
