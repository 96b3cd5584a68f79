"""Damaged and odd images, judged by Pillow: makes them from photographs, and compares what paco's decoder (the program
image_sums of the tests) makes of each with what Image.open(...).convert("RGB") does without LOAD_TRUNCATED_IMAGES.

    image_damage.py IMAGE_SUMS FOLDER COUNT [SEED] PHOTO...

Files that differ are kept in FOLDER. Exit 1 where any do."""
import io
import os
import random
import subprocess
import sys
import warnings

from PIL import Image

warnings.simplefilter("ignore")
sums, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
seed, photos = (int(sys.argv[4]), sys.argv[5:]) if sys.argv[4].isdigit() else (1, sys.argv[4:])
rng = random.Random(seed)
originals = [open(p, "rb").read() for p in photos]


def fnv(data):
    # 64-bit FNV-1a over bytes is slow in Python: over whole images of some thousand pixels it will do.
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def damaged(data):
    data = bytearray(data)
    kind = rng.randrange(7)
    if kind == 0:  # cut
        del data[rng.randrange(len(data)):]
    elif kind == 1:  # something behind the end
        data += rng.randbytes(rng.randrange(1, 50))
    elif kind == 2:  # a piece is missing
        at = rng.randrange(len(data))
        del data[at:at + rng.randrange(1, 40)]
    elif kind == 3:  # an end in the middle, as cameras that lose power write it
        at = rng.randrange(len(data))
        data[at:at + 2] = b"\xff\xd9"
    for _ in range(rng.choice([0, 1, 1, 1, 2, 5]) if kind < 4 else rng.choice([1, 1, 2, 3, 20])):
        at = rng.randrange(min(len(data), 700) if rng.random() < 0.3 else len(data)) if data else 0
        if data:
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def judge(data):
    try:
        image = Image.open(io.BytesIO(data))
        image = image.convert("RGB")
        return f"{image.width} {image.height} {fnv(image.tobytes()):016x}"
    except Exception as error:  # whatever Pillow raises, the published recipe stops on
        return f"refused {error!r}"


os.makedirs(folder, exist_ok=True)
paths, wanted = [], []
for i in range(count):
    data = damaged(rng.choice(originals))
    path = os.path.join(folder, f"{i:05d}.img")
    open(path, "wb").write(data)
    paths.append(path)
    wanted.append(judge(data))
have = subprocess.run([sums], input="\n".join(paths) + "\n", capture_output=True, text=True).stdout.split("\n")
differ = 0
read = sum(not w.startswith("refused") for w in wanted)
for path, want, got in zip(paths, wanted, have):
    same = want == got or (want.startswith("refused") and got.startswith("refused"))
    if same:
        os.remove(path)
    else:
        differ += 1
        print(f"{path}: Pillow: {want[:90]}; paco: {got[:150]}")
print(f"{count} files, {read} read by Pillow, {differ} differ")
sys.exit(differ > 0 or len(have) < len(paths))
