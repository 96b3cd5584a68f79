#!/usr/bin/env bash
# For anyone with an AMD, Intel, NVIDIA or other OpenCL device: facts, operator tests, golden files, tuning and benchmarks on
# it, in one text report to send back with an issue.
#     tools/device_check.sh [--device opencl:N] [--kernels cpu|gpu] [--quick] [--report FILE]
#     tools/device_check.sh --oclgrind [--kernels cpu|gpu] [--report FILE]
# The second form runs on the simulator oclgrind, thousands of times slower, with its checks of memory accesses and data
# races: devices, operator tests on tiny shapes and one golden file of the loss.
# Needs a build in build/ (tools/check.sh --quick makes one) and, for the golden files, the shared folder (PACO_SHARED).
set -uo pipefail
cd "$(dirname "$0")/.."

device=auto kernels= quick= report=device_report.txt
under=()
while [ $# -gt 0 ]; do
    case "$1" in
        --device) device="$2"; shift 2 ;;
        --kernels) kernels="$2"; shift 2 ;;
        --report) report="$2"; shift 2 ;;
        --quick) quick=1; shift ;;
        --oclgrind) under=(oclgrind --data-races); shift ;;
        *) echo "device_check.sh: unknown option '$1'" >&2; exit 2 ;;
    esac
done
if [ ${#under[@]} -gt 0 ] && ! command -v oclgrind >/dev/null; then
    echo "skipped: no oclgrind here. On Debian and Ubuntu: apt install oclgrind" >&2
    exit 77
fi
shared="${PACO_SHARED:-../shared}"
paco="${PACO_BIN:-build/paco}"
[ -x "$paco" ] || { echo "device_check.sh: no $paco: build first (cmake -S . -B build && cmake --build build -j)" >&2; exit 2; }
where=(--device "$device")
[ -n "$kernels" ] && where+=(--kernels "$kernels")
export PACO_TEST_DEVICE="$device" PACO_TEST_KERNELS="$kernels" PACO_BACKENDS="${PACO_BACKENDS:-$PWD/build}"
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

section() { printf '\n== %s\n' "$1"; }

# What oclgrind prints when a kernel does wrong; its exit code is that of the program.
simulator_objects() {
    [ ${#under[@]} -gt 0 ] && grep -qE 'Invalid (read|write)|Uninitialized value|data race|OCLGRIND' "$work/log"
}

try() { # name, limit in seconds, command...
    local name="$1" limit="$2" code started=$SECONDS
    shift 2
    timeout "$limit" "${under[@]}" "$@" >"$work/log" 2>&1
    code=$?
    cat "$work/log"
    simulator_objects && code=simulator
    case $code in
        0) echo "-- $name: ok, $((SECONDS - started)) s" ;;
        77) echo "-- $name: skipped" ;;
        124) echo "-- $name: FAILED, longer than $limit s"; failed=$((failed + 1)) ;;
        simulator) echo "-- $name: FAILED, the simulator reports errors"; failed=$((failed + 1)) ;;
        *) echo "-- $name: FAILED, exit code $code"; failed=$((failed + 1)) ;;
    esac
}

operator_tests() { # test...
    section "operator tests"
    for test in "$@"; do
        [ -x "build/tests/$test" ] || { echo "-- $test: skipped, not built"; continue; }
        try "$test" 3600 "build/tests/$test"
    done
}

golden_files() { # file of golden/ ...
    section "golden files"
    for file in "$@"; do
        [ -f "$file" ] || { echo "-- $(basename "$file"): skipped, $shared/golden is not there"; continue; }
        try "$(basename "$file")" 3600 "$paco" verify "${where[@]}" "$file"
    done
}

speeds() {
    section "tuning and benchmarks"
    models=("resnet32 --batch 128 --classes 10 --dim 32 --queue 1024")
    [ -n "$quick" ] || models+=("resnet50 --batch 8" "resnext50_32x4d --batch 8")
    for model in "${models[@]}"; do
        # shellcheck disable=SC2086
        try "tune $model" 1800 "$paco" tune step --arch $model "${where[@]}"
        # shellcheck disable=SC2086
        try "bench step $model" 1800 "$paco" bench step --arch $model "${where[@]}" --repeats 5 --profile
    done
    [ -n "$quick" ] || try "bench eval resnet50" 1800 "$paco" bench eval --arch resnet50 --batch 32 "${where[@]}" --profile
}

main() {
    echo "openpaco device report, $(date -u +%Y-%m-%d), $(git rev-parse --short HEAD 2>/dev/null || echo 'no git')"
    uname -srm
    sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort | uniq -c
    section "devices"
    try devices 600 "$paco" devices
    ! command -v clinfo >/dev/null || clinfo 2>/dev/null | grep -iE 'device (name|version)|driver version|sub-?group|local memory size|extensions  '
    local golden="$shared/golden"
    if [ ${#under[@]} -gt 0 ]; then
        export PACO_TEST_TINY=1
        operator_tests test_gemm test_conv
        golden_files "$golden/loss/tiny.json"
    else
        operator_tests test_backend test_gemm test_conv test_ops test_parity
        if [ -n "$quick" ]; then
            golden_files "$golden"/loss/*.json "$golden"/step/{resnet20,resnet32_4ranks}.json
        else
            golden_files "$golden"/loss/*.json "$golden"/step/*.json
        fi
        speeds
    fi
    section "summary"
    if [ "$failed" -eq 0 ]; then echo "all passed"; else echo "$failed failed"; fi
}

main > >(tee "$report") 2>&1
wait
echo "report: $report"
! grep -q -- '-- .*: FAILED' "$report"
