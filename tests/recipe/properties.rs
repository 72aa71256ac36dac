//! What holds for every recipe, and for every text.

use bakeplan::recipe::digest::RecipeHash;
use bakeplan::recipe::{Artifact, ByteString, Recipe};
use proptest::prelude::*;
use serde_json::Value;

use super::oracle::{artifact, bytes, recipe};
use super::vectors::{BRIOCHE, lines};

/// The same JSON written in another way: every object's fields backwards, spaces between, every
/// character of a string as an escape.
#[allow(clippy::format_push_string, reason = "short texts")]
fn disguise(value: &Value, out: &mut String) {
    let escaped = |text: &str, out: &mut String| {
        out.push('"');
        text.encode_utf16().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
        out.push('"');
    };
    match value {
        Value::String(text) => escaped(text, out),
        Value::Array(items) => {
            out.push_str(" [");
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "\t" } else { " ,\r" });
                disguise(item, out);
            }
            out.push_str(" ]");
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| b.0.cmp(a.0));
            out.push_str(" {");
            for (index, (name, value)) in fields.into_iter().enumerate() {
                out.push_str(if index == 0 { " " } else { " , " });
                escaped(name, out);
                out.push_str(" : ");
                disguise(value, out);
            }
            out.push_str(" }");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => *out += &value.to_string(),
    }
}

proptest! {
    #[test]
    fn json_and_back_is_the_same_recipe(recipe in recipe()) {
        let json = recipe.to_json();
        let again = Recipe::from_json(json.as_bytes()).unwrap();
        prop_assert_eq!(&again, &recipe);
        prop_assert_eq!(again.hash(), recipe.hash());
    }

    #[test]
    fn json_and_back_is_the_same_artifact(artifact in artifact()) {
        let again = Artifact::from_json(artifact.to_json().as_bytes()).unwrap();
        prop_assert_eq!(RecipeHash::from(again.hash()), Recipe::from(artifact.clone()).hash());
        prop_assert_eq!(again, artifact);
    }

    #[test]
    fn the_text_is_canonical(recipe in recipe()) {
        let json = recipe.to_json();
        let value: Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(json_canon::to_string(&value).unwrap(), json);
    }

    #[test]
    fn neither_order_nor_spelling_matters(recipe in recipe()) {
        let mut text = String::new();
        disguise(&serde_json::from_str(&recipe.to_json()).unwrap(), &mut text);
        prop_assert_eq!(Recipe::from_json(text.as_bytes()).unwrap().hash(), recipe.hash());
    }

    #[test]
    fn ticks_and_back_are_the_same_bytes(bytes in bytes()) {
        let ticks = bytes.to_ticks();
        prop_assert!(ticks.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r')));
        prop_assert_eq!(ByteString::from_ticks(&ticks).unwrap(), bytes);
    }

    #[test]
    fn a_text_is_the_encoding_of_its_decoding_or_of_nothing(text in "([`0-9A-Fa-f]|\\PC){0,12}") {
        if let Ok(bytes) = ByteString::from_ticks(&text) {
            prop_assert_eq!(bytes.to_ticks(), text);
        }
    }

    #[test]
    fn any_bytes_are_a_recipe_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(recipe) = Recipe::from_json(&bytes) {
            prop_assert_eq!(Recipe::from_json(recipe.to_json().as_bytes()).unwrap(), recipe);
        }
    }

    #[test]
    fn a_recipe_with_a_few_bytes_changed_is_a_recipe_or_an_error(
        index in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let vectors = lines(BRIOCHE);
        let mut json = index.get(&vectors).1.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(json.len());
            json[at] = byte;
        }
        if let Ok(recipe) = Recipe::from_json(&json) {
            prop_assert_eq!(Recipe::from_json(recipe.to_json().as_bytes()).unwrap(), recipe);
        }
    }
}

#[test]
fn a_byte_string_has_one_encoding() {
    for (ticks, bytes) in [("a `` b", &b"a ` b"[..]), ("`00`7F`FF\t\n\r", b"\x00\x7f\xff\t\n\r"), ("", b"")] {
        assert_eq!(ByteString::from_ticks(ticks).unwrap().as_bytes(), bytes);
        assert_eq!(ByteString::from(bytes).to_string(), ticks);
    }
    for bad in ["`", "`a", "`0", "`ff", "`41", "`60", "`0A", "é", "\0", "\x7f", "`G0"] {
        assert!(ByteString::from_ticks(bad).is_err(), "{bad:?}");
    }
}
