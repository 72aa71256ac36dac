//! Any command line (arguments with NULs between them) is parsed, and parsed alike when it is put
//! together again from what was parsed.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use bakeplan::argparse::{compiler_from_name, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let args: Vec<OsString> = data.split(|byte| *byte == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect();
    let no_files = |_: &Path| None;
    for name in ["gcc", "g++", "clang", "clang++"] {
        let compiler = compiler_from_name(name.as_ref()).expect("a compiler's name");
        let invocation = parse(&compiler, &args, &no_files);
        let tokens: Vec<OsString> = invocation.args.iter().flat_map(|arg| arg.tokens.clone()).collect();
        let again = parse(&compiler, &tokens, &no_files);
        assert_eq!(format!("{again:?}"), format!("{invocation:?}"));
    }
});
