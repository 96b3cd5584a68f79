#!/bin/bash
# paco augment as a user runs it: exit codes, one line per failure, a sheet of the promised size, the same
# bytes for the same seed, and no file where it failed.
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
image=$data/photos/chelsea.jpg
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
bad=0

# expect CODE TEXT ARGUMENT...: the exit code, and one line on stderr that contains the text.
expect()
{
    code=$1 text=$2
    shift 2
    "$paco" augment "$@" > out.txt 2> err.txt
    seen=$?
    if [ $seen -ne "$code" ] || ! grep -qF -- "$text" err.txt || [ "$(wc -l < err.txt)" -ne 1 ]; then
        echo "paco augment $*: exit $seen instead of $code, stderr:"
        cat err.txt
        bad=1
    fi
}

printf 'GIF89a' > a.gif
head -c 3000 "$image" > cut.jpg
expect 2 "are needed"
expect 2 "value missing" --recipe
expect 2 "value missing" --image
expect 2 "--what: unknown option" --what 1
expect 2 "--epochs: means nothing to this command" --epochs 3
expect 2 "unknown recipe 'none'" --recipe none --image "$image" --out s.png
expect 2 "--n: no whole number from 1 to 1024 ('x')" --recipe sim --image "$image" --out s.png --n x
expect 2 "--randaug-m: not a number" --recipe sim --image "$image" --out s.png --randaug-m nan
expect 2 "--randaug-n: out of range (17 vs 0 to 16)" --recipe sim --image "$image" --out s.png --randaug-n 17
expect 4 "absent.jpg" --recipe sim --image absent.jpg --out s.png
expect 3 "a.gif: GIF" --recipe sim --image a.gif --out s.png
expect 3 "cut.jpg: JPEG, byte" --recipe sim --image cut.jpg --out s.png
expect 5 "too large" --recipe sim --image "$image" --out s.png --n 1024 --size 4096
expect 4 "no/folder.png" --recipe sim --image "$image" --out no/folder.png --n 1 --size 8
if [ -e s.png ]; then
    echo "a failed run left a file"
    bad=1
fi
expect 0 "2 views" --recipe randcls_sim --image "$image" --out s.png --n 2 --size 64 --seed 3
expect 0 "2 views" --recipe randcls_sim --image "$image" --out same.png --n 2 --size 64 --seed 3
expect 0 "2 views" --recipe randcls_sim --image "$image" --out other.png --n 2 --size 64 --seed 4
cmp s.png same.png || bad=1
# As train writes its options: both names of one, with = and without, and presets.
expect 0 "1 views" --recipe randcls --image "$image" --out a.png --n 1 --size 32 --randaug-n 5 --randaug-m 3
expect 0 "1 views" --aug=randcls --image="$image" --out=b.png --n=1 --size=32 --randaugment_n=5 --randaugment-m 3
expect 0 "1 views" --recipe randcls --image "$image" --out c.png --n 1 --size 32
cmp a.png b.png || bad=1
cmp -s a.png c.png && echo "--randaug-n and -m change nothing" && bad=1
expect 0 "query (randclsstack) above key (sim)" --preset imagenet_r200 --image "$image" --out p.png --n 1 --size 32
expect 0 "query (randclsstack) above key (sim)" --recipe randclsstack_sim --randaug-n 3 --randaug-m 12 \
    --image "$image" --out q.png --n 1 --size 32
cmp p.png q.png || bad=1
cmp -s s.png other.png && echo "another seed drew the same sheet" && bad=1
size=$(od -An -tx1 -j16 -N8 s.png | tr -d ' ')
if [ "$size" != 0000008c0000008c ]; then # 2 columns of 64 and gaps of 4; 1 row of two views
    echo "the sheet's size is $size"
    bad=1
fi
"$paco" augment --help | grep -q randclsstack_sim02 || bad=1

# A sheet that cannot be written whole leaves the file that was there, and nothing else.
mkdir full
cp s.png full/old.png
limit() # KiB ARGUMENT...: paco augment under `ulimit -f`
{
    (ulimit -f "$1" && shift && exec "$paco" augment "$@") > out.txt 2> err.txt
    seen=$?
    if [ $seen -ne 4 ] || [ "$(wc -l < err.txt)" -ne 1 ] || ! grep -q '^paco: error: .*File too large' err.txt; then
        echo "over the size limit: exit $seen instead of 4, stderr:"
        cat err.txt
        bad=1
    fi
}
limit 8 --recipe sim --image "$image" --out full/old.png --n 4 --size 64
cmp s.png full/old.png || { echo "the old file is not intact"; bad=1; }
limit 8 --recipe sim --image "$image" --out full/new.png --n 4 --size 64
if [ "$(find full -mindepth 1)" != full/old.png ]; then
    echo "left behind:"
    ls full
    bad=1
fi
# What is no regular file is written directly and stays. (Through links: a mistake here must not touch /dev.)
ln -s /dev/full full/device.png
expect 4 "device.png: cannot write" --recipe sim --image "$image" --out full/device.png --n 1 --size 64
ln -s /dev/stdout full/out.png
"$paco" augment --recipe randcls_sim --image "$image" --out full/out.png --n 2 --size 64 --seed 3 2> err.txt |
    cmp - s.png ||
    { echo "a sheet to standard output is another"; cat err.txt; bad=1; }
if [ "$(readlink full/device.png)" != /dev/full ] || [ "$(readlink full/out.png)" != /dev/stdout ] ||
    [ "$(find full -mindepth 1 | wc -l)" != 3 ]; then
    echo "devices are not written through:"
    ls -l full
    bad=1
fi
exit $bad
