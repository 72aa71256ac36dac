//! What a compile leaves: files, modes, streams, status.

use crate::support::{Bench, compilers};

#[test]
fn warnings_are_said_again_on_a_hit() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        bench.write("a.c", "int f(void) { int unused; return 1; }\n");
        let hit = bench.transparent(&[compiler, "-Wall", "-c", "a.c"]);
        assert_eq!(hit, (1, 0));
    }
}

#[test]
fn a_failing_compile_fails_alike_and_is_not_kept() {
    let bench = Bench::new();
    bench.write("a.c", "int f(void) { return undeclared; }\n");
    bench.write("a.o", "an old object\n");
    let figures = bench.transparent(&["gcc", "-c", "a.c"]);
    assert_eq!(figures, (0, 1));
    assert_eq!(bench.statistics().number("entries"), 0);
}

#[test]
fn dependency_files_are_written_for_this_run() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = Bench::new();
        bench.write("src/a b.c", "#include \"h.h\"\n#include <stddef.h>\nint x;\n");
        bench.write("src/h.h", "\n");
        for args in [
            &[compiler, "-MD", "-c", "src/a b.c"][..],
            &[compiler, "-MMD", "-MP", "-MF", "deps.d", "-c", "src/a b.c", "-o", "x.o"],
            &[compiler, "-MD", "-MT", "target $x", "-MQ", "q$x", "-c", "src/a b.c"],
            &[compiler, "-Wp,-MD,kernel.d", "-c", "src/a b.c", "-o", "x.o"],
        ] {
            assert_eq!(bench.transparent(args), (1, 0), "{args:?}\n{}", bench.log());
        }
    }
}
