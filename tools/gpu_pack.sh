#!/usr/bin/env bash
# Packs a kit for a machine with a GPU that has no network: a folder that needs nothing but glibc and bash there.
#     tools/gpu_pack.sh [--limit MIB] [--simulated] [--data IMAGES] [FOLDER]          default: gpu_kit, 60 MiB
# Take the folder there and run FOLDER/gpu_check.sh. It holds the program, the backend modules, the device tests that
# gpu_check.sh names, every library of theirs that is not glibc's or NVIDIA's, CLBlast where this machine has it, the golden
# files and PyTorch's yardstick; with --simulated also the simulated GPU (tests/cuda_sim), for gpu_check.sh --stand-in; with
# --data, a folder as that of gpu_check.sh --data, the images of the real run, which else has made-up ones (CIFAR-10's binary
# files need --limit 250; as JPEGs in cifar10_lt.tar.xz they take 7 MiB).
# Drivers, cuDNN and cuBLAS are the other machine's. What is there of an earlier kit is replaced, other folders are not.
# Needs a build for any processor of this kind, without sanitizers, in build/ or PACO_BUILD. Exit codes: 2 usage or
# something missing, 5 larger than the limit, with what is largest.
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

build="${PACO_BUILD:-build}"
limit=60 folder=gpu_kit simulated='' data=''
while [ $# -gt 0 ]; do
    case "$1" in
        --limit) limit="${2:?--limit needs a number}"; shift 2 ;;
        --simulated) simulated=$build/sim/libpaco_cuda.so; shift ;;
        --data) data="${2:?--data needs a folder}"; shift 2 ;;
        -*) echo "gpu_pack.sh: unknown option '$1'" >&2; exit 2 ;;
        *) folder="$1"; shift ;;
    esac
done
stop() { echo "gpu_pack.sh: $*" >&2; exit 2; }

# ---- what there is to pack
[ -x "$build/paco" ] || stop "no $build/paco: build first (cmake -S . -B build && cmake --build build -j)"
! grep -qE '^PACO_NATIVE:BOOL=(ON|1|TRUE|YES)' "$build/CMakeCache.txt" ||
    stop "$build is for this machine's processor alone. Build without PACO_NATIVE"
! grep -qE '^PACO_SANITIZE:[A-Z]*=.' "$build/CMakeCache.txt" || stop "$build has sanitizers. Build without PACO_SANITIZE"
[ -z "$simulated" ] || [ -e "$simulated" ] || stop "no $simulated: built without the CUDA toolkit, cuDNN or a C++ compiler"
[ ! -e "$folder" ] || [ -e "$folder/KIT" ] || [ -z "$(ls -A "$folder")" ] || stop "$folder is there and no kit"
images=()
if [ -n "$data" ]; then
    for forms in cifar10_lt.tar.xz 'cifar-10-batches-*' '*_batch*' cifar10_lt; do
        mapfile -t images < <(compgen -G "$data/$forms")
        [ ${#images[@]} = 0 ] || break
    done
    [ ${#images[@]} -gt 0 ] || stop "no CIFAR-10 in $data: the head of tools/gpu_check.sh says what is looked for"
fi

kit="$folder.new"
rm -rf "$kit"
trap 'rm -rf "$kit"' EXIT
mkdir -p "$kit"/{bin,lib/runtime,golden,oracle}

# ---- programs and modules
modules=()
for library in "$build"/libpaco_*.so; do
    [ -e "$library" ] && nm -D --defined-only "$library" | grep ' paco_backend$' >/dev/null && modules+=("$library")
done
[ ${#modules[@]} -gt 0 ] || stop "no backend module in $build"
tests=()
mapfile -t names < <(sed -n '/^STAGES=/,/^)/p' tools/gpu_check.sh | grep -o '\btest_[a-z_]*' | sort -u)
for test in "${names[@]}"; do
    [ -x "$build/tests/$test" ] || stop "no $build/tests/$test: build with tests (needs libcmocka-dev)"
    tests+=("$build/tests/$test")
done
cp "$build/paco" "${modules[@]}" "${tests[@]}" "$kit/bin"
[ -z "$simulated" ] || { mkdir "$kit/bin/sim" && cp "$simulated" "$(dirname "$simulated")/libnccl.so.2" "$kit/bin/sim"; }
find "$kit/bin" -type f -exec strip --strip-unneeded {} +

# ---- their libraries
is_glibc() { # name
    [[ "$1" =~ ^(ld-linux|linux-vdso|lib(c|m|mvec|dl|rt|pthread|util|resolv|anl|nsl|thread_db|BrokenLocale|nss_[a-z]+)\.so) ]]
}

# Hundreds of MiB, and of the other machine's driver.
is_nvidia() { [[ "$1" =~ ^lib(cuda|cudart|cudnn|cublas|nv)[A-Za-z_]*\.so ]]; } # name

# What the C++ runtime of the other machine can serve is used only where it cannot: drivers bring theirs, maybe newer.
library_folder() { case "$1" in libstdc++.so*|libgcc_s.so*) echo "$kit/lib/runtime" ;; *) echo "$kit/lib" ;; esac; }

pack_library() { # name, path
    local to
    is_glibc "$1" && return
    to=$(library_folder "$1")
    [ -e "$to/$1" ] || { cp -L "$2" "$to/$1" && strip --strip-unneeded "$to/$1"; }
}

pack_libraries_of() { # file
    local name arrow path rest
    while read -r name arrow path rest; do
        [ "$arrow" = "=>" ] || continue
        ! is_nvidia "$name" || continue
        [ "$path" != not ] || stop "$1 needs $name, which is not here"
        pack_library "$name" "$path"
    done < <(ldd "$1")
}

for file in "$build/paco" "${modules[@]}" ${simulated:+"$simulated"} "${tests[@]}"; do pack_libraries_of "$file"; done

# CLBlast is loaded by name at run time, and the name of its file tells its version.
clblast=$(ldconfig -p 2>/dev/null | sed -n 's/.*libclblast\.so\.1 .*=> //p' | head -1)
if [ -n "$clblast" ]; then
    pack_libraries_of "$clblast"
    file=$(basename "$(realpath "$clblast")")
    cp -L "$clblast" "$kit/lib/$file"
    strip --strip-unneeded "$kit/lib/$file"
    [ "$file" = libclblast.so.1 ] || ln -s "$file" "$kit/lib/libclblast.so.1"
else
    echo "no libclblast.so.1 here: the kit goes without" >&2
fi

# ---- the rest
cp -r tests/golden/loss tests/golden/step "$kit/golden"
cp tools/gpu_check.sh tools/help.sh tools/gpu_check_reports.sh tools/gpu_yardstick.py "$kit"
cp tools/oracle/*.py "$kit/oracle"
[ -z "$data" ] || { mkdir "$kit/data" && cp -r "${images[@]}" "$kit/data"; }
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD 2>/dev/null || commit="$commit, changed"
{
    echo "commit $commit"
    echo "packed $(date -u +%Y-%m-%d)"
    echo "machine $(uname -m)"
    echo "glibc $(objdump -T "$kit"/bin/* "$kit"/bin/sim/* "$kit"/lib/*.so* "$kit"/lib/runtime/* 2>/dev/null | grep -o 'GLIBC_[0-9.]*' |
        sort -uV | tail -1 | cut -d_ -f2)"
} >"$kit/KIT"

bytes=$(du -sb "$kit" | cut -f1)
if [ "$bytes" -gt $((limit << 20)) ]; then
    echo "gpu_pack.sh: the kit is too large ($((bytes >> 20)) MiB vs $limit MiB at most). Largest are:" >&2
    (cd "$kit" && find . -type f -printf '%s %P\n') | sort -rn | awk 'NR <= 8 { printf "%9.1f MiB  %s\n", $1 / 1048576, $2 }' >&2
    exit 5
fi
rm -rf "$folder"
mv "$kit" "$folder"
trap - EXIT
find "$folder" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | while read -r name; do
    printf '%9.2f MiB  %s\n' "$(du -sb "$folder/$name" | awk '{ print $1 / 1048576 }')" "$name"
done
printf '%9.2f MiB in %s, for %s with glibc %s or newer\n' "$(echo "$bytes" | awk '{ print $1 / 1048576 }')" "$folder" \
    "$(sed -n 's/^machine //p' "$folder/KIT")" "$(sed -n 's/^glibc //p' "$folder/KIT")"
