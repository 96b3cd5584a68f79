#!/usr/bin/env bash
# CIFAR's pickles of every protocol, as Python writes them, hold the same images as the binary files: small ones, and of
# a size at which arrays stay in the file until they are read.
set -u
paco=$(realpath "$1")
python=/usr/bin/python3
"$python" -c 'import numpy' 2>/dev/null || { echo "skipped: no python3-numpy"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
"$python" - <<'PYTHON' || { echo "FAIL: python"; exit 1; }
import os, pickle
import numpy as np
rng = np.random.default_rng(1)
for kind, classes, names, lead in (("cifar10", 10, [f"data_batch_{i}" for i in range(1, 6)], 1), ("cifar100", 100, ["train"], 2)):
    test = "test_batch" if lead == 1 else "test"
    for count in 12, 400:
        files = {n: (rng.integers(0, 256, (count, 3072), dtype=np.uint8), rng.integers(0, classes, count)) for n in names + [test]}
        binary = f"{kind}_{count}_binary"
        os.makedirs(binary)
        for name, (pixels, labels) in files.items():
            with open(f"{binary}/{name}.bin", "wb") as out:
                for row, label in zip(pixels, labels):
                    out.write(bytes([3] * (lead - 1) + [int(label)]) + row.tobytes())
        for protocol in (2, 3, 4, 5):
            if protocol == 2 and count > 12:
                continue  # Python 3 writes such arrays as texts of millions of characters; Python 2 did not
            python = f"{kind}_{count}_p{protocol}"
            os.makedirs(python)
            for name, (pixels, labels) in files.items():
                data = {"batch_label": "x", "data": pixels, "fine_labels" if lead == 2 else "labels": [int(l) for l in labels],
                        "filenames": [f"{i}.png" for i in range(count)]}
                pickle.dump(data, open(f"{python}/{name}", "wb"), protocol)
PYTHON
failed=0 seen=0
# sums KIND FOLDER: the checksums of both halves, by content.
sums() {
    "$paco" data check --dataset "$1" --data "$2" 2>said | sed -n 's/.*checksum //p' | tr '\n' ' '
}
for kind in cifar10 cifar100; do
    for count in 12 400; do
        expected=$(sums $kind ${kind}_${count}_binary)
        [ "$(echo "$expected" | wc -w)" = 2 ] || { echo "FAIL: $kind $count: $(cat said)"; failed=1; }
        for form in ${kind}_"${count}"_p*; do
            have=$(sums $kind "$form")
            seen=$((seen + 1))
            [ "$have" = "$expected" ] || { echo "FAIL: $form: $have instead of $expected: $(tail -1 said)"; failed=1; }
        done
    done
done
[ $seen = 14 ] || { echo "FAIL: $seen forms"; failed=1; }
# What is no CIFAR, and what is none any more: exit 3 and one line that says why.
"$python" - <<'PYTHON' || { echo "FAIL: python"; exit 1; }
import os, pickle
import numpy as np
a = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
good = dict(data=a, labels=[0, 1])
other, no_data = "'data' is an array of another shape, order or type (expected an array of bytes [n, 3072])", "'data' is "
bad = {
    "images": (dict(good, data=a.reshape(2, 3, 32, 32)), other), "flat": (dict(good, data=a.reshape(-1)), other),
    "floats": (dict(good, data=a.astype("f4")), other), "signed": (dict(good, data=a.astype("i1")), other),
    "none": (dict(good, data=a[:0], labels=[]), other), "short": (dict(good, labels=[0]), "labels than of images (1 vs 2)"),
    "long": (dict(good, labels=[0, 1, 2]), "labels than of images (3 vs 2)"),
    "text": (dict(good, labels=[0, "b"]), "image 1: label is a string (expected 0 to 9)"),
    "negative": (dict(good, labels=[0, -1]), "image 1: label out of range (-1 vs 0 to 9)"),
    "beyond": (dict(good, labels=[0, 10]), "image 1: label out of range (10 vs 0 to 9)"),
    "huge": (dict(good, labels=[0, 2**70]), "image 1: label is an integer beyond 64 bits"),
    "float": (dict(good, labels=[0, 1.0]), "image 1: label is a float"),
    "bools": (dict(good, labels=[True, False]), "image 0: label is a bool"),
    "array": (dict(good, labels=np.array([0, 1])), "'labels' is an opaque object (expected a list of 2 numbers)"),
    "tuple": (dict(good, labels=(0, 1)), "'labels' is a tuple"), "cifar100": (dict(data=a, fine_labels=[0, 1]), "'labels' is not there"),
    "no_data": (dict(labels=[0, 1]), no_data + "not there"), "bytes": (dict(good, data=a.tobytes()), no_data + "bytes"),
    "keys": ({b"data": a, b"labels": [0, 1]}, no_data + "not there"), "list": ([1, 2], no_data + "not there"), "None": (None, no_data + "not there"),
}
raw = pickle.dumps(good, 2)
files = {name: (pickle.dumps(value, 4), text) for name, (value, text) in bad.items()}
files |= {
    "empty": (b"", "empty file"), "cut": (raw[:-1], "end of pickle without STOP"), "half": (raw[:500], "the pickle has"),
    "page": (b"<!DOCTYPE html><html>", "pickle does not begin with its protocol (0x3c"),
    "gzip": (b"\x1f\x8b\x08" + b"0" * 50, "pickle does not begin with its protocol (0x1f"),
    "old": (pickle.dumps(good, 0), "pickle does not begin with its protocol"), "new": (b"\x80\x09}.", "pickle protocol 9 (expected 2 to 5)"),
    "binary": (bytes([1]) + a[0].tobytes(), "pickle does not begin with its protocol (0x01"),
    "attack": (b"\x80\x02cos\nsystem\nU\x0btouch pwned\x85R.", "names os.system"),
}
for name, (content, text) in files.items():
    os.makedirs(f"bad/{name}")
    for i in range(1, 6):
        open(f"bad/{name}/data_batch_{i}", "wb").write(content)
    open(f"bad/{name}/text", "w").write(text)
PYTHON
refused=0
for folder_of_bad in bad/*; do
    refused=$((refused + 1))
    "$paco" data check --dataset cifar10 --data "$folder_of_bad" >said 2>&1
    code=$?
    [ $code = 3 ] && [ "$(grep -c 'paco: error: ' said)" = 1 ] && grep -qF -- "$(cat "$folder_of_bad/text")" said ||
        { echo "FAIL: $folder_of_bad: exit $code, not '$(cat "$folder_of_bad/text")': $(tail -1 said)"; failed=1; }
done
[ $refused = 30 ] || { echo "FAIL: $refused bad pickles"; failed=1; }
[ ! -e pwned ] || { echo "FAIL: a pickle ran a command"; failed=1; }
exit $failed
