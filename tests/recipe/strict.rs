//! What is no recipe, and what is said about it.

use bakeplan::recipe::{
    Artifact, CompleteProcessRecipe, Directory, DownloadUrl, Platform, ProcessRecipe, Recipe,
    RecipeIncomplete, Symbol, Template,
};

const EMPTY: &str = r#"{"type":"directory","entries":{}}"#;
const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A process with these fields (each with a comma after it) in front of those that it must have.
fn process(fields: &str) -> String {
    format!(
        r#"{{"type":"process",{fields}"command":{{"components":[]}},"args":[],"env":{{}},"workDir":{EMPTY},"platform":"x86_64-linux"}}"#
    )
}

fn complaint(json: &str) -> String {
    match Recipe::from_json(json.as_bytes()) {
        Ok(recipe) => panic!("{json} was read as {recipe:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_error_names_the_thing_and_the_cause() {
    let file = |fields: &str| format!(r#"{{"type":"file",{fields}"resources":{EMPTY}}}"#);
    let cases = [
        (String::new(), "cannot read the JSON: EOF while parsing a value at line 1 column 0"),
        (r#"{"type":"symlink"}"#.into(), r#"the field "target" is missing"#),
        (r#"{"target":"x"}"#.into(), r#"the field "type" is missing"#),
        (r#"{"type":"symlink","target":"x","mode":1}"#.into(), r#"unknown field "mode""#),
        (r#"{"type":"symlink","target":7}"#.into(), "target: expected a string, found a number"),
        (r#"{"type":"symlink","target":null}"#.into(), "target: expected a string, found null"),
        (
            r#"{"type":"symlink","target":"x","target":"x"}"#.into(),
            r#"cannot read the JSON: the field "target" comes twice at line 1 column 44"#,
        ),
        (
            r#"{"type":"symlink","target":"`41"}"#.into(),
            "target: not tick-encoded: unexpected escape `41, expected A",
        ),
        (r#"{"type":"hardlink"}"#.into(), r#""hardlink" is no type of recipe"#),
        (r#"{"type":"Symlink","target":"x"}"#.into(), r#""Symlink" is no type of recipe"#),
        (r#"{"type":1,"target":"x"}"#.into(), "type: expected a string, found a number"),
        (r#"["symlink","x"]"#.into(), "expected an object, found an array"),
        ("7".into(), "expected an object, found a number"),
        (format!("{EMPTY} x"), "cannot read the JSON: trailing characters at line 1 column 35"),
        (file(&format!(r#""contentBlob":"{ZERO}","#)), r#"the field "executable" is missing"#),
        (
            file(r#""contentBlob":"00","executable":false,"#),
            r#"contentBlob: not a digest (64 lower-case hexadecimal digits): "00""#,
        ),
        (
            file(&format!(r#""contentBlob":"{ZERO}","executable":0,"#)),
            "executable: expected a boolean, found a number",
        ),
        (
            r#"{"type":"create_directory","entries":{"a`00":{"type":"get","directory":[]}}}"#.into(),
            r#"entries["a`00"].directory: expected an object, found an array"#,
        ),
        (
            r#"{"type":"create_directory","entries":{"a`":{}}}"#.into(),
            "entries[\"a`\"]: not tick-encoded: unexpected end after `",
        ),
        (
            format!(r#"{{"type":"peel","directory":{EMPTY},"depth":4294967296}}"#),
            "cannot read the JSON: invalid value: integer `4294967296`, expected a whole number below 2^32 at \
             line 1 column 79",
        ),
        (
            format!(r#"{{"type":"glob","directory":{EMPTY},"patterns":[[256]]}}"#),
            "patterns[0]: expected a byte, found a larger number",
        ),
        (format!(r#"{{"type":"cast","recipe":{EMPTY},"to":"dir"}}"#), r#"to: "dir" is no kind of artifact"#),
        (
            r#"{"type":"download","url":"https://a/","hash":{"type":"sha256","value":"abc"}}"#.into(),
            r#"hash.value: not pairs of hexadecimal digits: "abc""#,
        ),
        (
            r#"{"type":"download","url":"https://a","hash":{"type":"sha256","value":""}}"#.into(),
            r#"url: a URL without a path, not even `/`: "https://a""#,
        ),
    ];
    assert_complaints(cases);
}

#[test]
fn each_error_in_a_process_names_the_thing_and_the_cause() {
    assert_complaints([
        (
            process(r#""args":[],"#),
            r#"cannot read the JSON: the field "args" comes twice at line 1 column 145"#,
        ),
        (process(r#""currentDir":null,"#), "currentDir: expected an object, found null"),
        (
            process(r#""currentDir":{"components":[{"type":"work_dir"},{"type":"home"}]},"#),
            r#"currentDir.components[1]: "home" is no type of template component"#,
        ),
        (
            process(r#""currentDir":{"components":[{"type":"work_dir","value":""}]},"#),
            r#"currentDir.components[0]: unknown field "value""#,
        ),
        (
            process(&format!(r#""currentDir":{{"components":[{{"type":"input","artifact":{EMPTY}}}]}},"#)),
            r#"currentDir.components[0]: the field "recipe" is missing"#,
        ),
        (process("").replace("x86_64", "mips"), r#"platform: "mips-linux" is no platform"#),
        (process(r#""networking":true,"#), "`networking` is an unsafe feature, and `unsafe` is not true"),
        (
            process(r#""networking":true,"unsafe":false,"#),
            "`networking` is an unsafe feature, and `unsafe` is not true",
        ),
        (process(r#""unsafe":true,"#), "`unsafe` is true, but no unsafe feature is used"),
        (process(r#""unsafe":1,"#), "unsafe: expected a boolean, found a number"),
        (
            process("")
                .replace("process", "complete_process")
                .replace("\"args\"", "\"dependencies\":[],\"args\""),
            r#"unknown field "dependencies""#,
        ),
        (
            process("")
                .replace("process", "complete_process")
                .replace("\"directory\"", "\"create_directory\""),
            r#"workDir: "create_directory" is no type of artifact"#,
        ),
        (
            process("")
                .replace("process", "complete_process")
                .replace(EMPTY, r#"{"type":"symlink","target":""}"#),
            "workDir: expected a directory, found a symlink",
        ),
    ]);
}

fn assert_complaints<const N: usize>(cases: [(String, &str); N]) {
    let wrong = cases.into_iter().filter(|(json, expected)| complaint(json) != *expected);
    let wrong: Vec<_> = wrong.map(|(json, expected)| (complaint(&json), expected)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn numbers_that_are_not_whole_are_refused() {
    for number in ["1.0", "-1", "1e2", "18446744073709551616"] {
        let json = format!(r#"{{"type":"peel","directory":{EMPTY},"depth":{number}}}"#);
        assert!(complaint(&json).contains("expected a whole number"), "{number}: {}", complaint(&json));
    }
}

#[test]
fn nesting_is_limited() {
    let sync = |levels: usize| {
        format!("{}{EMPTY}{}", r#"{"type":"sync","recipe":"#.repeat(levels), "}".repeat(levels))
    };
    assert!(Recipe::from_json(sync(100).as_bytes()).is_ok());
    for bomb in [sync(200), sync(1_000_000), "[".repeat(10_000_000), r#"{"a":"#.repeat(1_000_000)] {
        assert!(complaint(&bomb).starts_with("cannot read the JSON: recursion limit exceeded"));
    }
}

#[test]
fn what_is_repeated_in_an_error_is_short() {
    let long = "x".repeat(1_000_000);
    for json in [
        format!(r#"{{"type":"{long}"}}"#),
        format!(r#"{{"type":"sync","recipe":{EMPTY},"{long}":1}}"#),
        format!(r#"{{"{long}":1,"{long}":1}}"#),
        format!(r#"{{"type":"proxy","recipe":"{long}"}}"#),
        format!(r#"{{"type":"create_directory","entries":{{"{long}":0}}}}"#),
    ] {
        let text = complaint(&json);
        assert!(text.contains("xxxx") && text.len() < 300, "{} bytes", text.len());
    }
}

#[test]
fn defaults_may_be_left_out_or_spelled() {
    let plain = Recipe::from_json(process("").as_bytes()).unwrap();
    for spelled in [
        r#""unsafe":false,"#,
        r#""networking":false,"#,
        r#""dependencies":[],"#,
        r#""outputScaffold":null,"#,
        r#""currentDir":{"components":[{"type":"work_dir"}]},"#,
    ] {
        assert_eq!(Recipe::from_json(process(spelled).as_bytes()).unwrap(), plain);
    }
    let missed = [
        format!(r#""dependencies":[{EMPTY}],"#),
        format!(r#""outputScaffold":{EMPTY},"#),
        r#""unsafe":true,"networking":true,"#.to_owned(),
        r#""currentDir":{"components":[{"type":"work_dir"},{"type":"literal","value":""}]},"#.to_owned(),
    ];
    for other in missed {
        assert_ne!(Recipe::from_json(process(&other).as_bytes()).unwrap().hash(), plain.hash(), "{other}");
    }
}

#[test]
fn glob_patterns_are_read_in_both_forms() {
    let glob = |patterns: &str| {
        let json = format!(r#"{{"type":"glob","directory":{EMPTY},"patterns":{patterns}}}"#);
        Recipe::from_json(json.as_bytes()).unwrap().to_json()
    };
    assert_eq!(glob(r#"["b`","é","b`"]"#), glob("[[195,169],[98,96]]"));
    assert!(glob(r#"["b`"]"#).ends_with(r#""patterns":[[98,96]],"type":"glob"}"#));
}

#[test]
fn only_urls_that_stay_as_they_are_are_taken() {
    for url in [
        "https://example.com/",
        "http://example.com:8080/a%20b/c..d/...?q=a+b&x=%2e#f",
        "https://a-b.example/a//b/@v/~c/d%2",
        "ftp://host/file.tar.gz",
        "https://example.com/x?..#./..",
    ] {
        assert_eq!(DownloadUrl::new(url).unwrap().as_str(), url);
    }
    for url in [
        "",
        "example.com/x",
        "HTTPS://example.com/",
        "file:///etc/passwd",
        "https://example.com",
        "https://example.com?x",
        "https://Example.com/",
        "https://user@example.com/",
        "https://xn--e1afmkfd.example/",
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://0x7f/",
        "https://[::1]/",
        "https:///x",
        "https://example.com:443/",
        "http://example.com:80/",
        "http://example.com:/",
        "http://example.com:08080/",
        "http://example.com:+80/",
        "http://example.com:99999/",
        "https://example.com/a/../b",
        "https://example.com/a/.",
        "https://example.com/a/%2E%2e/b",
        "https://example.com/a b",
        "https://example.com/é",
        "https://example.com/a\\b",
        "https://example.com/a\tb",
        "https://example.com/?a'b",
        "https://example.com/\"",
        " https://example.com/",
        "https://example.com/ ",
        "https://ex%61mple.com/",
    ] {
        assert!(DownloadUrl::new(url).is_err(), "{url}");
    }
}

#[test]
fn a_process_is_complete_once_its_inputs_are_baked() {
    let baked = Recipe::from(Directory::default());
    let made = Recipe::CreateDirectory { entries: [("a".into(), baked.clone())].into() };
    let process = |input: &Recipe, work_dir: &Recipe, dependencies: Vec<Recipe>| ProcessRecipe {
        command: Template::input(input.clone()).then("/bin/gcc"),
        args: vec![Template::literal("-c")],
        env: [("OUT".into(), Template::symbol(Symbol::OutputPath))].into(),
        current_dir: Template::symbol(Symbol::WorkDir),
        dependencies,
        work_dir: Box::new(work_dir.clone()),
        output_scaffold: Some(Box::new(baked.clone())),
        platform: Platform::X86_64Linux,
        networking: false,
    };
    let complete = process(&baked, &baked, vec![]).complete().unwrap();
    let expected = CompleteProcessRecipe {
        command: Template::input(Artifact::Directory(Directory::default())).then("/bin/gcc"),
        args: vec![Template::literal("-c")],
        env: [("OUT".into(), Template::symbol(Symbol::OutputPath))].into(),
        current_dir: Template::symbol(Symbol::WorkDir),
        work_dir: Directory::default(),
        output_scaffold: Some(Box::new(Artifact::Directory(Directory::default()))),
        platform: Platform::X86_64Linux,
        networking: false,
    };
    assert_eq!(complete, expected);
    for unfinished in [
        process(&made, &baked, vec![]),
        process(&baked, &made, vec![]),
        process(&baked, &Recipe::Symlink { target: "x".into() }, vec![]),
        process(&baked, &baked, vec![baked.clone()]),
    ] {
        assert_eq!(unfinished.complete(), Err(RecipeIncomplete));
    }
}

#[test]
fn literals_in_a_row_are_one() {
    let template: Template<Recipe> = Template::literal("").then("a").then(&b""[..]).then("b");
    assert_eq!(template, Template::literal("ab"));
    assert_eq!(Template::<Recipe>::literal(""), Template::default());
    assert_eq!(Template::<Recipe>::symbol(Symbol::HomeDir).then("a").then("b").components.len(), 2);
}
