#!/usr/bin/env python3
"""A store with a million entries beside one with a thousand: a hit, --show-stats, and a trim.

The entries are files that look like the store's own: for each a manifest and a blob, under names as evenly
spread as digests are. The stores take turns, so that ratios hold on a machine that does other things too. Needs
some 9 GB of disk and two million inodes at a million entries.

    scripts/scale.py --wrapper target/release/brioche-cc [--entries 1000,1000000] [--hits 400] [--at DIRECTORY]
"""

import argparse
import json
import multiprocessing
import os
import random
import secrets
import statistics
import subprocess
import tempfile
import time

SOURCE = "int f(int x){return x*3;}\n"


def fill(store, entries):
    """Adds manifests of 1,200 bytes and blobs of 1,400, last used at times of the last month."""
    with multiprocessing.Pool(8) as pool:
        pool.starmap(fill_shard, [(store, shard, entries // 256) for shard in range(256)])


def fill_shard(store, shard, entries):
    now = time.time()
    for kind, size in (("manifests", 1200), ("blobs", 1400)):
        bytes_ = secrets.token_bytes(size)
        path = os.path.join(store, "v1", kind, f"{shard:02x}")
        os.makedirs(path, exist_ok=True)
        directory = os.open(path, os.O_RDONLY)
        for _ in range(entries):
            name = f"{shard:02x}{secrets.token_hex(31)}"
            file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=directory)
            os.write(file, bytes_)
            used = now - random.random() * 30 * 86400
            os.utime(file, (used, used))
            os.close(file)
        os.close(directory)


def spawn(argv, env):
    begun = time.perf_counter()
    null = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_WRONLY, 0) for number in (1, 2)]
    pid = os.posix_spawn(argv[0], argv, env, file_actions=null)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, argv
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime


def measure(runs, rounds):
    """Median milliseconds of wall and processor time, and the fastest tenth, by name."""
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            times[name].append(spawn(*runs[name]))
    told = {}
    for name, pairs in times.items():
        wall, used = zip(*pairs)
        told[name] = [statistics.median(wall) * 1e3, sorted(wall)[len(wall) // 10] * 1e3, statistics.median(used) * 1e3]
    return told


def row(label, told, names):
    cells = [label]
    for name in names:
        cells += [f"{value:.2f}" for value in told[name]]
    ratio = [told[names[-1]][column] / max(told[names[0]][column], 0.01) for column in (0, 1, 2)]
    print("| " + " | ".join([*cells, *(f"{value:.2f}" for value in ratio)]) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wrapper", required=True)
    parser.add_argument("--entries", default="1000,1000000")
    parser.add_argument("--hits", type=int, default=400)
    parser.add_argument("--at", help="where the stores are made")
    arguments = parser.parse_args()
    wrapper = os.path.realpath(arguments.wrapper)
    counts = [int(count) for count in arguments.entries.split(",")]
    with tempfile.TemporaryDirectory(prefix="scale.", dir=arguments.at) as scratch:
        scratch = os.path.realpath(scratch)
        os.chdir(scratch)
        with open("t.c", "w") as file:
            file.write(SOURCE)
        hits, stats, trims, nothing = {}, {}, {}, {}
        for count in counts:
            store = os.path.join(scratch, f"store{count}")
            env = dict(os.environ, BRIOCHE_CC_DIR=store, BRIOCHE_CC_MAX_SIZE="200G")
            hits[count] = ([wrapper, "/usr/bin/gcc", "-O2", "-c", "t.c", "-o", "t.o"], env)
            stats[count] = ([wrapper, "--show-stats"], env)
            nothing[count] = ([wrapper, "--gc"], env)
            spawn(*hits[count])
            begun = time.monotonic()
            fill(store, count)
            print(f"{count} entries made in {time.monotonic() - begun:.0f} s", flush=True)
            for _ in range(3):
                spawn(*hits[count])
        heads = [f"{count:,} entries, {what} ms" for count in counts for what in ("median", "fastest tenth", "processor")]
        print("\n| | " + " | ".join([*heads, "ratio of medians", "of fastest tenths", "of processor times"]) + " |")
        print("|" + " --- |" * (len(heads) + 4))
        row("hit", measure(hits, arguments.hits), counts)
        row("`--show-stats`", measure(stats, 3), counts)
        row("`--gc`, nothing to trim", measure(nothing, 2), counts)
        for count in counts:
            shown = subprocess.run([wrapper, "--show-stats", "--json"], env=stats[count][1], capture_output=True, check=True)
            size = json.loads(shown.stdout)["bytes"]
            # A twentieth goes, and a tenth of what is left, so that trims are rare.
            trims[count] = ([wrapper, "--gc"], dict(stats[count][1], BRIOCHE_CC_MAX_SIZE=str(size * 19 // 20)))
        row("`--gc`, 15 % go", measure(trims, 1), counts)
        row("hit after it", measure(hits, arguments.hits), counts)
    print(f"\n{os.cpu_count()} cores, load averages {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


if __name__ == "__main__":
    main()
