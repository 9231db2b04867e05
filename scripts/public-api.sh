#!/usr/bin/env bash
# Lists the public items of a package in crates/<package>/public-api.txt, to see in a diff what a change does to users.
# Needs cargo-public-api (cargo install cargo-public-api). The stable compiler writes the unstable JSON that it reads,
# because dfdx does not compile with a nightly one.
#   scripts/public-api.sh [--check] [PACKAGE...]   by default anode-core, anode-kernels, anode-cuda and anode-nets
# With --check it changes nothing and fails if a list differs. Exit code 77: skipped, because cargo-public-api is not
# installed.
set -euo pipefail
cd "$(dirname "$0")/.."
check=false
if [[ ${1:-} == --check ]]; then
    check=true
    shift
fi
[[ $# -gt 0 ]] || set -- anode-core anode-kernels anode-cuda anode-nets
if ! cargo public-api --version >/dev/null 2>&1; then
    echo "skipped public-api: not installed (cargo install cargo-public-api)" >&2
    exit 77
fi
# Build scripts of dependencies read RUSTC_BOOTSTRAP: in the same folder, all other builds would begin anew.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/public-api"
for package in "$@"; do
    RUSTC_BOOTSTRAP=1 cargo rustdoc --locked --package "$package" --lib -- -Z unstable-options --output-format json
    items=$(cargo public-api --rustdoc-json "$CARGO_TARGET_DIR/doc/${package//-/_}.json" --simplified \
        --omit auto-trait-impls,blanket-impls,auto-derived-impls)
    list="crates/$package/public-api.txt"
    if ! $check; then
        echo "$items" >"$list"
    elif ! diff <(LC_ALL=C sort "$list") <(echo "$items" | LC_ALL=C sort); then
        echo "$list differs from the public items of $package; run scripts/public-api.sh $package" >&2
        exit 1
    fi
done
