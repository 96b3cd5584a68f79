#!/usr/bin/env bash
# WebP, GIF, BMP and TIFF of 52 kinds have the pixels that Pillow gives them (tests/data/formats/sums.txt, made by
# tools/oracle/image_formats.py), whatever their names say; with Pillow here also damaged ones. A kind whose library the
# program was built without is refused by name.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
sums=$(dirname "$paco")/tests/image_sums
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0 seen=0
declare -A without
while read -r name expected; do
    cp "$data/formats/$name" "$folder/image.jpg" # its name is a lie
    have=$(echo "$folder/image.jpg" | "$sums" 2>/dev/null)
    case $have in
        *'which this program was built without'*) without[${name%%_*}]=${have##*built without }; continue ;;
    esac
    seen=$((seen + 1))
    [ "$have" = "$expected" ] || { echo "FAIL: $name: $have instead of $expected"; failed=1; }
done <"$data/formats/sums.txt"
for name in "${!without[@]}"; do echo "skipped: $name images: built without ${without[$name]}"; done
[ $seen -ge 12 ] || { echo "FAIL: $seen kinds"; failed=1; }
count=300
[ "${PACO_FULL:-0}" = 1 ] && count=5000
python=/usr/bin/python3
if "$python" -c 'import PIL' 2>/dev/null && [ $seen -ge 52 ]; then
    "$python" "$tests/../tools/oracle/image_formats.py" check "$sums" $count 2>/dev/null || failed=1
else
    echo "skipped: damaged files of these formats: no python3-pil, or not all formats"
fi
exit $failed
