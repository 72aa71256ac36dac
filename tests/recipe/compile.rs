//! A compile as a process: its form, and that the form works.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Command;

use bakeplan::recipe::digest::ArtifactHash;
use bakeplan::recipe::{
    COMPILE_SCRIPT, Compile, Component, Directory, Platform, ProcessTemplate, Recipe, Symbol, Template,
    compile_process,
};

fn compile() -> Compile {
    let directory = |name: &str, byte| {
        let entries = [(name.into(), ArtifactHash::from_bytes([byte; 32]))].into();
        Recipe::from(Directory { entries })
    };
    let output = |name: &str| Template::symbol(Symbol::OutputPath).then(name);
    let args = ["-x", "cpp-output", "-c", "-O2", "main.i", "-o"].map(Template::literal);
    Compile {
        compiler: Template::input(directory("bin", 9)).then("/bin/gcc"),
        args: args.into_iter().chain([output("/main.o")]).collect(),
        env: BTreeMap::from([("LC_ALL".into(), Template::literal("C"))]),
        work_dir: directory("main.i", 7),
        current_dir: Template::symbol(Symbol::WorkDir),
        platform: Platform::X86_64Linux,
    }
}

#[test]
fn its_form_is_pinned() {
    let recipe = compile_process(compile());
    let json: serde_json::Value = serde_json::from_str(&recipe.to_json()).unwrap();
    insta::assert_json_snapshot!("compile_process", json);
    assert_eq!(recipe.hash().to_string(), "5a13298e0e4d7cc20716035115b7ca1fe002d924e5770d655eb64d2e4e4a732d");
}

#[test]
fn every_field_matters() {
    let all = compile();
    let changed = [
        Compile { compiler: Template::literal("gcc"), ..all.clone() },
        Compile { args: all.args[1..].to_vec(), ..all.clone() },
        Compile { env: BTreeMap::new(), ..all.clone() },
        Compile { work_dir: Directory::default().into(), ..all.clone() },
        Compile { current_dir: all.current_dir.clone().then("/sub"), ..all.clone() },
        Compile { platform: Platform::Aarch64Linux, ..all.clone() },
    ];
    let hash = compile_process(all.clone()).hash();
    assert_eq!(compile_process(all).hash(), hash);
    for other in changed {
        assert_ne!(compile_process(other.clone()).hash(), hash, "{other:?}");
    }
}

#[test]
fn the_output_variable_is_always_ours() {
    let mut other = compile();
    other.env.insert("BRIOCHE_OUTPUT".into(), Template::literal("/elsewhere"));
    assert_eq!(compile_process(other), compile_process(compile()));
}

/// Fills a template in as a sandbox would.
fn fill(template: &ProcessTemplate, output: &OsStr) -> String {
    let component = |component: &Component<Recipe>| match component {
        Component::Literal(bytes) => bytes.as_os_str().to_str().unwrap().to_owned(),
        Component::Symbol(Symbol::OutputPath) => output.to_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    template.components.iter().map(component).collect()
}

#[test]
fn the_shell_runs_the_whole_command_and_keeps_both_streams() {
    let output = tempfile::tempdir().unwrap();
    let script = r#"printf 'out %s|' "$@"; echo bad >&2; exit "$1""#;
    let run = |compiler: &str, args: &[&str]| {
        let Recipe::Process(process) = compile_process(Compile {
            compiler: Template::literal(compiler),
            args: args.iter().map(|arg| Template::literal(*arg)).collect(),
            env: BTreeMap::new(),
            ..compile()
        }) else {
            panic!("no process")
        };
        let fill = |template| fill(template, output.path().as_os_str());
        let env = process.env.iter().map(|(name, value)| (name.as_os_str().to_owned(), fill(value)));
        let mut command = Command::new(fill(&process.command));
        command.args(process.args.iter().map(fill)).env_clear().envs(env);
        let shell = command.output().unwrap();
        assert_eq!((shell.stdout, shell.stderr), (vec![], vec![]), "{COMPILE_SCRIPT}");
        let read = |name| std::fs::read_to_string(output.path().join(name)).unwrap();
        (shell.status.code(), read("stdout"), read("stderr"))
    };
    let quiet = run("/bin/sh", &["-c", "exit 0"]);
    assert_eq!(quiet, (Some(0), String::new(), String::new()));
    let spoken = run("/bin/sh", &["-c", script, "x", "3", "a b", "$c", "", "*"]);
    assert_eq!(spoken, (Some(3), "out 3|out a b|out $c|out |out *|".into(), "bad\n".into()));
    let (status, _, stderr) = run("/nowhere/gcc", &[]);
    assert_eq!(status, Some(127));
    assert!(stderr.contains("/nowhere/gcc"), "{stderr}");
}
