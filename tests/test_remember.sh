#!/usr/bin/env bash
# Runs remember: `--resume auto` with no other option goes on as the whole command would, to the same bits; who, how and
# when stands in train.log and report.json; single steps in steps.csv are the same however the run was cut.
set -u
# LeakSanitizer knows nothing of what an MPI keeps.
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0 ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
paco=$(realpath "$1")
. "$(dirname "$0")/tiny_data.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
cd "$folder" || exit 1
tiny_data "$paco" data || { echo "FAIL: no images"; exit 1; }

fail() {
    echo "FAIL: $*"
    failed=1
}

# expect STATUS TEXT WORDS...: paco with these words ends so, and says the text ("": whatever).
expect() {
    local code=$1 text=$2 status
    shift 2
    "$paco" "$@" >stdout 2>stderr
    status=$?
    [ $status = "$code" ] && { [ -z "$text" ] || grep -qF -- "$text" stderr; } ||
        { fail "$*: exit $status, '$text'"; cat stderr; }
}

# What a run is, but for times and where it lies.
described() { # FOLDER
    "$paco" convert "$1/last.pth.tar" tensors.safetensors >/dev/null 2>&1
    (sha256sum tensors.safetensors && cd "$1" && sha256sum classes.csv confusion.csv steps.csv && cut -d, -f1-12 metrics.csv && numbers report.json)
}

cut_at=(3 8) # steps: inside an epoch, and of another one
[ -z "${PACO_SHORT:-}" ] || cut_at=(8)
command=(train "${tiny_options[@]}" --recipe sim --lr 0.03 --alpha 0.02 --no-mlp --log-every 2)
expect 0 '' "${command[@]}" --out run
mv run whole
for steps in "${cut_at[@]}"; do
    rm -rf run
    expect 75 '' "${command[@]}" --out run --stop-after "$steps"
    expect 0 'options   as run/options.txt has them, where the command does not say otherwise' train --out run --resume auto
    [ "$(grep -c options.txt stderr)" = 1 ] || fail "more than a line says where options are from"
    cmp <(described whole) <(described run) || fail "the bare command after $steps steps: another run"
    grep -q '^stop-after=0$' run/options.txt || fail "a request to stop is handed on"
done
# The whole command again gives what it gave; so do a file, a checkpoint for auto, and any place in the words.
ways=("${command[*]} --out run --resume auto" "train --resume auto --config my.toml"
      "train --resume=run/last.pth.tar --out run" "train --output-dir run --resume auto")
[ -z "${PACO_SHORT:-}" ] || ways=("${ways[1]}")
for words in "${ways[@]}"; do
    rm -rf run
    expect 75 '' "${command[@]}" --out run --stop-after 8
    printf 'out = "run" # a comment\nlr = 3_0e-3\n' >my.toml
    # shellcheck disable=SC2086
    expect 0 '' $words
    cmp <(described whole) <(described run) || fail "$words: another run"
    grep -q warning stderr && { fail "$words: warns"; cat stderr; }
done

# Another run with its options, but not in its folder, from its checkpoint or as long as its start.
mkdir other
sed -e 's/^out=.*/out=run/' -e 's/^resume=.*/resume=auto/' -e 's/^stop-after=.*/stop-after=1/' whole/options.txt >other/options.txt
expect 0 '' train --config other/options.txt --out again
cmp <(described whole) <(described again) || fail "--config options.txt: another run"

# ---- what differs

expect 2 '--epochs 1: whole/' train --out whole --resume auto --epochs 1
grep -q 'has trained 2 already. The run goes on with --epochs 2 or more' stderr || { fail "fewer epochs"; cat stderr; }

rm -rf run
expect 75 '' "${command[@]}" --out run --stop-after 8
cp -r run kept
expect 3 'not those of the run to resume (--seed 1 vs 0)' train --out run --resume auto --seed 1
expect 75 'warning: --lr: 0.5 now, 0.03 when the run was saved' train --out run --resume auto --lr 0.5 --stop-after 1
grep -q '^# .* step 8: lr 0.03 -> 0.5$' run/options.txt && grep -q '^lr=0.5$' run/options.txt && grep -q '^alpha=0.02$' run/options.txt ||
    fail "a changed option is not recorded"
expect 75 '' train --out run --resume auto --stop-after 1
grep -q 'warning: --' stderr && fail "what was changed is forgotten"
expect 75 '' train --resume run/last.pth.tar --out elsewhere --stop-after 1
grep -q '^alpha=0.02$' elsewhere/options.txt || fail "a checkpoint's folder does not tell its options"
# A preset on the command line is one: what it does not say is the run's.
expect 75 'warning: --lr: 0.05 now' train --preset synthetic --arch resnet20 --batch 8 --out run --resume auto --stop-after 1 \
    --dataset list --queue 20 --dim 8 --mlp off
grep -q '^preset=synthetic$' run/options.txt && grep -q '^train-list=data/train.txt$' run/options.txt || fail "preset over a run"
# Its own preset again, as in the whole command, does not undo what the run has otherwise.
expect 75 '' train --preset synthetic --epochs 2 --batch 8 --queue 20 --size 8 --out own --stop-after 1
expect 75 '' train --preset synthetic --out own --resume auto --stop-after 1
grep -q '^epochs=2$' own/options.txt && grep -q '^size=8$' own/options.txt || { fail "its own preset undoes a run's options"; cat stderr; }
expect 2 '--resume: own is a folder. `--out own --resume auto` goes on there' train --resume own --out another
# A run that began with weights and had no checkpoint yet begins with them again.
expect 0 '' convert whole/last.pth.tar weights.safetensors --bare
expect 75 '' "${command[@]}" --init-from weights.safetensors --partial --out early --stop-after 1
"$paco" convert early/last.pth.tar early.safetensors >stdout 2>stderr
rm early/*.pth.tar early/manifest.json
expect 2 '--resume auto: nowhere has no options.txt of a run to go on with' train --out nowhere --resume auto
[ ! -e nowhere ] || fail "a run that is not there leaves a folder"
expect 75 'no checkpoint in early yet: starting anew' train --out early --resume auto --stop-after 1
"$paco" convert early/last.pth.tar again.safetensors >stdout 2>stderr
cmp early.safetensors again.safetensors || fail "a run that saved nothing forgets --init-from"
mv weights.safetensors gone.safetensors
expect 75 'resumed early/' train --out early --resume auto --stop-after 1
cp -r early judged
expect 75 'warning: --val-list: data/test.txt now, (none) when the run was saved' train --out judged --resume auto \
    --val-list data/test.txt --stop-after 1
expect 2 '--init-from: contradicts --resume' train --out early --resume auto --init-from gone.safetensors

# ---- what is not there, or damaged

rm -rf run
cp -r kept run
expect 2 '--train-list FILE: missing' train --out nothing --resume auto
damaged() { # TEXT SED: options.txt changed so
    sed -i "$2" run/options.txt
    expect 3 "run/options.txt: $1" train --out run --resume auto
    [ "$(wc -l <stderr)" = 1 ] || { fail "more than a line: $2"; cat stderr; }
    cp kept/options.txt run/options.txt
}
line=$(grep -n '^lr=' run/options.txt | cut -d: -f1)
damaged "line $line: --lr: not a number ('x'). Written by another version" 's/^lr=.*/lr=x/'
damaged "line $line: --lrate: unknown option" 's/^lr=/lrate=/'
damaged "line 1: --arch: unknown value ('resnet21'" 's/^arch=.*/arch=resnet21/'
damaged "line 2: no '=' ('method')" '2s/=.*//'
: >run/options.txt
damaged "cut short" ''
head -c 100 kept/options.txt >run/options.txt
damaged "cut short" ''
head -c 3000 /dev/zero >run/options.txt
damaged "no text: it has zero bytes" ''
mkdir deeper
expect 75 '' train --out run --resume auto --stop-after 1
(cd deeper && "$paco" train --out ../run --resume auto >../stdout 2>../stderr)
[ $? = 4 ] && grep -q '^paco: error: ../run/options.txt: --train-list data/train.txt: not found from here.* its train.log names' stderr ||
    { fail "another folder"; cat stderr; }
grep -qF " in $(pwd)" run/train.log || fail "train.log does not name the folder"
(cd deeper && "$paco" train --out ../run --resume auto --train-list ../data/train.txt --test-list ../data/test.txt --data ../data \
    >../stdout 2>../stderr) || { fail "another folder, with paths"; cat stderr; }

# ---- who, how and when

odd="it's odd; \$(touch bad)"
expect 75 '' "${command[@]}" --out "$odd" --stop-after 1
sed -n 's/^command   //p' "$odd/train.log" | sed 's/--stop-after 1//' >again.sh
rm -rf "$odd"
bash -c "$(cat again.sh)" >stdout 2>stderr || { fail "the command of train.log"; cat again.sh stderr; }
[ -e "$odd/report.json" ] && [ ! -e bad ] || fail "the command of train.log does another thing"
rm -rf run
expect 75 '' "${command[@]}" --out run --stop-after 8
expect 0 '' train --out run --resume auto
"$paco" --version >version
cat >check.py <<'PYTHON'
import datetime, json, shlex, sys
paco, report = sys.argv[1], json.load(open("run/report.json"))
run, final = report["run"], report["final"]
version = open("version").readline().split()
assert run["version"] == version[1] and "(commit " + run["commit"] + ")" == " ".join(version[2:]), (run, version)
assert shlex.split(run["command"]) == [paco, "train", "--out", "run", "--resume", "auto"], run["command"]
assert run["seed"] == 0 and run["epochs"] == 2 and run["steps"] == 12 and run["starts"] == 2 and run["processes"] == 1
assert run["device"] and run["device"].split()[0] in run["arithmetic"]
began, ended = (datetime.datetime.fromisoformat(run[key]) for key in ("started", "ended"))
assert began.tzinfo and ended >= began and abs((datetime.datetime.now(began.tzinfo) - ended).total_seconds()) < 600
assert abs((ended - began).total_seconds() - run["seconds"]) <= 1.5
assert 0 < run["training_seconds"] and 0 < run["evaluation_seconds"]
assert run["training_seconds"] + run["evaluation_seconds"] <= run["seconds"]
assert final["epoch"] == 2 and final["loss"] == report["loss"]
for key in ("top1", "top5", "class_mean", "many", "medium", "few"):
    assert final[key] == report[key]
log = open("run/train.log").read().splitlines()
starts = [i for i, line in enumerate(log) if line.startswith("program   paco ")]
assert len(starts) == 2 and all(log[i + 1].startswith("command   ") for i in starts)
assert "commit " + run["commit"] in log[starts[1]] and "started " + run["started"] in log[starts[1]]
assert log[starts[1] + 1] == "command   " + run["command"]
assert sum(line.startswith("ended     ") for line in log) == 2
assert log[-2] == "result    last top-1 %.2f %%" % (100 * final["top1"]), log[-2:]
PYTHON
if command -v python3 >/dev/null; then
    python3 check.py "$paco" 2>stderr || { fail "report.json and train.log"; cat stderr run/report.json run/train.log; }
else
    echo "skipped: no python3, which reads report.json"
fi

# ---- single steps

[ "$(head -1 run/steps.csv)" = step,epoch,lr,loss,top1,mean_loss,mean_top1,loss_scale ] || fail "the header of steps.csv"
[ "$(cut -d, -f1-2 run/steps.csv | tr '\n' ' ')" = "step,epoch 2,1 4,1 6,1 8,2 10,2 12,2 " ] || fail "rows of steps.csv"
# The mean over an epoch is the log's; with a row for each step it is the mean of them.
expect 75 'step 5/6' "${command[@]}" --print-freq 1 --out each --stop-after 6
[ "$(grep -cE ' epoch 1/2  step [1-6]/6  lr 0.03  loss [0-9.]+ \(mean [0-9.]+\)  top-1 [0-9.]+ % \(mean' stderr)" = 6 ] ||
    { fail "lines of steps"; cat stderr; }
cmp <(grep -E '^(2|4|6),' each/steps.csv) <(grep -E '^(2|4|6),' run/steps.csv) || fail "steps depend on how often they are told"
awk -F, 'NR > 1 { sum += $4; hits += $5; d = sum / (NR - 1) - $6; e = hits / (NR - 1) - $7; if (d * d + e * e > 1e-12) exit 1 }
    END { exit NR != 7 }' each/steps.csv || { fail "means of steps.csv"; cat each/steps.csv; }
loss=$(sed -n 's/^epoch 1\/2 .* loss \([0-9.]*\) .*/\1/p' run/train.log | head -1)
[ "$(awk -F, '$1 == 6 { printf "%.4f", $6 }' run/steps.csv)" = "$loss" ] || fail "the epoch's loss is $loss"
# Rows of steps that are to come again go; a damaged file is set aside.
printf '7,2,0.03,1,0,1,0,\n8,2,0.0' >>each/steps.csv
expect 0 '' train --out each --resume auto -p 3
[ "$(cut -d, -f1 each/steps.csv | tr '\n' ' ')" = "step 1 2 3 4 5 6 9 12 " ] || { fail "rows that were cut"; cat each/steps.csv; }
expect 75 'step 2/6' train "${tiny_options[@]}" --log-interval 2 --out plain --stop-after 3
expect 0 '' train --out plain --resume auto --log-every 0
[ "$(wc -l <plain/steps.csv)" = 2 ] || fail "steps.csv without --log-every"
# Without a folder there are lines alone. With fp16 the scale stands beside each step, and a skipped step is one, too.
expect 0 'step 4/6' train "${tiny_options[@]}" --epochs 1 --warmup 0 --log-every 4
"$paco" train "${tiny_options[@]}" --amp fp16 --device ref32 --log-every 1 --out half --stop-after 4 >stdout 2>stderr
[ $? = 75 ] && [ "$(cut -d, -f8 half/steps.csv | sort -u | grep -cE '^[0-9]+$')" -ge 1 ] &&
    [ "$(wc -l <half/steps.csv)" = 5 ] || { fail "steps in fp16"; cat stderr half/steps.csv; }
# Processes: one of them writes; the bare command starts as many again.
"$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 --log-every 1 --out two --stop-after 8 >stdout 2>stderr
status=$?
if grep -q 'no MPI here' stderr; then
    echo "skipped: $(grep -o 'no MPI here.*' stderr | cut -c 1-160)"
else
    [ $status = 75 ] || { fail "--nproc 2: exit $status"; cat stderr; }
    expect 0 '2 processes, 1 rank each' train --out two --resume auto
    [ "$(grep -c 'options   as two/options.txt' stderr)" = 1 ] || { fail "processes say it again and again"; cat stderr; }
    expect 0 '' train "${tiny_options[@]}" --ranks 2 --log-every 1 --out one
    cmp one/steps.csv two/steps.csv || fail "processes: other steps than those of one"
    cmp <(numbers one/report.json) <(numbers two/report.json) || fail "processes: another report"
    grep -q '"processes": 2,' two/report.json && grep -q '^nproc=2$' two/options.txt || fail "processes are not recorded"
fi
exit $failed
