"""Numbers made from names: what lets two programs in two languages compare without exchanging data.

Every weight, input, label and permutation of a golden file is a counter-based function of its name
and a seed, and every tensor of a result is kept as a few figures (`probe`). The C side of the same
formulas is src/verify/oracle_numbers.c.
"""
import numpy as np

MASK64 = (1 << 64) - 1
GOLDEN_RATIO = 0x9E3779B97F4A7C15  # of 2^64: the increment of SplitMix64


def fnv1a64(text):
    """64-bit FNV-1a hash of an ASCII string."""
    h = 0xCBF29CE484222325
    for byte in text.encode("ascii"):
        h = ((h ^ byte) * 0x100000001B3) & MASK64
    return h


def splitmix64(x):
    """SplitMix64's output for each state in the uint64 array x (the generator is not stepped)."""
    with np.errstate(over="ignore"):
        z = x + np.uint64(GOLDEN_RATIO)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def bits(name, n, seed=0):
    """n uint64: splitmix64(fnv1a64(name) + seed * GOLDEN_RATIO + i), i = 0..n-1."""
    start = (fnv1a64(name) + seed * GOLDEN_RATIO) & MASK64
    with np.errstate(over="ignore"):
        return splitmix64(np.uint64(start) + np.arange(n, dtype=np.uint64))


def uniform(name, n, seed=0):
    """n float64 in [-1, 1), from the top 24 bits, so that each is exact in float32 too."""
    return (bits(name, n, seed) >> np.uint64(40)).astype(np.float64) / float(1 << 23) - 1.0


def integers(name, n, below, seed=0):
    """n integers in [0, below): the top 32 bits modulo `below`."""
    return ((bits(name, n, seed) >> np.uint64(32)) % np.uint64(below)).astype(np.int64)


def permutation(name, n, seed=0):
    """A permutation of 0..n-1: the stable argsort of bits(name, n, seed)."""
    return np.argsort(bits(name, n, seed), kind="stable")


def f32(x):
    """Rounded to float32 and back: scaled numbers are rounded once, so that every precision
    computes with the same inputs."""
    return np.asarray(x, dtype=np.float32).astype(np.float64)


def unit_rows(name, rows, columns, seed=0):
    """[rows, columns]: uniform rows scaled to length 1."""
    x = uniform(name, rows * columns, seed).reshape(rows, columns)
    return f32(x / np.linalg.norm(x, axis=1, keepdims=True))


def probe(name, tensor):
    """What is kept of a PyTorch tensor: shape, L2 norm, dot product with uniform("probe." + name)
    and the first four values. The norm alone would not see a permutation or a sign."""
    v = tensor.detach().double().flatten().numpy()
    return dict(shape=list(tensor.shape), norm=float(np.linalg.norm(v)),
                dot=float(v @ uniform("probe." + name, v.size)), first=[float(x) for x in v[:4]])


def probes(named, prefix=""):
    """name -> probe for pairs of (name, tensor); the probe's own name has the prefix."""
    return {name: probe(prefix + name, tensor) for name, tensor in named}
