#!/usr/bin/env bash
# The CUDA backend's libraries in Python's packages alone, as pip lays them: found there; absent: named in one line.
set -u
paco=$1
[ -e "$(dirname "$paco")/libpaco_cuda.so" ] || { echo "skipped: built without the CUDA toolkit"; exit 77; }
library=$(ldd "$(dirname "$paco")/libpaco_cuda.so" | sed -n 's/.*libcudnn_graph.so.9 => \([^ ]*\) .*/\1/p')
[ -n "$library" ] || { echo "skipped: no cuDNN that the loader finds"; exit 77; }
unshare -m true 2>/dev/null || { echo "skipped: no mount namespaces here"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
packages=$folder/venv/lib/python3.99/site-packages/nvidia/all/lib
mkdir -p "$packages" "$folder/empty"
# In a namespace of its own: the system's folder appears as the package's, and is empty where it was.
hidden() { # NAME=VALUE COMMAND...
    unshare -m bash -c 'library=$1 packages=$2 empty=$3; shift 3
        mount --bind "$(dirname "$(realpath "$library")")" "$packages" &&
            mount --bind "$empty" "$(dirname "$(realpath "$library")")" && exec env "$@"' \
        hidden "$library" "$packages" "$folder/empty" "$@"
}
failed=0
hidden A=b "$paco" devices >"$folder/without" 2>&1
grep -q '^cuda  absent: libcudnn_graph.so.9: cannot open shared object file' "$folder/without" ||
    { echo "FAILED: without libraries:"; cat "$folder/without"; failed=1; }
hidden VIRTUAL_ENV="$folder/venv" "$paco" devices >"$folder/with" 2>&1
grep -q '^cuda.*\.so' "$folder/with" && { echo "FAILED: libraries in a virtual environment:"; cat "$folder/with"; failed=1; }
if [ -e "$(dirname "$(realpath "$library")")/libnccl.so.2" ]; then
    grep -q '^cuda  processes exchange gradients between its devices by NCCL 2' "$folder/with" ||
        { echo "FAILED: NCCL in a virtual environment:"; cat "$folder/with"; failed=1; }
else
    echo "skipped: NCCL in a virtual environment: none beside cuDNN"
fi
hidden HOME="$folder/home" "$paco" devices >"$folder/without" 2>&1
grep -q '^opencl:0' "$folder/without" || { echo "FAILED: no other device without CUDA:"; cat "$folder/without"; failed=1; }
exit $failed
