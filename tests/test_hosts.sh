#!/usr/bin/env bash
# Two hosts: network namespaces with names of their own on a bridge, and a script that stands in for ssh. Training is that
# of one process, bit for bit; where the link between them goes down, the processes on both sides end.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
net=paco$$

skip() {
    echo "skipped: $1"
    exit 77
}

[ -e "$(dirname "$paco")/libpaco_openmpi.so" ] || skip "no Open MPI when paco was built"
command -v mpirun.openmpi >/dev/null || skip "no mpirun.openmpi"
command -v ip >/dev/null && command -v unshare >/dev/null || skip "no ip and unshare, which make hosts of namespaces"
ip netns add "$net" 2>/dev/null || skip "network namespaces are not allowed here"

hosts_down() {
    local n
    for n in "${net}h1" "${net}h2" "$net"; do
        ip netns pids "$n" 2>/dev/null | xargs -r kill -9 2>/dev/null
        ip netns del "$n" 2>/dev/null
    done
}
trap 'hosts_down; rm -rf "$folder"' EXIT

hosts_up() {
    local i
    ip -n "$net" link add bridge0 type bridge && ip -n "$net" link set bridge0 up || return 1
    for i in 1 2; do
        ip netns add "${net}h$i" &&
            ip link add "port$i" netns "${net}h$i" type veth peer name "side$i" netns "$net" &&
            ip -n "$net" link set "side$i" master bridge0 && ip -n "$net" link set "side$i" up &&
            ip -n "${net}h$i" addr add "10.78.0.$i/24" dev "port$i" && ip -n "${net}h$i" link set "port$i" up &&
            ip -n "${net}h$i" link set lo up || return 1
    done
}
hosts_up 2>"$folder/stderr" || skip "virtual networks are not allowed here: $(tail -n 1 "$folder/stderr")"

# In the place of ssh: HOST WORDS..., where the last number of the host's address is that of its namespace.
cat >"$folder/agent" <<AGENT
#!/bin/sh
while [ "\${1#-}" != "\$1" ]; do shift; done
number=\${1##*.}
shift
exec ip netns exec ${net}h\$number unshare -u sh -c "hostname host\$number; \$*"
AGENT
chmod +x "$folder/agent"

# on_hosts WORDS...: paco in four processes, two a host. The keepalive lets mpirun notice a host that is cut off.
on_hosts() {
    ip netns exec "${net}h1" unshare -u sh -c 'hostname host1; exec "$@"' sh \
        env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        mpirun.openmpi --quiet --mca plm_rsh_agent "$folder/agent" --host 10.78.0.1:2,10.78.0.2:2 --bind-to none \
        --mca btl_tcp_if_include 10.78.0.0/24 --mca oob_tcp_if_include 10.78.0.0/24 --mca oob_tcp_keepalive_time 1 \
        --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 2 -x PACO_BACKENDS -x ASAN_OPTIONS -x LSAN_OPTIONS \
        "$paco" "$@"
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
grep -qE 'process [23] on host2 is lost: .* at step' "$folder/stderr" || { fail "no line says who is lost"; cat "$folder/stderr"; }
for ((i = 0; i < 300; i++)); do
    kill -0 $job 2>/dev/null || break
    sleep 0.1
done
kill -0 $job 2>/dev/null && fail "mpirun hangs 30 s after the link went down"
exit $failed
