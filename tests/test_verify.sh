#!/usr/bin/env bash
# paco verify can fail: golden files with one number changed, and golden images that are others, give FAIL and exit 1.
# Golden files are found by name, and what is no name is an error with the nearest.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
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
    [ $seen = 8 ] && [[ " $* " != *" ref "* ]] && { echo "skipped: no OpenCL device"; return; }
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

# Steps in 16 bits: the middle tensor of a category counts, and the loss scale of each step.
step=$golden/step/resnet20_bf16.json
gives 0 PASS --device ref32 "${short[@]}" "$step"
change "$step" '"tolerance": {' '"grads_middle"' 1e-6
gives 1 'FAIL.* grads_middle [^ ]* (the middle tensor)' --device ref32 "${short[@]}" changed.json
gives 0 PASS --device ref "${short[@]}" changed.json # which has bounds of its own
step=$golden/step/resnet20_overflow_fp16.json
change "$step" '"steps": [' '"loss_scale"' 2
gives 1 'FAIL.*; loss scale 1.70394e+06 vs 3.40787e+06 expected' --device ref "${short[@]}" changed.json
sed 's/"amp": "fp16"/"amp": "fp8"/' "$step" >changed.json

# A run in another format than the file's is outside of its bounds, in the first layer at the latest (where there is no
# OpenCL device the last line is what is left of it).
other='FAIL.* stem [^ ]* (encoder_[qk].bn1.running_[a-z]*)'
formats=("$golden"/step/*_{bf16,fp16}.json)
[ -z "${PACO_SHORT:-}" ] || formats=("${formats[0]}")
for step in "${formats[@]}"; do
    gives 1 "$other" --device opencl "${short[@]}" --amp fp32 "$step"
done
gives 1 "$other" --device opencl "${short[@]}" --amp fp16 step/resnet20_bf16
gives 1 "$other" --device opencl "${short[@]}" --amp bf16 step/resnet20_fp16
gives 1 "$other" --device ref32 "${short[@]}" --amp fp32 step/resnet20_fp16

# image PHOTO CASE NUMBER: the cases of a photograph, one of them with another image, then with one number changed.
image() {
    local photo=$1 images=$2 changed=$3 key=$4
    rm -rf cases
    cp -r "$images" cases
    chmod -R u+w cases
    gives 0 PASS --image "$photo" cases
    gives 0 PASS --verbose --image "$photo" cases
    gives 0 PASS cases --image "$photo"
    cp cases/resized_crop_0.png cases/resized_crop_1.png
    gives 1 FAIL --image "$photo" cases
    cp "$images/resized_crop_1.png" cases/
    awk -v from="\"$changed\"" -v key="\"$key\"" '
        index($0, from) { found = 1 }
        found && !done && index($0, key) { match($0, /[0-9]+/); $0 = substr($0, 1, RSTART - 1) \
            substr($0, RSTART, RLENGTH) + 1 substr($0, RSTART + RLENGTH); done = 1 }
        { print }' "$images/cases.json" >cases/cases.json
    [ "$(diff <(awk 1 "$images/cases.json") cases/cases.json | grep -c '^>')" = 1 ] || { echo "FAIL: $key was not changed"; failed=1; }
    gives 1 FAIL --image "$photo" cases
    [ "$(grep -c ^FAIL stdout)" = 1 ] || { echo "FAIL: one case was changed:"; cat stdout; failed=1; }
}
image "$data/photos/chelsea.jpg" "$golden/image/chelsea" resized_crop_1 left
[ ! -e "$shared/golden/image/n02091032_Italian_greyhound" ] || image "$shared/data/imagenet_samples/n02091032_Italian_greyhound.JPEG" \
    "$shared/golden/image/n02091032_Italian_greyhound" resized_crop_1 left

# By name: as built, the golden files of the source tree.
gives 0 "PASS $(realpath "$golden")/loss/tiny.json" --device ref loss/tiny
gives 0 "PASS $(realpath "$golden")/step/resnet20.json" --device ref --steps 1 step/resnet20 loss/tiny
gives 0 'PASS decode' image/chelsea_tiny
mkdir -p loss step
echo '{}' >loss/tiny.json
gives 0 "PASS $(realpath "$golden")/loss/tiny.json" --device ref loss/tiny # a name, not ./loss/tiny.json
gives 0 'all 6 pass: ' --device opencl
[ "$(grep -c ^PASS stdout)" = 6 ] || [ ! -s stdout ] || { echo "FAIL: the standard set:"; cat stdout; failed=1; }
gives 0 'step/resnet20 \*$' --list
diff <(cd "$golden" && { printf '%s\n' loss/*.json step/*.json | sed 's/\.json$//'; printf '%s\n' image/*; } | LC_ALL=C sort) \
    <(sed 's/ \*$//' stdout) || { echo "FAIL: --list shows other files"; failed=1; }

# refused STATUS TEXT ARGUMENTS...: one error line with the text.
refused() {
    local status=$1 text=$2 seen
    shift 2
    "$paco" verify "$@" >stdout 2>stderr
    seen=$?
    [ $seen = "$status" ] && [ "$(wc -l <stderr)" = 1 ] && grep '^paco: error: ' stderr | grep -qF -- "$text" && return
    echo "FAIL: paco verify $*: exit $seen instead of $status, or no error line with '$text'"
    cat stderr
    failed=1
}
refused 4 'step/resnet21: no such file, and no golden file of this name. Did you mean step/resnet20? `paco verify --list`' \
    step/resnet21
refused 4 'Did you mean step/resnet20_sharp?' resnet20_shrp
refused 4 'xyz: no such file, and no golden file of this name. `paco verify --list` shows them' xyz
refused 4 'none.json: no such file' --device ref none.json
refused 3 'not a golden file' --device ref loss/tiny.json
refused 3 "changed.json: config: unknown number format 'fp8'" --device ref changed.json
cp -r "$golden/image/chelsea_tiny" step/chelsea_tiny
refused 4 'no photograph chelsea_tiny.*' step/chelsea_tiny
refused 2 'loss/tiny.json is no folder of image cases' --image "$data/photos/chelsea.jpg" "$golden/loss/tiny.json"
refused 2 '--image needs one folder' --image "$data/photos/chelsea.jpg"
refused 2 '--list takes no name' --list loss/tiny
refused 2 '--device needs ref, ref32' --device
refused 2 '--steps needs a number' --steps 0
refused 2 'unknown option' --stepz 1
exit $failed
