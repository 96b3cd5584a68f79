#!/usr/bin/env bash
# A Slurm of the test's own on this machine: srun starts the processes, and what they train is what one process does.
# PACO_FULL=1: the README's script in a job whose time is over before the run is, again and again: it is signalled, saves,
# is requeued and goes on, to the same bits.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
PATH=$PATH:/usr/sbin

skip() {
    echo "skipped: $1"
    exit 77
}

for name in slurmctld slurmd srun sbatch munged; do
    command -v $name >/dev/null || skip "no $name (tools/install.sh full)"
done
[ "$(id -u)" = 0 ] || skip "Slurm: not root, who runs jobs for others"
tiny_begin "$paco"
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
export SLURM_CONF=$folder/slurm/slurm.conf
slurm=$folder/slurm

slurm_down() {
    local name
    [ ! -e "$slurm/slurmctld.pid" ] || scancel --user=root 2>/dev/null
    for name in slurmd slurmctld munged; do
        [ ! -e "$slurm/$name.pid" ] || kill "$(cat "$slurm/$name.pid")" 2>/dev/null
    done
    sleep 1
}
trap 'slurm_down; rm -rf "$folder"' EXIT

slurm_up() { # its ports are this process's own
    local port=$((20000 + $$ % 20000))
    mkdir -p "$slurm/state" "$slurm/spool" &&
        head -c 1024 /dev/urandom >"$slurm/munge.key" && chmod 400 "$slurm/munge.key" || return 1
    cat >"$SLURM_CONF" <<CONF
ClusterName=paco
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthInfo=socket=$slurm/munge.socket,cred_expire=5
SlurmUser=root
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/spool
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/slurmd.pid
SlurmctldLogFile=$slurm/slurmctld.log
SlurmdLogFile=$slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
SlurmdParameters=config_overrides
CONF
    munged --force --key-file="$slurm/munge.key" --socket="$slurm/munge.socket" --pid-file="$slurm/munged.pid" \
        --seed-file="$slurm/munge.seed" --log-file="$slurm/munged.log" && slurmctld && slurmd || return 1
    for ((i = 0; i < 100; i++)); do
        [ "$(sinfo -h -o %t 2>/dev/null)" = idle ] && return
        sleep 0.1
    done
    return 1
}
slurm_up >"$folder/stdout" 2>&1 ||
    skip "Slurm does not start here: $(tail -n 1 "$folder/stdout" "$slurm/slurmd.log" | tr '\n' ' ')"

same_tensors() { # WHAT OUT OUT
    "$paco" convert "$2/last.pth.tar" "$folder/a.safetensors" >/dev/null &&
        "$paco" convert "$3/last.pth.tar" "$folder/b.safetensors" >/dev/null &&
        cmp "$folder/a.safetensors" "$folder/b.safetensors" || fail "$1: other tensors than those of one process"
}

# The MPI that srun speaks with, and the engine that it needs.
ways=()
for way in pmix:openmpi pmi2:mpich; do
    if [ -e "$(dirname "$paco")/libpaco_${way#*:}.so" ] && srun --mpi=list 2>&1 | grep -qw "${way%:*}"; then
        ways+=("${way%:*}")
    else
        echo "skipped: srun --mpi=${way%:*}: no such plugin of Slurm, or no module for ${way#*:}"
    fi
done

words=(train "${tiny_options[@]}" --ranks 2)
"$paco" "${words[@]}" --out "$folder/one" >"$folder/stdout" 2>"$folder/stderr" || { fail "one process"; cat "$folder/stderr"; }
for way in "${ways[@]}"; do
    timeout 100 srun --mpi="$way" -n 2 "$paco" "${words[@]}" --out "$folder/$way" >"$folder/stdout" 2>"$folder/stderr" ||
        { fail "srun --mpi=$way: exit $?"; cat "$folder/stderr"; }
    same_tensors "srun --mpi=$way" "$folder/one" "$folder/$way"
done
# --nproc in a job, which has its own idea of hosts, stays on this one.
if [ ${#ways[@]} -gt 0 ]; then
    timeout 100 salloc -n 1 "$paco" "${words[@]}" --nproc 2 --out "$folder/nproc" >"$folder/stdout" 2>"$folder/stderr" ||
        { fail "salloc and --nproc: exit $?"; cat "$folder/stderr"; }
    same_tensors "salloc and --nproc" "$folder/one" "$folder/nproc"
fi
timeout 100 srun --mpi=none -n 2 "$paco" "${words[@]}" >"$folder/stdout" 2>"$folder/stderr"
[ $? = 2 ] && grep -q 'without an MPI to meet by' "$folder/stderr" || { fail "srun --mpi=none"; cat "$folder/stderr"; }
[ -n "${PACO_FULL:-}" ] || exit $failed

# The script is the README's, but for what is trained and how long a job may take.
long=(train "${tiny_options[@]}" --ranks 2 --device ref32 --epochs 40 --eval-every 0)
script() { # WAY: from the README's lines between the mark of the script and the end of its paragraph
    sed -n '/^    #!\/bin\/sh$/,/^$/s/^    //p' "$(dirname "$0")/../README.md" |
        sed -e "s|build/paco train .* --resume|$paco ${long[*]} --out $folder/job_$1 --resume|" -e "s|--mpi=pmix|--mpi=$1|" \
            -e 's|^#SBATCH --time=.*|#SBATCH --time=1|' -e 's|USR1@[0-9]*|USR1@30|' -e 's|--ntasks=[0-9]*|--ntasks=2|'
}

lives() { # WAY
    local job state i
    script "$1" >"$folder/script"
    job=$(sbatch --parsable --output="$folder/$1.log" "$folder/script") || { fail "sbatch"; return; }
    for ((i = 0; i < 600; i++)); do
        state=$(squeue -h -j "$job" -o %T 2>/dev/null)
        [ -n "$state" ] && [ "$state" != COMPLETED ] && [ "$state" != FAILED ] || break
        sleep 1
    done
    grep -q 'stopped on request' "$folder/$1.log" && grep -q 'resumed' "$folder/$1.log" &&
        grep -q '^trained in' "$folder/$1.log" ||
        { fail "$1: the job does not go on to its end (${state:-gone})"; cat "$folder/$1.log"; return; }
    same_tensors "a job of several lives, $1" "$folder/long" "$folder/job_$1"
    echo "$1: $(grep -c 'stopped on request' "$folder/$1.log") times stopped, requeued and gone on"
}

"$paco" "${long[@]}" --out "$folder/long" >"$folder/stdout" 2>"$folder/stderr" || { fail "one process"; cat "$folder/stderr"; }
for way in "${ways[@]}"; do
    lives "$way"
done
exit $failed
