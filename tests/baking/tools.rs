//! The program's own options.

use bakeplan::recipe::Recipe;

use crate::support::Bench;

fn text(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_plan_as_json_has_the_shape_of_the_contract() {
    let bench = Bench::new();
    let args = ["--plan=json", "--", "gcc", "-O2", "-MMD", "-fstack-usage", "-c", "src/a.c", "b.cc", "c.S"];
    insta::assert_snapshot!("plan_of_several_sources", text(&bench.wrapped(&args)));
    let args = ["--plan=json", "--", "gcc", "-no-such-option", "main.c", "-lm", "-o", "app"];
    insta::assert_snapshot!("plan_of_what_is_refused", text(&bench.wrapped(&args)));
    assert!(bench.files().is_empty(), "a plan compiles nothing");
}

#[test]
fn a_plan_for_people_names_the_same() {
    let bench = Bench::new();
    for form in ["--plan", "--plan=human"] {
        let plan = text(&bench.wrapped(&[form, "--", "gcc", "-c", "a.c", "-ftime-report"]));
        for part in ["/usr/bin/gcc (gcc)", "mode      object", "cacheable no", "prints-statistics", "a.o"] {
            assert!(plan.contains(part), "{part}: {plan}");
        }
    }
}

#[test]
fn what_is_asked_wrongly_gets_one_line() {
    let bench = Bench::new();
    let said = |args: &[&str]| {
        let output = bench.wrapped(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    insta::assert_snapshot!(said(&["--plan"]), @"brioche-cc: name a compiler and its arguments, as in --plan -- gcc -c a.c");
    insta::assert_snapshot!(said(&["--plan", "--json", "--", "gcc"]), @"brioche-cc: --json goes with --show-stats; for plans see --plan=json");
    insta::assert_snapshot!(said(&["--gc", "--", "gcc"]), @"brioche-cc: only --plan and --explain take a command line");
    assert!(said(&["--plan", "--explain", "gcc"]).contains("cannot be used with"));
    for (short, long) in [("-h", "Usage: brioche-cc COMPILER"), ("-V", "brioche-cc 0")] {
        assert!(text(&bench.wrapped(&[short])).contains(long));
    }
    // The two dashes may be left out, and the compiler's own options are not ours.
    let plan = text(&bench.wrapped(&["--plan", "gcc", "-h", "-c", "a.c", "--json"]));
    assert!(plan.contains("unknown-option"), "{plan}");
}

#[test]
fn a_plan_for_people_names_what_is_linked() {
    let bench = Bench::new();
    let plan = |args: &[&str]| text(&bench.wrapped(args));
    assert!(plan(&["--plan", "gcc", "a.c", "b.c", "-o", "app"]).ends_with("link      app\n"));
    assert!(plan(&["--plan", "gcc", "a.c"]).ends_with("link      a.out\n"));
    assert!(!plan(&["--plan", "gcc", "-c", "a.c"]).contains("link "));
}

#[test]
fn a_plan_as_recipe_has_the_hash_of_its_json() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.write("b.c", "int y;\n");
    let plan = |args: &[&str]| {
        let mut all = vec!["--plan=recipe", "--", "gcc"];
        all.extend(args);
        text(&bench.wrapped(&all))
    };
    let lines = plan(&["-O2", "-c", "a.c", "b.c"]);
    assert_eq!(lines.lines().count(), 2);
    for line in lines.lines() {
        let (hash, json) = line.split_once('\t').expect("hash, tab, recipe");
        let recipe = Recipe::from_json(json.as_bytes()).expect("a recipe");
        assert_eq!(recipe.hash().to_string(), hash);
        assert_eq!(recipe.to_json(), json);
    }
    // Two-sided: a comment leaves it, code and options do not.
    let first = plan(&["-c", "a.c"]);
    bench.write("a.c", "int x; // the same\n");
    assert_eq!(plan(&["-c", "a.c"]), first);
    assert_ne!(plan(&["-O1", "-c", "a.c"]), first);
    bench.write("a.c", "long x;\n");
    assert_ne!(plan(&["-c", "a.c"]), first);
    let refused = bench.wrapped(&["--plan=recipe", "--", "gcc", "-E", "a.c"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("preprocess-only"));
    let of_crate = bench.wrapped(&["--plan=recipe", "--", "rustc", "a.rs"]);
    assert_eq!(of_crate.status.code(), Some(1));
    let said = String::from_utf8_lossy(&of_crate.stderr);
    assert_eq!(
        said,
        "brioche-cc: --plan=recipe shows recipes of C and C++; a crate's is made of what its compile reads\n"
    );
}

#[test]
fn figures_are_shown_set_to_zero_and_entries_removed() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.ok(&["gcc", "-c", "a.c"]);
    bench.ok(&["gcc", "-c", "a.c"]);
    bench.ok(&["gcc", "-E", "a.c"]);
    let json: serde_json::Value =
        serde_json::from_str(&text(&bench.wrapped(&["--show-stats", "--json"]))).expect("JSON");
    for (name, value) in [("hits", 1), ("misses", 1), ("errors", 0), ("entries", 1)] {
        assert_eq!(json[name], value, "{name}");
    }
    assert_eq!(json["refused"], serde_json::json!({ "preprocess-only": 1 }));
    assert!(json["bytes"].as_u64() > Some(1000) && json["saved_seconds"].as_f64() > Some(0.0), "{json}");
    let human = text(&bench.wrapped(&["--show-stats"]));
    for part in ["hits", "preprocess-only", "compiler time saved"] {
        assert!(human.contains(part), "{part}: {human}");
    }
    text(&bench.wrapped(&["--zero-stats"]));
    let figures = bench.statistics();
    assert_eq!((figures.hits(), figures.misses(), figures.refused("preprocess-only")), (0, 0, 0));
    bench.hits(&["gcc", "-c", "a.c"]);
    assert!(text(&bench.wrapped(&["--gc"])).contains("1 entries"));
    bench.hits(&["gcc", "-c", "a.c"]);
    text(&bench.wrapped(&["--clear"]));
    assert_eq!(bench.statistics().number("entries"), 0);
    bench.misses(&["gcc", "-c", "a.c"]);
}

#[test]
fn verify_finds_a_flipped_bit() {
    let bench = Bench::new();
    bench.write("a.c", "int x;\n");
    bench.ok(&["gcc", "-c", "a.c"]);
    let object = bench.read("a.o");
    assert!(text(&bench.wrapped(&["--verify"])).contains("files checked"));
    let find = bench.command("find").arg(bench.store()).args(["-type", "f"]).output().expect("find").stdout;
    let find = String::from_utf8(find).expect("names");
    let holds =
        |path: &&str| std::fs::read(path).is_ok_and(|bytes| bytes.windows(object.len()).any(|w| w == object));
    let blob = find.lines().find(holds).expect("the object's blob");
    let mut bytes = std::fs::read(blob).expect("a blob");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let mut permissions = std::fs::metadata(blob).expect("metadata").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(blob, permissions).expect("a mode");
    std::fs::write(blob, bytes).expect("flipped");
    let verified = bench.wrapped(&["--verify"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(1), "{said}");
    let name = std::path::Path::new(blob).file_name().expect("a name").to_str().expect("UTF-8");
    assert!(said.lines().any(|line| line.starts_with("corrupt: ") && line.contains(name)), "{said}");
}

#[test]
fn the_configuration_is_shown() {
    let bench = Bench::new();
    let output = bench.wrapper(&["--config"]).env("BRIOCHE_CC_MAX_SIZE", "2G").output().expect("it runs");
    let shown = text(&output);
    assert!(shown.contains(&format!("BRIOCHE_CC_DIR           {}", bench.store().display())), "{shown}");
    assert!(shown.contains("BRIOCHE_CC_MAX_SIZE      2147483648"), "{shown}");
    let output = bench.wrapper(&["--config"]).env("BRIOCHE_CC_MAX_SIZE", "lots").output().expect("it runs");
    assert!(text(&output).contains("BRIOCHE_CC_MAX_SIZE=lots is no size"));
}

#[test]
fn help_and_version_are_printed_and_nonsense_is_not_understood() {
    let bench = Bench::new();
    let version = text(&bench.wrapped(&["--version"]));
    assert_eq!(version, format!("brioche-cc {}\n", env!("CARGO_PKG_VERSION")));
    let help = text(&bench.wrapped(&["--help"]));
    for option in
        ["--plan", "--explain", "--show-stats", "--zero-stats", "--gc", "--clear", "--verify", "--config"]
    {
        assert!(help.contains(option), "{option}: {help}");
    }
    for args in [&["--no-such-thing"][..], &["--gc", "--clear"], &["--plan=nonsense", "--", "gcc"], &["-x"]] {
        let output = bench.wrapped(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("error: "), "{args:?}: {said}");
    }
}

#[test]
fn an_answer_that_can_not_be_written_is_an_error() {
    let bench = Bench::new();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
    let output = bench.wrapper(&["--show-stats"]).stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("brioche-cc: standard output: No space left on device"), "{said}");
}
