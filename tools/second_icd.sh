#!/usr/bin/env bash
# Runs a command on a second OpenCL implementation beside PoCL: Intel's runtime for processors (x86-64, also AMD's). Its
# compiler is another one, and it has sub-groups, so that GPU kernels take that path too.
#     tools/second_icd.sh build/paco devices
#     tools/second_icd.sh ctest --test-dir build -R 'ops|gemm|conv|parity'
# The runtime (some 400 MB, Intel's licence) is fetched once from PyPI, into SECOND_ICD or the user's cache folder.
. "$(dirname "$0")/help.sh"
set -euo pipefail
folder="${SECOND_ICD:-${XDG_CACHE_HOME:-$HOME/.cache}/openpaco/second_icd}"

if [ ! -e "$folder/ready" ]; then
    [ "$(uname -m)" = x86_64 ] || { echo "skipped: Intel's runtime is for x86-64" >&2; exit 77; }
    rm -rf "$folder"
    python3 -m venv "$folder" >&2 || { echo "second_icd.sh: needs python3-venv" >&2; exit 2; }
    "$folder/bin/pip" install --quiet intel-opencl-rt intel-cmplr-lib-rt >&2
    rm -f "$folder"/lib/libOpenCL.so* # the system's loader stays
    mkdir -p "$folder/vendors"
    echo "$folder/lib/libintelocl.so" >"$folder/vendors/intel.icd"
    touch "$folder/ready"
fi
export LD_LIBRARY_PATH="$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" OCL_ICD_VENDORS="$folder/vendors"
exec "$@"
