#!/usr/bin/env bash
# What scripts/gpu_session.sh needs on a machine with a GPU, in one folder: program, tests, times, experiments. Needs nvcc, or takes it
# from target/cuda (scripts/check-cuda.sh).
#   scripts/cuda-pack.sh DIR
set -euo pipefail
cd "$(dirname "$0")/.."
pack=${1:?a folder to write to}
command -v nvcc >/dev/null || eval "$(scripts/check-cuda.sh --toolkit)"
mkdir -p "$pack"
cargo build --release --locked --features cuda --bin anode --example device_step
tests=$(cargo test --release --locked --features cuda --test cuda --no-run --message-format json |
    python3 -c 'import json, sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")][-1])')
cp target/release/anode target/release/examples/device_step "$pack/"
cp "$tests" "$pack/cuda-tests"
cp scripts/gpu_session.sh "$pack/"
cp -r experiments "$pack/"
du -sh "$pack"
