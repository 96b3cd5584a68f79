#!/bin/bash
# paco verify on golden files of training steps: the CIFAR family and one ImageNet model on OpenCL, fused and not,
# and with the kernels of GPUs. The reference takes a minute for all of them, so it gets the smallest here. PACO_FULL=1
# takes every file on everything; programs with sanitizers are slow and get two. Files of 16-bit steps say how the
# reference rounds, to 1e-9; OpenCL gets them when its convolutions store 16 bits (opencl16).
set -u
paco=$1
. "$(dirname "$0")/material.sh"
folder=$golden/step
additional_golden step
opencl16=0

float32_only() { # FILE...: those that are not of 16-bit steps
    printf '%s\n' "$@" | grep -vE '_(bf16|fp16)\.json$'
}

if [ "${PACO_FULL:-0}" = 1 ]; then
    ref=("$folder"/*.json "${more[@]}")
    opencl=("${ref[@]}")
    few=("${opencl[@]}")
else
    ref=("$folder"/resnet20_sharp.json "$folder"/resnet20_balanced_softmax.json "$folder"/resnet20_bf16.json
         "$folder"/resnet20_overflow_fp16.json)
    opencl=("$folder"/resnet20*.json "$folder"/resnet32*.json "$folder"/resnet18.json "${more[@]}")
    few=("$folder"/resnet20_sharp.json "$folder"/resnet18.json "$folder"/resnet20_bf16.json
         "$folder"/resnet20_overflow_fp16.json)
    if ldd "$paco" | grep -qE 'lib(asan|ubsan|tsan)'; then
        few=("$folder"/resnet20_sharp.json)
        ref=("${few[@]}")
        opencl=("$folder"/resnet20_sharp.json "$folder"/resnet20_balanced_softmax.json)
    fi
fi
if [ $opencl16 = 0 ]; then
    mapfile -t opencl < <(float32_only "${opencl[@]}")
    mapfile -t few < <(float32_only "${few[@]}")
fi
"$paco" verify --device ref "${ref[@]}" || exit 1
"$paco" verify --device opencl "${opencl[@]}"
code=$?
if [ $code = 8 ]; then
    echo "skipped: no OpenCL device"
    exit 77
fi
[ $code = 0 ] || exit 1
"$paco" verify --device opencl --no-fuse "${few[@]}" || exit 1
"$paco" verify --device opencl --kernels gpu "${few[@]}"
