#!/usr/bin/env bash
# What is installed works where it was moved to, by itself: it finds its backends and its golden files beside it, and
# never those of the source tree.
set -u
build=$(dirname "$(realpath "$1")")
. "$(dirname "$0")/material.sh"
folder=$(realpath "$(mktemp -d)")
trap 'rm -rf "$folder"' EXIT
failed=0
fail() { echo "FAIL: $*"; cat "$folder/out"; failed=1; }

# The tests' own settings must not help it.
unset PACO_BACKENDS PACO_BIN PACO_SOURCE PACO_SHARED
manifest=$build/install_manifest.txt # of the user's own installation, which `uninstall` must go on knowing
[ ! -e "$manifest" ] || cp "$manifest" "$folder/manifest"
cmake --install "$build" --prefix "$folder/made" >"$folder/out" 2>&1 || { fail "cmake --install"; exit 1; }
rm -f "$manifest"
[ ! -e "$folder/manifest" ] || cp "$folder/manifest" "$manifest"
mv "$folder/made" "$folder/moved there"
cd "$folder" || exit 1
paco=$(find "$folder/moved there" -path '*/bin/paco' -type f)
share=$(dirname "$(find "$folder/moved there" -name loss -type d)")

"$paco" verify --device ref loss/tiny >out 2>&1 || fail "paco verify loss/tiny: exit $?"
grep -qF "PASS $share/loss/tiny.json on ref" out || fail "loss/tiny is not the installed one"
"$paco" verify --device ref --steps 1 step/resnet20 >out 2>&1 || fail "paco verify step/resnet20: exit $?"
grep -qF "PASS $share/step/resnet20.json" out || fail "step/resnet20 is not the installed one"
"$paco" verify --list >out 2>&1 || fail "paco verify --list: exit $?"
[ "$(sed 's/ \*$//' out)" = "$(cd "$golden" && LC_ALL=C ls loss/*.json step/*.json | sed 's/\.json$//')" ] ||
    fail "--list is not what tests/golden has"

if "$paco" devices 2>/dev/null | grep -q '^opencl:'; then
    "$paco" verify >out 2>&1 || fail "paco verify: exit $?"
    [ "$(grep -cF "PASS $share/" out)" = 6 ] && grep -q '^all 6 pass: ' out || fail "the standard set"
elif PACO_BACKENDS=$build "$build/paco" devices 2>/dev/null | grep -q '^opencl:'; then
    "$paco" devices >out 2>&1
    fail "the installed program does not find its backend"
else
    echo "skipped: no OpenCL device"
fi

# Without its files it has none, though the source tree is there.
mv "$share" away
"$paco" verify --device ref loss/tiny >out 2>&1
[ $? = 4 ] && grep -q '^paco: error: loss/tiny: no golden files in golden/ beside the program' out ||
    fail "golden files from elsewhere"
"$paco" verify --list >out 2>&1
[ $? = 4 ] && [ "$(grep -c '^paco: error: ' out)" = 1 ] || fail "--list without files"
exit $failed
