#!/usr/bin/env python3
"""Checkpoints of networks as others build, wrap and save them, with what PyTorch makes of each.

    network_files.py FOLDER LIST IMAGES [NAME...]

Writes FOLDER/NAME.pth and, for each, a line of FOLDER/cases.txt:
    NAME SIZE LOSS|- ARGUMENTS : TOP1 TOP1 ... (? where the two best classes are closer than 1e-4)
LOSS is the mean cross-entropy over the list's images, "-" where the module's scale is not in the file. ARGUMENTS go to
`paco eval`. Weights are random, running statistics those of some batches, so that every layer matters."""
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision.models import resnet

from image_oracle import read, resize_and_crop
from oracle_networks import CifarResNet

CLASSES = 10
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
RESIZE = {32: 32, 64: 64, 224: 256}


class ShortcutBlock(nn.Module):
    """Two 3x3 convolutions, or a bottleneck, and a projected shortcut called `shortcut`."""

    def __init__(self, cin, width, stride, bottleneck):
        super().__init__()
        cout = width * (4 if bottleneck else 1)
        if bottleneck:
            self.conv1 = nn.Conv2d(cin, width, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(width, cout, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(cout)
        else:
            self.conv1 = nn.Conv2d(cin, width, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):
            y = self.bn3(self.conv3(F.relu(y)))
        return F.relu(y + self.shortcut(x))


class SmallResNet(nn.Module):
    """A ResNet with a 3x3 stem for 32x32 images; stages double their width."""

    def __init__(self, stem, layers, bottleneck=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        cin, self.stages = stem, len(layers)
        for s, n in enumerate(layers):
            blocks = []
            for i in range(n):
                blocks.append(ShortcutBlock(cin, stem << s, 2 if s and not i else 1, bottleneck))
                cin = (stem << s) * (4 if bottleneck else 1)
            setattr(self, f"layer{s + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(cin, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.linear(x.mean((2, 3)))


class Cosine(nn.Module):
    """A classifier of normalised features and weights: [in, out], or turned [out, in]."""

    def __init__(self, width, turned=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CLASSES, width) if turned else torch.randn(width, CLASSES))
        self.turned = turned

    def forward(self, x):
        w = self.weight.T if self.turned else self.weight
        return F.normalize(x, dim=1) @ F.normalize(w, dim=0)


class Plain(nn.Module):
    """The CIFAR ResNet-20 with option A shortcuts and a classifier of any name."""

    def __init__(self, classifier="linear", module=None):
        super().__init__()
        net = CifarResNet(3, CLASSES)
        for name in ("conv1", "bn1", "layer1", "layer2", "layer3"):
            setattr(self, name, getattr(net, name))
        setattr(self, classifier, module or nn.Linear(64, CLASSES))
        self.head_name = classifier

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return getattr(self, self.head_name)(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def torchvision_net(block, layers, **more):
    return lambda: resnet.ResNet(getattr(resnet, block), layers, num_classes=CLASSES, **more)


def with_linear(net, name, module):
    setattr(net, name, module)
    return net


def prefixed(prefix, classifier=None):
    """Names behind a prefix; the classifier under one of its own."""
    def wrap(state):
        return {(classifier + k[k.rindex("."):] if classifier and k.startswith("linear.") else prefix + k): v
                for k, v in state.items()}
    return wrap


def beside(state, **more):
    return dict(state, **more)


def other(state):
    """Another network of the same kind."""
    return {k: v + 0.5 if v.is_floating_point() else v for k, v in state.items()}


SMALL = Plain
NETWORKS = {  # name: (network, side of the images, how it is saved, arguments, whether the loss is comparable)
    "r20_b": (lambda: SmallResNet(16, [3, 3, 3]), 32),
    "r32_b": (lambda: SmallResNet(16, [5, 5, 5]), 32),
    "r56_b": (lambda: SmallResNet(16, [9, 9, 9]), 32),
    "small_r18": (lambda: SmallResNet(64, [2, 2, 2, 2]), 32),
    "small_r34": (lambda: SmallResNet(64, [3, 4, 6, 3]), 32),
    "small_r50": (lambda: SmallResNet(64, [3, 4, 6, 3], True), 32),
    "r10": (torchvision_net("BasicBlock", [1, 1, 1, 1]), 64),
    "r18": (torchvision_net("BasicBlock", [2, 2, 2, 2]), 64),
    "r26": (torchvision_net("Bottleneck", [2, 2, 2, 2]), 64),
    "r34": (torchvision_net("BasicBlock", [3, 4, 6, 3]), 64),
    "r50": (torchvision_net("Bottleneck", [3, 4, 6, 3]), 64),
    "x50": (torchvision_net("Bottleneck", [3, 4, 6, 3], groups=32, width_per_group=4), 64),
    "w50": (torchvision_net("Bottleneck", [3, 4, 6, 3], width_per_group=128), 64),
    "cosine_in_out": (lambda: Plain("linear", Cosine(64)), 32),
    "cosine_fc": (lambda: Plain("fc", Cosine(64)), 32),
    "cosine_out_in": (lambda: Plain("fc", Cosine(64, True)), 32, None, "--classifier cosine"),
    "cosine_r18": (lambda: with_linear(SmallResNet(64, [2, 2, 2, 2]), "linear", Cosine(512)), 32),
    "no_bias": (lambda: Plain("linear", nn.Linear(64, CLASSES, bias=False)), 32),
    "ddp_compile": (SMALL, 32, prefixed("module._orig_mod.")),
    "compile_ddp": (SMALL, 32, prefixed("_orig_mod.module.")),
    "lightning_net": (SMALL, 32, lambda s: {"state_dict": prefixed("model.net.")(s), "epoch": 3}),
    "resnet_in_net": (SMALL, 32, prefixed("net.resnet.")),
    "mm_head": (SMALL, 32, lambda s: {"state_dict": prefixed("backbone.", "head.fc")(s), "meta": {"epoch": 1}}),
    "cls_head": (SMALL, 32, prefixed("backbone.", "cls_head")),
    "cls_head_fc": (SMALL, 32, prefixed("encoder.", "cls_head.fc")),
    "module_head": (SMALL, 32, prefixed("module.backbone.", "module.head")),
    "classifier": (lambda: Plain("classifier"), 32),
    "model_ema": (SMALL, 32, lambda s: {"model_ema": prefixed("module.")(s), "epoch": 1}),
    "ema_state_dict": (SMALL, 32, lambda s: {"ema_state_dict": s}),
    "plain_and_ema": (SMALL, 32, lambda s: {"state_dict": s, "state_dict_ema": other(s)}),
    "ema_by_key": (SMALL, 32, lambda s: {"state_dict": other(s), "state_dict_ema": s}, "--key state_dict_ema"),
    "teacher_by_key": (SMALL, 32, lambda s: {"student": prefixed("module.")(other(s)), "teacher": s}, "--key teacher"),
    "nested": (SMALL, 32, lambda s: {"checkpoint": {"weights": {"net": s}}, "note": "x"}),
    "in_a_list": (SMALL, 32, lambda s: {"models": [s], "n": 1}),
    "numpy_beside": (SMALL, 32, lambda s: {"model": s, "history": np.arange(5.0), "best": np.float64(0.5)}),
    "numpy_arrays": (SMALL, 32, lambda s: {"model": {k: v.numpy() for k, v in s.items()}}),
    "half": (SMALL, 32, lambda s: {k: v.double() if v.is_floating_point() else v for k, v in s.items()}),
    "two_prefixes": (SMALL, 32, lambda s: beside(prefixed("student.")(other(s)), **prefixed("teacher.")(s)), "--key teacher"),
}


def batch(paths, side):
    pixels = np.stack([np.asarray(resize_and_crop(read(p), RESIZE[side], side)) for p in paths])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def prepare(net, x):
    """Running statistics of real batches, and scales and shifts that are not all alike."""
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.bias, -0.3, 0.3)
            m.momentum = 0.6
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(x)
    net.eval()


@torch.no_grad()
def make(name, folder, lines, images):
    net, side, save, arguments = (NETWORKS[name] + (None, ""))[:4]
    torch.manual_seed(sorted(NETWORKS).index(name))
    net = net()
    x = batch([os.path.join(images, path) for path, _ in lines], side)
    prepare(net, x)
    # Confident enough that rounding does not decide.
    logits = net(x)
    loss = F.cross_entropy(logits, torch.tensor([int(label) for _, label in lines])).item()
    best = logits.topk(2, 1).values
    close = (best[:, 0] - best[:, 1]) < 1e-4
    state = net.state_dict()
    torch.save(save(state) if save else state, os.path.join(folder, f"{name}.pth"))
    top = ["?" if c else str(int(t)) for t, c in zip(logits.argmax(1), close)]
    return f"{name} {side} {loss:.4f} {arguments or ''} : {' '.join(top)}"


def main():
    folder, list_file, images = sys.argv[1:4]
    names = sys.argv[4:] or list(NETWORKS)
    lines = [line.split() for line in open(list_file)]
    with open(os.path.join(folder, "cases.txt"), "w") as out:
        for name in names:
            out.write(make(name, folder, lines, images) + "\n")


if __name__ == "__main__":
    main()
