#!/usr/bin/env python3
"""What a hit at the host costs whose preprocessing is spared, beside a local exact hit of the same compile.

    scripts/spared.py [--scratch DIR] [--host brioche-host] [--wrapper brioche-cc] [--headers 2,15,100]

A source includes so many headers of the project. In turn, the same loop of a shell compiles it as an outer process in
the host's sandbox, each time in a home of another name, and on the machine with the system's gcc, through brioche-cc
with a store of its own and without brioche-cc. Prints the median of the loops' means, in milliseconds.

The wrapper must be a static program, as it is built where the C library is there as an archive: a bake has no libraries but
declared ones.

Needs gcc, busybox (a static one) and bubblewrap.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import sandboxed

LOOPS, TURNS = 7, 100

# $1: what a compile's last line of the log must end with; the others: the compiler.
LOOP = f"""
ends=$1
shift
export BRIOCHE_CC_LOG=$PWD/log
compile() {{ "$@" -O2 -g -Iinc -c a.c -o a.o; }}
: >log
i=0
while case $(tail -n 1 log) in *"$ends") false ;; esac; do
    compile "$@" || exit 1
    i=$((i + 1))
    [ $i -lt 100 ] || {{ echo "never ends with $ends"; tail -n 2 log; exit 1; }}
    sleep 0.1
done
: >log
busybox time -p -o time /bin/sh -c '. ./compile.sh' compile "$@"
[ "$(grep -cF "$ends" log)" = {TURNS} ] || [ -z "$ends" ] || {{ echo "not all end with $ends"; cat log; exit 1; }}
"""
COMPILES = f"""
i=0
while [ $i -lt {TURNS} ]; do
    "$@" -O2 -g -Iinc -c a.c -o a.o || exit 1
    i=$((i + 1))
done
"""


def project(place, headers):
    """A source with so many headers, and the loop."""
    os.makedirs(os.path.join(place, "inc"))

    def write(name, text):
        with open(os.path.join(place, name), "w") as file:
            file.write(text)

    for at in range(headers):
        write(f"inc/h{at}.h", f"#ifndef H{at}\n#define H{at}\nstatic inline int f{at}(int x) {{ return x + {at}; }}\n#endif\n")
    includes = "".join(f'#include "h{at}.h"\n' for at in range(headers))
    write("a.c", includes + "int all(int x) { return x" + "".join(f" + f{at}(x)" for at in range(headers)) + "; }\n")
    write("loop.sh", LOOP)
    write("compile.sh", COMPILES)
    write("build.sh", '/bin/sh loop.sh "not preprocessed" gcc && mkdir "$BRIOCHE_OUTPUT" && cp time "$BRIOCHE_OUTPUT"\n')


def took(place):
    """Milliseconds of one compile."""
    with open(os.path.join(place, "time")) as file:
        return float(dict(line.split() for line in file)["real"]) * 1000 / TURNS


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    static = os.path.join(here, "target/release")
    parser.add_argument("--scratch", help="default: a temporary directory")
    parser.add_argument("--host", default=os.path.join(static, "brioche-host"))
    parser.add_argument("--wrapper", default=os.path.join(static, "brioche-cc"))
    parser.add_argument("--headers", default="2,15,100")
    given = parser.parse_args()
    host, wrapper = os.path.abspath(given.host), os.path.abspath(given.wrapper)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = os.path.abspath(given.scratch or temporary)
        toolchain, tools, store = (os.path.join(scratch, name) for name in ("toolchain", "tools", "store"))
        if not os.path.exists(toolchain):
            subprocess.run([host, "pack-toolchain", toolchain, "gcc", "--wrapper", wrapper], check=True)
            sandboxed.tools(host, tools)
        print("| headers | spared hit | local exact hit | more | bare compile |\n|---|---|---|---|---|", flush=True)
        for headers in given.headers.split(","):
            work, output = os.path.join(scratch, f"work-{headers}"), os.path.join(scratch, f"output-{headers}")
            shutil.rmtree(work, ignore_errors=True)
            project(work, int(headers))
            there, local, bare = [], [], []
            machine = os.path.join(scratch, f"machine-{headers}")
            for at in range(LOOPS):
                sandboxed.outer(host, store, work, [toolchain, tools], output, [f"NAME={at}"])
                there.append(took(output))
                for ends, command, times in (("hit (exact)", [wrapper, "gcc"], local), ("", ["gcc"], bare)):
                    shutil.rmtree(machine, ignore_errors=True)
                    shutil.copytree(work, machine)
                    env = {**os.environ, "BRIOCHE_CC_DIR": os.path.join(scratch, "local")}
                    subprocess.run(["/bin/sh", "loop.sh", ends, *command], cwd=machine, env=env, check=True)
                    times.append(took(machine))
            there, local, bare = (statistics.median(times) for times in (there, local, bare))
            print(f"| {headers} | {there:.2f} | {local:.2f} | {there - local:.2f} | {bare:.1f} |", flush=True)


if __name__ == "__main__":
    main()
