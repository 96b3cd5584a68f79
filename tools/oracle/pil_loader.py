#!/usr/bin/env python3
"""Times the usual way to make images: torchvision's transforms on Pillow images.

    pil_loader.py FOLDER pair|view|eval|decode [REPETITIONS]

pair    two views of each image, `randcls` and `sim`, as the ImageNet-LT recipe draws them
eval    short side 256, centre crop 224, normalised
FOLDER holds JPEG and PNG files. One thread. Prints a line of JSON with the median images/s over the
repetitions.
"""
import json
import os
import random
import sys

import numpy as np
import torch
import torchvision.transforms as T

import image_oracle as oracle
from yardstick import median, seconds

SIDE = 224


def signed(level):
    return random.choice((-1, 1)) * level


def enhanced(level):
    return dict(factor=level * 1.8 + 0.1)


# RandAugment: operation of the image oracle -> its parameters at a level in [0, 1].
NOTHING = lambda level: {}
PLAIN = {
    "autocontrast": NOTHING, "equalize": NOTHING, "invert": NOTHING,
    "posterize": lambda level: dict(bits=int(level * 4)),
    "solarize": lambda level: dict(threshold=int(level * 256)),
    "solarize_add": lambda level: dict(add=int(level * 110), threshold=128),
    "color": enhanced, "contrast": enhanced, "brightness": enhanced, "sharpness": enhanced,
}
AFFINE = {  # these also draw how they interpolate
    "rotate": lambda level: dict(degrees=signed(30 * level)),
    "shear_x": lambda level: dict(factor=signed(0.3 * level)),
    "shear_y": lambda level: dict(factor=signed(0.3 * level)),
    "translate_x": lambda level: dict(fraction=signed(0.45 * level)),
    "translate_y": lambda level: dict(fraction=signed(0.45 * level)),
}


class RandAugment:
    """n of the 15 operations, each applied with probability 1/2 at magnitude N(m, 0.5) clipped to
    [0, 10]."""

    def __init__(self, n, m):
        self.n, self.m = n, m

    def __call__(self, img):
        for op in random.choices([*PLAIN, *AFFINE], k=self.n):
            if random.random() < 0.5:
                level = min(10.0, max(0.0, random.gauss(self.m, 0.5))) / 10
                img = self.apply(img, op, level)
        return img

    @staticmethod
    def apply(img, op, level):
        if op in PLAIN:
            return oracle.OPERATIONS[op](img, **PLAIN[op](level))
        return oracle.OPERATIONS[op](img, resample=random.choice(("bilinear", "bicubic")),
                                     fill=oracle.MEAN_FILL, **AFFINE[op](level))


def blur(img):
    return oracle.gaussian_blur(img, random.uniform(0.1, 2.0))


TAIL = [T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
JITTER = T.ColorJitter(0.4, 0.4, 0.4, 0.0)
RANDCLS = T.Compose([T.RandomResizedCrop(SIDE, scale=(0.08, 1.0)), T.RandomHorizontalFlip(), JITTER,
                     RandAugment(2, 10)] + TAIL)
SIM = T.Compose([T.RandomResizedCrop(SIDE), JITTER, T.RandomGrayscale(0.2),
                 T.RandomApply([T.Lambda(blur)], p=0.5), T.RandomHorizontalFlip()] + TAIL)
EVAL = T.Compose([T.Resize(256), T.CenterCrop(SIDE)] + TAIL)
MODES = dict(pair=lambda img: (RANDCLS(img), SIM(img)), view=RANDCLS, eval=EVAL, decode=np.asarray)


def main():
    folder, mode = sys.argv[1], sys.argv[2]
    repetitions = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    torch.set_num_threads(1)
    files = [os.path.join(folder, f) for f in sorted(os.listdir(folder))
             if f.lower().endswith((".jpg", ".jpeg", ".png"))]

    def everything():
        for path in files:
            MODES[mode](oracle.read(path))

    rate = len(files) / median(seconds(everything, 1, repetitions))
    print(json.dumps(dict(mode=mode, images=len(files), images_per_s=rate)))


if __name__ == "__main__":
    main()
