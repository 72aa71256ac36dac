#!/usr/bin/env bash
# Installs what the tests need, then passes them. Debian with cargo; root or sudo for the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

# The oldest and the newest compilers that can be had, and the demo's.
packages=(bubblewrap gcc g++ clang gcc-11 g++-11 clang-13 clang-14 clang-19 make python3 gobjc gobjc++ libclang-rt-14-dev)
missing=()
for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

scripts/lint.sh
cargo test --locked --all-features
