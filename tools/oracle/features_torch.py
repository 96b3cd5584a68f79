#!/usr/bin/env python3
"""What timm's ResNet-50 with random weights makes of a list of images, and whether `paco eval` makes the same.

    features_torch.py make LIST FOLDER OUT       OUT/net.pth, a state dict, and OUT/wanted.npz
    features_torch.py compare OUT TTA...         OUT/TTA.{logits,features}.{npy,safetensors}, written by `paco eval
                                                 --save-logits, --save-features, --tta`, with wanted.npz; none, flip

Images become 224 x 224 as in evaluation: short side 256, centre crop. Batch norm has the statistics of these images, so
that what a layer makes has the size that it has in a trained network. What is wanted is float64's. Ours may be as far
off as four times PyTorch's own float32 (other orders of summation), and as BOUND of the largest number.
"""
import os
import sys

import numpy as np
import timm
import torch
from safetensors.numpy import load_file

from image_oracle import read, resize_and_crop

CLASSES, SIDE, RESIZE, TIMES, BOUND = 20, 224, 256, 4, 2e-5
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def network(x):
    torch.manual_seed(1)
    net = timm.create_model("resnet50", pretrained=False, num_classes=CLASSES)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.9)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.momentum = 1  # the statistics of one batch
    net.train()(x)
    return net.eval()


def evaluate(net, x):
    """(logits, features) as arrays."""
    pooled = net.forward_head(net.forward_features(x), pre_logits=True)
    return net.get_classifier()(pooled).numpy(), pooled.numpy()


def mirrored(net, x):
    """The same of each image and its mirror image: logs of the mean probabilities, mean features."""
    (a, f), (b, g) = evaluate(net, x), evaluate(net, x.flip(3))
    p = [torch.from_numpy(v).softmax(1) for v in (a, b)]
    return ((p[0] + p[1]) / 2).log().numpy(), (f + g) / 2


@torch.no_grad()
def make(list_file, folder, out):
    with open(list_file) as f:
        lines = [line.split() for line in f]
    pixels = np.stack([np.asarray(resize_and_crop(read(os.path.join(folder, path)), RESIZE, SIDE)) for path, _ in lines])
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    net, wanted = network((x / 255 - MEAN) / STD), {"labels": np.array([int(label) for _, label in lines])}
    torch.save(net.state_dict(), os.path.join(out, "net.pth"))
    for bits, kind in ((32, torch.float32), (64, torch.float64)):
        net = net.to(kind)
        view = (x.to(kind) / 255 - MEAN.to(kind)) / STD.to(kind)
        for tta, how in (("none", evaluate), ("flip", mirrored)):
            wanted[f"{tta}.logits.{bits}"], wanted[f"{tta}.features.{bits}"] = how(net, view)
    np.savez(os.path.join(out, "wanted.npz"), **wanted)


def compare(out, *ttas):
    wanted = np.load(os.path.join(out, "wanted.npz"))
    for tta in ttas:
        for what in "logits", "features":
            begin = os.path.join(out, f"{tta}.{what}")
            have, tensors = np.load(begin + ".npy"), load_file(begin + ".safetensors")
            assert sorted(tensors) == sorted([what, "labels"])
            assert all(a.dtype == np.float32 and a.flags["C_CONTIGUOUS"] for a in (have, tensors[what]))
            assert np.array_equal(have, tensors[what])
            assert tensors["labels"].dtype == np.int64 and np.array_equal(tensors["labels"], wanted["labels"])
            exact = wanted[f"{tta}.{what}.64"]
            assert have.shape == exact.shape
            off, theirs = (np.abs(v - exact).max() for v in (have, wanted[f"{tta}.{what}.32"]))
            largest = np.abs(exact).max()
            said = f"{tta} {what}: off by {off:.2e}, PyTorch by {theirs:.2e}, of {largest:.3g} {have.shape}"
            print(said)
            assert np.ptp(exact, axis=0).max() > 1000 * theirs, "images that look alike say nothing"
            assert off <= TIMES * theirs and off <= BOUND * largest, said


if __name__ == "__main__":
    {"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
