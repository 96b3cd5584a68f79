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

# The report begins with what it comes to, ten lines.
summary() { # TEXT...: line I of the report has the Ith text
    local i=0 text
    for text; do
        i=$((i + 1))
        sed -n "${i}p" "$work/report" | grep -qE -e "$text" || { fail "line $i of the summary is not '$text'"; head -10 "$work/report"; }
    done
    [ -z "$(sed -n 11p "$work/report")" ] || fail "the summary has more than ten lines"
}
summary '^openpaco device report, 20' '^system: .*Linux' '^processor: ' '^device: +opencl:0 ' '^driver: +[^ ,].*, [^ ]' '^advice: ' \
    '^operators: +1 passed, 0 failed, 0 skipped$' '^golden: +1 passed, 0 failed, 0 skipped$' '^speeds: +none$' \
    '^result: +3 passed, 0 failed, 0 skipped; failed: none$'

# Without any device all is skipped: no success. Where none can be hidden, there is nothing to see.
mkdir "$work/none"
if ! OCL_ICD_VENDORS=$work/none "$paco" devices | grep -q '^opencl:'; then
    OCL_ICD_VENDORS=$work/none "$check" --smoke --report "$work/report" >"$work/out" 2>&1 &&
        fail "no device: exit code 0"
    grep -qx "1 passed, 0 failed, 2 skipped" "$work/report" || fail "no device: counted otherwise"
    grep -q "^no operator test ran" "$work/report" || fail "no device: not said"
    summary '' '' '' '^device: +none: auto is not there$' '' '' '0 passed, 0 failed, 1 skipped$' '0 passed, 0 failed, 1 skipped$' '' \
        '^result: +1 passed, 0 failed, 2 skipped; failed: none$'

    # A device that is listed, and that the tests do not find.
    printf '#!/bin/sh\nunset OCL_ICD_VENDORS\nexec %s "$@"\n' "$paco" >"$work/lists"
    chmod +x "$work/lists"
    PACO_BIN=$work/lists OCL_ICD_VENDORS=$work/none "$check" --smoke --report "$work/report" >"$work/out" 2>&1 &&
        fail "a test that skips a listed device: exit code 0"
    grep -qx "2 passed, 1 failed, 0 skipped" "$work/report" || fail "a test that skips a listed device: not counted"
    summary '' '' '' '' '' '' '^operators: +0 passed, 1 failed' '' '' '; failed: test_backend$'
fi

# A build without what is needed, and none at all: it builds, here in a copy whose build tool only writes down what for.
mkdir -p "$work/tree/tools" "$work/tree/build" "$work/bin"
cp "$check" "$work/tree/tools"
cat >"$work/bin/cmake" <<'TOOL'
#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
*"--target help") printf '... paco\n... paco_opencl\n... test_backend\n... test_gemm\n' ;;
--build*) [ -n "$BROKEN" ] || { mkdir -p build/tests; for f in paco tests/test_backend; do printf '#!/bin/sh\nexit 77\n' >build/$f; chmod +x build/$f; done; } ;;
esac
TOOL
chmod +x "$work/bin/cmake"
builds() { # STATUS BROKEN: exit status of a short check there
    : >"$work/calls"
    (unset PACO_BUILD PACO_BIN; CALLS=$work/calls BROKEN=$2 PATH=$work/bin:$PATH "$work/tree/tools/device_check.sh" --smoke \
        --report "$work/report") >"$work/out" 2>&1
    [ $? = "$1" ] || fail "a bare clone: exit code other than $1"
}
builds 2 1
grep -q 'device_check.sh: without cmocka there are no tests: tools/install.sh tests' "$work/out" || fail "no word of what is missing"
builds 1 ''
grep -q -- '-DBUILD_TESTING=ON' "$work/calls" || fail "a bare clone is not configured with tests"
grep -qE -- '--target paco paco_opencl test_backend$' "$work/calls" || { fail "other targets"; cat "$work/calls"; }
builds 1 ''
[ ! -s "$work/calls" ] || fail "what is there is built again"
rm "$work/tree/build/tests/test_backend" # as after tools/demo.sh
builds 1 ''
[ -s "$work/calls" ] || fail "missing tests are not built"
exit $failed
