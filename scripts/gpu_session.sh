#!/usr/bin/env bash
# One call on a machine with an NVIDIA GPU, for a pack that was built elsewhere by `just cuda-pack`: self-test, tests, times and chosen
# experiments, in less than ten minutes. Builds nothing, needs no Rust and no compiler.
#   gpu_session.sh OUT [EXPERIMENT...]     writes to the folder OUT; experiments run with the profile in ANODE_PROFILE, else standard
# A step that fails is told and does not stop the next ones. Exit code: 0 if self-test and tests passed, 1 if not, 77 without a GPU.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?a folder to write to}
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"
deadline=$((SECONDS + ${ANODE_SECONDS:-570}))
failed=0

# step NAME LIMIT COMMAND...: runs it for at most LIMIT seconds, or what is left.
step() {
    local name=$1 limit=$2 left=$((deadline - SECONDS))
    shift 2
    if ((left < 5)); then
        echo "$name: no time left" | tee -a "$out/session.txt"
        return 75
    fi
    local start=$SECONDS code
    timeout --signal=INT --kill-after=10 $((limit < left ? limit : left)) "$@" >"$out/$name.out" 2>"$out/$name.err"
    code=$?
    echo "$name: exit code $code, $((SECONDS - start)) s" | tee -a "$out/session.txt"
    return $code
}

{ date -u +%FT%TZ; uname -srm; nvidia-smi || true; } >"$out/session.txt" 2>&1
if ! nvidia-smi >/dev/null 2>&1; then
    echo "skipped: there is no NVIDIA GPU, or no driver (nvidia-smi fails)" | tee -a "$out/session.txt"
    exit 77
fi

step doctor 120 ./anode --json doctor || failed=1
ANODE_NEEDS_GPU=1 step tests 180 ./cuda-tests --test-threads 1 || failed=1
step times 150 ./device_step
for experiment in "$@"; do
    # Ctrl-C, which `timeout` sends, keeps what was computed; the next session goes on from there.
    step "run-$experiment" 570 ./anode --results "$out/results" run "$experiment" --profile "${ANODE_PROFILE:-standard}" --device cuda
done
exit $failed
