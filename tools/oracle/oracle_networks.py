"""The networks in PyTorch: the CIFAR ResNets, torchvision's ResNets, projection heads, and initial
values by name.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from oracle_numbers import f32, uniform


class CifarBlock(nn.Module):
    """Two 3x3 convolutions and an option A shortcut: the identity, strided and padded with zero
    channels, so that it has no parameters."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.stride, self.pad = stride, (cout - cin) // 2

    def shortcut(self, x):
        if not self.pad:
            return x
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.pad, self.pad))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class CifarResNet(nn.Module):
    """ResNet-(6n+2) for 32x32 images."""

    def __init__(self, n, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.stage(16, 16, n, 1)
        self.layer2 = self.stage(16, 32, n, 2)
        self.layer3 = self.stage(32, 64, n, 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(64, num_classes)

    @staticmethod
    def stage(cin, cout, n, stride):
        first = CifarBlock(cin, cout, stride)
        return nn.Sequential(first, *[CifarBlock(cout, cout, 1) for _ in range(n - 1)])

    def pooled(self, x):
        """[N, 64]: what classifier and projection head see."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.avgpool(x).flatten(1)


CIFAR_N = dict(resnet20=3, resnet32=5, resnet44=7, resnet56=9, resnet110=18)
IMAGENET = dict(  # block, layers, further arguments of torchvision's ResNet
    resnet18=("BasicBlock", [2, 2, 2, 2], {}),
    resnet34=("BasicBlock", [3, 4, 6, 3], {}),
    resnet50=("Bottleneck", [3, 4, 6, 3], {}),
    resnet101=("Bottleneck", [3, 4, 23, 3], {}),
    resnet152=("Bottleneck", [3, 8, 36, 3], {}),
    resnet200=("Bottleneck", [3, 24, 36, 3], {}),
    resnext50_32x4d=("Bottleneck", [3, 4, 6, 3], dict(groups=32, width_per_group=4)),
    resnext101_32x4d=("Bottleneck", [3, 4, 23, 3], dict(groups=32, width_per_group=4)),
    resnext101_32x8d=("Bottleneck", [3, 4, 23, 3], dict(groups=32, width_per_group=8)),
    wide_resnet50_2=("Bottleneck", [3, 4, 6, 3], dict(width_per_group=128)),
)


def imagenet_resnet(arch, num_classes):
    """torchvision's ResNet v1.5: the stride of a bottleneck is on its 3x3 convolution."""
    from torchvision.models import resnet  # only here: the CIFAR networks do without torchvision
    block, layers, more = IMAGENET[arch]
    net = resnet.ResNet(getattr(resnet, block), layers, num_classes=num_classes, **more)

    def pooled(x):
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        return net.avgpool(x).flatten(1)

    net.pooled = pooled
    return net


def encoder(arch, dim, mlp):
    """Backbone and projection head `fc`: Linear(dim), or Linear-BatchNorm-ReLU-Linear(dim)."""
    net = CifarResNet(CIFAR_N[arch], dim) if arch in CIFAR_N else imagenet_resnet(arch, dim)
    if mlp:
        width = feature_width(net)
        net.fc = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), net.fc)
    return net


def feature_width(net):
    """Length of a pooled feature."""
    fc = net.fc[0] if isinstance(net.fc, nn.Sequential) else net.fc
    return fc.in_features


# ---------------------------------------------------------------- initial values by name

def put(t, name, scale, offset, seed):
    v = f32(uniform(name, t.numel(), seed) * scale + offset).reshape(tuple(t.shape))
    with torch.no_grad():
        t.copy_(torch.from_numpy(v))


def fill_linear(linear, name, seed):
    """Weight and bias: uniform / sqrt(fan_in)."""
    for part, t in (("weight", linear.weight), ("bias", linear.bias)):
        put(t, f"{name}.{part}", 1.0 / math.sqrt(linear.in_features), 0.0, seed)


def last_norms(module):
    """Names of each residual block's last batch norm."""
    return {f"{name}.bn3" if hasattr(m, "bn3") else f"{name}.bn2"
            for name, m in module.named_modules() if hasattr(m, "bn2") and hasattr(m, "conv2")}


def fill(module, prefix, seed):
    """Gives every parameter of the module its value by name.

    conv weight   uniform * sqrt(6 / fan_in)     linear   uniform / sqrt(fan_in)
    BN weight     1 + 0.1 * uniform, but 0.2 + 0.1 * uniform for a residual block's last, so that
                  gradients stay tame             BN bias  0.1 * uniform
    The index runs in PyTorch's order (K, C, R, S for convolutions; out, in for linear layers).
    """
    last = last_norms(module)
    for name, m in module.named_modules():
        full = f"{prefix}.{name}" if name else prefix
        if isinstance(m, nn.Conv2d):
            put(m.weight, f"{full}.weight", math.sqrt(6.0 / m.weight[0].numel()), 0.0, seed)
        elif isinstance(m, nn.Linear):
            fill_linear(m, full, seed)
        elif isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            put(m.weight, f"{full}.weight", 0.1, 0.2 if name in last else 1.0, seed)
            put(m.bias, f"{full}.bias", 0.1, 0.0, seed)
