#!/bin/bash
# paco verify on every golden file of the loss, on the float64 reference and on OpenCL.
set -u
paco=$1
files=("${PACO_SHARED:-../shared}"/golden/loss/*.json)
if [ ! -e "${files[0]}" ]; then
    echo "skipped: no golden files in ${PACO_SHARED:-../shared}/golden/loss"
    exit 77
fi
"$paco" verify --device ref "${files[@]}" || exit 1
"$paco" verify --device opencl "${files[@]}"
code=$?
if [ $code = 8 ]; then # no device
    echo "skipped on opencl"
    exit 77
fi
[ $code = 0 ] || exit 1
"$paco" verify --device opencl --kernels gpu "${files[@]}"
