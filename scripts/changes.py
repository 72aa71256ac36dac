#!/usr/bin/env python3
"""What spawned compiles are worth across changes: real packages in C and C++, each compiled in the sandbox of
brioche-host in homes that differ, since the outer recipe differs.

    scripts/changes.py [--only openh264,curl] [--scratch DIR] [--host brioche-host] [--wrapper brioche-cc] [--jobs 2]

(a) the outer recipe changed in what no compiler sees; (b) a dependency updated; (c) the next patch release; (d) the
next minor release; (e) another compiler. For each: the units that hit, the time against the same build without
spawning, and the ceiling: the units whose plain `gcc -E` says the same, both trees at one fixed path, without our code.
Units that stay below the ceiling are named with what the log says of them. Prints Markdown.

The compile lines are those of the packages' own builds (make, CMake, or the crate's build script), taken outside of the
sandbox; within it, `make -j` runs them. Needs cargo (sources come by `cargo vendor`), gcc, gcc-11 for (e), make, cmake,
perl, a static busybox, bubblewrap. All of it takes about an hour and a half on two quiet cores.
"""

import argparse
import collections
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import sandboxed

# place: the directory of the call beneath the tree; argv: with ROOT and DEP for the places of tree and dependency.
Unit = collections.namedtuple("Unit", "name place argv")
ROOT, DEP = "@ROOT@", "@DEP@"
COMPILERS = {"gcc": "$(CC)", "cc": "$(CC)", "g++": "$(CXX)", "c++": "$(CXX)"}

BUILD = r"""
set -e
mkdir -p "$HOME/work/logs" "$BRIOCHE_OUTPUT"
for input in "$HOME"/.local/share/brioche/locals/*; do
    [ ! -e "$input/dependency" ] || dependency=$input
done
busybox time -p -o time make -k -s -j@JOBS@ -f units.mk ROOT="$HOME/work/src" DEP="${dependency:-/nowhere}" >make.log 2>&1 || {
    tail -n 30 make.log; exit 1;
}
cp -r time logs "$BRIOCHE_OUTPUT"
(cd src && find . -name '*.o' | sort | while read -r object; do sha256sum "$object"; done) >"$BRIOCHE_OUTPUT/objects"
"""


# How packages tell their compile lines. Each gets the root of the tree, where it stands while it is configured.


def by_make(configure, targets):
    """Those that `make -n` prints."""

    def lines(root):
        for command in configure:
            quiet([word.replace(ROOT, root) for word in command], root)
        printed = quiet(["make", "-n", "-w", *targets], root)
        places = [root]
        for line in printed.replace("\\\n", " ").splitlines():
            if entered := re.search(r"Entering directory '(.*)'", line):
                places.append(entered[1])
            elif "Leaving directory" in line:
                places.pop()
            else:
                yield from ((places[-1], argv) for argv in commands(line))

    return lines


def by_cmake(*options):
    """Those that CMake exports."""

    def lines(root):
        place = os.path.join(root, "build")
        options_here = [option.replace(ROOT, root).replace(DEP, os.path.join(os.path.dirname(root), "dep")) for option in options]
        quiet(["cmake", "-S", root, "-B", place, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options_here], root)
        for entry in json.load(open(os.path.join(place, "compile_commands.json"))):
            yield entry["directory"], shlex.split(entry["command"])

    return lines


def by_hand(compiler, options, patterns, without=()):
    """One for each source, as the crates' build scripts make them."""

    def lines(root):
        for pattern in patterns:
            for source in sorted(glob.glob(os.path.join(root, pattern), recursive=True)):
                source = os.path.relpath(source, root)
                if not any(word in source for word in without):
                    yield root, [compiler, *options, "-c", source, "-o", source.rsplit(".", 1)[0] + ".o"]

    return lines


def all_of(ways):
    ways = list(ways)
    return lambda root: (line for lines in ways for line in lines(root))


def commands(line):
    """The compiles in a line of shell."""
    words, argv = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>"), []
    words.whitespace_split = True
    words.commenters = ""
    try:
        for word in [*words, ";"]:
            if word in (";", "&&", "||", "|", "&"):
                if argv and os.path.basename(argv[0]) in COMPILERS and "-c" in argv:
                    yield argv
                argv = []
            else:
                argv.append(word)
    except ValueError:
        pass  # Not whole: a loop or a quotation over several lines, which is no compile.


GENERATED = ["make", "-s", "--eval=.SECONDEXPANSION:", "--eval=all-generated: $$(filter %.h %.c %.inc,$$(GENERATED))", "all-generated"]
OPENSSL = by_make(
    [["perl", "Configure", "linux-x86_64", "no-asm", "no-shared", "no-tests", f"--prefix={ROOT}/installed", f"--openssldir={ROOT}/installed/ssl"],
     ["make", "-s", "build_generated"], GENERATED],
    ["build_libs"],
)
ZSTD = by_hand("gcc", ["-O3", "-g", "-fPIC", "-DZSTD_DISABLE_ASM", "-I."], ["lib/[cdl]*/*.c"], ("deprecated",))
OPENH264_PARTS = {
    "common": [],
    "processing": ["processing/src/common", "processing/interface"],
    "decoder": ["decoder/core/inc", "decoder/plus/inc"],
    "encoder": ["encoder/core/inc", "encoder/plus/inc", "processing/interface"],
}
OPENH264_OPTIONS = ["-O3", "-g", "-fPIC", "-fno-strict-aliasing", "-fno-common"]
OPENH264 = all_of(
    by_hand("g++", OPENH264_OPTIONS + [f"-Icodec/{path}" for path in ("api/wels", "common/inc", *paths)], [f"codec/{part}/**/*.cpp"], ("DllEntry.cpp",))
    for part, paths in OPENH264_PARTS.items()
)
CURL = by_cmake(
    "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DBUILD_SHARED_LIBS=OFF", "-DBUILD_TESTING=OFF", "-DBUILD_CURL_EXE=OFF", "-DCURL_USE_LIBPSL=OFF",
    "-DCURL_USE_LIBSSH2=OFF", "-DUSE_NGHTTP2=OFF", "-DUSE_LIBIDN2=OFF", "-DCURL_BROTLI=OFF", "-DCURL_ZSTD=OFF", "-DCURL_ZLIB=OFF",
    "-DCURL_DISABLE_LDAP=ON", "-DCMAKE_DISABLE_FIND_PACKAGE_Perl=ON", "-DENABLE_CURL_MANUAL=OFF", "-DBUILD_EXAMPLES=OFF",
    f"-DOPENSSL_INCLUDE_DIR={DEP}/include", f"-DOPENSSL_CRYPTO_LIBRARY={DEP}/libcrypto.a", f"-DOPENSSL_SSL_LIBRARY={DEP}/libssl.a",
)
HIGHS = by_cmake(
    "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DBUILD_SHARED_LIBS=OFF", "-DFAST_BUILD=ON", "-DBUILD_TESTING=OFF", "-DBUILD_CXX_EXE=OFF",
    "-DBUILD_EXAMPLES=OFF", "-DZLIB=ON", f"-DZLIB_INCLUDE_DIR={DEP}/include", f"-DZLIB_LIBRARY={DEP}/libz.a",
)


class Source:
    """A version of a package: a crate, and where in it the sources are."""

    def __init__(self, crate, version, below, shown):
        self.crate, self.version, self.below, self.shown = crate, version, below, shown

    def fetch(self, scratch):
        return os.path.join(sandboxed.fetch(self.crate, self.version, scratch), self.below)


def openssl(version):
    crate = {"3.3.1": "300.3.1+3.3.1", "3.3.2": "300.3.2+3.3.2", "3.4.0": "300.4.0+3.4.0"}[version]
    return Source("openssl-src", crate, "openssl", version)


# A dependency: its source, and how its headers (and archives that only have to be there) come about.


def openssl_headers(version):
    def make(scratch, place):
        root = os.path.join(scratch, "dep-tree")
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(openssl(version).fetch(scratch), root)
        quiet(["perl", "Configure", "linux-x86_64", "no-asm", "no-shared"], root)
        quiet(["make", "-s", "build_generated"], root)
        shutil.copytree(os.path.join(root, "include"), os.path.join(place, "include"), ignore=shutil.ignore_patterns("*.in"))
        archives(place, "libcrypto.a", "libssl.a")

    return make


def zlib_headers(crate):
    def make(scratch, place):
        root = Source("libz-sys", crate, "src/zlib", "").fetch(scratch)
        os.makedirs(os.path.join(place, "include"))
        for name in ("zlib.h", "zconf.h"):
            shutil.copy(os.path.join(root, name), os.path.join(place, "include"))
        archives(place, "libz.a")

    return make


def archives(place, *names):
    for name in names:
        subprocess.run(["ar", "cr", os.path.join(place, name)], check=True)


# A step of a package's history: its letter and words, the tree, the dependency, the compiler.
Step = collections.namedtuple("Step", "letter words source dependency suffix", defaults=(None, ""))
# The first step is what the others are compared with.
Package = collections.namedtuple("Package", "name lines steps")


def openh264(crate, shown):
    return Source("openh264-sys2", crate, "upstream", shown)


def history(name, lines, steps):
    return Package(name, lines, [Step(*step) for step in steps])


def curl(version, crate):
    return Source("curl-sys", crate, "curl", version)


def highs(version, crate):
    return Source("highs-sys", crate, "HiGHS", version)


def zstd(version, crate):
    return Source("zstd-sys", crate, "zstd", version)


ZSTD_OLD = zstd("1.5.6", "2.0.13+zstd.1.5.6")
CURL_OLD = curl("8.21.0", "0.4.90+curl-8.21.0")
HIGHS_OLD = highs("1.13.1", "1.14.2")
PACKAGES = [
    history("openh264 (C++)", OPENH264, [
        ("", "", openh264("0.5.0", "2.4.0")),
        ("a", "another build script", openh264("0.5.0", "2.4.0")),
        ("e", "gcc 12 → gcc 11", openh264("0.5.0", "2.4.0"), None, "-11"),
        ("c", "2.4.0 → 2.4.1", openh264("0.6.0", "2.4.1")),
        ("d", "2.4.1 → 2.5.0", openh264("0.6.6", "2.5.0")),
        ("d", "2.5.0 → 2.6.0", openh264("0.8.0", "2.6.0")),
    ]),
    history("zstd (C)", ZSTD, [
        ("", "", ZSTD_OLD),
        ("a", "another build script", ZSTD_OLD),
        ("e", "gcc 12 → gcc 11", ZSTD_OLD, None, "-11"),
        ("c", "1.5.6 → 1.5.7", zstd("1.5.7", "2.0.15+zstd.1.5.7")),
    ]),
    history("curl (C)", CURL, [
        ("", "", CURL_OLD, openssl_headers("3.3.1")),
        ("a", "another build script", CURL_OLD, openssl_headers("3.3.1")),
        ("e", "gcc 12 → gcc 11", CURL_OLD, openssl_headers("3.3.1"), "-11"),
        ("b", "OpenSSL's headers 3.3.1 → 3.3.2", CURL_OLD, openssl_headers("3.3.2")),
        ("b", "OpenSSL's headers 3.3.2 → 3.4.0", CURL_OLD, openssl_headers("3.4.0")),
        ("d", "8.21.0 → 8.22.0", curl("8.22.0", "0.4.91+curl-8.22.0"), openssl_headers("3.4.0")),
    ]),
    history("OpenSSL (C)", OPENSSL, [
        ("", "", openssl("3.3.1")),
        ("a", "another build script", openssl("3.3.1")),
        ("e", "gcc 12 → gcc 11", openssl("3.3.1"), None, "-11"),
        ("c", "3.3.1 → 3.3.2", openssl("3.3.2")),
        ("d", "3.3.2 → 3.4.0", openssl("3.4.0")),
    ]),
    history("HiGHS (C++)", HIGHS, [
        ("", "", HIGHS_OLD, zlib_headers("1.1.9")),
        ("a", "another build script", HIGHS_OLD, zlib_headers("1.1.9")),
        ("e", "gcc 12 → gcc 11", HIGHS_OLD, zlib_headers("1.1.9"), "-11"),
        ("b", "zlib's headers 1.2.13 → 1.3.1", HIGHS_OLD, zlib_headers("1.1.20")),
        ("d", "1.13.1 → 1.14.0", highs("1.14.0", "1.14.3"), zlib_headers("1.1.20")),
    ]),
]


def quiet(argv, cwd):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1700000000", "CC": "gcc", "CXX": "g++"}
    done = subprocess.run(argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(argv)}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


class Tree:
    """A step's sources, made ready at a place that is the same for all: its units and what `gcc -E` says of each."""

    def __init__(self, bench, package, step):
        root, dep = os.path.join(bench.scratch, "tree", "src"), os.path.join(bench.scratch, "tree", "dep")
        shutil.rmtree(os.path.dirname(root), ignore_errors=True)
        shutil.copytree(step.source.fetch(bench.scratch), root, symlinks=True)
        self.dependency = None
        if step.dependency:
            os.makedirs(dep)
            open(os.path.join(dep, "dependency"), "w").close()
            step.dependency(bench.scratch, dep)
        self.units = list(units(root, dep, package.lines(root)))
        with concurrent.futures.ThreadPoolExecutor(bench.options.jobs) as pool:
            texts = pool.map(lambda unit: preprocessed(unit, root, dep, step.suffix), self.units)
            self.texts = {unit.name: text for unit, text in zip(self.units, texts)}
        self.work = bench.fresh("work")
        shutil.move(root, os.path.join(self.work, "src"))
        if step.dependency:
            self.dependency = bench.fresh("dep")
            os.rmdir(self.dependency)
            shutil.move(dep, self.dependency)
        with open(os.path.join(self.work, "units.mk"), "w") as file:
            file.write("\n".join(rules(self.units, step.suffix)))
        with open(os.path.join(self.work, "build.sh"), "w") as file:
            file.write(BUILD.replace("@JOBS@", str(bench.options.jobs)))


def units(root, dep, lines):
    """The compiles of a package, with their objects' directories made."""
    taken = set()
    for place, argv in lines:
        target = argv[argv.index("-o") + 1] if "-o" in argv else None
        if not target or not target.endswith(".o") or os.path.join(place, target) in taken:
            continue
        taken.add(os.path.join(place, target))
        os.makedirs(os.path.dirname(os.path.join(place, target)), exist_ok=True)
        argv = [word.replace(root, ROOT).replace(dep, DEP) for word in [os.path.basename(argv[0]), *argv[1:]]]
        place = os.path.relpath(place, root)
        yield Unit(os.path.normpath(os.path.join(place, target)), place, argv)


def preprocessed(unit, root, dep, suffix):
    argv, words = [], iter(word.replace(ROOT, root).replace(DEP, dep) for word in unit.argv)
    for word in words:
        if word in ("-o", "-MF", "-MT", "-MQ"):
            next(words)
        elif word not in ("-c", "-MD", "-MMD", "-MP"):
            argv.append(word)
    argv[0] += suffix
    done = subprocess.run([*argv, "-E"], cwd=os.path.join(root, unit.place), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    if done.returncode != 0:
        sys.exit(f"{unit.name}: {done.stderr.decode()}")
    return hashlib.sha256(done.stdout).hexdigest()


def rules(units, suffix):
    """A makefile's lines."""
    yield f"CC = gcc{suffix}\nCXX = g++{suffix}"
    yield "all: " + " ".join(f"u{index}" for index in range(len(units))) + "\n"
    for index, unit in enumerate(units):
        words = [shlex.quote(word).replace("$", "$$").replace(ROOT, "$(ROOT)").replace(DEP, "$(DEP)") for word in unit.argv]
        words[0] = COMPILERS[unit.argv[0]]
        yield f"u{index}:\n\tcd $(ROOT)/{shlex.quote(unit.place)} && BRIOCHE_CC_LOG=$(ROOT)/../logs/{index} {' '.join(words)}\n"


# endings: for each unit, how its compile ended and the log's line; seconds: of make.
Built = collections.namedtuple("Built", "endings seconds objects")


class Bench:
    def __init__(self, options, scratch):
        self.options, self.scratch, self.made = options, scratch, 0
        self.tools = os.path.join(scratch, "tools")
        sandboxed.tools(options.host, self.tools)
        self.toolchains = {}

    def fresh(self, name):
        self.made += 1
        place = os.path.join(self.scratch, f"{name}-{self.made}")
        os.makedirs(place)
        return place

    def toolchain(self, suffix):
        if suffix not in self.toolchains:
            place = os.path.join(self.scratch, f"toolchain{suffix}")
            pack = [self.options.host, "pack-toolchain", place, f"gcc{suffix}", f"g++{suffix}"]
            subprocess.run([*pack, "--wrapper", self.options.wrapper, "--program", "ar", "--program", "ranlib"], check=True)
            self.toolchains[suffix] = place
        return self.toolchains[suffix]

    def build(self, tree, store, suffix, env):
        inputs = [self.toolchain(suffix), self.tools] + ([tree.dependency] if tree.dependency else [])
        output = os.path.join(self.scratch, "output")
        sandboxed.outer(self.options.host, store, tree.work, inputs, output, env)
        endings = {}
        for index, unit in enumerate(tree.units):
            log = os.path.join(output, "logs", str(index))
            lines = open(log, errors="replace").read().splitlines() if os.path.exists(log) else []
            ends = [(ending, line) for line in lines if (ending := sandboxed.ending(line))]
            endings[unit.name] = ends[-1] if ends else ("plain", "")
        seconds = float(re.search(r"real ([0-9.]+)", open(os.path.join(output, "time")).read())[1])
        objects = dict(reversed(line.split()) for line in open(os.path.join(output, "objects")))
        return Built(endings, seconds, objects)

    def package(self, package):
        """Goes through a package's history; the rows of the table, and what stays below the ceiling."""
        store = self.fresh("store")
        before, complaints = None, []
        for number, step in enumerate(package.steps):
            tree = Tree(self, package, step)
            plain = self.build(tree, self.fresh("store"), step.suffix, ["BRIOCHE_CC_SPAWN_RECIPES=0", f"RUN={number}"])
            built = self.build(tree, store, step.suffix, ["BRIOCHE_CC_SPAWN_RECIPES=1", f"RUN={number}"])
            counts = collections.Counter(ending for ending, _ in built.endings.values())
            hits, here = counts["spawned: hit"], sum(count for ending, count in counts.items() if ending.startswith("here"))
            total = len(tree.units)
            ceiling = "" if before is None or step.suffix else sum(before.get(name) == text for name, text in tree.texts.items())
            share = lambda count: "" if count == "" else f"{count} ({100 * count / total:.1f} %)"
            row = [package.name, step.letter or "cold", step.words or step.source.shown, total, share(hits), share(ceiling), counts["spawned: baked"], here]
            print("| " + " | ".join(map(str, [*row, f"{plain.seconds:.1f}", f"{built.seconds:.1f}", f"{built.seconds / plain.seconds:.2f}"])) + " |", flush=True)
            if ceiling != "":
                below = [(name, built.endings[name]) for name, text in tree.texts.items() if before.get(name) == text and built.endings[name][0] != "spawned: hit"]
                complaints += [f"{package.name}, ({step.letter}) {step.words}: {name}: {line or ending}" for name, (ending, line) in below]
            if not step.suffix:
                before = tree.texts
            shutil.rmtree(tree.work)
        return complaints


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scratch")
    parser.add_argument("--only", default="", help="parts of packages' names, separated by commas")
    parser.add_argument("--host", default=os.path.join(here, "target/release/brioche-host"))
    parser.add_argument("--wrapper", default=os.path.join(here, "target/release/brioche-cc"))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.host, options.wrapper = os.path.abspath(options.host), os.path.abspath(options.wrapper)
    scratch = options.scratch or tempfile.mkdtemp(prefix="changes.")
    os.makedirs(scratch, exist_ok=True)
    bench = Bench(options, os.path.abspath(scratch))
    print("| package | | change | units | hit | ceiling | baked | in place | s without spawning | s | ratio |\n|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    complaints = []
    for package in PACKAGES:
        if any(word in package.name for word in options.only.split(",")):
            complaints += bench.package(package)
    print("\nBelow the ceiling:", *(complaints or ["none"]), sep="\n- ")
    if not options.scratch:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
