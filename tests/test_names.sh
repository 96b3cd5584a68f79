#!/usr/bin/env bash
# Names come from outside: whatever stands in them, a terminal is shown it and obeys nothing. Every verb that prints a
# name gets one with an escape sequence and with a line's end, which must arrive as \xNN.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/tiny_data.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
tiny_data "$paco" data || { echo "FAIL: no images"; exit 1; }
failed=0
evil=$'n\x1b]0;x\x07\nINJECTED' # one name
line=$'n\x1b]0;x\x07INJECTED'   # the same for what is read by lines
shown='\x1b]0;x\x07'

# harmless WHAT: what the command printed names the name, and nothing in it is a control but ends of lines.
harmless() {
    if LC_ALL=C grep -qP '[\x00-\x09\x0b-\x1f\x7f]' out || grep -q '^INJECTED' out; then
        echo "FAIL: $1: a name reaches the terminal as it is:"
        head -5 out | cat -v
        failed=1
    elif ! grep -qF "$shown" out || ! grep -qF INJECTED out; then
        echo "FAIL: $1: the name is not shown:"
        head -5 out | cat -v
        failed=1
    fi
}

# prints ARGUMENTS...: the command, on whatever exit code.
prints() {
    timeout 120 "$paco" "$@" >out 2>&1
    [ $? -lt 124 ] || { echo "FAIL: paco $* died"; failed=1; }
    harmless "paco $(printf '%q ' "$@")"
}

run=(train "${tiny_options[@]}" --epochs 1 --warmup 0 --device ref32)
"$paco" "${run[@]}" --out run >out 2>&1 || { echo "FAIL: no run"; cat out; exit 1; }

# mistyped words
prints "$evil"
prints help "$evil"
prints presets "$evil"
prints devices "$evil"
prints train "$evil"
prints train --"$evil" 3
prints train -"$evil"
prints train --arch "$evil"
prints train --lr "$evil"
prints train --preset "$evil"
prints train --recipe "$evil" --dataset synthetic
prints train --device "$evil" --dataset synthetic
prints train --out "$evil" --dataset synthetic
prints train --config "$evil"
prints eval "$evil"
prints demo "$evil"
prints data "$evil"
prints data check "$evil"
prints bench "$evil"
prints bench op "$evil"
prints bench image "$evil" data
prints bench checkpoint "$evil" run/last.pth.tar
prints plan "$evil"
prints plan step --dump "$evil"
prints tune "$evil"
prints verify --"$evil"
prints verify --amp "$evil"
prints completion "$evil"
prints man "$evil"
prints inspect --"$evil"
prints inspect run/last.pth.tar --arch "$evil"
prints inspect run/last.pth.tar --key "$evil"
prints convert --"$evil"
prints convert run/last.pth.tar to.pth --format "$evil"
prints convert run/last.pth.tar to.pth --bare --key "$evil"

# files that are not there
prints inspect "$evil"
prints convert "$evil" to.pth
prints convert run/last.pth.tar "none/$evil"
prints augment --image "$evil" --out sheet.png
prints augment --image data/0.png --out "none/$evil"
prints verify "$evil.json"
prints verify --image "$evil" image/chelsea_tiny
prints bench image view "$evil"
prints bench checkpoint crc "$evil"

# files that are
cp run/last.pth.tar "$evil.pth.tar"
cp data/0.png "$evil.png"
printf 'nothing' >"$evil.pt"
prints inspect "$evil.pth.tar"
prints inspect "$evil.pt"
prints inspect .
mkdir "$evil"
cp run/last.pth.tar "$evil/x.pth"
prints inspect "$evil"
prints convert "$evil.pth.tar" "$evil.safetensors"
prints augment --image "$evil.png" --out "$evil.sheet.png"

# names in lists
{ head -47 data/train.txt; echo "$line.png 0"; } >bad.txt
few=(--test-list data/test.txt --data data)
prints train "${run[@]:1}" --train-list bad.txt
prints data check --train-list bad.txt "${few[@]}"
prints eval --checkpoint run --list bad.txt --data data --device ref32
printf 'broken' >"data/$line.png"
prints train "${run[@]:1}" --train-list bad.txt
prints data check --train-list bad.txt "${few[@]}"
rm "data/$line.png"
printf '%s %s\n' 1.png 0 2.png "$line" >labels.txt
prints train --train-list labels.txt "${few[@]}"

# names of classes
mkdir -p classes/a classes/"$evil" others/a others/"$evil.2"
for c in a "$evil"; do for i in 1 2 3 4; do cp "data/$i.png" "classes/$c/$i.png"; done; done
cp data/1.png others/a
cp data/1.png "others/$evil.2"
prints data check --dataset folder --data classes --test-data others
rm "classes/$evil/1.png"
printf broken >"classes/$evil/1.png"
prints data check --dataset folder --data classes --test-data classes
exit $failed
