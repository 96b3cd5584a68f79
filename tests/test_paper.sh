#!/usr/bin/env bash
# `paco plan --device cuda:h100`, a device that is there on paper alone: cuDNN has a deterministic plan within the cap on
# workspaces for every convolution of every network at batch 32, 128 and 256 in every format (PACO_FULL=1; else a subset);
# what is predicted adds up, is marked as prediction and follows from bytes, operations and ceilings; a ResNet-50 step in
# 16 bits needs no more launches than it did, and computes activations again only where memory needs it. What else is asked of
# such a device, or without the module, gets one line.
set -u
paco=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAIL: $*"; failed=1; }

refused() { # EXIT_CODE TEXT ARGUMENTS...
    local code=$1 text=$2
    shift 2
    "$paco" "$@" >"$work/out" 2>"$work/errors"
    local seen=$?
    [ $seen = "$code" ] && [ "$(grep -c . "$work/errors")" = 1 ] && grep -qF -- "$text" "$work/errors" ||
        { fail "$*: exit code $seen, not $code with '$text':"; cat "$work/errors"; }
}
mkdir "$work/bin"
cp "$paco" "$work/bin/paco" # where no module lies
paco=$work/bin/paco PACO_BACKENDS=$work/bin LD_LIBRARY_PATH=$(dirname "$paco") refused 8 "device cuda:h100: no module libpaco_cuda.so beside the program" plan step --device cuda:h100
[ ! -e "$(dirname "$paco")/libpaco_opencl.so" ] ||
    refused 2 "device opencl:h100: number expected after the colon" plan step --device opencl:h100
folder=$(dirname "$paco")
[ -e "$folder/libpaco_cuda.so" ] || folder=$folder/sim # with sanitizers there is no other
export PACO_BACKENDS=$folder
[ -e "$folder/libpaco_cuda.so" ] || { echo "skipped: the CUDA backend was not built"; [ $failed = 0 ] && exit 77; exit 1; }
"$paco" devices 2>&1 | grep '^cuda  absent: .*cannot open shared object' && { echo "skipped: the CUDA backend does not load"; exit 77; }
for verb in "bench step" "bench eval" "bench op conv 1 4 4 4 4 3 1" "tune step"; do
    refused 2 "device cuda:h100: a description without a device: \`paco plan\` alone takes it" $verb --device cuda:h100
done
refused 2 "a description without a device" verify --device cuda:h100 loss/tiny
for name in h1000 h10 H100 x; do
    refused 2 "number expected after the colon, or h100 for \`paco plan\`" plan step --device "cuda:$name"
done

# `paco devices` lists it, as what it is
"$paco" devices >"$work/out" 2>"$work/errors" || fail "devices: $(cat "$work/errors")"
awk '/^cuda:h100  NVIDIA H100 80GB HBM3 on paper$/ { on = 1; next } /^[a-z]/ { on = 0 }
    on && /^    for  *`paco plan` alone/ { told = 1 } on && /^    units  *132, / { units = 1 }
    END { exit !(told && units) }' "$work/out" || { fail "devices does not list cuda:h100:"; cat "$work/out"; }

# of cuDNN's configurations only those become plans that are asked for: one for each convolution
CUDNN_LOGLEVEL_DBG=3 CUDNN_LOGDEST_DBG=$work/log "$paco" plan eval --arch resnet20 --batch 4 --device cuda:h100 >/dev/null 2>"$work/errors" ||
    fail "plan with cuDNN's log: $(cat "$work/errors")"
finalised() { grep -A1 'function cudnnBackendFinalize() called' "$work/log" | grep -c "type=CUDNN_BACKEND_$1_DESCRIPTOR"; }
configs=$(grep -c 'function cudnnBackendFinalizeEngineCfgVisualize() called' "$work/log")
if [ -s "$work/log" ] && [ "$configs" -gt 0 ]; then
    [ "$(finalised EXECUTION_PLAN)" = "$(finalised OPERATIONGRAPH)" ] && [ "$(finalised EXECUTION_PLAN)" -gt 0 ] &&
        [ "$configs" -gt $((4 * $(finalised EXECUTION_PLAN))) ] ||
        fail "$(finalised EXECUTION_PLAN) plans of $configs configurations for $(finalised OPERATIONGRAPH) convolutions"
else
    echo "skipped: cuDNN wrote no log of its calls"
fi

plan() { "$paco" plan "$@" --device cuda:h100 >"$work/plan" 2>"$work/errors"; }

# every convolution: a plan, and within the cap
cap=$(sed -nE 's/^enum \{ WORKSPACE_MAX = ([0-9]+) << 20 \};.*/\1/p' "$(dirname "$0")/../backend_cuda/cudnn.h") # MiB
[ -n "$cap" ] || fail "no WORKSPACE_MAX in backend_cuda/cudnn.h"
planned=0
check() { # ARCH BATCH FORMAT...
    local arch=$1 batch=$2
    shift 2
    plan step --arch "$arch" --batch "$batch" "$@"
    local code=$?
    # 5: the whole step needs more memory than the device has, which its convolutions do not
    [ $code = 0 ] || { [ $code = 5 ] && grep -q ': memory: the plan needs more' "$work/errors"; } ||
        { fail "$arch, batch $batch, $*: $(cat "$work/errors")"; return; }
    awk -v cap=$cap '/^largest workspace of a convolution: / { found = 1; if ($6 > cap) { print; bad = 1 } }
        END { exit bad || !found }' "$work/plan" || fail "$arch, batch $batch, $*: more workspace than the cap"
    planned=$((planned + 1))
}
formats=("--math strict" "--math tf32" "--amp fp16" "--amp bf16")
if [ -n "${PACO_FULL:-}" ]; then
    archs=$(sed -nE 's/^ARCH\(([a-z0-9_]+),.*/\1/p' "$(dirname "$0")/../src/model/arch.def")
    [ "$(wc -w <<<"$archs")" -ge 27 ] || fail "networks: $archs"
    for arch in $archs; do
        for batch in 32 128 256; do
            for format in "${formats[@]}"; do check "$arch" $batch $format; done
        done
    done
else
    for format in "${formats[@]}"; do
        check resnet20 128 $format
        check resnet50 256 $format
        check resnext50_32x4d 32 $format
    done
    check wide_resnet50_2 128 --math strict
fi
echo "$planned plans"

# one step, twice: the same plan
plan step --arch resnet50 --batch 32 --amp bf16 || fail "plan: $(cat "$work/errors")"
cp "$work/plan" "$work/first"
plan step --arch resnet50 --batch 32 --amp bf16 && cmp "$work/plan" "$work/first" || fail "two summaries of one step differ"
steps() { "$paco" plan step --arch resnet50 --batch 32 --amp bf16 --device cuda:h100 --dump steps 2>"$work/$1" || fail "plan --dump steps"; }
steps steps && steps again && cmp "$work/steps" "$work/again" || fail "two plans of one step differ"
few_launches() { # FORMAT MOST
    local launches
    launches=$(sed -nE 's/^predicted: .* images\/s, ([0-9]+) launches, .*/\1/p' "$work/plan")
    [ "${launches:-9999}" -le "$2" ] || fail "$launches launches of a ResNet-50 step in $1, more than $2"
}
few_launches bf16 558
awk '/^in all / && NF == 7 { gb = $5 } END { exit !(gb > 10 && gb <= 16.3) }' "$work/plan" ||
    fail "a ResNet-50 step in bf16 moves more than 16.3 GB: $(grep '^in all ' "$work/plan" | tail -1)"
[ "$(grep -cE '^ *[0-9]+ (PROLOGUE|KEY|GATHER|QUERY|REDUCE|EPILOGUE) ' "$work/steps")" = "$(awk '/^in all / && NF == 7 { print $3 }' "$work/plan")" ] ||
    fail "the prediction is not of every step of the plan"

plan step --arch resnet50 --batch 32 --amp fp16 || fail "plan: $(cat "$work/errors")"
few_launches fp16 560

# activations are computed again where memory needs it
applied() { plan step --arch resnet50 --batch "$1" --amp bf16 && awk '/^bn_apply / { print $2 }' "$work/plan"; }
few=$(applied 32) many=$(applied 1600)
[ "${few:-0}" -gt 0 ] && [ "${many:-0}" -gt "$few" ] || fail "of 32 images bn_apply runs ${few:-?} times, of 1600 ${many:-?} times"

# the prediction: its kinds add up to it, and each takes no less than its bytes and its operations need
prediction() { # FILE PEAK, the TFLOP/s of convolutions
    awk -v peak="$2" '
        function near(a, b, by) { return (a - b) ^ 2 <= by ^ 2 }
        /^prediction, nothing was measured: / { bandwidth = $5; on = 1; next }
        on && /^in all / { rows = n; ok = near(steps, $3, 0) && near(launches, $4, 0) && near(ms, $7, 0.0006 * n) && near(gb, $5, 0.0006 * n); total = $7; on = 0 }
        on && /^[a-z_0-9]+ / && $1 != "kind" { n++; steps += $2; launches += $3; gb += $4; gflop += $5; ms += $6
            if ($6 + 0.001 < $4 / bandwidth || ($1 ~ /^conv_(f|g)/ && $6 + 0.001 < $5 / peak)) { print "too short:", $0; bad = 1 }
            if ($1 ~ /^conv_(f|g)/ && $6 > $4 / bandwidth + $5 / peak + 0.001) { print "too long:", $0; bad = 1 } }
        /^predicted: / { ok = ok && near($2, total, 0.006) && near($6 * total, 32000, 32000 * 0.002) }
        END { exit bad || !ok || rows < 20 }' "$1" || fail "a prediction that does not add up: $1"
}
prediction "$work/first" 780
plan step --arch resnet50 --batch 32 --math tf32 && cp "$work/plan" "$work/tf32"
plan step --arch resnet50 --batch 32 && cp "$work/plan" "$work/strict"
prediction "$work/tf32" 390
prediction "$work/strict" 67
time_of() { awk '/^predicted: / { print $2 }' "$work/$1"; }
awk "BEGIN { exit !($(time_of first) < $(time_of tf32) && $(time_of tf32) < $(time_of strict)) }" ||
    fail "predicted: bf16 $(time_of first), tf32 $(time_of tf32), strict $(time_of strict) ms"
head -1 "$work/tf32" | grep -qx 'resnet50, batch 32, products in tf32, for NVIDIA H100 80GB HBM3 on paper' || fail "the first line: $(head -1 "$work/tf32")"
plan eval --arch resnet20 --batch 32 || fail "plan eval: $(cat "$work/errors")"
grep -q '^predicted: .* ms a batch, ' "$work/plan" || fail "plan eval predicts nothing"
ranks() { plan step --arch resnet20 --batch 32 --ranks "$1" && awk '/^conv_forward / { print $2 }' "$work/plan"; }
[ "$(ranks 2)" = "$((2 * $(ranks 1)))" ] || fail "the steps of a rank are not counted for every rank"
exit $failed
