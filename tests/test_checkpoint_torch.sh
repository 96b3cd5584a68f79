#!/usr/bin/env bash
# PyTorch reads what we write: weights_only, bit-equal values, an optimizer that SGD accepts over all
# parameters, a clean zip. Skipped (77) where there is no torch. PACO_PYTHON names another Python, so that
# other versions of torch can be tried.
set -eu
python=${PACO_PYTHON:-/usr/bin/python3}
emitter=$(dirname "$1")/tests/test_checkpoint_write
"$python" -c 'import torch, numpy' 2>/dev/null || { echo "skipped: no python3-torch ($python)"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$emitter" emit "$folder"
"$python" - "$folder" <<'PYTHON'
import collections, struct, sys, zipfile
import numpy as np
import torch

folder = sys.argv[1]
MASK = (1 << 64) - 1


def uniform(name, n):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    out = []
    for i in range(n):
        z = (h + i + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        out.append((z >> 40) / float(1 << 23) - 1.0)
    return torch.tensor(out, dtype=torch.float32)


# torch 1.13's weights_only refuses every file with a Python float in it, its own too; 2.0 and later do not.
VERSION = tuple(int(x) for x in torch.__version__.split(".")[:2])


def load(name, floats=True):
    path = f"{folder}/{name}"
    legacy = name.endswith("_legacy.pt")
    assert zipfile.is_zipfile(path) != legacy and (legacy or zipfile.ZipFile(path).testzip() is None)
    safe = VERSION >= ((2, 0) if floats else (1, 13))
    return torch.load(path, map_location="cpu", **(dict(weights_only=True) if safe else {}))


def check(name, accuracy, linear_k):
    d = load(name)
    assert d["epoch"] == 7 and d["arch"] == "resnet20", d
    if accuracy:
        assert float(d[accuracy]) == 12.5
    assert isinstance(d["state_dict"], collections.OrderedDict)
    extra = d["openpaco"]
    assert extra["step"] == 123456789012345 and extra["loss_scale"] == 65536.5 and extra["version"] == 1
    params, key_side = [], []
    for k, v in d["state_dict"].items():
        assert k.startswith("module.")
        short = k[len("module."):]
        if v.dtype == torch.float32:
            assert torch.equal(v.flatten(), uniform(short, v.numel())), k
        else:
            assert v.dtype == torch.int64
            assert torch.equal(v.flatten(), torch.arange(v.numel()) % 5), k
        if not ("running_" in k or "num_batches" in k or "queue" in k):
            params.append((short, v))
    assert ("module.linear_k.weight" in d["state_dict"]) == linear_k
    assert d["state_dict"]["module.encoder_q.bn1.num_batches_tracked"].shape == ()
    state = d["optimizer"]["state"]
    opt = torch.optim.SGD([torch.nn.Parameter(v.clone()) for _, v in params], 0.5, momentum=0.9)
    opt.load_state_dict(d["optimizer"])
    group = opt.param_groups[0]
    assert group["lr"] == 0.02 and group["weight_decay"] == 5e-4 and group["momentum"] == 0.9
    for i, ((short, v), p) in enumerate(zip(params, group["params"])):
        trained = short.startswith(("encoder_q", "linear."))
        assert (i in state) == trained, short
        if trained:
            have = opt.state[p]["momentum_buffer"]
            assert have.shape == v.shape and torch.equal(have.flatten(), uniform("momentum." + short, v.numel()))
        p.grad = torch.ones_like(p)
    opt.step()
    print(name, len(params), "parameters")


check("lt.pth.tar", "acc", True)
check("full.pth.tar", "best_acc", False)
check("cifar.pth.tar", None, True)

order = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
shapes = [(2, 3, 4), (24,), (0, 5), ()]
for tree in load("tree.pt"), load("tree_legacy.pt"):
    for t, name in enumerate(order):
        raw = bytes((1 if i % 3 == 0 else 0) if name == "bool" else (i * 37 + t) & 255 for i in range(192))
        for s, shape in enumerate(shapes):
            v = tree[f"{name}.{s}"]
            assert v.dtype == getattr(torch, name) and tuple(v.shape) == shape
            wanted = torch.frombuffer(bytearray(raw), dtype=v.dtype)[:v.numel()] if v.numel() else v.flatten()
            size = v.element_size()
            bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[size]
            assert torch.equal(v.contiguous().view(-1).view(bits), wanted.view(bits)), (name, s)
    assert tree["ints"] == [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -2**31, 2**63 - 1, -2**63]
    assert tree["tuple"][:2] == (None, True) and struct.pack("d", tree["tuple"][2]) == struct.pack("d", -0.0)
    assert tree["tuple"][3] == "\u20ac \U0001f600" and tree["empty"] == {}
    assert tree["many"] == {i: i * i for i in range(2500)}
plain = load("plain.pt", floats=False)
assert isinstance(plain, collections.OrderedDict) and len(plain) == 23
for k, v in plain.items():
    if v.dtype == torch.float32:
        assert torch.equal(v.flatten(), uniform(k, v.numel())), k
print("torch", torch.__version__, "reads all of it")
PYTHON
