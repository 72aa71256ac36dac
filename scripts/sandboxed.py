"""What the scripts share that run a build as an outer process in brioche-host's sandbox."""

import os
import re
import shutil
import subprocess
import sys


def fetch(name, version, scratch):
    """The directory of a crate's sources; version as in cargo's `=VERSION`."""
    place = os.path.join(scratch, "fetch", f"{name}-{version}")
    os.makedirs(os.path.join(place, "src"), exist_ok=True)
    open(os.path.join(place, "src", "lib.rs"), "w").close()
    manifest = os.path.join(place, "Cargo.toml")
    with open(manifest, "w") as file:
        file.write(f'[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n{name} = "={version}"\n')
    vendored = os.path.join(place, "vendor")
    if not os.path.exists(vendored):
        subprocess.run(["cargo", "vendor", "-q", "--manifest-path", manifest, vendored], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(vendored, name)


def tools(host, place):
    """make and the small programs of a shell's life, as an input of its own; those that are there already stay."""
    if os.path.exists(place):
        return
    subprocess.run([host, "pack-toolchain", place, "gcc", "--no-sysroot", "--program", "make"], check=True)
    for name in os.listdir(os.path.join(place, "bin")):
        if name != "make":
            os.unlink(os.path.join(place, "bin", name))
    busybox = shutil.which("busybox") or sys.exit("busybox is not installed (Debian: busybox-static)")
    shutil.copy(busybox, os.path.join(place, "bin", "busybox"))
    applets = subprocess.run([busybox, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    for applet in set(applets) - {"busybox", "ar", "make", "strings", "sh", "ash"}:
        os.symlink("busybox", os.path.join(place, "bin", applet))


def outer(host, store, work, inputs, output, env=()):
    """Runs `build.sh` of a work directory as an outer process; what it leaves is in `output` afterwards."""
    shutil.rmtree(output, ignore_errors=True)
    command = [host, "--store", store, "run", "--sandbox", "--work", work, "--output", output]
    command += [word for path in inputs for word in ("--input", path)]
    command += [word for pair in env for word in ("--env", pair)]
    done = subprocess.run([*command, "--", "/bin/sh", "build.sh"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0:
        sys.exit(f"{work}: {done.stdout}")


def ending(line):
    """How a compile ended, by a line of brioche-cc's log; None where the line tells of something else."""
    found = re.search(r"(spawned: hit|spawned: baked|here \([a-z-]+\))", line)
    return found and found[1]
