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
# One that would run a command is refused, and runs none.
mkdir evil
for i in 1 2 3 4 5; do printf '\x80\x02cos\nsystem\nU\x0btouch pwned\x85R.' >evil/data_batch_$i; done
"$paco" data check --dataset cifar10 --data evil >said 2>&1
[ $? = 3 ] && grep -qF 'names os.system' said && [ ! -e pwned ] || { echo "FAIL: $(cat said)"; failed=1; }
exit $failed
