#!/usr/bin/env bash
# Tests and measures a pack made by scripts/cuda-pack.sh on a machine with an NVIDIA GPU. Builds nothing. Needs bash,
# coreutils and the driver; PyTorch's times need python3 with PyTorch.
#   gpu_session.sh OUT contact           environment, CUDA's libraries, self-test, each test in its own process
#   gpu_session.sh OUT times             training steps of this program and of PyTorch, and a table of their ratios
#   gpu_session.sh OUT experiments ID... runs experiments and packs the results folder for `anode merge`
#   gpu_session.sh OUT sanitize [TEST [TOOL...]]
#                                        compute-sanitizer's memcheck, racecheck, synccheck and initcheck on one test
# Each part prints a summary and writes its log and results to the folder OUT. It can be repeated, and ends within
# ANODE_SECONDS. A step that fails is reported and does not stop the next one. Exit code: 0 if all steps of the part
# passed, 1 if one failed or was cut short, 2 for invalid arguments, 77 without a GPU.
# Environment variables, with their defaults:
#   ANODE_SECONDS=570        time limit of the part
#   ANODE_TEST_SECONDS=120   time limit of one test
#   ANODE_STEP_SECONDS=260   time limit of device_step
#   ANODE_TORCH_SECONDS=150  time after which device_times.py starts no further row
#   ANODE_PACK_SECONDS=60    time reserved for packing the results
#   ANODE_PROFILE=standard, ANODE_DEVICE=cuda, ANODE_RUN_ARGS=   arguments of `anode run`
#   ANODE_SPLIT=             splits results.tar.xz into files of at most this size, such as 15M
#   ANODE_PYTHON=python3, ANODE_SANITIZER=                       programs, if not on the PATH
set -uo pipefail
shopt -s nullglob
here=$(cd "$(dirname "$0")" && pwd)

usage() {
    echo "usage: gpu_session.sh OUT contact | times | experiments ID... | sanitize [TEST [TOOL...]]" >&2
    exit 2
}
(($# >= 2)) || usage
out=$1 part=$2
shift 2
case $part in
    contact | times | sanitize) ;;
    experiments) (($#)) || usage ;;
    *) usage ;;
esac
mkdir -p "$out" && out=$(cd "$out" && pwd) && cd "$here" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
log=$out/$part.log
: >"$log"
deadline=$((SECONDS + ${ANODE_SECONDS:-570}))
python=${ANODE_PYTHON:-python3}
failed=0

# Prints to stdout and the log.
say() { printf '%s\n' "$*" | tee -a "$log"; }

# have COMMAND: whether it can be called.
have() { command -v "$1" >/dev/null 2>&1; }

# step NAME LIMIT COMMAND...: runs the command for at most LIMIT seconds or the time that is left, of which the seconds
# between the signal and SIGKILL are reserved. Stdout and stderr go to the log and stay in $work/out and $work/err until
# the next step. Sets code and took; code 75: no time was left.
step() {
    local name=$1 limit=$2 left=$((deadline - SECONDS - ${grace:-10})) start=$SECONDS
    shift 2
    # For timeout, 0 is no limit and a negative number an error.
    ((limit > 0)) || limit=1
    : >"$work/out"
    : >"$work/err"
    code=75 took=0
    ((left >= 5)) || return 75
    timeout --signal="${stop_signal:-TERM}" --kill-after="${grace:-10}" $((limit < left ? limit : left)) "$@" \
        >"$work/out" 2>"$work/err" </dev/null
    code=$?
    took=$((SECONDS - start))
    {
        echo
        echo "== $name: exit code $code, $took s: $*"
        cat "$work/out"
        [[ ! -s $work/err ]] || { echo "-- stderr"; cat "$work/err"; }
    } >>"$log"
    return $code
}

# How a step ended, in words.
outcome() {
    case $code in
        0) echo "passed, $took s" ;;
        75) echo "NOT RUN, no time left" ;;
        124 | 137) echo "STOPPED at its limit after $took s" ;;
        126 | 127) echo "FAILED, cannot be started (exit code $code)" ;;
        *) echo "FAILED (exit code $code), $took s" ;;
    esac
}

# lines COUNT: the first lines of stdin, indented and cut to 240 characters.
lines() {
    local count=$1 line
    while ((count-- > 0)) && IFS= read -r line; do say "    ${line:0:240}"; done
    cat >/dev/null
}

# message COUNT: the first lines of the panic of the last step, else its last lines.
message() {
    local line found=
    while IFS= read -r line; do
        [[ $line != *panicked\ at* ]] || found=1
        [[ -z $found || $line != "stack backtrace:"* ]] || break
        [[ -z $found || -z $line || $line == *RUST_BACKTRACE* ]] || printf '%s\n' "$line"
    done <"$work/err" >"$work/message"
    [[ -n $found ]] || tail -n "$1" "$work/err" >"$work/message"
    [[ -s $work/message ]] || tail -n "$1" "$work/out" >"$work/message"
    lines "$1" <"$work/message"
}

if ! have nvidia-smi || ! timeout 60 nvidia-smi >"$work/smi" 2>&1; then
    say "skipped: there is no NVIDIA GPU, or no driver (nvidia-smi fails)"
    exit 77
fi
cat "$work/smi" >>"$log"

# Adds the folders of CUDA's libraries to LD_LIBRARY_PATH. Searches the wheels that PyTorch depends on, then
# LD_LIBRARY_PATH, the toolkit, and the dynamic loader's cache.
declare -A from version
original=${LD_LIBRARY_PATH-}
find_libraries() {
    local sites=() folders=() site folder library file real pattern
    if have "$python"; then
        mapfile -t sites < <(timeout 60 "$python" -c 'import sys, sysconfig
paths = [*sys.path, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
print(*filter(None, dict.fromkeys(paths)), sep="\n")' 2>>"$log")
    fi
    for site in "${sites[@]}"; do
        folders+=("$site"/nvidia/cu[0-9]*/lib "$site"/nvidia/*/lib)
    done
    IFS=: read -ra file <<<"$original"
    folders+=("${file[@]}" /usr/local/cuda/lib64 /usr/local/cuda*/lib64 /usr/local/cuda*/targets/x86_64-linux/lib)
    if have ldconfig; then
        while IFS= read -r file; do
            [[ $file != *lib@(cublas|cublasLt|cudnn|nvrtc|curand).so*" => "*/* ]] ||
                folders+=("$(dirname "${file##* => }")")
        done < <(ldconfig -p 2>/dev/null)
    fi
    local added=()
    for library in cublas cublasLt cudnn nvrtc curand; do
        for folder in "${folders[@]}"; do
            [[ -n $folder ]] || continue
            real=("$folder/lib$library".so.[0-9]*)
            ((${#real[@]})) || continue
            file=${real[0]}
            from[$library]=$file
            real=$(readlink -f "$file")
            version[$library]=${real##*.so.}
            # Wheels name the file by its major version; the rest is in the name of the wheel's metadata.
            case $library in cublas*) pattern=cublas ;; nvrtc) pattern=cuda_nvrtc ;; *) pattern=$library ;; esac
            if [[ $folder == */nvidia/*/lib && ${version[$library]} != *.* ]]; then
                site=${folder%/nvidia/*/lib}
                real=("$site/nvidia_$pattern"-*.dist-info "$site/nvidia_${pattern}_cu"*-*.dist-info)
                if ((${#real[@]})); then
                    real=${real[0]##*/}
                    real=${real%.dist-info}
                    version[$library]=${real#*-}
                fi
            fi
            [[ " ${added[*]-} " == *" $folder "* ]] || added+=("$folder")
            break
        done
    done
    local path
    path=$(IFS=:; echo "${added[*]-}")
    path=$path${original:+:$original}
    [[ -z $path ]] || export LD_LIBRARY_PATH=$path
}
find_libraries
export ANODE_NEEDS_GPU=1
[[ -z ${from[cudnn]-} ]] || export ANODE_NEEDS_CUDNN=1
[[ ! -d $here/data ]] || export ANODE_DATA=$here/data
{ echo; echo "LD_LIBRARY_PATH=${LD_LIBRARY_PATH-}"; echo "ANODE_DATA=${ANODE_DATA-}"; } >>"$log"

tell_environment() {
    local library words
    words=$(getconf GNU_LIBC_VERSION 2>/dev/null) || words="C library unknown"
    say "system      $(uname -srm), $words, $(nproc) processors"
    words=$(timeout 60 nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader \
        2>/dev/null)
    say "GPU         ${words:-see $part.log}"
    if have "$python"; then
        words=$(timeout 60 "$python" - 2>>"$log" <<'END'
import importlib.metadata as m, platform, sys
try:
    torch = "PyTorch " + m.version("torch")
except m.PackageNotFoundError:
    torch = "no PyTorch"
print(f"{platform.python_version()} at {sys.executable}, {torch}")
END
        ) || words="fails, see $part.log"
    else
        words=missing
    fi
    say "python      $words"
    for library in cublas cublasLt cudnn nvrtc curand; do
        say "$(printf '%-11s' "lib$library") ${version[$library]-not found}${from[$library]:+ at ${from[$library]}}"
    done
}

contact() {
    tell_environment
    step doctor 180 ./anode doctor || failed=1
    local line sound=0 rest=()
    while IFS= read -r line; do
        # The self-test passes without a GPU.
        [[ $line != "GPU: none tested"* ]] || failed=1
        if [[ $line == "  ok "* ]]; then sound=$((sound + 1)); else [[ -z $line ]] || rest+=("$line"); fi
    done <"$work/out"
    say "doctor      $(outcome), $sound comparisons passed"
    ((!${#rest[@]})) || printf '%s\n' "${rest[@]}" | lines 14
    ((code == 0)) || message 4

    if ! step "list of tests" 60 ./cuda-tests --list --format terse; then
        failed=1
        say "list of tests: $(outcome)"
        message 6
        return
    fi
    local tests=() name skipped
    while IFS= read -r line; do [[ $line != *": test" ]] || tests+=("${line%: test}"); done <"$work/out"
    for name in "${tests[@]}"; do
        step "test $name" "${ANODE_TEST_SECONDS:-120}" ./cuda-tests --exact "$name" --test-threads 1 --nocapture
        skipped=
        while IFS= read -r line; do [[ $line != skipped:* ]] || skipped=$line; done < <(cat "$work/err" "$work/out")
        if ((code)); then
            failed=1
            say "test $name: $(outcome)"
            message 5
        else
            say "test $name: $(outcome)${skipped:+, ${skipped:0:120}}"
        fi
    done
    say "${#tests[@]} tests"
    ((${#tests[@]})) || failed=1
}

times() {
    step device_step "${ANODE_STEP_SECONDS:-260}" ./device_step || failed=1
    cp "$work/out" "$out/device_step.jsonl"
    say "device_step      $(outcome)"
    ((code == 0)) || message 4
    if ! have "$python"; then
        say "device_times.py  skipped: there is no $python"
        failed=1
        return
    fi
    local limit=$((deadline - SECONDS - 30))
    # PyTorch brings its own libraries.
    step device_times.py $((limit < 240 ? limit : 240)) env LD_LIBRARY_PATH="$original" "$python" peer/device_times.py \
        --seconds "${ANODE_TORCH_SECONDS:-150}" || failed=1
    cp "$work/out" "$out/device_times.jsonl"
    say "device_times.py  $(outcome)"
    ((code == 0)) || message 4
    step device_table.py 30 "$python" peer/device_table.py "$out/device_step.jsonl" "$out/device_times.jsonl" \
        "$out/device_table.json"
    if ((code)); then
        failed=1
        say "device_table.py  $(outcome)"
        message 4
    else
        cat "$work/out"
    fi
}

# limited COMMAND...: runs the command for at most the time that is left.
limited() {
    local left=$((deadline - SECONDS - 2))
    timeout --kill-after=2 $((left > 0 ? left : 1)) "$@"
}

# pack_results: writes the results folder to OUT/results.tar.xz.
pack_results() {
    local made=$out/results.tar.xz
    if have tar && have xz; then
        limited bash -o pipefail -c 'tar -C "$1" -cf - results | xz -T0 -4 >"$2"' - "$out" "$made.part"
    else
        # The same format, written by Python, if tar or xz is not installed.
        limited "$python" -c 'import sys, tarfile
with tarfile.open(sys.argv[1], "w:xz", preset=4) as archive:
    archive.add(sys.argv[2], "results")' "$made.part" "$out/results"
    fi && mv "$made.part" "$made"
}

# unpack_results ARCHIVE FOLDER
unpack_results() {
    if have tar && have xz; then
        limited bash -o pipefail -c 'xz -dc "$1" | tar -C "$2" -xf -' - "$1" "$2"
    else
        limited "$python" -c 'import sys, tarfile
tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="data")' "$1" "$2"
    fi
}

# restore_results: makes the results folder from the archive of the last call or the records of the pack. The folder is
# complete or missing, because its records will replace that archive.
restore_results() {
    local part=$out/results.part pieces=("$out"/results.tar.xz.[0-9]*)
    rm -rf "$part"
    mkdir -p "$part/results" || return
    # An archive beside pieces is complete, and at least as new as they are.
    if [[ -f $out/results.tar.xz ]]; then
        unpack_results "$out/results.tar.xz" "$part"
    elif ((${#pieces[@]})); then
        cat "${pieces[@]}" >"$work/results.tar.xz" && unpack_results "$work/results.tar.xz" "$part"
    elif [[ -d $here/resume ]]; then
        limited cp -r "$here/resume/." "$part/results/"
    fi && mv "$part/results" "$out/results" && rm -rf "$part"
}

# split_results SIZE: replaces OUT/results.tar.xz by files of at most SIZE, if it is larger.
split_results() {
    local made=$out/results.tar.xz pieces
    split --bytes="$1" --numeric-suffixes "$made" "$work/results.tar.xz." || return
    pieces=("$work"/results.tar.xz.*)
    ((${#pieces[@]} > 1)) || return 0
    mv "${pieces[@]}" "$out/" || return
    [[ $(cat "$made".[0-9]* | sha256sum) == "$(sha256sum <"$made")" ]] && rm "$made" || return
    say "split into ${#pieces[@]} files; join them by: cat results.tar.xz.?? > results.tar.xz"
}

experiments() {
    local id results=$out/results
    if [[ ! -d $results ]] && ! restore_results 2>>"$log"; then
        failed=1
        say "the records of the last call cannot be read, see $part.log; nothing was run"
        return
    fi
    local reserve=${ANODE_PACK_SECONDS:-60} end=$deadline extra=()
    read -ra extra <<<"${ANODE_RUN_ARGS-}"
    # On SIGINT the program writes a checkpoint, in a part of the time that is reserved for packing; the next call with
    # these records resumes from it.
    stop_signal=INT grace=$((reserve / 2 > 5 ? reserve / 2 : 5))
    deadline=$((deadline - reserve + grace))
    for id in "$@"; do
        step "run $id" 100000 ./anode --results "$results" run "$id" --profile "${ANODE_PROFILE:-standard}" \
            --device "${ANODE_DEVICE:-cuda}" "${extra[@]}" --yes || failed=1
        say "run $id: $(outcome)"
        tail -n 4 "$work/err" | lines 4
        tail -n 4 "$work/out" | lines 4
    done
    deadline=$end
    if ! pack_results 2>>"$log"; then
        failed=1
        say "packing failed or did not end in time, see $part.log and ANODE_PACK_SECONDS; the records stay in" \
            "$results, from which the next call continues"
        return
    fi
    local size
    size=$(stat -c %s "$out/results.tar.xz")
    rm -rf "$results" "$out"/results.tar.xz.[0-9]*
    say "results.tar.xz: $((size / 1024)) KiB; unpack it and run: anode merge results"
    if [[ -n ${ANODE_SPLIT-} ]] && ! split_results "$ANODE_SPLIT" 2>>"$log"; then
        failed=1
        rm -f "$out"/results.tar.xz.[0-9]*
        say "results.tar.xz cannot be split into files of $ANODE_SPLIT, see $part.log; it is complete"
    fi
}

sanitize() {
    local test=${1:-every_kernel_agrees_with_the_cpu_and_repeats_its_bits} tools=("${@:2}") tool line last
    local program=${ANODE_SANITIZER-}
    ((${#tools[@]})) || tools=(memcheck racecheck synccheck initcheck)
    if [[ -z $program ]]; then
        local known=(/usr/local/cuda*/bin/compute-sanitizer /usr/local/cuda*/compute-sanitizer/compute-sanitizer)
        program=$(command -v compute-sanitizer) || program=${known[0]-}
    fi
    if [[ ! -x $program ]]; then
        say "sanitize    skipped: compute-sanitizer is neither on the PATH nor in /usr/local/cuda*"
        failed=1
        return
    fi
    local left=${#tools[@]}
    for tool in "${tools[@]}"; do
        # What one tool leaves of its share goes to the next ones.
        step "$tool" $(((deadline - SECONDS - 15) / left--)) "$program" --tool "$tool" --error-exitcode 99 \
            --print-limit 20 ./cuda-tests --exact "$test" --test-threads 1 --nocapture || failed=1
        last=
        while IFS= read -r line; do [[ $line != *SUMMARY* ]] || last=$line; done < <(cat "$work/err" "$work/out")
        say "$(printf '%-11s' "$tool") $(outcome)${last:+, ${last#*= }}"
        ((code == 0)) || message 4
    done
}

say "$(date -u +%FT%TZ) $part${*:+ $*}"
"$part" "$@"
say "$part: $( ((failed)) && echo "not all steps passed" || echo "all steps passed"), $SECONDS s, log in $log"
exit $failed
