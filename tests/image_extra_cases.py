#!/usr/bin/env python3
"""Writes image cases beyond the stored ones: odd and tiny sizes, extreme parameters, many images.

    python3 image_extra_cases.py SAMPLES OUTDIR COUNT SEED
    test_image_cases $(for d in OUTDIR/*; do echo $d/input.* $d; done)

Run by hand, with Pillow 9.4. Every case works on the image as it is ("input": "image").
"""
import glob
import json
import os
import random
import sys
import warnings

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def make_input(files, rng):
    """A crop of a sample at an odd size, sometimes tiny, sometimes flat, sometimes noise."""
    img = Image.open(rng.choice(files)).convert("RGB")
    w = min(img.size[0], rng.choice([1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 33, 64, 97, rng.randint(1, 400)]))
    h = min(img.size[1], rng.choice([1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 33, 64, 97, rng.randint(1, 400)]))
    left, top = rng.randint(0, img.size[0] - w), rng.randint(0, img.size[1] - h)
    img = img.crop((left, top, left + w, top + h))
    kind = rng.random()
    if kind < 0.15:
        img = Image.frombytes("RGB", (w, h), bytes(rng.getrandbits(8) for _ in range(3 * w * h)))
    elif kind < 0.2:
        img = Image.new("RGB", (w, h), tuple(rng.randrange(256) for _ in range(3)))
    elif kind < 0.3:
        img = img.point([rng.choice((0, 255, i)) for i in range(256)] * 3)
    return img


def cases(img, rng):
    w, h = img.size
    out = {}

    def add(name, image, op, **params):
        out["%s_%d" % (name, len(out))] = (image, dict(op=op, input="image", **params))

    for kind in ("Brightness", "Contrast", "Color", "Sharpness"):
        for f in (rng.uniform(0, 2), rng.choice([0, 1, 2, 0.1, 1.9, -0.5, 5.0])):
            add(kind, getattr(ImageEnhance, kind)(img).enhance(f), kind.lower(), factor=f)
    f = rng.uniform(-0.5, 0.5)
    hue, s, v = img.convert("HSV").split()
    shift = int(f * 255) % 256
    add("hue", Image.merge("HSV", (hue.point([(i + shift) % 256 for i in range(256)]), s, v)).convert("RGB"),
        "hue", factor=f)
    for sigma in (rng.uniform(0.1, 2), rng.choice([0, 0.05, 3.3, 10.0, 40.0])):
        add("blur", img.filter(ImageFilter.GaussianBlur(radius=sigma)), "gaussian_blur", sigma=sigma)
    add("autocontrast", ImageOps.autocontrast(img), "autocontrast")
    add("equalize", ImageOps.equalize(img), "equalize")
    add("grayscale", img.convert("L").convert("RGB"), "grayscale")
    add("hflip", img.transpose(Image.FLIP_LEFT_RIGHT), "hflip")
    threshold = rng.choice([rng.uniform(0, 256), rng.randint(0, 256)])
    add("solarize", ImageOps.solarize(img, threshold), "solarize", threshold=threshold)
    bits = rng.randint(1, 8)
    add("posterize", ImageOps.posterize(img, bits), "posterize", bits=bits)
    for _ in range(2):
        name = rng.choice(list(FILTERS))
        fill = [rng.randrange(256) for _ in range(3)]
        how = dict(resample=FILTERS[name], fillcolor=tuple(fill))
        said = dict(resample=name, fill=fill)
        d = rng.choice([rng.uniform(-30, 30), rng.uniform(-720, 720), 0.0, 90.0, 180.0, 270.0, -90.0, 45.0, 1e-9])
        add("rotate", img.rotate(d, **how), "rotate", degrees=d, **said)
        f = rng.choice([rng.uniform(-0.3, 0.3), rng.uniform(-3, 3), 0.0, 1.0, -0.5])
        add("shear_x", img.transform(img.size, Image.AFFINE, (1, f, 0, 0, 1, 0), **how), "shear_x", factor=f, **said)
        add("shear_y", img.transform(img.size, Image.AFFINE, (1, 0, 0, f, 1, 0), **how), "shear_y", factor=f, **said)
        p = rng.choice([rng.uniform(-0.45, 0.45), rng.uniform(-1.5, 1.5), 0.0, 1.0, -1.0, 0.5])
        add("translate_x", img.transform(img.size, Image.AFFINE, (1, 0, p * w, 0, 1, 0), **how), "translate_x",
            fraction=p, **said)
        add("translate_y", img.transform(img.size, Image.AFFINE, (1, 0, 0, 0, 1, p * h), **how), "translate_y",
            fraction=p, **said)
    d = rng.choice([rng.uniform(0, 30), 90.0, 180.0])
    rot = img.convert("RGBA").rotate(d)
    add("autoaugment_rotate", Image.composite(rot, Image.new("RGBA", rot.size, (128,) * 4), rot).convert("RGB"),
        "autoaugment_rotate", degrees=d)
    for _ in range(4):
        bw, bh = rng.randint(1, w), rng.randint(1, h)
        left, top = rng.randint(0, w - bw), rng.randint(0, h - bh)
        size = rng.choice([1, 2, 5, 32, 33, 224, rng.randint(1, 300), bw, bh])
        add("resized_crop", img.crop((left, top, left + bw, top + bh)).resize((size, size), Image.BILINEAR),
            "resized_crop", left=left, top=top, width=bw, height=bh, size=size)
    if max(w, h) <= 40 * min(w, h):
        size = rng.choice([7, 32, 64, 256, min(w, h)])
        size_w, size_h = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
        whole = img.resize((size_w, size_h), Image.BILINEAR)
        add("short_side", whole, "resize_short_side", size=size)
        crop = rng.choice([size, max(1, size - 1), max(1, size * 7 // 8), size + 3])
        top, left = int(round((size_h - crop) / 2.0)), int(round((size_w - crop) / 2.0))
        add("eval", whole.crop((left, top, left + crop, top + crop)), "resize_short_side+center_crop", size=size,
            crop=crop)
    return out


def encode(img, rng, base):
    """The image in some format Pillow can write and mode it can hold; returns the file's name."""
    if rng.random() < 0.5:
        mode = rng.choice(["L", "RGB", "RGB", "RGB", "CMYK"])
        img.convert(mode).save(base + ".jpg", quality=rng.randint(5, 100), progressive=rng.random() < 0.5,
                               optimize=rng.random() < 0.5, subsampling=rng.randint(0, 2))
        return base + ".jpg"
    mode = rng.choice(["1", "L", "LA", "P", "P", "RGB", "RGBA", "I"])
    if mode == "P":
        img = img.quantize(rng.choice([2, 3, 4, 15, 16, 17, 256]))
    elif mode == "I":
        img = img.convert("I").point(lambda v: v * rng.choice([1, 2, 200]))
    else:
        img = img.convert(mode)
    extra = {"transparency": rng.randrange(2)} if mode == "P" and rng.random() < 0.5 else {}
    if mode in ("LA", "RGBA"):
        img.putalpha(Image.effect_noise(img.size, 100))
    img.save(base + ".png", **extra)
    return base + ".png"


def main():
    samples, out, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    files = sorted(glob.glob(os.path.join(samples, "*.JPEG")))
    rng = random.Random(seed)
    warnings.simplefilter("ignore")
    for n in range(count):
        folder = os.path.join(out, "%d_%05d" % (seed, n))
        os.makedirs(folder, exist_ok=True)
        img = make_input(files, rng)
        if n % 4 == 3:
            img = Image.open(encode(img, rng, os.path.join(folder, "input"))).convert("RGB")
            made = {"decode": (img, dict(op="decode", input="image"))}
        else:
            img.save(os.path.join(folder, "input.png"), compress_level=1)
            made = cases(img, rng)
        for name, (image, _) in made.items():
            image.save(os.path.join(folder, name + ".png"), compress_level=1)
        with open(os.path.join(folder, "cases.json"), "w") as f:
            json.dump({name: params for name, (_, params) in made.items()}, f, indent=1)


if __name__ == "__main__":
    main()
