#!/usr/bin/env bash
# Peers that die, hang or are asked to stop, of runs that `--nproc` started: exit codes, how soon, what is said, and that
# nothing stays behind and the folder goes on. PACO_FULL=1: each fault and request 20 times.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
mkdir "$folder/tmp"
export TMPDIR=$folder/tmp # which a job leaves as it was
times=2
[ -z "${PACO_FULL:-}" ] || times=20
faults=$(dirname "$paco")/tests/libpeer_faults.so
job=(train "${tiny_options[@]}" --epochs 400 --warmup 1 --eval-every 0 --save-steps 5 --keep 3 --ranks 2 --device ref --nproc 2
     --peer-timeout 3)

"$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 --epochs 1 --device ref >"$folder/stdout" 2>"$folder/stderr"
code=$?
if grep -q 'no MPI here' "$folder/stderr"; then
    echo "skipped: $(grep -o 'no MPI here.*' "$folder/stderr" | cut -c 1-160)"
    exit 77
fi
[ $code = 0 ] || { fail "--nproc 2: exit $code"; cat "$folder/stderr"; exit 1; }
# The same of a file: its processes read it, too, and start none.
printf 'nproc=2\nranks=2\n' >"$folder/two.txt"
timeout 100 "$paco" train "${tiny_options[@]}" --config "$folder/two.txt" --epochs 1 --device ref >"$folder/stdout" 2>"$folder/stderr"
code=$?
[ $code = 0 ] && [ "$(grep -c '2 processes, 1 rank each' "$folder/stderr")" = 1 ] ||
    { fail "--config with nproc=2: exit $code"; cat "$folder/stderr"; exit 1; }

# processes: those of the job, without the launcher; the rank as Open MPI or MPICH say it.
process() { # RANK
    local p
    for p in $(pgrep -f -- "--out $folder/out"); do
        tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qE "^(OMPI_COMM_WORLD_RANK|PMI_RANK)=$1$" &&
            [ "$(cat "/proc/$p/comm" 2>/dev/null)" = paco ] && echo "$p" && return
    done
}

# Words before the program's. Under sanitizers nothing is preloaded, and what needs it is left out.
before=()
[ -n "${PACO_SHORT:-}" ] ||
    before=(env LD_PRELOAD="$faults" HANGS_WHEN="$folder/hang" FAILS_WHEN="$folder/fail" EXITS_WHEN="$folder/leave" CODES="$folder/code")

# wait_for SECONDS COMMAND...: until it is true; false: it is not so soon.
wait_for() {
    local i n=$(($1 * 20))
    shift
    for ((i = 0; i < n; i++)); do
        "$@" && return
        sleep 0.05
    done
    return 1
}

has_saved() { compgen -G "$folder/out/step-*" >/dev/null; }
is_saving() { [ -e "$folder/saving" ]; }
has_ended() { ! kill -0 "$launcher" 2>/dev/null; }
moment() { sleep "$((RANDOM % ${1:-1})).$((RANDOM % 10))"; } # [SECONDS]: a random one

with=() # words of the job and of what goes on with it

begin() { # WORDS...: starts the job and waits until it has saved something
    rm -rf "$folder/out" "$folder"/hang.* "$folder"/fail.* "$folder"/leave.* "$folder"/code.* "$folder/saving"
    "${before[@]}" "$paco" "${job[@]}" "${with[@]}" --out "$folder/out" "$@" >"$folder/stdout" 2>"$folder/stderr" &
    launcher=$!
    wait_for 30 has_saved || { fail "the job does not begin"; cat "$folder/stderr"; }
}

# The same, until a random moment of a save that takes 5 s, longer than the timeout.
begin_saving() {
    local -a before=("${before[@]}" SLOW_SAVES="$folder/saving" SLOW_SECONDS=5)
    begin "$@"
    wait_for 30 is_saving || { fail "the job does not save again"; cat "$folder/stderr"; }
    moment 4
}

ended() { # WHAT CODE SECONDS: the launcher, so soon, with this code, and no process left
    local begun=$EPOCHREALTIME took
    wait_for 30 has_ended
    kill -9 "$launcher" 2>/dev/null && fail "$1: the launcher hangs"
    wait "$launcher"
    local code=$?
    took=$(awk "BEGIN {print $EPOCHREALTIME - $begun}")
    [ $code = "$2" ] || { fail "$1: exit $code instead of $2"; cat "$folder/stderr"; }
    awk "BEGIN {exit !($took > $3)}" && fail "$1: it took $took s, more than $3"
    awk "BEGIN {exit !($took > ${slowest[$1]:-0})}" && slowest[$1]=$took
    sleep 0.5
    [ -z "$(ls -A "$TMPDIR")" ] || { fail "$1: $TMPDIR has $(ls -A "$TMPDIR")"; rm -rf "${TMPDIR:?}"/*; }
    pgrep -f -- "--out $folder/out" >/dev/null && { fail "$1: a process is left"; pkill -9 -f -- "--out $folder/out"; }
}
declare -A slowest # seconds, of each WHAT

says() { # WHAT TEXT
    grep -qE -- "$2" "$folder/stderr" || { fail "$1: no line with '$2'"; cat "$folder/stderr"; }
}

goes_on() { # WHAT: the folder, in one process
    "$paco" train "${tiny_options[@]}" --epochs 400 --warmup 1 --eval-every 0 --ranks 2 --device ref "${with[@]}" \
        --out "$folder/out" --resume auto --stop-after 1 >"$folder/stdout" 2>"$folder/stderr"
    [ $? = 75 ] || { fail "$1: the folder does not go on"; cat "$folder/stderr"; }
    grep -q 'resumed' "$folder/stderr" || fail "$1: nothing to go on from"
}

# What happens to a process.
dies() { kill -KILL "$1"; }
stops() { kill -STOP "$1"; }
stops_and_wakes() {
    kill -STOP "$1"
    (sleep 4; kill -CONT "$1" 2>/dev/null) &
}
leaves() { touch "$folder/leave.$1"; }
hangs() { touch "$folder/hang.$1"; }

lost() { # WHAT SECONDS RANK FAULT [BEGIN]
    local victim
    "${5:-begin}"
    [ -n "${5:-}" ] || moment
    victim=$(process "$3")
    "$4" "$victim" || fail "$1: no process $3"
    ended "$1" 7 "$2"
    says "$1" "process $3 on [^ ]+ is lost: .*; it was .*, at step [0-9]"
    # Who hangs is waited for, unless the other one saves.
    [ "$4" = dies ] || [ "$4" = leaves ] || [ -n "${5:-}" ] ||
        says "$1" "process $3 on .* is lost: .*, while process $((1 - $3)) waited, (all-gather|sum of gradients)"
    goes_on "$1"
}

stopped() { # WHAT WHOM SIGNAL [BEGIN]
    local zero one limit=6
    "${4:-begin}"
    [ -z "${4:-}" ] || limit=11 # the save's 5 s
    zero=$(process 0) one=$(process 1)
    case $2 in
        launcher) kill -"$3" "$launcher" ;;
        one) kill -"$3" "$one" ;;
        all) kill -"$3" "$zero" "$one" ;;
    esac
    ended "$1" 75 "$limit"
    [ "$(grep -c 'stopped on request' "$folder/stderr")" = 1 ] || { fail "$1: not one line"; cat "$folder/stderr"; }
    grep -q 'is lost' "$folder/stderr" && { fail "$1: a process is called lost"; cat "$folder/stderr"; }
    [ -n "${PACO_SHORT:-}" ] || [ "$(cat "$folder/code.$zero" "$folder/code.$one")" = 75$'\n'75 ] ||
        fail "$1: processes 0 and 1 end with $(cat "$folder/code.$zero" "$folder/code.$one")"
    "$paco" inspect "$folder/out/last.pth.tar" --quiet --require-crc --strict-finite >"$folder/stdout" 2>&1 ||
        { fail "$1: the newest checkpoint is not whole"; cat "$folder/stdout"; }
    goes_on "$1"
}

for ((n = 0; n < times; n++)); do
    lost "kill -9" 2 1 dies
    stopped "SIGTERM to the launcher" launcher TERM
    [ -z "${PACO_SHORT:-}" ] || exit $failed
    lost "SIGSTOP" 6 1 stops
    lost "kill -9 of process 0" 2 0 dies
    stopped "SIGUSR1 to one process" one USR1
    with=(--batch 4 --size 8) # quick steps: what was loaded before is trained with first
    lost "a loader that hangs" 6 1 hangs
    with=()
    [ -n "${PACO_FULL:-}" ] || [ "$n" = 0 ] || break
    lost "exit(0)" 6 1 leaves
    lost "SIGSTOP and SIGCONT" 6 1 stops_and_wakes
    lost "kill -9 during a save" 2 1 dies begin_saving
    [ -n "${PACO_FULL:-}" ] || continue
    stopped "SIGTERM to all" all TERM
    lost "SIGSTOP of process 0" 6 0 stops
    lost "exit(0) of process 0" 6 0 leaves
    lost "kill -9 of who saves" 2 0 dies begin_saving
    lost "SIGSTOP during a save" 6 1 stops begin_saving
    lost "SIGSTOP of who saves" 6 0 stops begin_saving
    echo "round $((n + 1)) of $times"
done
for ((n = 0; n < times; n++)); do
    stopped "Ctrl-C during a save" launcher INT begin_saving
    [ -n "${PACO_FULL:-}" ] || break
    stopped "SIGTERM to the launcher during a save" launcher TERM begin_saving
    stopped "SIGUSR1 to one process during a save" one USR1 begin_saving
    stopped "SIGTERM to one process during a save" one TERM begin_saving
    stopped "SIGUSR1 to all during a save" all USR1 begin_saving
    stopped "SIGTERM to all during a save" all TERM begin_saving
done

# No process is called lost that saves (5 s, above, too) or builds kernels for longer than the timeout, or that is ten times
# slower than the other one.
none_is_lost() { # WHAT
    grep -q 'is lost' "$folder/stderr" && { fail "$1: a process is called lost"; cat "$folder/stderr"; }
}
saves_long() {
    begin_saving
    wait_for 30 eval '! is_saving'
    sleep 1
    kill "$launcher"
    ended "a long save" 75 6
    none_is_lost "a long save"
}
builds_long() {
    local other
    other=$(dirname "$paco")/tests/libopencl_other_device.so
    [ -e "$other" ] || return
    rm -rf "$folder/built"
    OTHER_SLOW=5 LD_PRELOAD=$other "$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 --device opencl --peer-timeout 3 \
        --out "$folder/built" >"$folder/stdout" 2>"$folder/stderr" || { fail "a long build: exit $?"; cat "$folder/stderr"; }
    none_is_lost "a long build"
}
is_slow() {
    local slow i
    begin
    slow=$(process 1)
    [ -n "$slow" ] || fail "a slow process: no process 1"
    for ((i = 0; i < 25; i++)); do
        kill -STOP "$slow" && sleep 0.27 && kill -CONT "$slow" && sleep 0.03
    done 2>/dev/null
    kill -0 "$launcher" 2>/dev/null || { fail "a slow process ends the job"; cat "$folder/stderr"; }
    kill "$launcher"
    ended "a slow process" 75 6
    none_is_lost "a slow process"
}
for ((n = 0; n < times; n++)); do
    is_slow
    builds_long
    [ -n "${PACO_FULL:-}" ] || break
    saves_long
done

# Nor is an evaluation whose batches take longer than the timeout.
for ((i = 0; i < 200; i++)); do
    echo "$((i % 3)).png $((i % 5))"
done >"$folder/data/long.txt"
"$paco" train "${tiny_options[@]}" --arch resnet32 --size 32 --epochs 1 --warmup 0 --test-list "$folder/data/long.txt" --ranks 2 --nproc 2 \
    --peer-timeout 1 --device ref >"$folder/stdout" 2>"$folder/stderr" || { fail "a long evaluation: exit $?"; cat "$folder/stderr"; }

# What fails in one process alone ends all, and the reason is told.
begin --device opencl
touch "$folder/fail.$(process 1)"
ended "a device that fails" 7 6
says "a device that fails" "process 1 on .* is lost: it ended alone, with exit code 8 \\(.*OUT_OF_RESOURCES"
goes_on "a device that fails"

# A request while the processes still start is heard once they can.
for after in 0.05 0.4; do
    rm -rf "$folder/out"
    "$paco" "${job[@]}" --out "$folder/out" >"$folder/stdout" 2>"$folder/stderr" &
    launcher=$!
    sleep $after
    kill "$launcher"
    ended "SIGTERM $after s after the start" 75 8
done

# Each process has its own cores (see the end); where they are too few, all of them.
processors() { # RANK
    awk '/^Cpus_allowed_list/ {print $2}' "/proc/$(process "$1")/status"
}
one=$(awk '/^Cpus_allowed_list/ {print $2}' /proc/self/status)
one=${one%%[-,]*}
begin_on_one() {
    local -a before=("${before[@]}" taskset -c "$one")
    begin
}
if [ -n "${PACO_FULL:-}" ]; then
    begin_on_one
    [ "$(processors 0),$(processors 1)" = "$one,$one" ] || fail "on processor $one: $(processors 0) and $(processors 1)"
    kill "$launcher"
    ended "processes on one processor" 75 6
fi

# Ctrl-Z stops all, for longer than the timeout; fg lets all go on.
states() { local p; for p in "$launcher" "$(process 0)" "$(process 1)"; do awk '{printf "%s", $3}' "/proc/$p/stat"; done; }
begin
kill -TSTP "$launcher"
wait_for 3 eval '[ "$(states)" = TTT ]' || fail "Ctrl-Z: the processes are $(states)"
grep -q 'suspended' "$folder/stderr" || { fail "Ctrl-Z is not told"; cat "$folder/stderr"; }
sleep 4
kill -CONT "$launcher"
sleep 2
grep -q T <<<"$(states)" && fail "fg: the processes are $(states)"
kill "$launcher"
ended "Ctrl-Z and fg" 75 6
grep -q 'is lost' "$folder/stderr" && { fail "Ctrl-Z: a process is called lost"; cat "$folder/stderr"; }

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

# A restart goes on from the newest checkpoint, whatever the first start went on from.
rm -rf "$folder/first"
"$paco" train "${tiny_options[@]}" --ranks 2 --device ref --save-steps 1 --stop-after 3 --out "$folder/first" >/dev/null 2>&1
begin --restarts 1 --resume "$folder/first/last.pth.tar"
kill -9 "$(process 1)"
wait_for 30 grep -q 'restart 1 of 1' "$folder/stderr" || { fail "--restarts with --resume FILE"; cat "$folder/stderr"; }
wait_for 30 eval '[ "$(grep -c "resumed $folder/out/" "$folder/stderr")" = 1 ]' ||
    { fail "a restart goes on from another checkpoint than the newest"; cat "$folder/stderr"; }
kill "$launcher"
ended "--restarts with --resume" 75 10
"$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 --restarts 1 >/dev/null 2>"$folder/stderr"
[ $? = 2 ] && grep -q -- '--restarts: needs --nproc.* and --out' "$folder/stderr" || { fail "--restarts without --out"; cat "$folder/stderr"; }

# Strangers do not end a job; that who does not know the secret is not heard, tests/test_hub.c says.
begin
if [ "$(nproc)" = 1 ]; then
    echo "skipped: binding to cores: there is one"
elif [ -z "$(processors 0)" ] || [ "$(processors 0)" = "$(processors 1)" ]; then
    fail "processes 0 and 1 run on $(processors 0) and $(processors 1)"
fi
port=$(tr '\0' '\n' <"/proc/$(process 1)/environ" | sed -n 's/^PACO_WATCH=\([0-9]*\):.*/\1/p')
for ((i = 0; i < 20; i++)); do
    (head -c 448 /dev/urandom >"/dev/tcp/127.0.0.1/$port") 2>/dev/null
    (printf 'GET / HTTP/1.0\r\n\r\n' >"/dev/tcp/127.0.0.1/$port") 2>/dev/null
done
sleep 1
kill -0 "$launcher" 2>/dev/null || { fail "strangers end the job"; cat "$folder/stderr"; }
kill "$launcher"
ended "after strangers" 75 6
if [ -n "${PACO_FULL:-}" ]; then
    for what in "${!slowest[@]}"; do
        echo "$what: at most ${slowest[$what]} s"
    done
fi
exit $failed
