#!/usr/bin/env bash
# More inputs of the kinds of test_field.sh, made here: folders, files that are no checkpoints, whole modules, layers
# beside and in the path of a network, test images that end a run.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
. "$tests/tiny_data.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
tiny_data "$paco" "$folder/data" || { echo "FAIL: no images"; exit 1; }
failed=0 cases=0

# expect EXIT TEXT ARGUMENTS...: the exit code, the text (! before it: not said), one error line where it fails.
expect() {
    local wanted=$1 text=$2 seen
    shift 2
    cases=$((cases + 1))
    "$paco" "$@" >said 2>&1
    seen=$?
    [ $seen = "$wanted" ] || { echo "FAIL: paco $*: exit $seen instead of $wanted"; tail -2 said; failed=1; }
    [ "$wanted" = 0 ] || [ "$(grep -c 'paco: error: ' said)" = 1 ] || { echo "FAIL: paco $*: not one error line"; cat said; failed=1; }
    case $text in
        !*) ! grep -qF -- "${text#!}" said || { echo "FAIL: paco $*: '${text#!}' is said"; failed=1; } ;;
        *) grep -qF -- "$text" said || { echo "FAIL: paco $*: '$text' is not said"; tail -2 said; failed=1; } ;;
    esac
}

# ---- folders: classes ant, bee, cat, dog in train; val differs.
classes() { # SET NAME...
    local set=$1 name
    shift
    rm -rf "$set"
    for name; do mkdir -p "$set/$name" && cp data/0.png data/1.png "$set/$name/"; done
}
both() { expect "$1" "$2" data check --dataset folder --data train --test-data val; }
classes train ant bee cat dog
classes val ant bee cat dog && both 0 "4 classes"
classes val bee cat dog && both 3 "val: there is no folder 'ant'"
classes val ant bee cat && both 3 "val: there is no folder 'dog'"
classes val ant cat && both 3 "val: there is no folder 'bee'"
classes val ant bee bug cat dog && both 3 "val: folder 'bug' is no class of train"
classes val ant bee cat zoo && both 3 "class folder 3 differs"
classes val ant bee cat dog && mkdir val/.cache train/.git && touch val/ant/._0.png val/.DS_Store train/cat/.hidden.jpg &&
    both 0 "8 images, 4 classes"
mkdir -p val/cat/.thumbs && cp data/2.png val/cat/.thumbs/ && both 0 "8 images, 4 classes"
mkdir -p val/dog/sub && cp data/3.png val/dog/sub/deep.png && both 0 "9 images, 4 classes"
cp data/4.png val/ant/photo.PNG && cp data/4.png val/ant/notes.txt && both 0 "10 images"
expect 4 "val/none" eval --checkpoint "$data/field/base/mini.pth" --dataset folder --test-data val/none

# ---- what is no checkpoint
words() { printf '%b' "$2" >"$1"; expect 3 "$3" inspect "$1"; }
for name in a.pth a.safetensors a.pt a.ckpt a.tar; do
    words $name 'version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n' "a Git LFS pointer"
    words $name '<!DOCTYPE html>\n<html><head></head></html>' "an HTML page"
    words $name '\n  <html lang="en">' "an HTML page"
    words $name '\xef\xbb\xbf<!doctype HTML><title>404</title>' "an HTML page"
    words $name '{"message": "Not Found"}' "JSON text"
done
words b.safetensors '\x10\0\0\0\0\0\0\0{"x":1}' "b.safetensors: header"

# ---- what PyTorch saves
python=/usr/bin/python3
if "$python" -c 'import torch' 2>/dev/null; then
    "$python" - "$data/field/base/mini.pth" <<'PYTHON'
import collections, sys
import torch
plain = torch.load(sys.argv[1])
linear = torch.nn.Sequential(torch.nn.Linear(3, 2))
for legacy in (False, True):
    end = "_legacy" if legacy else ""
    keep = dict(_use_new_zipfile_serialization=not legacy)
    torch.save(linear, f"module{end}.pt", **keep)
    torch.save({"model": linear, "epoch": 3}, f"nested{end}.pt", **keep)
def saved(name, **more):
    state = collections.OrderedDict(plain)
    for key, value in more.items():
        state[key.replace("__", ".")] = value
    torch.save(state, name)
saved("se.pth", layer1__0__se__fc__weight=torch.ones(4, 4))
saved("extra_block.pth", layer1__3__conv1__weight=torch.ones(16, 16, 3, 3))
saved("stem.pth", stem__0__weight=torch.ones(3, 3))
saved("norm.pth", norm__weight=torch.ones(64))
saved("head.pth", head__mlp__0__weight=torch.ones(8, 64))
saved("projector.pth", projector__0__weight=torch.ones(8, 64), projector__2__bias=torch.ones(8))
saved("prototypes.pth", prototypes__weight=torch.ones(8, 64))
for gone in "layer2.0.bn1.weight", "bn1.running_mean", "layer3.2.conv2.weight":
    torch.save({k: v for k, v in plain.items() if k != gone}, f"without_{gone}.pth")
torch.save({k: v for k, v in plain.items() if not k.startswith("linear")}, "no_classifier.pth")
state = {k: v for k, v in plain.items() if not k.startswith("linear")}
state["top.weight"] = torch.ones(7, 64)
torch.save(state, "odd_classifier.pth")
torch.save({"state_dict": [1, 2], "epoch": 1}, "list.pth")
torch.save({"state_dict": {"optimizer": {"lr": 1.0}}, "epoch": 1}, "scalars.pth")
PYTHON
    pool=(--list "$data/field/_pool/list.txt" --data "$data/field/_pool")
    for file in module module_legacy nested nested_legacy; do
        expect 3 "odule" eval --checkpoint $file.pt "${pool[@]}"
        expect 3 "state_dict() instead" eval --checkpoint $file.pt "${pool[@]}"
    done
    expect 3 "basic blocks, 4-3-3-0 of them" eval --checkpoint extra_block.pth "${pool[@]}" --partial
    for file in se stem norm; do
        expect 3 "unexpected: " eval --checkpoint $file.pth "${pool[@]}"
        expect 3 "lies in the path of the network" eval --checkpoint $file.pth "${pool[@]}" --partial
    done
    for file in head projector prototypes; do
        expect 3 "unexpected: $file" eval --checkpoint $file.pth "${pool[@]}"
        expect 0 "NLL                 2.3455" eval --checkpoint $file.pth "${pool[@]}" --partial
    done
    for file in without_*.pth; do
        expect 3 "missing: ${file:8:-4}" eval --checkpoint "$file" "${pool[@]}"
        expect 3 "'${file:8:-4}' lies in the path" eval --checkpoint "$file" "${pool[@]}" --partial
    done
    expect 3 "there is no classifier under a known name" eval --checkpoint no_classifier.pth "${pool[@]}"
    expect 3 "there is top.weight [7, 64]" eval --checkpoint odd_classifier.pth "${pool[@]}"
    expect 3 "state_dict is a list" eval --checkpoint list.pth "${pool[@]}"
    expect 3 "state_dict is a dict with 'optimizer'" eval --checkpoint scalars.pth "${pool[@]}"
else
    echo "skipped: what PyTorch saves: no python3-torch"
fi

# ---- test images that end a run: before it where they can be seen, with all that was trained where not
run=(train "${tiny_options[@]:0:12}" --lr 0.02 --train-list data/train.txt --data data)
head -c 300 data/1.png >data/cut.png
printf 'no image' >data/text.jpg
head -c 20 data/1.png >data/short.png
head -c 24 data/1.png >data/odd.png && printf '\xff\xff\xff\xff\xff\xff\xff\xff\xff' >>data/odd.png
printf '\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x03' >data/head.jpg
for bad in gone.png text.jpg short.png odd.png head.jpg; do
    sed "3s/^[^ ]*/$bad/" data/test.txt >bad.txt
    rm -rf out
    expect "$([ $bad = gone.png ] && echo 4 || echo 3)" "$bad" "${run[@]}" --test-list bad.txt --out out
    [ ! -e out/last.pth.tar ] || { echo "FAIL: $bad is seen after training only"; failed=1; }
done
sed "3s/^[^ ]*/cut.png/" data/test.txt >bad.txt
for every in "--eval-every 0 --save-every 0" "--eval-every 1" "--eval-every 2 --save-every 0"; do
    rm -rf out
    # shellcheck disable=SC2086
    expect 3 "--resume auto goes on once that file is mended, or with --on-corrupt skip" "${run[@]}" --test-list bad.txt --out out $every
    [ -e out/last.pth.tar ] || { echo "FAIL: $every: nothing is saved"; failed=1; }
    # shellcheck disable=SC2086
    expect 0 "skipped: data/cut.png" "${run[@]}" --test-list bad.txt --out out $every --resume auto --on-corrupt skip
done
echo "$cases cases"
exit $failed
