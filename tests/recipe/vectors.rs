//! Known answers.

use std::collections::BTreeSet;

use bakeplan::recipe::{Artifact, Recipe};

/// Made by Brioche 0.1.8.
pub(super) const BRIOCHE: &str = include_str!("../../fixtures/recipe/vectors.tsv");
/// The hashes that Brioche's own tests pin.
pub(super) const PINNED: &str = include_str!("../../fixtures/recipe/pinned-by-brioche.tsv");
/// Pinned here, for what the others leave out; the JSON is canonical, so each hash is that of its text.
pub(super) const OURS: &str = include_str!("../../fixtures/recipe/pinned-here.tsv");

pub(super) fn lines(file: &'static str) -> Vec<(&'static str, &'static str)> {
    file.lines().map(|line| line.split_once('\t').expect("hash, tab, JSON")).collect()
}

fn all() -> Vec<(&'static str, &'static str)> {
    [BRIOCHE, PINNED, OURS].into_iter().flat_map(lines).collect()
}

#[test]
fn every_known_answer_is_reproduced() {
    assert_eq!([BRIOCHE, PINNED, OURS].map(|file| lines(file).len()), [27, 18, 13]);
    for (hash, json) in all() {
        let recipe = Recipe::from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(recipe.hash().to_string(), hash, "{json}");
    }
}

#[test]
fn ours_are_the_hashes_of_their_text() {
    for (hash, json) in lines(OURS) {
        assert_eq!(blake3::hash(json.as_bytes()).to_string(), hash, "{json}");
    }
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for (hash, json) in all() {
        let recipe = Recipe::from_json(json.as_bytes()).expect(json);
        let written = recipe.to_json();
        let again = Recipe::from_json(written.as_bytes()).expect(&written);
        assert_eq!(again, recipe);
        assert_eq!(again.hash().to_string(), hash);
    }
}

#[test]
fn an_artifact_hashes_as_the_recipe_that_it_is() {
    let mut artifacts = 0;
    for (hash, json) in all() {
        let recipe = Recipe::from_json(json.as_bytes()).expect(json);
        if let Ok(artifact) = Artifact::from_json(json.as_bytes()) {
            artifacts += 1;
            assert_eq!(artifact.hash().to_string(), hash);
            assert_eq!(Artifact::from_json(artifact.to_json().as_bytes()).unwrap(), artifact);
            assert_eq!(recipe.to_artifact().unwrap(), artifact);
            assert_eq!(Recipe::from(artifact), recipe);
        }
    }
    assert!(artifacts >= 10, "{artifacts}");
}

#[test]
fn the_known_answers_cover_every_type() {
    let types = "file symlink directory create_file create_directory process complete_process merge get \
                 insert glob peel cast set_permissions collect_references attach_resources proxy sync \
                 download unarchive literal input output_path resource_dir input_resource_dirs home_dir \
                 work_dir temp_dir ca_certificate_bundle_path host_socket_path sha256";
    let texts: Vec<String> = all().into_iter().map(|(_, json)| json.replace(": ", ":")).collect();
    let missing: BTreeSet<&str> = types
        .split_whitespace()
        .filter(|name| !texts.iter().any(|text| text.contains(&format!("\"type\":\"{name}\""))))
        .collect();
    assert_eq!(missing, BTreeSet::new());
}
