#!/usr/bin/env bash
# Presets that can be followed: what `paco presets NAME` prints is a file for --config that means the same as --preset; its
# command is one that paco takes, as it stands, on a terminal too; memory is the plan's and the time follows from steps that
# were measured; what cannot be said is a line. Beside it the warning of a run that would take weeks.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
cd "$folder" || exit 1
mkdir bin empty
ln -s "$paco" bin/paco
export PATH=$folder/bin:$PATH LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0

# command_of FILE: the command that an output has, without the marks of comments
command_of() { sed -nE '/^#? +paco train/,/[^\\]$/ { s/^#//; p }' "$1"; }

# every preset: nothing but comments and options; a command whose words are understood and whose files are missing
names=$("$paco" presets | awk 'NR > 1 && NF { print $1 }' | grep -v '^`')
[ "$(wc -w <<<"$names")" -ge 16 ] || fail "presets: $names"
for name in $names; do
    "$paco" presets "$name" --no-measure >"$name.txt" 2>errors && [ ! -s errors ] || { fail "presets $name"; cat errors; }
    ! grep -vE '^(#( .*)?|#   +paco.*|[a-z0-9-]+=.*)$' "$name.txt" | grep . || fail "presets $name: lines of another form"
    grep -qx "preset=$name" "$name.txt" || fail "presets $name: not its options"
    [ "$name" = synthetic ] && continue
    grep -qE '^#   [^ ]+.*, (MD5 [0-9a-f]{32}|git hash-object [0-9a-f]{40})$' "$name.txt" && grep -qE '^#     https?://' "$name.txt" ||
        fail "presets $name: not where its data comes from"
    command_of "$name.txt" >pasted
    (cd empty && bash ../pasted) >out 2>errors
    [ $? = 4 ] && [ "$(grep -c . errors)" = 1 ] && grep -q '^paco: error: .*No such file or directory' errors ||
        { fail "the command of $name:"; cat pasted errors; }
done
grep -q -- '--init-from WEIGHTS/resnet152-394f9c45.pth' places_lt_r152.txt || fail "places_lt_r152 does not begin with torchvision's weights"
[ -z "$(ls empty)" ] || fail "commands without data left $(ls empty)"

# on a terminal the command can be pasted
if command -v script >/dev/null; then
    script -qec "paco presets cifar100_lt_100 --no-measure" typescript >/dev/null 2>&1 </dev/null
    tr -d '\r' <typescript | sed '1d' >terminal
    sed -n '/^ *paco train/,/[^\\]$/p' terminal >pasted
    [ "$(wc -l <pasted)" = 3 ] && (cd empty && bash ../pasted) 2>errors
    [ $? = 4 ] || { fail "pasted from a terminal:"; cat pasted errors; }
else
    echo "skipped: no script (package bsdutils), which makes terminals"
fi

# the output as --config: the same run as --preset, which trains
same() { # NAME WORDS...: both ways
    local name=$1
    shift
    "$paco" train --config "$name.txt" "$@" --out by_config >out 2>&1
    [ $? = 75 ] || { fail "train --config $name.txt:"; cat out; }
    "$paco" train --preset "$name" "$@" --out by_preset >out 2>&1
    [ $? = 75 ] || { fail "train --preset $name:"; cat out; }
    diff <(grep -v '^out=' by_config/options.txt) <(grep -v '^out=' by_preset/options.txt) || fail "$name: --config means something else"
    diff <(grep '^preset=' by_config/options.txt) <(echo "preset=$name") || fail "$name: --config has no preset"
    rm -rf by_config by_preset
}
same synthetic --batch 4 --stop-after 1
mkdir cifar
for i in $(seq 0 19); do
    printf "\\x00\\x$(printf %02x "$i")"
    head -c 3072 /dev/urandom
done >cifar/train.bin
cp cifar/train.bin cifar/test.bin
same cifar100_lt_100 --data cifar --lt-factor 1 --batch 4 --stop-after 1

# mistakes
refuses() { # TEXT WORDS...
    local text=$1
    shift
    "$paco" presets "$@" >out 2>errors
    [ $? = 2 ] && [ "$(grep -c . errors)" = 1 ] && grep -qF -- "$text" errors && [ ! -s out ] || { fail "presets $*:"; cat out errors; }
}
refuses "presets: unknown option '--no-mesure'" synthetic --no-mesure
refuses "presets: value missing behind '--device'" synthetic --device
refuses "presets: at most one name" synthetic inat_r50

# a device that is not there, and one that has no plan: lines, and the rest all the same
for device in opencl:99 ref; do
    "$paco" presets synthetic --device $device >out 2>errors || fail "presets --device $device: $(cat errors)"
    grep -q '^# memory: .*\(device\|without a plan\)' out && grep -qE '^# time: (not measured|about )' out && grep -qx 'preset=synthetic' out ||
        { fail "presets --device $device:"; cat out; }
done

# an H100 without the module
PACO_BACKENDS=$folder/empty LD_LIBRARY_PATH=$(dirname "$paco") bash -c 'cp "$1" bare && ./bare presets synthetic --device ref' - "$paco" >out 2>errors
grep -q '^#   not predicted for an H100: device cuda:h100: ' out || { fail "no reason why an H100 is not predicted"; cat out errors; }

# A run of weeks says so once, on the terminal and in its log, when an epoch has shown it; a short one does not.
weeks='warning: this run has about [0-9]+ days to go at this speed\. What may help: a GPU \(`paco devices`\), --amp, fewer --epochs$'
for ((i = 0; i < 100; i++)); do cat data/train.txt; done >data/long.txt # an epoch of 600 steps takes seconds
"$paco" train "${tiny_options[@]}" --train-list data/long.txt --eval-every 0 --save-every 0 --epochs 1000000 --stop-after 602 \
    --out weeks >out 2>&1
[ $? = 75 ] || { fail "a run of weeks"; cat out; }
[ "$(grep -cE "paco: $weeks" out)" = 1 ] && [ "$(grep -cE "^$weeks" weeks/train.log)" = 1 ] || { fail "not one warning:"; cat out; }
"$paco" train "${tiny_options[@]}" --eval-every 0 >out 2>&1 || fail "a short run"
! grep warning out || fail "a warning of a short run"

"$paco" devices >devices 2>&1 && grep -q '^opencl:' devices || { echo "skipped: no OpenCL device"; [ $failed = 0 ] && exit 77; exit 1; }

# what it takes: the plan's memory; steps x seconds are the time; CUDA's is there where the module is
number='[0-9.]+(e[-+][0-9]+)?'
estimate() { # NAME PHRASE: its lines, of which one tells how a step was measured
    "$paco" presets "$1" --device opencl >estimate 2>errors || fail "presets $1: $(cat errors)"
    grep -qE "^#   here [0-9]+ steps of $number s: $2" estimate || { fail "$1: not how it was measured"; sed -n '/What it/,$p' estimate; }
    awk '/^# memory: / { memory = $3 } /^# time: about / { n = $4 == "a" ? 1 : $4; unit = $4 == "a" ? 1 : $5 ~ /^day/ ? 86400 : $5 ~ /^hour/ ? 3600 : $5 ~ /^min/ ? 60 : 1 }
        /^#   here / { seconds = $3 * $6 }
        END { exit !(memory > 0 && seconds > 0 && (n * unit - seconds) ^ 2 <= (0.51 * unit + 0.006 * seconds) ^ 2) }' estimate ||
        { fail "$1: the time does not follow:"; sed -n '/What it/,$p' estimate; }
    needs=$("$paco" plan step --preset "$1" --device opencl --classes "$3" | awk '/^in all .*\./ { print $3 }')
    awk -v needs="$needs" '/^# memory: / { exit !($3 - needs <= 0.51 && needs - $3 <= 0.51) }' estimate || fail "$1: memory is not the plan's $needs"
}
estimate synthetic "the median of 3" 10
grep -q '^#   here 276 steps ' estimate || fail "synthetic: not 23 steps of 12 epochs"
[ -n "${PACO_SHORT:-}" ] || estimate imagenet_lt_r50 ".*2 images in one rank" 1000
[ -n "${PACO_SHORT:-}" ] || grep -q '^#   here 362000 steps ' estimate || fail "imagenet_lt_r50: not 905 steps of 400 epochs"
if [ -e "$(dirname "$paco")/sim/libpaco_cuda.so" ]; then
    refusal() { # a simulated GPU whose memory others have
        PACO_BACKENDS=$(dirname "$paco")/sim PACO_SIM_OTHERS_MIB=8150 "$paco" presets inat_r50 --device cuda:0 >out 2>errors
    }
    if ! PACO_BACKENDS=$(dirname "$paco")/sim "$paco" devices 2>&1 | grep -q '^cuda:0'; then
        echo "skipped: the simulated GPU does not load"
    elif ! refusal || ! grep -q '^# memory: .*the plan needs more than the device' out || ! grep -q '^# time: not measured on this device (.*memory' out ||
        ! grep -qE ', at least [0-9]+ (days|hours) on one H100 by prediction' out; then
        fail "a GPU without room:"
        sed -n '/What it/,$p' out errors
    fi
fi
exit $failed
