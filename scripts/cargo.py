#!/usr/bin/env python3
"""Builds a real cargo workspace bare (twice), through brioche-cc with an empty store (cold), and again after
the results are removed (warm), for each of cargo's ways of building, and compares what is left.

Every file that the two bare builds make alike must be the same in the warm build, byte for byte, and warm
must be like cold in everything; cargo's own notes, which hold times, are left out. Once built, there must be
nothing left to do. Then the same build in a second checkout, and, where they are installed, the same by other
caches. Prints Markdown; fails where something differs.

Needs: Python 3.9, cargo with clippy, cc, ar; the crates come by `cargo fetch`.

    scripts/cargo.py --wrapper target/release/brioche-cc                     # everything
    scripts/cargo.py --wrapper target/release/brioche-cc --modes 'build;check' --peers '' --light
    scripts/cargo.py ... --peers /venv/bin/sccache,/venv/bin/zccache
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

FILES = {
    "Cargo.toml": """[workspace]
resolver = "2"
members = ["app", "ffi", "macros", "generated"]
[profile.release]
lto = "thin"
""",
    "app/Cargo.toml": """[package]
name = "app"
version = "0.1.0"
edition = "2021"
[dependencies]
clap = { version = "4", features = ["derive"] }
libz-sys = { version = "1", features = ["static"] }
regex = "1"
serde = { version = "1", features = ["derive"] }
serde_json = "1"
tokio = { version = "1", features = ["full"] }
ffi = { path = "../ffi" }
generated = { path = "../generated" }
macros = { path = "../macros" }
""",
    "app/src/lib.rs": """use serde::{Deserialize, Serialize};
#[derive(Serialize, Deserialize, Debug)]
pub struct Item { pub number: u32, pub text: String }
pub fn matches(text: &str) -> bool { regex::Regex::new("a+b").unwrap().is_match(text) }
pub fn zlib() -> String {
    let version = unsafe { std::ffi::CStr::from_ptr(libz_sys::zlibVersion()) };
    version.to_string_lossy().into_owned()
}
#[cfg(test)]
mod tests { #[test] fn it_matches() { assert!(super::matches("aab")); } }
""",
    "app/src/main.rs": """use clap::Parser;
#[derive(Parser)]
struct Options { #[arg(long, default_value = "q")] name: String }
#[derive(macros::Named)]
struct Thing;
#[tokio::main]
async fn main() {
    let options = Options::parse();
    let item = app::Item { number: generated::SUM, text: options.name.clone() };
    let json = serde_json::to_string(&item).unwrap();
    println!("{json} {} {} {} {}", app::matches(&options.name), app::zlib().len() > 2, Thing.name(), ffi::larger(3, 4));
}
""",
    "app/tests/whole.rs": """#[test]
fn it_runs() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_app")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("Thing 4"));
}
""",
    "ffi/Cargo.toml": """[package]
name = "ffi"
version = "0.1.0"
edition = "2021"
[lib]
crate-type = ["cdylib", "staticlib", "rlib"]
""",
    "ffi/src/lib.rs": """#[no_mangle]
pub extern "C" fn larger(a: i32, b: i32) -> i32 { a.max(b) }
""",
    "macros/Cargo.toml": """[package]
name = "macros"
version = "0.1.0"
edition = "2021"
[lib]
proc-macro = true
[dependencies]
quote = "1"
syn = { version = "2", features = ["full"] }
""",
    "macros/src/lib.rs": """use quote::quote;
#[proc_macro_derive(Named)]
pub fn named(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let item = syn::parse_macro_input!(input as syn::DeriveInput);
    let (ident, text) = (&item.ident, item.ident.to_string());
    quote! { impl #ident { pub fn name(&self) -> &'static str { #text } } }.into()
}
""",
    "generated/Cargo.toml": '[package]\nname = "generated"\nversion = "0.1.0"\nedition = "2021"\n',
    "generated/build.rs": """fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(format!("{out}/sum.rs"), "pub const SUM: u32 = 28;").unwrap();
    println!("cargo::rerun-if-changed=build.rs");
}
""",
    "generated/src/lib.rs": 'include!(concat!(env!("OUT_DIR"), "/sum.rs"));\n',
}

# The program without the two largest of the crates.
LIGHT = """#[derive(macros::Named)]
struct Thing;
fn main() {
    let item = app::Item { number: generated::SUM, text: "q".to_owned() };
    let json = serde_json::to_string(&item).unwrap();
    println!("{json} {} {} {} {}", app::matches("q"), app::zlib().len() > 2, Thing.name(), ffi::larger(3, 4));
}
"""

MODES = {
    "build": ["build", "--all-targets"],
    "build, not incremental": ["build", "--all-targets"],
    "check": ["check", "--all-targets"],
    "test": ["test", "--no-run"],
    "clippy": ["clippy", "--all-targets"],
    "doc": ["doc", "--no-deps"],
    "release": ["build", "--release"],
}

# cargo's own notes, the compiler's memory, and what rustdoc makes, which is not ours.
NOTES = {".fingerprint", "incremental", ".rustc_info.json", ".cargo-lock", "doc", "CACHEDIR.TAG"}
# What build scripts say: the cc crate tells how the compiler is called.
SAID = {"output", "stderr"}


def write(root, light):
    for name, text in FILES.items():
        if light:
            lines = text.splitlines(keepends=True)
            text = "".join(line for line in lines if not line.startswith(("clap =", "tokio =")))
            text = LIGHT if name == "app/src/main.rs" else text
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def results(root):
    """What was made: names with digests."""
    made = {}
    for directory, names, files in os.walk(os.path.join(root, "target")):
        names[:] = [name for name in names if name not in NOTES]
        for name in files:
            path = os.path.join(directory, name)
            if name not in NOTES and name not in SAID:
                with open(path, "rb") as file:
                    made[os.path.relpath(path, root)] = hashlib.sha256(file.read()).hexdigest()
    return made


def size(directory):
    """Megabytes of disk."""
    said = subprocess.run(["du", "-sk", directory], capture_output=True, text=True, check=False).stdout
    return int(said.split()[0]) / 1000 if said else 0


class Builder:
    def __init__(self, scratch):
        self.scratch = scratch
        self.failures = []

    def build(self, root, mode, variables, fresh=True):
        """Runs cargo; gives how long it took and what it said."""
        if fresh:
            shutil.rmtree(os.path.join(root, "target"), ignore_errors=True)
        environment = {**os.environ, "CARGO_TERM_COLOR": "never", **variables}
        if mode == "build, not incremental":
            environment["CARGO_INCREMENTAL"] = "0"
        begin = time.monotonic()
        done = subprocess.run(
            ["cargo", *MODES[mode], "--offline"], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"cargo {mode} failed with {variables}:\n{done.stderr}")
        return time.monotonic() - begin, done.stderr


class Ours:
    def __init__(self, wrapper, store):
        self.wrapper, self.store = wrapper, store
        # Under the compiler's own name: the cc crate asks otherwise about a compiler behind a wrapper that it
        # does not know, and comes to other flags.
        link = os.path.join(os.path.dirname(store), "links", "cc")
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if not os.path.lexists(link):
            os.symlink(wrapper, link)
        self.variables = {
            "RUSTC_WRAPPER": wrapper,
            "CC": link,
            "BRIOCHE_CC_DIR": store,
            "BRIOCHE_CC_MAX_SIZE": "50G",
            "BRIOCHE_CC_LOG": store + ".log",
        }
        shutil.rmtree(store, ignore_errors=True)

    def statistics(self):
        said = subprocess.run(
            [self.wrapper, "--show-stats", "--json"],
            env={**os.environ, **self.variables}, capture_output=True, text=True, check=True,
        )
        figures = json.loads(said.stdout)
        refused = {token: count for token, count in figures["refused"].items() if token != "prints-information"}
        return figures["hits"], figures["misses"], refused, figures["errors"]

    def counted(self, run):
        """What a run counted: hits, misses, refused."""
        before = self.statistics()
        value = run()
        after = self.statistics()
        refused = {t: n - before[2].get(t, 0) for t, n in after[2].items() if n > before[2].get(t, 0)}
        return value, (after[0] - before[0], after[1] - before[1], refused)


def transparent(builder, wrapper, mode):
    """One row: bare twice, cold, warm, again, and in another checkout."""
    root = os.path.join(builder.scratch, "checkout")
    ours = Ours(wrapper, os.path.join(builder.scratch, "store"))
    bare, made = [], []
    for _ in range(2):
        took, _ = builder.build(root, mode, {})
        bare.append(took)
        made.append(results(root))
    (cold, _), counted = ours.counted(lambda: builder.build(root, mode, ours.variables))
    compiles = counted[0] + counted[1] + sum(counted[2].values())
    after_cold = results(root)
    (warm, _), (hits, misses, refused) = ours.counted(lambda: builder.build(root, mode, ours.variables))
    after_warm = results(root)
    _, again = ours.counted(lambda: builder.build(root, mode, ours.variables, fresh=False))
    other = os.path.join(builder.scratch, "another")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("target"))
    (elsewhere, _), there = ours.counted(lambda: builder.build(other, mode, ours.variables))
    stable = [name for name, digest in made[0].items() if made[1].get(name) == digest]
    wrong = [name for name in stable if after_warm.get(name) != made[0][name]]
    unlike = [name for name in after_cold if after_warm.get(name) != after_cold[name]]
    builder.failures += [f"{mode}: not as bare: {name}" for name in wrong]
    builder.failures += [f"{mode}: warm is not as cold: {name}" for name in unlike]
    if again[0] or again[1]:
        builder.failures.append(f"{mode}: something was left to do: {again}")
    print("\n".join(builder.failures), file=sys.stderr, flush=True)
    base = min(bare)
    listed = ", ".join(f"{token} {count}" for token, count in sorted(refused.items())) or "none"
    return (
        f"| {mode} | {base:.1f} | {cold / base:.2f} | {warm / base:.3f} | {compiles} | {hits} | {misses} | {listed} "
        f"| {len(made[0])} / {len(stable)} / {len(wrong)} / {len(unlike)} "
        f"| {elsewhere / base:.2f}, {there[0]} of {there[0] + there[1]} | {size(ours.store):.0f} |"
    )


def peer(builder, program, base):
    """One row of another cache: cold, warm, in another checkout."""
    name = os.path.basename(program)
    root, other = (os.path.join(builder.scratch, place) for place in ("checkout", "another"))
    store = os.path.join(builder.scratch, name)
    shutil.rmtree(store, ignore_errors=True)
    variables = {
        "RUSTC_WRAPPER": program,
        "CC": f"{program} cc",
        "SCCACHE_DIR": store,
        "SCCACHE_SERVER_PORT": "4397",
        "SCCACHE_IDLE_TIMEOUT": "0",
        "ZCCACHE_CACHE_DIR": store,
        "KACHE_CACHE_DIR": store,
    }
    environment = {**os.environ, **variables}
    control = {"sccache": (["--start-server"], ["--stop-server"]), "zccache": (["start"], ["stop"])}.get(name)
    run = lambda arguments: subprocess.run([program, *arguments], env=environment, capture_output=True, check=False)
    if control:
        run(control[1])
        run(control[0])
    mode = "build, not incremental"
    took = [builder.build(place, mode, variables)[0] for place in (root, root, other)]
    if control:
        run(control[1])
    return f"| {name} | {took[0] / base:.2f} | {took[1] / base:.3f} | {took[2] / base:.2f} | {size(store):.0f} |"


def beside(builder, wrapper, peers):
    """The table of caches side by side, with crates compiled as one (as the others need it)."""
    mode = "build, not incremental"
    root, other = (os.path.join(builder.scratch, place) for place in ("checkout", "another"))
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("target"))
    base = min(builder.build(root, mode, {})[0] for _ in range(2))
    ours = Ours(wrapper, os.path.join(builder.scratch, "store"))
    took = [builder.build(place, mode, ours.variables)[0] for place in (root, root, other)]
    print("\n| cache | cold | warm | another checkout | store, MB |\n|---|---|---|---|---|")
    print(f"| brioche-cc | {took[0] / base:.2f} | {took[1] / base:.3f} | {took[2] / base:.2f} | {size(ours.store):.0f} |")
    for program in peers:
        print(peer(builder, program, base), flush=True)
    print(f"\nTimes as parts of bare ({base:.1f} s).")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrapper", default="target/release/brioche-cc")
    parser.add_argument("--modes", default=";".join(MODES), help="names of modes, with semicolons between them")
    parser.add_argument("--peers", default=",".join(filter(None, map(shutil.which, ["sccache", "zccache", "kache"]))))
    parser.add_argument("--light", action="store_true", help="without tokio and clap")
    parser.add_argument("--scratch", default="/tmp/brioche-cc-cargo")
    options = parser.parse_args()
    wrapper = os.path.abspath(options.wrapper)
    builder = Builder(os.path.abspath(options.scratch))
    root = os.path.join(builder.scratch, "checkout")
    for variable in ("RUSTC_WRAPPER", "CC", "RUSTFLAGS"):
        os.environ.pop(variable, None)
    write(root, options.light)
    subprocess.run(["cargo", "fetch"], cwd=root, check=True, capture_output=True)
    modes = [mode for mode in options.modes.split(";") if mode]
    if modes:
        print(
            "| mode | bare, s | cold | warm | compiles | hit | missed | refused | files / stable / unlike bare / warm unlike "
            "cold | another checkout: time, hits | store, MB |\n|" + "---|" * 11
        )
    for mode in modes:
        print(transparent(builder, wrapper, mode), flush=True)
    peers = [peer for peer in options.peers.split(",") if peer]
    if peers:
        beside(builder, wrapper, peers)
    if builder.failures:
        sys.exit("\n".join(builder.failures))


if __name__ == "__main__":
    main()
