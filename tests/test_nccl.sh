#!/usr/bin/env bash
# Ranks over processes whose devices exchange gradients themselves: the simulated GPU with its stand-in for NCCL. Golden
# files and bits whatever the number of processes and as through the host's memory, what is said where there is no NCCL, and
# peers that die, stop, err or hang in a collective.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
tiny_options+=(--size 8) # a simulated GPU is slow
sim=$(dirname "$paco")/sim
[ -e "$sim/libnccl.so.2" ] || { echo "skipped: no simulated GPU: built without the CUDA toolkit, cuDNN or a C++ compiler"; exit 77; }
export PACO_BACKENDS=$sim
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
by_nccl='gradients go between the devices of [0-9]* processes by NCCL'
staged="gradients go through the host's memory: "

"$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 --device cuda:0 --epochs 1 --out "$folder/first" >"$folder/stdout" 2>"$folder/stderr"
code=$?
if grep -q 'no MPI here' "$folder/stderr"; then
    echo "skipped: $(grep -o 'no MPI here.*' "$folder/stderr" | cut -c 1-160)"
    exit 77
fi
[ $code = 0 ] || { fail "--nproc 2: exit $code"; cat "$folder/stderr"; exit 1; }

for engine in openmpi mpich; do
    [ -e "$(dirname "$paco")/libpaco_$engine.so" ] && command -v "mpirun.$engine" >/dev/null && break
done
on() { # P WORDS...: paco with these words in P processes; sets `status`
    local launcher=("mpirun.$engine" -n "$1")
    [ "$1" != 1 ] || launcher=()
    timeout 300 "${launcher[@]}" "$paco" "${@:2}" >"$folder/stdout" 2>"$folder/stderr"
    status=$?
}

said() { # WHAT EXIT TEXT: what the last call said, once
    [ $status = "$2" ] || { fail "$1: exit $status instead of $2"; cat "$folder/stderr"; }
    [ "$(grep -c -- "$3" "$folder/stderr")" = 1 ] || { fail "$1: not one line with '$3'"; cat "$folder/stderr"; }
}

train() { # OUT P WORDS...
    local several=()
    [ "$2" = 1 ] || several=(--nproc "$2")
    rm -rf "$folder/$1"
    on 1 train "${tiny_options[@]}" --device cuda:0 --out "$folder/$1" "${several[@]}" "${@:3}"
}

tensors() { # OUT: the hash of all tensors of a run's last checkpoint
    "$paco" convert "$folder/$1/last.pth.tar" "$folder/tensors.safetensors" >/dev/null 2>"$folder/stderr" || cat "$folder/stderr"
    sha256sum <"$folder/tensors.safetensors"
}

same() { # WHAT: the run `many` ended as the run `one`
    [ "$(tensors one)" = "$(tensors many)" ] || fail "$1: other tensors than those of one process"
    cmp <(cut -d, -f1-10 "$folder/one/metrics.csv") <(cut -d, -f1-10 "$folder/many/metrics.csv") || fail "$1: other metrics"
}

# same_bits R BATCH "P..." WORDS...
same_bits() {
    local processes
    train one 1 --ranks "$1" --batch "$2" "${@:4}"
    for processes in $3; do
        train many "$processes" --ranks "$1" --batch "$2" "${@:4}"
        said "$1 ranks, $processes processes" 0 "$by_nccl"
        same "$1 ranks in $processes processes by NCCL, ${*:4}"
    done
}

golden() { # NAME "P..."
    local processes
    for processes in $2; do
        on "$processes" verify --device cuda:0 "$1"
        [ "$processes" = 1 ] || said "$1 in $processes processes" 0 "$by_nccl"
        [ $status = 0 ] && [ "$(grep -c '^PASS ' "$folder/stdout")" = 1 ] ||
            { fail "$1 in $processes processes: exit $status"; cat "$folder/stdout" "$folder/stderr"; }
    done
}

without() {
    export PACO_SIM_NCCL=absent
    train one 1 --ranks 2
    train many 2 --ranks 2
    said "without libnccl" 0 "${staged}process 0: .*libnccl.so.2: cannot open shared object file"
    same "without libnccl"
    "$paco" devices | grep -q "^cuda  processes exchange gradients through the host's memory: .*libnccl" || fail "paco devices without libnccl"
    export PACO_SIM_NCCL=join:1
    train many 2 --ranks 2 --peer-timeout 3
    said "a process that cannot join" 0 "${staged}NCCL: joining: "
    same "a process that cannot join"
    unset PACO_SIM_NCCL
    "$paco" devices | grep -q "^cuda  processes exchange gradients between its devices by NCCL 2" || fail "paco devices with libnccl"
    train many 2 --ranks 2 --device cuda:0,ref32
    said "a simulated GPU beside the reference" 0 "${staged}process 1: the reference has none"
}

# MPI's sum and NCCL's: not the same bits, but the same run within what rounding does.
fast() {
    train one 1 --ranks 4
    train many 2 --ranks 4 --reduce fast
    said "--reduce fast" 0 "$by_nccl"
    paste -d, <(cut -d, -f3 "$folder/one/metrics.csv") <(cut -d, -f3 "$folder/many/metrics.csv") |
        awk -F, 'NR > 1 && ($1 - $2 > 1e-4 || $2 - $1 > 1e-4) {exit 1}' || fail "--reduce fast: other losses"
}

# trouble WHAT SECONDS TEXT: ends with the code of a lost peer, so soon, and a line says where.
trouble() {
    local begun=$EPOCHREALTIME took
    PACO_SIM_NCCL=$1 train many 2 --ranks 2 --peer-timeout 3
    took=$(awk "BEGIN {print $EPOCHREALTIME - $begun}")
    [ $status = 7 ] || { fail "$1: exit $status instead of 7"; cat "$folder/stderr"; }
    grep -qE -- "$3" "$folder/stderr" || { fail "$1: no line with '$3'"; cat "$folder/stderr"; }
    awk "BEGIN {exit !($took > $2)}" && fail "$1: it took $took s, more than $2"
    sleep 0.5
    pgrep -f -- "--out $folder/many" >/dev/null && { fail "$1: a process is left"; pkill -9 -f -- "--out $folder/many"; }
}

same_bits 4 8 "2 4"
same_bits 6 12 2 --amp bf16
without
others_wait="process 1 on .* is lost: .* waiting for the others, (sum of gradients|all-gather of keys), at step [0-9]"
in_collective="process [01] of 2 on [^ ]+: a peer is lost: NCCL: (sum of gradients|all-gather of keys):"
trouble die:1:7 12 "$others_wait"
trouble stop:1:7 16 "$others_wait"
trouble error:1:7 16 "$in_collective unhandled system error: an error that was wished for"
[ -z "${PACO_SHORT:-}" ] || exit $failed
golden step/resnet32_4ranks 4
fast
# A collective that takes longer than the timeout, but not for ever, is no lost peer.
PACO_SIM_NCCL=delay:1:7:5000 train many 2 --ranks 2 --peer-timeout 3
said "a slow collective" 0 "$by_nccl"
[ -n "${PACO_FULL:-}" ] || exit $failed
trouble error:1:9 16 "$in_collective unhandled system error: an error that was wished for"
trouble delay:1:7:300000 90 "$in_collective (no end after 60 s|remote process exited)"
golden step/resnet32_4ranks "1 2"
golden step/resnet32_4ranks_fp16 "1 2 4"
golden step/resnet50_2ranks "1 2"
same_bits 12 24 "2 3 4 6"
exit $failed
