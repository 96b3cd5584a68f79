#!/usr/bin/env bash
# For anyone with an AMD, Intel, NVIDIA or other OpenCL device: facts, operator tests, golden files, tuning and benchmarks on
# it, in one text report to send back with an issue.
#     tools/device_check.sh [--device opencl:N] [--kernels cpu|gpu] [--quick] [--report FILE]
#     tools/device_check.sh --oclgrind [--kernels cpu|gpu] [--report FILE]
#     tools/device_check.sh --smoke [--device opencl:N] [--kernels cpu|gpu] [--report FILE]
# The second form runs on the simulator oclgrind, thousands of times slower, with its checks of memory accesses and data
# races: devices, operator tests on tiny shapes and one golden file of the loss. The third takes seconds: devices, the
# test of the backend without its operators, one golden file of the loss.
# Takes the build in build/, after adding what is missing there (all of it in a fresh clone, the tests after tools/demo.sh),
# or the one of PACO_BUILD as it is; the golden files are those of tests/golden. The report begins with a summary.
# Exit code 0: nothing failed, and operator tests ran; a test that skips a listed device has failed.
. "$(dirname "$0")/help.sh"
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
tests=(test_backend test_gemm test_conv test_conv_stored test_ops test_parity)
[ ${#under[@]} -eq 0 ] || tests=(test_gemm test_conv)
[ -z "$smoke" ] || tests=(test_backend)

# Whether the program and every test are there.
built() {
    local test
    [ -x "$paco" ] || return 1
    for test in "${tests[@]}"; do [ -x "$build/tests/$test" ] || return 1; done
}

# Builds the program, the modules and the tests, as far as this machine can.
build_them() {
    local log=$build/device_check.log known wanted=() target
    mkdir -p "$build"
    echo "building in $build, which takes minutes"
    cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON >"$log" 2>&1 && known=$(cmake --build "$build" --target help 2>>"$log") ||
        { tail -5 "$log"; echo "device_check.sh: nothing can be built: tools/install.sh tests installs what is missing"; return 1; } >&2
    for target in paco paco_opencl paco_cuda "${tests[@]}"; do
        grep -qE "(^|[ .])$target(:|\$)" <<<"$known" && wanted+=("$target")
    done
    cmake --build "$build" -j"$(nproc)" --target "${wanted[@]}" >>"$log" 2>&1 ||
        { tail -20 "$log"; echo "device_check.sh: the build failed: $log"; return 1; } >&2
    built || { echo "device_check.sh: without cmocka there are no tests: tools/install.sh tests" >&2; return 1; }
}

if [ -z "${PACO_BUILD:-}" ] && [ -z "${PACO_BIN:-}" ]; then
    built || build_them || exit 2
fi
[ -x "$paco" ] || { echo "device_check.sh: no $paco: without PACO_BUILD and PACO_BIN it is built here" >&2; exit 2; }
where=(--device "$device")
[ -n "$kernels" ] && where+=(--kernels "$kernels")
export PACO_TEST_DEVICE="$device" PACO_TEST_KERNELS="$kernels" PACO_BACKENDS="${PACO_BACKENDS:-$build}"
passed=0 failed=0 skipped=0 operators=0 listed=
declare -A results # of a section: "3 passed, 1 failed"
failures=() speeds=()
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Begins a section; what the one before came to is kept for the summary.
section() {
    results[$current]="$((passed - before_passed)) passed, $((failed - before_failed)) failed, $((skipped - before_skipped)) skipped"
    current=$1 before_passed=$passed before_failed=$failed before_skipped=$skipped
    printf '\n== %s\n' "$1"
}
current=start before_passed=0 before_failed=0 before_skipped=0

# What oclgrind prints when a kernel does wrong; its exit code is that of the program.
simulator_objects() {
    [ ${#under[@]} -gt 0 ] && grep -qE 'Invalid (read|write)|Uninitialized value|data race|OCLGRIND' "$work/log"
}

pass() { echo "-- $1: ok, $2 s"; passed=$((passed + 1)); }
fail() { echo "-- $1: FAILED, $2"; failed=$((failed + 1)); failures+=("$1"); }
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
    sed -n "/^$name /,/^[^ ]/p" "$work/log" | sed -n '1p;/^ /p' >"$work/device"
    grep -E '^a GPU of|known bad|unusable' "$work/log" >"$work/advice"
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

measure() {
    section "tuning and benchmarks"
    models=("resnet32 --batch 128 --classes 10 --dim 32 --queue 1024")
    [ -n "$quick" ] || models+=("resnet50 --batch 8" "resnext50_32x4d --batch 8")
    for model in "${models[@]}"; do
        # shellcheck disable=SC2086
        try "tune $model" 1800 "$paco" tune step --arch $model "${where[@]}"
        # shellcheck disable=SC2086
        try "bench step $model" 1800 "$paco" bench step --arch $model "${where[@]}" --repeats 5 --profile
        speeds+=("${model%% *} $(grep -o '"images_per_s": [0-9.]*' "$work/log" | grep -o '[0-9.]*$' || echo no) images/s")
    done
    [ -n "$quick" ] || try "bench eval resnet50" 1800 "$paco" bench eval --arch resnet50 --batch 32 "${where[@]}" --profile
}

main() {
    list_devices
    local golden=tests/golden
    if [ ${#under[@]} -gt 0 ]; then
        export PACO_TEST_TINY=1
        operator_tests "${tests[@]}"
        golden_files "$golden/loss/tiny.json"
    elif [ -n "$smoke" ]; then
        operator_tests "${tests[@]}"
        golden_files "$golden/loss/tiny.json"
    else
        operator_tests "${tests[@]}"
        if [ -n "$quick" ]; then
            golden_files "$golden"/loss/*.json "$golden"/step/{resnet20,resnet32_4ranks}.json
        else
            golden_files "$golden"/loss/*.json "$golden"/step/*.json
        fi
        measure
    fi
    section "total"
    [ "$operators" -gt 0 ] || echo "no operator test ran: nothing is known of $device"
    echo "$passed passed, $failed failed, $skipped skipped"
}

# A line of what `paco devices` says of the device.
said() { sed -n "s/^ *$1  *//p" "$work/device" 2>/dev/null | head -1; }

join() { local IFS=,; echo "${*:-none}" | sed 's/,/, /g'; }

# The ten lines that the report begins with.
summary() {
    local platform
    platform=$(said platform)
    echo "openpaco device report, $(date -u +%Y-%m-%d), $(git rev-parse --short HEAD 2>/dev/null || echo 'no git')"
    echo "system:     $(uname -srm), $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '"')"
    echo "processor:  $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort | uniq -c | sed 's/^ *//; s/ / x /' | head -1)"
    echo "device:     $(head -1 "$work/device" 2>/dev/null | grep . || echo "none: $device is not there")"
    echo "driver:     ${platform:-none}${platform:+, $(said driver)}"
    echo "advice:     $(head -1 "$work/advice" 2>/dev/null | grep . || echo none)"
    echo "operators:  ${results[operator tests]:-not run}"
    echo "golden:     ${results[golden files]:-not run}"
    echo "speeds:     $(join "${speeds[@]}")"
    echo "result:     $passed passed, $failed failed, $skipped skipped; failed: $(join "${failures[@]}")"
}

main > >(tee "$work/body") 2>&1
wait
{ summary; echo; cat "$work/body"; } >"$report"
echo
summary
echo "report: $report"
[ "$failed" -eq 0 ] && [ "$operators" -gt 0 ]
