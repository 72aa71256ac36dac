//! The README is true: each refusal that the code can give is in its table.

use std::path::Path;

/// The calls that name a refusal's token first.
const NAMING: [&str; 4] = ["refuse(\"", "refuse_on(\"", "Refusal::new(\"", "refused(\""];

fn tokens(directory: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            tokens(&path, into);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("source text");
        for naming in NAMING {
            let found = text.split(naming).skip(1).filter_map(|rest| rest.split_once('"'));
            into.extend(found.map(|(token, _)| token.to_owned()).filter(|token| !token.contains(' ')));
        }
    }
}

#[test]
fn every_refusal_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let mut all = Vec::new();
    tokens(&root.join("src"), &mut all);
    assert!(all.len() > 60, "the source names its tokens otherwise now");
    let missing: Vec<_> = all.iter().filter(|token| !readme.contains(&format!("`{token}`"))).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");
}
