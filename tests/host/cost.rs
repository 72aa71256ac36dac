//! What a bake costs beyond the compiler. Not a test that can fail: it prints figures.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::*;
use bakeplan::host::Session;
use bakeplan::recipe::{Compile, ProcessTemplate, Recipe, Symbol, Template, compile_process};
use bakeplan::transport::socket::Deliver;
use bakeplan::transport::wire::Finished;

const ROUNDS: u32 = 40;

/// The median of some rounds.
fn median(mut round: impl FnMut(u32)) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|number| {
            let start = Instant::now();
            round(number);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "prints figures"]
fn of_a_small_compile() {
    let host = Host::new();
    let toolchain = host.path("toolchain");
    let packed = Command::new(env!("CARGO_BIN_EXE_brioche-host"))
        .args(["pack-toolchain", toolchain.to_str().unwrap(), "gcc", "--no-sysroot"])
        .status()
        .unwrap();
    assert!(packed.success());
    let artifact = host.import(&toolchain);
    let tree = Recipe::from(host.engine.artifacts().need(&artifact).unwrap());
    fs::create_dir(host.path("outer")).unwrap();
    let source = |number: u32| format!("int f{number}(int x) {{ return x + {number}; }}\n");
    let run = |compiler: &std::path::Path, what: &str, name: &str| {
        median(|number| {
            let file = host.path(&format!("outer/{name}"));
            fs::write(&file, source(number)).unwrap();
            let mut command = Command::new(compiler);
            let status = command.args(["-O2", what]).arg(&file).arg("-o").arg(host.path("out")).status();
            assert!(status.unwrap().success());
        })
    };
    let system = run("gcc".as_ref(), "-c", "a.i");
    let launched = run(&toolchain.join("bin/gcc"), "-c", "a.i");
    let whole = run(&toolchain.join("bin/gcc"), "-c", "a.c");
    let preprocessed = run(&toolchain.join("bin/gcc"), "-E", "a.c");
    let session = host.session(&[artifact]);
    let recipe = |input: Recipe| {
        let args = ["-O2", "-c", "a.i", "-o"].map(Template::literal).into_iter();
        compile_process(Compile {
            compiler: ProcessTemplate::input(tree.clone()).then("/bin/gcc"),
            args: args.chain([ProcessTemplate::symbol(Symbol::OutputPath).then("/a.o")]).collect(),
            env: [].into(),
            work_dir: Recipe::CreateDirectory { entries: [("a.i".into(), input)].into() },
            current_dir: ProcessTemplate::symbol(Symbol::WorkDir),
            platform: platform(),
        })
    };
    let bake = |name: String, number: u32| {
        let file = host.path("outer/a.i");
        fs::write(&file, source(number)).unwrap();
        let input = give(&session, "/outer/a.i".as_ref()).unwrap();
        let input = Recipe::from(host.engine.artifacts().need(&input).unwrap());
        let output = format!("/outer/{name}{number}");
        match session.bake(&recipe(input), Deliver::At(output.as_ref()), &Waiter::default()) {
            Ok(Finished::Succeeded(delivered)) => delivered.took,
            other => panic!("{other:?}"),
        }
    };
    bake("first".into(), 1_000_000);
    let mut within = Vec::new();
    let baked = median(|number| within.push(bake("out".into(), number)));
    within.sort_unstable();
    let hit = median(|number| {
        bake("hit".into(), number);
    });
    let nothing = median(|number| {
        host.ok(&sh(&format!(": >\"$out\" # {number}")));
    });
    println!("system's gcc       {system:?}");
    println!("packed gcc         {launched:?}, of the source {whole:?}, -E {preprocessed:?}");
    let (is, aim) = (preprocessed + baked, whole + preprocessed + Duration::from_millis(10));
    println!("-E and bake        {is:?}, aim (compile, -E, 10 ms) {aim:?}");
    println!("bake of the same   {baked:?}, of it in the sandbox {} ms", within[within.len() / 2]);
    println!("hit                {hit:?}");
    println!("bake of a shell    {nothing:?}");
}
