#!/usr/bin/env python3
"""Makes the photographs and the long-tailed image set of tests/data from the pictures that scikit-image ships.

    python3 make_photos.py SKIMAGE_DATA OUTDIR       (OUTDIR: tests/data)

SKIMAGE_DATA is the folder skimage/data of scikit-image 0.26's wheel. Only pictures that are CC0 or in the public domain
are taken; tests/data/README.md names the origin of each. The bytes depend on Pillow and its libjpeg (the stored files:
Pillow 9.4), which is why they are kept and not made by the tests.
"""
import os
import sys

from PIL import Image

ORIENTATION = 0x0112  # the EXIF tag

# The classes of the long-tailed set, most frequent first: a picture each, and how large its crops are (in pixels of it).
CLASSES = [("astronaut", 64), ("coffee", 80), ("chelsea", 64), ("rocket", 96), ("retina", 160),
           ("hubble_deep_field", 64), ("camera", 80), ("clock_motion", 64), ("grass", 96), ("brick", 96)]
MOST, IMBALANCE, TESTED, SIDE = 120, 100, 5, 32


def photo(sources, name):
    for ending in (".png", ".jpg"):
        path = os.path.join(sources, name + ending)
        if os.path.exists(path):
            return Image.open(path)
    raise FileNotFoundError(os.path.join(sources, name))


def smaller(img, width):
    return img.resize((width, round(width * img.size[1] / img.size[0])), Image.LANCZOS)


def orientation(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


def photographs(sources, out):
    """Every kind of file that a decoder must get right, each of a real picture."""
    os.makedirs(out, exist_ok=True)

    def save(img, name, **how):
        img.save(os.path.join(out, name), **how)

    cat, cup = photo(sources, "chelsea"), photo(sources, "coffee")
    save(cat, "chelsea.jpg", quality=85)
    save(smaller(cup, 330), "coffee.jpg", quality=90, subsampling=0)  # colours at full resolution: 4:4:4
    save(smaller(photo(sources, "rocket"), 320), "rocket_progressive.jpg", quality=80, progressive=True)
    save(smaller(photo(sources, "camera"), 256).crop((0, 40, 256, 200)), "camera_grey.jpg", quality=85)
    save(photo(sources, "retina"), "retina_large.jpg", quality=50)
    save(smaller(cup, 150).convert("CMYK"), "coffee_cmyk.jpg", quality=85)
    save(smaller(photo(sources, "astronaut"), 160).crop((20, 0, 120, 160)), "astronaut_turned.jpg", quality=85,
         exif=orientation(6))
    save(photo(sources, "astronaut").crop((150, 0, 310, 250)).resize((20, 31), Image.LANCZOS), "astronaut_tiny.jpg",
         quality=90)
    save(smaller(cat, 20), "chelsea_tiny.jpg", quality=90)
    save(smaller(photo(sources, "hubble_deep_field"), 120), "hubble.png", optimize=True)
    save(smaller(cat, 96).quantize(64), "chelsea_palette.png", optimize=True)
    grey = smaller(photo(sources, "clock_motion"), 80)
    save(grey.convert("I").point(lambda v: v * 2), "clock_16bit.png")  # above 255 it becomes white
    alpha = grey.convert("LA")
    alpha.putalpha(Image.linear_gradient("L").resize(grey.size))
    save(alpha, "clock_alpha.png", optimize=True)


def crops(img, side, count):
    """`count` different squares of the picture, 32 x 32, spread over it row by row. A tenth at each border is left
    out: some pictures are black there, and their crops would be the same."""
    w, h = img.size
    img = img.crop((w // 10, h // 10, w - w // 10, h - h // 10))
    columns = next(n for n in range(1, count + 1) if n * max(1, n * img.size[1] // img.size[0]) >= count)
    rows = -(-count // columns)
    for i in range(count):
        x = (img.size[0] - side) * (i % columns) // max(1, columns - 1)
        y = (img.size[1] - side) * (i // columns) // max(1, rows - 1)
        yield img.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.LANCZOS)


def long_tailed(sources, out):
    """train.txt has MOST * (1 / IMBALANCE)^(c / (C - 1)) images of class c, test.txt TESTED of each."""
    lists = dict(train=[], test=[])
    for label, (name, side) in enumerate(CLASSES):
        trained = int(MOST * (1 / IMBALANCE) ** (label / (len(CLASSES) - 1)))
        images = list(crops(photo(sources, name).convert("RGB"), side, trained + TESTED))
        for i in range(TESTED):  # spread over the picture too
            images.append(images.pop(i * len(images) // TESTED))
        for i, image in enumerate(images):
            which = "train" if i < trained else "test"
            path = f"{which}/{name}/{i if i < trained else i - trained:04d}.jpg"
            os.makedirs(os.path.dirname(os.path.join(out, path)), exist_ok=True)
            image.save(os.path.join(out, path), quality=75, optimize=True)
            lists[which].append(f"{path} {label}\n")
    for which, lines in lists.items():
        with open(os.path.join(out, which + ".txt"), "w") as f:
            f.writelines(lines)


def main():
    sources, out = sys.argv[1:]
    photographs(sources, os.path.join(out, "photos"))
    long_tailed(sources, os.path.join(out, "photos_lt"))


if __name__ == "__main__":
    main()
