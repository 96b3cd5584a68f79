#!/usr/bin/env bash
# What a run says: on terminals of several widths (script makes one), in a file, and before photographs are cut to 32
# pixels by mistake.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
command -v script >/dev/null || { echo "skipped: no script (package bsdutils), which makes terminals"; exit 77; }

# on_terminal COLUMNS ROWS WORDS...: what a terminal of this size gets from paco with these words; "\r" ends lines in lines.
on_terminal() {
    local columns=$1 rows=$2
    shift 2
    script -qec "stty cols $columns rows $rows; $(printf '%q ' "$paco" "$@")" "$folder/typescript" >/dev/null 2>&1 </dev/null ||
        { fail "a terminal of $columns columns"; cat "$folder/typescript"; }
    sed -e '1d' -e 's/\x1b\[?7[lh]//g' -e 's/\x1b\[K//g' "$folder/typescript" | tr '\r' '\n' | grep -v '^$' >"$folder/lines"
}

progress() { grep -E '^epoch [0-9]+/[0-9]+( |$)' "$folder/lines"; }

# A step takes long enough here that the line is rewritten for each.
run=(train "${tiny_options[@]}" --arch resnet110 --size 32 --eval-every 0)
for size in "40 24" "80 24" "200 50"; do
    # shellcheck disable=SC2086
    on_terminal $size "${run[@]}"
    columns=${size% *}
    progress | awk -v columns="$columns" 'length($0) >= columns { print "FAIL: " length($0) " of " columns " columns: " $0; bad = 1 }
        END { exit bad || NR < 4 }' || { fail "progress on $columns columns"; progress; }
    progress | head -1 | grep -q ETA && fail "an ETA before the second step: $(progress | head -1)"
    [ "$(progress | tail -1 | grep -c 'ETA [0-9]*m [0-9][0-9]s$')" = 1 ] || fail "$columns columns: no ETA: $(progress | tail -1)"
    shown=$(progress | tail -1 | grep -oE 'epoch|step|loss|top-1|images/s|ETA' | tr '\n' ' ')
    case $columns in
        40) expected="epoch step ETA " ;;
        *) expected="epoch step loss top-1 images/s ETA " ;;
    esac
    [ "$shown" = "$expected" ] || fail "$columns columns show: $shown, not: $expected"
done
# Other lines are wrapped between words, under what they go on with; a path is left whole.
on_terminal 60 24 "${run[@]}" --epochs 1
awk '/^(paco:|  )/ && length($0) > 60 { print "FAIL: " length($0) " of 60 columns: " $0; bad = 1 } END { exit bad }' "$folder/lines" || fail "lines are too long"
grep -A1 '^paco: data      48 training images in 5 classes of 2 to 20:$' "$folder/lines" | tail -1 | grep -q '^                0 many, ' ||
    { fail "the block is not wrapped"; cat "$folder/lines"; }
# Colours are not used, whatever the environment says.
NO_COLOR=1 on_terminal 80 24 "${run[@]}" --epochs 1
grep -q $'\x1b\[[0-9;]*m' "$folder/typescript" && fail "colours"

# A driver that builds kernels in the first step: a line counts while that lasts, and follows a terminal that becomes
# narrower; afterwards a line says so, and the time is none of training. Programs with sanitizers cannot be preloaded into.
other=$(dirname "$paco")/tests/libopencl_other_device.so
first=(train "${tiny_options[@]}" --eval-every 0 --device opencl)
if [ ! -e "$other" ] || [ -n "${PACO_SHORT:-}" ] || ! "$paco" devices | grep -q '^opencl:'; then
    echo "skipped: a driver that builds kernels in the first step: no OpenCL device, or sanitizers"
else
    "$paco" "${first[@]}" --epochs 1 --warmup 0 >"$folder/stdout" 2>"$folder/stderr" # real building is done then
    # shellcheck disable=SC2016
    script -qec "$(printf '%q ' bash -c 'stty cols 80; OTHER_FIRST=14 LD_PRELOAD=$0 "$@" & sleep 8; stty cols 30; wait' \
        "$other" "$paco" "${first[@]}" --out "$folder/built")" "$folder/typescript" >/dev/null 2>&1 </dev/null
    sed -e '1d' -e 's/\x1b\[?7[lh]//g' -e 's/\x1b\[K//g' "$folder/typescript" | tr '\r' '\n' >"$folder/lines"
    tr '\n' '|' <"$folder/lines" |
        grep -qE '\|first step, [0-9]+ s  drivers may build kernels, only at the first start\|.*\|first step, [0-9]+ s\|' ||
        { fail "no line while a driver builds"; cat "$folder/lines"; }
    grep '^first step' "$folder/lines" | tail -1 | awk '{ narrow = length($0) < 30 } END { exit !narrow }' ||
        fail "a line that did not become narrower"
    [ "$(grep -cE '^the first step took [0-9]+ s more than the next: drivers build kernels, only at the first start$' "$folder/built/train.log")" = 1 ] ||
        { fail "not said what the first step took"; cat "$folder/built/train.log"; }
    sed -n 's/^ *"training_seconds": \([0-9.]*\).*/\1/p' "$folder/built/report.json" | awk '{ short = $1 < 10 } END { exit !short }' ||
        fail "a driver's building is time of training"
fi

# A block says what is trained, and how. In a file lines have their time, and nothing that a terminal obeys.
"$paco" "${run[@]}" --out "$folder/run" >"$folder/stdout" 2>"$folder/stderr" || { fail "in a file: exit $?"; cat "$folder/stderr"; }
grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} (paco: |epoch )' "$folder/stderr" && fail "lines without their time"
LC_ALL=C grep -q '[[:cntrl:]]' "$folder/stderr" && fail "controls in a file"
for said in 'network *resnet110, paco, [0-9.]* M parameters, all trained in fp32' 'data *48 training images in 5 classes of 2 to 20: 0 many, 1 medium, 4 few; 20 test' \
    'views *recipe cifar100 (the default for this network and data), 32 x 32' 'steps *1 rank of 8 images, 6 steps an epoch, 2 epochs, seed 0' \
    'lr *0.02, rising for 1 epoch, then cosine; momentum 0.9, weight decay 0.0005' 'device  *[a-zA-Z]' \
    'best *none is chosen by its accuracy: the last checkpoint counts' 'train top-1 [0-9.]* % ([0-9.]* % with the prior)'; do
    grep -q "paco: .*$said" "$folder/stderr" || fail "not said: $said"
done
"$paco" "${run[@]}" --method cross_entropy --stop-after 6 --out "$folder/plain" >"$folder/stdout" 2>"$folder/stderr"
grep -q 'with the prior' "$folder/stderr" && fail "cross-entropy has a prior"
head -1 "$folder/run/metrics.csv" | grep -q '^epoch,lr,loss,train_top1,train_top1_prior,test_loss,top1,' || fail "columns of metrics.csv"
[ "$(cut -d, -f1 "$folder/run/metrics.csv" | tr '\n' ' ')" = "epoch 1 2 " ] || fail "metrics.csv counts otherwise than the log"

# Photographs.
"$paco" augment --recipe sim --image "$folder/data/seed.png" --out "$folder/data/photo.png" --n 1 --size 80 >/dev/null 2>&1
printf 'photo.png 0\nphoto.png 1\nphoto.png 1\nphoto.png 0\n' >"$folder/data/photos.txt"
photos=(train --train-list "$folder/data/photos.txt" --test-list "$folder/data/photos.txt" --data "$folder/data" --batch 4
    --epochs 1 --warmup 0 --queue 8 --dim 8)
"$paco" "${photos[@]}" >"$folder/stdout" 2>"$folder/stderr"
[ $? = 2 ] && [ "$(wc -l <"$folder/stderr")" = 1 ] && grep -q 'photographs (.*photo.png: [0-9]* x [0-9]* pixels), and resnet32 would see 32 x 32 of them' "$folder/stderr" ||
    { fail "photographs"; cat "$folder/stderr"; }
{ echo 'seed.png 0'; cat "$folder/data/photos.txt"; } >"$folder/data/mixed.txt"
"$paco" "${photos[@]}" --train-list "$folder/data/mixed.txt" >"$folder/stdout" 2>"$folder/stderr"
[ $? = 2 ] && grep -q 'are photographs (.*photo.png' "$folder/stderr" || { fail "photographs behind a small image"; cat "$folder/stderr"; }
"$paco" "${photos[@]}" --preset cifar100_lt_100 >"$folder/stdout" 2>"$folder/stderr"
[ $? = 2 ] && grep -q 'are photographs (' "$folder/stderr" || { fail "photographs under a preset of CIFAR"; cat "$folder/stderr"; }
"$paco" "${photos[@]}" --size 32 >"$folder/stdout" 2>"$folder/stderr" || { fail "photographs with --size"; cat "$folder/stderr"; }
[ "$(grep -c 'warning: the test images are the training images: ' "$folder/stderr")" = 1 ] || { fail "test images are trained"; cat "$folder/stderr"; }
"$paco" "${photos[@]}" --recipe cifar100 >"$folder/stdout" 2>"$folder/stderr" || { fail "photographs with --recipe"; cat "$folder/stderr"; }
"$paco" "${photos[@]}" --arch resnet10 --stop-after 1 --out "$folder/views" >"$folder/stdout" 2>"$folder/stderr"
grep -q 'views *recipe randcls_sim (the default for this network and data), 224 x 224' "$folder/stderr" ||
    { fail "a network of ImageNet sees other views"; cat "$folder/stderr"; }
exit $failed
