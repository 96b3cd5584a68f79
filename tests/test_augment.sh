#!/bin/bash
# paco augment as a user runs it: exit codes, one line per failure, a sheet of the promised size, the same
# bytes for the same seed, and no file where it failed.
paco=$1
image=${PACO_SHARED:-../shared}/data/imagenet_samples/n01883070_wombat.JPEG
if [ ! -e "$image" ]; then
    echo "skipped: $image is absent"
    exit 77
fi
image=$(realpath "$image")
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
expect 2 "unknown option '--what'" --what 1
expect 2 "unknown recipe 'none'" --recipe none --image "$image" --out s.png
expect 2 "'x' is no integer" --recipe sim --image "$image" --out s.png --n x
expect 2 "0 to 100" --recipe sim --image "$image" --out s.png --randaugment-m nan
expect 4 "absent.jpg" --recipe sim --image absent.jpg --out s.png
expect 3 "neither JPEG nor PNG" --recipe sim --image a.gif --out s.png
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
cmp -s s.png other.png && echo "another seed drew the same sheet" && bad=1
size=$(od -An -tx1 -j16 -N8 s.png | tr -d ' ')
if [ "$size" != 0000008c0000008c ]; then # 2 columns of 64 and gaps of 4; 1 row of two views
    echo "the sheet's size is $size"
    bad=1
fi
"$paco" augment --help | grep -q randclsstack_sim02 || bad=1
exit $bad
