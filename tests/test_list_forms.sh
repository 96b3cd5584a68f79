#!/usr/bin/env bash
# Lists as Python's csv and codecs write them, of every dialect, encoding, header, order of columns and kind of label, are
# the images and labels that Python reads from them: their checksums are those of `path label` lines of the same.
set -u
paco=$(realpath "$1")
python=/usr/bin/python3
[ -x $python ] || { echo "skipped: no python3"; exit 77; }
cases=$([ "${PACO_FULL:-0}" = 1 ] && echo 2000 || echo 150)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
"$python" - "$paco" "$cases" <<'PYTHON'
import csv, io, random, re, subprocess, sys

paco, cases = sys.argv[1], int(sys.argv[2])
words = ["n01440764", "sports car", "a,b", "c;d", "it's", 'so "big"', "Möve", "海", "🚀", "x.jpg y", "IMG_1", "~", "7", "a.b"]
names = ["ant", "bee, red", "sports car", "Zebra", "été", "747-400", 'the "fly"', "猫", "x;y"]
titles = {"known": ("path", "label"), "spelled": ("Image Path", "Class-ID"), "unknown": ("photo", "kind")}
encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
# p: path, l: label, i: index, e and x: further columns. Without known titles only the orders that need none.
orders = {"none": ["pl", "lp", "ipl", "ple"], "unknown": ["pl", "lp"]}
orders["known"] = orders["spelled"] = ["pl", "lp", "ipl", "ple", "epl", "iepxl"]


def rows(rng, kind):
    """Paths and labels, of every class at least one."""
    classes = rng.randint(2, len(names))
    labels = list(range(classes)) + [rng.randrange(classes) for _ in range(rng.randint(0, 20))]
    chosen = rng.sample(names, classes)
    rng.shuffle(labels)
    for i, label in enumerate(labels):
        path = "/".join(rng.choice(words) for _ in range(rng.randint(1, 3))) + f"/{i}" + rng.choice([".jpg", ".JPEG", ".png"])
        yield path, {"numbers": str(label), "floats": f"{label}.0", "names": chosen[label], "ones": str(label + 1)}[kind]


def write(rng, name):
    """A list of some form; what Python needs to read it."""
    kind = rng.choice(["numbers", "floats", "names", "names", "ones"])
    header = rng.choice(["none", "known", "spelled", "unknown"])
    delimiter = rng.choice(",;\t")
    mxnet = delimiter == "\t" and header == "none" and rng.random() < 0.5
    order = "ilp" if mxnet else rng.choice(orders[header])
    text = io.StringIO()
    out = csv.writer(text, delimiter=delimiter, lineterminator=rng.choice(["\n", "\r\n"]),
                     quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    if header != "none":
        of = dict(p=titles[header][0], l=titles[header][1], i="", e="width", x="mood")
        out.writerow([of[c] for c in order])
    for i, (path, label) in enumerate(rows(rng, kind)):
        of = dict(p=path, l=label, i=i, e=rng.randint(1, 999), x=rng.choice(["good", "bad, very"]))
        out.writerow([of[c] for c in order])
    encoding = rng.choice(encodings)
    with open(name, "w", encoding=encoding, newline="") as file:
        file.write(text.getvalue())
    return encoding, delimiter, header != "none", order, kind


def plain(name, to, encoding, delimiter, header, order, kind):
    """What Python reads, as lines of `path label`."""
    with open(name, encoding=encoding, newline="") as file:
        table = list(csv.reader(file, delimiter=delimiter))[header:]
    pairs = [(row[order.index("p")], row[order.index("l")]) for row in table]
    known = sorted({label for _, label in pairs})
    with open(to, "w", encoding="utf-8", newline="") as file:
        for path, label in pairs:
            number = known.index(label) if kind == "names" else int(float(label)) - (kind == "ones")
            file.write(f"{path} {number}\n")


def check(name, *more):
    """What paco makes of a list; that its images are missing does not matter."""
    run = subprocess.run([paco, "data", "check", "--no-decode", "--train-list", name, *more], capture_output=True, text=True)
    found = re.search(r": (\d+ images, \d+ classes, checksum \w+)", run.stdout)
    return found.group(1) if found else run.stderr.strip().split("\n")[-1]


failed, seen = 0, {}
for case in range(cases):
    rng = random.Random(case)
    form = write(rng, "form")
    plain("form", "plain", *form)
    kind = form[-1]
    seen[kind] = seen.get(kind, 0) + 1
    have, wanted = check("form", *(["--first-label", "1"] if kind == "ones" else [])), check("plain")
    if kind == "ones" and "--first-label 1 reads them" not in check("form"):
        have = "labels from 1 on: " + check("form")
    if have != wanted or "checksum" not in wanted:
        failed += 1
        print(f"FAIL: list {case} {form}: '{have}' instead of '{wanted}'", open("form", "rb").read()[:300])
print(seen)
sys.exit(failed > 0 or len(seen) != 4)
PYTHON
