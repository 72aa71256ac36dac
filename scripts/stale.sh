#!/usr/bin/env bash
# The long run of tests/stale: random trees of headers, changed at random, each compile compared with a bare
# one. Ends with a failure at the first difference.
#
#   scripts/stale.sh [STEPS [PEER…]]
#
#   STEPS  how many changes and compiles (100000; some 45 ms each on two cores)
#   PEER   other caches (ccache, sccache) that go through the same steps; their stale objects are counted
#
# The seed is BAKEPLAN_STALE_SEED (else 1); a peer's own variables (SCCACHE_…) pass through.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=${1:-100000}
shift || true
export BAKEPLAN_STALE_STEPS=$steps BAKEPLAN_STALE_SEED=${BAKEPLAN_STALE_SEED:-1}

run() { # TEST [ARGS…]: the test's own lines
    cargo test --release --locked --quiet --test main "stale::$1" -- --exact --nocapture "${@:2}" |
        grep -v -e '^$' -e '^running' -e '^test result'
}

echo "== brioche-cc, $steps steps, seed $BAKEPLAN_STALE_SEED"
time run no_change_of_the_world_gives_a_stale_object

for peer in "$@"; do
    echo "== $peer"
    BAKEPLAN_STALE_PEER=$(command -v "$peer") run how_often_a_peer_is_stale --ignored
done
