#!/usr/bin/env bash
# The CUDA backend on the simulated GPU (tests/cuda_sim): its steps and operators as on any device, training steps against
# golden files in float32, fp16 and bf16, and what it says where it cannot work. PACO_FULL=1: every file up to 64 pixels.
# Under sanitizers small cases alone, and single steps.
set -u
paco=$1
sim=$(dirname "$paco")/sim
tests=$(dirname "$paco")/tests
[ -e "$sim/libpaco_cuda.so" ] || { echo "skipped: no simulated GPU: built without the CUDA toolkit, cuDNN or a C++ compiler"; exit 77; }
export PACO_BACKENDS=$sim PACO_TEST_DEVICE=cuda
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

run() { # WHAT COMMAND...
    local what=$1
    shift
    "$@" >"$out" 2>&1 || { echo "FAILED: $what: exit code $?"; cat "$out"; failed=1; return; }
    grep -F "without a graph" "$out" && { echo "FAILED: $what: steps that cannot be recorded"; failed=1; return; }
    echo "ok: $what"
}

# What executes cuDNN's plans is one and the same here: more of them prove little.
few=
[ -n "${PACO_FULL:-}" ] || { few=yes; export PACO_TEST_CANDIDATES=8; }
small=
! nm -D "$paco" 2>/dev/null | grep -q __asan_init || small=yes
for test in test_backend test_gemm test_conv test_conv_stored test_ops; do
    [ -z "$small" ] || [ "$test" != test_conv_stored ] || continue # it has no small cases
    run "$test" env ${small:+PACO_TEST_TINY=1} "$tests/$test"
done

files=(loss/odd_shapes loss/tiny step/resnet20_bf16)
[ -n "$small" ] || files+=(loss/all_weights loss/extreme_logits step/resnet20 step/resnet20_fp16
    step/resnet20_overflow_fp16)
[ -z "${PACO_FULL:-}" ] ||
    files+=(loss/batch1 loss/cifar100_lt loss/imagenet loss/imagenet_lt loss/inat loss/resnext_t007 step/resnet18
            step/resnet18_bf16 step/resnet20_balanced_softmax step/resnet20_schedule step/resnet20_sharp
            step/resnet32_4ranks step/resnet32_4ranks_fp16 step/resnet32_cross_entropy step/resnet32_nomlp_balanced
            step/resnet50_2ranks step/resnext50)
for file in "${files[@]}"; do
    run "$file" "$paco" verify --device cuda:0 ${small:+--steps 1} "$file"
    case $file in
        step/*_bf16|step/*_fp16) # step/resnet20_overflow_fp16 has what overflows
            [ -z "$small" ] || continue
            cp "$out" "$out.graphs"
            run "$file without graphs" "$paco" verify --device cuda:0 --kernels graphs=off "$file"
            cmp "$out" "$out.graphs" || { echo "FAILED: $file: other numbers without graphs"; failed=1; } ;;
    esac
done
rm -f "$out.graphs"
[ -n "$small" ] || run test_parity env ${few:+PACO_SHORT=1} "$tests/test_parity"

# Copies of weights in 16 bits are made anew on resume: a run that was stopped ends with the bits of one that was not.
resumes() { # FORMAT
    local options=("${tiny_options[@]}" --size 8 --threads 2 --device cuda:0 --amp "$1")
    rm -rf "$folder/whole" "$folder/parts"
    run "training in $1" "$paco" train "${options[@]}" --out "$folder/whole"
    "$paco" train "${options[@]}" --out "$folder/parts" --stop-after 5 >"$out" 2>&1
    [ $? = 75 ] || { echo "FAILED: a stop: $(cat "$out")"; failed=1; }
    run "resuming in $1" "$paco" train "${options[@]}" --out "$folder/parts" --resume auto
    for at in whole parts; do "$paco" convert "$folder/$at/last.pth.tar" "$folder/$at.safetensors" >"$out" 2>&1; done
    cmp "$folder/whole.safetensors" "$folder/parts.safetensors" || { echo "FAILED: resumed in $1: tensors differ"; failed=1; }
}
if [ -z "$small" ]; then
    . "$(dirname "$0")/tiny_data.sh"
    folder=$(mktemp -d)
    trap 'rm -rf "$out" "$folder"' EXIT
    tiny_data "$paco" "$folder/data" || { echo "FAILED: no images"; failed=1; }
    resumes fp16
    [ -z "${PACO_FULL:-}" ] || resumes bf16
fi

# Where others have so much of the GPU's memory that activations cannot be kept, or take it when a plan was made, they are
# computed again: a run goes on with less memory, and neither its bits nor what a checkpoint notes of arithmetic differ.
memory_of() { sed -nE 's/.*device memory: ([0-9]+) MiB, .*/\1/p' "$out"; }
shares() { # SETTING
    local options=("${tiny_options[@]}" --threads 2 --device cuda:0 --batch 32) whole parts
    rm -rf "$folder/whole" "$folder/parts"
    run "training with all memory" "$paco" train "${options[@]}" --out "$folder/whole"
    whole=$(memory_of)
    "$paco" train "${options[@]}" --out "$folder/parts" --stop-after 1 >"$out" 2>&1
    [ $? = 75 ] || { echo "FAILED: a stop: $(cat "$out")"; failed=1; }
    run "going on with less memory ($1)" env "$1=$((8192 - whole))" "$paco" train "${options[@]}" --out "$folder/parts" --resume auto
    parts=$(memory_of)
    [ "${parts:-$whole}" -lt "$whole" ] || { echo "FAILED: $1: ${parts:-?} MiB, not less than $whole"; failed=1; }
    ! grep "other arithmetic" "$out" || { echo "FAILED: $1: memory is no arithmetic"; failed=1; }
    for at in whole parts; do "$paco" convert "$folder/$at/last.pth.tar" "$folder/$at.safetensors" >"$out" 2>&1; done
    cmp "$folder/whole.safetensors" "$folder/parts.safetensors" || { echo "FAILED: $1: tensors differ"; failed=1; }
}
if [ -z "$small" ]; then
    shares PACO_SIM_OTHERS_MIB
    shares PACO_SIM_LATE_MIB
fi

# refused EXIT_CODE TEXT [NAME=VALUE...] -- ARGUMENTS...: one line that holds the text.
refused() {
    local code=$1 text=$2 settings=()
    shift 2
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    shift
    env "${settings[@]}" "$paco" "$@" >/dev/null 2>"$out"
    local seen=$?
    [ "$seen" = "$code" ] && [ "$(grep -c . "$out")" = 1 ] && grep -qF -- "$text" "$out" && { echo "ok: $text"; return; }
    echo "FAILED: exit code $seen, not $code with \"$text\":"
    cat "$out"
    failed=1
}
step=(bench step --arch resnet20 --size 16 --batch 4 --repeats 1 --untimed 0)
refused 8 "the NVIDIA driver is too old: it serves CUDA 12.4, this module needs" PACO_SIM_DRIVER=12040 -- "${step[@]}" --device cuda:0
refused 8 "no NVIDIA driver on this machine" PACO_SIM_DRIVER=0 -- "${step[@]}" --device cuda:0
refused 8 "its compute capability is 7.5, this backend needs 8.0 (Ampere) or newer" PACO_SIM_ARCHITECTURE=75 -- "${step[@]}" --device cuda:0
refused 8 "cuda:3" -- "${step[@]}" --device cuda:3
refused 2 "kernels fast: neither gpu, graphs=off, nccl=off nor a plan such as" -- "${step[@]}" --device cuda:0 --kernels fast
refused 5 "MiB" PACO_SIM_MIB=4 -- "${step[@]}" --device cuda:0
few=(verify --device cuda:0 step/resnet20)
refused 5 "the plan needs more than the device has left (" PACO_SIM_OTHERS_MIB=8150 -- "${few[@]}"
refused 5 "the plan needs more than the device has left (" PACO_SIM_LATE_MIB=8150 -- "${few[@]}"
exit $failed
