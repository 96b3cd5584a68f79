#!/usr/bin/env python3
"""Writes small PyTorch checkpoints of every kind that a user may hold, and what each contains.

    checkpoint_oracle.py OUTDIR

The published trainers write three kinds, all with the names module.encoder_q.*, module.encoder_k.*,
module.linear.*, module.queue (K, D), module.queue_l (K), module.queue_ptr (1) in state_dict:

    long-tailed    dict(epoch, arch, acc, state_dict, optimizer)       with module.linear_k.*
    full ImageNet  dict(epoch, best_acc, arch, state_dict, optimizer)  without module.linear_k.*
    CIFAR          dict(epoch, arch, state_dict, optimizer)            with module.linear_k.*

`optimizer` covers every parameter in module order: encoder_q, encoder_k, linear, linear_k; the key
side has an index but no state. OUTDIR/contents.json lists every tensor of each file with its type,
shape and probe (oracle_numbers.py).

The published kinds hold one network, a resnet20 after a few steps. In all but CIFAR's the key side
is the query side's own tensors, which makes the files a third smaller and tests storages that
several tensors share. The bytes of a file depend on PyTorch's version, in the legacy format also on
addresses; what it contains does not.
"""
import collections
import json
import os
import sys
from types import SimpleNamespace

import torch

import paco_oracle
from oracle_numbers import probe, uniform

CONFIG = SimpleNamespace(method="paco", arch="resnet20", batch=8, ranks=1, size=32, classes=10,
                         dim=32, queue=64, moco_m=0.999, moco_t=0.2, alpha=0.05, beta=1.0,
                         gamma=1.0, supt=1.0, lr=0.01, momentum=0.9, wd=5e-4, mlp=True,
                         no_shuffle=False, long_tailed=True, seed=0)
STEPS = 3
ACCURACY = dict(lt=dict(acc=torch.tensor(12.5)), full=dict(best_acc=torch.tensor([12.5])), cifar={})


def trainer(steps):
    t = paco_oracle.Trainer(CONFIG, "float32")
    for s in range(steps):
        t.step(s)
    return t


def parts(t, kind):
    """(name, module) in the order of the published model."""
    named = dict(encoder_q=t.enc_q, encoder_k=t.enc_k, linear=t.linear, linear_k=t.linear_k)
    return [(name, m) for name, m in named.items() if kind != "full" or name != "linear_k"]


def query_name(name):
    """The query side's name for a parameter of the key side; None for anything else."""
    if "running_" in name or "num_batches" in name:  # each side's own
        return None
    of = name.replace("encoder_k.", "encoder_q.").replace("linear_k.", "linear.")
    return of if of != name else None


def state_dict(t, kind):
    d = collections.OrderedDict()
    d["module.queue"], d["module.queue_l"] = t.queue, t.queue_labels
    d["module.queue_ptr"] = torch.tensor([t.queue_ptr])
    for name, m in parts(t, kind):
        for k, v in m.state_dict().items():
            d[f"module.{name}.{k}"] = v.clone()
    if kind != "cifar":
        d.update({k: d[query_name(k)] for k in d if query_name(k)})
    return d


def optimizer(t, kind):
    params = [p for _, m in parts(t, kind) for p in m.parameters()]
    opt = torch.optim.SGD(params, CONFIG.lr, momentum=CONFIG.momentum, weight_decay=CONFIG.wd)
    for n, p in t.params():
        opt.state[p]["momentum_buffer"] = t.velocity[n]
    return opt.state_dict()


def checkpoint(t, kind):
    return dict(epoch=3, arch=CONFIG.arch, **ACCURACY[kind], state_dict=state_dict(t, kind),
                optimizer=optimizer(t, kind))


def plain(t):
    """An encoder alone, without a classifier, in half precision."""
    return collections.OrderedDict((k, v.half() if v.is_floating_point() else v)
                                   for k, v in t.enc_q.state_dict().items())


def odd_tensors():
    """Every element type, views of one storage, strides, nothing, a scalar, a Parameter."""
    base = torch.from_numpy(uniform("base", 24)).float()
    return collections.OrderedDict(
        half=base.half(), bf16=base.bfloat16(), double=base.double(), int32=base.mul(100).int(),
        int8=base.mul(100).to(torch.int8), bool=base > 0, scalar=torch.tensor(7),
        view_a=base[:12].reshape(3, 4), view_b=base[12:].reshape(3, 4),
        transposed=base.reshape(4, 6).t(), strided=base[::3], empty=torch.empty(0, 5),
        param=torch.nn.Parameter(base.reshape(2, 12).clone()))


def describe(tree, prefix=""):
    """Path -> type, shape and probe of every tensor in nested dicts."""
    out = {}
    for k, v in tree.items():
        name = f"{prefix}{k}"
        if torch.is_tensor(v):
            out[name] = dict(dtype=str(v.dtype).replace("torch.", ""), shape=list(v.shape),
                             probe=probe(name, v))
        elif isinstance(v, dict):
            out |= describe(v, name + "/")
    return out


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    contents, legacy = {}, dict(_use_new_zipfile_serialization=False)

    def save(name, tree, **how):
        torch.save(tree, os.path.join(out, name), **how)
        contents[name] = describe(tree)

    trained = trainer(STEPS)
    save("paco_lt.pth.tar", checkpoint(trained, "lt"))
    save("paco_lt_legacy.pth.tar", checkpoint(trained, "lt"), **legacy)
    save("paco_full.pth.tar", checkpoint(trained, "full"))
    save("paco_cifar.pth.tar", checkpoint(trained, "cifar"))
    save("bare_state_dict.pth", plain(trainer(0)))
    save("odd_tensors.pth", odd_tensors())
    save("odd_tensors_legacy.pth", odd_tensors(), **legacy)
    with open(os.path.join(out, "contents.json"), "w") as f:
        json.dump(contents, f, indent=1)


if __name__ == "__main__":
    main()
