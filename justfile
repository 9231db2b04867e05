# What there is to do; `just` alone lists it.

_default:
    @just --list

# Run every quick experiment, then write tables, charts and the report
reproduce *ARGS:
    cargo run --release --quiet -- reproduce {{ARGS}}

# Draw the charts again from the records
figures *ARGS:
    cargo run --release --quiet -- figures {{ARGS}}

# Write tables, charts and the report again from the records
report *ARGS:
    cargo run --release --quiet -- report {{ARGS}}

# Whether tables, charts and report are what the committed records give
verify *ARGS:
    cargo run --release --quiet -- report --verify {{ARGS}}

# Take the first steps of a committed record again and compare them bit by bit
repeat *ARGS:
    cargo run --release --quiet -- repeat {{ARGS}}

# Accessibility of the report; needs Chromium and npm
check-report *ARGS:
    scripts/check-report.sh {{ARGS}}

# All tests
test *ARGS:
    cargo test {{ARGS}}

# The export to Parquet, which is an optional feature
test-parquet *ARGS:
    cargo test --features parquet --test export {{ARGS}}

# Damaged and hostile files for one reader for some seconds: definition, record, report, archive, checkpoint, array, mnist or tar
fuzz TARGET SECONDS="600" SEED="1":
    ANODE_FUZZ_SECONDS={{SECONDS}} ANODE_FUZZ_SEED={{SEED}} cargo test --test fuzz -- --exact {{TARGET}} --nocapture

# Format, lints as errors, docs
lint:
    cargo fmt --all -- --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Benchmarks
bench *ARGS:
    cargo bench {{ARGS}}

# Remove the records of the quick profile; asks first
clean *ARGS:
    cargo run --release --quiet -- clean {{ARGS}}

# One training step of each network beside PyTorch, in turn; sets up its own virtual environment
bench-peer *ARGS:
    test -d target/peer || python3 -m venv target/peer
    target/peer/bin/pip install --quiet torch numpy
    cargo build --release --quiet --example training_step
    target/peer/bin/python benches/peer/compare.py {{ARGS}}

# Evaluate the committed networks in PyTorch and write the comparison that the report prints
peer-models *ARGS:
    test -d target/peer || python3 -m venv target/peer
    target/peer/bin/pip install --quiet torch numpy safetensors
    cargo build --release --quiet
    target/peer/bin/python benches/peer/load.py {{ARGS}}

# The reverse-time training step of two networks against torchdiffeq's `odeint_adjoint`, in double and single precision
peer-adjoint:
    test -d target/peer || python3 -m venv target/peer
    target/peer/bin/pip install --quiet torch torchdiffeq numpy
    cargo build --release --quiet --example peer
    for real in f64 f32; do \
        target/release/examples/peer gradient resnet4 16 euler 2 32 $real target/resnet4.$real.safetensors; \
        target/release/examples/peer gradient sqnxt 64 midpoint 2 32 $real target/sqnxt.$real.safetensors; \
    done
    target/peer/bin/python benches/peer/odeint_adjoint.py target/resnet4.f64.safetensors target/resnet4.f32.safetensors \
        target/sqnxt.f64.safetensors target/sqnxt.f32.safetensors

# Build the feature cuda without a GPU and without CUDA installed, its lints, and the tests that need no device
check-cuda *ARGS:
    scripts/check-cuda.sh {{ARGS}}

# Every kernel, gradient and a short training on the GPU against the CPU; skipped with a line where there is none
test-cuda *ARGS:
    cargo test --release --features cuda --test cuda -- --nocapture {{ARGS}}

# Pack program, tests, times and experiments for a machine with a GPU; gpu_session.sh in the pack runs them there
cuda-pack *ARGS:
    scripts/cuda-pack.sh {{ARGS}}

# Test this machine: every kernel, repeated bits, the GPU
doctor *ARGS:
    cargo run --release --quiet -- doctor {{ARGS}}
