//! Reads recipes as JSON from standard input, one a line, and prints the hash of each, one a line. For a
//! line that is no recipe it prints `ERROR`, a space and why, and goes on.

use std::io::{self, BufRead, Write};

use bakeplan::recipe::Recipe;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().split(b'\n') {
        match Recipe::from_json(&line?) {
            Ok(recipe) => writeln!(out, "{}", recipe.hash())?,
            Err(error) => writeln!(out, "ERROR {error}")?,
        }
    }
    out.flush()
}
