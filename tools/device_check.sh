#!/usr/bin/env bash
# For anyone with an AMD, Intel, NVIDIA or other OpenCL device: facts, operator tests, golden files, tuning and benchmarks on
# it, in one text report to send back with an issue.
#     tools/device_check.sh [--device opencl:N] [--kernels cpu|gpu] [--quick] [--report FILE]
#     tools/device_check.sh --oclgrind [--kernels cpu|gpu] [--report FILE]
#     tools/device_check.sh --smoke [--device opencl:N] [--kernels cpu|gpu] [--report FILE]
# The second form runs on the simulator oclgrind, thousands of times slower, with its checks of memory accesses and data
# races: devices, operator tests on tiny shapes and one golden file of the loss. The third takes seconds: devices, the
# test of the backend without its operators, one golden file of the loss.
# Needs a build in build/ or PACO_BUILD (tools/check.sh --quick makes one); the golden files are those of tests/golden.
# Exit code 0: nothing failed, and operator tests ran; a test that skips a listed device has failed.
set -uo pipefail
cd "$(dirname "$0")/.."

device=auto kernels= quick= smoke= report=device_report.txt
under=()
while [ $# -gt 0 ]; do
    case "$1" in
        --device) device="$2"; shift 2 ;;
        --kernels) kernels="$2"; shift 2 ;;
        --report) report="$2"; shift 2 ;;
        --quick) quick=1; shift ;;
        --smoke) smoke=1; shift ;;
        --oclgrind) under=(oclgrind --data-races); shift ;;
        *) echo "device_check.sh: unknown option '$1'" >&2; exit 2 ;;
    esac
done
if [ ${#under[@]} -gt 0 ] && ! command -v oclgrind >/dev/null; then
    echo "skipped: no oclgrind here. On Debian and Ubuntu: apt install oclgrind" >&2
    exit 77
fi
build="${PACO_BUILD:-$PWD/build}"
paco="${PACO_BIN:-$build/paco}"
[ -x "$paco" ] || { echo "device_check.sh: no $paco: build first (cmake -S . -B build && cmake --build build -j)" >&2; exit 2; }
where=(--device "$device")
[ -n "$kernels" ] && where+=(--kernels "$kernels")
export PACO_TEST_DEVICE="$device" PACO_TEST_KERNELS="$kernels" PACO_BACKENDS="${PACO_BACKENDS:-$build}"
passed=0 failed=0 skipped=0 operators=0 listed=
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

section() { printf '\n== %s\n' "$1"; }

# What oclgrind prints when a kernel does wrong; its exit code is that of the program.
simulator_objects() {
    [ ${#under[@]} -gt 0 ] && grep -qE 'Invalid (read|write)|Uninitialized value|data race|OCLGRIND' "$work/log"
}

pass() { echo "-- $1: ok, $2 s"; passed=$((passed + 1)); }
fail() { echo "-- $1: FAILED, $2"; failed=$((failed + 1)); }
skip() { echo "-- $1: skipped, $2"; skipped=$((skipped + 1)); }

try() { # name, limit in seconds, command...; true unless it was skipped
    local name="$1" limit="$2" code started=$SECONDS
    shift 2
    timeout "$limit" "${under[@]}" "$@" >"$work/log" 2>&1
    code=$?
    cat "$work/log"
    simulator_objects && code=simulator
    [ "$code" = 77 ] && [ -n "$listed" ] && code=refused
    case $code in
        0) pass "$name" $((SECONDS - started)) ;;
        77) skip "$name" "no device"; return 1 ;;
        124) fail "$name" "longer than $limit s" ;;
        simulator) fail "$name" "the simulator reports errors" ;;
        refused) fail "$name" "it skips a device that is listed" ;;
        *) fail "$name" "exit code $code" ;;
    esac
}

list_devices() {
    section "devices"
    try devices 600 "$paco" devices
    local name="$device"
    [ "$name" != auto ] || name=opencl
    [ "$name" != opencl ] || name=opencl:0
    grep -q "^$name " "$work/log" && listed=1
    ! command -v clinfo >/dev/null || clinfo 2>/dev/null |
        grep -iE 'device (name|version)|driver version|sub-?group|local memory size|extensions  '
}

operator_tests() { # test...
    section "operator tests"
    for test in "$@"; do
        [ -x "$build/tests/$test" ] || { skip "$test" "not built"; continue; }
        try "$test" 3600 "$build/tests/$test" && operators=$((operators + 1))
    done
}

golden_files() { # file of golden/ ...
    section "golden files"
    for file in "$@"; do
        [ -n "$listed" ] || { skip "$(basename "$file")" "no device"; continue; }
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
    list_devices
    local golden=tests/golden
    if [ ${#under[@]} -gt 0 ]; then
        export PACO_TEST_TINY=1
        operator_tests test_gemm test_conv
        golden_files "$golden/loss/tiny.json"
    elif [ -n "$smoke" ]; then
        operator_tests test_backend
        golden_files "$golden/loss/tiny.json"
    else
        operator_tests test_backend test_gemm test_conv test_conv_stored test_ops test_parity
        if [ -n "$quick" ]; then
            golden_files "$golden"/loss/*.json "$golden"/step/{resnet20,resnet32_4ranks}.json
        else
            golden_files "$golden"/loss/*.json "$golden"/step/*.json
        fi
        speeds
    fi
    section "summary"
    [ "$operators" -gt 0 ] || echo "no operator test ran: nothing is known of $device"
    echo "$passed passed, $failed failed, $skipped skipped"
}

main > >(tee "$report") 2>&1
wait
echo "report: $report"
[ "$failed" -eq 0 ] && [ "$operators" -gt 0 ]
