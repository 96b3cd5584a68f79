#!/usr/bin/env bash
# Reading a training checkpoint beside the least that reading can cost, which is all bytes of the file once through
# zlib's crc32: alternating, several rounds, each in a process of its own; medians, their ratio, and peak memory.
#     tools/bench_checkpoint.sh [--rounds N] [--out FILE] [ARCH]
# ARCH: resnet50 unless named, about 280 MiB. The file lies in TMPDIR (or /tmp) and is in the page cache before the
# first round. Wanted: a ratio of at most 1.2, memory below that of the tensors + 64 MiB.
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

paco="${PACO_BIN:-build/paco}"
rounds=5 out='' arch=resnet50
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift 2 ;;
        --out) out="$2"; shift 2 ;;
        -*) echo "bench_checkpoint.sh: unknown option '$1'" >&2; exit 2 ;;
        *) arch="$1"; shift ;;
    esac
done
source tools/bench_common.sh
[ -x "$paco" ] || { echo "bench_checkpoint.sh: no $paco: build first" >&2; exit 2; }

{
    file="$work/checkpoint.pth.tar"
    measure write "$paco" bench checkpoint write "$file" "$arch"
    "$paco" bench checkpoint crc "$file" >/dev/null
    for ((i = 0; i < rounds; i++)); do
        measure crc "$paco" bench checkpoint crc "$file"
        measure read "$paco" bench checkpoint read "$file" "$arch"
    done
    tensors=$("$paco" bench checkpoint read "$file" "$arch" | field tensors_mib)
    echo "# $(machine), $threads cores; medians of $rounds alternating rounds"
    awk -v arch="$arch" -v size="$(stat -c %s "$file")" -v write="$(median <"$work/write.ms")" \
        -v ms="$(median <"$work/read.ms")" -v crc="$(median <"$work/crc.ms")" -v tensors="$tensors" \
        -v mib="$(sort -g "$work/read.mib" | tail -1)" 'BEGIN {
        printf "checkpoint,%s  file %.1f MiB  read %.1f ms | bytes and crc %.1f ms | time ratio %.3f", arch,
               size / 1048576, ms, crc, ms / crc
        printf "  peak memory %.1f MiB, tensors %.1f + %.1f MiB  written and synced in %.1f ms\n", mib, tensors,
               mib - tensors, write}'
} | tee_out
