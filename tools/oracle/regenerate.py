#!/usr/bin/env python3
"""Makes golden files anew, each from what it says of itself, and compares number for number.

    regenerate.py [--threads N] FILE...      of tests/golden/loss, tests/golden/step
    regenerate.py [--photos FOLDER] FOLDER...    of tests/golden/image
    regenerate.py --write FILE...            also writes the numbers that differ

A line for each: equal to the last bit, or the worst difference of each part. Exit 1 where a number
of float64 is further off than 1e-9 (of a tensor's figure: relative to the tensor's norm, or to
1e-3 of the norm of all tensors of its kind), or where a pixel differs. How far float32 is off
depends on PyTorch's version, the processor and the number of threads: it is told, and no error, nor
is that a version has no autocast to fp16 on a CPU.
CONTRIBUTING.md says with which versions the stored files come out equal to the last bit.
"""
import argparse
import json
import math
import os
import sys

LIMIT = 1e-9
PARTS = ("config", "float64", "float32_spread", "autocast_spread", "tolerance")


# ---------------------------------------------------------------- losses and steps

def leaves(value, path=()):
    """(path, number or text) of everything in a JSON value."""
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, path + (key,))
    else:
        yield path, value


def lookup(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def is_tensor(value):
    return isinstance(value, dict) and "norm" in value


def scale(tree, path):
    """What the error of the number at `path` is measured by. A tensor that is zero but for
    rounding, such as the gradient of a bias before a batch norm, has no size of its own."""
    for end in range(1, len(path)):
        tensor = lookup(tree, path[:end])
        if is_tensor(tensor):
            kind = [v["norm"] for v in lookup(tree, path[:end - 1]).values() if is_tensor(v)]
            return max(tensor["norm"], 1e-3 * math.hypot(*kind))
    return abs(lookup(tree, path))


def worst_difference(want, got):
    """(relative error, where) of the worst number; infinite where anything else differs."""
    have, worst, where = dict(leaves(got)), 0.0, ""
    if have.keys() != {path for path, _ in leaves(want)}:
        return math.inf, "other keys"
    for path, number in leaves(want):
        if number == have[path]:
            continue
        error = math.inf
        if isinstance(number, float) and isinstance(have[path], float):
            error = abs(number - have[path]) / max(scale(want, path), 1e-300)
        if error > worst:
            worst, where = error, "/".join(map(str, path))
    return worst, where


def compare_numbers(name, want, got):
    worst = {part: worst_difference(want[part], got[part]) for part in PARTS if part in want}
    if want == got:
        print(f"{name}: equal to the last bit")
    else:
        print(f"{name}: " + ", ".join(f"{part} " + (f"{error:.1e} at {where}" if error else "equal")
                                      for part, (error, where) in worst.items()))
    return worst["config"][0] == 0 and worst["float64"][0] <= LIMIT


def check_numbers(name, threads, write):
    import torch  # only here: images need no PyTorch
    import paco_oracle
    torch.set_num_threads(threads)
    with open(name) as f:
        want = json.load(f)
    text = json.dumps(paco_oracle.golden(want["config"], check=False), indent=1) + "\n"
    got = json.loads(text)
    if write and got != want:
        with open(name, "w") as f:
            f.write(text)
    return compare_numbers(name, want, got)


# ---------------------------------------------------------------- image cases

def differing_pixels(a, b):
    if a.size != b.size or a.mode != b.mode:
        return math.inf
    pixels = len(a.getbands())
    a, b = a.tobytes(), b.tobytes()
    return sum(a[i:i + pixels] != b[i:i + pixels] for i in range(0, len(a), pixels))


def check_images(folder, photos):
    from PIL import Image
    import image_oracle as oracle
    photos = photos or os.path.join(folder, "../../../data/photos")
    name = os.path.basename(os.path.normpath(folder))
    sources = oracle.inputs(oracle.read(oracle.photograph(photos, name)))
    with open(os.path.join(folder, "cases.json")) as f:
        cases = json.load(f)
    wrong = {}
    for key, case in cases.items():
        made = oracle.run(sources[case["input"]], case)
        n = differing_pixels(made, Image.open(os.path.join(folder, key + ".png")))
        if n:
            wrong[key] = n
    print(f"{folder}: {len(cases)} cases, " + ("every pixel equal" if not wrong else
          ", ".join(f"{key}: {n} pixels differ" for key, n in wrong.items())))
    return not wrong


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--photos", help="where a folder's photograph lies, by its name")
    p.add_argument("--write", action="store_true")
    p.add_argument("files", nargs="+")
    a = p.parse_args()
    failed = 0
    for name in a.files:
        good = (check_images(name, a.photos) if os.path.isdir(name)
                else check_numbers(name, a.threads, a.write))
        failed += not good
        sys.stdout.flush()
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
