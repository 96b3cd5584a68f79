#!/usr/bin/env python3
"""Writes image cases at random: odd and tiny sizes, extreme parameters, kinds of file.

    image_extra_cases.py PHOTOS OUTDIR COUNT SEED
    test_image_cases $(for d in OUTDIR/*; do echo $d/input.* $d; done)

Run by hand, with Pillow 9.4, over any folder of JPEGs. Every case works on the image as it is.
"""
import json
import os
import random
import sys
import warnings

from PIL import Image

import image_oracle as oracle

SIDES = [1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 33, 64, 97]
ANGLES = [0.0, 90.0, 180.0, 270.0, -90.0, 45.0, 1e-9]


def side(rng, most):
    return min(most, rng.choice(SIDES + [rng.randint(1, 400)]))


def make_input(files, rng):
    """A crop of a photograph at an odd size, sometimes tiny, sometimes flat, sometimes noise."""
    img = oracle.read(rng.choice(files))
    w, h = side(rng, img.size[0]), side(rng, img.size[1])
    left, top = rng.randint(0, img.size[0] - w), rng.randint(0, img.size[1] - h)
    img = img.crop((left, top, left + w, top + h))
    kind = rng.random()
    if kind < 0.15:
        return Image.frombytes("RGB", (w, h), bytes(rng.getrandbits(8) for _ in range(3 * w * h)))
    if kind < 0.2:
        return Image.new("RGB", (w, h), tuple(rng.randrange(256) for _ in range(3)))
    if kind < 0.3:
        return img.point([rng.choice((0, 255, i)) for i in range(256)] * 3)
    return img


def colours(rng):
    """(operation, parameters) with usual and extreme factors."""
    for op in ("brightness", "contrast", "color", "sharpness"):
        for f in (rng.uniform(0, 2), rng.choice([0, 1, 2, 0.1, 1.9, -0.5, 5.0])):
            yield op, dict(factor=f)
    yield "hue", dict(factor=rng.uniform(-0.5, 0.5))
    for sigma in (rng.uniform(0.1, 2), rng.choice([0, 0.05, 3.3, 10.0, 40.0])):
        yield "gaussian_blur", dict(sigma=sigma)
    for op in ("autocontrast", "equalize", "grayscale", "hflip"):
        yield op, {}
    yield "solarize", dict(threshold=rng.choice([rng.uniform(0, 256), rng.randint(0, 256)]))
    yield "posterize", dict(bits=rng.randint(1, 8))


def affine(rng):
    for _ in range(2):
        how = dict(resample=rng.choice(list(oracle.FILTERS)),
                   fill=[rng.randrange(256) for _ in range(3)])
        yield "rotate", dict(degrees=rng.choice([rng.uniform(-30, 30), rng.uniform(-720, 720)] +
                                                ANGLES), **how)
        f = rng.choice([rng.uniform(-0.3, 0.3), rng.uniform(-3, 3), 0.0, 1.0, -0.5])
        p = rng.choice([rng.uniform(-0.45, 0.45), rng.uniform(-1.5, 1.5), 0.0, 1.0, -1.0, 0.5])
        for axis in "xy":
            yield f"shear_{axis}", dict(factor=f, **how)
            yield f"translate_{axis}", dict(fraction=p, **how)
    yield "autoaugment_rotate", dict(degrees=rng.choice([rng.uniform(0, 30), 90.0, 180.0]))


def resizes(size, rng):
    w, h = size
    for _ in range(4):
        bw, bh = rng.randint(1, w), rng.randint(1, h)
        yield "resized_crop", dict(
            left=rng.randint(0, w - bw), top=rng.randint(0, h - bh), width=bw, height=bh,
            size=rng.choice([1, 2, 5, 32, 33, 224, rng.randint(1, 300), bw, bh]))
    if max(w, h) <= 40 * min(w, h):  # the resized image would be very long
        short = rng.choice([7, 32, 64, 256, min(w, h)])
        yield "resize_short_side", dict(size=short)
        crop = rng.choice([short, max(1, short - 1), max(1, short * 7 // 8), short + 3])
        yield "resize_short_side+center_crop", dict(size=short, crop=crop)


def cases(size, rng):
    """name -> case."""
    every = [*colours(rng), *affine(rng), *resizes(size, rng)]
    return {f"{op.replace('+', '_')}_{n}": oracle.case(op, oracle.WHOLE, **params)
            for n, (op, params) in enumerate(every)}


def encode_jpeg(img, rng, path):
    img.convert(rng.choice(["L", "RGB", "RGB", "RGB", "CMYK"])).save(
        path, quality=rng.randint(5, 100), progressive=rng.random() < 0.5,
        optimize=rng.random() < 0.5, subsampling=rng.randint(0, 2))


def encode_png(img, rng, path):
    mode, extra = rng.choice(["1", "L", "LA", "P", "P", "RGB", "RGBA", "I"]), {}
    if mode == "P":
        img = img.quantize(rng.choice([2, 3, 4, 15, 16, 17, 256]))
        if rng.random() < 0.5:
            extra = dict(transparency=rng.randrange(2))
    elif mode == "I":
        factor = rng.choice([1, 2, 200])
        img = img.convert("I").point(lambda v: v * factor)
    else:
        img = img.convert(mode)
    if mode in ("LA", "RGBA"):
        img.putalpha(Image.effect_noise(img.size, 100))
    img.save(path, **extra)


def write(folder, files, rng, encoded):
    """input.* and its cases; encoded: a file of some kind that Pillow can write, to be decoded."""
    os.makedirs(folder, exist_ok=True)
    img, path = make_input(files, rng), os.path.join(folder, "input.png")
    made = dict(decode=oracle.case("decode", oracle.WHOLE)) if encoded else cases(img.size, rng)
    if not encoded:
        img.save(path, compress_level=1)
    elif rng.random() < 0.5:
        path = os.path.join(folder, "input.jpg")
        encode_jpeg(img, rng, path)
    else:
        encode_png(img, rng, path)
    img = oracle.read(path)
    for name, case in made.items():
        oracle.run(img, case).save(os.path.join(folder, name + ".png"), compress_level=1)
    with open(os.path.join(folder, "cases.json"), "w") as f:
        json.dump(made, f, indent=1)


def main():
    photos, out, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    files = [os.path.join(photos, f) for f in sorted(os.listdir(photos))
             if f.endswith((".JPEG", ".jpg"))]
    rng = random.Random(seed)
    warnings.simplefilter("ignore")  # Pillow's, about transparency
    for n in range(count):
        write(os.path.join(out, f"{seed}_{n:05d}"), files, rng, n % 4 == 3)


if __name__ == "__main__":
    main()
