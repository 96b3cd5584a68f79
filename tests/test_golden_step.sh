#!/bin/bash
# paco verify on golden files of training steps: the CIFAR family and one ImageNet model on OpenCL, fused and not,
# and with the kernels of GPUs. The reference takes a minute for all of them, so it gets the smallest here. PACO_FULL=1
# takes every file on everything; programs with sanitizers are slow and get two. Files of 16-bit steps (NAME_bf16,
# NAME_fp16) say to 1e-9 where the reference rounds.
set -u
paco=$1
. "$(dirname "$0")/material.sh"
folder=$golden/step
additional_golden step
if [ "${PACO_FULL:-0}" = 1 ]; then
    ref=("$folder"/*.json "${more[@]}")
    opencl=("${ref[@]}")
    few=("${opencl[@]}")
else
    ref=("$folder"/resnet20_sharp.json "$folder"/resnet20_balanced_softmax.json "$folder"/resnet20_bf16.json
         "$folder"/resnet20_overflow_fp16.json)
    opencl=("$folder"/resnet20*.json "$folder"/resnet32*.json "$folder"/resnet18*.json "${more[@]}")
    few=("$folder"/resnet20_sharp.json "$folder"/resnet18.json "$folder"/resnet18_bf16.json
         "$folder"/resnet20_overflow_fp16.json)
    if ldd "$paco" | grep -qE 'lib(asan|ubsan|tsan)'; then
        few=("$folder"/resnet20_sharp.json)
        ref=("${few[@]}")
        opencl=("$folder"/resnet20_sharp.json "$folder"/resnet20_balanced_softmax.json)
    fi
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
