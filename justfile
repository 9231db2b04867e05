# Recipes; `just` lists them.

_default:
    @just --list

# Run every quick experiment, then write tables, charts and the report
reproduce *ARGS:
    cargo run --release --quiet -- reproduce {{ARGS}}

# Redraw all charts from the records
figures *ARGS:
    cargo run --release --quiet -- figures {{ARGS}}

# Rewrite tables, charts and the report from the records
report *ARGS:
    cargo run --release --quiet -- report {{ARGS}}

# Check that tables, charts and report match the committed records
verify *ARGS:
    cargo run --release --quiet -- report --verify {{ARGS}}

# Re-run the first steps of a committed record and compare them bit for bit
repeat *ARGS:
    cargo run --release --quiet -- repeat {{ARGS}}

# Build the documentation site into target/book; needs mdBook (cargo install mdbook)
book *ARGS:
    mdbook build docs {{ARGS}}

# Rewrite the reference page of the definition format from the schema
book-reference:
    cargo run --release --quiet --example definition_page > docs/definition.md

# Rewrite generated text: the schema of definitions, its reference page, the report
generate: && book-reference report
    cargo run --release --quiet -- check --write-schema

# Accessibility of the report; needs Chromium and npm
check-report *ARGS:
    scripts/check-report.sh {{ARGS}}

# All tests
test *ARGS:
    cargo test {{ARGS}}

# Test the export to Parquet (an optional feature)
test-parquet *ARGS:
    cargo test --features parquet --test export {{ARGS}}

# List the public items of packages; needs cargo-public-api
public-api *PACKAGES:
    scripts/public-api.sh {{PACKAGES}}

# Fuzz one reader: definition, record, report, archive, checkpoint, array, mnist or tar
fuzz TARGET SECONDS="600" SEED="1":
    ANODE_FUZZ_SECONDS={{SECONDS}} ANODE_FUZZ_SEED={{SEED}} cargo test --test fuzz -- --exact {{TARGET}} --nocapture

# Format, lints as errors, docs
lint:
    cargo fmt --all -- --check
    rustfmt --edition 2024 --check crates/anode-core/src/gradient/methods/*.rs \
        crates/anode-core/src/ode/controllers/*.rs crates/anode-core/src/ode/solvers/*.rs src/definition/settings/*.rs
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Benchmarks
bench *ARGS:
    cargo bench {{ARGS}}

# Remove the records of the quick profile; asks first
clean *ARGS:
    cargo run --release --quiet -- clean {{ARGS}}

# Compare a training step of each network with PyTorch; creates a virtual environment
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

# Compare the reverse-time training step of two networks with torchdiffeq's `odeint_adjoint`
peer-adjoint:
    test -d target/peer || python3 -m venv target/peer
    target/peer/bin/pip install --quiet torch torchdiffeq numpy
    cargo build --release --quiet --example peer
    for real in f64 f32; do \
        target/release/examples/peer gradient resnet4 16 euler 2 32 $real target/resnet4.$real.safetensors; \
        target/release/examples/peer gradient sqnxt 64 midpoint 2 32 $real target/sqnxt.$real.safetensors; \
    done
    target/peer/bin/python benches/peer/odeint_adjoint.py \
        target/resnet4.f64.safetensors target/resnet4.f32.safetensors \
        target/sqnxt.f64.safetensors target/sqnxt.f32.safetensors

# Build, lint and test the feature cuda without a GPU and without CUDA
check-cuda *ARGS:
    scripts/check-cuda.sh {{ARGS}}

# Run the tests of the arena, unwritten outputs, vectors and small convolutions under Miri; skipped without Miri
miri:
    scripts/miri.sh

# Run all shapes of the CUDA kernels under sanitizers and plant all faults; needs g++ or clang++, but no GPU
sanitize-kernels *ARGS:
    ANODE_NEEDS_SANITIZERS=1 ANODE_SANITIZERS=full cargo test -p anode-cuda --test sanitizers -- --nocapture {{ARGS}}

# Compare kernels, gradients and a short training run on the GPU with the CPU; skipped without a GPU
test-cuda *ARGS:
    cargo test --release --features cuda --test cuda -- --nocapture {{ARGS}}

# Pack program, tests, timings and experiments for a machine with a GPU
cuda-pack *ARGS:
    scripts/cuda-pack.sh {{ARGS}}

# Test this machine: kernels, bitwise reproducibility, the GPU
doctor *ARGS:
    cargo run --release --quiet -- doctor {{ARGS}}
