#!/usr/bin/env bash
# Exact resume: a run stopped anywhere (a request, SIGTERM, SIGUSR1, SIGINT, kill -9; inside an epoch, at its edge,
# during evaluation) and resumed ends with the bits of a run that was never stopped: every tensor of the last
# checkpoint, every file of results, every column of metrics.csv that is no time. 50 stops with PACO_FULL=1.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"

# run OUT OPTIONS...: one part of a run; sets `status`.
run() {
    local out=$1
    shift
    "$paco" train "${tiny_options[@]}" "${variant[@]}" --threads 2 --out "$out" "$@" >"$folder/stdout" 2>"$folder/stderr"
    status=$?
}

# finish OUT: resumes until the run is complete.
finish() {
    run "$1" --resume auto
    [ $status = 0 ] || { fail "resume in $1: exit $status"; cat "$folder/stderr"; }
    grep -qE 'resumed .* (at epoch|all 2 epochs)' "$folder/stderr" || fail "$1: did not say that it resumed"
    grep -q 'other arithmetic' "$folder/stderr" && fail "$1: warned of other arithmetic on the same device"
}

# same OUT WHAT: compares with the uninterrupted run.
same() {
    local at=$1 what=$2 file
    "$paco" convert "$at/last.pth.tar" "$folder/seen.safetensors" >/dev/null 2>&1 || fail "$what: convert"
    cmp "$folder/expected.safetensors" "$folder/seen.safetensors" || fail "$what: tensors differ"
    for file in classes.csv confusion.csv; do
        cmp "$folder/whole/$file" "$at/$file" || fail "$what: $file differs"
    done
    cmp <(numbers "$folder/whole/report.json") <(numbers "$at/report.json") || fail "$what: report.json differs"
    cmp <(cut -d, -f1-12 "$folder/whole/metrics.csv") <(cut -d, -f1-12 "$at/metrics.csv") || fail "$what: metrics differ"
}

# whole NAME: the run that is never stopped, 12 steps.
whole() {
    rm -rf "$folder/whole"
    run "$folder/whole"
    [ $status = 0 ] || { fail "$1: exit $status"; cat "$folder/stderr"; exit 1; }
    "$paco" convert "$folder/whole/last.pth.tar" "$folder/expected.safetensors" >/dev/null 2>&1 || fail "$1: convert"
}

# stop_after STEPS WHAT: a requested stop, exit 75, then the rest.
stop_after() {
    local at=$folder/run
    rm -rf "$at"
    run "$at" --stop-after "$1"
    [ $status = 75 ] || fail "$2: exit $status instead of 75"
    grep -q -- '--resume auto goes on' "$folder/stderr" || fail "$2: no hint how to go on"
    finish "$at"
    same "$at" "$2"
}

# interrupted SIGNAL STEP DELAY WHAT: a signal so many seconds after a step was saved, whatever the run does then. A
# run that was asked to stop is done (0) or says 75; no driver's signal handler comes between.
interrupted() {
    local at=$folder/run pid saved
    rm -rf "$at"
    "$paco" train "${tiny_options[@]}" "${variant[@]}" --threads 2 --save-steps 1 --out "$at" >/dev/null 2>"$folder/stderr" &
    pid=$!
    saved=$(printf '%s/step-%012d.pth.tar' "$at" "$2")
    while [ ! -e "$saved" ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
    sleep "$3"
    kill -"$1" $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    case "$1:$status" in
        *:0 | KILL:137 | TERM:75 | USR1:75 | INT:75 | HUP:75) ;;
        *) fail "$4: exit $status"; cat "$folder/stderr" ;;
    esac
    run "$at" --resume auto
    [ $status = 0 ] || { fail "$4: resume: exit $status"; cat "$folder/stderr"; }
    same "$at" "$4"
}

variant=()
whole "whole run"
cmp -s <(cut -d, -f2- "$folder/whole/metrics.csv" | sed -n 2p) <(cut -d, -f2- "$folder/whole/metrics.csv" | sed -n 3p) &&
    fail "epochs do not differ: nothing is tested"

stops=(6 9) # an epoch's edge (before its evaluation); behind a wrap of the queue (20 keys, 8 a step)
signals=("TERM 2 0" "KILL 7 0.01" "HUP 9 0") # the name, a step, seconds
if [ "${PACO_FULL:-0}" = 1 ]; then
    stops=(1 2 3 4 5 6 7 8 9 10 11 12)
    signals=()
    for ((i = 0; i < 35; i++)); do
        names=(TERM USR1 KILL INT HUP)
        signals+=("${names[i % 5]} $((RANDOM % 12 + 1)) 0.0$((RANDOM % 10))")
    done
fi
for steps in "${stops[@]}"; do
    stop_after "$steps" "stop after step $steps"
done
for signal in "${signals[@]}"; do
    read -ra words <<<"$signal"
    interrupted "${words[@]}" "SIG$signal"
done

# A damaged newest checkpoint: the one before is taken, with a warning.
rm -rf "$folder/run"
run "$folder/run" --stop-after 8 --save-steps 4
printf x | dd of="$folder/run/step-000000000008.pth.tar" bs=1 seek=3000 conv=notrunc 2>/dev/null
finish "$folder/run"
grep -q 'warning: .*step-000000000008.pth.tar.*damaged' "$folder/stderr" || fail "a damaged checkpoint was not mentioned"
same "$folder/run" "damaged newest checkpoint"

# Other training data of the same size: refused. The same data elsewhere: no matter.
rm -rf "$folder/run"
run "$folder/run" --stop-after 8
tac "$folder/data/train.txt" >"$folder/other.txt"
cp "$folder/run/last.pth.tar" "$folder/kept.pth.tar"
run "$folder/run" --resume auto --train-list "$folder/other.txt"
[ $status = 3 ] && grep -q 'other.txt: not the training data of the run to resume' "$folder/stderr" ||
    { fail "resume on other data: exit $status"; cat "$folder/stderr"; }
cmp "$folder/run/last.pth.tar" "$folder/kept.pth.tar" || fail "a refused resume changed the run"
cp -r "$folder/data" "$folder/moved"
sed "s,^,$folder/moved/," "$folder/data/train.txt" >"$folder/moved.txt"
run "$folder/run" --resume auto --train-list "$folder/moved.txt" --data "$folder/moved" --no-recompute
[ $status = 0 ] || { fail "resume on moved data: exit $status"; cat "$folder/stderr"; }
grep -q 'when the run was saved' "$folder/stderr" && { fail "moved data, kept activations: a warning"; cat "$folder/stderr"; }
grep -q "\"train\": {\"data\": \"$folder/moved.txt\"" "$folder/run/report.json" || fail "report.json does not say where the data lie now"
sed -i "s,$folder/moved.txt,$folder/data/train.txt," "$folder/run/report.json"
same "$folder/run" "moved data"

# Another learning rate is seldom meant: told.
rm -rf "$folder/run"
run "$folder/run" --stop-after 8
run "$folder/run" --resume auto --lr 0.07 --stop-after 1
[ $status = 75 ] && grep -q 'warning: --lr: 0.07 now, .* when the run was saved' "$folder/stderr" ||
    { fail "resume with another rate: exit $status"; cat "$folder/stderr"; }
# ... and kept: in train.log, and behind the options, once for each change.
changed() { # LINES...: the history of the run
    local file=$folder/run/options.txt
    printf '%s\n' "$@" >"$folder/expected"
    sed -nE 's/^# [0-9]{4}-[0-9]{2}-[0-9]{2} //p' "$file" | cmp -s - "$folder/expected" || { fail "history"; cat "$file"; }
    [ "$(grep -c '^#' "$file")" = $# ] && [ "$(tail -n $# "$file" | grep -c '^#')" = $# ] || fail "history stands elsewhere"
    [ "$(grep -cE '^# [-0-9]{10} step ' "$folder/run/train.log")" = $# ] || fail "train.log does not tell what changed"
}
changed "step 8: lr 0.02 -> 0.07"
grep -qx 'lr=0.07' "$folder/run/options.txt" || fail "options.txt is not that of the run"
run "$folder/run" --resume auto --lr 0.07 --stop-after 1
changed "step 8: lr 0.02 -> 0.07"
run "$folder/run" --resume auto --lr 0.02 --wd 0 --recipe cifar --stop-after 1
changed "step 8: lr 0.02 -> 0.07" "step 10: lr 0.07 -> 0.02" "step 10: wd 0.0005 -> 0" "step 10: recipe cifar100 -> cifar"
# All of it is a file for --config; comments are none of its options.
"$paco" train --config "$folder/run/options.txt" --resume auto --stop-after 1 >"$folder/stdout" 2>"$folder/stderr"
[ $? = 75 ] && ! grep -q 'warning: --' "$folder/stderr" || { fail "options.txt as --config"; cat "$folder/stderr"; }

# Other kernels round otherwise: the run goes on, and says so.
rm -rf "$folder/run"
run "$folder/run" --stop-after 8
run "$folder/run" --resume auto --device ref --stop-after 1
[ $status = 75 ] || { fail "resume on another device: exit $status"; cat "$folder/stderr"; }
grep -q 'warning: this run goes on with other arithmetic' "$folder/stderr" || fail "no warning of another device"

# A best accuracy that is NaN counts as none: the run has a best checkpoint again. A legacy stream has no CRC.
rm -rf "$folder/run" "$folder/nan"
run "$folder/run" --stop-after 6 --select test
"$paco" convert "$folder/run/last.pth.tar" "$folder/nan.pth" --format legacy >/dev/null 2>&1 || fail "convert to legacy"
at=$(LC_ALL=C grep -obUaP 'X\x04\x00\x00\x00best.{0,5}?G\x00{8}' "$folder/nan.pth" | cut -d: -f1)
printf '\x7f\xf8' | dd of="$folder/nan.pth" bs=1 conv=notrunc 2>/dev/null \
    seek=$((at + $(LC_ALL=C grep -oUaP 'X\x04\x00\x00\x00best.{0,5}?G(?=\x00{8})' "$folder/nan.pth" | tr -d '\n' | wc -c)))
[ "$(wc -w <<<"$at")" = 1 ] || fail "the best accuracy is not found in the stream"
run "$folder/nan" --resume "$folder/nan.pth" --select test
[ $status = 0 ] || { fail "resume with a best accuracy of NaN: exit $status"; cat "$folder/stderr"; }
[ -e "$folder/nan/best.pth.tar" ] || fail "after a best accuracy of NaN no checkpoint is the best"

# A stop during evaluation, which takes a while: the delay after the last step but one is saved is tried until it hits.
for ((i = 0; i < 150; i++)); do cat "$folder/data/test.txt"; done >"$folder/data/long.txt"
variant=(--test-list "$folder/data/long.txt" --eval-every 2 --save-steps 1)
whole "run with a long evaluation"
for delay in 0.1 0.2 0.05 0.4 0.02 0.8 0.15 1.5 0.3 3; do
    rm -rf "$folder/run"
    "$paco" train "${tiny_options[@]}" "${variant[@]}" --threads 2 --out "$folder/run" >/dev/null 2>"$folder/stderr" &
    pid=$!
    while [ ! -e "$folder/run/step-000000000011.pth.tar" ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
    sleep "$delay"
    kill -USR1 $pid 2>/dev/null
    wait $pid
    status=$?
    grep -q 'epoch 2, step 6 of 6, during evaluation' "$folder/stderr" && break
done
grep -q 'during evaluation' "$folder/stderr" && [ $status = 75 ] ||
    { fail "stop during evaluation: exit $status"; cat "$folder/stderr"; }
finish "$folder/run"
same "$folder/run" "stop during evaluation"

# An image that is lost while the run goes: what was trained is saved, and goes on once the image is back.
sed '31s/.*/rare.png 1/' "$folder/data/train.txt" >"$folder/data/rare.txt"
cp "$folder/data/3.png" "$folder/data/rare.png"
variant=(--train-list "$folder/data/rare.txt")
whole "run with a rare image"
mv "$folder/data/rare.png" "$folder/rare.png"
rm -rf "$folder/run"
run "$folder/run"
[ $status = 4 ] || fail "missing image: exit $status"
grep -q 'rare.png.*missing.*What was trained is saved' "$folder/stderr" || { fail "missing image"; cat "$folder/stderr"; }
grep -q 'rare.png' "$folder/run/train.log" || fail "train.log does not say why the run ended"
mv "$folder/rare.png" "$folder/data/rare.png"
finish "$folder/run"
same "$folder/run" "run without an image for a while"

# Unreadable images that others take the place of: the count is that of the whole run.
echo junk >"$folder/data/junk.png"
{ cat "$folder/data/train.txt" "$folder/data/train.txt" | head -95; echo "junk.png 0"; head -8 "$folder/data/train.txt"; } \
    >"$folder/data/junk.txt"
variant=(--train-list "$folder/data/junk.txt" --on-corrupt skip)
whole "run with an unreadable image"
[ "$(grep -c '^  skipped 1 of 104 images' "$folder/whole/train.log")" = 2 ] || fail "train.log does not tell of skipped images"
grep -q '"train_skipped": 2,' "$folder/whole/report.json" || fail "report.json does not tell of skipped images"
for steps in 3 12 13 20; do stop_after "$steps" "unreadable image, stop after step $steps"; done

# Virtual ranks, a baseline, and a loss that is scaled.
for variant in "--ranks 2" "--method cross_entropy" "--amp fp16"; do
    read -ra variant <<<"$variant"
    whole "${variant[*]}"
    stop_after 8 "${variant[*]}"
done
exit $failed
