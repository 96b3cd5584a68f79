#!/usr/bin/env python3
"""Makes the photographs and the long-tailed image set of tests/data.

    make_photos.py SKIMAGE_DATA OUTDIR          (OUTDIR: tests/data)

SKIMAGE_DATA is the folder skimage/data of scikit-image 0.26's wheel. Only pictures that are CC0 or
in the public domain are taken; tests/data/README.md names the origin of each. The bytes depend on
Pillow and its libjpeg (the stored files: Pillow 9.4), which is why they are kept and not made by
the tests.
"""
import os
import sys

from PIL import Image

from image_oracle import photograph

ORIENTATION = 0x0112  # the EXIF tag

# The classes of the long-tailed set, most frequent first: a picture each, and the side of its crops
# in pixels of it.
CLASSES = [("astronaut", 64), ("coffee", 80), ("chelsea", 64), ("rocket", 96), ("retina", 160),
           ("hubble_deep_field", 64), ("camera", 80), ("clock_motion", 64), ("grass", 96),
           ("brick", 96)]
MOST, IMBALANCE, TESTED, SIDE = 120, 100, 5, 32


def smaller(img, width):
    return img.resize((width, round(width * img.size[1] / img.size[0])), Image.LANCZOS)


def orientation(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


def with_alpha(grey):
    img = grey.convert("LA")
    img.putalpha(Image.linear_gradient("L").resize(grey.size))
    return img


def photographs(picture):
    """(name, image, how to save it): every kind of file that a decoder must get right."""
    cat, cup, person = picture("chelsea"), picture("coffee"), picture("astronaut")
    clock = smaller(picture("clock_motion"), 80)
    yield "chelsea.jpg", cat, dict(quality=85)
    yield "coffee.jpg", smaller(cup, 330), dict(quality=90, subsampling=0)  # 4:4:4
    yield ("rocket_progressive.jpg", smaller(picture("rocket"), 320),
           dict(quality=80, progressive=True))
    yield ("camera_grey.jpg", smaller(picture("camera"), 256).crop((0, 40, 256, 200)),
           dict(quality=85))
    yield "retina_large.jpg", picture("retina"), dict(quality=50)
    yield "coffee_cmyk.jpg", smaller(cup, 150).convert("CMYK"), dict(quality=85)
    yield ("astronaut_turned.jpg", smaller(person, 160).crop((20, 0, 120, 160)),
           dict(quality=85, exif=orientation(6)))
    yield ("astronaut_tiny.jpg", person.crop((150, 0, 310, 250)).resize((20, 31), Image.LANCZOS),
           dict(quality=90))
    yield "chelsea_tiny.jpg", smaller(cat, 20), dict(quality=90)
    yield "hubble.png", smaller(picture("hubble_deep_field"), 120), dict(optimize=True)
    yield "chelsea_palette.png", smaller(cat, 96).quantize(64), dict(optimize=True)
    # Values up to 510: what is above 255 becomes white, as Pillow converts 16 bits.
    yield "clock_16bit.png", clock.convert("I").point(lambda v: v * 2), {}
    yield "clock_alpha.png", with_alpha(clock), dict(optimize=True)


def write_photographs(picture, out):
    """The files, and list.txt, whose labels mean nothing."""
    os.makedirs(out, exist_ok=True)
    names = []
    for name, img, how in photographs(picture):
        img.save(os.path.join(out, name), **how)
        names.append(name)
    with open(os.path.join(out, "list.txt"), "w") as f:
        f.writelines(f"{name} {i % 10}\n" for i, name in enumerate(sorted(names)))


def crops(img, side, count):
    """`count` different squares of the picture, 32 x 32, spread over it row by row. A tenth at each
    border is left out: some pictures are black there, and their crops would be the same."""
    w, h = img.size
    img = img.crop((w // 10, h // 10, w - w // 10, h - h // 10))
    w, h = img.size
    columns = next(n for n in range(1, count + 1) if n * max(1, n * h // w) >= count)
    rows = -(-count // columns)
    for i in range(count):
        x = (w - side) * (i % columns) // max(1, columns - 1)
        y = (h - side) * (i // columns) // max(1, rows - 1)
        yield img.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.LANCZOS)


def class_images(img, side, trained):
    """`trained` images for training, then TESTED for testing, both spread over the picture."""
    images = list(crops(img, side, trained + TESTED))
    for i in range(TESTED):
        images.append(images.pop(i * len(images) // TESTED))
    return images


def write_long_tailed(picture, out):
    """train.txt has MOST * (1 / IMBALANCE)^(c / (C - 1)) images of class c, test.txt TESTED."""
    lists = dict(train=[], test=[])
    for label, (name, side) in enumerate(CLASSES):
        trained = int(MOST * (1 / IMBALANCE) ** (label / (len(CLASSES) - 1)))
        for i, image in enumerate(class_images(picture(name).convert("RGB"), side, trained)):
            which, number = ("train", i) if i < trained else ("test", i - trained)
            path = f"{which}/{name}/{number:04d}.jpg"
            os.makedirs(os.path.dirname(os.path.join(out, path)), exist_ok=True)
            image.save(os.path.join(out, path), quality=75, optimize=True)
            lists[which].append(f"{path} {label}\n")
    for which, lines in lists.items():
        with open(os.path.join(out, which + ".txt"), "w") as f:
            f.writelines(lines)


def main():
    sources, out = sys.argv[1:]

    def picture(name):
        return Image.open(photograph(sources, name))

    write_photographs(picture, os.path.join(out, "photos"))
    write_long_tailed(picture, os.path.join(out, "photos_lt"))


if __name__ == "__main__":
    main()
