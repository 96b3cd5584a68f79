#!/usr/bin/env bash
# File systems and terminals as they are, seen by the program: calls that fail for want of support (strace injects the
# errors of vfat, SMB, NFS and Lustre), a real vfat where this machine mounts one, closed descriptors, a pipe whose
# reader is gone, too little memory for an image.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/material.sh"
. "$tests/tiny_data.sh"
folder=$(mktemp -d)
mounted=
trap '[ -z "$mounted" ] || umount "$mounted"; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
tiny_data "$paco" "$folder/data" || { echo "FAIL: no images"; exit 1; }
failed=0
fail() { echo "FAIL: $*"; [ ! -s said ] || tail -3 said; failed=1; }
run=("$paco" train "${tiny_options[@]}" --epochs 2 --keep 2 --select test)

# A run there must end well, with its links or what takes their place.
ends_well() {
    local out=$1 what=$2 name
    [ -s "$out/report.json" ] || fail "$what: no report"
    for name in last best; do
        "$paco" inspect --quiet "$out/$name.pth.tar" >/dev/null 2>&1 || fail "$what: no $name.pth.tar"
    done
    "$paco" eval --checkpoint "$out" --list data/test.txt --data data >/dev/null 2>&1 || fail "$what: eval"
    "${run[@]}" --out "$out" --resume auto >said 2>&1 || fail "$what: resume"
}

# The leak checker traces the program itself at its end and cannot where strace does.
traced() { ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" strace -f -o /dev/null "$@"; }

if strace -o /dev/null true 2>/dev/null; then
    while read -r call error said; do
        rm -rf out
        traced -e trace="$call" -e inject="$call":error="$error" "${run[@]}" --out out >said 2>&1 ||
            fail "$call: $error: exit $?"
        [ "$said" = - ] || grep -qF -- "$said" said || fail "$call: $error: '$said' is not said"
        ends_well out "$call: $error"
    done <<'CALLS'
symlink,symlinkat EPERM symbolic links cannot be made here
symlink,symlinkat EOPNOTSUPP symbolic links cannot be made here
flock ENOSYS this file system gives no lock
flock ENOLCK this file system gives no lock
CALLS
    rm -rf out
    traced -e trace=flock -e inject=flock:error=EAGAIN "${run[@]}" --out out >said 2>&1
    [ $? = 4 ] && grep -qF "another process" said || fail "a rival"
else
    echo "skipped: calls that fail: strace cannot trace here"
fi

if command -v mkfs.vfat >/dev/null && truncate -s 64M disk && mkfs.vfat disk >/dev/null 2>&1 && mkdir vfat &&
    mount -o loop disk vfat 2>/dev/null; then
    mounted=$folder/vfat
    "${run[@]}" --out vfat/run >said 2>&1 || fail "vfat: exit $?"
    ends_well vfat/run vfat
else
    echo "skipped: a real vfat: it cannot be mounted here"
fi

# Descriptors 0 to 2 closed: no file of the run gets what is meant for a terminal.
rm -rf out
(exec <&- >&- 2>&-; "${run[@]}" --out out) || fail "closed descriptors: exit $?"
"$paco" inspect --quiet out/last.pth.tar >/dev/null 2>&1 || fail "closed descriptors: no checkpoint"
grep -q '^paco:' out/options.txt out/metrics.csv out/classes.csv && fail "closed descriptors: messages in a record"

# Whoever reads is gone: the run goes on to its end.
rm -rf out
"${run[@]}" --out out 2>&1 | head -1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] && [ -s out/report.json ] || fail "| head -1: exit ${PIPESTATUS[0]}"
# And a request to stop is still one.
rm -rf out
"${run[@]}" --epochs 100000 --eval-every 0 --save-steps 2 --out out 2>&1 | head -1 >/dev/null &
for ((i = 0; i < 600; i++)); do [ -e out/last.pth.tar ] && break; sleep 0.1; done
pid=$(pgrep -f -- "--epochs 100000 --eval-every 0 --save-steps 2 --out out" | head -1)
kill -INT "$pid" 2>/dev/null
for ((i = 0; i < 600; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
tail -1 out/train.log | grep -q 'stopped on request' || fail "| head -1, then Ctrl-C: $(tail -1 out/train.log)"
wait

# An image for which there is no memory is a limit, and one image among many that can be skipped.
python3 - <<'PYTHON' 2>/dev/null
import struct, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
w = h = 12000
rows = zlib.compress((b"\0" + b"\0" * (w // 8)) * h, 9)
open("huge.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 1, 0, 0, 0, 0)) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
PYTHON
if [ -s huge.png ] && (ulimit -v 400000; "$paco" augment --recipe sim --image data/1.png --out s.png --n 1 --size 32 >said 2>&1); then
    (ulimit -v 400000; "$paco" augment --recipe sim --image huge.png --out s.png --n 1 --size 32 >said 2>&1)
    [ $? = 5 ] && grep -qF 'huge.png: no memory for 12000 x 12000 pixels' said || fail "too little memory"
else
    echo "skipped: too little memory: this build needs more to start, or no python3"
fi
exit $failed
