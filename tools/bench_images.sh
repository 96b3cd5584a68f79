#!/usr/bin/env bash
# The image path beside Pillow and torchvision, one thread each: both in one run, alternating, several rounds; medians of
# images per second, and ratios. `after decoding` is a pair's time less its decoding.
#     tools/bench_images.sh [--rounds N] [--out FILE] [FOLDER]
# FOLDER holds JPEG and PNG files; the repository's few photographs unless named, of which most are smaller than ImageNet's.
# Needs a python3 with torch, torchvision and PIL (PYTHON).
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

paco="${PACO_BIN:-build/paco}"
rounds=5 out= folder=tests/data/photos
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift 2 ;;
        --out) out="$2"; shift 2 ;;
        -*) echo "bench_images.sh: unknown option '$1'" >&2; exit 2 ;;
        *) folder="$1"; shift ;;
    esac
done

source tools/bench_common.sh
find_python "torch, torchvision, PIL" "python3-torch python3-torchvision"
[ -x "$paco" ] || { echo "bench_images.sh: no $paco: build first" >&2; exit 2; }

rate() { field images_per_s; }
median_of() { median <"$work/$1"; }

{
    echo "# $(machine), one thread; $("$python" -c 'import PIL, torchvision; print("Pillow", PIL.__version__, "torchvision", torchvision.__version__)')"
    echo "# medians of $rounds alternating rounds over $("$python" tools/oracle/pil_loader.py "$folder" decode 1 | field images) images"
    for mode in decode pair view eval; do
        for ((i = 0; i < rounds; i++)); do
            "$paco" bench image "$mode" "$folder" | rate >>"$work/paco.$mode"
            "$python" tools/oracle/pil_loader.py "$folder" "$mode" 1 | rate >>"$work/pil.$mode"
        done
        awk -v mode=$mode -v a="$(median_of "paco.$mode")" -v b="$(median_of "pil.$mode")" 'BEGIN {
            printf "image,%-15s paco %7.1f /s | pillow %7.1f /s | rate ratio %.2f\n", mode, a, b, a / b}'
    done
    awk -v a="$(median_of paco.pair)" -v ad="$(median_of paco.decode)" -v b="$(median_of pil.pair)" -v bd="$(median_of pil.decode)" 'BEGIN {
        ta = 1 / a - 1 / ad; tb = 1 / b - 1 / bd
        printf "image,%-15s paco %7.2f ms | pillow %7.2f ms | rate ratio %.2f\n", "after decoding", 1e3 * ta, 1e3 * tb, tb / ta}'
} | tee_out
