#!/usr/bin/env python3
"""Times the PaCo loss alone in PyTorch, forward and gradient, on a CPU: see tools/bench_loss.sh.

    pytorch_loss.py --how oracle|masks|parts --queue 8192

Three ways to write it; the quickest counts. `oracle`: the oracle's paco_loss. `masks`: all features
in one tensor, masks of comparisons. `parts`: as masks, but products with queries, keys and queue
apart, so that the queue is not copied. Prints one line of JSON: median ms of forward and backward,
peak memory beyond that of idle Python and torch, the loss.
"""
import argparse
import json

import torch

from masked_loss import TEMPERATURE, log_prior, masked_loss
from paco_oracle import paco_loss
from yardstick import median, peak_bytes, seconds


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--how", choices=["oracle", "masks", "parts"], default="masks")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--queue", type=int, default=8192)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--repeats", type=int, default=10)
    p.add_argument("--untimed", type=int, default=2)
    return p.parse_args()


class Loss:
    """Random inputs, and the loss of them in each of the three ways."""

    def __init__(self, a):
        self.q, self.k, self.queue = (self.unit(n, a.dim) for n in (a.batch, a.batch, a.queue))
        self.q.requires_grad_()
        self.logits = torch.randn(a.batch, a.classes).requires_grad_()
        self.y, self.queue_y = (torch.randint(0, a.classes, (n,)) for n in (a.batch, a.queue))
        self.counts = torch.arange(a.classes, 0, -1).float()

    @staticmethod
    def unit(rows, columns):
        x = torch.randn(rows, columns)
        return x.div_(x.norm(dim=1, keepdim=True))

    def oracle(self):
        return paco_loss(self.q, self.k, self.queue, self.y, self.queue_y, self.logits, self.counts)

    def masked(self, contrast):
        return masked_loss(contrast, self.logits, self.y,
                           torch.cat((self.y, self.y, self.queue_y)), log_prior(self.counts))

    def masks(self):
        return self.masked(self.q @ torch.cat((self.q, self.k, self.queue)).T / TEMPERATURE)

    def parts(self):
        scaled = self.q / TEMPERATURE
        return self.masked(torch.cat([scaled @ f.T for f in (self.q, self.k, self.queue)], 1))


def main():
    a = parse()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    idle = peak_bytes()
    inputs = Loss(a)
    last = []

    def body():
        inputs.q.grad = inputs.logits.grad = None
        loss = getattr(inputs, a.how)()
        loss.backward()
        last[:] = [loss.item()]

    times = seconds(body, a.untimed, a.repeats)
    print(json.dumps(dict(
        what="loss", how=a.how, torch=torch.__version__, threads=a.threads, queue=a.queue,
        loss=last[0], dq=inputs.q.grad.norm().item(), dlogits=inputs.logits.grad.norm().item(),
        ms_median=1e3 * median(times), ms_min=1e3 * times[0],
        peak_mib=(peak_bytes() - idle) / 2**20)))


if __name__ == "__main__":
    main()
