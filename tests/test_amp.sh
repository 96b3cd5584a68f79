#!/usr/bin/env bash
# --amp: every verb that takes it does something else with it; evaluation in any format of what was trained in fp16; the
# scaler of a checkpoint is one that PyTorch's GradScaler loads, and PyTorch's is one that a run goes on with (that part
# where there is a torch with torch.amp.GradScaler; PACO_PYTHON names another Python).
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
python=${PACO_PYTHON:-/usr/bin/python3}
tiny_begin "$paco"
tiny_options+=(--size 8) # the reference is slow

train() { # OUT OPTIONS...
    local out=$1
    shift
    "$paco" train "${tiny_options[@]}" --device ref32 --threads 2 --out "$out" "$@" >"$folder/stdout" 2>"$folder/stderr"
}

# train
train "$folder/half" --amp fp16 || { fail "train --amp fp16"; cat "$folder/stderr"; exit 1; }
grep -q '^network .* parameters.* in fp16$' "$folder/half/train.log" || fail "train.log does not tell the format"
[ "$(grep -c '^loss scale [0-9]*$' "$folder/half/train.log")" = 1 ] ||
    fail "train.log does not tell the loss scale at the beginning, alone"
[ "$(grep -c '^loss scale [0-9]*; of [0-9]* steps so far [0-9]* skipped' "$folder/half/train.log")" = 2 ] ||
    fail "train.log does not tell the loss scale after each epoch"
train "$folder/full" || fail "train"
grep -q 'loss scale\| in fp16' "$folder/full/train.log" && fail "a run in float32 speaks of a scale"
grep -q 'all trained in fp32$' "$folder/full/train.log" || fail "a run in float32 does not say so"
head -1 "$folder/half/metrics.csv" | cmp - <(head -1 "$folder/full/metrics.csv") || fail "other columns with --amp"
"$paco" inspect "$folder/half/last.pth.tar" | grep -q '^  scaler: a dict of 5' || fail "no scaler in the checkpoint"
"$paco" inspect "$folder/full/last.pth.tar" | grep -q scaler && fail "a scaler of a run in float32"

# eval: losses of all formats, within what 8 digits of a fraction leave, and each says its format
for amp in fp32 fp16 bf16; do
    "$paco" eval --checkpoint "$folder/half" --list "$folder/data/test.txt" --data "$folder/data" --size 8 --batch 20 \
        --device ref --amp $amp >"$folder/eval_$amp" 2>"$folder/stderr" || { fail "eval --amp $amp"; cat "$folder/stderr"; }
done
for amp in fp16 bf16; do
    grep -q "^resnet20, 5 classes in $amp, on " "$folder/eval_$amp" || fail "eval does not tell the format"
done
grep -q '^resnet20, 5 classes, on ' "$folder/eval_fp32" || fail "eval in float32 speaks of a format"
awk '$1 == "NLL" { print $2 }' "$folder"/eval_fp32 "$folder"/eval_fp16 \
    "$folder"/eval_bf16 >"$folder/losses"
awk '{ x[NR] = $1 } END { exit !(NR == 3 && x[1] > 0 && (x[2] - x[1]) ^ 2 < (0.005 * x[1]) ^ 2 &&
                                 (x[3] - x[1]) ^ 2 < (0.05 * x[1]) ^ 2) }' "$folder/losses" ||
    { fail "losses of fp32, fp16, bf16:"; cat "$folder/losses"; }

# plan: images take half the memory; a scaler where it is fp16
activations() { "$paco" plan step --arch resnet20 --batch 32 --dump memory "$@" 2>&1 | awk '$1 == "act" { print $3 }'; }
if [ -n "$(activations)" ]; then
    awk "BEGIN { exit !($(activations --amp bf16) < 0.62 * $(activations)) }" || fail "plan --amp bf16 takes as much memory"
    "$paco" plan step --arch resnet20 --batch 32 --amp bf16 2>/dev/null | grep -q '^resnet20, batch 32 in bf16, for ' ||
        fail "plan does not tell the format"
    "$paco" plan step --arch resnet20 --batch 32 --amp fp16 --dump steps 2>&1 | grep -q 'EPILOGUE scale_update' ||
        fail "plan --amp fp16 has no scaler"
    "$paco" plan step --arch resnet20 --batch 32 --amp bf16 --dump steps 2>&1 | grep -q scale && fail "plan --amp bf16 has one"
else
    echo "skipped: no device to plan for"
fi

# bench and verify; test_tune.sh has tune
"$paco" bench step --arch resnet20 --size 8 --batch 4 --repeats 1 --untimed 0 --device ref32 --amp bf16 2>/dev/null |
    grep -q '"amp": *"bf16"' || fail "bench does not tell the format"
"$paco" bench eval --arch resnet20 --size 8 --batch 4 --repeats 1 --untimed 0 --device ref32 --amp fp16 2>/dev/null |
    grep -q '"what": *"eval".*"amp": *"fp16"' || fail "bench eval does not tell the format"
"$paco" bench op bn 2 5 3 3 --repeats 1 --untimed 0 --device ref32 --amp fp16 2>/dev/null |
    grep -q '"what": *"op".*"amp": *"fp16"' || fail "bench op does not tell the format"
"$paco" verify --device ref --amp bf16 --steps 1 step/resnet20 >"$folder/verify" 2>/dev/null && fail "verify --amp bf16 did nothing"
grep -q '^FAIL .* loss [0-9.]*e-0[3-6]/' "$folder/verify" || { fail "verify --amp bf16:"; cat "$folder/verify"; }

# PyTorch
if ! "$python" -c 'import torch; torch.amp.GradScaler' 2>/dev/null; then
    echo "skipped: no torch.amp.GradScaler ($python)"
    exit $failed
fi
"$python" - "$folder" <<'PYTHON' || fail "PyTorch and the scaler"
import sys
import torch

folder = sys.argv[1]
c = torch.load(f"{folder}/half/last.pth.tar", map_location="cpu", weights_only=True)
scaler = torch.amp.GradScaler("cpu")
assert set(c["scaler"]) == set(scaler.state_dict()), c["scaler"]
assert {k: type(v) for k, v in c["scaler"].items()} == {k: type(v) for k, v in scaler.state_dict().items()}
scaler.load_state_dict(c["scaler"])
assert scaler.get_scale() == c["scaler"]["scale"] and scaler.get_growth_factor() == 2.0
assert scaler.get_backoff_factor() == 0.5 and scaler.get_growth_interval() == 2000
# It goes on: two good steps and one that overflows.
w = torch.nn.Parameter(torch.ones(3))
sgd = torch.optim.SGD([w], lr=0.1)
for factor in (1.0, 1.0, float("inf"), 1.0, 1.0):
    sgd.zero_grad()
    scaler.scale((w * factor).sum()).backward()
    scaler.step(sgd)
    scaler.update()
c["scaler"] = scaler.state_dict()
assert c["scaler"]["_growth_tracker"] == 2
torch.save(c, f"{folder}/torch.pth.tar")
with open(f"{folder}/scale", "w") as out:
    print(f"{scaler.get_scale():g}", file=out)
PYTHON
for way in --resume --init-from; do
    train "$folder/torch$way" --amp fp16 $way "$folder/torch.pth.tar" --epochs 3 --stop-after 1
    [ $? = 75 ] && grep -qE "^loss scale $(cat "$folder/scale")(;|\$)" "$folder/torch$way/train.log" ||
        { fail "$way with PyTorch's scaler"; cat "$folder/stderr"; }
    "$python" -c "
import sys, torch
c = torch.load('$folder/torch$way/last.pth.tar', map_location='cpu', weights_only=True)['scaler']
sys.exit(c['scale'] * 2 != $(cat "$folder/scale") if c['_growth_tracker'] == 0 else c['_growth_tracker'] != 3)" ||
        fail "$way does not go on with PyTorch's growth"
done
exit $failed
