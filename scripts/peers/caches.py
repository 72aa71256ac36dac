"""The compile caches that are measured, a row each, and how one of them is started, stopped and emptied."""

import contextlib
import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


@dataclasses.dataclass
class Row:
    """program: put before the compiler; env: {dir} is the cache's directory; start, stop: of a server."""

    program: str
    env: dict
    start: tuple = ()
    stop: tuple = ()


CCACHE = {"CCACHE_DIR": "{dir}", "CCACHE_CONFIGPATH": "/dev/null", "CCACHE_MAXSIZE": "20G"}
SCCACHE = {
    "SCCACHE_DIR": "{dir}",
    "SCCACHE_SERVER_UDS": "{dir}.sock",
    "SCCACHE_IDLE_TIMEOUT": "0",
    "SCCACHE_CONF": "/dev/null",
    "SCCACHE_CACHE_SIZE": "20G",
}
ROWS = {
    "bare": Row("", {}),
    "brioche-cc": Row("brioche-cc", {"BRIOCHE_CC_DIR": "{dir}", "BRIOCHE_CC_MAX_SIZE": "20G"}),
    "ccache": Row("ccache", CCACHE),
    "ccache, file stats": Row("ccache", {**CCACHE, "CCACHE_SLOPPINESS": "file_stat_matches"}),
    "sccache": Row("sccache", SCCACHE, ("--start-server",), ("--stop-server",)),
    "zccache": Row("zccache", {"ZCCACHE_CACHE_DIR": "{dir}"}, ("start",), ("stop",)),
}
OWN = ("CCACHE", "SCCACHE", "ZCCACHE", "BRIOCHE_", "RUSTC_WRAPPER", "MAKEFLAGS")


class Cache:
    """One cache with a directory of its own under `scratch`."""

    def __init__(self, name, scratch):
        row = ROWS[name]
        self.name, self.row = name, row
        self.dir = os.path.join(scratch, "caches", name.replace(", ", "-").replace(" ", "-"))
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(OWN)}
        self.env.update((key, value.replace("{dir}", self.dir)) for key, value in row.env.items())
        self.program = find(row.program)

    def command(self, argv):
        return [*([self.program] if self.program else []), *argv]

    def serve(self, words):
        if words:
            out = subprocess.DEVNULL
            subprocess.run([self.program, *words], env=self.env, stdout=out, stderr=out, timeout=60, check=False)

    def fresh(self):
        self.serve(self.row.stop)
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.program:
            os.makedirs(self.dir)
        self.serve(self.row.start)

    def close(self):
        self.serve(self.row.stop)


def find(program):
    """Where a program is: BRIOCHE_CC names ours, PEERS_BIN a directory of the others."""
    if program == "brioche-cc" and "BRIOCHE_CC" in os.environ:
        return os.path.realpath(os.environ["BRIOCHE_CC"])
    path = os.pathsep.join(filter(None, (os.environ.get("PEERS_BIN"), os.environ.get("PATH"))))
    return program and shutil.which(program, path=path)


def caches(names, scratch):
    """Those of the named caches that are installed."""
    missing = [name for name in names if ROWS[name].program and not find(ROWS[name].program)]
    for name in missing:
        print(f"not installed, left out: {name}", file=sys.stderr)
    return {name: Cache(name, scratch) for name in names if name not in missing}


def timed(argv, env, cwd=None, outputs=()):
    """Runs a command whose outputs are removed first: seconds of wall time, of processor time, status."""
    for output in outputs:
        if os.path.exists(output):
            os.unlink(output)
    if cwd:
        os.chdir(cwd)
    begun = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, used = os.wait4(pid, 0)
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, status


@contextlib.contextmanager
def bench(names):
    """A directory for everything, and the caches in it; their servers end with it."""
    with tempfile.TemporaryDirectory(prefix="peers.", ignore_cleanup_errors=True) as directory:
        tools = caches(names, directory)
        try:
            yield directory, tools
        finally:
            for tool in tools.values():
                tool.close()


def tenth(values):
    return sorted(values)[len(values) // 10]


def ratio(ours, theirs):
    """The median of the ratios of runs that stood side by side."""
    return statistics.median(one / other for one, other in zip(ours, theirs))


def table(head, rows):
    for line in [head, ["---"] * len(head), *rows]:
        print("| " + " | ".join(line) + " |")
    print(flush=True)


def conditions():
    """What stood around the measurement, for the reader."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{os.cpu_count()} cores, load averages {load}, {time.strftime('%Y-%m-%d')}", flush=True)
