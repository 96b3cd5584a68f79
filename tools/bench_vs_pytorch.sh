#!/usr/bin/env bash
# `paco bench` beside PyTorch on the same cores: all in one run, alternating, several rounds; medians and ratios.
#     tools/bench_vs_pytorch.sh [--rounds N] [--steps N] [--amp FORMAT,...] [--out FILE] [CASE...]
# A case is WHAT,ARCH,BATCH,SIZE,CLASSES,DIM,QUEUE, for example step,resnet50,8,224,1000,128,8192. The whole comparison, with the
# newest PyTorch (a few GB) in an environment of its own; about 40 minutes a case of an ImageNet network on two cores:
#     python3 -m venv ~/newest-torch && ~/newest-torch/bin/pip install torch torchvision
#     PYTHON=~/newest-torch/bin/python tools/bench_vs_pytorch.sh --amp fp32,bf16 --out results.txt
#
# PyTorch is that of PYTHON and Debian's, each where it is there (without any, paco's figures stand alone): eager with both
# memory layouts, and torch.compile with the better of the two, in float32 or under autocast to bf16 or fp16 (--amp; fp32
# and bf16 unless told). All are printed; `*` marks the fastest of a number format, to which paco's ratios count. What takes
# over 1.15 times as long as the fastest of its format in the first round, in its median and its quickest step, is measured
# in that round alone (`once`).
# GFLOP/s and the share of the measured peak count the multiplications of direct convolution, of which Winograd's form does
# fewer. Memory: beyond what the idle program takes.
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

paco="${PACO_BIN:-build/paco}"
rounds=5 steps=5 out=
formats=(fp32 bf16)
cases=()
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift 2 ;;
        --steps) steps="$2"; shift 2 ;;
        --amp) IFS=, read -r -a formats <<<"$2"; shift 2 ;;
        --out) out="$2"; shift 2 ;;
        -*) echo "bench_vs_pytorch.sh: unknown option '$1'" >&2; exit 2 ;;
        *) cases+=("$1"); shift ;;
    esac
done
for format in "${formats[@]}"; do
    case "$format" in
        fp32|bf16|fp16) ;;
        *) echo "bench_vs_pytorch.sh: --amp: no number format '$format' (fp32, bf16, fp16)" >&2; exit 2 ;;
    esac
done
[ ${#cases[@]} -gt 0 ] || cases=(step,resnet32,128,32,10,32,1024 step,resnet50,8,224,1000,128,8192
                                 step,resnext50_32x4d,8,224,1000,128,8192 eval,resnet50,32,224,1000,128,8192)
[ -x "$paco" ] || { echo "bench_vs_pytorch.sh: no $paco: build first" >&2; exit 2; }

source tools/bench_common.sh
find_pythons "torch, torchvision"
export TORCHINDUCTOR_CACHE_DIR="$work/inductor"

# A contender is FORMAT.paco or FORMAT.NUMBER.HOW: the number of its Python; nchw, nhwc or compile.
contenders() { # format
    local i
    echo "$1.paco"
    for i in "${!pythons[@]}"; do
        echo "$1.$i.nchw" "$1.$i.nhwc"
        if "${pythons[$i]}" -c 'import torch; torch.compile' 2>/dev/null; then echo "$1.$i.compile"; fi
    done
}

name_of() { # contender, as people call it
    local format i how
    IFS=. read -r format i how <<<"$1"
    if [ "$i" = paco ]; then
        echo paco
    else
        echo "PyTorch ${versions[$i]} $how${how_compiled[$1]:+ ${how_compiled[$1]}}"
    fi
}

ms() { median <"$work/$1.ms"; }
least() { head -1 "$work/$1.least"; } # of the first round: what others on the machine disturb the least
less() { awk "BEGIN {exit !($1 < $2)}"; }

fastest() { # FIGURE contender...: that of the smallest figure (ms or least) among those that have any; else nothing
    local figure="$1" name best=
    shift
    for name in "$@"; do
        [ -s "$work/$name.ms" ] || continue
        if [ -z "$best" ] || less "$($figure "$name")" "$($figure "$best")"; then best=$name; fi
    done
    echo "$best"
}

run() { # contender
    local format i how options=("${flags[@]}")
    IFS=. read -r format i how <<<"$1"
    [ "$format" = fp32 ] || options+=(--amp "$format")
    if [ "$i" = paco ]; then
        try_measure "$1" "$paco" bench "$what" "${options[@]}" --repeats "$steps"
        return
    fi
    if [ "$how" = compile ]; then
        how_compiled[$1]=$(fastest least "$format.$i.nchw" "$format.$i.nhwc" | sed 's/.*\.//')
        how=${how_compiled[$1]}
        options+=(--compile)
    fi
    [ "$how" != nhwc ] || options+=(--channels-last)
    [ "$what" != eval ] || options+=(--eval)
    try_measure "$1" "${pythons[$i]}" tools/oracle/pytorch_step.py "${options[@]}" --threads "$threads" --steps "$steps"
}

# One round of those in `running`. Who fails is told of and leaves; paco in float32 must not.
run_round() {
    local name left=()
    for name in "${running[@]}"; do
        if run "$name"; then
            left+=("$name")
        else
            echo "# $case: ${name%%.*} $(name_of "$name") failed: $(tail -1 "$work/stderr")"
            [ "$name" != fp32.paco ] || exit 1
        fi
    done
    running=("${left[@]}")
}

of_format() { # format, pattern of the rest: of those in `running`
    printf '%s\n' "${running[@]}" | sed -n "/^$1\.$2\$/p"
}

near() { # FIGURE contender best: whether its figure is at most 1.15 times that of the best
    less "$($1 "$2")" "1.15 * $($1 "$3")"
}

# Leaves out those that the first round showed to be far behind, by its median and by its quickest step.
drop_slow() {
    local format name best quickest left=()
    for format in "${formats[@]}"; do
        best=$(fastest ms $(of_format "$format" '[0-9].*'))
        quickest=$(fastest least $(of_format "$format" '[0-9].*'))
        for name in $(of_format "$format" '.*'); do
            if [ "$name" = "$format.paco" ] || near ms "$name" "$best" || near least "$name" "$quickest"; then
                left+=("$name")
            fi
        done
    done
    running=("${left[@]}")
}

row() { # contender, what paco's time and memory are divided by it: contender or nothing; mark
    local over="${2:-}"
    local figures=(-v ms="$(ms "$1")" -v mib="$(median <"$work/$1.mib")" -v gflops="$(median <"$work/$1.gflops")"
                   -v peak="$(median <"$work/$1.peak")")
    [ -z "$over" ] || figures+=(-v pms="$(ms "$over")" -v pmib="$(median <"$work/$over.mib")")
    awk -v format="${1%%.*}" -v name="$(name_of "$1")" -v mark="${3:-}" -v over="${over%%.*}" \
        -v once="$([ "$(wc -l <"$work/$1.ms")" = 1 ] && [ "$rounds" -gt 1 ] && echo "  once")" "${figures[@]}" 'BEGIN {
        line = sprintf("  %-5s %1s %-36s %9.1f ms %7.0f MiB", format, mark, name, ms, mib)
        if (gflops != "") line = line sprintf("  %7.1f GFLOP/s, %.0f %% of peak", gflops, peak)
        if (over != "") line = line sprintf("  %stime ratio %.3f  memory ratio %.3f", over == format ? "" : over "/" format " ",
                                            pms / ms, pmib / mib)
        print line once}'
}

report() { # of the case: each contender, and paco in the same format, or in float32, over it
    local format name best over
    echo "$case"
    for format in "${formats[@]}"; do
        best=$(fastest ms $(ls "$work" | sed -n "s/^\($format\.[0-9].*\)\.ms$/\1/p"))
        for name in $(contenders "$format"); do
            [ -s "$work/$name.ms" ] || continue
            over=
            [ "$name" = "$format.paco" ] || ! [ -s "$work/$format.paco.ms" ] || over=$format.paco
            row "$name" "$over" "$([ "$name" = "$best" ] && echo '*')"
        done
        if [ -n "$best" ] && [ "$format" != fp32 ] && [ -s "$work/fp32.paco.ms" ]; then
            row "$best" fp32.paco '*'
        fi
    done
}

{
    echo "# $(machine), $threads cores; PyTorch: ${versions[*]:-none: no python3 with torch and torchvision}"
    echo "# medians of $rounds alternating rounds of $steps; ratios: paco over PyTorch; $("$paco" devices 2>/dev/null | grep -m1 '^[a-z]*:[0-9]')"
    for case in "${cases[@]}"; do
        IFS=, read -r what arch batch size classes dim queue <<<"$case"
        rm -f "$work"/*.ms "$work"/*.least "$work"/*.mib "$work"/*.gflops "$work"/*.peak
        flags=(--arch "$arch" --batch "$batch" --size "$size" --classes "$classes" --dim "$dim" --queue "$queue")
        declare -A how_compiled=()
        running=($(for format in "${formats[@]}"; do contenders "$format"; done))
        for ((i = 0; i < rounds; i++)); do
            run_round
            [ "$i" != 0 ] || drop_slow
        done
        report
    done
} | tee_out
