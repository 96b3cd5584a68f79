#!/usr/bin/env bash
# What breaks in the field: inputs of the kinds that people reported about programs of this job, one row each, with what
# PyTorch or Pillow makes of them. The inputs lie in tests/data/field, a folder per row, with _pool (20 images) and
# base/mini.pth (a ResNet-20) shared. A row is
#     row NAME EXIT ARGUMENTS... -- TEXT...
# run in its folder: paco must end with EXIT, say every TEXT (a TEXT that begins with ! must not be said), and where it
# fails, in exactly one error line. After a row that evaluates, `predicts` compares its predictions.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
export OUT
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT
failed=0

fail() {
    echo "FAIL: $name: $*"
    cat "$OUT/said"
    failed=1
}

row() {
    local wanted=$2 seen text arguments=()
    name=$1
    shift 2
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
    cd "$data/field/$name" || exit 1
    rm -rf "$OUT/run"
    "$paco" "${arguments[@]}" >"$OUT/said" 2>&1
    seen=$?
    [ $seen = "$wanted" ] || fail "exit $seen instead of $wanted"
    [ "$wanted" = 0 ] || [ "$(grep -c 'paco: error: ' "$OUT/said")" = 1 ] || fail "not one error line"
    for text; do
        case $text in
            !*) ! grep -qF -- "${text#!}" "$OUT/said" || fail "'${text#!}' is said" ;;
            *) grep -qF -- "$text" "$OUT/said" || fail "'$text' is not said" ;;
        esac
    done
}

# predicts CLASSES...: the top-1 column of the row before, which wrote to $OUT/eval.
predicts() {
    [ "$(tail -n +2 "$OUT/eval/predictions.csv" | cut -d, -f3 | tr '\n' ' ')" = "$* " ] || fail "other predictions"
    rm -rf "$OUT/eval"
}

pool=(--list ../_pool/list.txt --data ../_pool --out "$OUT/eval")
# A run of one epoch; its folder is new each time.
tiny=(--arch resnet20 --epochs 1 --warmup 0 --batch 4 --queue 8 --dim 32 --recipe cifar --size 32
    --train-list ../_pool/list.txt --test-list ../_pool/list.txt --data ../_pool --out "$OUT/run")
# What base/mini.pth predicts, by PyTorch; the smallest margin between two classes is 0.0186.
plain=(1 5 6 9 9 3 4 1 4 6 2 4 9 1 7 7 4 4 3 9)

row base 0 eval --checkpoint mini.pth "${pool[@]}" -- "NLL                 2.3455"
predicts "${plain[@]}"

# ---------------------------------------------------------------------------------- checkpoints
row gpaco_a 0 eval --checkpoint gpaco_r20.pth.tar "${pool[@]}" -- "NLL                 2.3455"
predicts "${plain[@]}"
row compile_a 0 eval --checkpoint orig_mod.pth "${pool[@]}" -- "NLL                 2.3455"
predicts "${plain[@]}"
row lightning_a 0 eval --checkpoint epoch7.ckpt "${pool[@]}" -- "NLL                 2.3455"
predicts "${plain[@]}"
row mm_a 0 eval --checkpoint epoch_200.pth "${pool[@]}" -- "NLL                 2.3455"
predicts "${plain[@]}"
row ema_a 0 eval --checkpoint only_ema.pth.tar "${pool[@]}" -- "NLL                 2.3455"
predicts "${plain[@]}"
row classifier_name_a 0 eval --checkpoint classifier_name.pth "${pool[@]}" -- "NLL                 2.3455"
predicts "${plain[@]}"
row supcon_a 0 train "${tiny[@]}" --init-from last.pth --partial -- "95 tensors loaded" "unexpected: head.0.weight"
row dino_a 3 train "${tiny[@]}" --init-from checkpoint.pth --partial -- "2 networks in this file: 'student/backbone', 'teacher/backbone'. --key"
row dino_a 0 train "${tiny[@]}" --init-from checkpoint.pth --partial --key teacher/backbone -- "95 tensors loaded"
row initfrom_a 3 train "${tiny[@]}" --init-from ../base/mini.pth -- "--partial takes what fits"
row initfrom_a 3 train "${tiny[@]}" --resume ../base/mini.pth -- "--init-from takes the weights" "... and "
row whole_a 3 eval --checkpoint model.pt "${pool[@]}" -- "a whole module (models.resnet.Tiny)" "save its state_dict()"
row lfs_a 3 eval --checkpoint model.safetensors "${pool[@]}" -- "a Git LFS pointer"
row partial_a 0 eval --checkpoint optionB.pth "${pool[@]}" --partial -- "resnet20_b, 10 classes" "107 tensors loaded, 0 differences"
rm -rf "$OUT/eval"
row ldam_a 0 eval --checkpoint ckpt.best.pth.tar "${pool[@]}" -- "classifier: cosine"
predicts 3 4 9 6 5 1 4 1 4 7 8 9 0 1 0 6 0 1 1 0
# ---------------------------------------------------------------------------- folders and lists
row csv_a 0 eval --checkpoint ../base/mini.pth --list train.csv "${pool[@]:2}" -- "NLL                 2.3455"
predicts "${plain[@]}"
for name in backslash_a utf16_a columns_a names_a; do
    row $name 0 eval --checkpoint ../base/mini.pth --list list.txt "${pool[@]:2}" -- "NLL                 2.3455"
    predicts "${plain[@]}"
done
row onebased_a 3 data check --train-list list.txt --data ../_pool -- "labels run from 1 to 10" "--first-label 1"
row onebased_a 3 eval --checkpoint ../base/mini.pth --list list.txt --data ../_pool -- "labels run from 1 to 10"
row onebased_a 0 eval --checkpoint ../base/mini.pth --list list.txt --first-label 1 "${pool[@]:2}" -- "NLL                 2.3455"
row slash_a 4 eval --checkpoint ../base/mini.pth --list list.txt --data ../_pool -- "The path is absolute" \
    "there is ../_pool/test/airplane/0049.jpg"
row slash_a 4 eval --checkpoint ../base/mini.pth --list list.txt -- "The path is absolute"
row hidden_a 0 data check --dataset folder --data train --test-data val -- "6 images, 3 classes" \
    "passed over 1 hidden folders"
row appledouble_a 0 data check --dataset folder --data train --test-data val -- "12 images"
row missingclass_a 3 data check --dataset folder --data train --test-data val -- "val: there is no folder 'cat'"
row evalnames_a 0 train "${tiny[@]:0:14}" --dataset folder --data train --test-data train --out "$OUT/names" --
row evalnames_a 3 eval --checkpoint "$OUT/names" --dataset folder --data train --test-data val -- \
    "class folder 0 differs" "ant" "bird"
row evalnames_a 3 eval --checkpoint "$OUT/names" --dataset folder --test-data val -- "class folder 0 differs"
row evalcwd_a 0 eval --checkpoint ../evalcwd_a/three.pth --dataset folder --test-data val -- "top-1" "!many"
# --------------------------------------------------------------------------------------- images
row cifarpy_a 0 eval --checkpoint ../base/mini.pth --dataset cifar10 --data . --mean 0.485,0.456,0.406 \
    --std 0.229,0.224,0.225 --out "$OUT/eval" -- "NLL                 2.3455"
predicts "${plain[@]}"
row webp_a 0 data check --test-list list.txt --data . --classes 10 -- "unreadable 0"
row damaged_a 0 data check --test-list list.txt --data . --classes 10 -- "unreadable 0"
# --------------------------------------------------------------------------------- lost work
row resumehint_a 3 train "${tiny[@]:0:14}" --data ../_pool --train-list list.txt --test-list ../_pool/list.txt \
    --out "$OUT/hint" -- "--resume auto goes on once that file is mended, or with --on-corrupt skip"
row resumehint_a 3 train "${tiny[@]:0:14}" --data ../_pool --train-list list.txt --test-list ../_pool/list.txt \
    --out "$OUT/hint" --resume auto -- "or with --on-corrupt skip"
lost=("${tiny[@]:0:2}" --epochs 3 "${tiny[@]:4:10}" --data ../_pool --train-list ../_pool/list.txt --test-list test.txt
    --out "$OUT/lost" --eval-every 0 --save-every 0)
row evalloss_a 3 train "${lost[@]}" -- "What was trained is saved"
ls "$OUT"/lost/step-*-trained.pth.tar >/dev/null 2>&1 || fail "nothing is saved"
row evalloss_a 0 train "${lost[@]}" --resume auto --on-corrupt skip -- "!epoch 3/3  step"

exit $failed
