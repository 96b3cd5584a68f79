#!/bin/bash
# Kernels on devices unlike this one: many compute units or few, small work-groups, little local memory, wide
# alignment, and memory that is not zero (opencl_other_device.c). Products and convolutions of odd shapes, operators,
# and a golden step; PACO_FULL=1: more of them. Programs with sanitizers cannot be preloaded into.
set -u
build=$(dirname "$1")
device=$build/tests/libopencl_other_device.so
if [ ! -e "$device" ]; then
    echo "skipped: no OpenCL backend"
    exit 77
fi
if ldd "$1" | grep -qE 'lib(asan|ubsan|tsan)'; then
    echo "skipped: a program with sanitizers"
    exit 77
fi
. "$(dirname "$0")/material.sh"
golden=$golden/step/resnet20.json

# Runs a command with OTHER_* in its environment.
other() {
    LD_PRELOAD=$device "$@" >"$log" 2>&1 && return
    [ $? = 77 ] && { cat "$log"; exit 77; }
    echo "FAILED as a device of$(env | sed -n 's/^OTHER_/ /p' | tr '\n' ' '): $*"
    tail -20 "$log"
    failed=1
}

looks_like() { # units, group, local memory, alignment in bits, command...
    OTHER_UNITS=$1 OTHER_GROUP=$2 OTHER_LOCAL=$3 OTHER_ALIGN=$4 other "${@:5}"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
"$1" devices | grep -q '^opencl' || { echo "skipped: no OpenCL device"; exit 77; }
looks=("132 1024 49152 4096" "8 64 32768 1024")
locals=(32768 262144)
[ -z "${PACO_FULL:-}" ] || { looks+=("16 256 32768 1024" "512 128 16384 1024"); locals+=(65536); }
for look in "${looks[@]}"; do
    read -ra look <<<"$look"
    for test in gemm conv ops; do
        PACO_TEST_TINY=1 PACO_TEST_KERNELS=gpu looks_like "${look[@]}" "$build/tests/test_$test"
    done
    looks_like "${look[@]}" "$1" verify --device opencl --kernels gpu "$golden"
done
# Processors whose local memory is small: rows are cut into pieces, also those of an image of 224.
for local in "${locals[@]}"; do
    export OTHER_LOCAL=$local
    tests=(gemm conv)
    [ $local != 32768 ] && [ -z "${PACO_FULL:-}" ] || tests+=(conv_stored) # rows in the most pieces
    for test in "${tests[@]}"; do PACO_TEST_KERNELS=cpu other "$build/tests/test_$test"; done
    other "$1" bench step --arch resnet18 --batch 2 --queue 64 --repeats 1 --untimed 0 --kernels cpu
    other "$1" verify --device opencl --kernels cpu "$golden"
    unset OTHER_LOCAL
done
# A processor of narrow registers takes small tiles.
export OTHER_VECTOR=8
PACO_TEST_KERNELS=cpu other "$build/tests/test_conv"
other "$1" verify --device opencl --kernels cpu "$golden"
other "$1" bench op conv 1 32 12 12 32 3 1 --kernels cpu --profile --repeats 1
[ "$(grep -cE 'cpu-(band|winograd)-(6|4)x1' "$log")" -ge 2 ] || { echo "FAILED: $(cat "$log")"; failed=1; }
unset OTHER_VECTOR
# A GPU, and what a driver calls neither GPU nor processor.
for type in 4 8; do
    OTHER_TYPE=$type looks_like 16 256 32768 1024 "$build/tests/test_backend"
done
# A clock that sees no kernel's time: no figure is infinite.
OTHER_CLOCK=7 other "$1" bench op conv 1 16 4 4 16 3 1 --profile
grep -q 'conv_forward .* 0\.0%' "$log" && ! grep -qiE '\b(nan|inf)\b' "$log" ||
    { echo "FAILED: $(cat "$log")"; failed=1; }
# Of two devices the processor is taken before an accelerator, and a GPU before both. PoCL can be two devices.
export POCL_DEVICES="basic pthread"
if [ "$("$1" devices | grep -cE '^opencl:[01]  (basic|pthread)')" = 2 ]; then
    for of in "8 basic pthread" "8 pthread basic" "4 basic basic" "4 pthread pthread"; do
        read -r OTHER_TYPE OTHER_DEVICE chosen <<<"$of"
        export OTHER_TYPE OTHER_DEVICE
        other "$1" bench op sgd 1 16 --repeats 1
        grep -q "\"device\": \"$chosen" "$log" ||
            { echo "FAILED: type $OTHER_TYPE is $OTHER_DEVICE: $(cat "$log")"; failed=1; }
    done
fi
exit $failed
