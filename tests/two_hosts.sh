# Sourced by scripts: two hosts on this machine, network namespaces with names of their own on a bridge, and a script that
# stands in for ssh, in $folder, which is the caller's. For Open MPI's mpirun.
# shellcheck shell=bash disable=SC2154
net=paco$$

hosts_down() {
    local n
    for n in "${net}h1" "${net}h2" "$net"; do
        ip netns pids "$n" 2>/dev/null | xargs -r kill -9 2>/dev/null
        ip netns del "$n" 2>/dev/null
    done
}

make_hosts() {
    local i
    ip netns add "$net" && ip -n "$net" link add bridge0 type bridge && ip -n "$net" link set bridge0 up || return 1
    for i in 1 2; do
        ip netns add "${net}h$i" &&
            ip link add "port$i" netns "${net}h$i" type veth peer name "side$i" netns "$net" &&
            ip -n "$net" link set "side$i" master bridge0 && ip -n "$net" link set "side$i" up &&
            ip -n "${net}h$i" addr add "10.78.0.$i/24" dev "port$i" && ip -n "${net}h$i" link set "port$i" up &&
            ip -n "${net}h$i" link set lo up || return 1
    done
}

hosts_up() { # [NAME]: of both, else host1 and host2; fails, with nothing left, where this is not allowed
    make_hosts || { hosts_down; return 1; }
    # HOST WORDS..., where the last number of the host's address is that of its namespace
    cat >"$folder/agent" <<AGENT
#!/bin/sh
while [ "\${1#-}" != "\$1" ]; do shift; done
number=\${1##*.}
shift
exec ip netns exec ${net}h\$number unshare -u sh -c "hostname ${1:-host\$number}; \$*"
AGENT
    chmod +x "$folder/agent"
    first_host=${1:-host1}
}

hosts_shape() { # MBIT: what goes out of each host
    local i
    for i in 1 2; do
        tc -n "${net}h$i" qdisc replace dev "port$i" root tbf rate "$1mbit" burst 64kb latency 400ms || return 1
    done
}

mpirun_on_hosts() { # EACH WORDS...: mpirun with these words, EACH processes a host
    local each=$1
    shift
    ip netns exec "${net}h1" unshare -u sh -c 'hostname "$0"; exec "$@"' "$first_host" \
        env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        mpirun.openmpi --quiet --mca plm_rsh_agent "$folder/agent" --host "10.78.0.1:$each,10.78.0.2:$each" \
        --bind-to none --mca btl_tcp_if_include 10.78.0.0/24 --mca oob_tcp_if_include 10.78.0.0/24 "$@"
}
