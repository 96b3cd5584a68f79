#!/usr/bin/env bash
# What nvcc made of the kernels, for each type of images and each architecture: no register spills, no memory of a thread's
# own, registers within a budget of 64 and within what a block's threads share; loops over memory load and store
# whole vectors: four lanes at once. What is otherwise stands in the table below, with its reason; a line that nothing
# needs is an error. Where teams count each other a fence stands on either side of the count.
set -uo pipefail
. "$(dirname "$0")/material.sh"
build=$(dirname "$1")
ptxas=$(sed -n 's/^PACO_NVCC:FILEPATH=//p' "$build/CMakeCache.txt" 2>/dev/null)
ptxas=${ptxas%nvcc}ptxas
[ -e "$build/backend_cuda/kernels_F32.o" ] && [ -x "$ptxas" ] ||
    { echo "skipped: no kernels of nvcc: built without the CUDA toolkit or with sanitizers"; exit 77; }
failed=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# KERNEL WHAT REASON
#   rest         loops of single elements beside those of vectors
#   single       nothing but single elements
#   store_8      in a loop of vectors a byte is stored
#   load         in a loop that stores vectors, single elements are loaded
#   registers=N  up to N instead of 64
#   stack=N      N bytes of a thread's own memory
cat >"$folder/allowed" <<'TABLE'
relu rest what is left of the last vector
relu_grad rest what is left of the last vector
add rest what is left of the last vector
sgd rest what is left of the last vector
sgd_scaled rest what is left of the last vector
ema rest what is left of the last vector
narrow rest what is left of the last vector
widen rest what is left of the last vector
paco_rows rest the gradient of logits, and what is left of rows
softmax_rows rest the gradient of logits, and what is left of rows
bn_apply store_8 a mask has one byte for a vector
images_floats load planes of colours
conv_part_finish load the bias, which lies unpadded
bn_fold single rows of weights, of any length
take_rank single rows of features and of labels, of any length
store_rank single rows of features and of labels, of any length
unshuffle single rows of features and of labels, of any length
queue_push single rows of features, of any length
label_place single counts logits before one
count_places single one team for a batch
mean_of_rank single one team for a batch
shortcut_a single channels move by any number
shortcut_a_grad single channels move by any number
conv_part_pack single weights change their order
conv_part_unpack single weights change their order
scale_update single one thread
peak_fma single computes, and stores once
grad_sum stack=96 a number of the step says which sums are meant
bn_grad_sums registers=112 two pixels at a time, their sums and what was masked
bn_pair_grad_sums registers=112 two pixels of two images at a time, their sums and what was masked
peak_fma registers=80 its chains are to be in registers
paco_rows registers=128 a team for each image: never many
TABLE

# ptx_findings TYPE FILE: "KERNEL FINDING" of each kernel. A loop is what lies between a label and a branch back to it;
# an access belongs to the smallest around it.
ptx_findings() {
    awk -v vector_bytes="$([ "$1" = F32 ] && echo 16 || echo 8)" '
        function lanes(word) { return match(word, /\.v[248]/) ? substr(word, RSTART + 2, 1) + 0 : 1 }
        function bits(word) { return match(word, /[0-9]+$/) ? substr(word, RSTART) + 0 : 0 }
        function of_loop(at,   j, best) {
            for (j = 1; j <= loops; j++)
                if (from[j] <= at && at <= till[j] && (!best || till[j] - from[j] < till[best] - from[best]))
                    best = j
            return best
        }
        function done(   i, j, w, wide, any, singles, bytes) {
            for (i = 1; i <= accesses; i++) {
                if (!(j = of_loop(place[i])))
                    continue
                w = word[i]
                wide = lanes(w) * bits(w) / 8 >= vector_bytes
                store = w ~ /^st/
                if (wide) { any = 1; vectors[j] = 1; if (store) stores[j] = 1 }
                else if (lanes(w) == 1 && bits(w) > 8) { if (store) put[j] = 1; else got[j] = 1 }
                else if (store && lanes(w) == 1) byte[j] = 1
            }
            for (j = 1; j <= loops; j++) {
                if (vectors[j] && put[j] && !nested(j)) print kernel, "store"
                if (vectors[j] && byte[j]) print kernel, "store_8"
                if (stores[j] && got[j] && !nested(j)) print kernel, "load"
                if (put[j] && !vectors[j]) singles = 1
            }
            if (!any) print kernel, "single"
            else if (singles) print kernel, "rest"
            if (order ~ /c/ && order !~ /^f+cf+$/) print kernel, "unfenced"
            if (!declared) print kernel, "no_bounds"
            print kernel, "block=" declared + 0
            delete vectors; delete stores; delete put; delete got; delete byte; delete label
            accesses = loops = declared = 0
            order = ""
        }
        # A loop around others: what it does between them is not done for each element.
        function nested(j,   k) {
            for (k = 1; k <= loops; k++)
                if (k != j && from[j] <= from[k] && till[k] <= till[j] && till[k] - from[k] < till[j] - from[j])
                    return 1
            return 0
        }
        { line++ }
        /\.entry _Z[0-9]+/ {
            match($0, /_Z[0-9]+/)
            kernel = substr($0, RSTART + RLENGTH, substr($0, RSTART + 2, RLENGTH - 2))
        }
        /^\.maxntid/ { declared = $2 + 0 }
        /membar\.gl|fence\.(sc|acq_rel)\.gpu/ { order = order "f" }
        /atom\.global\.inc/ { order = order "c" }
        /^\$L_/ { l = $1; sub(/:.*/, "", l); label[l] = line }
        /(^|[ \t])bra/ { l = $NF; sub(/;/, "", l); if (l in label) { from[++loops] = label[l]; till[loops] = line } }
        /(ld|st)\.global/ { w = $1 ~ /^@/ ? $2 : $1; place[++accesses] = line; word[accesses] = w }
        /^}/ { if (kernel) done(); kernel = "" }' "$2" | sort -u
}

# resources FILE: "KERNEL REGISTERS STACK SPILLS" of what ptxas -v says.
resources() {
    awk '
        /Compiling entry function/ {
            match($0, /_Z[0-9]+/)
            kernel = substr($0, RSTART + RLENGTH, substr($0, RSTART + 2, RLENGTH - 2))
        }
        /bytes stack frame/ { stack = $1; spills = $5 + $9 }
        /Used [0-9]+ registers/ { match($0, /Used [0-9]+/); print kernel, substr($0, RSTART + 5, RLENGTH - 5), stack, spills }' "$1"
}

# judge ALLOWED FINDINGS RESOURCES: what is wrong; lines of the table that were of use are added to the file "used".
judge() {
    awk -v used="$folder/used" '
        FILENAME == ARGV[1] { ok[$1, $2] = 1; split($2, p, "="); if (p[2]) limit[$1, p[1]] = p[2]; next }
        FILENAME == ARGV[2] {
            if ($2 ~ /^block=/) { block[$1] = substr($2, 7); next }
            if (ok[$1, $2]) print $1, $2 >>used
            else print $1 ": " $2
            next
        }
        function most(what, usual, seen) {
            if (seen > usual && limit[$1, what]) print $1, what "=" limit[$1, what] >>used
            return limit[$1, what] > usual ? limit[$1, what] : usual
        }
        {
            if ($2 > most("registers", 64, $2)) print $1 ": " $2 " registers"
            if (int(($2 + 7) / 8) * 8 * block[$1] > 65536) print $1 ": " $2 " registers in each of " block[$1] " threads"
            if ($3 > most("stack", 0, $3)) print $1 ": " $3 " bytes of stack"
            if ($4 > 0) print $1 ": " $4 " bytes of spills"
        }' "$@"
}

{ sed -n 's/^KERNEL(\([a-z0-9_]*\),.*/\1/p' "$tests/../src/device/kernels.def"
  sed -n 's/^ *X(\([a-z0-9_]*\), [0-9]).*/\1/p' "$tests/../kernels_cu/conv_parts.h"; } | sort >"$folder/kernels"
for type in F32 F16 BF16; do
    for ptx in "$build/backend_cuda/parts_$type"/table*.ptx; do
        what="$type $(sed -n 's/^\.target //p' "$ptx")"
        arch=$(sed -n 's/^\.target \(sm_[0-9]*\).*/\1/p' "$ptx")
        "$ptxas" -v -arch="$arch" "$ptx" -o /dev/null 2>"$folder/said" || { echo "FAIL: $what"; cat "$folder/said"; failed=1; }
        ptx_findings "$type" "$ptx" >"$folder/findings"
        resources "$folder/said" >"$folder/resources"
        cut -d' ' -f1 "$folder/resources" | sort | diff "$folder/kernels" - ||
            { echo "FAIL: $what: kernels of the lists (<) and those that were compiled (>)"; failed=1; }
        judge "$folder/allowed" "$folder/findings" "$folder/resources" >"$folder/wrong"
        [ ! -s "$folder/wrong" ] || { sed "s/^/FAIL: $what: /" "$folder/wrong"; failed=1; }
        echo "$what: $(wc -l <"$folder/resources") kernels, at most $(sort -k2n "$folder/resources" | tail -1 | cut -d' ' -f2) registers"
    done
done
cut -d' ' -f1,2 "$folder/allowed" | sort | comm -23 - <(sort -u "$folder/used") | sed 's/^/FAIL: nothing needs the line: /' | tee "$folder/idle"
[ ! -s "$folder/idle" ] || failed=1

# What is wrong is seen: a vector in four stores, a vector that is loaded lane by lane, a scalar loop, no bounds; a count
# before a fence; spills, stack and registers.
{
    printf '.visible .entry _Z3sgd(\n{\natom.global.inc.u32\nmembar.gl;\n}\n'
    for body in 'ld.global.v4.f32\nst.global.f32' 'ld.global.f32\nst.global.wb.v4.f32' 'ld.global.f32\nst.global.f32'; do
        printf '.visible .entry _Z4relu(\n{\n$L__1:\n%b\nbra $L__1;\n}\n' "$body"
    done
} >"$folder/planted.ptx"
ptx_findings F32 "$folder/planted.ptx" | tr '\n' ' ' >"$folder/seen"
[ "$(cat "$folder/seen")" = "relu block=0 relu load relu no_bounds relu single relu store sgd block=0 sgd no_bounds sgd single sgd unfenced " ] ||
    { echo "FAIL: of planted loops was seen: $(cat "$folder/seen")"; failed=1; }
printf 'relu block=1024\n' >"$folder/findings"
printf 'relu 72 8 4\n' >"$folder/resources"
[ "$(judge "$folder/allowed" "$folder/findings" "$folder/resources" | wc -l)" = 4 ] ||
    { echo "FAIL: planted spills, stack and registers are not seen"; failed=1; }
exit $failed
