#!/usr/bin/env bash
# The PaCo loss alone, forward and gradient, beside PyTorch on the same cores: both in one run, alternating, several
# rounds; medians and ratios of time and peak memory.
#     tools/bench_loss.sh [--rounds N] [--repeats N] [--out FILE] [QUEUE...]
# Batch 32, 1000 classes, 128 dimensions; queues of 8192 and 65536 unless others are named. PyTorch runs the loss in
# three forms (tools/oracle/pytorch_loss.py); the ratio is to the quickest. Needs a python3 with torch and numpy (PYTHON).
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

paco="${PACO_BIN:-build/paco}"
rounds=5 repeats=20 out=
queues=()
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift 2 ;;
        --repeats) repeats="$2"; shift 2 ;;
        --out) out="$2"; shift 2 ;;
        -*) echo "bench_loss.sh: unknown option '$1'" >&2; exit 2 ;;
        *) queues+=("$1"); shift ;;
    esac
done
[ ${#queues[@]} -gt 0 ] || queues=(8192 65536)

source tools/bench_common.sh
find_python "torch, numpy" "python3-torch"
[ -x "$paco" ] || { echo "bench_loss.sh: no $paco: build first" >&2; exit 2; }

forms=(oracle masks parts)

report() { # queue
    local best=oracle form
    for form in "${forms[@]}"; do
        awk "BEGIN {exit !($(median <"$work/$form.ms") < $(median <"$work/$best.ms"))}" && best=$form
    done
    for form in "${forms[@]}"; do
        printf '# queue %-6s torch %-6s %9.2f ms %7.1f MiB\n' "$1" "$form" "$(median <"$work/$form.ms")" "$(median <"$work/$form.mib")"
    done
    awk -v queue="$1" -v ms="$(median <"$work/paco.ms")" -v mib="$(median <"$work/paco.mib")" -v form="$best" \
        -v tms="$(median <"$work/$best.ms")" -v tmib="$(median <"$work/$best.mib")" 'BEGIN {
        printf "loss,32,128,1000,%-6s paco %9.2f ms %7.1f MiB | torch %s %9.2f ms %7.1f MiB | time ratio %.3f  memory ratio %.3f\n",
               queue, ms, mib, form, tms, tmib, ms / tms, mib / tmib}'
}

{
    echo "# $(machine), $threads cores; $("$python" -c 'import torch; print("PyTorch", torch.__version__)')"
    echo "# medians of $rounds alternating rounds of $repeats; $("$paco" devices 2>/dev/null | head -1)"
    for queue in "${queues[@]}"; do
        rm -f "$work"/*.ms "$work"/*.mib
        for ((i = 0; i < rounds; i++)); do
            measure paco "$paco" bench op paco 32 128 1000 "$queue" --repeats "$repeats"
            for form in "${forms[@]}"; do
                measure "$form" "$python" tools/oracle/pytorch_loss.py --how "$form" --queue "$queue" --threads "$threads" \
                    --repeats "$repeats"
            done
        done
        report "$queue"
    done
} | tee_out
