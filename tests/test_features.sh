#!/usr/bin/env bash
# Logits and pooled features that `paco eval` saves, beside those of timm's ResNet-50 with the same weights, on
# photographs of every kind: equal within float32, also with --tta flip, in both formats. PACO_PYTHON names a Python that
# has torch and timm.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
python=${PACO_PYTHON:-/usr/bin/python3}
"$python" -c 'import torch, timm, numpy, PIL' 2>/dev/null || { echo "skipped: no torch, timm, numpy and Pillow ($python)"; exit 77; }
oracle=$tests/../tools/oracle/features_torch.py
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
OMP_NUM_THREADS=2 "$python" "$oracle" make "$data/photos/list.txt" "$data/photos" "$folder" || { echo "FAIL: $oracle"; exit 1; }
for tta in none flip; do
    for ending in npy safetensors; do
        "$paco" eval --checkpoint "$folder/net.pth" --list "$data/photos/list.txt" --data "$data/photos" --batch 5 \
            --tta $tta --save-logits "$folder/$tta.logits.$ending" --save-features "$folder/$tta.features.$ending" \
            >"$folder/said" 2>&1 || { echo "FAIL: eval"; cat "$folder/said"; exit 1; }
    done
done
"$python" "$oracle" compare "$folder" || { echo "FAIL: not what timm makes"; exit 1; }
