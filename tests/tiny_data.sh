# Sourced by test scripts. tiny_data PROGRAM FOLDER: six small PNG files that differ, train.txt (48 lines, five
# classes, long-tailed) and test.txt (20 lines); tiny_options: a run of seconds on them, 2 epochs of 6 steps.
# numbers FILE: a report.json without what another run of the same numbers has otherwise (who ran it, how and when).
# tiny_begin PROGRAM: the same in data/ of a folder of the script's own, $folder, that goes at its end; fail WHAT says so
# and sets `failed`.
# shellcheck shell=bash disable=SC2034
tiny_options=(--arch resnet20 --size 16 --batch 8 --epochs 2 --warmup 1 --queue 20 --dim 8 --lr 0.02 --keep 100)

tiny_data() {
    local program=$1 to=$2 i
    mkdir -p "$to"
    base64 -d >"$to/seed.png" <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAABQAAAAUCAIAAAAC64paAAAANklEQVR42mNkYBDhYWBAQq9RuaJ4ZFkYeBjIBkNX82tUEVFULj7ZERpgJIQQ
muxoChtNYQQBAAQVChWBDwhSAAAAAElFTkSuQmCC
PNG
    for i in 0 1 2 3 4 5; do
        "$program" augment --recipe sim --image "$to/seed.png" --out "$to/$i.png" --n 1 --size 24 --seed "$i" \
            2>/dev/null || return 1
    done
    for ((i = 0; i < 48; i++)); do
        echo "$((i * 5 % 6)).png $((i < 20 ? 0 : i < 34 ? 1 : i < 42 ? 2 : i < 46 ? 3 : 4))"
    done >"$to/train.txt"
    for ((i = 0; i < 20; i++)); do
        echo "$((i % 6)).png $((i % 5))"
    done >"$to/test.txt"
    tiny_options+=(--train-list "$to/train.txt" --test-list "$to/test.txt" --data "$to")
}

numbers() {
    sed '/^  "run": {$/,/^  }/d' "$1"
}

tiny_begin() {
    failed=0
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    tiny_data "$1" "$folder/data" || { echo "FAIL: no images"; exit 1; }
}

fail() {
    echo "FAIL: $*"
    failed=1
}
