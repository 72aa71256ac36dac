//! What a few dozen command lines mean, kept as a snapshot: a change of the parser shows here.

use std::fmt::Write as _;

use bakeplan::argparse::Invocation;

use super::support::{line, show};

const LINES: &str = include_str!("../../fixtures/command-lines/lines.txt");

/// An invocation in a few lines.
fn summary(invocation: &Invocation) -> String {
    let mut text = format!("{:?}{}\n", invocation.mode, if invocation.links { ", links" } else { "" });
    for source in &invocation.sources {
        let _ = writeln!(text, "  {} ({})", show(&source.path), source.language.name);
        for output in &source.outputs {
            let optional = if output.optional { ", may be left out" } else { "" };
            let _ = writeln!(text, "    {}: {}{optional}", output.kind.name(), show(&output.path));
        }
        if let Some(file) = &source.dependencies {
            let _ = writeln!(text, "    rules: system {} {:?}", file.system, file.options);
        }
        if !source.naming.is_empty() {
            let _ = writeln!(text, "    naming: {:?}", source.naming);
        }
        for refusal in &source.refusals {
            let _ =
                writeln!(text, "    refused: {} by {:?}: {}", refusal.token, refusal.argument, refusal.why);
        }
    }
    let facts = format!("{:?}", invocation.facts);
    let said = facts.trim_start_matches("Facts { ").trim_end_matches(" }").split(", ");
    let empty = [": false", ": None", ": []"];
    let said: Vec<&str> = said.filter(|fact| !empty.iter().any(|end| fact.ends_with(end))).collect();
    let _ = writeln!(text, "  facts: {}", said.join(", "));
    for refusal in &invocation.refusals {
        let _ = writeln!(text, "  refused: {} by {:?}: {}", refusal.token, refusal.argument, refusal.why);
    }
    text
}

#[test]
fn command_lines_mean_what_they_meant() {
    let mut text = String::new();
    for command in LINES.lines() {
        let (tool, args) = command.split_once(' ').expect("a tool and arguments");
        let _ = writeln!(text, "$ {command}\n{}", summary(&line(tool, args)));
    }
    insta::assert_snapshot!(text);
}
