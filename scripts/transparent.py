#!/usr/bin/env python3
"""Builds real projects bare (twice), through brioche-cc with an empty store (cold), and again (warm), all in
the same directory, and compares what the builds leave and say.

Every file that the two bare builds make alike must be the same in the cold and the warm build, byte for
byte, with its mode; so must the exit status, stdout and stderr of every command. Warm, every compile must
hit, or be listed as refused with its token. Prints a Markdown table; fails on anything else.

Needs: Python 3.9, cargo (the crates' sources come by `cargo fetch`), gcc, g++, clang, ar. Without --quick
also cmake, ninja, meson, make, and apt-get for Debian's sources (they are only downloaded, into the scratch
directory; neither the system's lists of sources nor its packages are touched).

    scripts/transparent.py --wrapper target/release/brioche-cc            # everything: some 20 minutes
    scripts/transparent.py --wrapper target/release/brioche-cc --quick    # lua alone
    scripts/transparent.py ... --only lua,zstd --compilers gcc-11,clang-19 --flags '-O3 -g3'
"""

import argparse
import concurrent.futures
import dataclasses
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time

CRATES = {
    "lua-src": '"=551.1.0"',
    "zstd-sys": '"=2.1.3"',
    "libz-sys": '"=1.1.31"',
    "libsqlite3-sys": '{ version = "=0.40.0", features = ["bundled"] }',
    "snmalloc-sys": '"=0.7.6"',
}

# What a build tool notes about times and its own temporary files.
NOTES = {".ninja_log", ".ninja_deps", "meson-log.txt", "CMakeOutput.log", "CMakeError.log", "CMakeConfigureLog.yaml"}

# The tokens of commands that compile nothing.
NO_COMPILE = {"nothing-to-compile", "not-a-compile", "preprocess-only", "information"}


@dataclasses.dataclass
class Step:
    """A command; CC, CXX, FLAGS, LAUNCH stand for what differs between builds.

    units: the C-family compiles in it; None where a build tool runs them (then the objects that it leaves
    are counted); 0 where nothing must hit.
    """

    argv: list
    units: object = 0
    env: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Project:
    name: str
    fetch: object
    phases: object
    quick: bool = False


# Where sources come from.


def crate(name, below):
    return lambda sources: os.path.join(sources.crate(name), below)


def debian(name):
    return lambda sources: sources.debian(name)


class Sources:
    """Fetches by the ordinary clients: cargo, and apt-get with a list of its own."""

    def __init__(self, scratch, crates):
        self.scratch = scratch
        self.manifests = {}
        self.unpacked = {}
        if crates:
            self.fetch_crates(crates)

    def fetch_crates(self, crates):
        directory = os.path.join(self.scratch, "crates")
        os.makedirs(os.path.join(directory, "src"))
        open(os.path.join(directory, "src", "lib.rs"), "w").close()
        manifest = os.path.join(directory, "Cargo.toml")
        with open(manifest, "w") as file:
            file.write('[package]\nname = "sources"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n')
            file.writelines(f"{name} = {CRATES[name]}\n" for name in crates)
        subprocess.run(["cargo", "fetch", "-q", "--manifest-path", manifest], check=True)
        metadata = ["cargo", "metadata", "-q", "--format-version", "1", "--offline", "--manifest-path", manifest]
        said = subprocess.run(metadata, check=True, stdout=subprocess.PIPE).stdout
        for package in json.loads(said)["packages"]:
            self.manifests[package["name"]] = package["manifest_path"]

    def crate(self, name):
        return os.path.dirname(self.manifests[name])

    def debian(self, name):
        root = os.path.join(self.scratch, "debian")
        options = [f"-oDir::Etc::SourceList={root}/list.sources", "-oDir::Etc::SourceParts=/dev/null"]
        options += [f"-oDir::State::Lists={root}/lists", f"-oDir::Cache={root}/cache", "-oAPT::Sandbox::User=root", "-q"]
        if not os.path.isdir(root):
            os.makedirs(f"{root}/lists/partial")
            os.makedirs(f"{root}/cache/archives/partial")
            with open(f"{root}/list.sources", "w") as file:
                file.write(debian_sources())
            quiet(["apt-get", *options, "update"], root)
        place = os.path.join(root, name)
        if name in self.unpacked:
            return self.unpacked[name]
        os.makedirs(place)
        quiet(["apt-get", *options, "source", "--download-only", name], place)
        (archive,) = glob.glob(f"{place}/*.orig.tar.*")
        with tarfile.open(archive) as tar:
            tar.extractall(place, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))
        (directory,) = [entry.path for entry in os.scandir(place) if entry.is_dir()]
        self.unpacked[name] = directory
        return directory


def debian_sources():
    """The system's own list of Debian's main archive, asked for sources."""
    for name in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        with open(name) as file:
            paragraphs = re.split(r"\n\s*\n", file.read())
        for paragraph in paragraphs:
            if "debian-archive-keyring" in paragraph and re.search(r"^Components:.*\bmain\b", paragraph, re.M):
                return re.sub(r"^Types:.*$", "Types: deb-src", paragraph, flags=re.M) + "\n"
    sys.exit("no list of Debian's main archive is in /etc/apt/sources.list.d")


def quiet(argv, cwd):
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: {done.stdout.decode(errors='replace')}")


# How projects are built. Each gives phases; the commands of a phase run side by side.


def every_way(driver, options, libraries, patterns, main, without=(), quick=False):
    """Each source alone, all in one `-c`, all in one compile-and-link, all in one shared library."""

    def phases(root):
        sources = sorted(os.path.relpath(path, root) for pattern in patterns for path in glob.glob(f"{root}/{pattern}"))
        sources = [source for source in sources if os.path.basename(source) not in without]
        for directory in ("obj", "multi"):
            os.makedirs(os.path.join(root, directory))
        with open(os.path.join(root, main[0]), "w") as file:
            file.write(main[1])
        single, objects = [], []
        for number, source in enumerate(sources):
            stem = "obj/" + os.path.splitext(os.path.basename(source))[0]
            styles = (["-MD", "-MP"], ["-MMD", "-MF", stem + ".dep"], ["-MMD", "-MP", "-MT", stem + ".o", "-MF", stem + ".d"])
            argv = [driver, "FLAGS", *options, "-Wall", "-Wextra", *styles[number % 3], "-c", source, "-o", stem + ".o"]
            single.append(Step(argv, 1))
            objects.append(stem + ".o")
        several = [driver, "FLAGS", *options, "-MD", "-MP", "-c", *sources]
        app = [driver, "FLAGS", *options, main[0], *sources, "-o", "app", *libraries]
        shared = [driver, "FLAGS", *options, "-fPIC", "-shared", *sources, "-o", "shared.so", *libraries]
        return [
            single,
            [Step(["ar", "rcs", "lib.a", *objects]), Step([driver, "FLAGS", *options, "-c", main[0], "-o", "main.o"], 1)],
            [Step([driver, "main.o", "lib.a", "-o", "app-of-archive", *libraries])],
            [Step(["./app-of-archive"])],
            [Step(several, len(sources))],
            [Step(app, len(sources) + 1)],
            [Step(["./app"])],
            *([] if quick else [[Step(shared, len(sources))]]),
        ]

    return phases


def cmake(*options):
    def phases(_root):
        launch = ["-DCMAKE_C_COMPILER_LAUNCHER=LAUNCH", "-DCMAKE_CXX_COMPILER_LAUNCHER=LAUNCH"]
        compilers = ["-DCMAKE_C_COMPILER=REALCC", "-DCMAKE_CXX_COMPILER=REALCXX"]
        flags = ["-DCMAKE_BUILD_TYPE=None", "-DCMAKE_C_FLAGS=FLAGS", "-DCMAKE_CXX_FLAGS=FLAGS"]
        configure = ["cmake", "-GNinja", "-S.", "-Bbuild", *launch, *compilers, *flags, *options]
        return [[Step(configure)], [Step(["ninja", "-C", "build"], None)]]

    return phases


def meson(*options):
    def phases(_root):
        env = {"CC": "LAUNCH REALCC", "CXX": "LAUNCH REALCXX", "CFLAGS": "FLAGS", "CXXFLAGS": "FLAGS"}
        configure = ["meson", "setup", "build", "--buildtype=plain", *options]
        return [[Step(configure, 0, env)], [Step(["ninja", "-C", "build"], None)]]

    return phases


def configure_and_make(*targets):
    def phases(_root):
        # The compiler is found on PATH, where a link of its name stands before it.
        env = {"CC": "REALCC", "CFLAGS": "FLAGS"}
        return [[Step(["./configure"], 0, env)], [Step(["make", f"-j{os.cpu_count()}", *targets], None)]]

    return phases


LUA = ("main.c", '#include "lua.h"\n#include "lauxlib.h"\n#include "lualib.h"\nint main(void) {\n    lua_State *L = luaL_newstate();\n    luaL_openlibs(L);\n    return luaL_dostring(L, "print(_VERSION, math.pi, ((\'x\'):rep(3)))");\n}\n')
ZSTD = ("main.c", '#include "zstd.h"\n#include <stdio.h>\nint main(void) { return puts(ZSTD_versionString()) < 0; }\n')
ZLIB = ("main.c", '#include "zlib.h"\n#include <stdio.h>\nint main(void) { return puts(zlibVersion()) < 0; }\n')
SQLITE = ("main.c", '#include "sqlite3.h"\n#include <stdio.h>\nint main(void) { return puts(sqlite3_libversion()) < 0; }\n')
JSONCPP = ("main.cc", '#include <iostream>\n#include <json/json.h>\nint main() { Json::Value value; value["k"] = 1; std::cout << value; }\n')
SNMALLOC = ("main.cc", '#include <cstdlib>\nint main() { std::free(std::malloc(7)); }\n')

PROJECTS = [
    Project(
        "lua 5.1",
        crate("lua-src", "lua-5.1.5"),
        every_way("CC", ["-DLUA_USE_POSIX", "-DLUA_USE_DLOPEN"], ["-lm", "-ldl"], ["*.c"], LUA, ("lua.c", "luac.c", "print.c")),
    ),
    Project(
        "lua 5.1, quick",
        crate("lua-src", "lua-5.1.5"),
        every_way("CC", ["-DLUA_USE_POSIX", "-DLUA_USE_DLOPEN"], ["-lm", "-ldl"], ["l*.c"], LUA, ("lua.c", "luac.c"), quick=True),
        quick=True,
    ),
    Project(
        "lua 5.4",
        crate("lua-src", "lua-5.4.9"),
        every_way("CC", ["-std=gnu99", "-DLUA_USE_LINUX"], ["-lm", "-ldl"], ["*.c"], LUA, ("lua.c", "luac.c")),
    ),
    Project(
        "zlib",
        crate("libz-sys", "src/zlib"),
        every_way("CC", ["-DHAVE_UNISTD_H", "-D_LARGEFILE64_SOURCE=1", "-I."], [], ["*.c"], ZLIB),
    ),
    Project(
        "zstd",
        crate("zstd-sys", "zstd/lib"),
        every_way("CC", ["-DZSTD_MULTITHREAD", "-DZSTD_LEGACY_SUPPORT=5", "-Ilegacy", "-I."], ["-pthread"], ["*/*.c", "decompress/*.S"], ZSTD, ("zstd_v01.c", "zstd_v02.c", "zstd_v03.c", "zstd_v04.c")),
    ),
    Project(
        "sqlite",
        crate("libsqlite3-sys", "sqlite3"),
        every_way("CC", ["-DSQLITE_THREADSAFE=1", "-DSQLITE_ENABLE_FTS5"], ["-lm", "-ldl", "-lpthread"], ["sqlite3.c"], SQLITE),
    ),
    Project(
        "snmalloc (C++)",
        crate("snmalloc-sys", "upstream"),
        every_way("CXX", ["-std=c++20", "-mcx16", "-DSNMALLOC_USE_WAIT_ON_ADDRESS=1", "-Isrc"], ["-latomic", "-pthread"], ["src/snmalloc/override/malloc.cc", "src/snmalloc/override/new.cc"], SNMALLOC),
    ),
    Project(
        "jsoncpp (C++)",
        debian("libjsoncpp"),
        every_way("CXX", ["-std=c++14", "-Iinclude", "-Isrc/lib_json"], [], ["src/lib_json/*.cpp"], JSONCPP),
    ),
    Project("brotli (cmake, ninja)", debian("brotli"), cmake()),
    Project("jsoncpp (C++; meson, ninja)", debian("libjsoncpp"), meson("-Dtests=true")),
    Project("zlib (configure, make)", debian("zlib"), configure_and_make("static", "shared")),
]


# One build.


@dataclasses.dataclass
class Build:
    seconds: float
    said: list
    files: dict
    logs: list


class Bench:
    def __init__(self, wrapper, scratch, cc, flags):
        self.wrapper, self.scratch, self.cc, self.flags = wrapper, scratch, cc, flags
        self.cxx = re.sub(r"^gcc", "g++", re.sub(r"^clang", "clang++", cc))

    def arrange(self, root, wrapped):
        """Puts at the same places, for a bare build, a launcher that does nothing and no other compiler."""
        tools = os.path.join(self.scratch, "tools")
        shutil.rmtree(tools, ignore_errors=True)
        os.makedirs(os.path.join(tools, "path"))
        launcher = os.path.join(tools, "brioche-cc")
        if wrapped:
            os.symlink(self.wrapper, launcher)
            for name in (self.cc, self.cxx):
                os.symlink(self.wrapper, os.path.join(tools, "path", name))
        else:
            with open(launcher, "w") as file:
                file.write('#!/bin/sh\nexec "$@"\n')
            os.chmod(launcher, 0o755)
        self.launcher = launcher
        self.path = os.path.join(tools, "path")
        os.makedirs(root, exist_ok=True)

    def argv(self, step, wrapped):
        argv = []
        for word in step.argv:
            if word in ("CC", "CXX"):
                argv += ([self.wrapper] if wrapped else []) + [self.cc if word == "CC" else self.cxx]
            elif word == "FLAGS":
                argv += self.flags.split()
            else:
                argv.append(self.fill(word))
        return argv

    def fill(self, word):
        # Whole words: CMake's own variables end in _LAUNCHER and _FLAGS.
        values = {"REALCXX": self.cxx, "REALCC": self.cc, "LAUNCH": self.launcher, "FLAGS": self.flags}
        return re.sub(r"\b(REALCXX|REALCC|LAUNCH|FLAGS)\b", lambda match: values[match[0]], word)

    def environment(self, step, log):
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env.update(LANG="C.UTF-8", BRIOCHE_CC_DIR=os.path.join(self.scratch, "store"), BRIOCHE_CC_LOG=log)
        if step.argv[0] in ("./configure", "make"):
            env["PATH"] = self.path + ":" + env["PATH"]
        env.update((name, self.fill(value)) for name, value in step.env.items())
        return env

    def run(self, step, root, wrapped, log):
        done = subprocess.run(
            self.argv(step, wrapped),
            cwd=root,
            env=self.environment(step, log),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        streams = (done.stdout, done.stderr)
        if step.units is None:
            # A build tool that runs commands side by side says them in the order that they end in.
            streams = tuple(b"\n".join(sorted(re.sub(rb"^\[\d+/\d+\] ", b"", line) for line in s.split(b"\n"))) for s in streams)
        return (done.returncode, *streams)

    def build(self, origin, phases, wrapped):
        root = os.path.join(self.scratch, "work")
        shutil.rmtree(root, ignore_errors=True)
        self.arrange(root, wrapped)
        shutil.copytree(origin, root, symlinks=True, dirs_exist_ok=True)
        steps = phases(root)
        given = set(walk(root))
        logs = os.path.join(self.scratch, "logs")
        shutil.rmtree(logs, ignore_errors=True)
        os.makedirs(logs)
        said, made, numbers = [], [], iter(range(10**6))
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for phase in steps:
                phase = [(step, os.path.join(logs, str(next(numbers)))) for step in phase]
                said += zip([step for step, _ in phase], pool.map(lambda item: self.run(item[0], root, wrapped, item[1]), phase))
                made += [log for _, log in phase]
                # What comes later stands on this.
                if any(result[0] != 0 for _, result in said):
                    break
        seconds = time.monotonic() - begun
        files = {name: look(os.path.join(root, name)) for name in walk(root) if name not in given}
        # What was there must still be as it was; where it is not, that counts as a file of the build.
        for name in given:
            before, now = os.path.join(origin, name), os.path.join(root, name)
            if not os.path.lexists(now) or os.path.lexists(before) and look(before) != look(now):
                files[name] = look(now) if os.path.lexists(now) else None
        return Build(seconds, said, files, [read_log(log) for log in made])


def walk(root):
    for directory, names, files in os.walk(root):
        for name in names + files:
            yield os.path.relpath(os.path.join(directory, name), root)


def look(path):
    """Mode and content of a file, a link, a directory."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return ("link", os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        return (oct(status.st_mode), None)
    with open(path, "rb") as file:
        return (oct(status.st_mode), file.read())


LINE = re.compile(r"^\S+ (\d+) (.*?): (?:(hit|miss) \(|refused \(([\w-]+)\)|error \(([\w-]+)\))")


def read_log(path):
    """(hits, misses, refusals): a refusal is (token, whether it was of one unit rather than the command)."""
    hits, misses, refusals, seen = 0, 0, [], set()
    if not os.path.exists(path):
        return hits, misses, refusals
    with open(path, errors="replace") as file:
        for line in file:
            match = LINE.match(line)
            if not match:
                if "done again whole" in line:
                    refusals.append(("link-not-quiet", True))
                continue
            pid, subject, what, token, error = match.groups()
            hits += what == "hit"
            misses += what == "miss"
            # An invocation names all its refusals; the first is the one that is counted.
            if (token or error) and (pid, subject) not in seen:
                seen.add((pid, subject))
                refusals.append((token or "error:" + error, "." in os.path.basename(subject)))
    return hits, misses, refusals


# Comparing.


def unstable(one, two):
    files = {name for name in one.files.keys() | two.files.keys() if one.files.get(name) != two.files.get(name)}
    said = {index for index, (a, b) in enumerate(zip(one.said, two.said)) if a[1] != b[1]}
    return files, said


def differences(bare, other, loose_files, loose_said):
    found = []
    for name in sorted(bare.files.keys() | other.files.keys()):
        if name in loose_files or os.path.basename(name) in NOTES or "meson-private" in name:
            continue
        if bare.files.get(name) != other.files.get(name):
            found.append((name, bare.files.get(name), other.files.get(name)))
    for index, ((step, a), (_, b)) in enumerate(zip(bare.said, other.said)):
        if index not in loose_said and a != b:
            found.append((f"command {index} ({' '.join(step.argv)[:100]})", a, b))
    return found


def account(build):
    """Checks a warm build: (units, hits, units refused by token, commands with compiles that did neither)."""
    units = hits = 0
    refused, wrong = {}, []
    for (step, _), (hit, missed, refusals) in zip(build.said, build.logs):
        expected = step.units
        if expected is None:
            expected = sum(name.endswith((".o", ".lo")) for name in build.files)
        units += expected
        if expected == 0:
            continue
        hits += hit
        left = expected - hit
        # A build tool also links, and asks for versions.
        refusals = [(token, unit) for token, unit in refusals if step.units is not None or token not in NO_COMPILE]
        for token, of_a_unit in refusals:
            count = left if not of_a_unit and step.units is not None else 1
            refused[token] = refused.get(token, 0) + count
            left -= 0 if token == "link-not-quiet" else count
        if left != 0 or missed and step.units is not None:
            wrong.append(f"{' '.join(step.argv)[:160]}: {expected} compiles, {hit} hits, {missed} misses, refused: {refusals}")
    return units, hits, refused, wrong


def tell(what, found, keep):
    print(f"  {what}: {len(found)} differ", flush=True)
    for number, (name, one, two) in enumerate(found[:20]):
        if isinstance(one, tuple) and isinstance(two, tuple):
            fields = [index for index, (a, b) in enumerate(zip(one, two)) if a != b]
            print(f"    {name}: fields {fields}")
            for value in (one, two):
                if len(value) == 3:
                    print("      " + repr(value)[:600])
        else:
            print(f"    {name}: {'missing' if two is None else 'new'}")
        if keep:
            for side, value in (("bare", one), (what.split()[-1], two)):
                path = os.path.join(keep, f"{what.replace('/', '_')}-{number}-{side}".replace(" ", "_"))
                with open(path, "wb") as file:
                    body = value[1] if isinstance(value, tuple) else None
                    file.write(body if isinstance(body, bytes) else repr(value).encode())


def clear(bench):
    shutil.rmtree(os.path.join(bench.scratch, "store"), ignore_errors=True)


def one_project(project, origin, bench, keep, quick):
    title = f"{project.name}, {bench.cc} {bench.flags}"
    print(title, flush=True)
    first = bench.build(origin, project.phases, False)
    for step, result in first.said:
        if result[0] != 0:
            print(f"  fails bare: {step.argv[:6]}: {result[2].decode(errors='replace')[-1500:]}")
            return None, False
    # Quick: where two bare builds are not the same, this says so the hard way.
    second = first if quick else bench.build(origin, project.phases, False)
    clear(bench)
    cold = bench.build(origin, project.phases, True)
    warm = bench.build(origin, project.phases, True)
    loose_files, loose_said = unstable(first, second)
    objects = sorted(name for name in loose_files if name.endswith((".o", ".lo", ".so", ".a")))
    if loose_files or loose_said:
        print(f"  not the same in two bare builds: {sorted(loose_files)[:12]}, what commands {sorted(loose_said)} say")
    good = True
    differing = 0
    for name, build in (("cold", cold), ("warm", warm)):
        found = differences(first, build, loose_files, loose_said)
        differing += len(found)
        if found:
            tell(f"{title} {name}", found, keep)
    units, hits, refused, wrong = account(warm)
    cold_hits = account(cold)[1]
    for line in wrong:
        print(f"  neither hit nor refused: {line}")
    good = differing == 0 and not wrong
    bare = (first.seconds + second.seconds) / 2
    row = [
        project.name,
        bench.cc,
        bench.flags,
        str(units),
        str(cold_hits),
        str(hits),
        ", ".join(f"{token} {count}" for token, count in sorted(refused.items())) or "none",
        f"{len(first.files) - len(loose_files)}" + (f" ({len(objects)} objects unstable)" if objects else ""),
        str(differing),
        f"{bare:.1f}",
        f"{cold.seconds:.1f}",
        f"{warm.seconds:.1f}",
        f"{cold.seconds / bare:.2f}",
        f"{warm.seconds / bare:.3f}",
    ]
    print("  " + " | ".join(row), flush=True)
    return row, good


HEAD = ["project", "compiler", "flags", "compiles", "hits cold", "hits warm", "refused", "files compared", "differ", "bare s", "cold s", "warm s", "cold/bare", "warm/bare"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wrapper", required=True)
    parser.add_argument("--quick", action="store_true", help="one small project, one set of flags a compiler")
    parser.add_argument("--only", default="", help="projects whose names begin so, separated by commas")
    parser.add_argument("--compilers", default="gcc,clang")
    parser.add_argument("--flags", action="append", help="may be given several times (default: '-O2 -g' and '-O2')")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no further build after so long")
    parser.add_argument("--keep", help="a directory for both versions of what differs")
    arguments = parser.parse_args()
    wrapper = os.path.realpath(arguments.wrapper)
    flags = arguments.flags or (["-g"] if arguments.quick else ["-O2 -g", "-O2"])
    only = [name for name in arguments.only.split(",") if name]
    chosen = [p for p in PROJECTS if (not only or any(p.name.startswith(n) for n in only)) and p.quick == arguments.quick]
    if not chosen or not os.access(wrapper, os.X_OK):
        sys.exit("nothing to do: no such project, or no such wrapper")
    if arguments.keep:
        os.makedirs(arguments.keep, exist_ok=True)

    begun = time.monotonic()
    rows, good, left_out = [], True, []
    with tempfile.TemporaryDirectory(prefix="transparent.") as scratch:
        scratch = os.path.realpath(scratch)
        crates = ["lua-src"] if arguments.quick else list(CRATES)
        sources = Sources(scratch, crates)
        for project in chosen:
            origin = project.fetch(sources)
            for cc in arguments.compilers.split(","):
                for flag in flags:
                    if time.monotonic() - begun > arguments.seconds:
                        left_out.append(f"{project.name}, {cc} {flag}")
                        continue
                    row, fine = one_project(project, origin, Bench(wrapper, scratch, cc, flag), arguments.keep, arguments.quick)
                    good &= fine
                    rows += [row] if row else []
    print()
    for line in [HEAD, ["---"] * len(HEAD), *rows]:
        print("| " + " | ".join(line) + " |")
    print()
    for name in left_out:
        print(f"not run, the time was up: {name}")
    load = os.getloadavg()[1]
    print(f"{os.cpu_count()} cores, load average over 5 minutes {load:.1f}")
    print("transparent" if good else "NOT transparent")
    sys.exit(0 if good and rows else 1)


if __name__ == "__main__":
    main()
