#!/usr/bin/env bash
# paco verify can fail: golden files with one number changed, and golden images that are others, give FAIL and exit 1.
set -u
paco=$(realpath "$1")
golden=$(realpath "${PACO_SHARED:-../shared}/golden" 2>/dev/null)
[ -e "$golden/step/resnet20_sharp.json" ] || { echo "skipped: no golden files in PACO_SHARED"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0

# gives STATUS LINE ARGUMENTS...: paco verify must end so, with a line that begins so.
gives() {
    local status=$1 line=$2 seen
    shift 2
    "$paco" verify "$@" >stdout 2>stderr
    seen=$?
    [ $seen = 8 ] && { echo "skipped on $2"; return; } # no device
    if [ $seen != "$status" ] || ! grep -q "^$line" stdout || [ "$(grep -c '^paco: error: ' stderr)" != "$status" ]; then
        echo "FAIL: paco verify $*: exit $seen instead of $status, or no line '$line'"
        cat stdout stderr
        failed=1
    fi
}

# change FROM KEY LINE FACTOR: copies a golden file to changed.json; the number on the first line with LINE from the
# first line with KEY on is multiplied.
change() {
    awk -v key="$2" -v line="$3" -v factor="$4" '
        index($0, key) { found = 1 }
        found && !done && $0 ~ line && match($0, /-?[0-9.e+-]+,?$/) {
            comma = sub(/,$/, "")
            match($0, /-?[0-9.e+-]+$/)
            $0 = substr($0, 1, RSTART - 1) sprintf("%.17g", substr($0, RSTART) * factor) (comma ? "," : "")
            done = 1
        }
        { print }' "$1" >changed.json
    [ "$(diff "$1" changed.json | grep -c '^>')" = 1 ] || { echo "FAIL: $2 was not changed"; failed=1; }
}

step=$golden/step/resnet20_sharp.json
short=(--steps 1)
gives 0 PASS --device ref "${short[@]}" "$step"
change "$step" '"loss": [' '^ *[0-9]' 1.00000001
gives 1 FAIL --device ref "${short[@]}" changed.json
gives 0 PASS --device opencl "${short[@]}" changed.json # within what float32 may differ
change "$step" '"loss": [' '^ *[0-9]' 1.001
gives 1 FAIL --device opencl "${short[@]}" changed.json
gives 1 FAIL --device opencl "${short[@]}" "$step" changed.json "$step"
[ ! -s stdout ] || [ "$(grep -c ^PASS stdout)" = 2 ] || { echo "FAIL: files after a failed one are not compared"; failed=1; }
change "$step" '"encoder_q.layer2.1.conv2.weight"' '"norm"' 1.00000001
gives 1 FAIL --device ref "${short[@]}" changed.json
change "$step" '"encoder_q.layer2.1.conv2.weight"' '"dot"' 2
gives 1 FAIL --device opencl "${short[@]}" changed.json
change "$step" '"correct"' '"correct"' 1.5
gives 1 FAIL --device opencl "${short[@]}" changed.json

images=$golden/image/n02091032_Italian_greyhound
image=$golden/../data/imagenet_samples/n02091032_Italian_greyhound.JPEG
cp -r "$images" cases
chmod -R u+w cases
gives 0 PASS --image "$image" cases
gives 0 PASS --verbose --image "$image" cases
gives 0 PASS cases --image "$image"
cp cases/resized_crop_0.png cases/resized_crop_1.png
gives 1 FAIL --image "$image" cases
cp "$images/resized_crop_1.png" cases/
sed 's/"left": 342/"left": 343/' "$images/cases.json" >cases/cases.json
gives 1 FAIL --image "$image" cases
[ "$(grep -c ^PASS stdout)" = 2 ] || { echo "FAIL: one case was changed:"; cat stdout; failed=1; }
exit $failed
