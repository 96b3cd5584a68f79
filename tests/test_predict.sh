#!/usr/bin/env bash
# paco predict: the classes of images without labels, as evaluation finds them; names of classes wherever they come from.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
. "$tests/verb_judge.sh"

# A run on folders of classes: its checkpoint brings their names, the size of images and their normalisation.
images=$data/photos_lt/test
ok train --dataset folder --data "$images" --test-data "$images" --arch resnet20 --size 16 --batch 10 --queue 20 --dim 8 \
    --epochs 1 --warmup 0 --lr 0.02 --mean 0.3,0.4,0.5 --std 0.2 --out run
ok eval --checkpoint run --dataset folder --test-data "$images" --out eval
ok predict --checkpoint run --csv "$images"
cp stdout folder.csv
cut -d, -f1,3-7,9-18 eval/predictions.csv | cmp - folder.csv || fail "predict differs from eval"
grep -qF 'normalisation: given, mean 0.3 0.4 0.5' stderr || fail "another normalisation"
[ "$(sed -n 2p folder.csv | cut -d, -f1)" = "$images/astronaut/0000.jpg" ] || fail "images are not sorted"
awk -F, 'NR == 1 { next } !($7 ~ /^[a-z]+/ && $12 >= $13 && $13 >= $14 && $12 <= 1 && $16 >= 0) { exit 1 }' folder.csv ||
    fail "names and probabilities"
# Files in the order in which they are named, whatever the batch and the threads; --out as --csv.
ok predict --checkpoint run "$images/chelsea/0001.jpg" "$images/astronaut" --out out.csv --batch 2 --threads 1
[ ! -s stdout ] || fail "--out prints, too"
{ head -1 folder.csv; grep -F chelsea/0001 folder.csv; grep -F astronaut/ folder.csv; } | cmp - out.csv || fail "--out"
# Text: a path, and a line for each of five classes.
ok predict --checkpoint run "$images/chelsea/0001.jpg" "$images/coffee/0000.jpg"
grep -F -e chelsea/0001 -e coffee/0000 folder.csv |
    awk -F, '{ print $1; for (k = 0; k < 5; k++) printf "  %7.2f %%  %s\n", 100 * $(12 + k), $(7 + k) }' >text
awk '/%/ { $1 = sprintf("%.1f", $1) } 1' text >rounded # of six decimals
awk '/%/ { $1 = sprintf("%.1f", $1) } 1' stdout | cmp - rounded || { fail "text"; diff stdout text; }
[ "$(grep -c '^ *[0-9.]* %  [a-z]' stdout)" = 10 ] || fail "names in text"

# PyTorch sees the names of the classes.
python=${PACO_PYTHON:-/usr/bin/python3}
if "$python" -c 'import torch' 2>/dev/null; then
    "$python" -c 'import sys, torch; print(*torch.load(sys.argv[1], map_location="cpu")["openpaco"]["classes"], sep="\n")' \
        run/last.pth.tar >classes.txt 2>stderr || fail "torch.load"
    find "$images" -mindepth 1 -printf "%P\n" | grep -v / | LC_ALL=C sort | cmp - classes.txt || fail "classes in a checkpoint"
else
    echo "skipped: names of classes in a checkpoint: no torch ($python)"
fi

# Names of a file go before those of the checkpoint; without any there are numbers, as in a published checkpoint.
printf 'class,\033[%dm\n' 0 1 2 3 4 5 6 7 8 9 >names.txt
ok predict --checkpoint run --class-names names.txt --csv "$images"
cut -d, -f1-6 folder.csv | cmp - <(cut -d, -f1-6 stdout) || fail "names change classes"
grep -q '"class,\\x1b\[[0-9]m"' stdout || fail "names of a file, quoted and without controls"
ok predict --checkpoint run --class-names names.txt "$images"
LC_ALL=C grep -q $'\033' stdout && fail "a control reaches the terminal"
sed -i 1d names.txt
refused 3 "names.txt: another number of class names than the checkpoint has classes (9 vs 10)" \
    predict --checkpoint run --class-names names.txt "$images"
plain=$data/checkpoints/resnet20-12fca82f.th
ok predict --checkpoint "$plain" "$images/chelsea/0001.jpg"
grep -q '^ *[0-9.]* %  class [0-9]$' stdout && grep -qF -- '--class-names FILE' stderr || fail "classes without names"
ok predict --checkpoint "$plain" --csv "$images/chelsea/0001.jpg"
[ "$(tail -1 stdout | cut -d, -f7-11)" = ,,,, ] || fail "names where there are none"

# A picture and its mirror image, as BMP: 32 x 32, each row backwards.
bmp() {
    printf 'BM\x36\x0c\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x20\0\0\0\x20\0\0\0\1\0\x18\0\0\0\0\0\0\x0c\0\0'
    printf '\0%.0s' {1..16}
    awk -v mirrored="$1" 'BEGIN {
        for (y = 0; y < 32; y++)
            for (i = 0; i < 32; i++) {
                x = mirrored ? 31 - i : i
                printf "\\x%02x\\x%02x\\x%02x", x * 8, (x * y) % 256, x < 9 ? 255 : y * 3
            }
    }' | while IFS= read -r pixels || [ -n "$pixels" ]; do printf '%b' "$pixels"; done
}
mkdir pair
bmp 0 >pair/left.bmp
bmp 1 >pair/right.bmp
scores() { # the columns behind the paths, of the pair
    ok predict --checkpoint "$plain" --csv "$@" pair
    sed -n 2p stdout | cut -d, -f2- >left
    sed -n 3p stdout | cut -d, -f2- >right
}
scores
cmp -s left right && fail "the mirror image looks the same without --tta"
cp left alone
scores --tta flip
cmp left right || fail "--tta flip: an image and its mirror image differ"
cmp -s left alone && fail "--tta flip changes nothing"
grep -q 'means over each image and its mirror image' stderr || fail "--tta is not said"
refused 2 "--tta" predict --checkpoint "$plain" --tta crop pair
printf 'pair/left.bmp 3\npair/right.bmp 5\n' >pair.txt
ok eval --checkpoint "$plain" --list pair.txt --tta flip --out flip
grep -q '^probabilities: means over each image and its mirror image$' stdout || fail "eval --tta flip is not said"
grep -q '"tta": "flip"' flip/report.json && grep -q '"tta": "none"' eval/report.json || fail "--tta in report.json"
[ "$(cut -d, -f3- <flip/predictions.csv | cut -d, -f1-5,7-16 | sed -n 2p)" = "$(cat left)" ] || fail "eval and predict differ with --tta"

# What is no image ends it, or is passed over; a file is taken whatever its name, of a folder those with an image's.
mkdir mixed
cp "$images/chelsea/0001.jpg" mixed/good.jpg
cp mixed/good.jpg mixed/nameless
echo junk >mixed/junk.jpg
refused 3 "junk.jpg" predict --checkpoint run mixed
ok predict --checkpoint run --csv --on-corrupt skip mixed
[ "$(tail -n +2 stdout | cut -d, -f1)" = mixed/good.jpg ] || fail "--on-corrupt skip"
grep -q 'skipped 1 of 2 images' stderr || fail "how many were skipped is not said"
ok predict --checkpoint run --csv mixed/nameless
[ "$(sed 1d stdout | cut -d, -f2-)" = "$(grep -F chelsea/0001 folder.csv | cut -d, -f2-)" ] || fail "a file without an ending"
mkdir empty
refused 3 "empty: no images" predict --checkpoint run empty
refused 4 "none.jpg: " predict --checkpoint run none.jpg
refused 4 "none/out.csv" predict --checkpoint run --out none/out.csv mixed/good.jpg
mkdir -p full
refused 2 "--out: full is a folder" predict --checkpoint run --out full mixed/good.jpg
refused 2 "name images" predict --checkpoint run
refused 2 "--checkpoint FILE is missing" predict mixed/good.jpg
refused 2 "--list: means nothing" predict --checkpoint run --list x

# Matrices of evaluation: known by their endings, whole or not there.
list=(eval --checkpoint "$plain" --list pair.txt)
refused 2 "ends in .npy or .safetensors" "${list[@]}" --save-logits logits.txt
refused 2 "ends in .npy or .safetensors" "${list[@]}" --save-features features
refused 2 "the same file" "${list[@]}" --save-logits same.npy --save-features same.npy
ok "${list[@]}" --save-logits logits.npy --save-features features.safetensors
[ "$(stat -c %s logits.npy)" = $((128 + 2 * 10 * 4)) ] || fail "logits.npy has $(stat -c %s logits.npy) bytes"
size=$(od -An -N8 -tu8 features.safetensors)
[ "$(stat -c %s features.safetensors)" = $((8 + size + 2 * 8 + 2 * 64 * 4)) ] || fail "features.safetensors"
[ "$(od -An -j $((8 + size)) -N16 -td8 features.safetensors | xargs)" = "3 5" ] || fail "labels"
ok "${list[@]}" --save-features both.npy --tta flip # a row of each, of 64 features
cmp <(head -c 384 both.npy | tail -c 256) <(tail -c 256 both.npy) || fail "--tta flip: other features of the mirror image"
cmp -s <(tail -c 256 both.npy) <(tail -c 256 features.safetensors) && fail "--tta flip does not change features"
{ cat pair.txt; echo 'mixed/junk.jpg 1'; } >junk.txt
refused 3 junk.jpg eval --checkpoint "$plain" --list junk.txt --save-logits failed.npy
[ -z "$(find . -name 'failed.npy*')" ] || fail "a failed evaluation left a file"
sed -i '2s/^/mixed\/junk.jpg 1\n/' pair.txt # row 1 is one of NaN
ok "${list[@]}" --save-logits skipped.npy --on-corrupt skip --batch 2
cmp <(head -c 168 skipped.npy | tail -c 40; tail -c 40 skipped.npy) <(tail -c 80 logits.npy) || fail "rows move where an image is skipped"
[ "$(od -An -j168 -N40 -v -tx4 skipped.npy | xargs -n1 | sort -u)" = 7fc00000 ] || fail "a skipped image's row"
exit $failed
