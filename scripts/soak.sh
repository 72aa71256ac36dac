#!/usr/bin/env bash
# The checks that take longer than CI should, each bounded by an argument:
#
#   scripts/soak.sh [SECONDS [CASES [ROUNDS]]]
#
#   SECONDS  for how long builds of real projects are started (scripts/transparent.py; 3600)
#   CASES    how many generated command lines the installed drivers are asked about (3000)
#   ROUNDS   how often the wrapper is killed in the middle of compiles (300)
#
# 0 leaves one out, and says so. Fails if any of them does. Needs what scripts/test.sh installs, and for the
# projects also cmake, ninja, meson and the network.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-3600} cases=${2:-3000} rounds=${3:-300}

cargo build --release --locked --bin brioche-cc
wrapper=$(realpath "${CARGO_TARGET_DIR:-target}/release/brioche-cc")
failed=()

if [ "$cases" -gt 0 ]; then
    seed=${BAKEPLAN_LIVE_SEED:-$(date +%s)}
    echo "== $cases generated command lines, BAKEPLAN_LIVE_SEED=$seed"
    BAKEPLAN_LIVE_CASES=$cases BAKEPLAN_LIVE_SEED=$seed cargo test --locked --test main argparse::live ||
        failed+=("generated command lines")
else
    echo "== left out: generated command lines"
fi

# Kills the wrapper, and with it or without it its compilers, at a random moment; a compile of the same
# command right after must leave what the bare compiler leaves, and the store must be sound in the end.
kill_loop() {
    local scratch sources round group file
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$scratch'" RETURN
    export BRIOCHE_CC_DIR=$scratch/store
    cp -r fixtures/demo "$scratch/work"
    cd "$scratch/work"
    make -s build/gen/sine_table.h || return 1
    mapfile -t sources < <(find src -name '*.c' | sort)
    local command=(gcc -O2 -g -MMD -Iinclude -Ibuild/gen -c "${sources[@]}")
    "${command[@]}" || return 1
    mkdir "$scratch/bare"
    mv ./*.o ./*.d "$scratch/bare"
    for ((round = 0; round < rounds; round++)); do
        # Some rounds begin with nothing, some with what the last ones kept.
        if ((round % 5 == 0)); then "$wrapper" --clear >/dev/null; fi
        setsid "$wrapper" "${command[@]}" 2>/dev/null &
        group=$!
        sleep "0.$(printf '%03d' $((RANDOM % 400)))"
        # A negative number is the whole group.
        if ((RANDOM % 2)); then kill -KILL -- "-$group" 2>/dev/null || true; else kill -KILL "$group" 2>/dev/null || true; fi
        wait "$group" 2>/dev/null || true
        if ((RANDOM % 3)); then rm -f ./*.o ./*.d; fi
        "$wrapper" "${command[@]}" || return 1
        # What outlived the kill may still be writing its own output.
        if ! pgrep -g "$group" >/dev/null; then
            compare "$scratch/bare" "$round" || return 1
        else
            while pgrep -g "$group" >/dev/null; do sleep 0.05; done
            "$wrapper" "${command[@]}" && compare "$scratch/bare" "$round" || return 1
        fi
        rm -f ./*.o ./*.d
    done
    "$wrapper" --verify && "$wrapper" --show-stats
}

compare() {
    local file
    for file in "$1"/*; do
        cmp "$file" "$(basename "$file")" || { echo "round $2"; return 1; }
    done
}

if [ "$rounds" -gt 0 ]; then
    echo "== $rounds rounds of killing"
    # In a shell of its own, since it changes directory and environment.
    (kill_loop) || failed+=("kill loop")
else
    echo "== left out: kill loop"
fi

if [ "$seconds" -gt 0 ]; then
    echo "== real projects, for $seconds seconds"
    scripts/transparent.py --wrapper "$wrapper" --seconds "$seconds" || failed+=("real projects")
else
    echo "== left out: real projects"
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
echo "all of it passed"
