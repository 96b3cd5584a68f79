#!/usr/bin/env bash
# Requests to stop: each of SIGTERM, SIGINT, SIGHUP and SIGUSR1 ends a run that would go on for hours with exit code 75
# and a checkpoint of the step it had reached, which another run takes up; under nohup a hangup is none.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
folder=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
tiny_data "$paco" "$folder/data" || { echo "FAIL: no images"; exit 1; }
failed=0
patience=1200 # tenths of a second until something counts as never

fail() {
    echo "FAIL: $*"
    cat "$folder/stderr"
    failed=1
}

# begin COMMAND...: a run of many hours in the background; returns when its second step is saved.
begin() {
    local i
    rm -rf "$folder/run"
    "$@" "$paco" train "${tiny_options[@]}" --epochs 100000 --eval-every 100000 --keep 2 --threads 2 --save-steps 2 \
        --out "$folder/run" >/dev/null 2>"$folder/stderr" &
    pid=$!
    for ((i = 0; i < patience; i++)); do
        [ -e "$folder/run/last.pth.tar" ] && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    fail "$*: no checkpoint"
}

# end: waits for the run, and sets `status`; 137 where it had to be killed.
end() {
    local i
    for ((i = 0; i < patience; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    status=$?
    pid=
}

# saved: the step of the run's last checkpoint.
saved() {
    basename "$(readlink "$folder/run/last.pth.tar")" .pth.tar | sed 's/step-0*//'
}

for signal in TERM INT HUP USR1; do
    begin env
    kill -"$signal" "$pid"
    end
    [ $status = 75 ] || fail "SIG$signal: exit $status instead of 75"
    grep -q 'stopped on request.*--resume auto goes on' "$folder/stderr" || fail "SIG$signal: no word how to go on"
    at=$(saved)
    "$paco" train "${tiny_options[@]}" --epochs 100000 --eval-every 100000 --keep 2 --threads 2 --out "$folder/run" \
        --resume auto --stop-after 1 >/dev/null 2>"$folder/stderr"
    [ $? = 75 ] && [ "$(saved)" = $((at + 1)) ] || fail "SIG$signal: what was saved at step $at does not go on"
done

begin nohup
kill -HUP "$pid"
at=$(saved)
for ((i = 0; i < patience; i++)); do # it goes on: later steps are saved
    [ "$(saved)" -gt $((at + 4)) ] && break
    sleep 0.1
done
[ "$(saved)" -gt $((at + 4)) ] || fail "a hangup under nohup stops the run"
kill -TERM "$pid"
end
[ $status = 75 ] || fail "SIGTERM after a hangup under nohup: exit $status instead of 75"
exit $failed
