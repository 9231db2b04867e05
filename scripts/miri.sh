#!/usr/bin/env bash
# Runs the tests of the arena, of unwritten outputs, of the vectors and of small convolutions under Miri, which finds
# undefined behaviour.
# Exit code 0: passed; 77: skipped, because Miri is not installed, with a line that says so; else failed.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly miri --version >/dev/null 2>&1; then
    echo "skipped Miri: not installed (rustup toolchain install nightly --component miri,rust-src)" >&2
    exit 77
fi
# The arena keeps its memory to the end, and rayon its threads; crossbeam, which rayon uses, makes pointers from numbers
# and breaks the rules of stacked borrows.
export MIRIFLAGS="-Zmiri-ignore-leaks -Zmiri-tree-borrows -Zmiri-permissive-provenance"
# Without this flag Miri varies the last digits of functions such as `sin` from call to call, as Rust allows.
MIRIFLAGS+=" -Zmiri-no-extra-rounding-error"
export CARGO_INCREMENTAL=0
cargo +nightly miri test --locked -p anode-core --lib ode::
cargo +nightly miri test --locked -p anode-kernels --lib
cargo +nightly miri test --locked -p anode-kernels --test small
