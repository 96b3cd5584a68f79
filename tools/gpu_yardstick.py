#!/usr/bin/env python3
"""What PyTorch needs on a GPU for the training step that `paco bench step` times: gpu_check.sh's yardstick.

    gpu_yardstick.py --arch resnet50 --batches 32                        every mode, one after another
    gpu_yardstick.py --arch resnet50 --batches 32,128 --modes fp32,fp16 --compile default
    gpu_yardstick.py --ceilings                                          memory copy and matrix products

The step of oracle/pytorch_step.py in the form that suits a GPU best: the key encoder follows in two operators, SGD is
one fused kernel where this torch has it, nothing waits for the device inside a step, cuDNN searches. A mode is fp32
(strict), fp32-nchw, tf32, fp16 or bf16 (autocast, fp16 with loss scaling); all but fp32-nchw have channels last.
--inner steps to one wait, as `paco bench step --inner`; without it about as many for 320 images. --compile has
torch.compile's mode: reduce-overhead is with CUDA graphs. Prints a line of JSON for every mode; one that fails (memory,
say) does not stop the next. Does not load data and does not check results: golden files do.
"""
import argparse
import itertools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "oracle"))

import torch

from oracle_networks import CIFAR_N
from pytorch_step import KEEP, Step, grad_scaler
from yardstick import median, peak_bytes, seconds

# name: autocast's format as pytorch_step calls it, TF32 allowed, channels last
MODES = {
    "fp32": ("none", False, True),
    "fp32-nchw": ("none", False, False),
    "tf32": ("none", True, True),
    "fp16": ("fp16", True, True),
    "bf16": ("bf16", True, True),
}


def sgd(parameters):
    """The fused form also spares the scaler's wait for the device."""
    for kind in ({"fused": True}, {"foreach": True}):
        try:
            return torch.optim.SGD(parameters, 0.05, momentum=0.9, weight_decay=5e-4, **kind)
        except (TypeError, RuntimeError):
            pass
    raise SystemExit("gpu_yardstick.py: this torch is too old")


class GpuStep(Step):
    """Networks, data and forward pass are those of Step."""

    def __init__(self, a):  # not Step's: another optimiser and scaler
        self.a, self.device = a, torch.device(a.device)
        self.layout = torch.channels_last if a.channels_last else torch.contiguous_format
        self.make_networks()
        self.make_data()
        self.keys = [list(net.parameters()) for net in (self.k, self.q)]
        self.optimizer = sgd([*self.q.parameters(), *self.linear.parameters()])
        self.scaler = grad_scaler(self.device, a.amp == "fp16")
        self.run = torch.compile(self.forward, mode=a.compile, dynamic=False) if a.compile else self.forward

    def train(self):
        with torch.no_grad():
            torch._foreach_mul_(self.keys[0], KEEP)
            torch._foreach_add_(self.keys[0], self.keys[1], alpha=1 - KEEP)
        self.optimizer.zero_grad(set_to_none=True)
        if self.a.compile:
            torch.compiler.cudagraph_mark_step_begin()
        with self.autocast():
            loss, keys = self.run(self.xq, self.xk)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        rows = min(self.a.batch, self.a.queue - self.head)
        self.queue[self.head:self.head + rows], self.queue_y[self.head:self.head + rows] = keys[:rows], self.y[:rows]
        self.head = (self.head + rows) % self.a.queue


def name_of(device):
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def allow_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def time_mode(a, batch, mode):
    a.batch, inner = batch, a.inner or 1 + 320 // batch
    a.amp, tf32, a.channels_last = MODES[mode]
    allow_tf32(tf32)
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    idle = peak_bytes()
    if a.compile:
        torch.compiler.reset()
    step = GpuStep(a)
    cuda = step.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    times = seconds(step.train, a.untimed, a.repeats, step.settle, inner)
    peak = torch.cuda.max_memory_allocated() if cuda else peak_bytes() - idle
    return dict(what="step", program="pytorch", version=torch.__version__, arch=a.arch, batch=a.batch, size=a.size,
                mode=mode, compile=f"compile {a.compile}" if a.compile else "", inner=inner, device=name_of(step.device),
                ms_median=round(1e3 * median(times), 3), ms_min=round(1e3 * times[0], 3),
                ms_max=round(1e3 * times[-1], 3), images_per_s=round(a.batch / median(times), 2),
                peak_mib=round(peak / 2**20, 1))


def time_modes(a):
    failed = 0
    for batch, mode in itertools.product(a.batches, a.modes.split(",")):
        try:
            print(json.dumps(time_mode(a, batch, mode)), flush=True)
        except RuntimeError as error:
            print(f"gpu_yardstick.py: batch {batch}, {mode}: {error}", file=sys.stderr)
            failed = 1
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return failed


def ceilings(a):
    """What the device moves and multiplies at best: random numbers, many times the caches on a GPU."""
    device = torch.device(a.device)
    cuda = device.type == "cuda"
    n, elements = (8192, 1 << 29) if cuda else (512, 1 << 22)

    def time(run):
        return median(seconds(run, 1, 3, torch.cuda.synchronize if cuda else lambda: None, 5))

    def put(name, **figures):
        print(json.dumps(dict(what="ceiling", name=name, device=name_of(device), **figures)), flush=True)

    x = torch.rand(elements, device=device)
    y = torch.empty_like(x)
    put("copy, bytes read and written", gb_per_s=round(8e-9 * elements / time(lambda: y.copy_(x)), 1))
    del x, y
    for mode, kind in (("fp32", torch.float32), ("tf32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)):
        if not cuda and kind != torch.float32:
            continue
        allow_tf32(MODES[mode][1])
        p, r = (torch.randn(n, n, device=device, dtype=kind) for _ in range(2))
        put(f"matrix product of {n}, {mode}", tflops=round(2e-12 * n**3 / time(lambda: p @ r), 4))


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--arch", default="resnet50")
    p.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")], default=[32])
    p.add_argument("--size", type=int, default=0, help="0: 224, CIFAR networks 32")
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--queue", type=int, default=8192)
    p.add_argument("--modes", default=",".join(MODES))
    p.add_argument("--inner", type=int, default=0)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--untimed", type=int, default=1)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--compile", default="", metavar="MODE")
    p.add_argument("--ceilings", action="store_true")
    a = p.parse_args()
    a.size = a.size or (32 if a.arch in CIFAR_N else 224)
    for mode in a.modes.split(","):
        if mode not in MODES:
            p.error(f"no mode '{mode}'. Modes: {', '.join(MODES)}")
    return a


def main():
    a = parse()
    return ceilings(a) if a.ceilings else time_modes(a)


if __name__ == "__main__":
    sys.exit(main())
