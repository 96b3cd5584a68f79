#!/usr/bin/env bash
# Networks as others build, wrap and save them, evaluated as PyTorch evaluates them: predictions and loss.
# tools/oracle/network_files.py makes the files. PACO_FULL=1 takes the large ones, too.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
python=/usr/bin/python3
"$python" -c 'from importlib.util import find_spec as f; assert f("torch") and f("torchvision") and f("PIL")' 2>/dev/null ||
    { echo "skipped: no python3-torch, python3-torchvision and python3-pil"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pool=$data/field/_pool
large='r34|r50|x50|w50|small_r34|small_r50|r56_b|r32_b'
names=()
[ "${PACO_FULL:-0}" = 1 ] || mapfile -t names < <(sed -n 's/^    "\([a-z0-9_]*\)": (.*/\1/p' "$tests/../tools/oracle/network_files.py" |
    grep -vxE "$large")
OMP_NUM_THREADS=2 "$python" "$tests/../tools/oracle/network_files.py" "$folder" "$pool/list.txt" "$pool" "${names[@]}" ||
    { echo "FAIL: network_files.py"; exit 1; }
failed=0 seen=0
while IFS=: read -r case expected; do
    read -r name size loss arguments <<<"$case"
    # shellcheck disable=SC2086
    "$paco" eval --checkpoint "$folder/$name.pth" --list "$pool/list.txt" --data "$pool" --size "$size" --out "$folder/out" \
        $arguments >"$folder/said" 2>&1 || { echo "FAIL: $name"; tail -2 "$folder/said"; failed=1; continue; }
    seen=$((seen + 1))
    have=$(tail -n +2 "$folder/out/predictions.csv" | cut -d, -f3 | tr '\n' ' ')
    read -ra a <<<"$have"
    read -ra b <<<"$expected"
    differ=0
    for i in "${!b[@]}"; do [ "${b[$i]}" = '?' ] || [ "${a[$i]}" = "${b[$i]}" ] || differ=$((differ + 1)); done
    got=$(awk '$1 == "NLL" { print $2 }' "$folder/said")
    awk -v a="$got" -v b="$loss" 'BEGIN { exit !(a - b < 2e-4 * (1 + b) && b - a < 2e-4 * (1 + b)) }' && [ $differ = 0 ] ||
        { echo "FAIL: $name: loss $got instead of $loss, $differ of ${#b[@]} predictions differ"; failed=1; }
done <"$folder/cases.txt"
echo "$seen networks"
[ $seen -ge 20 ] || failed=1
exit $failed
