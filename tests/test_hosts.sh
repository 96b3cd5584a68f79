#!/usr/bin/env bash
# Two hosts: network namespaces with names of their own on a bridge, and a script that stands in for ssh. Training is that
# of one process, bit for bit; where the link between them goes down, the processes on both sides end.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
skip() {
    echo "skipped: $1"
    exit 77
}

[ -e "$(dirname "$paco")/libpaco_openmpi.so" ] || skip "no Open MPI when paco was built"
command -v mpirun.openmpi >/dev/null || skip "no mpirun.openmpi"
command -v ip >/dev/null && command -v unshare >/dev/null || skip "no ip and unshare, which make hosts of namespaces"
. "$(dirname "$0")/two_hosts.sh"
hosts_up 2>"$folder/stderr" || skip "network namespaces are not allowed here: $(tail -n 1 "$folder/stderr")"
trap 'hosts_down; rm -rf "$folder"' EXIT

faults=() # what else mpirun hands on
# on_hosts WORDS...: paco in four processes, two a host. The keepalive lets mpirun notice a host that is cut off.
on_hosts() {
    mpirun_on_hosts 2 --mca oob_tcp_keepalive_time 1 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 2 \
        -x PACO_BACKENDS -x ASAN_OPTIONS -x LSAN_OPTIONS "${faults[@]}" "$paco" "$@"
}

on_hosts train "${tiny_options[@]}" --ranks 4 --device ref --out "$folder/two" >"$folder/stdout" 2>"$folder/stderr" ||
    { fail "two hosts: exit $?"; cat "$folder/stderr"; exit 1; }
"$paco" train "${tiny_options[@]}" --ranks 4 --device ref --out "$folder/one" >"$folder/stdout" 2>"$folder/stderr" ||
    { fail "one process: exit $?"; cat "$folder/stderr"; }
for out in one two; do
    "$paco" convert "$folder/$out/last.pth.tar" "$folder/$out.safetensors" >/dev/null 2>&1 || fail "$out: convert"
done
cmp "$folder/one.safetensors" "$folder/two.safetensors" || fail "two hosts: other tensors than those of one process"

processes() { # how many are left of the job whose link goes down
    pgrep -f -- "--out $folder/cut" | while read -r p; do cat "/proc/$p/comm" 2>/dev/null; done | grep -c '^paco$'
}

# Each process's code, unless mpirun, which notices at the same time, has killed it.
faults=(-x LD_PRELOAD="$(dirname "$paco")/tests/libpeer_faults.so" -x CODES="$folder/code")
on_hosts train "${tiny_options[@]}" --epochs 4000 --eval-every 0 --ranks 4 --device ref --peer-timeout 3 --save-steps 5 \
    --keep 3 --out "$folder/cut" >"$folder/stdout" 2>"$folder/stderr" &
job=$!
for ((i = 0; i < 300; i++)); do
    compgen -G "$folder/cut/step-*" >/dev/null && break
    sleep 0.1
done
[ "$(processes)" = 4 ] || { fail "the job does not begin"; cat "$folder/stderr"; }
ip -n "$net" link set side2 down
for ((i = 0; i < 60; i++)); do
    [ "$(processes)" = 0 ] && break
    sleep 0.1
done
[ "$(processes)" = 0 ] || fail "the link is down for 6 s and $(processes) processes are left"
codes=$(cat "$folder"/code.* | tr '\n' ' ')
[[ $codes =~ ^(7 )+$ ]] || fail "the processes end with $codes"
faults=()
grep -qE 'process [23] on host2 is lost: .* at step' "$folder/stderr" || { fail "no line says who is lost"; cat "$folder/stderr"; }
for ((i = 0; i < 300; i++)); do
    kill -0 $job 2>/dev/null || break
    sleep 0.1
done
kill -0 $job 2>/dev/null && fail "mpirun hangs 30 s after the link went down"

# Hosts that are all called localhost are two all the same. (Open MPI itself takes them for one, and would share memory.)
export OMPI_MCA_btl=self,tcp
hosts_down
hosts_up localhost 2>"$folder/stderr" || { fail "hosts again"; cat "$folder/stderr"; }
on_hosts train "${tiny_options[@]}" --ranks 4 --device ref --out "$folder/alike" >"$folder/stdout" 2>"$folder/stderr" ||
    { fail "two hosts of one name: exit $?"; cat "$folder/stderr"; }
"$paco" convert "$folder/alike/last.pth.tar" "$folder/alike.safetensors" >/dev/null 2>&1 || fail "hosts of one name: convert"
cmp "$folder/one.safetensors" "$folder/alike.safetensors" || fail "two hosts of one name: other tensors"
exit $failed
