#!/usr/bin/env bash
# Validation images and --select: what is evaluated on them, which checkpoint is the best by what, that every report says
# so, what a run that goes on makes of it, and what is refused, a line each.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
cd "$folder" || exit 1
# Accuracies of a network that knows no image yet are the shares of a class: other ones of validation than of test images.
for ((i = 0; i < 24; i++)); do
    echo "$((i * 5 % 6)).png $((i < 10 ? 0 : i < 17 ? 1 : i < 21 ? 2 : i < 23 ? 3 : 4))"
done >val.txt
for ((i = 0; i < 16; i++)); do
    echo "$((i * 5 % 6)).png $((i < 8 ? 3 : i < 12 ? 1 : i < 15 ? 0 : 2))"
done >test.txt
base=(--arch resnet20 --size 16 --batch 8 --epochs 5 --warmup 1 --queue 20 --dim 8 --lr 0.1 --keep 100 --threads 2
    --method cross_entropy --train-list data/train.txt --data data)
both=(--test-list test.txt --val-list val.txt)

# train OUT WORDS...: a run; sets `status`.
train() {
    local out=$1
    shift
    "$paco" train "${base[@]}" --out "$out" "$@" >stdout 2>stderr
    status=$?
}
ok() {
    train "$@"
    [ $status = 0 ] || { fail "train $*: exit $status"; cat stderr; }
}
says() { # TEXT FILE
    grep -qF -- "$1" "$2" || { fail "$2 does not say '$1'"; head -40 "$2"; }
}
# column OUT NAMES...: these columns of metrics.csv.
column() {
    local out=$1
    shift
    awk -F, -v names="$*" 'NR == 1 { n = split(names, want, " "); for (i = 1; i <= NF; i++) at[$i] = i; next }
        { for (k = 1; k <= n; k++) printf "%s%s", at[want[k]] ? $at[want[k]] : "?", k < n ? "," : "\n" }' "$out/metrics.csv"
}
figures() { # OUT: all columns that are no times
    column "$1" epoch lr loss train_top1 test_loss top1 top5 class_mean many medium few val_loss val_top1 val_top5 \
        val_class_mean val_many val_medium val_few
}
tensors() { "$paco" convert "$1/last.pth.tar" tensors.safetensors >/dev/null 2>&1 && sha256sum <tensors.safetensors; }
# member OBJECT KEY OUT: of an object of report.json that has its members on lines of their own.
member() {
    sed -n "/^  \"$1\": {/,/^  }/s/^    \"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$3/report.json"
}
highest() { column "$1" epoch "$2" | awk -F, '!n++ || $2 > most { most = $2; at = $1 } END { print at }'; }

# ---- validation images equal to the test images: equal figures

ok same --test-list test.txt --val-list test.txt
cmp <(column same test_loss top1 top5 class_mean many medium few) \
    <(column same val_loss val_top1 val_top5 val_class_mean val_many val_medium val_few) || fail "other figures of the same images"
says 'warning: the validation images are the test images' same/train.log
column same val_loss val_top1 | grep -qvE '^[0-9.]+,[0-9.]+$' && fail "no figures of validation"
for figure in top1 top5 class_mean medium few; do
    [ "$(member val val_$figure same)" = "$(sed -n "s/^  \"$figure\": \([^,]*\),/\1/p" same/report.json)" ] || fail "report.json: val: $figure"
done

# ---- what each chooses, and that all else is alike

for select in last val test; do
    ok $select "${both[@]}" --select $select
    cp stdout $select.stdout
    cp stderr $select.stderr
    figures $select >$select.figures
    [ "$(tensors $select)" = "$(tensors last)" ] || fail "--select $select trains otherwise"
    cmp $select.figures last.figures || fail "--select $select evaluates otherwise"
    [ "$(member protocol select $select)" = $select ] || fail "protocol: select of $select"
    [ "$(member best select $select)" = $select ] || fail "best: select of $select"
done
# The best checkpoint of a run stays with it: who begins from one of its files chooses anew.
ok from_file "${both[@]}" --select val --resume val/last.pth.tar --epochs 6
says 'begins anew: the best so far stays in the run that this one begins from' from_file/train.log
[ "$(member best epoch from_file)" = 6 ] && [ "$(readlink from_file/best.pth.tar)" = "$(printf 'step-%012d.pth.tar' 36)" ] ||
    fail "the best of another folder is told of"
ok plain --test-list test.txt
[ "$(tensors plain)" = "$(tensors last)" ] || fail "validation images change what is trained"
cmp <(column plain test_loss top1 few) <(column last test_loss top1 few) || fail "validation images change test figures"
column plain val_loss val_top1 | grep -qvx , && fail "figures of validation images that there are not"
ok auto "${both[@]}"
for run in plain auto; do
    says "$(sed -n 's/.*paco: \(best .*\)/\1/p' $([ $run = plain ] && echo last || echo val).stderr)" $run/train.log
done

last=5 val=$(highest val val_top1) test=$(highest test top1)
[ "$val" != "$test" ] && [ "$val" != $last ] && [ "$test" != $last ] ||
    { fail "the same epoch is the last and the best of both: nothing is tested"; cat last.figures; }
step() { printf 'step-%012d.pth.tar' $((6 * $1)); }
for select in val test; do
    epoch=${!select}
    [ "$(member best epoch $select)" = "$epoch" ] || fail "best: epoch of $select: $(member best epoch $select), not $epoch"
    [ "$(readlink $select/best.pth.tar)" = "$(step "$epoch")" ] || fail "best.pth.tar of $select"
    for figure in test_loss test_top1 test_class_mean val_loss val_top1; do
        name=${figure#test_}
        [ "$name" != loss ] || name=test_loss
        awk -v a="$(member best $figure $select)" -v b="$(column $select "$name" | sed -n "${epoch}p")" \
            'BEGIN { exit !(a != "" && b != "" && sprintf("%.9g", a) == b "") }' || fail "best: $figure of $select"
    done
done
[ "$(member best epoch last)" = $last ] && [ "$(member best test_top1 last)" = "$(sed -n 's/^  "top1": \(.*\),/\1/p' last/report.json)" ] ||
    fail "best of last"
[ ! -e last/best.pth.tar ] && [ ! -L last/best.pth.tar ] || fail "--select last leaves a best.pth.tar"
cmp last/last.pth.tar "last/$(step $last)" || fail "last.pth.tar"

# ---- every report says by what

says 'paco: best      none is chosen by its accuracy: the last checkpoint counts' last.stderr
says 'paco: best      the checkpoint with the highest top-1 of the validation images' val.stderr
says 'paco: best      the checkpoint with the highest top-1 of the test images, which were looked at to choose it' test.stderr
says '24 validation images, 16 test images' val.stderr
[ "$(grep -c '  validation top-1 ' val.stderr)" = 5 ] || fail "validation is not told in every epoch"
says "(best, by the validation images: epoch $val, validation top-1 " val.stdout
says "(best, by the test images: epoch $test, test top-1 " test.stdout
grep -q best last.stdout && fail "the last is called best"
says '"test_images": "looked at in every evaluation, but nothing chosen by them"' val/report.json
says '"test_images": "looked at in every evaluation, and the best checkpoint chosen by them"' test/report.json
sum=$(sed -n 's/^  "checksum": "\(.*\)",/\1/p' val/report.json)
says "\"test\": {\"data\": \"test.txt\", \"images\": 16, \"classes\": 5, \"checksum\": \"$sum\"}" val/report.json
grep -qE '"val": \{"data": "val.txt", "images": 24, "classes": 5, "checksum": "[0-9a-f]{16}"\}' val/report.json || fail "no card of val.txt"
grep -qE '"train": \{"data": "data/train.txt", "images": 48, "classes": 5, "checksum": "[0-9a-f]{16}"\}' val/report.json || fail "no card of train.txt"
[ "$(member protocol seed val)" = 0 ] && [ "$(member protocol evaluations val)" = 5 ] || fail "seed, evaluations"
for select in last val test; do
    "$paco" inspect $select >inspected 2>&1 || fail "inspect $select"
    "$paco" eval --checkpoint $select --list test.txt --data data --out judged_$select >evaluated 2>&1 || { fail "eval $select"; cat evaluated; }
    "$paco" report $select >/dev/null 2>&1 || fail "report $select"
    case $select in
        last) title="last epoch" choice="the newest; none was chosen as the best" best="none is chosen: the newest stands for the run" ;;
        val) title="validation images" choice="the best, chosen by the $title" best="$(step "$val"), chosen by the $title" ;;
        test) title="test images" choice="the best, chosen by the $title" best="$(step "$test"), chosen by the $title" ;;
    esac
    says "best: $best" inspected
    says "$select/$(step ${!select}): $choice" evaluated
    says "\"choice\": \"$choice\"" judged_$select/report.json
    says "<tr><th>selected on</th><td>the $title</td></tr>" $select/report.html
    "$paco" compare $select | tail -1 | grep -qE " $title +$(column $select top1 | sed -n "${!select}p" | awk '{ printf "%.2f", 100 * $1 }')" ||
        fail "compare $select: $("$paco" compare $select)"
    # What paco eval says of the folder is what the run found at that epoch.
    awk -v a="$(sed -n 's/^  "top1": \(.*\),/\1/p' judged_$select/report.json)" -v b="$(column $select top1 | sed -n "${!select}p")" \
        'BEGIN { exit !(a - b < 1e-6 && b - a < 1e-6) }' || fail "eval $select evaluates another epoch"
done
says "epoch $test, top-1 " test/report.html
says 'the highest of the test images, which were looked at to choose it' test/report.html
says "epoch $val, validation top-1 " val/report.html
says 'val.txt: 24 images, checksum' val/report.html
says '>validation</span>' val/report.html
"$paco" compare last val test >compared || fail compare
[ "$(wc -l <compared)" = 4 ] || { fail "runs that choose otherwise are one row"; cat compared; }
"$paco" compare last val test --format csv | head -1 | grep -q ',selected on,selected top-1 %,' || fail "compare as CSV"

# A run that has validation images alone has a figure of them.
ok only --val-list val.txt
"$paco" compare only | tail -1 | grep -q " $(column only val_top1 | tail -1 | awk '{ printf "%.2f", 100 * $1 }')" ||
    fail "compare of a run with validation images alone: $("$paco" compare only)"

# A run from before there was a choice: it chose by the test images, and has no columns of validation.
cp -r test old
sed -i -e '/^select=/d' -e '/^val-/d' old/options.txt
sed -i -e '/^  "protocol": {/,/^  }/d' -e '/^  "best": {/,/^  }/d' old/report.json
cut -d, -f1-16 test/metrics.csv >old/metrics.csv
"$paco" report old >/dev/null 2>stderr || { fail "report of an old run"; cat stderr; }
says "epoch $test, top-1 " old/report.html
says '<tr><th>selected on</th><td>the test images</td></tr>' old/report.html

# ---- no test images

ok blind --val-list val.txt
[ "$(member best epoch blind)" = "$val" ] && [ "$(readlink blind/best.pth.tar)" = "$(step "$val")" ] || fail "best without test images"
column blind top1 test_loss | grep -qvx , && fail "figures of test images that there are not"
cmp <(column blind val_loss val_top1) <(column val val_loss val_top1) || fail "other figures without test images"
says '"top1": null' blind/report.json
says '"test": null' blind/report.json
says '"test_images": "there are none"' blind/report.json
says '0 test images' blind/train.log
"$paco" report blind >/dev/null 2>stderr || { fail "report without test images"; cat stderr; }
says '<tr><th>test data</th><td>there are none</td></tr>' blind/report.html
says 'its test top-1 not known' blind/report.html
"$paco" eval --checkpoint blind --list test.txt --data data >evaluated 2>&1 || fail "eval of a run without test images"
says "$(step "$val"): the best, chosen by the validation images" evaluated

# Where all are wrong, the first is the best.
for ((i = 0; i < 6; i++)); do echo "$i.png 4"; done >wrong.txt
ok wrong --test-list test.txt --val-list wrong.txt
[ "$(column wrong val_top1 | sort -u)" = 0 ] || fail "some are right: nothing is tested"
[ "$(member best epoch wrong)" = 1 ] && [ "$(readlink wrong/best.pth.tar)" = "$(step 1)" ] || fail "the best where all are wrong"

# ---- a run that goes on

# like RUN OUT WHAT: what is left equals that of a run that was never stopped.
like() {
    cmp $1.figures <(figures "$2") || fail "$3: figures"
    cmp <(numbers "$1/report.json") <(numbers "$2/report.json") || fail "$3: report.json"
    [ "$(tensors "$2")" = "$(tensors "$1")" ] || fail "$3: tensors"
    # A stop between an epoch and its evaluation saves that step, too: it is saved again, as NAME-2.
    [ "$(readlink "$2/best.pth.tar" | sed 's/-2\././')" = "$(readlink "$1/best.pth.tar")" ] || fail "$3: best.pth.tar"
}
for select in val test last; do
    for stop in $((6 * val - 2)) $((6 * val)) $((6 * val + 3)) $((6 * test + 1)); do
        rm -rf part
        train part "${both[@]}" --select $select --stop-after "$stop"
        [ $status = 75 ] || fail "stop after $stop: exit $status"
        ok part "${both[@]}" --select $select --resume auto
        grep -q 'begins anew' stderr && fail "the same choice begins anew"
        like $select part "--select $select, stopped after $stop"
    done
done
# After its last epoch.
cp -r val part2
ok part2 "${both[@]}" --resume auto
like val part2 "after the last epoch"

# Another choice begins anew, and the checkpoints until then are no longer the best.
rm -rf part
train part "${both[@]}" --select test --stop-after $((6 * test + 2))
[ -L part/best.pth.tar ] || fail "no best by the test images yet"
ok part "${both[@]}" --select last --resume auto
grep -q 'warning: --select: last now, test when the run was saved' stderr || fail "another choice is not told"
says 'begins anew: until now it was chosen by the test images' part/train.log
[ -L part/best.pth.tar ] && fail "best.pth.tar of another choice stays"
"$paco" inspect part >inspected 2>&1
says 'best: none is chosen' inspected
cmp <(numbers last/report.json) <(numbers part/report.json) || fail "report.json after another choice"
ok part --test-list test.txt --val-list test.txt --select val --resume auto
says 'begins anew: until now it was chosen by the last epoch' part/train.log
[ "$(member best epoch part)" = 5 ] && [ -L part/best.pth.tar ] || fail "a choice after the last epoch"
rm -rf part
train part "${both[@]}" --stop-after $((6 * val + 2))
ok part --test-list test.txt --val-list test.txt --resume auto
says 'begins anew: until now it was chosen by other validation images' part/train.log
expected=$(column part epoch val_top1 | awk -F, -v from="$val" '$1 > from && (!n++ || $2 > most) { most = $2; at = $1 } END { print at }')
[ "$(member best epoch part)" = "$expected" ] || fail "the best by other validation images: $(member best epoch part), not $expected"

# The columns of an earlier version go on with empty ones behind.
rm -rf part
train part "${both[@]}" --select test --stop-after $((6 * 2 + 1))
cut -d, -f1-16 part/metrics.csv >cut.csv && cp cut.csv part/metrics.csv
ok part "${both[@]}" --select test --resume auto
ls part/metrics.csv.damaged* >/dev/null 2>&1 && fail "metrics.csv of an earlier version counts as damaged"
cmp <(column part epoch loss top1) <(column test epoch loss top1) || fail "rows of an earlier version are lost"
[ "$(column part val_top1 | head -2 | tr -d '\n')" = "" ] && cmp <(column part val_loss | tail -n +3) <(column test val_loss | tail -n +3) ||
    fail "columns behind those of an earlier version"

# ---- every process

if command -v mpirun.openmpi >/dev/null && [ -e "$(dirname "$paco")/libpaco_openmpi.so" ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
    export OMPI_MCA_hwloc_base_binding_policy=none
    export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0 ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
    ok alone "${both[@]}" --ranks 2
    figures alone >alone.figures
    timeout 300 mpirun.openmpi -n 2 "$paco" train "${base[@]}" --out two "${both[@]}" --ranks 2 >stdout 2>stderr ||
        { fail "two processes: exit $?"; cat stderr; }
    like alone two "two processes"
else
    echo "skipped: no openmpi with its mpirun.openmpi"
fi

# ---- a folder per class; names; images that cannot be read

for half in train val; do
    for class in ant bee; do
        mkdir -p tree/$half/$class && cp data/[0-3].png tree/$half/$class
    done
done
folders=(--arch resnet20 --size 16 --batch 4 --epochs 1 --warmup 0 --queue 8 --dim 8 --dataset folder --data tree/train)
"$paco" train "${folders[@]}" --val-data tree/val --out trees >stdout 2>stderr || { fail "a folder per class"; cat stderr; }
says '"val": {"data": "tree/val", "images": 8, "classes": 2, ' trees/report.json
{ echo junk.png 0; for i in 1 2 3 4 5 6; do cat val.txt; done; } >junk.txt
echo junk >data/junk.png
ok junk --test-list test.txt --val-list junk.txt --epochs 1 --warmup 0 --on-corrupt skip
says 'skipped 1 of 145 validation images: unreadable' junk/train.log
[ "$(member val skipped junk)" = 1 ] && [ "$(member val images junk)" = 144 ] || fail "skipped validation images"
mkdir elsewhere && cp data/[0-5].png elsewhere
sed 's,^,./,' val.txt >there.txt
ok there --test-list test.txt --val-list there.txt --val-data elsewhere
cmp <(column there val_loss) <(column val val_loss) || fail "--val-data: other figures of the same images"

# ---- what is refused, a line each

refused() { # STATUS TEXT WORDS...
    local status=$1 text=$2
    shift 2
    "$paco" train "$@" >stdout 2>stderr
    [ $? = "$status" ] && [ "$(grep -c error stderr)" = 1 ] && grep -qF -- "$text" stderr ||
        { fail "train $*: not $status, '$text', or more than a line"; cat stderr; }
}
list=(--train-list data/train.txt --data data --batch 8 --size 16)
refused 2 '--select val: there are no validation images (--val-list FILE)' "${list[@]}" --test-list test.txt --select val
refused 2 '--select test: there are no test images (--test-list FILE)' "${list[@]}" --val-list val.txt --select test
refused 2 '--test-list FILE: missing' "${list[@]}"
refused 2 '--val-list FILE: missing; its paths would start at --val-data' "${list[@]}" --test-list test.txt --val-data data
refused 2 '--val-list: contradicts --dataset, which is no list' "${folders[@]}" --test-data tree/val --val-list val.txt
refused 2 '--select val: there are no validation images (--val-data FOLDER)' "${folders[@]}" --test-data tree/val --select val
refused 2 '--select test: there are no test images (--test-data FOLDER)' "${folders[@]}" --val-data tree/val --select test
refused 2 '--val-data: --dataset cifar10 has no validation images of its own' --dataset cifar10 --data data --val-data data
refused 2 '--val-data: --dataset synthetic has no validation images of its own' --dataset synthetic --val-data data
refused 2 "--select: unknown" "${list[@]}" --test-list test.txt --select best
sed 's/ 4$/ 7/' val.txt >beyond.txt
refused 3 'beyond.txt: line 24: ' "${list[@]}" --test-list test.txt --val-list beyond.txt
sed 's/ \(.\)$/ c\1/' val.txt >named.txt
refused 3 'named.txt: labels are names, those of data/train.txt are numbers. --class-names FILE says' "${list[@]}" --test-list test.txt --val-list named.txt
printf 'c%d\n' 0 1 2 3 4 >names.txt
ok named --test-list test.txt --val-list named.txt --class-names names.txt
cmp <(column named val_loss) <(column val val_loss) || fail "names of classes: other figures"
mkdir tree/odd tree/odd/ant tree/odd/cat && cp data/0.png tree/odd/ant && cp data/0.png tree/odd/cat
refused 3 "('cat' vs 'bee')" "${folders[@]}" --val-data tree/odd
echo 'missing.png 0' >lost.txt
refused 4 'missing.png' "${list[@]}" --test-list test.txt --val-list lost.txt
exit $failed
