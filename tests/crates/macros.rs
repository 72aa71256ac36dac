//! Macros run in the compiler, and may read what they do not declare.

use super::line;
use crate::support::Bench;

/// A bench with these macros, and a crate that uses them.
fn bench(user: &str) -> Bench {
    let bench = Bench::new();
    bench.write(
        "macros.rs",
        r#"extern crate proc_macro;
use proc_macro::TokenStream;
#[proc_macro] pub fn file(_: TokenStream) -> TokenStream {
    format!("{:?}", std::fs::read_to_string("secret.txt").unwrap_or_default()).parse().unwrap()
}
#[proc_macro] pub fn variable(_: TokenStream) -> TokenStream {
    format!("{:?}", std::env::var("HIDDEN").unwrap_or_default()).parse().unwrap()
}
#[proc_macro] pub fn listed(_: TokenStream) -> TokenStream {
    let count = std::fs::read_dir("parts").map(|entries| entries.count()).unwrap_or(0);
    format!("{count}usize").parse().unwrap()
}
#[proc_macro] pub fn time(_: TokenStream) -> TokenStream {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}u64", now.as_secs()).parse().unwrap()
}
#[proc_macro] pub fn run(_: TokenStream) -> TokenStream {
    let output = std::process::Command::new("cat").arg("told.txt").output().unwrap();
    format!("{:?}", String::from_utf8_lossy(&output.stdout)).parse().unwrap()
}
#[proc_macro] pub fn writes(_: TokenStream) -> TokenStream {
    std::fs::create_dir_all("made").unwrap();
    std::fs::write("made/side.txt", "1").unwrap();
    "1u32".parse().unwrap()
}
"#,
    );
    bench.write(
        "counting.rs",
        "extern crate proc_macro;\n#[proc_macro] pub fn variables(_: proc_macro::TokenStream) -> \
         proc_macro::TokenStream { format!(\"{}usize\", std::env::vars().filter(|(name, _)| \
         name.starts_with(\"COUNTED\")).count()).parse().unwrap() }\n",
    );
    for name in ["macros", "counting"] {
        bench.ok(&line(&format!("{name}.rs --crate-type proc-macro --crate-name {name}")));
    }
    bench.write("secret.txt", "one");
    bench.write("told.txt", "one");
    bench.write("parts/one", "");
    bench.write("user.rs", format!("fn main() {{ println!(\"{{:?}}\", {user}); }}\n"));
    bench
}

const USER: &str = "user.rs --edition 2021 --crate-type bin --crate-name user --extern macros=libmacros.so --extern \
     counting=libcounting.so --emit=dep-info,link";

fn said(bench: &Bench) -> String {
    String::from_utf8_lossy(&bench.bare(&["./user"]).stdout).trim().to_owned()
}

#[test]
fn a_file_that_a_macro_reads_counts() {
    let bench = bench("macros::file!()");
    bench.misses(&line(USER));
    bench.hits(&line(USER));
    assert_eq!(said(&bench), "\"one\"");
    assert!(!String::from_utf8_lossy(&bench.read("user.d")).contains("secret"), "it was not declared");
    bench.write("secret.txt", "two");
    bench.misses(&line(USER));
    assert_eq!(said(&bench), "\"two\"");
    bench.remove("secret.txt");
    bench.misses(&line(USER));
    assert_eq!(said(&bench), "\"\"");
    bench.hits(&line(USER));
    bench.write("secret.txt", "two");
    bench.hits(&line(USER));
    assert_eq!(said(&bench), "\"two\"");
}

fn run_with(bench: &Bench, name: &str, value: &str) -> (u64, u64) {
    let before = bench.statistics();
    assert!(bench.wrapper(&line(USER)).env(name, value).status().expect("runs").success());
    let after = bench.statistics();
    (after.hits() - before.hits(), after.misses() - before.misses())
}

#[test]
fn a_variable_that_a_macro_asks_for_counts() {
    let bench = bench("macros::variable!()");
    bench.misses(&line(USER));
    assert_eq!(run_with(&bench, "HIDDEN", "x"), (0, 1));
    assert_eq!(said(&bench), "\"x\"");
    assert_eq!(run_with(&bench, "HIDDEN", "x"), (1, 0));
    assert_eq!(run_with(&bench, "HIDDEN", "y"), (0, 1));
    bench.hits(&line(USER));
    assert_eq!(said(&bench), "\"\"");
}

#[test]
fn all_variables_count_where_a_macro_lists_them() {
    let bench = bench("counting::variables!()");
    bench.misses(&line(USER));
    bench.hits(&line(USER));
    assert_eq!(run_with(&bench, "COUNTED_1", "x"), (0, 1));
    assert_eq!(said(&bench), "1");
    assert_eq!(run_with(&bench, "COUNTED_1", "x"), (1, 0));
    bench.hits(&line(USER));
    assert_eq!(said(&bench), "0");
}

#[test]
fn a_directory_that_a_macro_lists_counts() {
    let bench = bench("macros::listed!()");
    // A directory that was just changed can't be told by its times.
    std::thread::sleep(std::time::Duration::from_millis(60));
    bench.misses(&line(USER));
    bench.hits(&line(USER));
    bench.write("parts/two", "");
    std::thread::sleep(std::time::Duration::from_millis(60));
    bench.misses(&line(USER));
    assert_eq!(said(&bench), "2");
    // Other times, the same names.
    bench.write("parts/three", "");
    bench.remove("parts/three");
    bench.hits(&line(USER));
}

/// Where the compiler looks for crates, only those of them count that it takes; to a macro all names may.
#[test]
fn a_directory_of_crates_that_a_macro_lists_counts() {
    let bench = bench("macros::listed!()");
    let user = format!("{USER} -L dependency=parts");
    std::thread::sleep(std::time::Duration::from_millis(60));
    bench.misses(&line(&user));
    bench.hits(&line(&user));
    bench.write("parts/two", "");
    std::thread::sleep(std::time::Duration::from_millis(60));
    bench.misses(&line(&user));
    assert_eq!(said(&bench), "2");
}

#[test]
fn what_a_macro_runs_counts() {
    let bench = bench("macros::run!()");
    bench.misses(&line(USER));
    bench.hits(&line(USER));
    bench.write("told.txt", "two");
    bench.misses(&line(USER));
    assert_eq!(said(&bench), "\"two\"");
}

#[test]
fn a_macro_that_asks_for_the_time_or_writes_is_not_kept() {
    let bench = bench("macros::time!()");
    for _ in 0..2 {
        assert_eq!(bench.counted(&line(USER)), (0, 0));
    }
    assert_eq!(bench.statistics().refused("time-of-day"), 2, "{}", bench.log());
    // The compiler itself asks for it here.
    let incremental = format!("{USER} -C incremental=sessions");
    assert_eq!(bench.counted(&line(&incremental)), (0, 0), "{}", bench.log());
    bench.write("user.rs", "fn main() { println!(\"{:?}\", macros::writes!()); }\n");
    for _ in 0..2 {
        bench.remove("made/side.txt");
        assert_eq!(bench.counted(&line(USER)), (0, 0));
        assert!(bench.exists("made/side.txt"));
    }
    assert_eq!(bench.statistics().refused("wrote-more"), 2, "{}", bench.log());
}

/// What a library of macros needs, the loader opens, unseen by the compiler.
#[test]
fn a_library_that_macros_need_counts() {
    let bench = Bench::new();
    let library = |value: u32| {
        bench.write("value.c", format!("int value(void) {{ return {value}; }}\n"));
        assert!(bench.bare(&["cc", "-shared", "-fPIC", "value.c", "-o", "libvalue.so"]).status.success());
    };
    library(1);
    bench.write(
        "macros.rs",
        "extern crate proc_macro;\nextern \"C\" { fn value() -> i32; }\n#[proc_macro] pub fn value_of(_: \
         proc_macro::TokenStream) -> proc_macro::TokenStream { format!(\"{}i32\", unsafe { value() })\
         .parse().unwrap() }\n",
    );
    let work = bench.work().display().to_string();
    let rpath = format!("link-arg=-Wl,-rpath,{work}");
    let mut compile = line("macros.rs --crate-type proc-macro --crate-name macros -L native=. -l value");
    compile.extend(["-C", &rpath]);
    bench.ok(&compile);
    bench.write("user.rs", "fn main() { println!(\"{:?}\", macros::value_of!()); }\n");
    let user = line("user.rs --edition 2021 --crate-type bin --crate-name user --extern macros=libmacros.so");
    bench.misses(&user);
    bench.hits(&user);
    assert_eq!(said(&bench), "1");
    library(2);
    bench.misses(&user);
    assert_eq!(said(&bench), "2");
}
