#!/usr/bin/env bash
# Logits and pooled features that `paco eval` saves, beside those of timm's ResNet-50 with the same weights, on
# photographs of every kind: equal within float32, also with --tta flip, in both formats as NumPy and safetensors read
# them; and no longer equal where one channel's mean is off by 1/255.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
. "$tests/python.sh"
python_with torch timm numpy PIL safetensors.numpy || { echo "skipped: arrays beside timm's: $lacking"; exit 77; }
oracle=$tests/../tools/oracle/features_torch.py
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# evaluate NAME OPTIONS...: writes NAME.{logits,features}.{npy,safetensors}.
evaluate() {
    local ending
    for ending in npy safetensors; do
        "$paco" eval --checkpoint "$folder/net.pth" --list "$data/photos/list.txt" --data "$data/photos" --batch 5 \
            "${@:2}" --save-logits "$folder/$1.logits.$ending" --save-features "$folder/$1.features.$ending" \
            >"$folder/said" 2>&1 || { echo "FAIL: eval"; cat "$folder/said"; exit 1; }
    done
}

OMP_NUM_THREADS=2 "$python" "$oracle" make "$data/photos/list.txt" "$data/photos" "$folder" || { echo "FAIL: $oracle"; exit 1; }
evaluate none
evaluate flip --tta flip
"$python" "$oracle" compare "$folder" none flip || { echo "FAIL: not what timm makes"; exit 1; }
evaluate none --mean 0.485,0.456,0.40992
"$python" "$oracle" compare "$folder" none >"$folder/said" 2>&1 && { echo "FAIL: another mean is not seen"; exit 1; }
grep -q '^AssertionError: none logits: off' "$folder/said" || { echo "FAIL: another mean"; cat "$folder/said"; exit 1; }
