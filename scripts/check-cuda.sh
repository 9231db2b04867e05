#!/usr/bin/env bash
# Builds the feature `cuda` for compute capabilities 8.0 and 9.0 without a GPU and without CUDA installed: nvcc and the
# headers come as wheels from PyPI into target/cuda. Then lints, and the tests that need no device.
#   scripts/check-cuda.sh [--toolkit | --lint]
#     --toolkit: only set up target/cuda and print the variables that cargo needs
#     --lint: kernels by nvcc, types and lints of everything, but no program and no tests; minutes less
# Exit code 0: passed; 77: skipped, because PyPI cannot be reached or something is not installed, with a line that says
# so; else failed.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$PWD/target/cuda
version=13.0.88

skip() { echo "skipped the check of the feature cuda: $1" >&2; exit 77; }

command -v g++ >/dev/null || skip "g++ is not installed, which nvcc needs"
if [[ ! -f $place/ready-$version ]]; then
    command -v python3 >/dev/null || skip "python3 is not installed"
    rm -rf "$place"
    mkdir -p "$place"
    python3 -m venv "$place/venv" || skip "python3 has no venv (Debian: python3-venv)"
    "$place/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --retries 2 --timeout 30 \
        nvidia-cuda-nvcc==$version nvidia-nvvm==$version nvidia-cuda-crt==$version nvidia-cuda-cccl==13.0.85 \
        nvidia-cuda-runtime==13.0.96 >&2 || skip "the wheels of CUDA 13.0 cannot be fetched from PyPI"
    ln -s "$(echo "$place"/venv/lib/python3*/site-packages/nvidia/cu13)" "$place/toolkit"
    mkdir "$place/bin"
    # dfdx asks it which device to compile for; its kernels are PTX, which later devices take too.
    printf '#!/bin/sh\nprintf "compute_cap\\n8.0\\n"\n' > "$place/bin/nvidia-smi"
    chmod +x "$place/bin/nvidia-smi"
    # The program finds CUDA's libraries when it needs them; the linker only wants to see their names.
    for library in cuda nvrtc cublas cublasLt; do
        echo | "${CC:-cc}" -shared -x c - -o "$place/toolkit/lib/lib$library.so"
    done
    touch "$place/ready-$version"
fi
export CUDA_PATH=$place/toolkit PATH=$place/bin:$place/toolkit/bin:$PATH
if [[ ${1:-} == --toolkit ]]; then
    echo "export CUDA_PATH=$CUDA_PATH PATH=$place/bin:$CUDA_PATH/bin:\$PATH"
    exit
fi

cargo clippy --locked --features cuda --all-targets -- -D warnings
if [[ ${1:-} == --lint ]]; then
    exit
fi
# The program that the tests run, too. `cargo build` would compile dfdx, its dependencies and this crate a second time:
# without the development dependencies, `either` has other features, and what depends on it is another build.
cargo test --locked --features cuda --test cuda --test cuda_driver --test doctor --no-run
# Neither loader nor driver may be needed to start; without a device the program says what is missing.
if readelf -d target/debug/anode | grep -E 'NEEDED.*lib(cuda|nvrtc|cublas)'; then
    echo "the program needs CUDA's libraries to start" >&2
    exit 1
fi
cargo test --locked --features cuda --test cuda --test cuda_driver --test doctor -- --nocapture
