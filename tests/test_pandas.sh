#!/usr/bin/env bash
# metrics.csv and steps.csv are one line of pandas away from a plot: numbers in every column, epochs and steps in order,
# nothing to clean; also where an epoch was not evaluated and where a loss is scaled.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/python.sh"
. "$(dirname "$0")/tiny_data.sh"
python_with pandas || { echo "skipped: pandas (Debian: python3-pandas): $lacking"; exit 77; }
tiny_begin "$paco"
cd "$folder" || exit 1
"$paco" train "${tiny_options[@]}" --epochs 3 --eval-every 2 --log-every 2 --amp fp16 --device ref32 --out run >log 2>&1 ||
    { cat log; fail "train"; exit 1; }
cat >check.py <<'PYTHON'
import pandas as pd
epochs = pd.read_csv("run/metrics.csv", index_col="epoch")
steps = pd.read_csv("run/steps.csv", index_col="step")
for table in (epochs, steps):
    assert all(kind.kind in "if" for kind in table.dtypes), table.dtypes
    assert table.index.is_monotonic_increasing and table.index.is_unique
assert list(epochs.index) == [1, 2, 3] and list(steps.index) == list(range(2, 19, 2))
assert list(epochs["top1"].isna()) == [True, False, False]
assert epochs["loss"].notna().all() and steps["mean_loss"].notna().all() and (steps["loss_scale"] >= 1).all()
last = steps.groupby("epoch").last()
assert (abs(last["mean_loss"] - epochs["loss"]) < 1e-6).all() and (abs(last["mean_top1"] - epochs["train_top1"]) < 1e-6).all()
assert (last["lr"] == epochs["lr"]).all()
try:
    import matplotlib
except ImportError:
    print("skipped: no matplotlib: the plots themselves")
else:
    matplotlib.use("Agg")
    pd.read_csv("run/metrics.csv").plot(x="epoch", y=["loss", "test_loss"]).figure.savefig("epochs.png")
    pd.read_csv("run/steps.csv").plot(x="step", y="loss").figure.savefig("steps.png")
PYTHON
"$python" check.py || { fail "pandas"; head run/*.csv; }
exit $failed
