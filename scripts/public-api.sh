#!/usr/bin/env bash
# Lists the public items of a package in crates/<package>/public-api.txt, to see in a diff what a change does to users.
# Needs cargo-public-api (cargo install cargo-public-api). The stable compiler writes the unstable JSON that it reads,
# because dfdx does not compile with a nightly one.
#   scripts/public-api.sh [PACKAGE...]   by default anode-core, anode-kernels, anode-cuda and anode-nets
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -gt 0 ]] || set -- anode-core anode-kernels anode-cuda anode-nets
for package in "$@"; do
    RUSTC_BOOTSTRAP=1 cargo rustdoc --locked --package "$package" --lib -- -Z unstable-options --output-format json
    items=$(cargo public-api --rustdoc-json "${CARGO_TARGET_DIR:-target}/doc/${package//-/_}.json" --simplified \
        --omit auto-trait-impls,blanket-impls,auto-derived-impls)
    echo "$items" > "crates/$package/public-api.txt"
done
