#!/usr/bin/env bash
# paco eval and weights from elsewhere, on a published CIFAR ResNet and photographs: accuracy, predictions against
# PyTorch, --partial, checkpoints of all published structures, --init-from; and the way back: what `paco train` writes
# loads in PyTorch, what PyTorch wrote is resumed. Where there is additional material, also on CIFAR's test images with a
# deeper network: every tenth of the 10,000, PACO_FULL=1 all.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
. "$tests/tiny_data.sh"
python=/usr/bin/python3
"$python" -c 'from importlib.util import find_spec as f; assert f("torch") and f("PIL")' 2>/dev/null ||
    { python=; echo "skipped: no python3-torch and python3-pil"; }
models=$data/checkpoints
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
. "$tests/verb_judge.sh"

says() {
    grep -qF -- "$1" stdout stderr || { fail "'$1' is not said:"; cat stdout stderr; }
}

# figures: what was said of accuracy and loss, without the time.
figures() {
    sed -n '/^top-1 /,/^NLL /p' stdout
}

# evaluate LAYERS CHECKPOINT LIST FOLDER TRAINLIST SPLIT: into eval$LAYERS/, with what it must say. SPLIT: the numbers of
# classes that are many, medium and few.
evaluate() {
    ok eval --checkpoint "$2" --list "$3" --data "$4" --train-list "$5" --out "eval$1"
    says "resnet$1, 10 classes"
    says "normalisation: ImageNet, mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225"
    [ "$(sed -nE 's/^(many|medium|few) .*[%-]  \(([0-9]+) class(es)?\)$/\2/p' stdout | paste -sd' ')" = "$6" ] ||
        fail "classes of many, medium, few"
}

# differ_at_most MOST LAYERS WANTED: predictions that are not those of a file that eval_torch.py wrote.
differ_at_most() {
    local differ
    differ=$(diff <(tail -n +2 "eval$2/predictions.csv" | cut -d, -f2,3) <(cut -d, -f2,3 "$3") | grep -c '^>')
    [ "$differ" -le "$1" ] || fail "resnet$2: $differ predictions are not PyTorch's (at most $1)"
    [ "$(wc -l <"$3")" = $(($(wc -l <"eval$2/predictions.csv") - 1)) ] || fail "resnet$2: not every image has a prediction"
    echo "resnet$2: $differ of $(wc -l <"$3") predictions differ from PyTorch's"
}

# torch_predicts LAYERS CHECKPOINT LIST FOLDER: into torch.csv.
torch_predicts() {
    OMP_NUM_THREADS=2 "$python" "$tests/../tools/oracle/eval_torch.py" "$2" "$1" "$3" "$4" torch.csv >stdout 2>stderr || fail eval_torch.py
}

# Every small photograph, against what PyTorch predicted when the file was made, and against the PyTorch that is here.
# (What the classes are called does not matter: the network knows CIFAR's.)
images=$data/photos_lt
cat "$images/train.txt" "$images/test.txt" >list.txt
evaluate 20 "$models/resnet20-12fca82f.th" list.txt "$images" "$images/train.txt" \
    '1 3 6'
differ_at_most 1 20 "$models/resnet20_photos_lt.csv"
if [ -n "$python" ]; then
    torch_predicts 20 "$models/resnet20-12fca82f.th" list.txt "$images"
    differ_at_most 1 20 torch.csv
fi

# CIFAR's own images: every tenth of the test list (100 of each class), or all.
cifar() {
    local split='8 2 0' n layers file right seen
    tar -xJf "$shared/data/cifar10_lt.tar.xz" cifar10_lt/cifar10_test.txt cifar10_lt/cifar10_lt_train.txt || fail tar
    if [ "${PACO_FULL:-0}" = 1 ]; then
        cp cifar10_lt/cifar10_test.txt cifar.txt
        right20=8103 right32=8256 most=2 # 81.03 % and 82.56 %
    else
        sed -n '0~10p' cifar10_lt/cifar10_test.txt >cifar.txt
        right20=813 right32=829 most=1 # counted among the predictions of tools/oracle/eval_torch.py (torch 1.13) on these images
    fi
    sed 's,^,cifar10_lt/,; s, .*,,' cifar.txt >wanted.txt
    tar -xJf "$shared/data/cifar10_lt.tar.xz" -T wanted.txt || fail tar
    for n in 20:12fca82f 32:d509ac18; do
        layers=${n%:*}
        file=$shared/data/checkpoints/resnet$layers-${n#*:}.th
        right=right$layers
        evaluate "$layers" "$file" cifar.txt cifar10_lt cifar10_lt/cifar10_lt_train.txt "$split"
        seen=$(awk -F, 'NR > 1 && $2 == $3' "eval$layers/predictions.csv" | wc -l)
        [ "$seen" = "${!right}" ] || fail "resnet$layers: $seen images right instead of ${!right}"
        if [ -n "$python" ] && { [ "${PACO_FULL:-0}" = 1 ] || [ "$layers" = 20 ]; }; then
            torch_predicts "$layers" "$file" cifar.txt cifar10_lt
            differ_at_most $most "$layers" torch.csv
        fi
    done
}
[ ! -e "$shared/data/cifar10_lt.tar.xz" ] || cifar

# A key that was renamed: refused with every difference, with --partial too, for without it it is another network.
plain=$models/resnet20-12fca82f.th
sed -n '0~17p' list.txt >short.txt # 20 images
short=(eval --list short.txt --data "$images" --batch 20)
ok convert "$plain" plain.safetensors
sed 's/layer2\.1\.conv2\.weight/layer2.1.conw2.weight/; s/layer3\.0\.bn1\.bias/layer3.0.bn1.bies/' \
    plain.safetensors >renamed.safetensors
cmp -s plain.safetensors renamed.safetensors && fail "nothing was renamed"
refused 3 "renamed.safetensors" "${short[@]}" --checkpoint renamed.safetensors
for line in 'missing: layer2.1.conv2.weight' 'unexpected: layer2.1.conw2.weight' 'missing: layer3.0.bn1.bias' \
    'unexpected: layer3.0.bn1.bies'; do
    says "$line"
done
refused 3 "'layer2.1.conv2.weight' lies in the path" "${short[@]}" --checkpoint renamed.safetensors --partial
says 'missing: layer3.0.bn1.bias'
says 'loaded: layer3.0.bn1.weight, running_mean, running_var'
grep -q 'loaded: .*layer2.1.conv2' stderr && fail "a tensor that is not there was loaded"

# at FILE NAME: where a tensor's elements begin in a safetensors file.
at() {
    local begin
    begin=$(head -c 65536 "$1" | grep -aoE "\"$2\":\{[^}]*\[[0-9]+,[0-9]+\]\}" | sed -E 's/.*\[([0-9]+),[0-9]+\]\}/\1/')
    echo $(($(od -An -N8 -tu8 "$1") + 8 + begin))
}

# With --partial a missing statistic is no less missed, but a head that nothing is read from may stand there; NaN is
# evaluated, but not unsaid.
sed 's/layer3\.2\.bn2\.running_var/layer3.2.bn2.running_vax/' plain.safetensors >missing.safetensors
refused 3 "'layer3.2.bn2.running_var' lies in the path" "${short[@]}" --checkpoint missing.safetensors --partial
ok convert "$models/paco_lt.pth.tar" head.safetensors --bare
ok "${short[@]}" --checkpoint head.safetensors
figures >plain.txt
for name in projector.0.weight head.mlp.2.bias; do
    printf -v padded '%-35s' "\"$name\":"
    sed "s/\"layer1.0.bn1.num_batches_tracked\":/$padded/" head.safetensors >beside.safetensors
    cmp -s head.safetensors beside.safetensors && fail "nothing was renamed"
    refused 3 "unexpected: $name" "${short[@]}" --checkpoint beside.safetensors
    ok "${short[@]}" --checkpoint beside.safetensors --partial
    figures | diff - plain.txt || fail "$name changes the result"
done
cp plain.safetensors nan.safetensors
printf '\0\0\xc0\x7f\0\0\x80\xff' |
    dd of=nan.safetensors bs=1 seek="$(at nan.safetensors layer1.2.bn1.bias)" conv=notrunc 2>/dev/null
"$paco" "${short[@]}" --checkpoint nan.safetensors >stdout 2>stderr
says 'warning: nan.safetensors: elements that are NaN or infinite: 2, the first in layer1.2.bn1.bias'
strict="nan.safetensors: key 'layer1.2.bn1.bias': element 0 is not finite (2 such elements in all)"
refused 6 "$strict" "${short[@]}" --checkpoint nan.safetensors --strict-finite
ok "${short[@]}" --checkpoint plain.safetensors --strict-finite

# Names like those of PaCo are no such names: in a plain network none is passed over, in PaCo's only the published.
ok convert "$models/paco_lt.pth.tar" bare.safetensors --bare
ok "${short[@]}" --checkpoint bare.safetensors
sed -e 's/"bn1.num_batches_tracked":/"encoder_q.fc.9.weight":  /' \
    -e 's/"layer1.0.bn1.num_batches_tracked":/"queue_ptr":                       /' bare.safetensors >stray.safetensors
refused 3 "stray.safetensors" "${short[@]}" --checkpoint stray.safetensors
says 'unexpected: encoder_q.fc.9.weight'
says 'unexpected: queue_ptr'
ok convert "$models/paco_lt.pth.tar" paco.safetensors
ok "${short[@]}" --checkpoint paco.safetensors
# A projection head without batch normalisation ends in fc.2.
sed 's/"encoder_\([qk]\).fc.3./"encoder_\1.fc.2./g' paco.safetensors >head.safetensors
cmp -s head.safetensors paco.safetensors && fail "no head was renamed"
ok "${short[@]}" --checkpoint head.safetensors
sed -e 's/"encoder_q.bn1.num_batches_tracked":/"queue_extra":                      /' \
    -e 's/"encoder_k.bn1.num_batches_tracked":/"encoder_k.fc.9.weight":            /' \
    paco.safetensors >stray.safetensors
refused 3 "stray.safetensors" "${short[@]}" --checkpoint stray.safetensors
says 'unexpected: encoder_k.fc.9.weight'
says 'unexpected: queue_extra'

ok "${short[@]}" --checkpoint plain.safetensors --out plain
ok "${short[@]}" --checkpoint "$plain" --out original --batch 7 --threads 1
cmp plain/predictions.csv original/predictions.csv || fail "predictions depend on format, batch or threads"

# Every published structure. They hold the same network, so they say the same.
for kind in paco_lt paco_lt_legacy paco_full paco_cifar; do
    file=$models/$kind.pth; [ -e "$file.tar" ] && file=$file.tar
    ok "${short[@]}" --checkpoint "$file" --out "$kind"
    says "resnet20, 10 classes"
    cmp paco_lt/predictions.csv "$kind/predictions.csv" || fail "$kind differs from paco_lt"
done
refused 3 "no classifier" "${short[@]}" --checkpoint "$models/bare_state_dict.pth"

# Weights of a plain ResNet begin a run, with --partial only: it has no projection head.
tiny_data "$paco" data || fail "tiny data"
from=(train "${tiny_options[@]}" --train-list data/ten.txt --test-list data/ten.txt)
{ cat data/train.txt; printf '%d.png %d\n' 0 5 1 6 2 7 3 8 4 9; } >data/ten.txt
refused 3 "missing: " "${from[@]}" --init-from "$plain" --out started
refused 6 "$strict" "${from[@]}" --init-from nan.safetensors --partial --strict-finite --out started
[ -e started ] && fail "a refused run left its folder"
ok "${from[@]}" --init-from "$plain" --partial --epochs 1 --warmup 0 --out started
says "missing: encoder_q.fc.0.weight"
# A classifier of another kind is no reason to refuse the backbone.
sed 's/"shape":\[10,64\]/"shape":[64,10]/' plain.safetensors >turned.safetensors
cmp -s turned.safetensors plain.safetensors && fail "nothing was changed"
refused 3 "linear.weight" "${short[@]}" --checkpoint turned.safetensors
ok "${from[@]}" --init-from turned.safetensors --partial --epochs 1 --warmup 0 --out backbone
says 'wrong shape: linear.weight is [64, 10], needs [10, 64]'

# A run's folder is evaluated with the run's normalisation; its checkpoint loads in PyTorch.
ok train "${tiny_options[@]}" --mean 0.3,0.4,0.5 --std 0.2 --epochs 1 --warmup 0 --out run
top=$(grep -o '^  "top1": [0-9.]*' run/report.json)
ok eval --checkpoint run --list data/test.txt --data data --out run_eval
says "normalisation: given, mean 0.3 0.4 0.5, deviation 0.2 0.2 0.2"
[ "$top" = "$(grep -o '^  "top1": [0-9.]*' run_eval/report.json)" ] || fail "eval of a run differs from its own evaluation"
# A run's own figures stay, also where its options are taken.
cp -r run untouched
ok eval --config run/options.txt --checkpoint run
refused 2 "--out: run is the folder of a run" eval --checkpoint run --list data/test.txt --data data --out run
diff -r run untouched >stdout || { fail "an evaluation changes the run"; cat stdout; }
touch plain_file
refused 4 "plain_file: a file, not a folder" eval --checkpoint run --list data/test.txt --data data --out plain_file
# A preset that trains in 16 bits evaluates in float32.
ok eval --checkpoint run --preset imagenet_r200 --arch resnet20 --classes 5 --size 16 --list data/test.txt --data data --out fp16_preset
grep -q 'in fp16' stdout stderr && fail "an evaluation is in fp16 as its preset trains so"
grep -q '"amp": "fp32"' fp16_preset/report.json || { fail "report.json of a preset in fp16"; cat fp16_preset/report.json; }
ok eval --checkpoint run --preset cifar10_lt_100 --list data/test.txt --data data
says "normalisation: given, mean 0.3 0.4 0.5"
# report.json names what was evaluated on what.
for line in '"architecture": "resnet20",' '"checkpoint": "run/step-000000000006.pth.tar",' '"data": "data/test.txt",' \
    "\"checksum\": \"$(grep -o 'checksum [0-9a-f]\{16\}' stdout | cut -d' ' -f2)\"," '"skipped": 0,'; do
    grep -qF -- "  $line" run_eval/report.json || { fail "report.json lacks $line"; cat run_eval/report.json; }
done
figure() { # NAME of report.json
    grep -o "^  \"$1\": [0-9.e-]*" run_eval/report.json | cut -d' ' -f4
}
says "$(printf 'NLL                %7.4f    (mean cross-entropy)' "$(figure nll)")"
says "$(awk -v x="$(figure ece)" 'BEGIN { printf "ECE                %7.2f %%  (calibration error, 15 bins)", 100 * x }')"
says "$(awk -v x="$(figure balanced_accuracy)" 'BEGIN { printf "balanced accuracy  %7.2f %%  (mean of the classes)", 100 * x }')"
[ "$(figure nll)" = "$(figure loss)" ] || fail "nll is not loss"
[ "$(figure balanced_accuracy)" = "$(figure class_mean)" ] || fail "balanced_accuracy is not class_mean"
# They follow from predictions.csv, within its 6 decimals: the bins of confidence, and what the true class got.
awk -F, 'NR > 1 { b = int($14 * 15 - 1e-9); n[b]++; conf[b] += $14; right[b] += $2 == $3; all++ }
    END { for (b in n) { d = conf[b] - right[b]; ece += (d < 0 ? -d : d) / all }; print ece }' run_eval/predictions.csv >ece.txt
awk -v a="$(cat ece.txt)" -v b="$(figure ece)" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 1e-10) }' ||
    fail "ece $(figure ece) instead of $(cat ece.txt)"
cmp -s <(grep -A15 '"ece_bins"' run/report.json) <(grep -A15 '"ece_bins"' run_eval/report.json) || fail "the run's own bins are others"

# An unreadable image ends an evaluation, or is left out of all figures.
for ((i = 0; i < 6; i++)); do cat data/test.txt; done >data/good.txt
echo junk >data/junk.png
{ head -50 data/good.txt; echo "junk.png 3"; tail -n +51 data/good.txt; } >data/junk.txt
corrupt=(eval --checkpoint run --data data --batch 8)
refused 3 "junk.png" "${corrupt[@]}" --list data/junk.txt
ok "${corrupt[@]}" --list data/good.txt --out good
ok "${corrupt[@]}" --list data/junk.txt --out junk --on-corrupt skip
says "skipped 1 of 121 images"
cmp good/predictions.csv junk/predictions.csv || fail "a skipped image is among the predictions"
diff good/report.json junk/report.json | grep '^[<>]' | grep -vE '"(data|checksum|skipped)"' && fail "a skipped image counts"
grep -q '"skipped": 1,' junk/report.json || fail "the skipped image is not in report.json"
cut -d, -f1-2,4-6 run/classes.csv | diff - <(cut -d, -f1-2,4-6 run_eval/classes.csv) || fail "classes.csv differs"

# PyTorch's checkpoint is resumed: epoch 3 of 4, with the options it was trained with.
resume=(train --train-list data/ten.txt --test-list data/ten.txt --data data --arch resnet20 --dim 32 --queue 64
    --batch 8 --size 32 --lr 0.01 --epochs 4 --warmup 0)
ok "${resume[@]}" --resume "$models/paco_cifar.pth.tar" --out resumed
says "at epoch 4, step 0 of"
says "epoch 4/4"
[ "$(cut -d, -f1 resumed/metrics.csv | tail -1)" = 4 ] || fail "metrics.csv does not go on with epoch 4"
refused 3 "paco_full.pth.tar" "${resume[@]}" --resume "$models/paco_full.pth.tar" --out not
refused 3 "do not fit" "${resume[@]}" --queue 32 --resume "$models/paco_cifar.pth.tar" --out not
[ -e not ] && fail "a refused run left its folder"

# NaN in a run that is resumed, here with nothing left to train. The end of a legacy stream is an element.
ok convert "$models/paco_cifar.pth.tar" nan.pth.tar --format legacy
printf '\0\0\xc0\x7f' | dd of=nan.pth.tar bs=1 seek=$(($(stat -c %s nan.pth.tar) - 4)) conv=notrunc 2>/dev/null
"$paco" "${resume[@]}" --epochs 3 --resume nan.pth.tar --out nan >stdout 2>stderr
says 'warning: nan.pth.tar: elements that are NaN or infinite: 1, the first in optimizer/state/'
refused 6 "nan.pth.tar: key 'optimizer/state/" "${resume[@]}" --epochs 3 --resume nan.pth.tar --strict-finite --out not
[ -e not ] && fail "a refused run left its folder"

# A zip without CRCs: a warning, or with --require-crc an error.
cp "$models/paco_cifar.pth.tar" unchecked.pth.tar
chmod u+w unchecked.pth.tar
for field in 03.04:14 01.02:16 07.08:4; do
    sign=${field%:*}
    for begin in $(LC_ALL=C grep -obUaP "PK\\x${sign%.*}\\x${sign#*.}" unchecked.pth.tar | cut -d: -f1); do
        printf '\0\0\0\0' | dd of=unchecked.pth.tar bs=1 seek=$((begin + ${field#*:})) conv=notrunc 2>/dev/null
    done
done
ok "${short[@]}" --checkpoint unchecked.pth.tar
says 'warning: unchecked.pth.tar: written without CRCs'
without='unchecked.pth.tar: directory@0: written without CRCs, which are required here'
refused 3 "$without" "${short[@]}" --checkpoint unchecked.pth.tar --require-crc
refused 3 "$without" "${resume[@]}" --resume unchecked.pth.tar --require-crc --out not
refused 3 "$without" "${resume[@]}" --init-from unchecked.pth.tar --require-crc --out not

if [ -n "$python" ]; then
    "$python" - run/last.pth.tar resumed/last.pth.tar "$models/paco_cifar.pth.tar" >stdout 2>stderr <<'PYTHON' || fail "PyTorch and our checkpoint"
import sys
import torch

def parameters(d):
    names = [k for k in d["state_dict"] if not any(p in k for p in ("queue", "running_", "num_batches"))]
    return [torch.nn.Parameter(d["state_dict"][k].clone()) for k in names]

ours, resumed, theirs = (torch.load(f, map_location="cpu") for f in sys.argv[1:])
assert list(resumed["state_dict"]) == list(theirs["state_dict"])
assert all(resumed["state_dict"][k].shape == v.shape and resumed["state_dict"][k].dtype == v.dtype
           for k, v in theirs["state_dict"].items())
for d in (ours, resumed):
    params = parameters(d)
    optimizer = torch.optim.SGD(params, 1.0, momentum=0.5)
    optimizer.load_state_dict(d["optimizer"])
    assert len(optimizer.param_groups) == 1 and len(optimizer.param_groups[0]["params"]) == len(params)
    have = [p for p in params if "momentum_buffer" in optimizer.state[p]]
    assert 0 < len(have) < len(params) and all(optimizer.state[p]["momentum_buffer"].shape == p.shape for p in have)
assert resumed["epoch"] == 4 and resumed["optimizer"]["param_groups"][0]["weight_decay"] == 5e-4
PYTHON
fi
exit $failed
