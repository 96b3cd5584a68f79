#!/usr/bin/env python3
"""Times one PaCo training step, or evaluation, in PyTorch: the yardstick for `paco bench`.

    pytorch_step.py --arch resnet50 --batch 8 --size 224 --threads 2 --channels-last
    pytorch_step.py --arch resnet50 --batch 32 --eval
    pytorch_step.py --arch resnet50 --batch 8 --amp bf16 --compile
    pytorch_step.py --device cuda --amp fp16 --batch 32 --compile       on a GPU

One rank: key-encoder update, key forward, query forward, loss, backward, SGD, enqueue. Inputs lie
on the device before the clock starts. Prints one line of JSON: median ms, images/s, peak memory (on
a CPU beyond what Python and torch take when idle).
"""
import argparse
import json

import torch
import torch.nn as nn
import torch.nn.functional as F

from masked_loss import TEMPERATURE, log_prior, masked_loss
from oracle_networks import encoder, feature_width
from yardstick import median, peak_bytes, seconds

AMP = dict(none=None, fp16=torch.float16, bf16=torch.bfloat16)
KEEP = 0.999  # of the key encoder


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--arch", default="resnet50")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--queue", type=int, default=8192)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--inner", type=int, default=0,
                   help="steps per wait for the device: 10 on a GPU, which runs ahead of Python")
    p.add_argument("--device", default="cpu")
    p.add_argument("--amp", choices=list(AMP), default="none")
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--eval", action="store_true")
    return p.parse_args()


def grad_scaler(device, enabled):
    """PyTorch's loss scaling: of every device in newer versions, of CUDA alone in older ones."""
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler(device.type, enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled and device.type == "cuda")


class Step:
    """Networks, optimiser, queue and one batch of random images on the device."""

    def __init__(self, a):
        self.a, self.device = a, torch.device(a.device)
        self.layout = torch.channels_last if a.channels_last else torch.contiguous_format
        self.make_networks()
        self.make_data()
        self.optimizer = torch.optim.SGD([*self.q.parameters(), *self.linear.parameters()], 0.02,
                                         momentum=0.9, weight_decay=5e-4)
        self.scaler = grad_scaler(self.device, a.amp == "fp16")
        self.run, self.logits = self.forward, self.classify
        if a.compile:  # trying every kernel of a processor takes minutes
            mode = "max-autotune" if self.device.type == "cuda" else "default"
            self.run, self.logits = (torch.compile(f, mode=mode) for f in (self.run, self.logits))

    def make_networks(self):
        a = self.a
        self.q, self.k = (encoder(a.arch, a.dim, True) for _ in range(2))
        self.k.load_state_dict(self.q.state_dict())
        self.linear = nn.Linear(feature_width(self.q), a.classes)
        for m in (self.q, self.k, self.linear):
            m.to(self.device, memory_format=self.layout)
        self.k.requires_grad_(False)

    def make_data(self):
        a, on = self.a, dict(device=self.device)
        self.queue = F.normalize(torch.randn(a.queue, a.dim, **on), dim=1)
        self.queue_y = torch.randint(0, a.classes, (a.queue,), **on)
        self.head = 0
        self.xq, self.xk = (torch.randn(a.batch, 3, a.size, a.size, **on)
                            .contiguous(memory_format=self.layout) for _ in range(2))
        self.y = torch.randint(0, a.classes, (a.batch,), **on)
        self.counts = torch.arange(a.classes, 0, -1, **on).float()

    def autocast(self):
        dtype = AMP[self.a.amp]
        return torch.autocast(self.device.type, dtype=dtype or torch.bfloat16,
                              enabled=dtype is not None)

    def check_autocast(self):
        """Older versions warn, and go on in float32."""
        one = torch.ones(1, 1, device=self.device)
        with self.autocast():
            if (one @ one).dtype != (AMP[self.a.amp] or torch.float32):
                raise SystemExit(f"pytorch_step.py: PyTorch {torch.__version__} has no autocast to "
                                 f"{self.a.amp} on {self.device.type}")

    def forward(self, xq, xk):
        with torch.no_grad():
            zk = F.normalize(self.k.fc(self.k.pooled(xk)), dim=1)
        h = self.q.pooled(xq)
        zq = F.normalize(self.q.fc(h), dim=1)
        contrast = zq @ torch.cat((zq, zk, self.queue)).T / TEMPERATURE
        labels = torch.cat((self.y, self.y, self.queue_y))
        return masked_loss(contrast, self.linear(h), self.y, labels, log_prior(self.counts)), zk

    def train(self):
        with torch.no_grad():
            for pq, pk in zip(self.q.parameters(), self.k.parameters()):
                pk.mul_(KEEP).add_(pq, alpha=1 - KEEP)
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss, zk = self.run(self.xq, self.xk)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        end, room = self.head + self.a.batch, self.a.queue - self.head
        self.queue[self.head:end], self.queue_y[self.head:end] = zk[:room], self.y[:room]
        self.head = end % self.a.queue

    def classify(self, x):
        return self.linear(self.q.pooled(x))

    @torch.no_grad()
    def evaluate(self):
        with self.autocast():
            return self.logits(self.xq)

    def settle(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def main():
    a = parse()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    idle, cuda = peak_bytes(), torch.device(a.device).type == "cuda"
    torch.backends.cudnn.benchmark = cuda
    step = Step(a)
    step.check_autocast()
    if a.eval:
        step.q.eval()
    times = seconds(step.evaluate if a.eval else step.train, a.warmup, a.steps, step.settle,
                    a.inner or (10 if cuda else 1))
    peak = torch.cuda.max_memory_allocated() if cuda else peak_bytes() - idle
    print(json.dumps(dict(
        what="eval" if a.eval else "step", torch=torch.__version__, arch=a.arch, batch=a.batch,
        size=a.size, threads=a.threads, device=a.device, amp=a.amp, channels_last=a.channels_last,
        compile=a.compile, ms_median=1e3 * median(times), ms_min=1e3 * times[0],
        images_per_s=a.batch / median(times), peak_mib=peak / 2**20)))


if __name__ == "__main__":
    main()
