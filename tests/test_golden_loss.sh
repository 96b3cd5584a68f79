#!/bin/bash
# paco verify on every golden file of the loss, on the float64 reference and on OpenCL.
set -u
paco=$1
. "$(dirname "$0")/material.sh"
additional_golden loss
files=("$golden"/loss/*.json "${more[@]}")
"$paco" verify --device ref "${files[@]}" || exit 1
"$paco" verify --device opencl "${files[@]}"
code=$?
if [ $code = 8 ]; then
    echo "skipped: no OpenCL device"
    exit 77
fi
[ $code = 0 ] || exit 1
"$paco" verify --device opencl --kernels gpu "${files[@]}"
