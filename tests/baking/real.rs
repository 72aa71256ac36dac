//! A real project, by real commands: lua from its crate. `scripts/transparent.py` has many more.

use std::process::Command;

use crate::support::WRAPPER;

#[test]
fn lua_comes_out_the_same_and_hits() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/transparent.py");
    let output = Command::new("python3")
        .args([script, "--quick", "--wrapper", WRAPPER])
        .output()
        .expect("python3 is installed");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    let verdict = said.lines().last();
    assert_eq!(verdict, Some("transparent"), "{said}");
    for compiler in ["gcc", "clang"] {
        let row = said.lines().find(|line| line.starts_with(&format!("| lua 5.1, quick | {compiler} | ")));
        let row = row.unwrap_or_else(|| panic!("no row for {compiler}:\n{said}"));
        let cells: Vec<&str> = row.split(" | ").collect();
        let (compiles, hits, refused) = (cells[3], cells[5], cells[6]);
        assert_eq!((hits, refused), (compiles, "none"), "every compile hits when warm:\n{said}");
    }
}
