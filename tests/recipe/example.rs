//! The example `recipe_hash`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::vectors::{BRIOCHE, lines};

/// Where cargo puts examples: beside the directory of the test's own program. `cargo test` has built
/// them, `cargo test --test main` has not.
fn example() -> PathBuf {
    let test = PathBuf::from(std::env::args_os().next().expect("a program"));
    let target = test.parent().and_then(Path::parent).expect("a target directory");
    let example = target.join("examples/recipe_hash");
    if !example.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "recipe_hash"]);
        if target.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo").success());
    }
    example
}

#[test]
fn it_answers_every_line_and_goes_on() {
    let vectors = lines(BRIOCHE);
    let mut input: Vec<u8> = Vec::new();
    for (_, json) in &vectors {
        input.extend_from_slice(json.as_bytes());
        input.extend_from_slice(b"\r\n\n\xff\xfe\n");
    }
    input.extend(b"[".repeat(1_000_000));
    input.extend_from_slice(b"\n{\"type\":\"a\\nb\\u2028\"}\n");
    input.extend_from_slice(vectors[0].1.as_bytes());

    let mut child = Command::new(example())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example is built with the tests");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("no panic").expect("all is read");
    assert!(output.status.success());

    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<&str> = text.lines().collect();
    assert_eq!(answers.len(), vectors.len() * 3 + 3);
    for ((hash, _), answer) in vectors.iter().zip(answers.chunks(3)) {
        assert_eq!(answer[0], *hash);
        assert!(answer[1].starts_with("ERROR cannot read the JSON: EOF"), "{}", answer[1]);
        assert!(answer[2].starts_with("ERROR cannot read the JSON: "), "{}", answer[2]);
    }
    let last = &answers[vectors.len() * 3..];
    assert!(last[0].starts_with("ERROR cannot read the JSON: recursion limit"), "{}", last[0]);
    assert_eq!(last[1], "ERROR \"a\\nb\\u{2028}\" is no type of recipe");
    assert_eq!(last[2], vectors[0].0);
}
