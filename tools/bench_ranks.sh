#!/usr/bin/env bash
# What ranks in several processes cost and gain on this machine, and whether `paco plan --processes` says so beforehand:
# alternating, medians. Two hosts are network namespaces whose links are shaped.
#     tools/bench_ranks.sh [--rounds N] [--out FILE] [one|two|exchange|prediction ...]
# one: a process under an MPI beside one without. two: two processes, a core each, beside one with two virtual ranks on
# both. exchange: the exact sum beside the MPI's own, and what waiting costs. prediction: two and four processes on two
# hosts at 100, 200 and 1000 Mbit/s.
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

paco="${PACO_BIN:-build/paco}"
rounds=3 out= parts=()
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift 2 ;;
        --out) out="$2"; shift 2 ;;
        one|two|exchange|prediction) parts+=("$1"); shift ;;
        *) echo "bench_ranks.sh: unknown word '$1'" >&2; exit 2 ;;
    esac
done
[ ${#parts[@]} -gt 0 ] || parts=(one two exchange prediction)

source tools/bench_common.sh
[ -x "$paco" ] || { echo "bench_ranks.sh: no $paco: build first" >&2; exit 2; }
command -v mpirun.openmpi >/dev/null || { echo "bench_ranks.sh: no mpirun.openmpi" >&2; exit 77; }
export PACO_BACKENDS="${PACO_BACKENDS:-$(dirname "$(realpath "$paco")")}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none

# Images of 32 pixels, so few that reading them takes no time: lists of any length.
folder=$work
source tests/tiny_data.sh
source tests/two_hosts.sh
trap 'hosts_down; rm -rf "$work"' EXIT
tiny_data "$paco" "$work/data"
list() { # LENGTH
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) print i % 6 ".png " i % 5 }' >"$work/data/list.txt"
}
# epochs COMMAND...: the median seconds of an epoch but the first
epochs() {
    rm -rf "$work/run"
    "$@" --out "$work/run" --eval-every 0 --keep 1 >"$work/stdout" 2>"$work/stderr" || { cat "$work/stderr" >&2; exit 1; }
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "seconds") c = i } NR > 2 { print $c }' "$work/run/metrics.csv" | median
}
words() { # ARCH SIZE BATCH RANKS EPOCHS
    echo --arch "$1" --size "$2" --recipe sim --batch "$3" --ranks "$4" --epochs "$5" --warmup 1 --queue 1024 --dim 32 \
        --lr 0.02 --train-list "$work/data/list.txt" --test-list "$work/data/test.txt" --data "$work/data"
}

compare() { # TITLE, A, B: commands, quoted; the ratio is B's time to A's
    local i
    rm -f "$work/a" "$work/b"
    for ((i = 0; i < rounds; i++)); do
        eval "epochs $2" >>"$work/a"
        eval "epochs $3" >>"$work/b"
    done
    awk -v title="$1" -v a="$(median <"$work/a")" -v b="$(median <"$work/b")" \
        'BEGIN { printf "%-44s %8.3f s  %8.3f s an epoch  ratio %.3f\n", title, a, b, b / a }'
}

one() {
    list 1024
    # shellcheck disable=SC2046
    compare "one process: without, under Open MPI" "$paco train $(words resnet32 32 128 1 4 | tr '\n' ' ')" \
        "mpirun.openmpi -n 1 $paco train $(words resnet32 32 128 1 4 | tr '\n' ' ')"
}

two() {
    list 1024
    compare "ResNet-32, 2 ranks of 64: one process, two" "$paco train $(words resnet32 32 128 2 4)" \
        "$paco train --nproc 2 $(words resnet32 32 128 2 4)"
    list 64
    compare "ResNet-50, 2 ranks of 8: one process, two" "$paco train $(words resnet50 224 16 2 3)" \
        "$paco train --nproc 2 $(words resnet50 224 16 2 3)"
}

exchanged() { # TITLE COMMAND...
    local title=$1 line
    shift
    line=$("$@" 2>"$work/stderr") || { cat "$work/stderr" >&2; exit 1; }
    printf '%-44s exact %8.2f ms  engine %8.2f ms  ratio %.3f  waiting %4.1f %% of a core\n' "$title" \
        "$(field exact_ms <<<"$line")" "$(field engine_ms <<<"$line")" "$(field ratio <<<"$line")" \
        "$(field waiting_percent_of_core <<<"$line")"
}

exchange() {
    local engine processes each i
    for ((i = 0; i < rounds; i++)); do
        for engine in openmpi mpich; do
            command -v "mpirun.$engine" >/dev/null || continue
            for processes in 2 4; do
                exchanged "10 MiB, one host, $engine, $processes processes" "mpirun.$engine" -n "$processes" "$paco" bench exchange 10
            done
        done
    done
    hosts_up && hosts_shape 200 || { echo "two hosts: not allowed here"; return; }
    for ((i = 0; i < rounds; i++)); do
        for each in 1 2; do
            exchanged "1.87 MB at 200 Mbit/s, two hosts, $((2 * each)) processes" \
                mpirun_on_hosts "$each" -x PACO_BACKENDS "$paco" bench exchange 1.783
        done
    done
    hosts_down
}

# Milliseconds of a rank's step while so many processes compute.
rank_ms() { # EACH BATCH
    mpirun_on_hosts "$1" -x PACO_BACKENDS "$paco" bench step --arch resnet32 --size 32 --classes 5 --queue 1024 --dim 32 \
        --batch "$2" --repeats 5 2>/dev/null | field ms_median | median
}

# What the link gives, in Gbit/s: the same bytes both ways at once over plain TCP, which a shaped link of this machine may
# slow below its rate; nominal without a python3.
link_gbit() { # MBIT
    local script='import socket, sys, threading, time
bytes, times = 1870000, []
at = socket.create_server(("10.78.0.2", 7078)).accept()[0] if sys.argv[1] == "serve" else socket.create_connection(("10.78.0.2", 7078))
for i in range(7):
    at.sendall(b"x"); at.recv(1)
    begun = time.monotonic()
    send = threading.Thread(target=at.sendall, args=(bytes * b"x",))
    send.start()
    got = 0
    while got < bytes:
        got += len(at.recv(min(1 << 20, bytes - got)))
    send.join()
    times.append(time.monotonic() - begun)
print(8e-9 * bytes / sorted(times)[3])'
    command -v python3 >/dev/null || { awk "BEGIN { print $1 / 1000 }"; return; }
    ip netns exec "${net}h2" timeout 60 python3 -c "$script" serve >/dev/null &
    sleep 1
    ip netns exec "${net}h1" timeout 60 python3 -c "$script" call
    wait $!
}

# The exchange of a step is measured alone: while steps compute, processes of both hosts share the cores of this machine.
prediction() {
    local mbit each processes images=64 steps=16 ms seconds alone link i
    list $((4 * images * steps))
    hosts_up || { echo "two hosts: not allowed here"; return; }
    for each in 1 2; do
        processes=$((2 * each)) ms=$(rank_ms "$each" $images)
        for mbit in 100 200 1000; do
            hosts_shape $mbit
            link=$(link_gbit $mbit)
            # shellcheck disable=SC2046
            seconds=$(epochs mpirun_on_hosts "$each" -x PACO_BACKENDS "$paco" train \
                $(words resnet32 32 $((images * processes)) $processes 3))
            sums=$(sed -n 's/.*sums of gradients \([0-9.]*\) s, \([0-9]*\) %.*/\1 \2/p' "$work/stderr" | tail -1)
            alone=$(for ((i = 0; i < rounds; i++)); do
                mpirun_on_hosts "$each" -x PACO_BACKENDS "$paco" bench exchange 1.783 2>/dev/null | field exact_ms
            done | median)
            "$paco" plan step --arch resnet32 --size 32 --classes 5 --queue 1024 --dim 32 --batch $((images * processes)) \
                --ranks $processes --processes $processes --nodes 2 --rank-ms "$ms" --latency 100 \
                --bandwidth "$link" 2>/dev/null | awk -v mbit=$mbit -v link="$link" -v seconds="$seconds" \
                -v sums="$sums" -v alone="$alone" -v steps=$((4 * steps / processes)) 'NR == 3 {
                split(sums, measured, " ")
                step = 1000 * seconds / steps; sum = 1000 * measured[1] / steps
                printf "%4d Mbit/s (plain TCP both ways: %.0f), %d processes: exchange %7.1f ms predicted %7.1f (ratio %.2f; %.1f ms while computing, hidden %d %%), step %7.1f ms predicted %7.1f (ratio %.2f)\n",
                    mbit, 1000 * link, $2, alone, $5, alone / $5, sum, measured[2], step, $4, step / $4
            }'
        done
    done
    hosts_down
}

{
    echo "# $(machine), $threads cores, $rounds rounds, medians"
    for part in "${parts[@]}"; do
        "$part"
    done
} | tee_out
