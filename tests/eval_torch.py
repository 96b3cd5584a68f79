"""PyTorch's side of test_eval.sh: predictions of a CIFAR ResNet over a list, written as `path,label,top1` lines.

    eval_torch.py CHECKPOINT LAYERS LIST FOLDER OUT

The network is the common CIFAR ResNet: three stages of basic blocks, option-A shortcuts, a classifier `linear`. Pixels
are decoded by Pillow, divided by 255 and normalised with ImageNet's mean and deviation."""
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.stride, self.more = stride, outside - inside

    def forward(self, x):
        short = x
        if self.more:
            short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + short)


class Net(nn.Module):
    def __init__(self, layers, classes=10):
        super().__init__()
        n = (layers - 2) // 6
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[Block(16, 16, 1) for _ in range(n)])
        self.layer2 = nn.Sequential(*[Block(16 if i == 0 else 32, 32, 2 if i == 0 else 1) for i in range(n)])
        self.layer3 = nn.Sequential(*[Block(32 if i == 0 else 64, 64, 2 if i == 0 else 1) for i in range(n)])
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


def main():
    checkpoint, layers, list_file, folder, out = sys.argv[1:]
    state = torch.load(checkpoint, map_location="cpu")
    state = state.get("state_dict", state)
    net = Net(int(layers))
    net.load_state_dict({k[7:] if k.startswith("module.") else k: v for k, v in state.items()})
    net.eval()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    lines = [line.split() for line in open(list_file)]
    right = 0
    with open(out, "w") as f, torch.no_grad():
        for start in range(0, len(lines), 200):
            part = lines[start:start + 200]
            pixels = [np.asarray(Image.open(os.path.join(folder, p)).convert("RGB")) for p, _ in part]
            x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
            top = net((x - mean) / std).argmax(1).tolist()
            for (path, label), guess in zip(part, top):
                right += int(label) == guess
                f.write(f"{path},{label},{guess}\n")
    print(f"{right} of {len(lines)} right")


if __name__ == "__main__":
    main()
