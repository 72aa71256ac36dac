//! Any bytes are an error, or a recipe whose JSON is that recipe again, with one hash.
#![no_main]

use bakeplan::recipe::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(recipe) = Recipe::from_json(data) {
        let json = recipe.to_json();
        let again = Recipe::from_json(json.as_bytes()).expect("what is written can be read");
        assert_eq!(again, recipe);
        assert_eq!(again.to_json(), json);
    }
});
