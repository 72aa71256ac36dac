#!/usr/bin/env python3
"""A build in its real shape: libsodium by autotools and `make -j`, as an outer process in brioche-host's sandbox, with
a toolchain in Brioche's layout, out of its source tree, with absolute paths and `-g`.

    scripts/outer.py [--scratch DIR] [--host brioche-host] [--wrapper brioche-cc] [--jobs 2]

It is built without spawning; cold; again; with the outer recipe changed in what no compiler sees, so that home and
work directory have other names; and after an edit of one source. Prints a table and ends with a failure where a
compile that should hit is baked, where an object is not the one that the same compile gives by hand in the mapped
layout, or where the built library holds a wrong prefix.

Needs cargo (the source comes by `cargo fetch`), gcc, make, busybox (a static one), bubblewrap.
"""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import sandboxed

CRATE, VERSION = "libsodium-sys", "0.2.7"

BUILD = r"""
set -e
export CONFIG_SHELL=/bin/sh SHELL=/bin/sh BRIOCHE_CC_LOG=$HOME/work/cc.log
mkdir build
cd build
/bin/sh "$HOME/work/src/configure" CC=gcc CFLAGS="-O2 -g -DOUTER_PREFIX='\"$HOME/share\"'" --disable-static \
    --disable-dependency-tracking --prefix="$HOME/out" --host=x86_64-linux-gnu --build=x86_64-pc-linux-gnu >configure.log 2>&1 \
    || { tail -n 30 configure.log; exit 1; }
: >"$BRIOCHE_CC_LOG"
busybox time -p -o time make -j@JOBS@ V=1 >make.log 2>&1 || { tail -n 30 make.log; exit 1; }
# The same compiles by hand: preprocessed, mapped, compiled as preprocessed text.
export BRIOCHE_CC_LOG=
grep '^libtool: compile:  gcc .* -fPIC ' make.log | head -n @BY_HAND@ | while read -r _ _ command; do
    object=${command##* -o }
    options=${command%% -c *} rest=${command##* -c }
    source=${rest%% *} rest=${rest#* }
    options="${options#gcc } ${rest%% -o *}"
    cd src/libsodium
    BRIOCHE_CC_SPAWN_RECIPES=0 eval "gcc $options -E -fmacro-prefix-map='$HOME/work'=/brioche/work -o /tmp/by-hand.raw '$source'"
    sed "s|^\(# [0-9]* \"\)$HOME/work|\1/brioche/work|; s|^\(# [0-9]* \"\)$HOME/.local/share/brioche/locals/[0-9a-f]*|\1/brioche/inputs|" \
        /tmp/by-hand.raw >/tmp/by-hand.i
    BRIOCHE_CC_SPAWN_RECIPES=0 eval "gcc $options -c -x cpp-output /tmp/by-hand.i -o /tmp/by-hand.o"
    cmp "$object" /tmp/by-hand.o && echo same >>../../by-hand || { echo "$object"; echo "differs $object" >>../../by-hand; }
    cd ../..
done
# A program that is linked with it tells its outer home.
cat >tell.c <<'END'
#include <stdio.h>
int main(void) { puts(OUTER_PREFIX); return 0; }
END
gcc -DOUTER_PREFIX="\"$HOME/share\"" -g -c tell.c -o tell.o
gcc tell.o -o tell
loader=$(echo "$HOME"/.local/share/brioche/locals/*/libexec/packed/ld-linux-*.so.2 | sed 's/ .*//')
libraries=${loader%/*}/lib
[ "$("$loader" --library-path "$libraries" ./tell)" = "$HOME/share" ] || { echo "a wrong prefix"; exit 1; }
mkdir -p "$BRIOCHE_OUTPUT"
cp "$HOME/work/cc.log" time by-hand "$BRIOCHE_OUTPUT"
find . -name '*.o' | sort | while read -r object; do sha256sum "$object"; done >"$BRIOCHE_OUTPUT/objects"
"""


class Builds:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.toolchain, self.tools = os.path.join(scratch, "toolchain"), os.path.join(scratch, "tools")
        programs = ["ar", "ranlib", "nm", "strip", "objdump"]
        pack = [options.host, "pack-toolchain", self.toolchain, "gcc", "--wrapper", options.wrapper]
        subprocess.run(pack + [word for name in programs for word in ("--program", name)], check=True)
        sandboxed.tools(options.host, self.tools)
        self.work = os.path.join(scratch, "work")
        shutil.copytree(os.path.join(sandboxed.fetch(CRATE, VERSION, scratch), "libsodium"), os.path.join(self.work, "src"))
        script = BUILD.replace("@JOBS@", str(options.jobs)).replace("@BY_HAND@", str(options.by_hand))
        with open(os.path.join(self.work, "build.sh"), "w") as file:
            file.write(script)

    def build(self, name, env=()):
        """One outer process; what its compiles came to."""
        output = os.path.join(self.scratch, "output")
        started = time.monotonic()
        sandboxed.outer(self.options.host, os.path.join(self.scratch, "store"), self.work, [self.toolchain, self.tools], output, env)
        whole = time.monotonic() - started
        read = lambda file: open(os.path.join(output, file)).read() if os.path.exists(os.path.join(output, file)) else ""
        counts, places = collections.Counter(), {"tell"}
        for line in read("cc.log").splitlines():
            found = sandboxed.ending(line)
            counts[found or "other"] += 1
            if found and found.startswith("here"):
                places.add(os.path.splitext(os.path.basename(line.split()[2].rstrip(":")))[0])
        make = float(re.search(r"real ([0-9.]+)", read("time"))[1])
        by_hand = collections.Counter(line.split()[0] for line in read("by-hand").splitlines())
        mine = lambda line: not any(re.search(rf"[/-]{re.escape(stem)}\.o$", line) for stem in places)
        objects = [line for line in read("objects").splitlines() if mine(line)]
        return Built(name, counts, make, whole, by_hand, objects)


# objects: those that were spawned, with their digests.
Built = collections.namedtuple("Built", "name counts make whole by_hand objects")


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scratch")
    parser.add_argument("--host", default=os.path.join(here, "target/release/brioche-host"))
    parser.add_argument("--wrapper", default=os.path.join(here, "target/release/brioche-cc"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--by-hand", type=int, default=8, help="how many compiles are done again by hand")
    options = parser.parse_args()
    options.host, options.wrapper = os.path.abspath(options.host), os.path.abspath(options.wrapper)
    scratch = options.scratch or tempfile.mkdtemp(prefix="outer.")
    os.makedirs(scratch, exist_ok=True)
    builds = Builds(options, os.path.abspath(scratch))
    without = builds.build("without spawning", ["BRIOCHE_CC_SPAWN_RECIPES=0"])
    cold = builds.build("cold", ["RUN=1"])
    again = builds.build("again", ["RUN=1"])
    changed = builds.build("outer recipe changed", ["RUN=2"])
    edited = os.path.join(builds.work, "src/src/libsodium/sodium/utils.c")
    with open(edited, "a") as file:
        file.write("int edited_by_hand = 1;\n")
    after = builds.build("one file edited", ["RUN=2"])
    print("| build | hits | bakes | compiled in place | make s | whole s |\n|---|---|---|---|---|---|")
    for built in (without, cold, again, changed, after):
        here_count = sum(count for what, count in built.counts.items() if what.startswith("here"))
        row = [built.name, built.counts["spawned: hit"], built.counts["spawned: baked"], here_count, f"{built.make:.1f}", f"{built.whole:.1f}"]
        print("| " + " | ".join(map(str, row)) + " |")
    places = {what: count for what, count in cold.counts.items() if what.startswith("here")}
    print(f"compiled in place, by reason: {places or 'none'}; by hand: {dict(cold.by_hand)}")
    check(cold, again, changed, after)
    if not options.scratch:
        shutil.rmtree(scratch, ignore_errors=True)
    print("as it should be")


def check(cold, again, changed, after):
    baked = cold.counts["spawned: baked"] + cold.counts["spawned: hit"]
    complaints = []
    if baked < 100:
        complaints.append(f"only {baked} compiles were spawned")
    for built in (again, changed):
        if built.counts["spawned: baked"] or built.counts["spawned: hit"] != baked:
            complaints.append(f"{built.name}: {dict(built.counts)}, where all {baked} should hit")
    if after.counts["spawned: baked"] != 1:
        complaints.append(f"one edit, {after.counts['spawned: baked']} bakes")
    for built in (cold, again, changed, after):
        if built.by_hand["differs"] or not built.by_hand["same"]:
            complaints.append(f"{built.name}: by hand {dict(built.by_hand)}")
    if not (len(cold.objects) >= 100 and cold.objects == changed.objects):
        complaints.append("the objects of two homes differ")
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
