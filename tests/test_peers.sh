#!/usr/bin/env bash
# Peers that die, hang or are asked to stop, of runs that `--nproc` started: exit codes, how soon, what is said, and that
# nothing stays behind and the folder goes on. 20 times each with PACO_FULL=1.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
times=1
[ -z "${PACO_FULL:-}" ] || times=20
job=(train "${tiny_options[@]}" --epochs 400 --warmup 1 --eval-every 0 --save-steps 5 --keep 3 --ranks 2 --device ref --nproc 2
     --peer-timeout 3)

"$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 --epochs 1 --device ref >"$folder/stdout" 2>"$folder/stderr"
code=$?
if grep -q 'no MPI here' "$folder/stderr"; then
    echo "skipped: $(grep -o 'no MPI here.*' "$folder/stderr" | cut -c 1-160)"
    exit 77
fi
[ $code = 0 ] || { fail "--nproc 2: exit $code"; cat "$folder/stderr"; exit 1; }

# processes: those of the job, without the launcher; the rank as Open MPI or MPICH say it.
process() { # RANK
    local p
    for p in $(pgrep -f -- "--out $folder/out"); do
        tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qE "^(OMPI_COMM_WORLD_RANK|PMI_RANK)=$1$" &&
            [ "$(cat "/proc/$p/comm" 2>/dev/null)" = paco ] && echo "$p" && return
    done
}

begin_with=() # words before the program's
begin() { # WORDS...: starts the job and waits until it has saved something
    local i
    rm -rf "$folder/out"
    "${begin_with[@]}" "$paco" "${job[@]}" --out "$folder/out" "$@" >"$folder/stdout" 2>"$folder/stderr" &
    launcher=$!
    for ((i = 0; i < 300; i++)); do
        compgen -G "$folder/out/step-*" >/dev/null && return
        sleep 0.1
    done
    fail "the job does not begin"
    cat "$folder/stderr"
}

ended() { # WHAT CODE SECONDS: the launcher, so soon, with this code, and no process left
    local begun=$EPOCHREALTIME took i
    for ((i = 0; i < 600; i++)); do
        kill -0 "$launcher" 2>/dev/null || break
        sleep 0.05
    done
    kill -9 "$launcher" 2>/dev/null && fail "$1: the launcher hangs"
    wait "$launcher"
    local code=$?
    took=$(awk "BEGIN {print $EPOCHREALTIME - $begun}")
    [ $code = "$2" ] || { fail "$1: exit $code instead of $2"; cat "$folder/stderr"; }
    awk "BEGIN {exit !($took > $3)}" && fail "$1: it took $took s, more than $3"
    sleep 0.5
    pgrep -f -- "--out $folder/out" >/dev/null && { fail "$1: a process is left"; pkill -9 -f -- "--out $folder/out"; }
}

says() { # WHAT TEXT
    grep -qE -- "$2" "$folder/stderr" || { fail "$1: no line with '$2'"; cat "$folder/stderr"; }
}

goes_on() { # WHAT: the folder, in one process
    "$paco" train "${tiny_options[@]}" --epochs 400 --warmup 1 --eval-every 0 --ranks 2 --device ref --out "$folder/out" \
        --resume auto --stop-after 1 >"$folder/stdout" 2>"$folder/stderr"
    [ $? = 75 ] || { fail "$1: the folder does not go on"; cat "$folder/stderr"; }
    grep -q 'resumed' "$folder/stderr" || fail "$1: nothing to go on from"
}

lost() { # WHAT SECONDS SIGNAL [RANK]
    begin
    sleep "0.$((RANDOM % 10))"
    kill -"$3" "$(process "${4:-1}")" || fail "$1: no process ${4:-1}"
    ended "$1" 7 "$2"
    says "$1" "process ${4:-1} on .* is lost: .* at step [0-9]"
    goes_on "$1"
}

stopped() { # WHAT WHOM SIGNAL
    begin
    case $2 in
        launcher) kill -"$3" "$launcher" ;;
        one) kill -"$3" "$(process 1)" ;;
        all) kill -"$3" "$(process 0)" "$(process 1)" ;;
    esac
    ended "$1" 75 6
    [ "$(grep -c 'stopped on request' "$folder/stderr")" = 1 ] || { fail "$1: not one line"; cat "$folder/stderr"; }
    goes_on "$1"
}

for ((n = 0; n < times; n++)); do
    lost "kill -9" 2.5 KILL
    stopped "SIGTERM to the launcher" launcher TERM
    [ -z "${PACO_SHORT:-}" ] || exit $failed
    lost "SIGSTOP" 6 STOP
    lost "kill -9 of process 0" 2.5 KILL 0
    stopped "SIGUSR1 to one process" one USR1
    [ -z "${PACO_FULL:-}" ] || stopped "SIGTERM to all" all TERM
done

# Each process has its own cores; of too few they have all.
processors() { # RANK
    awk '/^Cpus_allowed_list/ {print $2}' "/proc/$(process "$1")/status"
}
if [ "$(nproc)" -gt 1 ]; then
    begin
    [ -n "$(processors 0)" ] && [ "$(processors 0)" != "$(processors 1)" ] ||
        fail "processes 0 and 1 run on $(processors 0) and $(processors 1)"
    kill "$launcher"
    ended "bound processes" 75 6
    one=$(awk '/^Cpus_allowed_list/ {print $2}' /proc/self/status)
    one=${one%%[-,]*}
    begin_with=(taskset -c "$one")
    begin
    [ "$(processors 0),$(processors 1)" = "$one,$one" ] || fail "on processor $one: $(processors 0) and $(processors 1)"
    begin_with=()
    kill "$launcher"
    ended "processes on one processor" 75 6
else
    echo "skipped: binding to cores: there is one"
fi

# A rank ten times slower than the other is no lost one.
begin
slow=$(process 1)
for ((i = 0; i < 25; i++)); do
    kill -STOP "$slow" && sleep 0.27 && kill -CONT "$slow" && sleep 0.03
done 2>/dev/null
kill -0 "$launcher" 2>/dev/null || { fail "a slow process ends the job"; cat "$folder/stderr"; }
kill "$launcher"
ended "a slow process" 75 6
grep -q 'is lost' "$folder/stderr" && fail "a slow process is called lost"

# A loader that hangs at a file.
hangs=$(dirname "$paco")/tests/libhangs_on.so
if nm -D "$paco" 2>/dev/null | grep -q __asan_init; then
    echo "skipped: a loader that hangs: a program with sanitizers"
else
    cp "$folder/data/5.png" "$folder/data/gone.png"
    sed 's/^5.png/gone.png/' "$folder/data/train.txt" >"$folder/data/gone.txt"
    rm -rf "$folder/out"
    LD_PRELOAD=$hangs HANGS_ON=gone.png "$paco" "${job[@]}" --train-list "$folder/data/gone.txt" --out "$folder/out" \
        >"$folder/stdout" 2>"$folder/stderr" &
    launcher=$!
    ended "a loader that hangs" 7 12
    says "a loader that hangs" "process [01] on .* is lost: .*at step [0-9]"
fi

# A process that is lost twice: the job begins again, twice, and a stop ends it.
begin --restarts 2
for n in 1 2; do
    kill -9 "$(process 1)"
    for ((i = 0; i < 200; i++)); do
        [ "$(grep -c "restart $n of 2" "$folder/stderr")" = 1 ] && [ -n "$(process 1)" ] && break
        sleep 0.1
    done
    sleep 2
done
kill "$launcher"
ended "--restarts 2" 75 10
says "--restarts 2" "restart 2 of 2"
goes_on "--restarts 2"

# Strangers: who does not know the secret is not heard.
begin
port=$(tr '\0' '\n' <"/proc/$(process 1)/environ" | sed -n 's/^PACO_WATCH=\([0-9]*\):.*/\1/p')
for ((i = 0; i < 20; i++)); do
    (head -c 448 /dev/urandom >"/dev/tcp/127.0.0.1/$port") 2>/dev/null
    (printf 'GET / HTTP/1.0\r\n\r\n' >"/dev/tcp/127.0.0.1/$port") 2>/dev/null
done
sleep 1
kill -0 "$launcher" 2>/dev/null || { fail "strangers end the job"; cat "$folder/stderr"; }
kill "$launcher"
ended "after strangers" 75 6
exit $failed
