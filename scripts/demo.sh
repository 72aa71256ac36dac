#!/usr/bin/env bash
# Builds brioche-cc, and with it the C project in fixtures/demo: bare, cold (an empty store) and warm.
# Compares every file that the three builds leave, prints the times and the figures, and exits with a
# failure if anything differs. Debian with cargo; where make or a compiler is missing, root or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for program in gcc g++ make; do
    command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}" libc6-dev
fi

cargo build --release --locked --bin brioche-cc
wrapper=$(realpath "${CARGO_TARGET_DIR:-target}/release/brioche-cc")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export BRIOCHE_CC_DIR=$scratch/store
unset BRIOCHE_CC_DISABLE BRIOCHE_CC_READONLY BRIOCHE_CC_VERIFY BRIOCHE_CC_REMOTE BRIOCHE_CC_BASE_DIRS
unset BRIOCHE_HOST_SOCKET_PATH MAKEFLAGS CFLAGS CXXFLAGS CPPFLAGS
cp -r fixtures/demo "$scratch/demo"

# build NAME [WRAPPER]: builds the project, always in the same place; keeps what it leaves and says, and
# the time that it takes, in milliseconds.
build() {
    local name=$1 prefix=${2:+$2 } start end
    make -s -C "$scratch/demo" clean
    start=$(date +%s%N)
    if ! make -s -C "$scratch/demo" -j"$(nproc)" CC="${prefix}gcc" CXX="${prefix}g++" >"$scratch/$name.log" 2>&1; then
        echo "the $name build failed:"
        cat "$scratch/$name.log"
        exit 1
    fi
    end=$(date +%s%N)
    took[$name]=$(((end - start) / 1000000))
    cp -a "$scratch/demo/build" "$scratch/$name"
    (cd "$scratch/$name" && find . -printf '%m %y %P\n' | sort) >"$scratch/$name.modes"
    "$scratch/$name/calc" --test >>"$scratch/$name.log"
}

declare -A took
build bare
build cold "$wrapper"
build warm "$wrapper"

for name in cold warm; do
    diff -r "$scratch/bare" "$scratch/$name"
    diff "$scratch/bare.modes" "$scratch/$name.modes"
    diff "$scratch/bare.log" "$scratch/$name.log"
done

files=$(find "$scratch/bare" -type f | wc -l)
echo "bare ${took[bare]} ms, cold ${took[cold]} ms, warm ${took[warm]} ms"
awk -v bare="${took[bare]}" -v warm="${took[warm]}" \
    'BEGIN { printf "warm is %.1f times as fast as bare\n", bare / (warm > 0 ? warm : 1) }'
echo "all $files files of the cold and the warm build are those of the bare one, byte for byte"
echo
"$wrapper" --show-stats
