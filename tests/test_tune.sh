#!/bin/bash
# Tuning of a tiny network on the kernels for GPUs, and what a plan makes of it: every convolution and product gets a
# named algorithm, a later plan runs the very ones, and the tuning of other kernels is a file of its own. Beside it,
# that `bench op` prints its figures.
paco=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The driver's own cache stays where it is: only what this program keeps is to be empty.
export POCL_CACHE_DIR="${POCL_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pocl}" XDG_CACHE_HOME="$work"
failures=0
fail() { echo "FAILED: $1"; failures=$((failures + 1)); }

"$paco" devices >"$work/devices" 2>&1 && grep -q '^opencl:' "$work/devices" || { echo "skipped: no OpenCL device"; exit 77; }

# A driver that has seen none of the kernels compiles for minutes: the gradients' take part with PACO_FULL=1.
what=eval steps=7
[ -n "$PACO_FULL" ] && what=step steps=25
model=(--arch resnet20 --batch 2 --size 8 --classes 10 --dim 8 --queue 16)
"$paco" tune $what "${model[@]}" --kernels gpu >"$work/tuned" 2>"$work/errors" || { cat "$work/errors"; fail "tune"; }
table=("$work"/openpaco/tuning-*-gpu-*.txt)
[ -f "${table[0]}" ] || fail "no tuning file"
sed -n 's/^\(conv[^=]*\|gemm[^=]*\) = \([^ ]*\) .*/\1=\2/p' "${table[0]}" >"$work/keys"
[ "$(wc -l <"$work/keys")" -ge $steps ] || fail "$(wc -l <"$work/keys") steps tuned, expected at least $steps"
grep -vE '=(gpu-(tile|weight-tile|gemm)-[0-9]+x[0-9]+|clblast)$' "$work/keys" && fail "algorithms that are not the GPU's"

# The winner of one layer replaced by another candidate: a plan follows the file.
key='conv.forward N2 C64 H2 W2 K64 R3 S3 stride1 pad1 groups1'
grep -q "^$key = " "${table[0]}" || fail "no line for $key"
sed -i "s/^$key = .*/$key = gpu-tile-64x16 0.1/" "${table[0]}"
layer=(bench op conv 2 64 2 2 64 3 1 --repeats 1 --profile)
"$paco" "${layer[@]}" --kernels gpu >"$work/json" 2>"$work/profile" || fail "bench op conv"
grep -q 'gpu-tile-64x16$' "$work/profile" || fail "the plan does not follow the tuning file"
"$paco" "${layer[@]}" --kernels cpu >"$work/json" 2>"$work/profile" || fail "bench op conv, cpu"
grep -q 'gpu-' "$work/profile" && fail "kernels for processors took the GPU's tuning"

# Tuning the one kind leaves the other's file alone, in either order.
gpu_sum=$(sha256sum <"${table[0]}")
"$paco" tune eval "${model[@]}" --kernels cpu >"$work/tuned" 2>"$work/errors" || { cat "$work/errors"; fail "tune, cpu"; }
other=("$work"/openpaco/tuning-*-cpu-*.txt)
grep -q '^kernels cpu$' "${other[0]}" || fail "no tuning file of the kernels for processors"
[ "$(sha256sum <"${table[0]}")" = "$gpu_sum" ] || fail "tuning the kernels for processors changed the GPU's file"
cpu_sum=$(sha256sum <"${other[0]}")
"$paco" tune eval "${model[@]}" --kernels gpu >"$work/tuned" 2>"$work/errors" || { cat "$work/errors"; fail "tune again"; }
[ "$(sha256sum <"${other[0]}")" = "$cpu_sum" ] || fail "tuning the GPU's kernels changed the processors' file"
[ "$(ls "$work"/openpaco/tuning-*.txt | wc -l)" = 2 ] || fail "expected two tuning files"

# What is stored in 16 bits has results of its own, in the same file.
"$paco" tune eval "${model[@]}" --kernels gpu --amp bf16 >"$work/tuned" 2>"$work/errors" || { cat "$work/errors"; fail "tune, bf16"; }
for line in "$key" "$key bf16"; do grep -q "^$line = " "${table[0]}" || fail "no line for $line"; done

# What is forced by name is no winner: the table keeps what it knew.
algorithms() { sed -n 's,^\(conv.forward.* = [^ ]*\) .*,\1,p' "${table[0]}"; }
algorithms >"$work/before"
"$paco" tune eval "${model[@]}" --kernels gpu,conv.forward=gpu-tile-64x16 >"$work/tuned" 2>"$work/errors" ||
    fail "tune, forced"
grep -q '^conv.forward .* gpu-tile-64x16 *forced by --kernels, not tuned$' "$work/tuned" ||
    fail "tune does not say what is forced"
algorithms | diff "$work/before" - || fail "tuning kept an algorithm that was forced"

# Devices of another kind. A program with sanitizers cannot be preloaded into.
other=$(dirname "$paco")/tests/libopencl_other_device.so
if [ -e "$other" ] && ! ldd "$paco" | grep -qE 'lib(asan|ubsan|tsan)'; then
    sed -i "s/^$key = .*/$key = gpu-tile-64x16 0.1/" "${table[0]}"
    OTHER_UNITS=7 LD_PRELOAD=$other "$paco" "${layer[@]}" --kernels gpu >"$work/json" 2>"$work/profile" ||
        fail "seven units"
    grep -q 'gpu-tile-64x16$' "$work/profile" && fail "the tuning of two units was taken for that of seven"
    # A driver that refuses the default tile of 64 channels: the others are measured.
    OTHER_UNITS=7 OTHER_REFUSES="-DBM=64 -DVECS=4" LD_PRELOAD=$other "$paco" tune eval "${model[@]}" --kernels gpu \
        >"$work/tuned" 2>"$work/errors" || { cat "$work/errors"; fail "tune where the default is refused"; }
    grep -q '^paco: warning: gpu-tile-64x64 is left out: ' "$work/errors" ||
        { cat "$work/errors"; fail "what is left out is not said"; }
    grep -qE "^$key +gpu-tile" "$work/tuned" || fail "no tile but the default was tried"
    grep -q ' gpu-tile-64x64 ' "$work/tuned" && fail "a tile was kept that the driver refuses"
fi

"$paco" bench op paco 4 8 10 16 --repeats 3 >"$work/json" 2>"$work/errors" || { cat "$work/errors"; fail "bench op"; }
for field in ms_median ms_min ms_max gflops gb_per_s percent_of_peak peak_mib device_mib; do
    grep -qE "\"$field\": [0-9]+\.[0-9]" "$work/json" || fail "bench op: no $field"
done
[ "$failures" -eq 0 ] && echo "$(wc -l <"$work/keys") steps tuned; all as expected"
exit "$((failures > 0))"
