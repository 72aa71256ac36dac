# Everything that is checked, and what CI runs.
test:
    scripts/test.sh

# Formatting, lints, documentation.
lint:
    scripts/lint.sh

bench *args:
    cargo bench --locked {{args}}

# Fuzzes a target (recipe_json, response_file, argv, manifest, wire_frame) for some seconds; needs nightly and cargo-fuzz.
fuzz target="recipe_json" seconds="60":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}

# A C project built bare, cold and warm.
demo:
    scripts/demo.sh
