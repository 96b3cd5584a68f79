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
expect 0 'std=0.195,0.194,0.192' presets inat_r50
expect_error 2 "Did you mean inat_r50?" presets inat_r51
expect_error 2 "at most one name" presets a b
expect 0 'usage: paco presets' presets --help

printf 'a.jpg 0\nb.jpg 1\n' >"$folder/list.txt"
printf 'junk' >"$folder/a.jpg"
expect 0 'usage: paco data check' data --help
expect_error 2 "unknown action 'chek'" data chek
expect_error 2 "unknown action ''" data
expect_error 2 "Did you mean --train-list?" data check --tran-list x
expect_error 2 "nothing to check" data check
expect_error 4 "No such file or directory" data check --train-list "$folder/none.txt"
expect_error 4 "1 images missing, 1 unreadable" \
    data check --train-list "$folder/list.txt" --data "$folder"
grep -qF 'missing 1, unreadable 1, listed twice 0' <<<"$output" ||
    { echo "FAIL: $output"; failed=1; }
printf 'junk' >"$folder/b.jpg"
expect_error 3 "2 images unreadable" data check --train-list "$folder/list.txt" --data "$folder"
expect 0 'missing 0, unreadable 0, listed twice 0, copies under other names 1' \
    data check --train-list "$folder/list.txt" --data "$folder" --no-decode
expect 0 'test images that are training images too: 2 by path' \
    data check --train-list "$folder/list.txt" --test-list "$folder/list.txt" \
    --data "$folder" --decode off
expect 0 'many-shot 5, medium-shot 3, few-shot 2 classes' data check --dataset synthetic
if [ -e "${PACO_SHARED:-../shared}/data/imagenet_samples/list.txt" ]; then
    samples=${PACO_SHARED:-../shared}/data/imagenet_samples
    expect 0 '120 images, 1000 classes' \
        data check --train-list "$samples/list.txt" --data "$samples" --classes 1000
    grep -qF 'missing 0, unreadable 0, listed twice 0, copies under other names 0' <<<"$output" ||
        { echo "FAIL: $output"; failed=1; }
fi
exit $failed
