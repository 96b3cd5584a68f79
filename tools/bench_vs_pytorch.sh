#!/usr/bin/env bash
# `paco bench` beside PyTorch on the same cores: both in one run, alternating, several rounds; medians and ratios.
#     tools/bench_vs_pytorch.sh [--rounds N] [--out FILE] [CASE...]
# A case is WHAT,ARCH,BATCH,SIZE,CLASSES,DIM,QUEUE, for example step,resnet50,8,224,1000,128,8192. PyTorch runs with both
# memory layouts; the ratio is to the better one. GFLOP/s and the share of the measured peak count the multiplications of
# direct convolution, of which Winograd's form does fewer. Needs a python3 with torch and torchvision (PYTHON).
set -euo pipefail
cd "$(dirname "$0")/.."

paco="${PACO_BIN:-build/paco}"
rounds=5
out=
cases=()
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift 2 ;;
        --out) out="$2"; shift 2 ;;
        -*) echo "bench_vs_pytorch.sh: unknown option '$1'" >&2; exit 2 ;;
        *) cases+=("$1"); shift ;;
    esac
done
[ ${#cases[@]} -gt 0 ] || cases=(step,resnet32,128,32,10,32,1024 step,resnet50,8,224,1000,128,8192
                                 step,resnext50_32x4d,8,224,1000,128,8192 eval,resnet50,32,224,1000,128,8192)

source tools/bench_common.sh
find_python "torch, torchvision" "python3-torch python3-torchvision"

report() {
    local case="$1" best=torch_nchw
    local a b
    a=$(median <"$work/torch_nchw.ms"); b=$(median <"$work/torch_nhwc.ms")
    awk "BEGIN {exit !($b < $a)}" && best=torch_nhwc
    awk -v case="$case" -v ms="$(median <"$work/paco.ms")" -v mib="$(median <"$work/paco.mib")" \
        -v tms="$(median <"$work/$best.ms")" -v tmib="$(median <"$work/$best.mib")" -v layout="$best" \
        -v gflops="$(median <"$work/paco.gflops")" -v peak="$(median <"$work/paco.peak")" 'BEGIN {
        printf "%-42s paco %9.1f ms %7.0f MiB %7.1f GFLOP/s, %.0f %% of peak | %s %9.1f ms %7.0f MiB | time ratio %.3f  memory ratio %.3f\n",
               case, ms, mib, gflops, peak, layout, tms, tmib, ms / tms, mib / tmib}'
}

{
    echo "# $(machine), $threads cores; $("$python" -c 'import torch; print("PyTorch", torch.__version__)')"
    echo "# medians of $rounds alternating rounds; $("$paco" devices 2>/dev/null | head -1)"
    for case in "${cases[@]}"; do
        IFS=, read -r what arch batch size classes dim queue <<<"$case"
        rm -f "$work"/*.ms "$work"/*.mib "$work"/*.gflops "$work"/*.peak
        flags=(--arch "$arch" --batch "$batch" --size "$size" --classes "$classes" --dim "$dim" --queue "$queue")
        eval_flag=()
        [ "$what" = eval ] && eval_flag=(--eval)
        for ((i = 0; i < rounds; i++)); do
            measure paco "$paco" bench "$what" "${flags[@]}" --repeats 5
            measure torch_nchw "$python" tools/oracle/pytorch_step.py "${flags[@]}" --threads "$threads" --steps 5 "${eval_flag[@]}"
            measure torch_nhwc "$python" tools/oracle/pytorch_step.py "${flags[@]}" --threads "$threads" --steps 5 --channels-last "${eval_flag[@]}"
        done
        report "$case"
    done
} | tee_out
