//! Every type of recipe that is baked, and those that are not.

use super::support::*;
use bakeplan::host::{Baked, HostError};
use bakeplan::recipe::digest::{ArtifactHash, RecipeHash};
use bakeplan::recipe::{Artifact, ArtifactKind, Directory, ProcessTemplate, Recipe, Template};

fn boxed(recipe: &Recipe) -> Box<Recipe> {
    Box::new(recipe.clone())
}

#[track_caller]
fn token(result: Result<Baked, HostError>) -> &'static str {
    result.unwrap_err().token()
}

#[test]
fn computed_recipes() {
    let host = Host::new();
    let hash = |recipe: &Recipe| host.ok(recipe).artifact;
    let one = directory(&[("a", file("1")), ("both", directory(&[("x", file("1")), ("y", file("1"))]))]);
    let two = directory(&[("b", file("2")), ("both", directory(&[("y", file("2"))]))]);
    let merged = Recipe::Merge { directories: vec![one.clone(), two] };
    let expected = directory(&[
        ("a", file("1")),
        ("b", file("2")),
        ("both", directory(&[("x", file("1")), ("y", file("2"))])),
    ]);
    assert_eq!(hash(&merged), hash(&expected));
    let get = Recipe::Get { directory: boxed(&merged), path: "both/y".into() };
    assert_eq!(hash(&get), hash(&file("2")));
    let insert = |path: &str, recipe: Option<Recipe>| Recipe::Insert {
        directory: boxed(&one),
        path: path.into(),
        recipe: recipe.map(Box::new),
    };
    let got =
        |recipe: Recipe, path: &str| hash(&Recipe::Get { directory: Box::new(recipe), path: path.into() });
    assert_eq!(got(insert("new/deep", Some(file("3"))), "new/deep"), hash(&file("3")));
    assert_eq!(got(insert("both/x", Some(file("3"))), "both/y"), hash(&file("1")));
    assert_eq!(hash(&insert("a", None)), {
        hash(&directory(&[("both", directory(&[("x", file("1")), ("y", file("1"))]))]))
    });
    assert_eq!(hash(&insert("none/there", None)), hash(&one));
    let cast = |to| Recipe::Cast { recipe: boxed(&one), to };
    assert_eq!(hash(&cast(ArtifactKind::Directory)), hash(&one));
    let artifact = host.engine.artifacts().need(&hash(&one)).unwrap();
    assert_eq!(hash(&artifact.into()), hash(&one));
    assert_eq!(hash(&Recipe::Proxy { recipe: hash(&one).into() }), hash(&one));
    let process = sh("echo made >\"$out\"");
    let made = hash(&process);
    assert_eq!(hash(&Recipe::Proxy { recipe: process.hash() }), made);
    let link = Recipe::Symlink { target: "anywhere".into() };
    assert_eq!(hash(&link), Artifact::Symlink { target: "anywhere".into() }.hash());

    assert_eq!(token(host.bake(&cast(ArtifactKind::File))), "bad-recipe");
    assert_eq!(token(host.bake(&Recipe::Get { directory: boxed(&one), path: "none".into() })), "bad-recipe");
    assert_eq!(token(host.bake(&Recipe::Merge { directories: vec![file("1")] })), "bad-recipe");
    assert_eq!(token(host.bake(&insert("", Some(file("1"))))), "bad-recipe");
    assert_eq!(token(host.bake(&insert("a/below", Some(file("1"))))), "bad-recipe");
    assert_eq!(token(host.bake(&Recipe::Proxy { recipe: RecipeHash::of(b"?") })), "missing");
    for name in ["", ".", "..", "a/b", "a\0b"] {
        assert_eq!(token(host.bake(&directory(&[(name, file("1"))]))), "bad-name", "{name:?}");
    }
}

#[test]
fn others_are_refused_by_name() {
    let host = Host::new();
    let one = Box::new(directory(&[]));
    let others = [
        (Recipe::Peel { directory: one.clone(), depth: 1 }, "peel"),
        (Recipe::Glob { directory: one.clone(), patterns: [].into() }, "glob"),
        (Recipe::CollectReferences { recipe: one.clone() }, "collect_references"),
        (Recipe::AttachResources { recipe: one.clone() }, "attach_resources"),
        (Recipe::SetPermissions { file: one, executable: Some(true) }, "set_permissions"),
    ];
    for (recipe, name) in others {
        let error = host.bake(&recipe).unwrap_err();
        assert_eq!(error.token(), "unsupported-recipe");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_directory_whose_entries_are_missing_or_misnamed_bakes_no_process() {
    let host = Host::new();
    let nobody = ArtifactHash::of(b"nobody");
    let missing = Directory { entries: [("a".into(), nobody)].into() };
    let input = with_input(shell(": >\"$out\""), "in", Recipe::Directory(missing));
    assert_eq!(token(host.bake(&input.into())), "missing");
    let held = host.ok(&file("x")).artifact;
    for name in ["..", "a/b", ".", ""] {
        let directory = Directory { entries: [(name.into(), held)].into() };
        let mut process = shell(": >\"$out\"");
        process.work_dir = Box::new(Recipe::Directory(directory));
        assert_eq!(token(host.bake(&process.into())), "bad-name", "{name:?}");
    }
}

#[test]
fn dependencies_become_environment() {
    let host = Host::new();
    let link = |target: &str| Recipe::Symlink { target: target.into() };
    let tool = Recipe::CreateFile {
        content: "#!/bin/sh\necho \"tool: $*\"\n".into(),
        executable: true,
        resources: Box::new(directory(&[])),
    };
    let one = directory(&[
        ("bin", directory(&[("tool", tool)])),
        ("include", directory(&[])),
        (
            "brioche-env.d",
            directory(&[(
                "env",
                directory(&[
                    ("CPATH", directory(&[("include", link("../../../include"))])),
                    ("ONE", file("value")),
                    ("SET", file("fallback")),
                    ("HERE", link("../../include")),
                ]),
            )]),
        ),
    ]);
    let two = directory(&[
        ("bin", directory(&[])),
        (
            "brioche-env.d",
            directory(&[("env", directory(&[("CPATH", directory(&[("x", link("../../../x"))]))]))]),
        ),
    ]);
    let mut process = shell("");
    process.command = Template::literal("tool");
    process.args = vec![Template::literal("hello")];
    process.dependencies = vec![one.clone(), two.clone()];
    process.env.insert("SET".into(), Template::literal("mine"));
    // The process that it becomes, written out.
    let at = |recipe: &Recipe, below: &str| ProcessTemplate::input(recipe.clone()).then(below);
    let list = |parts: [ProcessTemplate; 2]| {
        let [first, second] = parts;
        let mut joined = first.then(":");
        joined.components.extend(second.components);
        joined
    };
    let mut written = process.clone();
    written.dependencies = Vec::new();
    written.command = at(&one, "/bin/tool");
    written.env.insert("PATH".into(), list([at(&one, "/bin"), at(&two, "/bin")]));
    written.env.insert("CPATH".into(), list([at(&one, "/include"), at(&two, "/x")]));
    written.env.insert("ONE".into(), Template::literal("value"));
    written.env.insert("HERE".into(), at(&one, "/include"));
    for script in [&mut process, &mut written] {
        script.args = vec![Template::literal("hello")];
    }
    // It leaves nothing, so it fails; both are the same process, and tell so.
    let watch = Waiter::default();
    let Ok(Baked::Failed { why }) = host.bake_for(&process.clone().into(), &watch) else { panic!() };
    assert!(why.contains("nothing at its output path"), "{why}");
    assert_eq!(watch.text(), "tool: hello\n");
    let _ = host.bake(&written.into());
    let entries = host.engine.lineage().read().unwrap();
    let [first, second] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(first.complete, second.complete);

    process.command = Template::literal("no-such-tool");
    assert_eq!(token(host.bake(&process.clone().into())), "bad-recipe");
    process.command = Template::literal("./tool");
    assert_eq!(token(host.bake(&process.into())), "bad-recipe");
}
