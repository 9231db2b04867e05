#!/usr/bin/env bash
# Packs what scripts/gpu_session.sh needs on a machine with a GPU into one archive: program, tests, times, experiments.
# Needs nvcc, or takes it from target/cuda (scripts/check-cuda.sh).
#   scripts/cuda-pack.sh [--built] [--data FILE_OR_DIR] [--resume DIR_OR_ARCHIVE] FILE.tar.xz
#     --built: builds nothing; takes program and tests from target/release as they are, if they have the feature cuda
#     --data: adds a data set, as the folder data/
#     --resume: adds a results folder, or a results.tar.xz of an earlier session, whose unfinished runs are resumed
# Fails if a program needs other libraries than the C library, or a later version of it than 2.35, or if the archive
# without data and records is larger than 40 MB.
set -euo pipefail
cd "$(dirname "$0")/.."
newest=2.35
largest=40000000
target=${CARGO_TARGET_DIR:-target}
built='' data='' resume='' archive=''
while (($#)); do
    case $1 in
        --built) built=1 ;;
        --data) data=${2:?--data needs a file or a folder}; shift ;;
        --resume) resume=${2:?--resume needs a folder or an archive}; shift ;;
        -*) echo "unknown option $1" >&2; exit 2 ;;
        *) archive=$1 ;;
    esac
    shift
done
: "${archive:?the archive to write, such as target/pack.tar.xz}"
[[ $archive == *.tar.xz ]] || { echo "the archive's name must end in .tar.xz: $archive" >&2; exit 2; }

if [[ -n $built ]]; then
    # Also `cuda-<hash>.d` and other tests' programs, such as `cuda_driver-<hash>`, lie there.
    tests=$(find "$target/release/deps" -maxdepth 1 -name 'cuda-*' ! -name '*.*' -type f -printf '%T@ %p\n' |
        sort -rn | head -n 1)
    tests=${tests#* }
    [[ -n $tests ]] || { echo "the tests are not built: no $target/release/deps/cuda-*" >&2; exit 1; }
    # A later build without the feature leaves files of the same names.
    if grep -qF 'built without the feature `cuda`' "$target/release/anode"; then
        echo "$target/release/anode is built without the feature cuda; omit --built" >&2
        exit 1
    fi
    if ! "$tests" --list --format terse | grep ': test$' >/dev/null; then
        echo "$tests has no tests: it is built without the feature cuda; omit --built" >&2
        exit 1
    fi
else
    command -v nvcc >/dev/null || eval "$(scripts/check-cuda.sh --toolkit)"
    cargo build --release --locked --features cuda --bin anode --example device_step
    tests=$(cargo test --release --locked --features cuda --test cuda --no-run --message-format json |
        python3 -c 'import json, sys
messages = [m for m in map(json.loads, sys.stdin) if m.get("executable")]
print([m["executable"] for m in messages if m["target"]["name"] == "cuda"][-1])')
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
pack=$place/pack
mkdir -p "$pack/peer"
# add FROM NAME: copies a program without symbols and debug information, and checks what it needs.
add() {
    [[ -f $1 ]] || { echo "not built: $1" >&2; exit 1; }
    strip --strip-all -o "$pack/$2" "$1"
    chmod +x "$pack/$2"
    local needed versions version
    needed=$(readelf -d "$pack/$2" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vE '^(libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux[-a-z0-9_]*\.so\.[0-9])$' | tr '\n' ' ' || true)
    if [[ -n $needed ]]; then
        echo "$1 needs more than the C library to start: $needed" >&2
        exit 1
    fi
    version=$(readelf -W --version-info "$pack/$2" | grep -oE 'GLIBC_[0-9]+(\.[0-9]+)+' | sed 's/GLIBC_//' |
        sort -uV | tail -n 1 || true)
    if [[ $(printf '%s\n' "${version:-0}" "$newest" | sort -V | tail -n 1) != "$newest" ]]; then
        echo "$1 needs version $version of the C library, later than $newest; build on an older system" >&2
        exit 1
    fi
    echo "$2: $(stat -c %s "$pack/$2") bytes, needs version ${version:-none} of the C library"
}
add "$target/release/anode" anode
add "$target/release/examples/device_step" device_step
add "$tests" cuda-tests
cp scripts/gpu_session.sh "$pack/"
cp benches/peer/{nets,device_times,device_table}.py "$pack/peer/"
cp -r experiments "$pack/"
if [[ -n $data ]]; then
    mkdir "$pack/data"
    if [[ -d $data ]]; then cp -rL "$data/." "$pack/data/"; else cp -L "$data" "$pack/data/"; fi
fi
if [[ -n $resume ]]; then
    mkdir "$pack/resume"
    if [[ -d $resume ]]; then
        cp -r "$resume/." "$pack/resume/"
    else
        tar -C "$pack/resume" --strip-components 1 -xf "$resume"
    fi
fi
chmod -R u+w "$pack"

more=0
for folder in data resume; do
    [[ ! -d $pack/$folder ]] || more=$((more + $(du -sb "$pack/$folder" | cut -f 1)))
done
mkdir -p "$(dirname "$archive")"
tar -C "$place" --owner 0 --group 0 -cf - pack | xz -T0 >"$archive.part"
size=$(stat -c %s "$archive.part")
# Data and records hardly shrink; what they take uncompressed is an upper bound.
if ((size > largest + more)); then
    rm "$archive.part"
    echo "the archive has $size bytes; more than $largest are allowed, and $more for data and records" >&2
    exit 1
fi
mv "$archive.part" "$archive"
echo "$archive: $size bytes; unpack it and run: pack/gpu_session.sh OUT contact"
