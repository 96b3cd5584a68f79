#!/usr/bin/env bash
# For anyone with an AMD, Intel, NVIDIA or other OpenCL device: facts, operator tests, golden files, tuning and benchmarks on
# it, in one text report to send back with an issue.
#     tools/device_check.sh [--device opencl:N] [--kernels cpu|gpu] [--quick] [--report FILE]
# Needs a build in build/ (tools/check.sh --quick makes one) and, for the golden files, the shared folder (PACO_SHARED).
set -uo pipefail
cd "$(dirname "$0")/.."

device=auto kernels= quick= report=device_report.txt
while [ $# -gt 0 ]; do
    case "$1" in
        --device) device="$2"; shift 2 ;;
        --kernels) kernels="$2"; shift 2 ;;
        --report) report="$2"; shift 2 ;;
        --quick) quick=1; shift ;;
        *) echo "device_check.sh: unknown option '$1'" >&2; exit 2 ;;
    esac
done
shared="${PACO_SHARED:-../shared}"
paco="${PACO_BIN:-build/paco}"
[ -x "$paco" ] || { echo "device_check.sh: no $paco: build first (cmake -S . -B build && cmake --build build -j)" >&2; exit 2; }
where=(--device "$device")
[ -n "$kernels" ] && where+=(--kernels "$kernels")
failed=0

section() { printf '\n== %s\n' "$1"; }
try() { # name, limit in seconds, command...
    local name="$1" limit="$2" code started=$SECONDS
    shift 2
    timeout "$limit" "$@" 2>&1
    code=$?
    case $code in
        0) echo "-- $name: ok, $((SECONDS - started)) s" ;;
        77) echo "-- $name: skipped" ;;
        124) echo "-- $name: FAILED, longer than $limit s"; failed=$((failed + 1)) ;;
        *) echo "-- $name: FAILED, exit code $code"; failed=$((failed + 1)) ;;
    esac
}

main() {
    echo "openpaco device report, $(date -u +%Y-%m-%d), $(git rev-parse --short HEAD 2>/dev/null || echo 'no git')"
    uname -srm
    sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort | uniq -c
    section "devices"
    try devices 60 "$paco" devices

    section "operator tests"
    for test in test_backend test_gemm test_conv test_ops; do
        [ -x "build/tests/$test" ] || { echo "-- $test: skipped, not built"; continue; }
        PACO_TEST_DEVICE="$device" PACO_TEST_KERNELS="$kernels" try "$test" 1800 "build/tests/$test"
    done

    section "golden files"
    if [ -d "$shared/golden" ]; then
        try "losses" 600 "$paco" verify "${where[@]}" "$shared"/golden/loss/*.json
        steps=("$shared"/golden/step/resnet20.json "$shared"/golden/step/resnet32_4ranks.json)
        [ -n "$quick" ] || steps=("$shared"/golden/step/*.json)
        for file in "${steps[@]}"; do
            try "$(basename "$file")" 1800 "$paco" verify "${where[@]}" "$file"
        done
    else
        echo "-- skipped: $shared/golden is not there"
    fi

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
    section "summary"
    if [ "$failed" -eq 0 ]; then echo "all passed"; else echo "$failed failed"; fi
}

main > >(tee "$report") 2>&1
wait
echo "report: $report"
! grep -q -- '-- .*: FAILED' "$report"
