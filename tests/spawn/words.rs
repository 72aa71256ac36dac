//! What compilers say of the original source, and only that, reaches the user.

use super::{Process, engine};
use crate::support::compilers;

const COMPILERS: [&str; 3] = ["gcc-12", "clang-14", "clang-19"];

/// Sources, and options under which some compiler has something to say that text does not show, or nothing to
/// say that text brings up.
const CASES: [(&str, &str, &str); 16] = [
    ("-Wall", "beside.c", "int g(int);\nvoid f(int x)\n{\n  if (x) g(1); g(2);\n}\n"),
    ("-Wall", "below.c", "int g(int);\nvoid f(int x)\n{\n  if (x)\n    g(1);\n    g(2);\n}\n"),
    ("-Wall", "tabs.c", "int g(int);\nvoid f(int x)\n{\n\tif (x)\n\t\tg(1);\n\t\tg(2);\n}\n"),
    ("-Wall", "mixed.c", "int g(int);\nvoid f(int x)\n{\n    if (x)\n\tg(1);\n        g(2);\n}\n"),
    ("-Wall", "empty.c", "int g(int);\nvoid f(int x)\n{\n  while (x);\n    g(2);\n}\n"),
    (
        "-Wmisleading-indentation",
        "named.c",
        "int g(int);\nvoid f(int x)\n{\n  if (x) g(1);\n         g(2);\n}\n",
    ),
    ("-Wall", "several.c", "#define TWO g(1); g(2)\nint g(int);\nvoid f(int x)\n{\n  if (x)\n    TWO;\n}\n"),
    (
        "-Wextra",
        "falls.c",
        "int g(int);\nvoid f(int x)\n{\n  switch (x) {\n  case 1: g(1); /* falls through */\n  case 2: g(2);\n  case 3: g(3);\n  }\n}\n",
    ),
    ("-Wdocumentation", "doc.c", "/** @param y nothing */\nint f(int x) { return x; }\n"),
    ("-pedantic -Wall -Wextra", "quiet.c", "int f(int x) { return x + 1; }\n"),
    ("-Weverything", "all.c", "int f(int x);\nint f(int x) { return x + 1; }\n"),
    ("-Wunused-macros", "unused.c", "#define UNUSED 1\nint f(int x) { return x; }\n"),
    ("-Werror -Wall", "error.c", "int g(int);\nvoid f(int x)\n{\n  if (x)\n    g(1);\n    g(2);\n}\n"),
    ("-lm -L. -Wl,-z,now", "idle.c", "int f(int x) { return x + 1; }\n"),
    ("-Wno-such-warning -Wall", "known.c", "int f(void) { int unused; return 1; }\n"),
    ("-Wall", "macro.c", "#define IS(x) ((x) == 1)\nint f(int x) { if (IS(x)) return 2; return 3; }\n"),
];

#[test]
fn as_without_a_host() {
    for compiler in compilers(&COMPILERS) {
        let process = Process::new(engine(), compiler);
        for (options, name, source) in CASES {
            process.write(name, source);
            let line = format!("{compiler} -O2 {options} -c {name}");
            let spawned = process.run(&line);
            let bare = process.command(&line).env_remove("BRIOCHE_CC_SPAWN_RECIPES").output().unwrap();
            assert_eq!(spawned.status, bare.status, "{line}");
            let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(said(&spawned.stderr), said(&bare.stderr), "{line}");
            assert_eq!(said(&spawned.stdout), said(&bare.stdout), "{line}");
        }
    }
}

/// The rules that keep a unit here must not keep all of them.
#[test]
fn ordinary_code_with_warnings_on_is_baked() {
    let source = "#include <stdio.h>\n#include <stdlib.h>\n\nint f(int x)\n{\n\tint i;\n\n\tfor (i = 0; i < x; i++)\n\t\tif (i == 3)\n\t\t\tputs(\"three\");\n\tif (x)\n\t\treturn 1;\n\telse if (x > 3)\n\t\treturn 2;\n\tdo {\n\t\tx--;\n\t} while (x > 0);\n\treturn abs(x);\n}\n";
    for compiler in compilers(&COMPILERS) {
        let process = Process::new(engine(), compiler);
        process.write("a.c", source);
        process.ok(&format!("{compiler} -O2 -g -pedantic -Wall -Wextra -c a.c"));
        process.ok(&format!("{compiler} -O2 -g -pedantic -Wall -Wextra -c a.c"));
        assert_eq!(process.engine.counts(), (2, 1), "{compiler}: {}", process.log());
    }
}
