# paco data check and paco presets: output, exit codes, one line per mistake.
# shellcheck shell=bash
set -u
paco=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# expect STATUS TEXT ARGUMENTS...: runs paco; its status and a text in its output must be these.
expect() {
    local status=$1 text=$2 seen
    shift 2
    output=$("$paco" "$@" 2>&1)
    seen=$?
    if [ "$seen" != "$status" ] || ! grep -qF -- "$text" <<<"$output"; then
        echo "FAIL: paco $*: status $seen (expected $status), output without '$text':"
        echo "$output"
        failed=1
    fi
}

# expect_error STATUS TEXT ARGUMENTS...: likewise, and nothing but one line on stderr.
expect_error() {
    expect "$@"
    if [ "$(grep -c '^paco: error: ' <<<"$output")" != 1 ]; then
        echo "FAIL: not exactly one error line:"
        echo "$output"
        failed=1
    fi
}

expect 0 'imagenet_lt_x101  60.0 %  README' presets
expect 0 'cifar100_lt_100   52.0 %  paper' presets
expect 0 'std=0.195,0.194,0.192' presets inat_r50 --no-measure
expect 0 'randaug-m=10' presets inat_r50 --no-measure
grep -q '=[0-9.]*e+' <<<"$output" && { echo "FAIL: numbers with exponents: $output"; failed=1; }
expect_error 2 "Did you mean inat_r50?" presets inat_r51
expect_error 2 "at most one name" presets a b
expect 0 'usage: paco presets' presets --help

printf 'a.jpg 0\nb.jpg 1\n' >"$folder/list.txt"
printf 'junk' >"$folder/a.jpg"
expect 0 'usage: paco data check' data --help
expect_error 2 "unknown action 'chek'" data chek
expect_error 2 "data: say what: check or prepare" data
expect_error 2 "Did you mean --train-list?" data check --tran-list x
expect_error 2 "nothing to check" data check
expect_error 4 "No such file or directory" data check --train-list "$folder/none.txt"
expect_error 4 "1 images missing, 1 unreadable" \
    data check --train-list "$folder/list.txt" --data "$folder"
grep -qF 'missing 1, unreadable 1, listed twice 0' <<<"$output" ||
    { echo "FAIL: $output"; failed=1; }
printf 'junk' >"$folder/b.jpg"
expect_error 3 "0 images missing, 2 unreadable" data check --train-list "$folder/list.txt" --data "$folder"
expect_error 3 'copies under other names 1' data check --train-list "$folder/list.txt" --data "$folder"
expect 0 'missing 0, unreadable 0, listed twice 0, with conflicting labels 0, copies not looked for' \
    data check --train-list "$folder/list.txt" --data "$folder" --no-decode
expect 0 'test images that are training images too: 2 by path, contents not compared' \
    data check --train-list "$folder/list.txt" --test-list "$folder/list.txt" \
    --data "$folder" --decode off
# the status that a run over the files would end with, decoded or only looked at
printf 'a.jpg 0\nfolder 0\n' >"$folder/folder.txt"
mkdir "$folder/folder"
expect_error 4 "0 images missing, 1 unreadable" \
    data check --train-list "$folder/folder.txt" --data "$folder" --no-decode
grep -qF 'folder: not a regular file' <<<"$output" || { echo "FAIL: $output"; failed=1; }
printf 'large.jpg 0\na.jpg 0\n' >"$folder/large.txt"
truncate -s 600M "$folder/large.jpg"
expect_error 5 "0 images missing, 2 unreadable" data check --train-list "$folder/large.txt" --data "$folder"
expect_error 5 "0 images missing, 1 unreadable" data check --test-list "$folder/large.txt" --data "$folder" --no-decode
{ # a header of 100000 x 100000 pixels
    printf '\211PNG\r\n\032\n\0\0\0\rIHDR\0\1\206\240\0\1\206\240\10\2\0\0\0\047\060\234\237'
    printf '\0\0\0\0IDAT'
} >"$folder/huge.png"
printf 'huge.png 0\n' >"$folder/huge.txt"
expect_error 5 "0 images missing, 1 unreadable" data check --train-list "$folder/huge.txt" --data "$folder"
printf 'huge.png 0\nb.jpg 0\nnone.jpg 0\n' >"$folder/both.txt" # a missing file is told first
expect_error 4 "1 images missing, 2 unreadable" data check --train-list "$folder/both.txt" --data "$folder"
printf 'a.jpg 0\nb.jpg 1\na.jpg 1\nb.jpg 1\n' >"$folder/labels.txt"
expect_error 3 "0 unreadable, 1 with conflicting labels" \
    data check --train-list "$folder/labels.txt" --data "$folder" --no-decode
grep -qF 'listed twice 2, with conflicting labels 1,' <<<"$output" || { echo "FAIL: $output"; failed=1; }
expect 0 'only look for the files' data check --help
grep -qF 'neither damage nor copies by content' <<<"$output" || { echo "FAIL: $output"; failed=1; }
expect 0 'many-shot 5, medium-shot 3, few-shot 2 classes' data check --dataset synthetic
# sound "COUNT images, CLASSES classes" FOLDER LIST: photographs without a fault.
sound() {
    expect 0 "$1" data check --train-list "$2/$3" --data "$2" --classes "$(cut -d' ' -f3 <<<"$1")"
    grep -qF 'missing 0, unreadable 0, listed twice 0, with conflicting labels 0, copies under other names 0' \
        <<<"$output" ||
        { echo "FAIL: $output"; failed=1; }
}
. "$(dirname "$0")/material.sh"
sound '13 images, 10 classes' "$data/photos" list.txt
sound '294 images, 10 classes' "$data/photos_lt" train.txt
expect 0 'test images that are training images too: 0 by path, 0 more by content' \
    data check --train-list "$data/photos_lt/train.txt" --test-list "$data/photos_lt/test.txt" --data "$data/photos_lt"
[ ! -e "$shared/data/imagenet_samples" ] || sound '120 images, 1000 classes' "$shared/data/imagenet_samples" list.txt
exit $failed
