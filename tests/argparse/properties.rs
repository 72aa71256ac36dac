//! What holds for any arguments.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Instant;

use bakeplan::argparse::{Invocation, parse};
use proptest::prelude::*;

use super::support::{corpus_compiler, words};

const TOOLS: [&str; 4] = ["gcc", "g++", "clang", "clang++"];

/// The command line again.
fn argv(invocation: &Invocation) -> Vec<OsString> {
    invocation.args.iter().flat_map(|arg| arg.tokens.clone()).collect()
}

/// Arguments that often mean something.
fn argument() -> impl Strategy<Value = OsString> {
    let spelling = prop::sample::select(vec![
        "-c",
        "-S",
        "-E",
        "-o",
        "x.o",
        "a.c",
        "b.cpp",
        "s.S",
        "-x",
        "c",
        "none",
        "-MD",
        "-MF",
        "-MT",
        "-Wp,-MD,x",
        "-Wp,",
        "-Wl,",
        "-Wa,",
        "-Wl,-z",
        "-Xclang",
        "-Xlinker",
        "-Xpreprocessor",
        "-Xassembler",
        "-include",
        "-dumpdir",
        "-dumpbase",
        "",
        "-dumpbase-ext",
        ".c",
        "--",
        "-",
        "-fno-",
        "-f",
        "-m",
        "-g",
        "@x",
        "--param",
        "-save-temps=obj",
        "-gsplit-dwarf",
        "-foo",
        "--driver-mode=g++",
        ".",
        "/",
        "a/",
        "-O",
        "-W",
        "-Wno-",
    ]);
    prop_oneof![
        4 => spelling.prop_map(OsString::from),
        1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(OsString::from_vec),
        1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(|mut bytes| {
            bytes.insert(0, b'-');
            OsString::from_vec(bytes)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_to_argv_to_parse_is_the_identity(args in prop::collection::vec(argument(), 0..12), tool in 0..4_usize) {
        let first = words(TOOLS[tool], &args);
        prop_assert_eq!(argv(&first), args);
        let again = words(TOOLS[tool], &argv(&first));
        prop_assert_eq!(format!("{first:?}"), format!("{again:?}"));
    }

    #[test]
    fn response_files_of_any_bytes_are_read(content in prop::collection::vec(any::<u8>(), 0..64), tool in 0..4_usize) {
        let args: Vec<OsString> = vec!["-c".into(), "@x".into()];
        let _ = parse(&corpus_compiler(TOOLS[tool]), &args, &|_: &Path| Some(content.clone()));
    }
}

/// Not a measurement: a bound that only a wrong kind of lookup breaks, even without optimization.
#[test]
fn sixty_arguments_take_no_time() {
    let options = "-c -o d/x.o d/x.c -MD -MF d/x.d -O2 -g -Wall -Wextra -Wno-unused -fPIC -fno-strict-aliasing \
        -fvisibility=hidden -march=x86-64 -mno-sse4.2 -DNDEBUG -Iinc -isystem sys -std=gnu11 -fstack-protector-strong";
    let mut args: Vec<OsString> = options.split_whitespace().map(OsString::from).collect();
    args.extend((0..60 - args.len()).map(|number| OsString::from(format!("-DMACRO_{number}=1"))));
    let batch = || {
        let start = Instant::now();
        for _ in 0..20 {
            assert!(words("gcc", &args).refusals.is_empty());
        }
        start.elapsed() / 20
    };
    let each = (0..100).map(|_| batch()).min().expect("a hundred");
    eprintln!("{each:?} for 60 arguments");
    assert!(each.as_micros() < 1000, "{each:?}");
}
