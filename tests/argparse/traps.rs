//! The mistakes that compile caches made with command lines, one test each. The numbers are those of the
//! list of traps.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use bakeplan::argparse::{Debug, Family, Invocation, Mode, OutputKind, Role, compiler_from_name, parse};

use super::support::{corpus_compiler, line, reader, show, tokens, words};

fn dependencies(invocation: &Invocation) -> String {
    invocation.sources[0].dependencies.as_ref().map(|file| show(&file.path)).unwrap_or_default()
}

fn output(invocation: &Invocation, kind: OutputKind) -> Option<String> {
    let outputs = &invocation.sources.first()?.outputs;
    outputs.iter().find(|output| output.kind == kind).map(|output| show(&output.path))
}

fn object(invocation: &Invocation) -> Option<String> {
    output(invocation, OutputKind::Object)
}

fn role(invocation: &Invocation, token: &str) -> Role {
    invocation.args.iter().find(|arg| arg.tokens[0] == token).expect(token).role
}

#[test]
fn t01_the_kernels_dependency_files() {
    for tool in ["gcc", "clang"] {
        let kernel = line(tool, "-Wp,-MD,d/.a.o.d -c -o d/a.o a.c");
        assert_eq!(dependencies(&kernel), "d/.a.o.d", "{tool}");
        assert_eq!(role(&kernel, "-Wp,-MD,d/.a.o.d"), Role::Dependencies);
        assert_eq!(tokens(&kernel), [""; 0], "{tool}");
    }
    // gcc's own default target is the source's, clang's the output's.
    let options =
        |tool| line(tool, "-Wp,-MD,x.d -c -o d/o.o s/a.c").sources[0].dependencies.clone().unwrap().options;
    assert_eq!(options("gcc"), ["-MQ", "a.o"]);
    assert_eq!(options("clang"), ["-MQ", "d/o.o"]);
    let several = line("gcc", "-Wp,-DX=1,-UY,-I,inc -c a.c");
    assert_eq!(role(&several, "-Wp,-DX=1,-UY,-I,inc"), Role::Preprocess);
    assert_eq!(tokens(&several), [""; 0]);
    assert_eq!(tokens(&line("gcc", "-Wp,-MD,a.d,-DX -c a.c")), ["mixed-wp"]);
    assert_eq!(tokens(&line("gcc", "-Wp,@f -c a.c")), ["response-file-late"]);
}

#[test]
fn t02_mf_in_all_its_spellings() {
    assert_eq!(dependencies(&line("gcc", "-c a.c -MD -MFx.d")), "x.d");
    assert_eq!(dependencies(&line("gcc", "-c a.c -MD -MF=x.d")), "=x.d");
    assert_eq!(dependencies(&line("clang", "-c a.c -MD -MF x.d -MF y.d")), "y.d");
    assert!(tokens(&line("gcc", "-c a.c -MD -MF /dev/null")).is_empty());
    assert_eq!(tokens(&line("gcc", "-c a.c -MD -MF /dev/stdout")), ["output-is-device"]);
    assert_eq!(line("gcc", "-c a.c -MD -MF").mode, Mode::Error);
}

#[test]
fn t03_a_missing_value_is_the_compilers_error() {
    for option in ["-o", "-I", "-D", "-x", "-include", "-MT", "-Xlinker", "-isystem"] {
        let invocation = line("gcc", &format!("-c a.c {option}"));
        assert_eq!(invocation.mode, Mode::Error, "{option}");
        assert!(!tokens(&invocation).is_empty());
    }
}

#[test]
fn t04_arguments_stay_apart() {
    let apart = line("gcc", "-c a.c -D X");
    let glued = line("gcc", "-c a.c -DX");
    assert_ne!(apart.args, glued.args);
    assert_eq!(apart.args.last().unwrap().value, glued.args.last().unwrap().value);
}

#[test]
fn t05_order_is_kept() {
    let order = line("gcc", "-c a.c -Werror -Wno-error -Ia -Ib -DA -UA -O2 -O0");
    let shown: Vec<String> = order.args.iter().map(|arg| show(&arg.tokens[0])).collect();
    assert_eq!(shown.join(" "), "-c a.c -Werror -Wno-error -Ia -Ib -DA -UA -O2 -O0");
    assert!(!line("gcc", "-c a.c -flto -fno-lto").facts.lto);
    assert!(line("gcc", "-c a.c -fno-lto -flto=auto").facts.lto);
}

#[test]
fn t06_debug_information() {
    let debug = |tool, options: &str| line(tool, &format!("-c a.c {options}")).facts.debug;
    assert_eq!(debug("gcc", "-gz"), Debug::None);
    assert_eq!(debug("gcc", "-g -g0"), Debug::None);
    assert_eq!(debug("gcc", "-g0 -g"), Debug::Some);
    assert_eq!(debug("gcc", "-g3 -g"), Debug::Macros);
    assert_eq!(debug("clang", "-g3"), Debug::Some);
    assert_eq!(debug("clang", "-g -fdebug-macro"), Debug::Macros);
    assert_eq!(debug("gcc", "-gtoggle"), Debug::Some);
    assert_eq!(debug("gcc", "-g -gtoggle"), Debug::None);
    for option in ["-ggdb", "-gdwarf-5", "-gdwarf", "-g1"] {
        assert_eq!(debug("gcc", option), Debug::Some, "{option}");
    }
    let split = |tool| output(&line(tool, "-c s/a.b.c -g -gsplit-dwarf -o out/x.y.o"), OutputKind::Dwo);
    assert_eq!(split("gcc").as_deref(), Some("out/x.y.dwo"));
    assert_eq!(split("clang").as_deref(), Some("out/x.y.dwo"));
}

#[test]
fn t07_two_dashes() {
    assert_eq!(show(&line("clang", "-c -- -a.c").sources[0].path), "-a.c");
    assert!(tokens(&line("gcc", "-c -- a.c")).contains(&"unknown-option"));
}

#[test]
fn t08_languages_hold_until_the_next() {
    let names = |tool, text: &str| -> Vec<&'static str> {
        line(tool, text).sources.iter().map(|source| source.language.name).collect()
    };
    assert_eq!(names("gcc", "-c -x c++ a.c b.c -x none c.c"), ["c++", "c++", "c"]);
    assert_eq!(names("gcc", "-c -x assembler start"), ["assembler"]);
    assert_eq!(names("clang", "-xc -c a.cpp"), ["c"]);
    assert_eq!(names("g++", "-x none -c a.c b.c"), ["c", "c++"]);
    assert_eq!(names("g++", "-x c -c a.c b.c"), ["c", "c++"], "g++ sets the second one's itself");
    assert_eq!(names("clang++", "-x c -c a.c b.c"), ["c", "c"]);
    assert_eq!(names("clang++", "-x none -c a.c"), ["c++"]);
    assert_eq!(line("gcc", "-x nonsense -c a.c").mode, Mode::Error);
}

#[test]
fn t09_long_spellings() {
    let long =
        line("gcc", "--compile a.c --output=x.o --include-directory=inc --define-macro X --include p.h");
    assert_eq!(object(&long).as_deref(), Some("x.o"));
    assert_eq!(role(&long, "--include-directory=inc"), Role::Preprocess);
    let joined = line("clang", "-c a.c -includefoo.h");
    assert_eq!(joined.args.last().unwrap().value.as_deref(), Some(OsStr::new("foo.h")));
}

#[test]
fn t10_sources_of_any_name() {
    let stem = |text: &str| object(&line("gcc", text)).unwrap();
    assert_eq!(stem("-c -x c noext"), "noext.o");
    assert_eq!(stem("-c a..c"), "a..o");
    assert_eq!(stem("-c .hidden.c"), ".hidden.o");
    assert_eq!(stem("-c ./-a.c"), "-a.o");
    // The same object twice: the plan keeps the order, the last one stays.
    assert!(tokens(&line("gcc", "-c a/x.c b/x.c")).is_empty());
    assert!(tokens(&line("clang", "-c a.c a.c")).is_empty());
    let raw = OsString::from_vec(b"\xff\xe9.c".to_vec());
    let invocation = words("gcc", &["-c".into(), raw]);
    assert_eq!(invocation.sources[0].outputs[0].path, OsString::from_vec(b"\xff\xe9.o".to_vec()));
    let spaced = words("gcc", &["-c".into(), "a b.c".into()]);
    assert_eq!(object(&spaced).as_deref(), Some("a b.o"));
}

#[test]
fn t11_outputs_that_are_none() {
    assert_eq!(line("gcc", "-c a.c b.c -o x.o").mode, Mode::Error);
    assert_eq!(line("clang", "-S a.c b.c -o x.s").mode, Mode::Error);
    assert!(line("clang", "-c a.c -o /dev/null").sources[0].outputs[0].is_discarded());
    for text in ["-c a.c -o /dev/stderr", "-c a.c -o -", "-S a.c -o /dev/stdout"] {
        assert_eq!(tokens(&line("clang", text))[0], "output-is-device", "{text}");
    }
    assert_eq!(line("gcc", "-c a.c -o a.c").mode, Mode::Error);
}

#[test]
fn t12_names_of_compilers() {
    let known = |name: &str| compiler_from_name(OsStr::new(name));
    for (name, family, cxx, version) in [
        ("cc", Family::Gcc, false, (0, 0)),
        ("c++", Family::Gcc, true, (0, 0)),
        ("gcc-12", Family::Gcc, false, (12, 0)),
        ("gcc-12.2", Family::Gcc, false, (12, 2)),
        ("g++-4.8.5", Family::Gcc, true, (4, 8)),
        ("x86_64-linux-gnu-gcc", Family::Gcc, false, (0, 0)),
        ("aarch64-linux-gnu-g++-12", Family::Gcc, true, (12, 0)),
        ("arm-none-eabi-gcc", Family::Gcc, false, (0, 0)),
        ("/usr/bin/clang++-19", Family::Clang, true, (19, 0)),
        ("clang", Family::Clang, false, (0, 0)),
    ] {
        let compiler = known(name).expect(name);
        assert_eq!((compiler.family, compiler.cxx), (family, cxx), "{name}");
        assert_eq!((compiler.version.0, compiler.version.1), version, "{name}");
    }
    for name in [
        "cpp",
        "clang-cl",
        "clang-format",
        "gcc-ar",
        "gcc-ar-12",
        "clang-cpp-14",
        "ld",
        "-gcc",
        "gcc-",
        "mycc",
    ] {
        assert!(known(name).is_none(), "{name}");
    }
    assert_eq!(line("g++", "-c a.c").sources[0].language.name, "c++");
}

#[test]
fn t13_response_files() {
    let with = |tool: &str, args: &[&str], files: &[(&str, &[u8])]| {
        let files: HashMap<Vec<u8>, Vec<u8>> =
            files.iter().map(|(name, content)| (name.as_bytes().to_vec(), content.to_vec())).collect();
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        parse(&corpus_compiler(tool), &args, &reader(files))
    };
    let nested =
        with("gcc", &["@a", "-o", "@o"], &[("a", b"-c @b"), ("b", b"'x y.c' -DQ=\\\"a\\\""), ("o", b"z.o")]);
    assert_eq!(show(&nested.sources[0].path), "x y.c");
    assert_eq!(object(&nested).as_deref(), Some("z.o"));
    assert!(nested.args.iter().any(|arg| arg.tokens[0] == "-DQ=\"a\""));
    assert!(nested.facts.response_files);
    let missing = with("gcc", &["-c", "a.c", "-o", "@none"], &[]);
    assert_eq!(object(&missing).as_deref(), Some("@none"));
    let literal = with("gcc", &["-c", "a.c", "-DX=@a"], &[("a", b"b.c")]);
    assert_eq!(literal.sources.len(), 1);
    let endless = with("gcc", &["@a"], &[("a", b"x @a @a")]);
    assert!(tokens(&endless).contains(&"endless-response-files"));
    let garbage = with("clang", &["@a", "-c", "a.c"], &[("a", b"\xff\x00\\\n'")]);
    assert!(!garbage.args.is_empty());
}

#[test]
fn t14_programs_and_passed_options() {
    for (tool, text, token) in [
        ("clang", "-c a.c -Xclang -load -Xclang x.so", "unknown-cc1-option"),
        ("gcc", "-c a.c -Wa,-a=x.lst", "assembler-listing"),
        ("gcc", "-c a.c -Xassembler -al=x.lst", "assembler-listing"),
        ("gcc", "-c a.c -Wa,--MD,x.d", "assembler-dependencies"),
        ("gcc", "-c a.c -Wa,@x", "response-file-late"),
        ("gcc", "-c a.c -Wa,-I,inc", "assembler-include"),
        ("gcc", "-c a.c -wrapper x", "wrapper"),
        ("gcc", "-c a.c -specs=x", "specs"),
        ("clang", "-c a.c --config x.cfg", "config-file"),
        ("gcc", "-c a.c -fplugin=x.so", "compiler-plugin"),
    ] {
        assert!(tokens(&line(tool, text)).contains(&token), "{text}: {:?}", tokens(&line(tool, text)));
    }
    assert_eq!(tokens(&line("clang", "-c a.c -Xclang -fno-pch-timestamp")), [""; 0]);
    assert_eq!(tokens(&line("gcc", "-c a.c -Xpreprocessor -DX -Wa,--noexecstack")), [""; 0]);
    assert_eq!(line("gcc", "-c a.c -Bdir").facts.program_dirs, ["dir"]);
}

#[test]
fn t15_what_only_prints_passes_through() {
    for (text, mode) in [
        ("-M a.c", Mode::Dependencies),
        ("-MM -MG a.c", Mode::Dependencies),
        ("-E a.c", Mode::Preprocess),
        ("-fsyntax-only a.c", Mode::Syntax),
        ("-### -c a.c", Mode::Info),
        ("-v", Mode::Info),
        ("--version", Mode::Info),
        ("-print-search-dirs", Mode::Info),
        ("-dumpversion", Mode::Info),
        ("-dumpmachine", Mode::Info),
    ] {
        for tool in ["gcc", "clang"] {
            let invocation = line(tool, text);
            assert_eq!(invocation.mode, mode, "{tool} {text}");
            assert!(!tokens(&invocation).is_empty(), "{tool} {text}");
        }
    }
    // With work to do, what it prints belongs to the result, and everything spelled to the key.
    assert!(line("gcc", "-v -c a.c").facts.records_command_line);
}

#[test]
fn t16_architectures() {
    assert_eq!(tokens(&line("clang", "-arch x86_64 -arch x86_64 -c a.c")), [""; 0]);
    assert!(tokens(&line("clang", "-arch x86_64 -arch arm64 -c a.c")).contains(&"several-architectures"));
    assert!(tokens(&line("clang", "-Xarch_host -DX -c a.c")).contains(&"per-architecture"));
    assert!(line("gcc", "-march=native -c a.c").facts.native);
    assert!(line("clang", "-mtune=native -c a.c").facts.native);
    assert!(!line("gcc", "-march=x86-64 -c a.c").facts.native);
}

#[test]
fn t17_standard_input() {
    assert_eq!(object(&line("gcc", "-x c -c -")).as_deref(), Some("-.o"));
    assert!(tokens(&line("gcc", "-x c -c -")).is_empty());
    assert!(tokens(&line("gcc", "-x c -c foo-")).contains(&"stdin-source"));
    assert!(tokens(&line("clang", "-x c -c - -o a.o")).is_empty());
}

#[test]
fn t17a_surprises() {
    // Greedy `-o`.
    assert_eq!(object(&line("gcc", "-c a.c -openmp")).as_deref(), Some("penmp"));
    assert_eq!(object(&line("gcc", "-c a.c -object")).as_deref(), Some("bject"));
    assert_eq!(object(&line("clang", "-c a.c -object")).as_deref(), Some("a.o"));
    // One dependency file for all sources of a link; the last one stays.
    let link = line("gcc", "-MD a.c b.c -o prog");
    assert!(link.sources.iter().all(|source| source.dependencies.as_ref().unwrap().path == "prog.d"));
    assert_eq!(dependencies(&line("gcc", "-MD b.c")), "a-b.d");
    assert_eq!(dependencies(&line("gcc", "-MD a.c")), "a.d");
    assert_eq!(dependencies(&line("clang", "-MD a.c")), "a.d");
    // An option's value is read from a response file too.
    let files = HashMap::from([(b"o".to_vec(), b"-o x.o".to_vec())]);
    let args: Vec<OsString> = ["-c", "-include", "@o", "a.c"].iter().map(OsString::from).collect();
    let swallowed = parse(&corpus_compiler("gcc"), &args, &reader(files));
    assert_eq!(swallowed.output, None);
    // Assembler that is preprocessed goes to standard output under `-S`.
    assert_eq!(line("gcc", "-S a.S").mode, Mode::Preprocess);
    // Unknown suffixes are for the linker.
    assert_eq!(line("gcc", "-c a.txt").mode, Mode::None);
    // Only some names become parts of auxiliary files' names.
    let link = line("gcc", "a.c -o out/prog.exe -fstack-usage");
    assert_eq!(output(&link, OutputKind::StackUsage).as_deref(), Some("out/prog-a.su"));
    assert_eq!(link.sources[0].naming, ["-dumpdir", "out/prog-", "-dumpbase", "a.c", "-dumpbase-ext", ".c"]);
}

#[test]
fn links_that_show_temporaries_are_refused() {
    for option in [
        "-Wl,-Map=x.map",
        "-Wl,-M",
        "-Wl,-t",
        "-Wl,--cref",
        "-Wl,--verbose",
        "-Wl,-r",
        "-r",
        "-Wl,--unheard-of",
        "-Wl,--dependency-file=x",
        "-T x.ld",
        "-Wl,--print-gc-sections",
        "-Wl,--stats",
        "-Wl,--trace",
    ] {
        let refused = tokens(&line("gcc", &format!("a.c -o prog {option}")));
        assert!(refused.contains(&"link-names-temporaries"), "{option}: {refused:?}");
        assert_eq!(tokens(&line("gcc", &format!("-c a.c {option}"))), [""; 0], "{option}");
    }
    let usual = "a.c b.o -o p -Wl,--as-needed,-O1,-z,relro -Wl,-rpath,x -Wl,-soname -Wl,l.so.1 -Wl,--gc-sections \
        -Wl,--build-id=sha1 -Wl,-Bsymbolic-functions -Wl,--version-script=v -Wl,--start-group -Wl,-E -lm -Lx -static \
        -Wl,--no-undefined -Wl,--exclude-libs,ALL -Wl,--hash-style=gnu -Wl,-s -Wl,--sort-common -Wl,--dynamic-list=d";
    assert_eq!(tokens(&line("gcc", usual)), [""; 0]);
}

#[test]
fn the_reader_is_only_asked_for_response_files() {
    let none = |path: &Path| -> Option<Vec<u8>> { panic!("read {}", path.display()) };
    let args: Vec<OsString> = ["-c", "a.c", "-include", "p.h", "-Iinc"].iter().map(OsString::from).collect();
    let _ = parse(&corpus_compiler("gcc"), &args, &none);
}
