#!/usr/bin/env bash
# --math: on the simulated GPU tf32 computes other numbers than strict, says so wherever a run is described, and has tuning
# results of its own; strict keeps every bound of a float32 golden file, tf32 none of them; with 16 bits it is of features
# alone. Other devices stay strict and say so. Bad values: one line, exit code 2.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"

# bad values: every verb
refused() { # TEXT ARGUMENTS...
    local text=$1
    shift
    "$paco" "$@" >"$folder/stdout" 2>"$folder/stderr"
    local code=$?
    [ $code = 2 ] && [ "$(grep -c . "$folder/stderr")" = 1 ] && grep -qF -- "$text" "$folder/stderr" ||
        { fail "$*: exit code $code, not 2 with '$text':"; cat "$folder/stderr"; }
}
list=(--list "$folder/data/test.txt" --data "$folder/data")
for value in TF32 tf fp32 "" "strict " 1; do
    for verb in "train" "eval" "bench step" "bench op conv 1 4 4 4 4 3 1" "plan step" "tune step"; do
        refused "--math" $verb --math "$value"
    done
    refused "--math needs strict or tf32" verify --device ref --math "$value" loss/tiny
done
refused "--math" bench step --math
refused "--math needs strict or tf32" verify --math

# devices without TF32: told once, and their numbers stay
for math in strict tf32; do
    "$paco" train "${tiny_options[@]}" --size 8 --device ref32 --threads 2 --math $math --out "$folder/$math" \
        >"$folder/stdout" 2>"$folder/stderr_$math" || { fail "train --math $math"; cat "$folder/stderr_$math"; }
done
[ "$(grep -c -- '--math tf32: ref (float32) has none, its products are float32' "$folder/stderr_tf32")" = 1 ] ||
    { fail "train --math tf32 on the reference does not say once that it is strict"; cat "$folder/stderr_tf32"; }
grep -q -- '--math' "$folder/stderr_strict" && fail "train --math strict speaks of it"
grep -q 'products in' "$folder/tf32/train.log" && fail "train.log tells a math that the device has not"
column() { cut -d, -f1-8 "$1/metrics.csv"; }
cmp <(column "$folder/strict") <(column "$folder/tf32") || fail "the reference computes otherwise with --math tf32"
"$paco" verify --device ref --math tf32 loss/tiny >"$folder/stdout" 2>"$folder/stderr" || fail "verify --math tf32 on the reference"
grep -q -- '--math tf32: ref (float64) has none' "$folder/stderr" || fail "verify does not say that the reference is strict"

# a GPU that has it
sim=$(dirname "$paco")/sim
if [ ! -e "$sim/libpaco_cuda.so" ]; then
    echo "skipped: no simulated GPU: built without the CUDA toolkit, cuDNN or a C++ compiler"
    exit $failed
fi
export PACO_BACKENDS=$sim
export XDG_CACHE_HOME=$folder/cache
on=(--device cuda:0)
"$paco" verify "${on[@]}" --math strict loss/tiny >"$folder/stdout" 2>"$folder/stderr" ||
    { fail "verify --math strict"; cat "$folder/stdout" "$folder/stderr"; }
"$paco" verify "${on[@]}" loss/tiny 2>/dev/null | cmp - "$folder/stdout" || fail "strict is not what goes without saying"
"$paco" verify "${on[@]}" --math tf32 loss/tiny >"$folder/tf32.txt" 2>"$folder/stderr"
[ $? = 1 ] || fail "verify --math tf32 keeps the bounds of float32"
grep -q '^FAIL .* on simulated GPU, products in tf32[,:]' "$folder/tf32.txt" || { fail "verify tf32:"; cat "$folder/tf32.txt"; }

# convolutions: no engine of the strict ones multiplies with tensor cores, where the simulation would round
op=(bench op conv 2 8 6 6 16 3 1 --repeats 1 --untimed 0 "${on[@]}")
for math in strict tf32; do
    "$paco" "${op[@]}" --math $math 2>/dev/null | grep -q "\"math\": *\"$math\"" || fail "bench op does not tell --math $math"
done
small=(--arch resnet20 --size 8 --batch 4 --dim 16 --queue 32 "${on[@]}")
"$paco" bench step "${small[@]}" --repeats 1 --untimed 0 --math tf32 2>/dev/null | grep -q '"math": *"tf32"' ||
    fail "bench step does not tell its math"
"$paco" plan step "${small[@]}" --math tf32 | head -1 | grep -q ', products in tf32, for ' || fail "plan does not tell its math"
"$paco" plan step "${small[@]}" | head -1 | grep -q 'products' && fail "plan tells that it is strict"

# tuning results have their type and math in their names
export PACO_TEST_CANDIDATES=2
for options in "--math strict" "--math tf32" "--math tf32 --amp bf16"; do
    "$paco" tune step "${small[@]}" --repeats 1 $options >"$folder/tune" 2>"$folder/stderr" ||
        { fail "tune $options"; cat "$folder/stderr"; }
done
tuned=$(find "$folder/cache" -name 'tun*' -type f)
for key in 'conv[^=]*[0-9]' 'conv[^=]*[0-9] tf32' 'conv[^=]*[0-9] bf16' 'gemm[^=]*[nt][nt]' 'gemm[^=]*[nt][nt] tf32'; do
    grep -qE "^$key = " $tuned || fail "tuning results without a key of the form '$key'"
done
grep -qE '^conv[^=]* bf16 tf32 = ' $tuned && fail "a convolution in bf16 has a math"

# train, eval: the log, the arithmetic line of the checkpoint, the report; a run that goes on otherwise says so
train=("$paco" train "${tiny_options[@]}" "${on[@]}" --size 8 --threads 2)
"${train[@]}" --epochs 1 --math tf32 --out "$folder/gpu" >"$folder/stdout" 2>"$folder/stderr" ||
    { fail "train --math tf32"; cat "$folder/stderr"; }
grep -q '^network .* parameters.*, products in tf32$' "$folder/gpu/train.log" || fail "train.log does not tell the math"
grep -q '"math": *"tf32"' "$folder/gpu/report.json" || fail "report.json does not tell the math"
"${train[@]}" --epochs 2 --math strict --resume "$folder/gpu/last.pth.tar" --out "$folder/on" >"$folder/stdout" 2>"$folder/stderr" ||
    { fail "resume in strict math"; cat "$folder/stderr"; }
grep -q 'other arithmetic (.*saved with .*steps [0-9a-f]*, products in tf32)' "$folder/stderr" || { fail "a run goes on in other math without a word"; cat "$folder/stderr"; }
"$paco" eval --checkpoint "$folder/gpu" "${list[@]}" --size 8 --batch 20 "${on[@]}" --math tf32 >"$folder/stdout" \
    2>"$folder/stderr" || { fail "eval --math tf32"; cat "$folder/stderr"; }
grep -q '^resnet20, 5 classes, products in tf32, on ' "$folder/stdout" || { fail "eval does not tell the math"; head -1 "$folder/stdout"; }
exit $failed
