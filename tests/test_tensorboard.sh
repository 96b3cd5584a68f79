#!/usr/bin/env bash
# --tensorboard, read by the real TensorBoard: numbers are those of metrics.csv, pictures are PNGs of the size they say,
# the options are a text; a run that goes on shows no epoch twice, nor one that is not done yet. A program that was built
# without protobuf-c says so.
set -u
paco=$1
sources=$(realpath "$(dirname "$0")/../src")
. "$(dirname "$0")/python.sh"
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
cd "$folder" || exit 1

# run OUT STATUS OPTIONS...: four epochs, of which every second is evaluated.
run() {
    local out=$1 expected=$2 status
    shift 2
    "$paco" train "${tiny_options[@]}" --epochs 4 --eval-every 2 --threads 2 --out "$out" "$@" >stdout 2>stderr
    status=$?
    [ $status = "$expected" ] || { fail "$out $*: exit $status instead of $expected"; cat stderr; }
}

refused() { # TEXT OPTIONS...: a usage error of one line
    local text=$1
    shift
    "$paco" train "${tiny_options[@]}" "$@" >stdout 2>stderr
    [ $? = 2 ] && [ "$(wc -l <stderr)" = 1 ] && grep -qF -- "$text" stderr || { fail "$*: no '$text'"; cat stderr; }
}

"$paco" train "${tiny_options[@]}" --tensorboard --out no/such >stdout 2>stderr
if grep -q 'was built without protobuf-c' stderr; then
    refused '--tensorboard: this program was built without protobuf-c. Install ' --tensorboard --out runs/none
    [ ! -e runs/none ] || fail "a refused run left a folder"
    [ $failed = 0 ] || exit 1
    echo "skipped: built without protobuf-c"
    exit 77
fi
refused '--tensorboard: needs --out, ' --tensorboard
run runs/without 0
[ -z "$(ls runs/without/events.* 2>/dev/null)" ] || fail "events that nobody asked for"

# ---- what TensorBoard reads

if ! python_with tensorboard.backend.event_processing.plugin_event_accumulator; then
    echo "skipped: TensorBoard (pip install tensorboard): $lacking"
    exit $((failed ? 1 : 77))
fi

cat >look.py <<'PYTHON'
import csv, logging, re, struct, sys, zlib
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginAccumulator
logging.disable(logging.WARNING)

# The tags of the columns of metrics.csv: the program's headers are their one list.
def columns(sources):
    text = "".join(open(f"{sources}/{header}").read() for header in ("train/metrics.h", "state/progress.h"))
    return dict(re.findall(r'X\((\w+), "([^"]+)"\)', text))

def check(what, good):
    if not good:
        sys.exit(f"{run}: {what}")

def check_png(tag, step, width, height, png):
    check(f"{tag}, step {step}: no PNG", png[:8] == b"\x89PNG\r\n\x1a\n")
    check(f"{tag}, step {step}: size", struct.unpack(">II", png[16:24]) == (width, height))
    at, data = 8, b""
    while at < len(png):
        n, kind = struct.unpack(">I4s", png[at:at + 8])
        data += png[at + 8:at + 8 + n] if kind == b"IDAT" else b""
        at += n + 12
    check(f"{tag}, step {step}: pixels", len(zlib.decompress(data)) == height * (3 * width + 1))

run, epochs, sources = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# What scripts read numbers with, and what TensorBoard itself shows pictures and texts with.
events = EventAccumulator(run, size_guidance={"scalars": 0})
shown = PluginAccumulator(run, size_guidance={"tensors": 0})
events.Reload()
shown.Reload()
rows = list(csv.DictReader(open(f"{run}/metrics.csv")))[:epochs]
tags = columns(sources)
check("columns", set(tags) == set(rows[0]) - {"epoch"} and len(tags) >= 22)
for column, tag in tags.items():
    expected = [(int(r["epoch"]), float(r[column])) for r in rows if r[column]]
    seen = [(e.step, e.value) for e in events.Scalars(tag)] if tag in events.Tags()["scalars"] else []
    check(f"{tag}: {seen} instead of {expected}", [s for s, _ in seen] == [s for s, _ in expected])
    check(f"{tag}: {seen} instead of {expected}", all(abs(a - b) <= 1e-6 * abs(b) for (_, a), (_, b) in zip(seen, expected)))
check("no test accuracy", len(events.Scalars("test/top1")) == epochs // 2)
strings = lambda tag: [(e.step, list(e.tensor_proto.string_val)) for e in shown.Tensors(tag)]
plugin = lambda tag: shown.SummaryMetadata(tag).plugin_data.plugin_name
check("plugins", [plugin(t) for t in ("options", "views", "test/confusion")] == ["text", "images", "images"])
for tag, steps in (("views", [0]), ("test/confusion", list(range(2, epochs + 1, 2)))):
    check(f"{tag}: {[s for s, _ in strings(tag)]}", [s for s, _ in strings(tag)] == steps)
    for step, (width, height, png) in strings(tag):
        check_png(tag, step, int(width), int(height), png)
text = strings("options")
check("options", [s for s, _ in text] == [0] + [int(s) for s in sys.argv[4:]])
check("options", b"| epochs | 4 |\n" in text[0][1][0] and b"| tensorboard | on |\n" in text[0][1][0])
PYTHON
look() { "$python" look.py "$1" "$2" "$sources" "${@:3}" 2>&1 || fail "TensorBoard"; }

run runs/whole 0 --tensorboard
look runs/whole 4
run runs/parts 75 --tensorboard --stop-after 15
look runs/parts 2
run runs/parts 0 --tensorboard --resume auto
look runs/parts 4
[ "$(ls runs/parts/events.out.tfevents.* | wc -l)" = 2 ] || fail "two parts of a run have other than two files of events"

# Epochs 3 and 4 of an older attempt are gone when the run goes on behind epoch 2, and come again.
run runs/whole 75 --tensorboard --resume runs/whole/step-000000000012.pth.tar --stop-after 2
look runs/whole 2
# A record cut short by a crash ends its file alone. Changed options are told.
for file in runs/whole/events.out.tfevents.*; do truncate -s -5 "$file"; break; done
run runs/whole 0 --tensorboard --resume auto --lr 0.03
look runs/whole 4 2

# Who asks for events later has them from there on.
run runs/late 75 --stop-after 13
run runs/late 0 --tensorboard --resume auto
"$python" - runs/late <<'PYTHON' || fail "events from a resumed run on"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
assert [e.step for e in events.Scalars("lr")] == [3, 4]
assert [e.step for e in events.Tensors("views")] == [2]
PYTHON
exit $failed
