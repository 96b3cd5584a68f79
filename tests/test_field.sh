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
# What base/mini.pth predicts, by PyTorch; the smallest margin between two classes is 0.0186.
plain=(1 5 6 9 9 3 4 1 4 6 2 4 9 1 7 7 4 4 3 9)

row base 0 eval --checkpoint mini.pth "${pool[@]}" -- "loss 2.3455"
predicts "${plain[@]}"

# ---------------------------------------------------------------------------------- checkpoints
# ---------------------------------------------------------------------------- folders and lists
# --------------------------------------------------------------------------------------- images
# --------------------------------------------------------------------------------- lost work

exit $failed
