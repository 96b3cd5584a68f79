#!/bin/bash
# What tools/oclgrind_check.sh makes of the counts of cases, with stand-ins for the simulator and the tests: enough of them,
# too few, and a pattern that no test's name matches.
set -u
build=$(dirname "$(realpath "$1")")
check=${PACO_SOURCE:-$(dirname "$0")/..}/tools/oclgrind_check.sh
[ -e "$build/tests/liboclgrind_fill.so" ] || { echo "skipped: no OpenCL backend"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/build/tests"
cp "$build/tests/liboclgrind_fill.so" "$work/build/tests"
printf '#!/bin/sh\nwhile [ "$1" != sh ]; do shift; done\nexec "$@"\n' >"$work/bin/oclgrind"
chmod +x "$work/bin/oclgrind"
failed=0

# expect EXIT TEXT FAMILY SCRIPT: the script stands for test_ops.
expect() {
    printf '#!/bin/sh\n%s\n' "$4" >"$work/build/tests/test_ops"
    chmod +x "$work/build/tests/test_ops"
    PATH=$work/bin:$PATH bash "$check" "$work/build" "$3" >"$work/out" 2>&1
    local code=$?
    [ $code = "$1" ] && grep -q "$2" "$work/out" && return
    echo "FAILED: exit $code, expected $1 and '$2':"
    cat "$work/out"
    failed=1
}

expect 0 '^pool, gpu kernels: 26 cases in all' pool 'echo "max_pool   18 cases, and"; echo "avg_pool    8 cases, and"'
expect 1 '^TOO FEW: pool, cpu kernels: 19 cases' pool 'echo "max_pool   19 cases, and"'
expect 1 '^NO CASES: bounds-and-races, cpu kernels, rows (queue_push)' rows \
    '[ "$PACO_TEST_ONLY" = test_queue_push ] || echo "some 30 cases, and"'
expect 1 '^NOT CLEAN: uninitialised' shortcut 'echo "shortcut_a 30 cases, and"; echo "Uninitialized value read"'
exit $failed
