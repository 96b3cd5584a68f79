#!/usr/bin/env bash
# Names of files and classes that a terminal, a spreadsheet or a JSON reader would trip over: they arrive escaped, quoted
# and neutralised. Empty values of options, a missing folder of modules and the cache's rights.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
. "$tests/tiny_data.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0
command -v python3 >/dev/null || { echo "skipped: no python3 to read JSON and CSV"; exit 77; }
fail() { echo "FAIL: $*"; failed=1; }
esc=$'\e[31m' raw=$'u\xff'

# No byte below a space but the newline, and nothing that is not UTF-8.
clean() {
    LC_ALL=C grep -qP '[\x00-\x09\x0b-\x1f\x7f]' "$1" && fail "$1: controls: $(cat -v "$1" | head -3)"
    iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1 || fail "$1: not UTF-8"
}

names=('=cmd|calc!A0' '+1+1' '-2' '@sum' 'a,b' 'say "x"' "red${esc}" "$raw" 'plain')
tiny_data "$paco" "$folder/$raw" || { echo "FAIL: no images"; exit 1; }
i=0
for name in "${names[@]}"; do
    for set in train val; do
        mkdir -p "set/$set/$name"
        for k in 0 1 2; do cp "$raw/$(((i + k) % 6)).png" "set/$set/$name/$k.png"; done
    done
    i=$((i + 1))
done
"$paco" train --arch resnet20 --size 16 --batch 4 --epochs 1 --warmup 0 --queue 8 --dim 8 --dataset folder --data set/train \
    --test-data set/val --out "run" >said 2>&1 || { fail "train"; cat -v said; }
tr -d '\r' <said | sed 's/\x1b\[K//g' >said.txt # the progress line's own
clean said.txt
"$paco" eval --checkpoint "run" --dataset folder --data set/train --test-data set/val --out "eval" >said.txt 2>stderr ||
    { fail "eval"; cat -v stderr; }
clean said.txt
"$paco" data check --dataset folder --data set/train --test-data set/val >said.txt 2>/dev/null
clean said.txt
cp "run/last.pth.tar" "x$esc.pth"
"$paco" inspect --quiet "x$esc.pth" >said.txt 2>/dev/null
clean said.txt
for file in "run/report.json" "eval/report.json"; do
    python3 -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' "$file" 2>stderr || fail "$file: $(tail -1 stderr)"
done
for file in "run/classes.csv" "eval/classes.csv" "eval/predictions.csv"; do
    cp "$file" copy.csv
    clean copy.csv
    python3 - "$file" <<'PYTHON' || fail "$file"
import csv, sys
rows = list(csv.reader(open(sys.argv[1], encoding="utf-8")))
assert len({len(r) for r in rows}) == 1, "columns"
for row in rows:
    for field in row:
        number = field.lstrip("-").replace(".", "").isdigit()
        assert number or not field.startswith(("=", "+", "-", "@", "\t", "\r")), field
PYTHON
done
grep -qF "\"'=cmd|calc!A0\"" "run/classes.csv" || fail "the formula is not behind an apostrophe"
grep -qF '"say ""x"""' "run/classes.csv" || fail "quotes are not doubled"

for option in --out --data --checkpoint --list; do
    "$paco" eval $option "" >said.txt 2>&1
    [ $? = 2 ] && grep -q ': empty' said.txt || fail "$option '': $(cat said.txt)"
done
PACO_BACKENDS=$folder/none "$paco" devices >said.txt 2>&1
grep -qF "PACO_BACKENDS: no such folder" said.txt || fail "a missing PACO_BACKENDS is not said"

# The cache is this user's alone, and a link in it is not followed.
export XDG_CACHE_HOME=$folder/cache
mkdir -m 777 cache cache/openpaco
builds=("$paco" bench op sgd 1000 2 --repeats 1 --untimed 0) # a small program
"${builds[@]}" >said.txt 2>&1
[ "$(stat -c %a cache/openpaco)" = 700 ] || fail "the cache folder is $(stat -c %a cache/openpaco)"
file=$(ls cache/openpaco/*.clbin 2>/dev/null | head -1)
if [ -n "$file" ]; then
    [ "$(stat -c %a "$file")" = 600 ] || fail "a cached program is $(stat -c %a "$file")"
    mv "$file" elsewhere && ln -s "$folder/elsewhere" "$file"
    "${builds[@]}" >said.txt 2>&1 || fail "a link in the cache"
    [ ! -L "$file" ] || fail "a link in the cache stays"
else
    echo "skipped: cached programs: there is no OpenCL device"
fi
exit $failed
