"""Where 16-bit training rounds, in PyTorch, in as plain a way as can be.

Images and their gradients (rank 4) lie in fp16 or bf16 between operators, rounded to nearest, ties
to even, once for each fused operator: a convolution; batch norm with the residual, normalised or
not, and ReLU behind it; in the backward pass ReLU with batch norm, a convolution's gradient with what
it is added to. Convolutions use weights rounded likewise; in evaluation batch norm is folded into them before.
Everything else keeps its precision: arithmetic, statistics, parameters, what comes after global
pooling, weight gradients.
"""
import warnings

import numpy as np
import torch
import torch.nn.functional as F

FORMATS = dict(  # digits of the fraction, exponent of the least normal number, what rounds to infinity
    fp16=(10, -14, 2.0 ** 16),
    bf16=(7, -126, 2.0 ** 128),
)
TORCH_FORMATS = dict(fp16=torch.float16, bf16=torch.bfloat16)


def rounded(t, name):
    """The nearest numbers of the format, in t's own type. (PyTorch's casts from float64 round twice,
    through float32.)"""
    digits, least, beyond = FORMATS[name]
    x = t.detach().double().numpy()
    unit = np.ldexp(1.0, np.maximum(np.frexp(x)[1] - 1, least) - digits)
    near = np.rint(x / unit) * unit
    near = np.where(np.abs(near) >= beyond, np.copysign(np.inf, x), near)
    return torch.from_numpy(near).to(t.dtype)


class Stored(torch.autograd.Function):
    """x as it lies between two operators, and its gradient likewise."""

    @staticmethod
    def forward(ctx, x, name):
        ctx.name = name
        return rounded(x, name)

    @staticmethod
    def backward(ctx, gradient):
        return rounded(gradient, ctx.name), None


class Used(torch.autograd.Function):
    """A weight as a convolution uses it; its gradient is not rounded."""

    @staticmethod
    def forward(ctx, w, name):
        return rounded(w, name)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def has_autocast(name):
    """Older versions have none to fp16 on a CPU: they refuse, or warn and go on in float32."""
    one = torch.ones(1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.autocast("cpu", dtype=TORCH_FORMATS[name]):
                return (one @ one).dtype == TORCH_FORMATS[name]
        except RuntimeError:
            return False


class PlainNet:
    """Nothing is rounded: the networks as they are."""

    def pooled(self, net, x):
        """Features of images, [N, C]."""
        return net.pooled(x)


class AutocastNet(PlainNet):
    """PyTorch's own way to 16 bits, from images to pooled features; what follows is float32, as ours
    is. It rounds at other places: before the residual and before ReLU, gradients before they are
    summed, and the gradients of weights."""

    def __init__(self, name):
        self.name = name

    def pooled(self, net, x):
        with torch.autocast("cpu", dtype=TORCH_FORMATS[self.name]):
            return net.pooled(x).float()


class StoredNet(PlainNet):
    """Rounding where this file's head says. Knows the CIFAR ResNets and torchvision's."""

    def __init__(self, name):
        self.name = name

    def keep(self, x):
        return Stored.apply(x, self.name)

    def conv(self, conv, x, weight):
        return F.conv2d(x, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)

    def layer(self, conv, norm, x, residual=None, relu=True):
        if norm.training:
            y = norm(self.keep(self.conv(conv, x, Used.apply(conv.weight, self.name))))
        else:
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            y = self.conv(conv, x, rounded(conv.weight * gain[:, None, None, None], self.name))
            y = y + (norm.bias - norm.running_mean * gain)[:, None, None]
        if residual is not None:
            y = y + residual
        # ReLU lets the gradient through where the stored number is above zero
        return self.keep(F.relu(self.keep(y))) if relu else self.keep(y)

    def block(self, b, x):
        layers = [(b.conv1, b.bn1), (b.conv2, b.bn2)]
        if hasattr(b, "conv3"):
            layers.append((b.conv3, b.bn3))
        y = x
        for conv, norm in layers[:-1]:
            y = self.layer(conv, norm, y)
        return self.layer(*layers[-1], y, residual=self.shortcut(b, x))

    def shortcut(self, b, x):
        if hasattr(b, "shortcut"):
            return b.shortcut(x)
        if b.downsample is None:
            return x
        # its gradient is stored before that of the block's first convolution is added to it
        conv, norm = b.downsample
        if norm.training:  # normalised where it is added: not stored in between
            return norm(self.keep(self.conv(conv, self.keep(x), Used.apply(conv.weight, self.name))))
        return self.layer(conv, norm, self.keep(x), relu=False)

    def pooled(self, net, x):
        x = self.layer(net.conv1, net.bn1, self.keep(x))
        if hasattr(net, "maxpool"):
            x = self.keep(net.maxpool(x))
        for name in ("layer1", "layer2", "layer3", "layer4"):
            for block in getattr(net, name, ()):
                x = self.block(block, x)
        return net.avgpool(x).flatten(1)
