#!/usr/bin/env bash
# Kills hosts, clients and whole builds at random points of a parallel build, until so many kills of each kind have
# landed while something was being baked; every object of every round is compared with a bare compile's, the store
# is verified, and nothing may be left:
#
#   scripts/faults.sh [KILLS]        (500: about an hour)
#
# BAKEPLAN_FAULT_SEED repeats a run's choices (not its timing). Needs gcc, make and bubblewrap.
set -euo pipefail
cd "$(dirname "$0")/.."
BAKEPLAN_FAULT_KILLS=${1:-500} exec cargo test --release --locked --all-features --test main host::killed -- --nocapture
