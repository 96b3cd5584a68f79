#!/usr/bin/env bash
# Ranks over processes, with every MPI that the build found: golden files whatever the number of processes, the same bits
# as one process, checkpoints that go on with another number, requests to stop, and what is refused.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
. "$(dirname "$0")/material.sh"
tiny_begin "$paco"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
# Two of a machine's cores or one: bits depend on a device's units, so processes are not bound to cores.
export OMPI_MCA_hwloc_base_binding_policy=none
# LeakSanitizer knows nothing of what an MPI keeps.
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0

engines=()
for engine in openmpi mpich; do
    if [ -e "$(dirname "$paco")/libpaco_$engine.so" ] && command -v "mpirun.$engine" >/dev/null; then
        engines+=("$engine")
    else
        echo "skipped: no $engine with its mpicc.$engine and mpirun.$engine"
    fi
done
[ ${#engines[@]} -gt 0 ] || exit 77

# on P WORDS...: paco with these words in P processes; sets `status`.
on() {
    local processes=$1
    shift
    timeout 300 "mpirun.$engine" -n "$processes" "$paco" "$@" >"$folder/stdout" 2>"$folder/stderr"
    status=$?
}

golden() { # P DEVICE NAME
    on "$1" verify --device "$2" "$3"
    [ $status = 0 ] || { fail "$engine, $1 processes, $2: $3: exit $status"; cat "$folder/stdout" "$folder/stderr"; }
    [ "$(grep -c PASS "$folder/stdout")" = 1 ] || fail "$engine, $1 processes: not one line"
    grep -q "$1 processes took part" "$folder/stdout" || fail "$engine: the line does not say $1 processes"
}

# tensors OUT: the hash of all tensors of a run's last checkpoint.
tensors() {
    "$paco" convert "$1/last.pth.tar" "$folder/tensors.safetensors" >/dev/null 2>"$folder/stderr" || cat "$folder/stderr"
    sha256sum <"$folder/tensors.safetensors"
}

# figures OUT: metrics.csv without the four columns that are times.
figures() { cut -d, -f1-12,17- "$1/metrics.csv"; }

train() { # OUT P WORDS...: a run, in one process without an MPI
    local out=$1 processes=$2
    shift 2
    if [ "$processes" = 1 ]; then
        "$paco" train "${tiny_options[@]}" --out "$out" "$@" >"$folder/stdout" 2>"$folder/stderr"
        status=$?
    else
        on "$processes" train "${tiny_options[@]}" --out "$out" "$@"
    fi
}

trained() { # OUT P WORDS...: which must end well
    train "$@"
    [ $status = 0 ] || { fail "$engine, $2 processes, ${*:3}: exit $status"; cat "$folder/stderr"; }
}

# same_bits R BATCH WORDS...: every number of processes that divides R gives what one does.
same_bits() {
    local ranks=$1 batch=$2 processes
    shift 2
    rm -rf "$folder/one"
    trained "$folder/one" 1 --ranks "$ranks" --batch "$batch" "$@"
    for processes in 2 3 4 6 12; do
        [ $((ranks % processes)) = 0 ] || continue
        [ -n "${PACO_FULL:-}" ] || [ "$processes" -lt 6 ] || continue
        rm -rf "$folder/many"
        trained "$folder/many" "$processes" --ranks "$ranks" --batch "$batch" "$@"
        [ "$(tensors "$folder/one")" = "$(tensors "$folder/many")" ] ||
            fail "$engine: $ranks ranks $*: tensors of $processes processes are others than those of one"
        cmp <(figures "$folder/one") <(figures "$folder/many") ||
            fail "$engine: $ranks ranks $*: metrics of $processes processes are others than those of one"
        cmp <(numbers "$folder/one/report.json") <(numbers "$folder/many/report.json") || fail "$engine: $ranks ranks: reports differ"
    done
}

# Hosts with as many processes each sum among themselves first: hosts of names alone, one after another.
same_on_hosts() { # R P PROCESSES_OF_A_HOST
    unshare -u true 2>/dev/null || { echo "skipped: hosts of several processes: no namespaces of names here"; return; }
    rm -rf "$folder/one" "$folder/many"
    trained "$folder/one" 1 --ranks "$1" --batch 24 --epochs 1 --warmup 0 --device ref32
    timeout 300 "mpirun.$engine" -n "$2" bash -c 'rank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}
        exec unshare -u sh -c "hostname host$((rank / $0)); exec \"\$@\"" sh "$@"' "$3" "$paco" train "${tiny_options[@]}" \
        --out "$folder/many" --ranks "$1" --batch 24 --epochs 1 --warmup 0 --device ref32 >"$folder/stdout" 2>"$folder/stderr" ||
        { fail "$engine: $2 processes, $3 a host: exit $?"; cat "$folder/stderr"; }
    [ "$(tensors "$folder/one")" = "$(tensors "$folder/many")" ] ||
        fail "$engine: $1 ranks, $2 processes, $3 a host: other tensors than those of one process"
}

# A run of 2 processes that stops goes on with 1 and 4, and the other way round.
resumes() {
    local from to ways=("2 1" "1 4")
    [ -z "${PACO_FULL:-}" ] || ways=("2 1" "2 2" "2 4" "1 2" "1 4" "4 2")
    rm -rf "$folder/one"
    trained "$folder/one" 1 --ranks 4
    for way in "${ways[@]}"; do
        read -r from to <<<"$way"
        rm -rf "$folder/cut"
        train "$folder/cut" "$from" --ranks 4 --stop-after 7
        [ $status != 0 ] || fail "$engine: --stop-after did not stop"
        trained "$folder/cut" "$to" --ranks 4 --resume auto
        grep -q 'warning' "$folder/stderr" && { fail "$engine: resuming with $to processes warns"; cat "$folder/stderr"; }
        [ "$(tensors "$folder/one")" = "$(tensors "$folder/cut")" ] ||
            fail "$engine: stopped with $from processes, resumed with $to: other tensors"
    done
}

refused() { # EXIT TEXT: what the last call said, once
    [ $status = "$1" ] || { fail "$engine: exit $status instead of $1 ($2)"; cat "$folder/stderr"; }
    [ "$(grep -c -- "$2" "$folder/stderr")" = 1 ] || { fail "$engine: not one line with '$2'"; cat "$folder/stderr"; }
}

refusals() {
    on 2 train "${tiny_options[@]}" --ranks 2 --bogus 3
    refused 2 '--bogus: unknown option'
    mkdir -p "$folder/alone"
    cp "$paco" "$(dirname "$paco")/libpaco_base.so" "$folder/alone"
    timeout 100 "mpirun.$engine" -n 2 env PACO_BACKENDS="$folder/alone" "$folder/alone/paco" train "${tiny_options[@]}" \
        --ranks 2 --device ref >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 7 'but the module is not there'
    train "$folder/none" 3 --ranks 4
    refused 2 'cannot share them evenly (1, 2, 4 can)'
    OMPI_COMM_WORLD_SIZE=2 "$paco" train "${tiny_options[@]}" --ranks 2 >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 2 'the launcher 2'
    timeout 100 "mpirun.$engine" -n 1 "$paco" train "${tiny_options[@]}" --ranks 2 --batch 8 : \
        -n 1 "$paco" train "${tiny_options[@]}" --ranks 2 --batch 16 >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 2 'other options than process 0'
    head -n 47 "$folder/data/train.txt" >"$folder/data/shorter.txt"
    timeout 100 "mpirun.$engine" -n 1 "$paco" train "${tiny_options[@]}" --ranks 2 : \
        -n 1 bash -c 'exec "$@"' bash "$paco" train "${tiny_options[@]}" --ranks 2 --train-list "$folder/data/shorter.txt" \
        >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 2 'than process 0'
    # Test images, too, under the same name.
    mkdir -p "$folder/here" "$folder/there"
    cp "$folder/data/test.txt" "$folder/here/own.txt"
    awk '{ print $1, ($2 + 1) % 5 }' "$folder/data/test.txt" >"$folder/there/own.txt"
    timeout 100 "mpirun.$engine" -n 1 -wdir "$folder/here" "$paco" train "${tiny_options[@]}" --ranks 2 --test-list own.txt : \
        -n 1 -wdir "$folder/there" "$paco" train "${tiny_options[@]}" --ranks 2 --test-list own.txt >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 2 'process 1: other test data than process 0'
    WORLD_SIZE=2 RANK=0 "$paco" train "${tiny_options[@]}" --ranks 2 >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 2 'a launcher such as torchrun started 2 processes (WORLD_SIZE) without an MPI to meet by'
    WORLD_SIZE=2 "$paco" train "${tiny_options[@]}" --ranks 2 >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 2 'without an MPI to meet by'
    # One that has lost its MPI's variables does not start others.
    PACO_WATCH=1:0 "$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 2 'was started by it already'
}

# MPI's own sum: not the same bits, but the same run within what rounding does.
fast() {
    rm -rf "$folder/fast" "$folder/exact"
    trained "$folder/fast" 2 --ranks 4 --reduce fast --epochs 1
    trained "$folder/exact" 2 --ranks 4 --epochs 1
    paste -d, <(cut -d, -f3 "$folder/fast/metrics.csv") <(cut -d, -f3 "$folder/exact/metrics.csv") |
        awk -F, 'NR > 1 && ($1 - $2 > 1e-4 || $2 - $1 > 1e-4) {exit 1}' || fail "$engine: --reduce fast: other losses"
}

# An evaluation whose batches processes take in turn: the same files as one process writes.
evaluates() {
    local words=(eval --checkpoint "$folder/one" --list "$folder/data/test.txt" --train-list "$folder/data/train.txt"
                 --data "$folder/data" --batch 3) name
    mkdir -p "$folder/eval_one" "$folder/eval_many"
    "$paco" "${words[@]}" --out "$folder/eval_one" --save-logits "$folder/eval_one/l.npy" \
        --save-features "$folder/eval_one/f.safetensors" >"$folder/stdout" 2>"$folder/stderr" || { fail "eval"; cat "$folder/stderr"; }
    grep -v images/s "$folder/stdout" >"$folder/said"
    for processes in 2 3; do
        on $processes "${words[@]}" --out "$folder/eval_many" --save-logits "$folder/eval_many/l.npy" \
            --save-features "$folder/eval_many/f.safetensors"
        [ $status = 0 ] || { fail "$engine, eval in $processes processes: exit $status"; cat "$folder/stderr"; }
        grep -v images/s "$folder/stdout" | cmp - "$folder/said" || fail "$engine, eval in $processes processes says other things"
        for name in classes.csv confusion.csv report.json predictions.csv l.npy f.safetensors; do
            cmp "$folder/eval_one/$name" "$folder/eval_many/$name" || fail "$engine, eval in $processes processes: other $name"
        done
    done
    "$paco" "${words[@]}" --nproc 2 >"$folder/stdout" 2>"$folder/stderr" || { fail "eval --nproc 2"; cat "$folder/stderr"; }
    grep -v images/s "$folder/stdout" | cmp - "$folder/said" || fail "eval --nproc 2 says other things"
    on 2 eval --checkpoint "$folder/nowhere" --list "$folder/data/test.txt" --data "$folder/data"
    refused 4 'nowhere: file@0: cannot open'
}

# `--nproc 2 --ranks 4`, each process bound to its share of the cores, on images of FOLDER (with a list for training and one
# for the test): tensors, metrics but for times, and reports are one process's.
photographs() { # FOLDER TRAIN_LIST TEST_LIST WORDS...
    local words=(train --ranks 4 --epochs 2 --warmup 1 --lr 0.05 --size 32 --data "$1" --train-list "$1/$2" --test-list "$1/$3" "${@:4}")
    local name
    rm -rf "$folder/one" "$folder/many"
    "$paco" "${words[@]}" --out "$folder/one" >"$folder/stdout" 2>"$folder/stderr" || { fail "one process"; cat "$folder/stderr"; }
    "$paco" "${words[@]}" --nproc 2 --out "$folder/many" >"$folder/stdout" 2>"$folder/stderr" ||
        { fail "$2, --nproc 2: exit $?"; cat "$folder/stderr"; }
    grep -q warning "$folder/stderr" && { fail "$2, --nproc 2 warns"; cat "$folder/stderr"; }
    [ "$(tensors "$folder/one")" = "$(tensors "$folder/many")" ] || fail "$2, --nproc 2: other tensors than those of one process"
    cmp <(figures "$folder/one") <(figures "$folder/many") || fail "$2: other metrics"
    for name in classes.csv confusion.csv; do
        cmp "$folder/one/$name" "$folder/many/$name" || fail "$2: other $name"
    done
    cmp <(numbers "$folder/one/report.json") <(numbers "$folder/many/report.json") || fail "$2: other report.json"
}

# A driver that counts what its process is bound to has other bits, which is said.
counted() {
    local other
    other=$(dirname "$paco")/tests/libopencl_other_device.so
    if [ "$(nproc)" -lt 2 ] || [ ! -e "$other" ]; then
        echo "skipped: a driver that counts the cores of a process: one core, or no OpenCL"
        return
    fi
    OTHER_UNITS=1 LD_PRELOAD=$other "$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 --stop-after 1 --out "$folder/counted" \
        >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    refused 75 "bound to its share of $(nproc) processors, of which .* sees 1"
}

# Not a number: every process knows, process 0 says so.
process() { # RANK: its number, of the job that `plain` started
    local p
    for p in $(pgrep -f -- "--out $folder/plain"); do
        tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qE "^(OMPI_COMM_WORLD_RANK|PMI_RANK)=$1$" &&
            [ "$(cat "/proc/$p/comm" 2>/dev/null)" = paco ] && echo "$p" && return
    done
}

# plain SIGNAL RANK: a process of a job without --nproc dies or hangs (HANG: its loader): no other is left soon, though mpirun
# takes its time, and the folder goes on. Exit codes are the engine's. Who hangs is named.
plain() {
    local i code victim faults
    faults=$(dirname "$paco")/tests/libpeer_faults.so
    rm -rf "$folder/plain" "$folder"/hang.*
    "mpirun.$engine" -n 2 env LD_PRELOAD="$faults" HANGS_WHEN="$folder/hang" "$paco" train "${tiny_options[@]}" --epochs 400 --warmup 1 --eval-every 0 --save-steps 5 --ranks 2 \
        --device ref --peer-timeout 3 --out "$folder/plain" >"$folder/stdout" 2>"$folder/stderr" &
    local job=$!
    for ((i = 0; i < 300; i++)); do
        compgen -G "$folder/plain/step-*" >/dev/null && break
        sleep 0.1
    done
    victim=$(process "$2")
    [ -n "$victim" ] || fail "$engine: the job does not begin"
    if [ "$1" = HANG ]; then touch "$folder/hang.$victim"; else kill -"$1" "$victim"; fi
    for ((i = 0; i < 100; i++)); do
        kill -0 $job 2>/dev/null || break
        sleep 0.1
    done
    kill -9 $job 2>/dev/null && fail "$engine: $1 to process $2: mpirun hangs"
    wait $job
    code=$?
    [ $code != 0 ] || fail "$engine: $1 to process $2: exit 0"
    [ "$1" = KILL ] || [ "$1 $2" = "STOP 0" ] || grep -qE "process $2 on [^ ]+ is lost: .*, at step [0-9]" "$folder/stderr" ||
        { fail "$engine: $1 to process $2: it is not named"; cat "$folder/stderr"; }
    sleep 0.3
    pgrep -f -- "--out $folder/plain" >/dev/null && { fail "$engine: $1 to process $2: a process is left"; pkill -9 -f -- "--out $folder/plain"; }
    "$paco" train "${tiny_options[@]}" --epochs 400 --warmup 1 --eval-every 0 --ranks 2 --device ref --out "$folder/plain" \
        --resume auto --stop-after 1 >"$folder/stdout" 2>"$folder/stderr"
    [ $? = 75 ] || { fail "$engine: after $1 to process $2 the folder does not go on"; cat "$folder/stderr"; }
}

# The same job, stopped as a whole for longer than the timeout (Ctrl-Z, a suspended machine), goes on.
plain_stops() {
    local job pids i
    rm -rf "$folder/plain"
    "mpirun.$engine" -n 2 "$paco" train "${tiny_options[@]}" --epochs 400 --warmup 1 --eval-every 0 --save-steps 5 --ranks 2 \
        --device ref --peer-timeout 3 --out "$folder/plain" >"$folder/stdout" 2>"$folder/stderr" &
    job=$!
    for ((i = 0; i < 300; i++)); do
        compgen -G "$folder/plain/step-*" >/dev/null && break
        sleep 0.1
    done
    pids=("$(process 0)" "$(process 1)")
    kill -STOP "${pids[@]}"
    sleep 4
    kill -CONT "${pids[@]}"
    sleep 2
    kill -TERM "${pids[0]}"
    wait $job
    grep -q 'stopped on request' "$folder/stderr" || { fail "$engine: stopped and continued: no run to stop"; cat "$folder/stderr"; }
    grep -q 'is lost' "$folder/stderr" && { fail "$engine: stopped and continued: lost"; cat "$folder/stderr"; }
}

# Every golden file of ranks with every number of processes, on both devices; and 20 steps whose tensors are one process's.
all_of_them() {
    local device processes amp
    for device in ref opencl; do
        for processes in 2 4; do
            golden $processes $device step/resnet32_4ranks
        done
        golden 2 $device step/resnet50_2ranks
        golden 2 $device step/resnet20_sharp
        for amp in fp32 bf16; do
            same_bits 4 8 --device $device --amp $amp --epochs 4
            same_bits 6 12 --device $device --amp $amp --epochs 5
            same_bits 12 24 --device $device --amp $amp --epochs 10
        done
    done
}

lost() {
    train "$folder/lost" 2 --ranks 2 --lr 1000 --wd 10 --warmup 0 --eval-every 0 --epochs 3
    refused 6 'the loss is not a number'
}

# one_of_two WORDS...: a run of two processes of which process 1 alone has the variables of `only`; each one's code: `codes`.
one_of_two() {
    local faults
    faults=$(dirname "$paco")/tests/libpeer_faults.so
    rm -rf "$folder/apart" "$folder"/code.*
    local words=("$paco" train "${tiny_options[@]}" --ranks 2 --size 8 --out "$folder/apart" "$@")
    timeout 300 "mpirun.$engine" -n 1 env LD_PRELOAD="$faults" CODES="$folder/code" "${words[@]}" : \
        -n 1 env LD_PRELOAD="$faults" CODES="$folder/code" "${only[@]}" "${words[@]}" >"$folder/stdout" 2>"$folder/stderr"
    status=$?
    codes=$(cat "$folder"/code.* | tr '\n' ' ')
}

# What is wrong in one process is told once, and both end with its code.
wrong_in_one() {
    local only=(NANS=1) i
    one_of_two --device ref
    refused 6 'the loss is not a number'
    [ "$codes" = "6 6 " ] || fail "$engine: not a number in process 1: the processes end with $codes"
    only=(UNREADABLE=/3.png)
    one_of_two --device ref
    refused 4 '3.png'
    [ "$codes" = "4 4 " ] || fail "$engine: an image that process 1 cannot read: the processes end with $codes"
    # One image of many, so that it is no more than 1 % of them; with this seed process 1 reads it for its key alone.
    for ((i = 0; i < 200; i++)); do
        echo "$((i == 7 ? 3 : i % 3)).png $((i % 5))"
    done >"$folder/data/many.txt"
    one_of_two --device ref --on-corrupt skip --train-list "$folder/data/many.txt" --seed 0
    refused 4 'they do not read the same files'
    [ "$codes" = "4 4 " ] || fail "$engine: an image that is another in process 1: the processes end with $codes"
}

# Images that nobody can read are counted over all processes: too many of them end the run as they end one process.
too_many_unreadable() {
    local one
    mkdir -p "$folder/damaged"
    cp -r "$folder/data/." "$folder/damaged"
    head -c 60 "$folder/data/3.png" >"$folder/damaged/3.png"
    train "$folder/none" 1 --ranks 4 --data "$folder/damaged" --on-corrupt skip
    one=$status
    grep error "$folder/stderr" >"$folder/said"
    [ "$one" != 0 ] || fail "one image of six is damaged, and the run ends well"
    train "$folder/none" 2 --ranks 4 --data "$folder/damaged" --on-corrupt skip
    refused "$one" 'paco: error: '
    grep error "$folder/stderr" | cmp - "$folder/said" || fail "$engine: 2 processes say other things than one"
    # Where each process finds more in a step than it can tell, all still decide at the same image.
    local length
    for length in 3200 3600 4000; do
        awk -v n=$length 'BEGIN { for (i = 0; i < n; i++) print (i % 2 ? 3 : i % 3) ".png " i % 5 }' >"$folder/data/half.txt"
        train "$folder/none" 2 --ranks 2 --batch 128 --data "$folder/damaged" --on-corrupt skip --train-list "$folder/data/half.txt"
        refused 3 'too many unreadable images'
    done
    # So does an evaluation: three of 200 images in batches of several processes.
    awk 'BEGIN { for (i = 0; i < 200; i++) print (i % 80 == 20 ? 3 : i % 3) ".png " i % 5 }' >"$folder/data/three.txt"
    for processes in 1 2 4; do
        on $processes eval --checkpoint "$folder/one" --list "$folder/data/three.txt" --data "$folder/damaged" --on-corrupt skip --batch 25
        refused 3 'too many unreadable images (3 of 200'
    done
}

# The first engine is looked at closely, the others shortly; all closely with PACO_FULL=1. PACO_SHORT=1 (under
# sanitizers): the first alone, shortly.
for engine in "${engines[@]}"; do
    golden 2 opencl step/resnet20_sharp
    if [ -n "${PACO_SHORT:-}" ]; then
        same_bits 2 8
        refusals
        break
    fi
    plain KILL 1
    plain STOP 1
    plain HANG 0
    plain_stops
    if [ "$engine" = "${engines[0]}" ] || [ -n "${PACO_FULL:-}" ]; then
        same_bits 4 8
        evaluates
        refusals
        golden 2 ref step/resnet32_4ranks
        golden 4 opencl step/resnet32_4ranks
        golden 2 opencl step/resnet32_4ranks_fp16 # one decision of all ranks
        same_bits 6 12 --device ref --amp bf16 --size 8
        same_on_hosts 12 4 2
        [ -z "${PACO_FULL:-}" ] || { plain KILL 0; plain STOP 0; all_of_them; }
        [ -z "${PACO_FULL:-}" ] || { same_on_hosts 6 6 2; same_on_hosts 6 6 3; same_on_hosts 12 6 4; }
        resumes
        fast
        lost
        wrong_in_one
        too_many_unreadable
    fi
    [ -n "${PACO_FULL:-}" ] || continue
    same_bits 12 24 --amp bf16
    same_bits 2 8 --amp fp16
    same_bits 2 8 --method balanced_softmax
done
# One process on the reference, one on a device: not the same bits, but the same step, and the user is told, once.
engine=${engines[0]}
on 2 verify --device ref,opencl step/resnet20_sharp
[ $status = 0 ] || { fail "mixed devices: exit $status"; cat "$folder/stdout" "$folder/stderr"; }
if [ -z "${PACO_SHORT:-}" ]; then
    train "$folder/mixed" 2 --ranks 2 --device ref32,opencl
    refused 0 'process 1 has other arithmetic than process 0'
    train "$folder/alike" 2 --ranks 2 --device ref32,ref32 --stop-after 1
    grep -q 'other arithmetic' "$folder/stderr" && fail "equal devices are called different"
fi
if [ -z "${PACO_SHORT:-}" ]; then
    photographs "$data/photos_lt" train.txt test.txt --arch resnet20 --batch 32 --queue 128 --recipe randcls_sim
    counted
fi
if [ -n "${PACO_FULL:-}" ] && [ -e "$shared/data/cifar10_lt.tar.xz" ]; then
    tar -xJf "$shared/data/cifar10_lt.tar.xz" -C "$folder" || fail tar
    photographs "$folder/cifar10_lt" cifar10_lt_train.txt cifar10_test.txt --arch resnet32 --batch 128 --queue 1024 \
        --recipe cifar_plain
fi
train "$folder/none" 3 --ranks 3 --batch 6 --device ref32,ref32
refused 2 'process 2 is number 3 of its host, the list has 2'
train "$folder/none" 1 --ranks 2 --device ref32,ref32
refused 2 'a list is for several processes'
train "$folder/none" 2 --ranks 2 --device ref32,
refused 2 'unknown backend'

# Two processes on one GPU are told; on one processor they are not.
sim=$(dirname "$paco")/sim
if [ -n "${PACO_SHORT:-}" ] || [ ! -e "$sim/libpaco_cuda.so" ]; then
    echo "skipped: two processes on one GPU: no simulated one, or under sanitizers"
else
    PACO_BACKENDS=$sim on 2 verify --device cuda:0,opencl step/resnet20_sharp
    [ $status = 0 ] && grep -q '^PASS .* on simulated GPU, 2 processes took part' "$folder/stdout" ||
        { fail "a simulated GPU beside OpenCL: exit $status"; cat "$folder/stdout" "$folder/stderr"; }
    PACO_BACKENDS=$sim train "$folder/shared" 2 --ranks 2 --device cuda:0 --stop-after 1
    refused 75 'processes 0 and 1 share one GPU (0000:'
    PACO_BACKENDS=$sim train "$folder/apart" 2 --ranks 2 --device cuda:0,ref32 --stop-after 1
    grep -q 'share one GPU' "$folder/stderr" && fail "a GPU and the reference are told to be one GPU"
fi

# What the exchange takes is told, beside the engine's own sum; it needs several processes.
on 2 bench exchange 0.25 6
[ $status = 0 ] && grep -q '^{"what": "exchange", "processes": 2, .*"ranks": 6, "mib": 0.25, "exact_ms": [0-9.]*, "engine_ms": [0-9.]*,' \
    "$folder/stdout" || { fail "bench exchange: exit $status"; cat "$folder/stdout" "$folder/stderr"; }
on 2 bench exchange 1 3
refused 2 '2 processes cannot share 3 ranks evenly'
"$paco" bench exchange 1 2>"$folder/stderr"
status=$?
refused 2 'one process has nothing to exchange'
exit $failed
