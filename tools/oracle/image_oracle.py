#!/usr/bin/env python3
"""What decoding, evaluation's preprocessing and every augmentation must give, in Pillow.

    image_oracle.py PHOTOS OUTDIR               all of PLAN: OUTDIR/NAME/cases.json and PNGs
    image_oracle.py IMAGE OUTDIR [CASE...]      every case, or some, of one image, in OUTDIR

A case is an operation and its drawn parameters, so that an implementation in another language can
be compared pixel by pixel: random draws are not part of a case. The operations are those of
torchvision's transforms on Pillow images and of timm's RandAugment. Needs Debian's python3-pil;
Pillow 9.4 made the stored cases.
"""
import json
import os
import sys

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

MEAN_FILL = (124, 116, 104)  # round(255 * ImageNet's mean)
GREY_FILL = (128, 128, 128)
FILTERS = dict(nearest=Image.NEAREST, bilinear=Image.BILINEAR, bicubic=Image.BICUBIC)


# ---------------------------------------------------------------- operations

def resize_short_side(img, size):
    """torchvision's Resize(size): the short side becomes `size`, the long one is cut to a whole."""
    w, h = img.size
    if w <= h:
        return img.resize((size, int(size * h / w)), Image.BILINEAR)
    return img.resize((int(size * w / h), size), Image.BILINEAR)


def center_crop(img, size):
    w, h = img.size
    top, left = int(round((h - size) / 2.0)), int(round((w - size) / 2.0))
    return img.crop((left, top, left + size, top + size))


def resize_and_crop(img, size, crop):
    return center_crop(resize_short_side(img, size), crop)


def resized_crop(img, top, left, height, width, size):
    """RandomResizedCrop with its box already drawn; antialiased, as Pillow resizes."""
    return img.crop((left, top, left + width, top + height)).resize((size, size), Image.BILINEAR)


def enhance(kind):
    return lambda img, factor: getattr(ImageEnhance, kind)(img).enhance(factor)


def hue(img, factor):
    """torchvision's adjust_hue: H moves by uint8(factor * 255), modulo 256, in Pillow's HSV."""
    h, s, v = img.convert("HSV").split()
    shift = int(factor * 255) % 256
    h = h.point([(i + shift) % 256 for i in range(256)])
    return Image.merge("HSV", (h, s, v)).convert("RGB")


def grayscale(img):
    return img.convert("L").convert("RGB")


def hflip(img):
    return img.transpose(Image.FLIP_LEFT_RIGHT)


def gaussian_blur(img, sigma):
    return img.filter(ImageFilter.GaussianBlur(radius=sigma))


def solarize_add(img, add, threshold):
    return img.point([min(255, i + add) if i < threshold else i for i in range(256)] * 3)


def rotate(img, degrees, resample, fill):
    return img.rotate(degrees, resample=FILTERS[resample], fillcolor=tuple(fill))


def affine(img, matrix, resample, fill):
    return img.transform(img.size, Image.AFFINE, matrix, resample=FILTERS[resample],
                         fillcolor=tuple(fill))


def shear_x(img, factor, **how):
    return affine(img, (1, factor, 0, 0, 1, 0), **how)


def shear_y(img, factor, **how):
    return affine(img, (1, 0, 0, factor, 1, 0), **how)


def translate_x(img, fraction, **how):
    return affine(img, (1, 0, fraction * img.size[0], 0, 1, 0), **how)


def translate_y(img, fraction, **how):
    return affine(img, (1, 0, 0, 0, 1, fraction * img.size[1]), **how)


def autoaugment_rotate(img, degrees):
    """AutoAugment's rotation: nearest neighbour, pasted over grey."""
    turned = img.convert("RGBA").rotate(degrees)
    grey = Image.new("RGBA", turned.size, (128,) * 4)
    return Image.composite(turned, grey, turned).convert("RGB")


def pad_crop(img, top, left, size, pad):
    """RandomCrop(size, padding=pad) with its corner drawn, counted in the padded image."""
    padded = Image.new("RGB", (img.size[0] + 2 * pad, img.size[1] + 2 * pad))
    padded.paste(img, (pad, pad))
    return padded.crop((left, top, left + size, top + size))


def cutout(img, y, x, length):
    """The window [y - length/2, y + length/2) and so in x, clipped to the image, becomes black. It
    acts before normalisation: black, not the colour of the mean."""
    w, h = img.size
    box = (max(x - length // 2, 0), max(y - length // 2, 0),
           min(x + length // 2, w), min(y + length // 2, h))
    out = img.copy()
    out.paste((0, 0, 0), box)
    return out


def chain(img, steps):
    """Whole views: they fix the order of operations and the rounding between them."""
    for step in steps:
        img = run(img, step)
    return img


OPERATIONS = {
    "decode": lambda img: img, "resize_short_side": resize_short_side,
    "resize_short_side+center_crop": resize_and_crop, "resized_crop": resized_crop,
    "brightness": enhance("Brightness"), "contrast": enhance("Contrast"), "color": enhance("Color"),
    "sharpness": enhance("Sharpness"), "hue": hue, "grayscale": grayscale, "hflip": hflip,
    "gaussian_blur": gaussian_blur, "autocontrast": ImageOps.autocontrast,
    "equalize": ImageOps.equalize, "invert": ImageOps.invert,
    "solarize": lambda img, threshold: ImageOps.solarize(img, threshold),
    "solarize_add": solarize_add, "posterize": lambda img, bits: ImageOps.posterize(img, bits),
    "rotate": rotate, "shear_x": shear_x, "shear_y": shear_y, "translate_x": translate_x,
    "translate_y": translate_y, "autoaugment_rotate": autoaugment_rotate, "pad_crop": pad_crop,
    "cutout": cutout, "chain": chain,
}


def run(img, case):
    """The image that a case must give, of its input."""
    params = {k: v for k, v in case.items() if k not in ("op", "input")}
    return OPERATIONS[case["op"]](img, **params)


# ---------------------------------------------------------------- inputs

WHOLE, EVAL, SMALL = "image", "eval_256_224", "eval_256_224 resized to 32x32, bilinear"


def read(path):
    """As torchvision's loaders do it: EXIF's orientation is not obeyed."""
    return Image.open(path).convert("RGB")


def inputs(img):
    """What cases begin with: the decoded image, evaluation's crop of it, and that as small as
    CIFAR's images."""
    crop = resize_and_crop(img, 256, 224)
    return {WHOLE: img, EVAL: crop, SMALL: crop.resize((32, 32), Image.BILINEAR)}


# ---------------------------------------------------------------- cases: name -> case

def case(op, source=EVAL, **params):
    return dict(op=op, input=source, **params)


def geometry_cases(size):
    """On the decoded image at its own size."""
    w, h = size
    last = (h - 3) * 3 // 4
    boxes = [(0, 0, h, w), (h // 5, w // 7, h // 2, w // 3),
             (h // 3, w // 4, max(1, h // 11), max(1, w // 9)),
             (1, 2, h - 3, max(1, last) if last <= w - 2 else w - 2)]
    out = {"decode": case("decode", WHOLE),
           "eval_resize256": case("resize_short_side", WHOLE, size=256),
           "eval_256_224": case("resize_short_side+center_crop", WHOLE, size=256, crop=224)}
    for n, (top, left, height, width) in enumerate(boxes):
        out[f"resized_crop_{n}"] = case("resized_crop", WHOLE, top=top, left=left, height=height,
                                        width=width, size=224)
    return out


def colour_cases():
    out = {}
    for f in (0.6, 1.0, 1.37):
        for op in ("brightness", "contrast", "color", "sharpness"):
            out[f"{op}_{f}"] = case(op, factor=f)
    for f in (-0.1, 0.07):
        out[f"hue_{f}"] = case("hue", factor=f)
    out["grayscale"], out["hflip"] = case("grayscale"), case("hflip")
    for s in (0.1, 0.7, 1.3, 2.0):
        out[f"blur_{s}"] = case("gaussian_blur", sigma=s)
    for op in ("autocontrast", "equalize", "invert"):
        out[op] = case(op)
    for t in (0, 110, 128, 256):
        out[f"solarize_{t}"] = case("solarize", threshold=t)
    for a in (30, 110):
        out[f"solarize_add_{a}"] = case("solarize_add", add=a, threshold=128)
    for b in (1, 4, 7):
        out[f"posterize_{b}"] = case("posterize", bits=b)
    return out


def affine_cases():
    out = {}
    for name in ("bilinear", "bicubic"):
        how = dict(resample=name, fill=MEAN_FILL)
        for d in (-30.0, 17.5):
            out[f"rotate_{d}_{name}"] = case("rotate", degrees=d, **how)
        for f in (-0.3, 0.21):
            for op in ("shear_x", "shear_y"):
                out[f"{op}_{f}_{name}"] = case(op, factor=f, **how)
        for f in (-0.45, 0.123):
            for op in ("translate_x", "translate_y"):
                out[f"{op}_{f}_{name}"] = case(op, fraction=f, **how)
    return out


def autoaugment_cases():
    """Its translations take the nearest neighbour and its shears are bicubic, both over grey."""
    out = {}
    for f in (-0.3, 0.22):
        for op in ("translate_x", "translate_y"):
            out[f"autoaugment_{op}_{f}"] = case(op, fraction=f, resample="nearest", fill=GREY_FILL)
        out[f"autoaugment_shear_x_{f}"] = case("shear_x", factor=f, resample="bicubic",
                                               fill=GREY_FILL)
    for d in (10.0, 30.0):
        out[f"autoaugment_rotate_{d}"] = case("autoaugment_rotate", degrees=d)
    return out


def small_cases():
    """Of the CIFAR recipes."""
    out = {}
    for top, left in ((0, 0), (4, 4), (8, 3)):
        out[f"cifar_pad_crop_{top}_{left}"] = case("pad_crop", SMALL, top=top, left=left, size=32,
                                                   pad=4)
    for y, x in ((0, 31), (16, 16), (30, 3)):
        out[f"cifar_cutout_{y}_{x}"] = case("cutout", SMALL, y=y, x=x, length=16)
    out["cifar_autoaugment_rotate"] = case("autoaugment_rotate", SMALL, degrees=26.0)
    out["cifar_equalize"] = case("equalize", SMALL)
    out["cifar_blur"] = case("gaussian_blur", SMALL, sigma=1.1)
    out["cifar_resized_crop"] = case("resized_crop", SMALL, top=3, left=5, height=21, width=17,
                                     size=32)
    return out


def step(op, **params):
    return dict(op=op, **params)


CHAINS = {
    "chain_randcls": [
        step("resized_crop", top=20, left=31, height=150, width=170, size=224), step("hflip"),
        step("contrast", factor=1.21), step("color", factor=0.73), step("brightness", factor=1.33),
        step("rotate", degrees=-28.7, resample="bicubic", fill=MEAN_FILL),
        step("posterize", bits=3)],
    "chain_sim": [
        step("resized_crop", top=5, left=2, height=90, width=111, size=224),
        step("brightness", factor=0.81), step("color", factor=1.4), step("contrast", factor=0.66),
        step("grayscale"), step("gaussian_blur", sigma=1.73), step("hflip")],
}
CHAIN_SIDE = 210  # what their boxes need


def every_case(size):
    out = geometry_cases(size) | colour_cases() | affine_cases() | autoaugment_cases()
    out |= small_cases()
    if min(size) >= CHAIN_SIDE:
        out |= {name: case("chain", WHOLE, steps=steps) for name, steps in CHAINS.items()}
    return out


# ---------------------------------------------------------------- files

def write_cases(path, folder, names=None):
    """The named cases of an image, or all: cases.json and a PNG each."""
    img = read(path)
    chosen = {n: c for n, c in every_case(img.size).items() if not names or n in names}
    sources = inputs(img)
    os.makedirs(folder, exist_ok=True)
    for name, c in chosen.items():
        run(sources[c["input"]], c).save(os.path.join(folder, name + ".png"), optimize=True)
    with open(os.path.join(folder, "cases.json"), "w") as f:
        json.dump(chosen, f, indent=1)


# Photograph -> its cases (None: all). One has everything; the others are there for their size or
# their kind of file, and a large one's decoded pixels would be a large file.
GEOMETRY = tuple(geometry_cases((1, 1)))
PLAN = {
    "coffee": None, "chelsea": GEOMETRY, "camera_grey": GEOMETRY, "astronaut_turned": GEOMETRY,
    "chelsea_tiny": GEOMETRY, "retina_large": ("eval_256_224", "resized_crop_0", "resized_crop_1"),
    "astronaut_tiny": ("decode", "eval_256_224"), "rocket_progressive": ("decode",),
    "coffee_cmyk": ("decode",), "chelsea_palette": ("decode",), "clock_16bit": ("decode",),
    "clock_alpha": ("decode",), "hubble": ("decode",),
}


def photograph(folder, name):
    """The one file of that name, whatever it ends with."""
    found = [f for f in os.listdir(folder) if os.path.splitext(f)[0] == name]
    if len(found) != 1:
        raise FileNotFoundError(f"{folder}: {len(found)} files {name}.*")
    return os.path.join(folder, found[0])


def main():
    source, out, *names = sys.argv[1:]
    if os.path.isdir(source):
        for name, chosen in PLAN.items():
            write_cases(photograph(source, name), os.path.join(out, name), chosen)
    else:
        write_cases(source, out, names)


if __name__ == "__main__":
    main()
