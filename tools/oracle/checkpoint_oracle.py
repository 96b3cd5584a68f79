#!/usr/bin/python3
"""Writes small PyTorch checkpoints of every kind a user may hold, and what each contains.

    python3 checkpoint_oracle.py OUTDIR

The published trainers write three kinds, all with the names module.encoder_q.*, module.encoder_k.*,
module.linear.*, module.queue (K,D), module.queue_l (K), module.queue_ptr (1) in state_dict:
    long-tailed    dict(epoch, arch, acc, state_dict, optimizer)       with module.linear_k.*
    full ImageNet  dict(epoch, best_acc, arch, state_dict, optimizer)  without module.linear_k.*
    CIFAR          dict(epoch, arch, state_dict, optimizer)            with module.linear_k.*
`optimizer` covers every parameter, in module order: encoder_q, encoder_k, linear, linear_k; the key side has an index
but no state. OUTDIR/contents.json lists, for each file, every tensor with its dtype, shape and probe (see
paco_oracle.probe).
"""
import collections
import json
import os
import sys

import numpy as np
import torch

import paco_oracle as oracle


def trainer(steps):
    a = type("Options", (), dict(
        arch="resnet20", batch=8, ranks=1, steps=steps, size=32, classes=10, dim=32, queue=64,
        moco_m=0.999, moco_t=0.2, base_t=None, alpha=0.05, beta=1.0, gamma=1.0, supt=1.0, lr=0.01,
        momentum=0.9, wd=5e-4, mlp=True, no_shuffle=False, long_tailed=True, seed=0, method="paco",
        precision="float32", variant="plain"))()
    t = oracle.Trainer(a)
    for s in range(steps):
        t.step(s)
    return t


def parts(t, with_linear_k):
    yield from (("encoder_q", t.enc_q), ("encoder_k", t.enc_k), ("linear", t.linear))
    if with_linear_k:
        yield "linear_k", t.linear_k


def state_dict(t, with_linear_k=True, prefix="module."):
    d = collections.OrderedDict()
    d[prefix + "queue"], d[prefix + "queue_l"] = t.queue, t.queue_labels
    d[prefix + "queue_ptr"] = torch.tensor([t.queue_ptr])
    for name, m in parts(t, with_linear_k):
        for k, v in m.state_dict().items():
            d[f"{prefix}{name}.{k}"] = v.clone()
    return d


def tie(d):
    """Lets the key side's parameters be the query side's tensors, as they are before the first step: half the file."""
    for k in d:
        of = k.replace("encoder_k.", "encoder_q.").replace("linear_k.", "linear.")
        if of != k and not ("running_" in k or "num_batches" in k):
            d[k] = d[of]
    return d


def optimizer(t, with_linear_k):
    opt = torch.optim.SGD([p for _, m in parts(t, with_linear_k) for p in m.parameters()], 0.01,
                          momentum=0.9, weight_decay=5e-4)
    for n, p in t.params():
        opt.state[p]["momentum_buffer"] = t.velocity[n]
    return opt.state_dict()


def checkpoint(t, kind):
    d = dict(epoch=3, arch="resnet20")
    if kind == "lt":
        d["acc"] = torch.tensor(12.5)
    if kind == "full":
        d["best_acc"] = torch.tensor([12.5])
    d["state_dict"] = state_dict(t, kind != "full")
    if kind != "cifar":
        tie(d["state_dict"])
    d["optimizer"] = optimizer(t, kind != "full")
    return d


def describe(d, into, prefix=""):
    for k, v in d.items():
        name = f"{prefix}{k}"
        if torch.is_tensor(v):
            into[name] = dict(dtype=str(v.dtype).replace("torch.", ""), shape=list(v.shape),
                              probe=oracle.probe(name, v))
        elif isinstance(v, dict):
            describe(v, into, name + "/")
    return into


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    contents = {}

    def save(name, obj, **kw):
        torch.save(obj, os.path.join(out, name), **kw)
        contents[name] = describe(obj, {})

    t = trainer(3)
    save("paco_lt.pth.tar", checkpoint(t, "lt"))
    save("paco_lt_legacy.pth.tar", checkpoint(t, "lt"), _use_new_zipfile_serialization=False)
    save("paco_full.pth.tar", checkpoint(t, "full"))
    save("paco_cifar.pth.tar", checkpoint(t, "cifar"))
    t = trainer(0)
    plain = collections.OrderedDict((k, v.half() if v.is_floating_point() else v.clone())
                                    for k, v in t.enc_q.state_dict().items())
    save("bare_state_dict.pth", plain)
    base = torch.from_numpy(oracle.uniform("base", 24)).float()
    odd = collections.OrderedDict(
        half=base.half(), bf16=base.bfloat16(), double=base.double(), int32=base.mul(100).int(),
        int8=base.mul(100).to(torch.int8), bool=base > 0, scalar=torch.tensor(7),
        view_a=base[:12].reshape(3, 4), view_b=base[12:].reshape(3, 4),
        transposed=base.reshape(4, 6).t(), strided=base[::3], empty=torch.empty(0, 5),
        param=torch.nn.Parameter(base.reshape(2, 12).clone()))
    save("odd_tensors.pth", odd)
    save("odd_tensors_legacy.pth", odd, _use_new_zipfile_serialization=False)
    with open(os.path.join(out, "contents.json"), "w") as f:
        json.dump(contents, f, indent=1)


if __name__ == "__main__":
    main()
