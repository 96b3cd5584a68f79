#!/usr/bin/env python3
"""What PyTorch needs for the training step that `paco bench step` times, on a GPU: the yardstick of gpu_check.sh.

    python3 gpu_yardstick.py --arch resnet50 --batch 32                       every mode, one after another
    python3 gpu_yardstick.py --arch resnet50 --batch 32 --modes fp32,fp16 --compile
    python3 gpu_yardstick.py --ceilings                                       memory copy and matrix products

One rank on one device: the key encoder follows, keys, queries, loss, backward, SGD, enqueue. PyTorch in its best
form: fused or foreach SGD, no wait for the device inside a step, cuDNN's own search, inputs on the device. A mode is
fp32 (strict), fp32-nchw, tf32, fp16 or bf16 (autocast, fp16 with loss scaling); all but fp32-nchw lie in memory with
channels last. --inner steps to one wait, as `paco bench step --inner`. Prints a line of JSON for every mode.
Needs torch alone. Does not load data and does not check results: golden files do.
"""
import argparse
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

# name: blocks of each stage, width of the first stage, bottleneck?, groups, width of a group
ARCHS = {
    "resnet20": ((3, 3, 3), 16, False, 1, 16),
    "resnet32": ((5, 5, 5), 16, False, 1, 16),
    "resnet18": ((2, 2, 2, 2), 64, False, 1, 64),
    "resnet50": ((3, 4, 6, 3), 64, True, 1, 64),
    "resnet101": ((3, 4, 23, 3), 64, True, 1, 64),
    "resnet152": ((3, 8, 36, 3), 64, True, 1, 64),
    "resnext50_32x4d": ((3, 4, 6, 3), 64, True, 32, 4),
}

# name: number format of autocast, TF32 allowed, channels last
MODES = {
    "fp32": (None, False, True),
    "fp32-nchw": (None, False, False),
    "tf32": (None, True, True),
    "fp16": (torch.float16, True, True),
    "bf16": (torch.bfloat16, True, True),
}


def conv_bn(cin, cout, kernel, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
                         nn.BatchNorm2d(cout))


class Halved(nn.Module):
    """Shortcut without parameters: every second pixel, new channels are zero."""

    def __init__(self, more):
        super().__init__()
        self.more = more

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))


class Block(nn.Module):
    def __init__(self, cin, width, stride, bottleneck, groups, group_width, cifar):
        super().__init__()
        cout = width * 4 if bottleneck else width
        if bottleneck:
            inner = width * group_width // 64 * groups
            self.body = nn.Sequential(*conv_bn(cin, inner, 1), nn.ReLU(True),
                                      *conv_bn(inner, inner, 3, stride, groups), nn.ReLU(True),
                                      *conv_bn(inner, cout, 1))
        else:
            self.body = nn.Sequential(*conv_bn(cin, width, 3, stride), nn.ReLU(True), *conv_bn(width, width, 3))
        self.shortcut = nn.Identity()
        if stride != 1 or cin != cout:
            self.shortcut = Halved(cout - cin) if cifar else conv_bn(cin, cout, 1, stride)
        self.out = cout

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


class Encoder(nn.Module):
    """Backbone (v1.5: a bottleneck's stride is on its 3x3) and projection head of two layers."""

    def __init__(self, arch, dim):
        super().__init__()
        blocks, width, bottleneck, groups, group_width = ARCHS[arch]
        cifar = len(blocks) == 3
        layers = [*conv_bn(3, width, 3 if cifar else 7, 1 if cifar else 2), nn.ReLU(True)]
        if not cifar:
            layers.append(nn.MaxPool2d(3, 2, 1))
        at = width
        for stage, count in enumerate(blocks):
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                block = Block(at, width << stage, stride, bottleneck, groups, group_width, cifar)
                layers.append(block)
                at = block.out
        self.backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(at, at), nn.BatchNorm1d(at), nn.ReLU(True), nn.Linear(at, dim))
        self.width = at


def paco_loss(q, k, queue, labels, queue_labels, logits, prior, alpha=0.05, temperature=0.2):
    """Rows of class logits and of similarities to queries, keys and queue; the sample itself counts nowhere."""
    features = torch.cat((q, k, queue))
    feature_labels = torch.cat((labels, labels, queue_labels))
    z = torch.cat((logits + prior, q @ features.T / temperature), 1)
    z = z - z.amax(1, keepdim=True).detach()
    others = torch.ones(q.shape[0], features.shape[0], device=q.device).fill_diagonal_(0)
    weight = torch.cat((F.one_hot(labels, logits.shape[1]).float(),
                        alpha * (labels[:, None] == feature_labels[None]).float() * others), 1)
    counted = torch.cat((torch.ones_like(logits, dtype=torch.float32), others), 1)
    log_p = z - torch.log((z.exp() * counted).sum(1, keepdim=True) + 1e-12)
    return -((weight * log_p).sum(1) / weight.sum(1)).mean()


def sgd(parameters):
    """One kernel for all parameters where this torch has it: it also spares the scaler's wait for the device."""
    for kind in ({"fused": True}, {"foreach": True}):
        try:
            return torch.optim.SGD(parameters, 0.05, momentum=0.9, weight_decay=5e-4, **kind)
        except (TypeError, RuntimeError):
            pass
    raise SystemExit("gpu_yardstick.py: this torch is too old")


class Training:
    """Networks, optimiser, queue and made-up inputs of one mode; step() enqueues one training step."""

    def __init__(self, a, mode):
        self.amp, tf32, channels_last = MODES[mode]
        self.device = torch.device(a.device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.q, self.k = Encoder(a.arch, a.dim), Encoder(a.arch, a.dim)
        self.k.load_state_dict(self.q.state_dict())
        self.linear = nn.Linear(self.q.width, a.classes)
        for net in (self.q, self.k, self.linear):
            net.to(self.device, memory_format=layout)
        self.k.requires_grad_(False)
        self.pairs = [list(net.parameters()) for net in (self.k, self.q)]
        self.optimizer = sgd([*self.q.parameters(), *self.linear.parameters()])
        self.queue = F.normalize(torch.randn(a.queue, a.dim, device=self.device), dim=1)
        self.queue_labels = torch.randint(0, a.classes, (a.queue,), device=self.device)
        counts = torch.arange(a.classes, 0, -1, device=self.device).float()
        self.prior = torch.log(counts / counts.sum() + 1e-9)
        shape = (a.batch, 3, a.size, a.size)
        self.images_q, self.images_k = (torch.randn(shape, device=self.device).contiguous(memory_format=layout)
                                        for _ in range(2))
        self.labels = torch.randint(0, a.classes, (a.batch,), device=self.device)
        scaled = self.amp is torch.float16 and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler("cuda", enabled=scaled) if hasattr(torch.amp, "GradScaler") else (
            torch.cuda.amp.GradScaler(enabled=scaled))
        self.forward = torch.compile(self.losses, mode="max-autotune-no-cudagraphs") if a.compile else self.losses
        self.batch, self.at = a.batch, 0

    def losses(self, images_q, images_k):
        with torch.no_grad():
            keys = F.normalize(self.k.head(self.k.backbone(images_k)), dim=1).float()
        features = self.q.backbone(images_q)
        queries = F.normalize(self.q.head(features), dim=1)
        return paco_loss(queries, keys, self.queue, self.labels, self.queue_labels, self.linear(features),
                         self.prior), keys

    def step(self):
        with torch.no_grad():
            torch._foreach_mul_(self.pairs[0], 0.999)
            torch._foreach_add_(self.pairs[0], self.pairs[1], alpha=0.001)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=self.amp or torch.bfloat16, enabled=self.amp is not None):
            loss, keys = self.forward(self.images_q, self.images_k)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        rows = min(self.batch, len(self.queue) - self.at)
        self.queue[self.at:self.at + rows] = keys[:rows]
        self.queue_labels[self.at:self.at + rows] = self.labels[:rows]
        self.at = (self.at + rows) % len(self.queue)
        return loss


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(run, device, inner, repeats, untimed):
    """Sorted seconds of one run, each the mean of `inner` with one wait."""
    times = []
    for i in range(-untimed, repeats):
        wait(device)
        started = time.perf_counter()
        for _ in range(inner):
            run()
        wait(device)
        if i >= 0:
            times.append((time.perf_counter() - started) / inner)
    return sorted(times)


def time_mode(a, mode):
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    training = Training(a, mode)
    cuda = training.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    times = seconds_of(training.step, training.device, a.inner, a.repeats, a.untimed)
    median = times[len(times) // 2]
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - idle
    return {"what": "step", "program": "pytorch", "version": torch.__version__, "arch": a.arch, "batch": a.batch,
            "size": a.size, "mode": mode, "compile": a.compile, "inner": a.inner, "device": name_of(training.device),
            "ms_median": round(1e3 * median, 3), "ms_min": round(1e3 * times[0], 3),
            "ms_max": round(1e3 * times[-1], 3), "images_per_s": round(a.batch / median, 2),
            "peak_mib": round(peak / 2**20, 1)}


def name_of(device):
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def ceilings(a):
    """What the device moves and multiplies at best: random numbers, many times the caches."""
    device = torch.device(a.device)
    n, elements = (8192, 1 << 29) if device.type == "cuda" else (512, 1 << 22)
    x = torch.rand(elements, device=device)
    y = torch.empty_like(x)
    s = seconds_of(lambda: y.copy_(x), device, 5, 3, 1)
    yield {"what": "ceiling", "name": "copy, bytes read and written", "device": name_of(device),
           "gb_per_s": round(8e-9 * elements / s[1], 1)}
    del x, y
    for mode in ("fp32", "tf32", "fp16", "bf16"):
        kind, tf32, _ = MODES[mode]
        if kind and device.type != "cuda":
            continue
        torch.backends.cuda.matmul.allow_tf32 = tf32
        p, r = (torch.randn(n, n, device=device, dtype=kind or torch.float32) for _ in range(2))
        s = seconds_of(lambda: p @ r, device, 5, 3, 1)
        yield {"what": "ceiling", "name": f"matrix product of {n}, {mode}", "device": name_of(device),
               "tflops": round(2e-12 * n**3 / s[1], 4)}


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--arch", choices=ARCHS, default="resnet50")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--size", type=int, default=0, help="0: 224, CIFAR networks 32")
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--queue", type=int, default=8192)
    p.add_argument("--modes", default=",".join(MODES))
    p.add_argument("--inner", type=int, default=10)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--untimed", type=int, default=1)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--ceilings", action="store_true")
    a = p.parse_args()
    a.size = a.size or (32 if len(ARCHS[a.arch][0]) == 3 else 224)
    return a


def main():
    a = parse()
    if a.ceilings:
        for line in ceilings(a):
            print(json.dumps(line), flush=True)
        return 0
    failed = 0
    for mode in a.modes.split(","):
        if mode not in MODES:
            print(f"gpu_yardstick.py: no mode '{mode}'. Modes: {', '.join(MODES)}", file=sys.stderr)
            return 2
        try:
            print(json.dumps(time_mode(a, mode)), flush=True)
        except RuntimeError as error:  # out of memory, say: the other modes still count
            print(f"gpu_yardstick.py: {mode}: {error}", file=sys.stderr)
            failed = 1
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return failed


if __name__ == "__main__":
    sys.exit(main())
