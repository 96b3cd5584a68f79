#!/usr/bin/env bash
# Damaged JPEGs and PNGs are read, or refused, just as Pillow does it, with the same pixels; a part of each equals the
# whole. PACO_FULL=1 tries 5,000 files. tools/oracle/image_damage.py makes and judges them.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
python=/usr/bin/python3
"$python" -c 'import PIL' 2>/dev/null || { echo "skipped: no python3-pil"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
count=400
[ "${PACO_FULL:-0}" = 1 ] && count=5000
photos=()
for file in "$data"/photos/*; do
    case $file in *retina* | *list.txt) ;; *) photos+=("$file") ;; esac
done
"$python" "$tests/../tools/oracle/image_damage.py" "$(dirname "$paco")/tests/image_sums" "$folder/files" $count "${photos[@]}"
