#!/usr/bin/env python3
"""Builds a real cargo workspace bare (twice), through brioche-cc with an empty store (cold), and again after
the results are removed (warm), for each of cargo's ways of building, and compares what is left.

Every file that the two bare builds make alike must be the same in the cold and in the warm build, byte for
byte, and warm must be like cold in everything; cargo's own notes, which hold times, are left out. When warm, at
most 2 % of rustc's compiles may be anything but a hit; each is listed. Once built, there must be nothing left
to do. Then the same build in a second checkout, whose files must be as without us, too, and, where they are
installed, the same by other caches. Prints Markdown, what missed elsewhere on standard error; fails where
something differs.

Times are wall time / processor time of cargo and all that it ran; what a cache's own server takes is in the
former only.

Needs: Python 3.9, cargo with clippy, cc, ar; the crates come by `cargo fetch`.

    scripts/cargo.py --wrapper target/release/brioche-cc                     # everything
    scripts/cargo.py --wrapper target/release/brioche-cc --modes 'build;check' --peers '' --light
    scripts/cargo.py ... --peers /venv/bin/sccache,/venv/bin/zccache
"""

import argparse
import hashlib
import os
import re
import resource
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
    "build, remapped": ["build", "--all-targets"],
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
                    content = file.read()
                # cargo's own, beside what it leaves for the user: of a library of several kinds it names one,
                # the first that comes out of a hash table.
                if name.endswith(".d") and os.path.dirname(directory) == os.path.join(root, "target"):
                    content = re.sub(rb"^[^:]*\.(a|rlib|so): ", b"", content)
                made[os.path.relpath(path, root)] = hashlib.sha256(content).hexdigest()
    return made


def size(directory):
    """Megabytes of disk."""
    said = subprocess.run(["du", "-sk", directory], capture_output=True, text=True, check=False).stdout
    return int(said.split()[0]) / 1000 if said else 0


def spent():
    """Seconds of the clock, and of the processor by programs that were run."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), children.ru_utime + children.ru_stime


def parts(took, base):
    """Times as parts of others."""
    return " / ".join(f"{one / other:.3g}" for one, other in zip(took, base))


class Builder:
    def __init__(self, scratch):
        self.scratch = scratch
        self.failures = []

    def build(self, root, mode, variables, fresh=True):
        """Runs cargo; gives how long it took, by the clock and by the processor."""
        if fresh:
            shutil.rmtree(os.path.join(root, "target"), ignore_errors=True)
        environment = {**os.environ, "CARGO_TERM_COLOR": "never", **variables}
        if mode == "build, not incremental":
            environment["CARGO_INCREMENTAL"] = "0"
        if mode == "build, remapped":
            environment["RUSTFLAGS"] = f"--remap-path-prefix={root}=/source"
        begin = spent()
        done = subprocess.run(
            ["cargo", *MODES[mode], "--offline"], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"cargo {mode} failed with {variables}:\n{done.stderr}")
        return tuple(now - then for now, then in zip(spent(), begin))


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

    def decided(self, run):
        """What a run's compiles came to: which hit, and what the others are, with how many."""
        log = self.variables["BRIOCHE_CC_LOG"]
        with open(log, "w", encoding="utf-8"):
            pass
        value = run()
        decisions, reasons, others = {}, {}, {}
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                _, process, subject, decision = line.rstrip("\n").split(" ", 3)
                call = (process, subject.rstrip(":"))
                if decision.startswith("manifest: "):
                    reasons.setdefault(call, decision)
                else:
                    decisions.setdefault(call, decision)
        for call, decision in decisions.items():
            subject = call[1]
            if call in reasons:
                decision = decision.replace("stored", reasons[call])
            if "prints-information" not in decision and not decision.startswith(("hit", "linked")):
                what = f"{os.path.basename(subject)}: {decision.split(', exit')[0].split(' (-')[0]}"
                others[what] = others.get(what, 0) + 1
        hits = [f"{subject}:" for (_, subject), decision in decisions.items() if decision.startswith("hit")]
        return value, hits, others


def is_rustc(what):
    """Whether a decision is about a compile of rustc's."""
    return not what.startswith(("cc:", "c++:")) and ".c:" not in what


def transparent(builder, wrapper, mode):
    """One row: bare twice, cold, warm, again, and in another checkout."""
    root = os.path.join(builder.scratch, "checkout")
    ours = Ours(wrapper, os.path.join(builder.scratch, "store"))
    bare, made = [], []
    for _ in range(2):
        bare.append(builder.build(root, mode, {}))
        made.append(results(root))
    cold = builder.build(root, mode, ours.variables)
    after_cold = results(root)
    warm, hits, others = ours.decided(lambda: builder.build(root, mode, ours.variables))
    after_warm = results(root)
    _, again, more = ours.decided(lambda: builder.build(root, mode, ours.variables, fresh=False))
    other = os.path.join(builder.scratch, "another")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("target"))
    builder.build(other, mode, {})
    bare_there = results(other)
    elsewhere, there, missed = ours.decided(lambda: builder.build(other, mode, ours.variables))
    after_there = results(other)
    stable = [name for name, digest in made[0].items() if made[1].get(name) == digest]
    wrong = [name for name in stable if {after_cold.get(name), after_warm.get(name)} != {made[0][name]}]
    unlike = [name for name in {**after_cold, **after_warm} if after_warm.get(name) != after_cold.get(name)]
    builder.failures += [f"{mode}: not as bare: {name}" for name in wrong]
    builder.failures += [f"{mode}: warm is not as cold: {name}" for name in unlike]
    strange = [name for name in stable if after_there.get(name) != bare_there.get(name)]
    builder.failures += [f"{mode}: elsewhere not as bare: {name}" for name in strange]
    if again or more:
        builder.failures.append(f"{mode}: something was left to do: {again} {more}")
    if not stable or not hits:
        builder.failures.append(f"{mode}: nothing was made")
    compiles = len(hits) + sum(others.values())
    wanting = sum(count for what, count in others.items() if is_rustc(what))
    of_rustc = sum(map(is_rustc, hits)) + wanting
    if wanting * 50 > of_rustc:
        builder.failures.append(f"{mode}: too few of rustc's hit: {of_rustc - wanting} of {of_rustc}, {others}")
    unstable = sorted(set(made[0]) - set(stable))
    print(f"{mode}: unstable: {unstable}\n{mode}: elsewhere: {missed}", file=sys.stderr, flush=True)
    print("\n".join(builder.failures), file=sys.stderr, flush=True)
    base = tuple(map(min, zip(*bare)))
    listed = ", ".join(f"{what}{f' ({count})' if count > 1 else ''}" for what, count in sorted(others.items()))
    return (
        f"| {mode} | {base[0]:.1f} / {base[1]:.1f} | {parts(cold, base)} | {parts(warm, base)} | {compiles} | {len(hits)} "
        f"| {listed or 'none'} | {len(made[0])} / {len(stable)} / {len(wrong)} / {len(unlike)} "
        f"| {parts(elsewhere, base)}, {len(there)} of {len(there) + sum(missed.values())} | {size(ours.store):.0f} |"
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
    took = [builder.build(place, mode, variables) for place in (root, root, other)]
    if control:
        run(control[1])
    return row(name, took, base, store)


def row(name, took, base, store):
    """One cache's row."""
    return f"| {name} | {' | '.join(parts(one, base) for one in took)} | {size(store):.0f} |"


def beside(builder, wrapper, peers):
    """The table of caches side by side, with crates compiled as one (as the others need it)."""
    mode = "build, not incremental"
    root, other = (os.path.join(builder.scratch, place) for place in ("checkout", "another"))
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("target"))
    base = tuple(map(min, zip(*(builder.build(root, mode, {}) for _ in range(2)))))
    ours = Ours(wrapper, os.path.join(builder.scratch, "store"))
    took = [builder.build(place, mode, ours.variables) for place in (root, root, other)]
    print("\n| cache | cold | warm | another checkout | store, MB |\n|---|---|---|---|---|")
    print(row("brioche-cc", took, base, ours.store), flush=True)
    for program in peers:
        print(peer(builder, program, base), flush=True)
    print(f"\nTimes as parts of bare ({base[0]:.1f} / {base[1]:.1f} s).")


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
    # What would send results elsewhere, or change them.
    for variable in ("RUSTC_WRAPPER", "CC", "RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_INCREMENTAL"):
        os.environ.pop(variable, None)
    write(root, options.light)
    subprocess.run(["cargo", "fetch"], cwd=root, check=True, capture_output=True)
    modes = [mode for mode in options.modes.split(";") if mode]
    if modes:
        print(
            "| mode | bare, s | cold | warm | compiles | hit | others | files / stable / unlike bare / warm unlike cold "
            "| another checkout: times, hits | store, MB |\n|" + "---|" * 10
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
