#!/usr/bin/env bash
# The tests of limits that need control groups (version 2), where this machine has none: in a Linux of its own that
# runs as a process (Debian's package user-mode-linux) over this machine's files; once with the host in the topmost
# group, once in a group below it.
#
#   scripts/groups.sh
#
# Fails if a test fails or is skipped, or if a group is left.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v linux.uml >/dev/null || { echo "user-mode-linux is not installed"; exit 1; }
tests=$(cargo test --locked --all-features --test main --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/main-[^"]*\)".*/\1/p' | tail -n 1)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tmp"
cat >"$scratch/init" <<END
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=$scratch/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=1777 tmp $scratch/tmp
mount -t devtmpfs dev /dev 2>/dev/null
mount -t cgroup2 groups /sys/fs/cgroup
cd $PWD
for group in . below; do
    mkdir -p /sys/fs/cgroup/\$group
    echo \$\$ >/sys/fs/cgroup/\$group/cgroup.procs
    $tests host::limits --nocapture --test-threads=1 && echo "PASSED in \$group"
done
ls -d /sys/fs/cgroup/bakeplan-* /sys/fs/cgroup/*/bakeplan-* 2>/dev/null | sed 's/^/LEFT /'
echo o >/proc/sysrq-trigger
sleep 5
END
chmod +x "$scratch/init"
timeout 600 linux.uml rootfstype=hostfs root=/dev/root rootflags=/ rw "init=$scratch/init" mem=1500M \
    con0=fd:0,fd:1 con=null </dev/null >"$scratch/said" 2>&1 || true
grep -aE '^(test |SKIPPED|PASSED|LEFT|thread .* panicked)' "$scratch/said" || true
[ "$(grep -ac '^PASSED' "$scratch/said")" = 2 ] && ! grep -aqE '^(SKIPPED|LEFT)' "$scratch/said" ||
    { tail -n 40 "$scratch/said"; exit 1; }
