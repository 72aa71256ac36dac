#!/usr/bin/env python3
"""Whole builds of real projects, `-j2`: bare, and through each cache, cold and warm.

Every build stands in the same directory, made anew; the caches take turns in random order. Only the build is
timed, not its configuration. Sources come as scripts/transparent.py gets them. The archives and objects that a
build leaves must be those of the bare build. Otherwise as compile.py; CMake and ninja are needed too.

    scripts/peers/projects.py [--projects lua,brotli,jsoncpp] [--repeats 3] [CACHE…]
"""

import argparse
import dataclasses
import hashlib
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from caches import ROWS, bench, conditions, table
from transparent import Sources, debian

CONFIGURE = ["cmake", "-GNinja", "-Ssource", "-Bbuild", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
MAKE = ["make", "-s", "-j2", "-C", "source/src", "linux", "AR=ar rcD"]


@dataclasses.dataclass
class Project:
    """fetch: of its source; configure and build: commands beside `source/`, which take the cache's program."""

    what: str
    fetch: object
    configure: object
    build: object


def cmake(*options):
    def configure(program):
        launch = [f"-DCMAKE_{language}_COMPILER_LAUNCHER={program}" for language in ("C", "CXX") if program]
        return [*CONFIGURE, *launch, *options]

    return configure


def ninja(_program):
    return ["ninja", "-j2", "-C", "build"]


def make(program):
    return [*MAKE, f"CC={program} gcc -std=gnu99".strip()]


PROJECTS = {
    "lua": Project("lua 5.4, C, make, in the tree", debian("lua5.4"), None, make),
    "brotli": Project("brotli, C, CMake and ninja, out of the tree", debian("brotli"), cmake(), ninja),
    "jsoncpp": Project("jsoncpp, C++, CMake and ninja, out of the tree", debian("libjsoncpp"), cmake("-DJSONCPP_WITH_POST_BUILD_UNITTEST=OFF"), ninja),
}


def arrange(origin, place):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(origin, os.path.join(place, "source"), symlinks=True)
    past = time.time() - 30 * 86400
    for directory, _, files in os.walk(place):
        for name in files:
            os.utime(os.path.join(directory, name), (past, past), follow_symlinks=False)


def run(argv, place, env):
    done = subprocess.run(argv, cwd=place, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: {done.stdout[-800:]}{done.stderr[-800:]}")


def build(project, origin, place, tool):
    """Seconds of wall time and of processor time, and the objects."""
    arrange(origin, place)
    if project.configure:
        run(project.configure(tool.program), place, tool.env)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(project.build(tool.program), place, tool.env)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, objects(place)


def objects(place):
    made = {}
    for directory, _, files in os.walk(place):
        for name in files:
            if name.endswith(".o"):
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    made[path] = hashlib.sha256(file.read()).digest()
    return made


def measure(project, origin, place, tools, repeats):
    """(wall, processor) times by cache and phase; cold, then warm."""
    times = {(name, phase): [] for name in tools for phase in ("cold", "warm")}
    good, wrong = None, set()
    for _ in range(repeats):
        for phase in ("cold", "warm"):
            for name in ["bare"] * (good is None) + random.sample(list(tools), len(tools)):
                if phase == "cold":
                    tools[name].fresh()
                else:
                    tools[name].serve(tools[name].row.start)
                seconds, used, made = build(project, origin, place, tools[name])
                tools[name].close()
                if good is None:
                    # The first build of all warms the machine.
                    good = made
                    continue
                times[name, phase].append((seconds, used))
                if made != good:
                    wrong.add(name)
    return times, wrong, len(good)


def tell(project, times, wrong, count):
    print(f"### {project.what}: {count} objects\n")
    bare = [statistics.median(column) for column in zip(*(times["bare", "cold"] + times["bare", "warm"]))]
    rows = []
    for name in dict.fromkeys(name for name, _ in times):
        row = [name]
        for phase in ("cold", "warm"):
            wall, used = (statistics.median(column) for column in zip(*times[name, phase]))
            row += [f"{wall:.2f}", f"{wall / bare[0]:.3f}", f"{used:.2f}"]
        rows.append([*row, "no" if name in wrong else "yes"])
    head = [f"{phase}{word}" for phase in ("cold", "warm") for word in (" s", " / bare", ", processor s")]
    table(["", *head, "objects as bare"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--projects", default="lua,brotli,jsoncpp")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("caches", nargs="*")
    arguments = parser.parse_args()
    default = [name for name in ROWS if name != "ccache, file stats"]
    with bench(["bare", *(name for name in arguments.caches or default if name != "bare")]) as (directory, tools):
        sources = Sources(directory, [])
        for name in arguments.projects.split(","):
            project = PROJECTS[name]
            origin = project.fetch(sources)
            tell(project, *measure(project, origin, os.path.join(directory, "place"), tools, arguments.repeats))
    print("Processor seconds are those of the build's own processes, without servers.")
    conditions()


if __name__ == "__main__":
    main()
