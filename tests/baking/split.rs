//! Several sources: multi-source compiles, and compile-and-link.

use crate::support::{Bench, compilers};

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("main.c", "int twice(int);\nint main(void) { return twice(21) - 42; }\n");
    bench.write("twice.c", "int twice(int x) { return 2 * x; }\n");
    bench
}

#[test]
fn several_sources_are_several_units() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        let bench = bench();
        assert_eq!(bench.transparent(&[compiler, "-c", "main.c", "twice.c"]), (2, 0), "{}", bench.log());
        bench.hits(&[compiler, "-c", "main.c"]);
    }
}

#[test]
fn compile_and_link_comes_out_as_the_drivers_own() {
    for compiler in compilers(&["gcc", "clang-14"]) {
        for options in [&["-O2"][..], &["-g"], &["-g3"], &["-static"]] {
            let bench = bench();
            let mut args = vec![compiler];
            args.extend(options);
            args.extend(["main.c", "twice.c", "-o", "app", "-lm"]);
            assert_eq!(bench.transparent(&args), (2, 0), "{args:?}\n{}", bench.log());
        }
    }
}
