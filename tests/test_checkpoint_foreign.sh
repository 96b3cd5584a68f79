#!/usr/bin/env bash
# Checkpoints as users have them: beside a good state dict lies whatever their program keeps, written by PyTorch.
# inspect reads the state dict of every one, and a tensor of a kind that is not read is an error only where it is
# asked for.
set -u
paco=$(realpath "$1")
python=/usr/bin/python3
"$python" -c 'from importlib.util import find_spec as f; assert f("torch")' 2>/dev/null ||
    { echo "skipped: no python3-torch"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0

"$python" - <<'PYTHON' || exit 1
import argparse, collections, enum, functools, pathlib, warnings
import numpy, torch
warnings.simplefilter("ignore")


class Colour(enum.Enum):
    RED = 1


class Outer:
    class Inner:
        def __init__(self):
            self.a = 1


def conv(out, inside, size):
    return torch.full((out, inside, size, size), 0.5)


sd = collections.OrderedDict()
def norm(name, n):
    for part in "weight", "bias", "running_mean", "running_var":
        sd[f"{name}.{part}"] = torch.ones(n)
    sd[f"{name}.num_batches_tracked"] = torch.tensor(3)


sd["conv1.weight"] = conv(16, 3, 3)
norm("bn1", 16)
inside = 16
for stage in 1, 2, 3:
    for block in range(3):
        out, name = 8 << stage, f"layer{stage}.{block}"
        sd[f"{name}.conv1.weight"] = conv(out, inside, 3)
        norm(f"{name}.bn1", out)
        sd[f"{name}.conv2.weight"] = conv(out, out, 3)
        norm(f"{name}.bn2", out)
        inside = out
sd["linear.weight"], sd["linear.bias"] = torch.ones(10, 64), torch.ones(10)

w = torch.nn.Linear(2, 2)
beside = dict(
    enum=Colour.RED, nested=Outer.Inner(), method=w.forward, function=max, partial=functools.partial(max, 1),
    sparse=torch.eye(3).to_sparse(), layout=torch.strided, complex=torch.ones(2, dtype=torch.complex64), number=1j,
    quantised=torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), path=pathlib.Path("/x"),
    namespace=argparse.Namespace(a=1), array=numpy.arange(5.0), size=torch.Size([1]), device=torch.device("cuda:0"),
    generator=torch.get_rng_state(), counter=collections.Counter("aab"),
    defaults=collections.defaultdict(list, {1: [2]}))
for name, value in beside.items():
    torch.save({"epoch": 1, "state_dict": sd, "beside": value}, f"beside_{name}.pth")
for protocol in 3, 4:
    torch.save(sd, f"beside_legacy{protocol}.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    torch.save(sd, f"beside_zip{protocol}.pth", pickle_protocol=protocol)
for protocol in 2, 5:
    torch.save({"state_dict": sd, "sets": [{1, 2}, frozenset("ab"), bytearray(b"x")]}, f"beside_sets{protocol}.pth",
               pickle_protocol=protocol)
torch.save({f"module.module.{k}": v for k, v in sd.items()}, "beside_modules.pth")
torch.save({"state_dict": {"epoch": 1, "best": 2.0}, "arch": "x"}, "no_dict.pth")
torch.save({"state_dict": {"model.weight": sd["conv1.weight"]}}, "no_stem.pth")
bad = dict(sd)
bad["bn1.weight"] = torch.quantize_per_tensor(sd["bn1.weight"], 0.1, 0, torch.qint8)
torch.save(bad, "no_quantised.pth")
bad["conv1.weight"] = torch.ones(16, 3, 3, 3, dtype=torch.complex64)
torch.save(bad, "no_complex.pth")
PYTHON

for file in beside_*.pth; do
    "$paco" inspect "$file" >stdout 2>stderr || { echo "FAIL: $file: $(cat stderr)"; failed=1; }
    for line in 'architecture: resnet20' 'classifier: linear, 10 classes' 'resnet20 fit, 0 differences'; do
        grep -qF "$line" stdout || { echo "FAIL: $file: no '$line'"; head -5 stdout; failed=1; }
    done
    [ "$(grep -c 'layer.*conv..weight .*norm ' stdout)" = 18 ] || { echo "FAIL: $file: not all tensors"; failed=1; }
done
for kind in sparse complex quantised; do
    "$paco" inspect "beside_$kind.pth" | grep -q '^beside .* unsupported: torch\.' ||
        { echo "FAIL: beside_$kind.pth: the tensor is not said to be unsupported"; failed=1; }
    "$paco" convert "beside_$kind.pth" out.pth 2>stderr && { echo "FAIL: beside_$kind.pth was converted"; failed=1; }
    grep -q "key 'beside'" stderr || { echo "FAIL: beside_$kind.pth: $(cat stderr)"; failed=1; }
done

# What is no state dict is refused with the names that there are.
while read -r file text; do
    timeout 60 "$paco" eval --checkpoint "$file" --list none --data . >stdout 2>stderr
    [ $? = 3 ] && grep -qF -- "$text" stderr || { echo "FAIL: $file: no '$text' in: $(cat stderr)"; failed=1; }
done <<'FILES'
no_dict.pth its top is a dict with 'state_dict', 'arch'; state_dict is a dict with 'epoch', 'best'
no_stem.pth the first name is 'model.weight'
no_complex.pth key 'conv1.weight': torch.ComplexFloatStorage is not supported
FILES
"$paco" inspect no_dict.pth | grep -qF "with 'state_dict', 'arch'" || { echo "FAIL: inspect no_dict.pth"; failed=1; }
"$paco" inspect no_quantised.pth >stdout
for line in 'unsuitable: bn1.weight is torch._utils._rebuild_qtensor' \
    '115 of 116 tensors of resnet20 fit, 1 differences'; do
    grep -qF "$line" stdout || { echo "FAIL: no_quantised.pth: no '$line'"; head -5 stdout; failed=1; }
done

# Metadata of safetensors do not vanish unsaid; a file called TO.tmp is the user's.
"$paco" convert beside_enum.pth meta.safetensors 2>stderr || failed=1
echo precious >out.pth.tmp
"$paco" convert meta.safetensors out.pth 2>stderr || failed=1
grep -q 'warning: meta.safetensors: 2 entries of __metadata__ are left out' stderr ||
    { echo "FAIL: $(cat stderr)"; failed=1; }
[ "$(cat out.pth.tmp)" = precious ] || { echo "FAIL: out.pth.tmp is gone"; failed=1; }
(ulimit -f 100; "$paco" convert meta.safetensors full.pth 2>stderr)
[ $? = 4 ] && grep -q '^paco: error: full.pth: file@[0-9]*: cannot write' stderr ||
    { echo "FAIL: $(cat stderr)"; failed=1; }
[ -z "$(find . -name 'full.pth*' -o -name 'out.pth.tmp-*')" ] || { echo "FAIL: something is left behind"; failed=1; }

exit $failed
