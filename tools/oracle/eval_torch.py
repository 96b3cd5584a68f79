#!/usr/bin/env python3
"""PyTorch's predictions of a CIFAR ResNet over a list of images, as `path,label,top1` lines.

    eval_torch.py CHECKPOINT LAYERS LIST FOLDER OUT

What `paco eval` is compared with. The checkpoint is one of the published kind: its classifier is
called `linear`. Images become 32x32 as in evaluation (short side, centre crop), pixels are divided
by 255 and normalised with ImageNet's mean and deviation.
"""
import os
import sys

import numpy as np
import torch

from image_oracle import read, resize_and_crop
from oracle_networks import CIFAR_N, CifarResNet

SIDE, BATCH = 32, 200
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def network(checkpoint, layers):
    state = torch.load(checkpoint, map_location="cpu")
    state = state.get("state_dict", state)
    state = {k[len("module."):] if k.startswith("module.") else k: v for k, v in state.items()}
    state = {k.replace("linear.", "fc."): v for k, v in state.items()}
    net = CifarResNet(CIFAR_N[f"resnet{layers}"], state["fc.bias"].numel())
    net.load_state_dict(state)
    return net.eval()


def batch(paths):
    """[N, 3, 32, 32], normalised."""
    pixels = np.stack([np.asarray(resize_and_crop(read(p), SIDE, SIDE)) for p in paths])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


@torch.no_grad()
def main():
    checkpoint, layers, list_file, folder, out = sys.argv[1:]
    net = network(checkpoint, layers)
    with open(list_file) as f:
        lines = [line.split() for line in f]
    right = 0
    with open(out, "w") as f:
        for start in range(0, len(lines), BATCH):
            part = lines[start:start + BATCH]
            x = batch([os.path.join(folder, path) for path, _ in part])
            for (path, label), guess in zip(part, net.fc(net.pooled(x)).argmax(1).tolist()):
                right += int(label) == guess
                f.write(f"{path},{label},{guess}\n")
    print(f"{right} of {len(lines)} right")


if __name__ == "__main__":
    main()
