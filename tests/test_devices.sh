#!/bin/bash
# Absent backends: `paco devices` and a run say in one line why, with the right exit code.
paco=$1
[ -x "$paco" ] || { echo "skipped: no program $paco"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
# expect WHAT TEXT FILE: the file holds the text.
expect() {
    if grep -qF "$2" "$3"; then
        echo "ok: $1"
    else
        echo "FAILED: $1: expected \"$2\" in:"
        cat "$3"
        status=1
    fi
}
# The drivers hidden from the loader.
OCL_ICD_VENDORS=$work "$paco" devices > "$work/out" 2>&1 || { echo "FAILED: exit status"; status=1; }
if grep -q "^opencl:0" "$work/out"; then
    echo "no driver could be hidden here"
else
    expect "no platform" "pocl-opencl-icd" "$work/out"
fi
# The module out of reach: a copy of the program alone in a folder.
mkdir "$work/bin"
cp "$paco" "$work/bin/paco"
PACO_BACKENDS= "$work/bin/paco" devices > "$work/out" 2>&1 || { echo "FAILED: exit status"; status=1; }
expect "no module" "no module libpaco_opencl.so" "$work/out"
# A module that is none.
echo "not a library" > "$work/bin/libpaco_opencl.so"
PACO_BACKENDS= "$work/bin/paco" devices > "$work/out" 2>&1 || { echo "FAILED: exit status"; status=1; }
expect "broken module" "opencl  absent:" "$work/out"
# One of another version.
cp "$(dirname "$paco")/tests/libother_contract.so" "$work/bin/libpaco_opencl.so"
PACO_BACKENDS= "$work/bin/paco" bench step --device opencl --arch resnet20 > "$work/out" 2>&1
[ $? = 8 ] && [ "$(wc -l < "$work/out")" = 1 ] || { echo "FAILED: a module of another contract"; status=1; }
expect "another contract" "build both together" "$work/out"
exit $status
