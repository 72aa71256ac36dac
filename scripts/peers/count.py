#!/usr/bin/env python3
"""Instructions (callgrind) and system calls (strace) of a hit, of the process that is called.

What a server does for it is not counted; brioche-cc and ccache have none. These figures do not depend on what
else the machine does. Needs valgrind and strace; otherwise as compile.py.

    scripts/peers/count.py [--families gcc,clang] [--cases tiny,headers,cxx,sqlite] [CACHE…]
"""

import argparse
import os
import re
import subprocess

from caches import ROWS, bench, table, timed
from cases import cases
from compile import empty_program, write

CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=no"]


def run(argv, env):
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stderr


def instructions(argv, env):
    """Of the second run: valgrind puts its own libraries into the environment, which is part of a compile."""
    run([*CALLGRIND, *argv], env)
    found = re.search(r"Collected : (\d+)", run([*CALLGRIND, *argv], env))
    return f"{int(found[1]) / 1e6:.2f} M" if found else "?"


def calls(argv, env):
    """All system calls; files opened; programs started beside itself."""
    run(["strace", "-f", "-qq", "-o", "calls", *argv], env)
    with open("calls") as file:
        lines = [line for line in file if re.match(r"^\d+ +\w+\(", line)]
    opened = sum(bool(re.search(r" open(at)?\(.* = \d", line)) for line in lines)
    return [str(len(lines)), str(opened), str(sum(" execve(" in line for line in lines) - 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--families", default="gcc,clang")
    parser.add_argument("--cases", default="tiny,headers,cxx,sqlite")
    parser.add_argument("caches", nargs="*")
    arguments = parser.parse_args()
    with bench([name for name in arguments.caches or ROWS if name != "bare"]) as (directory, tools):
        known = cases(directory)
        os.chdir(directory)
        empty = empty_program(directory)
        rows = [["empty program", "", "", instructions([empty], dict(os.environ)), *calls([empty], dict(os.environ))]]
        for family in arguments.families.split(","):
            for case in (known[name] for name in arguments.cases.split(",")):
                write(case.file, case.text)
                for name, tool in tools.items():
                    tool.fresh()
                    argv = tool.command(case.argv(family))
                    for _ in range(3):
                        timed(argv, tool.env, None, case.outputs)
                    rows.append([name, case.name, family, instructions(argv, tool.env), *calls(argv, tool.env)])
                    tool.close()
        table(["hit", "file", "compiler", "instructions", "system calls", "files opened", "programs started"], rows)


if __name__ == "__main__":
    main()
