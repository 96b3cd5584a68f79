#!/usr/bin/env python3
"""Times the PaCo loss alone in PyTorch, forward and gradient, on a CPU: the other side of tools/bench_loss.sh.

    tools/bench_loss.py --oracle FOLDER --how oracle|masks|parts --queue 8192

Three ways to write it; the quickest counts. `oracle`: the shared oracle's paco_loss. `masks`: all features in one
tensor, masks of comparisons. `parts`: as masks, but products with queries, keys and queue apart, so that the queue is
not copied. Prints one line of JSON: median ms of forward and backward, peak memory beyond that of idle Python and
torch, the loss.
"""
import argparse
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def masked_loss(contrast, logits, labels, feature_labels, prior):
    """The loss from cosines / T with all features, with weights and partition as masks."""
    z = torch.cat((logits + prior, contrast), 1)
    z = z - z.max(1, keepdim=True).values.detach()
    others = 1 - torch.eye(contrast.shape[0], contrast.shape[1])
    weight = torch.cat((F.one_hot(labels, logits.shape[1]).float(),
                        0.05 * (labels[:, None] == feature_labels[None]).float() * others), 1)
    part = torch.cat((torch.ones_like(logits), others), 1)
    log_prob = z - torch.log((z.exp() * part).sum(1, keepdim=True) + 1e-12)
    return -((weight * log_prob).sum(1) / weight.sum(1)).mean()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--oracle", required=True, help="folder of paco_oracle.py")
    p.add_argument("--how", choices=["oracle", "masks", "parts"], default="masks")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--queue", type=int, default=8192)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--repeats", type=int, default=10)
    p.add_argument("--untimed", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    sys.path.insert(0, a.oracle)
    from paco_oracle import paco_loss

    idle = peak()

    def unit(n):
        x = torch.randn(n, a.dim)
        return x.div_(x.norm(dim=1, keepdim=True))

    q, k, queue = unit(a.batch).requires_grad_(), unit(a.batch), unit(a.queue)
    logits = torch.randn(a.batch, a.classes).requires_grad_()
    y, queue_y = torch.randint(0, a.classes, (a.batch,)), torch.randint(0, a.classes, (a.queue,))
    counts = torch.arange(a.classes, 0, -1).float()

    def loss():
        if a.how == "oracle":
            return paco_loss(q, k, queue, y, queue_y, logits, counts)
        prior = torch.log(counts / counts.sum() + 1e-9)
        if a.how == "masks":
            contrast = q @ torch.cat((q, k, queue)).T / 0.2
        else:
            scaled = q / 0.2
            contrast = torch.cat((scaled @ q.T, scaled @ k.T, scaled @ queue.T), 1)
        return masked_loss(contrast, logits, y, torch.cat((y, y, queue_y)), prior)

    times = []
    for i in range(a.untimed + a.repeats):
        q.grad = logits.grad = None
        started = time.perf_counter()
        value = loss()
        value.backward()
        if i >= a.untimed:
            times.append(time.perf_counter() - started)
    times.sort()
    print(json.dumps(dict(what="loss", how=a.how, torch=torch.__version__, threads=a.threads, queue=a.queue,
                          loss=value.item(), dq=q.grad.norm().item(), dlogits=logits.grad.norm().item(),
                          ms_median=1e3 * times[len(times) // 2], ms_min=1e3 * times[0],
                          peak_mib=(peak() - idle) / 2**20)))


if __name__ == "__main__":
    main()
