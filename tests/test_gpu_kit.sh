#!/bin/bash
# tools/gpu_pack.sh and gpu_check.sh: a kit runs from a bare folder, says why stages are skipped, goes on after those that
# fail or hang, resumes, and is refused when too large. Its stages run on a processor as a stand-in, where there is one, and
# CUDA's on the simulated GPU, where it was built.
set -u
paco=$(realpath "$1")
source=$(realpath "${PACO_SOURCE:-$(dirname "$0")/..}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PACO_BUILD=$(dirname "$paco")
export PACO_BUILD
failed=0
fail() { echo "FAIL: $*"; tail -30 "$work/out"; failed=1; }

ldd "$paco" | grep -qE 'lib(asan|ubsan|tsan)' && { echo "skipped: a program with sanitizers"; exit 77; }
[ -e "$PACO_BUILD/libpaco_opencl.so" ] || { echo "skipped: no OpenCL backend"; exit 77; }

# ---- packing
pack() { "$source/tools/gpu_pack.sh" "$@" >"$work/out" 2>&1; }
kit=$work/kit
pack "$kit" || { fail "gpu_pack.sh: exit code $?"; exit 1; }
grep -qE '^ +[0-9.]+ MiB in .*, for .* with glibc [0-9.]+ or newer' "$work/out" || fail "pack: no size"
simulated=()
if [ -e "$PACO_BUILD/sim/libpaco_cuda.so" ]; then simulated=(--simulated)
else
    pack --simulated "$work/large"
    { [ $? = 2 ] && grep -q "^gpu_pack.sh: no .*built without the CUDA toolkit" "$work/out"; } || fail "--simulated without one: not refused"
fi
pack "${simulated[@]}" "$kit" || fail "a kit is not replaced"
[ "$(du -sm "$kit" | cut -f1)" -le 60 ] || fail "the kit is larger than 60 MiB"
[ ! -e "$PACO_BUILD/libpaco_cuda.so" ] || [ -e "$kit/bin/libpaco_cuda.so" ] || fail "no CUDA module in the kit"
[ -z "$(find "$kit" -name 'libcu*')" ] || fail "libraries of NVIDIA's in the kit"
pack --data "$work" "$work/large"
[ $? = 2 ] && grep -q "^gpu_pack.sh: no CIFAR-10 in $work: " "$work/out" || fail "--data without images: not refused"
pack --limit 1 "$work/large"
[ $? = 5 ] || fail "too large: not exit 5"
grep -qE '^gpu_pack.sh: the kit is too large \([0-9]+ MiB vs 1 MiB at most\)' "$work/out" || fail "too large: not said"
grep -qE '^ +[0-9.]+ MiB  (lib|bin|golden)/' "$work/out" || fail "too large: the largest is not named"
[ ! -e "$work/large" ] && [ ! -e "$work/large.new" ] || fail "too large: something is left"
mkdir "$work/other" && touch "$work/other/mine"
pack "$work/other"
[ $? = 2 ] && [ -e "$work/other/mine" ] || fail "a folder that is no kit: not refused"
mkdir "$work/native" && cp "$paco" "$work/native" && echo PACO_NATIVE:BOOL=ON >"$work/native/CMakeCache.txt"
PACO_BUILD=$work/native pack "$work/large"
[ $? = 2 ] && grep -q "for this machine's processor alone" "$work/out" || fail "a build for one processor: not refused"

# Every library is in the kit, but glibc's, NVIDIA's and the C++ runtime, which is there for machines without.
for file in $(find "$kit/bin" -type f) "$kit"/lib/*.so*; do LD_LIBRARY_PATH=$kit/lib ldd "$file"; done |
    awk -v kit="$kit/" '$2 == "=>" && index($3, kit) != 1 { print $1 }' | sort -u |
    grep -vE '^(linux-vdso|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|cudnn_graph|cublasLt)\.so)' >"$work/out" && fail "libraries that are not in the kit"
[ -e "$kit/lib/libOpenCL.so.1" ] && [ -e "$kit/lib/libcmocka.so.0" ] || fail "loader or cmocka is missing"

# ---- running: no environment, no repository, no GPU
mkdir "$work/elsewhere" && cd "$work/elsewhere" || exit 1
compiled=${POCL_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-$work}/.cache}/pocl} # by PoCL, which other tests have, too
check() { env -i PATH=/usr/bin:/bin CUDA_VISIBLE_DEVICES= POCL_CACHE_DIR="$compiled" "$kit/gpu_check.sh" "$@" >"$work/out" 2>&1; }
row() { grep -qE "^$1 +$2 " "$3/gpu_check.txt" || fail "$1: not $2"; }
readable() { # folder: its JSON can be read, and a little of it is asked for
    [ "$(ls "$1" | wc -l)" -le 8 ] || fail "more than 8 files"
    command -v python3 >/dev/null || return 0
    python3 - "$1/gpu_check.json" <<'PY' || fail "gpu_check.json"
import json, sys
found = json.load(open(sys.argv[1]))
assert any(name == "glibc" for name, value in found["facts"]), found["facts"]
assert all(s["reason"] for s in found["stages"] if s["status"] != "passed"), found["stages"]
PY
}

# What is asked of a machine fits one call of 7 minutes and one of 4.
needed=$("$kit/gpu_check.sh" --list | awk '{ beside = $0 ~ / beside /; sum += beside ? ($2 > longest ? $2 - longest : 0) : $2
    longest = beside && longest > $2 ? longest : $2 } $1 == "real-run" { print sum }')
[ "$needed" -le 625 ] || fail "the stages up to the real run take up to $needed s"
stages=$("$kit/gpu_check.sh" --list | wc -l)
[ "$stages" -ge 40 ] || fail "--list: $stages stages"
check --device opencl:99
[ $? = 77 ] || fail "without a GPU: not exit 77"
row facts passed "$kit/results"
[ "$(grep -cE '^[a-z0-9-]+ +skipped +0 +[0-9]+  .*(opencl:99 is no OpenCL GPU; |--device opencl:99 is none of CUDA|torch|python3)' "$kit/results/gpu_check.txt")" = $((stages - 1)) ] ||
    fail "without a GPU: not every other stage is skipped with a reason"
grep -q "^1 passed, 0 failed, $((stages - 1)) skipped" "$kit/results/gpu_check.txt" || fail "without a GPU: counted otherwise"
readable "$kit/results"
check --device cuda:99 --only facts,backend,cuda-backend,cuda-golden --out "$work/cuda" --state "$work/cuda_state"
[ $? = 77 ] || fail "without the CUDA GPU: not exit 77"
grep -qE '^backend +skipped .*--device cuda:99 is none of OpenCL' "$work/cuda/gpu_check.txt" || fail "--device cuda:99: OpenCL's stages are not left out"
[ "$(grep -cE '^cuda-[a-z]+ +skipped .*cuda:99 is no CUDA GPU; ' "$work/cuda/gpu_check.txt")" = 2 ] || fail "--device cuda:99: no reasons"
readable "$work/cuda"
for wrong in "--only nothing" "--loud" "--limit soon" "--device gpu"; do
    # shellcheck disable=SC2086
    check $wrong
    [ $? = 2 ] || fail "$wrong: not exit 2"
done

# ---- stages that fail, hang and come after; what ran is not run again
printf 'sleep 600 &\necho $! >%s/pid\nwait\n' "$work" >"$work/hang"
printf '%s\n' 'printf "first\n\"no\" \\\\ \t \001\n"; exit 1' >"$work/break"
printf 'echo x >>%s/count\n' "$work" >"$work/count_up"
# Two that wait for each other run beside each other; one in pieces is not done before it says so.
for pair in "left right" "right left"; do
    printf 'touch %s/%s\nuntil [ -e %s/%s ]; do sleep 0.1; done\n' "$work" "${pair% *}" "$work" "${pair#* }" >"$work/wait_${pair% *}"
done
printf 'echo x >>%s/pieces\n[ $(wc -l <%s/pieces) = 2 ] || { echo "1 of 2" >%s/state/goes-on.more; exit 75; }\n' \
    "$work" "$work" "$work" >"$work/goes_on"
sed -i "/^STAGES=(/a\\
    \"left | 20 | | sh $work/wait_left\"\\
    \"right | 20 | beside | sh $work/wait_right\"\\
    \"goes-on | 5 | pieces | sh $work/goes_on\"\\
    \"broken | 5 | | sh $work/break\"\\
    \"hangs | 1 | | sh $work/hang\"\\
    \"counts | 9 | | sh $work/count_up\"" "$kit/gpu_check.sh"
planted=(--device opencl:99 --only "left,right,goes-on,broken,hangs,counts,facts" --out "$work/planted" --state "$work/state")
check "${planted[@]}"
[ $? = 1 ] || fail "a stage that fails: not exit 1"
row broken failed "$work/planted"
row hangs failed "$work/planted"
row counts passed "$work/planted"
row facts passed "$work/planted"
row left passed "$work/planted"
row right passed "$work/planted"
grep -qE '^goes-on +begun .*  1 of 2$' "$work/planted/gpu_check.txt" || fail "a stage in pieces: done after its first"
grep -qF '  exit code 1: "no" \' "$work/planted/gpu_check.txt" || fail "a stage that fails: no reason"
grep -qE '^hangs .*  longer than 1 s' "$work/planted/gpu_check.txt" || fail "a stage that hangs: no reason"
# Killed is not yet gone: a loaded machine, or an init that reaps late, leaves it for a moment.
gone() { ! grep -qsE '^State:[[:space:]]+[^Z]' "/proc/$1/status"; }
for _ in $(seq 50); do gone "$(cat "$work/pid")" && break; sleep 0.1; done
gone "$(cat "$work/pid")" || fail "a stage that hangs: still there"
readable "$work/planted"
rm -r "$work/planted"
check "${planted[@]}"
[ $? = 1 ] && [ "$(wc -l <"$work/count")" = 1 ] || fail "a second call: a stage ran again"
row counts passed "$work/planted"
row hangs failed "$work/planted"
row goes-on passed "$work/planted"
check --device opencl:99 --only counts --again --out "$work/planted" --state "$work/state"
[ "$(wc -l <"$work/count")" = 2 ] || fail "--again: did not run"
check --device opencl:99 --only counts --limit 1 --out "$work/late" --state "$work/late_state"
[ "$(wc -l <"$work/count")" = 2 ] && row counts skipped "$work/late"
grep -q '^counts .*of the 1 s of --limit are left: call again' "$work/late/gpu_check.txt" || fail "--limit: not said"

# ---- NVIDIA's library without an .icd file
mkdir "$work/driver" && touch "$work/driver/libnvidia-opencl.so.1"
env -i PATH=/usr/bin:/bin LD_LIBRARY_PATH="$work/driver" OCL_ICD_VENDORS="$work/elsewhere" "$kit/gpu_check.sh" \
    --only facts --again --device opencl:99 >"$work/out" 2>&1
grep -qE "^OpenCL driver[[:space:]]nvidia_found.icd: $work/driver/libnvidia-opencl.so.1" "$kit/results/gpu_check.log" ||
    fail "a bare library of NVIDIA's: not found"

# ---- cuDNN and cuBLAS in Python's packages alone, where no loader looks
library=$(ldd "$kit/bin/libpaco_cuda.so" 2>/dev/null | sed -n 's/.*libcudnn_graph.so.9 => \([^ ]*\) .*/\1/p')
if [ -n "$library" ] && unshare -m true 2>/dev/null; then
    packages=$work/venv/lib/python3.99/site-packages/nvidia/all/lib
    mkdir -p "$packages" "$work/venv/bin" "$work/empty"
    python=$(command -v python3)
    printf '#!/bin/sh\nPYTHONPATH=%s exec %s "$@"\n' "$work/venv/lib/python3.99/site-packages" "$python" >"$work/venv/bin/python3"
    chmod +x "$work/venv/bin/python3"
    # In a namespace of its own: the system's folder appears as the package's, and is empty where it was.
    # shellcheck disable=SC2016
    unshare -m bash -c 'mount --bind "$1" "$2" && mount --bind "$3" "$1" && shift 3 && exec "$@"' hidden \
        "$(dirname "$(realpath "$library")")" "$packages" "$work/empty" \
        env -i PATH="$work/venv/bin:/usr/bin:/bin" PYTHON="$work/venv/bin/python3" "$kit/gpu_check.sh" --only facts \
        --device cuda:99 --out "$work/found" --state "$work/found_state" >"$work/out" 2>&1
    grep -qE "^CUDA folders[[:space:]]$packages" "$work/found/gpu_check.log" || fail "CUDA's libraries in Python's packages: not found"
    ! grep -qE '^device[[:space:]].*cannot open shared object' "$work/found/gpu_check.log" || fail "CUDA's module does not load"
else
    echo "skipped: CUDA's libraries in Python's packages: no CUDA module with libraries, or no mount namespaces here"
fi

# Nine images of 32 pixels, each a class, as data of the real run, two steps an epoch.
lists=$work/images/cifar10_lt
mkdir -p "$lists" && cp -r "$source"/tests/data/photos_lt/{train,test} "$lists"
for list in train test; do awk 'seen[$2]++ == 0' "$source/tests/data/photos_lt/$list.txt" | head -9 >"$lists/$list.list"; done
mv "$lists/train.list" "$lists/cifar10_lt_train.txt" && mv "$lists/test.list" "$lists/cifar10_test.txt"

# ---- the stages themselves, on a processor and a simulated GPU
if [ ${#simulated[@]} -gt 0 ]; then
    check --stand-in --device cuda:0 --limit 1000 --data "$work/images" \
        --only device-json,cuda-backend,nccl-one,nccl-two,nccl-staged,graphs-off,cuda-r50-16,idle,backend || fail "simulated GPU: exit code $?"
    row cuda-backend passed "$kit/results"
    row nccl-one passed "$kit/results"
    row nccl-two passed "$kit/results"
    grep -qE '^nccl-staged +passed .* 0.1 M gradients, 2 processes on one device: [0-9.]+ ms by the group' "$kit/results/gpu_check.txt" ||
        fail "nccl-staged: no times"
    row backend skipped "$kit/results"
    grep -q '^{"deviceVer":900.*}$' "$kit/results/device.json" || fail "simulated GPU: no description"
    for speed in fp16 "fp32, no graphs"; do
        grep -qE "^resnet20, batch 4, 16 +paco cuda $speed +[0-9.]+" "$kit/results/gpu_check.txt" || fail "simulated GPU: no speed: $speed"
    done
    grep -qE '^idle +passed .* [-0-9.]+ % by steps \([0-9.]+ ms in training, [0-9.]+ by themselves\)' "$kit/results/gpu_check.txt" || fail "idle: no share"
    # The real run goes on where idle's minute ended.
    check --stand-in --device cuda:0 --limit 1000 --data "$work/images" --only real-run
    grep -qE '^real-run +passed .* CIFAR-10-LT as JPEGs, epoch 4: top-1 [0-9.]+ %, many -, medium -, few [0-9.]+ %' "$kit/results/gpu_check.txt" ||
        fail "real-run: no accuracies"
    grep -q 'resumed .* at epoch 3, step 1 of 2' "$kit/results/gpu_check.log" || fail "real-run: began anew"
    grep -q '"name": "real-run".*"results": \[{"what": "run", "recipe": "cifar10_lt_100", .*"top1": 0' "$kit/results/gpu_check.json" ||
        fail "real-run: no results"
    [ "$(wc -l <"$kit/results/run_metrics.csv")" = 5 ] && [ -s "$kit/results/run_report.json" ] || fail "real-run: no records"
    readable "$kit/results"
else
    echo "skipped: no simulated GPU for the stages of CUDA"
fi
if "$paco" devices | grep -q '^opencl:0 '; then
    check --stand-in --device opencl:0 --limit 1000 --only backend,step-resnet32,torch-resnet32 || fail "stand-in: exit code $?"
    row backend passed "$kit/results"
    row step-resnet32 passed "$kit/results"
    grep -q '^A STAND-IN FOR A GPU' "$kit/results/gpu_check.txt" || fail "stand-in: not said"
    grep -qE '^resnet20, batch 4, 16 +paco opencl fp32 +[0-9.]+' "$kit/results/gpu_check.txt" || fail "stand-in: no speed"
    grep -q '"name": "step-resnet32", "device": "opencl:0 (stand-in)", "status": "passed".*"results": \[{"what": "step".*"inner": 2' "$kit/results/gpu_check.json" ||
        fail "stand-in: no results"
    if grep -qE '^torch-resnet32 +passed' "$kit/results/gpu_check.txt"; then
        grep -qE '^resnet20, batch 4, 16 +PyTorch fp32 ' "$kit/results/gpu_check.txt" || fail "stand-in: no speed of PyTorch"
    fi
else
    echo "skipped: no OpenCL device for the stages themselves"
fi
[ $failed = 0 ] && echo "ok: $stages stages"
exit $failed
