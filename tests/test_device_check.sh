#!/bin/bash
# tools/device_check.sh in its short form: what it counts, and that it ends well only where something was tested.
set -u
paco=$(realpath "$1")
check=${PACO_SOURCE:-$(dirname "$0")/..}/tools/device_check.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PACO_BUILD=$(dirname "$paco")
export PACO_BUILD PACO_BIN=$paco
failed=0
fail() { echo "FAIL: $*"; cat "$work/out"; failed=1; }

"$paco" devices | grep -q '^opencl:' || { echo "skipped: no OpenCL device"; exit 77; }
"$check" --smoke --report "$work/report" >"$work/out" 2>&1 || fail "a device that works: exit code $?"
grep -qx "3 passed, 0 failed, 0 skipped" "$work/report" || fail "a device that works: counted otherwise"

# Without any device all is skipped: no success. Where none can be hidden, there is nothing to see.
mkdir "$work/none"
if ! OCL_ICD_VENDORS=$work/none "$paco" devices | grep -q '^opencl:'; then
    OCL_ICD_VENDORS=$work/none "$check" --smoke --report "$work/report" >"$work/out" 2>&1 &&
        fail "no device: exit code 0"
    grep -qx "1 passed, 0 failed, 2 skipped" "$work/report" || fail "no device: counted otherwise"
    grep -q "^no operator test ran" "$work/report" || fail "no device: not said"

    # A device that is listed, and that the tests do not find.
    printf '#!/bin/sh\nunset OCL_ICD_VENDORS\nexec %s "$@"\n' "$paco" >"$work/lists"
    chmod +x "$work/lists"
    PACO_BIN=$work/lists OCL_ICD_VENDORS=$work/none "$check" --smoke --report "$work/report" >"$work/out" 2>&1 &&
        fail "a test that skips a listed device: exit code 0"
    grep -qx "2 passed, 1 failed, 0 skipped" "$work/report" || fail "a test that skips a listed device: not counted"
fi
exit $failed
