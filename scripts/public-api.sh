#!/usr/bin/env bash
# Lists the public items of a package in crates/<package>/public-api.txt, to see in a diff what a change does to users.
# Needs a nightly toolchain and cargo-public-api (cargo install cargo-public-api).
#   scripts/public-api.sh [PACKAGE...]   by default anode-core, anode-kernels and anode-cuda
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -gt 0 ]] || set -- anode-core anode-kernels anode-cuda
for package in "$@"; do
    cargo public-api --package "$package" --simplified --omit auto-trait-impls,blanket-impls,auto-derived-impls \
        > "crates/$package/public-api.txt"
done
