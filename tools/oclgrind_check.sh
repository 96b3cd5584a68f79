#!/bin/bash
# Runs the kernels of convolutions and matrix products under the simulator oclgrind on small odd shapes:
# out-of-bounds accesses and data races, then uninitialised values. Minutes to an hour.
#   tools/oclgrind_check.sh [BUILD FOLDER]
build=$(cd "${1:-build}" && pwd) || exit 2
if ! command -v oclgrind > /dev/null; then
    echo "skipped: no oclgrind here. On Debian and Ubuntu: apt install oclgrind"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PACO_BACKENDS=$build PACO_TEST_TINY=1
status=0
# One run: name of the check, kernels, test, options of oclgrind. Any report is a failure.
run() {
    local log=$work/log
    XDG_CACHE_HOME=$work/$1 PACO_TEST_KERNELS=$2 oclgrind "${@:4}" "$build/tests/$3" > "$log" 2>&1
    local result=$?
    if [ $result -eq 0 ] && ! grep -qE "Invalid|Uninitialized|race|FATAL|ERROR" "$log"; then
        echo "clean: $1, $2 kernels, $3"
    else
        echo "NOT CLEAN: $1, $2 kernels, $3"
        head -40 "$log"
        status=1
    fi
}
for kernels in cpu gpu; do
    for test in test_gemm test_conv; do
        run bounds-and-races $kernels $test --data-races --check-api
        # Unoptimised: the check does not know every instruction the optimiser makes.
        run uninitialised $kernels $test --uninitialized --build-options -O0
    done
done
exit $status
