#!/usr/bin/env bash
# What `paco plan` and `--profile` print: a summary that adds up, every step with bytes that are not zero and its place,
# each stage of --dump, refusals that say what would fit; `bench op` for every operator of its list; evaluation of a single image.
set -u
paco=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAIL: $*"; failed=1; }

# seen FILE PATTERN, unseen FILE PATTERN: extended regular expressions
seen() { grep -qE -- "$2" "$1" || fail "$(basename "$1"): no '$2'"; }
unseen() { ! grep -E -- "$2" "$1" | grep -q . || fail "$(basename "$1"): '$2'"; }

small=(--arch resnet20 --size 16 --batch 4 --dim 16 --queue 32)
"$paco" devices >"$work/devices" 2>&1 && grep -q '^opencl:' "$work/devices" || { echo "skipped: no OpenCL device"; exit 77; }
"$paco" plan step "${small[@]}" >"$work/plan" 2>"$work/errors" || fail "plan: $(cat "$work/errors")"
for stage in graph fuse steps memory; do
    "$paco" plan step "${small[@]}" --dump $stage >"$work/out" 2>"$work/$stage" || fail "plan --dump $stage"
    [ ! -s "$work/out" ] || fail "plan --dump $stage: something on stdout"
done

# stages: what fusion makes is not there before it, and what it swallows not after it
seen "$work/graph" '^KEY +relu '
unseen "$work/graph" 'bn_relu|bn_add_relu'
seen "$work/fuse" '^KEY +bn_relu '
unseen "$work/fuse" '^KEY +relu '
seen "$work/memory" '^in all +[0-9]+\.[0-9]$'

# the summary: of what it is, memory by kind and steps by segment, which add up to those of the stages
head -1 "$work/plan" | grep -q "^resnet20, batch 4, for " || fail "plan does not say of what and for which device it is"
adds_up() { # PLAN STEPS MEMORY RANKS
    awk -v ranks="$4" '
        FILENAME == ARGV[1] { if (/^in all /) whole = $3; next }
        FILENAME == ARGV[2] { lines[$2]++; next }
        /^memory / { kinds = 1; next } /^segment / { kinds = 0; segments = 1; next }
        kinds && /^in all / { bad += ($3 - mib) ^ 2 > (0.051 * n) ^ 2 || $3 != whole; all = $3; next }
        kinds { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]$/) { mib += $i; n++; break } next }
        segments && /^in all / { bad += $3 != times; done = 1; segments = 0; next }
        segments { times += $2 * $3; bad += $2 != lines[$1] || $3 != ($1 == "KEY" || $1 == "QUERY" ? ranks : 1) + 0; found++ }
        /^time: not predicted, .*`paco bench step`/ { said = 1 }
        END { exit bad || !done || !(all > 0) || n < 7 || found < 5 || !said }' "$3" "$2" "$1" ||
        { fail "a summary that does not add up:"; cat "$1"; }
}
adds_up "$work/plan" "$work/steps" "$work/memory" 1
for kind in parameters gradients momentum "key copy" state "inputs and outputs" activations workspace; do
    seen "$work/plan" "^$kind +[0-9]+\.[0-9]"
done
"$paco" plan step "${small[@]}" --ranks 2 >"$work/first" && "$paco" plan step "${small[@]}" --ranks 2 --dump steps 2>"$work/two_steps" &&
    "$paco" plan step "${small[@]}" --ranks 2 --dump memory 2>"$work/two_memory" || fail "plan of two ranks"
adds_up "$work/first" "$work/two_steps" "$work/two_memory" 2

# steps: every line is whole, and nothing moves nothing
unseen "$work/steps" ' 0\.00 KiB'
! grep -vE '^ *[0-9]+ (PROLOGUE|KEY|GATHER|QUERY|EPILOGUE) +[a-z_0-9]+ +.+ [0-9.]+ KiB +[0-9.]+ Mflop [%=].*\[[0-9,]+\]@' "$work/steps" |
    grep . || fail "lines of another form"
! grep -E ' conv_(forward|grad_data) ' "$work/steps" | grep -vE ' packed %[0-9]+\[[0-9]+\]@act' | grep . ||
    fail "a convolution without its weights"
parameters=$(awk '/^param / { print $3 }' "$work/memory")
awk -v mib="$parameters" '/ sgd / { for (i = 1; i < NF; i++) if ($i == "elements") at = $(i - 1)
        if ($(NF) == "elements") at = $(NF - 1)
        for (i = 1; i <= NF; i++) if ($i == "KiB") moved = $(i - 1) }
    END { if (at < 200000 || moved * 1024 < 19.9 * at || at * 4 / 1048576 > mib + 0.1) exit 1 }' "$work/steps" ||
    fail "sgd: $(grep ' sgd ' "$work/steps")"

# stored types are named where they are not float32
unseen "$work/steps" '\](fp32|fp16|bf16)@'
"$paco" plan step "${small[@]}" --amp bf16 --dump steps 2>"$work/stored" || fail "plan --amp bf16"
seen "$work/stored" ' conv_forward .*\]bf16@act'
seen "$work/stored" ' sgd .*\]@param'

# processes and nodes: what two nodes of one process exchange goes out of each once as pieces and once as sums, half of it
# for the other; what computing does not hide is the step's; within one node nothing goes over the network; more nodes
# never pay less in all nor more for each
spread=(plan step --arch resnet32 --size 16 --batch 8 --ranks 2 --dim 16 --queue 32 --latency 0)
"$paco" "${spread[@]}" --rank-ms 100 --processes 2 --nodes 2 --bandwidth 1 --svg "$work/picture.svg" >"$work/out" 2>"$work/errors" ||
    fail "plan --processes: $(cat "$work/errors")"
awk '/of gradients/ { for (i = 1; i < NF; i++) if ($(i + 1) == "MB") mb = $i }
    NR == 3 { bad = $1 != 2 || $2 != 2 || $5 < 0.95 * mb / 0.125 || $5 > 1.05 * mb / 0.125 || $6 > $5 / 2 || $6 <= 0
              bad += $4 < $6 + 99.8 || $4 > $6 + 100.2 }
    NR == 5 { bad += $1 != 1 || $7 != 0 }
    NR > 5 { bad += $NF <= images || $(NF - 2) > efficiency }
    NR > 4 { images = $NF; efficiency = $(NF - 2) }
    END { exit bad || !mb || NR < 16 }' "$work/out" || { fail "plan --processes:"; cat "$work/out"; }
# behind so short a step nothing hides
"$paco" "${spread[@]}" --rank-ms 0.001 --processes 2 --nodes 2 --bandwidth 1 >"$work/out" 2>"$work/errors" &&
    awk 'NR == 3 { good = $6 > 0.95 * $5 } END { exit !good }' "$work/out" || { fail "plan --rank-ms 0.001"; cat "$work/out"; }
spread+=(--rank-ms 100)
grep -q '<polyline .*points="[0-9., ]*"/>' "$work/picture.svg" && tail -1 "$work/picture.svg" | grep -q '^</svg>$' || fail "no picture"
refuses() { # TEXT WORDS...
    local text=$1
    shift
    "$paco" "${spread[@]}" "$@" >"$work/out" 2>"$work/errors"
    [ $? = 2 ] && [ "$(grep -c . "$work/errors")" = 1 ] && grep -qF -- "$text" "$work/errors" ||
        { fail "plan $*: not exit 2 with '$text'"; cat "$work/errors"; }
}
refuses "--ranks 2: 3 processes cannot share them evenly (1, 2 can)" --processes 3
refuses "--nodes 3: 2 processes cannot be spread evenly" --processes 2 --nodes 3
refuses "plan: --bandwidth: not a number of at least 1e-06 ('fast')" --processes 2 --bandwidth fast
refuses "plan: --processes: not a whole number of at least 1 ('1.5')" --processes 1.5
refuses "are for --processes" --nodes 2
refuses "plan: --svg: value missing (FILE)" --processes 2 --svg

# profile: a line for each step, all figures numbers
"$paco" bench step "${small[@]}" --repeats 1 --untimed 0 --profile >"$work/json" 2>"$work/profile" ||
    fail "bench step --profile"
lines=$(sed '1,/ step$/d' "$work/profile" | wc -l)
[ "$lines" = "$(wc -l <"$work/steps")" ] || fail "profile: $lines steps, planned are $(wc -l <"$work/steps")"
! sed '1,/ step$/d' "$work/profile" | grep -vE '^ +[0-9.]+ +[0-9.]+% +[0-9.]+ +[0-9.]+ +[0-9.]+%  [a-z_0-9]+ +[^ ]' |
    grep . || fail "profile: lines of another form"
seen "$work/profile" '^peak measured: [0-9.]+ GFLOP/s, [0-9.]+ GB/s'
for kind in conv_forward conv_grad_data conv_grad_weight bn_apply gemm sgd ema; do seen "$work/profile" "^$kind +[0-9]"; done
for what in "step --arch resnet20 --size 16 --batch 4 --dim 16 --queue 32" "op conv 1 4 4 4 4 3 1"; do
    "$paco" bench $what --device ref --profile --repeats 1 --untimed 0 >"$work/out" 2>"$work/errors"
    [ $? = 2 ] || fail "bench $what --profile on the reference: not exit 2"
    seen "$work/errors" '^paco: error: --profile: the reference has no steps to time'
done

# several steps to one wait
"$paco" bench step --arch resnet20 --size 16 --batch 4 --dim 16 --queue 32 --repeats 1 --inner 3 >"$work/json" ||
    fail "bench step --inner"
seen "$work/json" '"inner": 3, .*"ms_median": [0-9.]+'
"$paco" bench step --inner 0 >"$work/out" 2>"$work/errors"
[ $? = 2 ] || fail "bench step --inner 0: not refused"

# what does not fit
"$paco" plan step --arch resnet20 --batch 8 --dim 4096 --queue 16777216 >"$work/out" 2>"$work/errors"
[ $? = 5 ] || fail "a queue of 256 GiB: not exit 5"
seen "$work/out" '^in all +[0-9]+\.[0-9]$' # the plan itself comes before its refusal
seen "$work/out" '^QUERY +[0-9]+ +1 '
seen "$work/errors" '^paco: error: .*: memory: queue is larger than a buffer of the device may be \([0-9]+ vs [0-9]+ MiB\)\. '
seen "$work/errors" 'No batch fits: [0-9]+ MiB do not depend on it, of them [0-9]+ MiB are queue$'
"$paco" plan step --arch resnet50 --batch 200000 --ranks 4 >"$work/out" 2>"$work/errors"
[ $? = 5 ] || fail "a batch of 200000: not exit 5"
seen "$work/errors" '^paco: error: .*: memory: .* \([0-9]+ vs [0-9]+ MiB.*\)\. --batch [0-9]+ \([0-9]+ per rank\) fits$'
read -r all each < <(sed -E 's/.*--batch ([0-9]+) \(([0-9]+) per rank.*/\1 \2/' "$work/errors")
[ "$all" = $((4 * each)) ] || fail "four times $each is not $all"
"$paco" plan step --arch resnet50 --batch "$all" --ranks 4 >"$work/out" 2>"$work/errors" ||
    fail "--batch $all: $(cat "$work/errors")"
"$paco" plan eval --arch resnet50 --batch 20000 --ranks 4 >"$work/out" 2>"$work/errors"
seen "$work/errors" '\. --batch [0-9]+ fits$'
seen "$work/out" '^activations +[0-9]+\.[0-9]$'
# a plan takes no memory, and a row of any image size has its place
"$paco" plan step --arch resnet50 --size 2048 --batch 2 --queue 64 >"$work/out" 2>"$work/errors"
seen "$work/out" '^in all +[0-9]+\.[0-9]$'
unseen "$work/errors" 'local memory'

# evaluation has no batch norm to feed
"$paco" bench eval --arch resnet20 --size 16 --batch 1 --ranks 2 --repeats 1 >"$work/json" 2>"$work/errors" ||
    fail "bench eval --batch 1: $(cat "$work/errors")"

# operators
for op in "conv 2 16 5 5 16 3 1" "bn 2 16 5 5" "pool 2 16 9 9 3 2" "linear 3 17 5" "paco 4 8 10 16" "sgd 100 100" "ema 100 100"; do
    # shellcheck disable=SC2086
    "$paco" bench op $op --repeats 1 >"$work/json" 2>"$work/errors" || fail "bench op $op: $(cat "$work/errors")"
    seen "$work/json" '"gflops": [0-9.]+, "gb_per_s": [0-9]+\.[0-9], "percent_of_peak": [0-9]+\.[0-9], "peak_mib"'
done
for wrong in "pool 2 16 90 90 17 2" "conv 2 16 5 5 16 3 1 3" "sgd 100" "sgd 0 1"; do
    # shellcheck disable=SC2086
    "$paco" bench op $wrong >"$work/json" 2>"$work/errors"
    [ $? = 2 ] || fail "bench op $wrong: not refused"
    seen "$work/errors" '^paco: error: bench op '
done
exit $failed
