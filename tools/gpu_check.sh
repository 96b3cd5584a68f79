#!/usr/bin/env bash
# The check of a machine with a GPU that has no network. Runs in the folder that tools/gpu_pack.sh made, without a package
# manager: facts of the machine, device tests, golden files and speeds of CUDA and of OpenCL on its GPU, PyTorch's speeds.
#     ./gpu_check.sh [--list] [--only STAGE,...] [--again] [--limit SECONDS] [--out FOLDER] [--device cuda:N|opencl:N]
#                    [--data FOLDER] [--stand-in]
# --list shows the stages. A stage that ran is not run again, also by a later call: --again does. One that fails or takes
# longer than its limit stops nothing; one whose needs are missing is skipped and says why. After --limit seconds (400) no
# more is started; call again to go on. --device: this device alone, without stages of the other backend; else each has its
# first GPU. --stand-in takes a processor for a GPU, and where the kit was packed with it (gpu_pack.sh --simulated) a
# simulated one for CUDA's, with tiny sizes and ten times the limits (processors compile slowly): it tries the kit itself.
# Drivers: OpenCL's as installed, and NVIDIA's library where no .icd file names it; cuDNN and cuBLAS: the toolkit's, else
# those of a python3's packages; PyTorch: a python3 that has torch (PYTHON). The real run needs data in --data, else in data/
# in or beside this folder, or in shared/data/ beside it: CIFAR-10's binary files, or cifar10_lt/ with lists and images, or
# cifar10_lt.tar.xz of those. The folder --out ($OUT, else results/ beside this) gets gpu_check.txt, gpu_check.json,
# gpu_check.log and device.json, the GPU as cuDNN describes it; what was found so far lies in state/ beside this (--state
# FOLDER). Changes nothing else on the machine.
# Exit codes: 0 a stage on the GPU ran and nothing failed, 1 something failed, 2 usage, 77 no stage on a GPU.
set -uo pipefail

kit=$(cd "$(dirname "$0")" && pwd)

# name | limit in seconds | needs | command of this script. The first need is what the stage runs on (cuda, opencl: a GPU of
# that backend; torch: PyTorch on one); more: the other backend, sanitizer, nccl, tf32, data. What decides most comes first: a call
# of 7 minutes goes as far as CUDA's speeds beside PyTorch's, the next of 4 further. Words after -- are for the program.
CIFAR="--classes 10 --dim 32 --queue 1024"
STAGES=(
    "facts             |  60 |        | facts"
    "device-json       |  20 | cuda   | device_json"
    "cuda-backend      |  30 | cuda   | device_test test_backend"
    "cuda-gemm         |  30 | cuda   | device_test test_gemm"
    "cuda-conv         |  60 | cuda   | device_test test_conv"
    "cuda-conv-16      |  60 | cuda   | device_test test_conv_stored"
    "cuda-ops          |  60 | cuda   | device_test test_ops"
    "cuda-golden       |  60 | cuda   | golden_files"
    "cuda-overflow     |  20 | cuda   | differing_files"
    "cuda-parity       |  40 | cuda   | device_test test_parity resnet20_one_rank"
    "cuda-opencl       |  30 | cuda opencl | parity_with_opencl"
    "nccl-one          |  30 | cuda nccl | group_test test_group one_process"
    "nccl-two          |  60 | cuda nccl | group_test test_group two_processes"
    "nccl-staged       |  60 | cuda nccl | group_times test_group"
    "memcheck          |  30 | cuda sanitizer | sanitize memcheck"
    "racecheck         |  30 | cuda sanitizer | sanitize racecheck"
    "ceilings          |  30 | torch  | ceilings"
    "cuda-r50-fp16     |  40 | cuda   | bench_batches 128 32 256 -- --arch resnet50 --amp fp16"
    "cuda-r50-bf16     |  40 | cuda   | bench_batches 128 32 256 -- --arch resnet50 --amp bf16"
    "torch-r50-16      |  90 | torch  | yardstick --batches 128,32,256 --modes fp16,bf16 -- --arch resnet50"
    "cuda-r50-tf32     |  40 | cuda tf32 | bench_batches 128 32 256 -- --arch resnet50 --math tf32"
    "cuda-r50-fp32     |  40 | cuda   | bench_batches 128 32 256 -- --arch resnet50"
    "profile-r50-fp16  |  30 | cuda   | profile -- --arch resnet50 --batch 128 --amp fp16"
    "compile-r50-fp16  | 110 | torch  | yardstick --batches 128 --modes fp16 --compile default -- --arch resnet50"
    "torch-r50-32      |  90 | torch  | yardstick --batches 128,32,256 --modes tf32,fp32 -- --arch resnet50"
    "cuda-x50-fp16     |  40 | cuda   | bench_batches 128 32 256 -- --arch resnext50_32x4d --amp fp16"
    "cuda-x50-bf16     |  40 | cuda   | bench_batches 128 32 256 -- --arch resnext50_32x4d --amp bf16"
    "torch-x50-16      |  90 | torch  | yardstick --batches 128,32,256 --modes fp16,bf16 -- --arch resnext50_32x4d"
    "compile-r50-fp16-32 | 110 | torch | yardstick --batches 32 --modes fp16 --compile reduce-overhead -- --arch resnet50"
    "cuda-x50-tf32     |  40 | cuda tf32 | bench_batches 128 32 256 -- --arch resnext50_32x4d --math tf32"
    "cuda-x50-fp32     |  40 | cuda   | bench_batches 128 32 256 -- --arch resnext50_32x4d"
    "profile-x50-fp16  |  30 | cuda   | profile -- --arch resnext50_32x4d --batch 128 --amp fp16"
    "profile-r50-fp32  |  30 | cuda   | profile -- --arch resnet50 --batch 32"
    "torch-x50-32      |  90 | torch  | yardstick --batches 128,32,256 --modes tf32,fp32 -- --arch resnext50_32x4d"
    "compile-x50-fp16  | 110 | torch  | yardstick --batches 128 --modes fp16 --compile default -- --arch resnext50_32x4d"
    "real-run          |  90 | cuda data | real_run"
    "backend           |  40 | opencl | device_test test_backend"
    "golden-few        |  60 | opencl | golden_files loss/* step/resnet20.json step/resnet18.json"
    "step-resnet50     |  60 | opencl | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32"
    "step-resnet50-fp16 | 60 | opencl | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp fp16"
    "step-resnet32     |  30 | opencl | bench_step --inner 10 --repeats 5 -- --arch resnet32 --batch 128 $CIFAR"
    "torch-resnet32    |  40 | torch  | yardstick --batches 128 -- --arch resnet32 $CIFAR"
    "cuda-resnet32     |  30 | cuda   | bench_batches 128 -- --arch resnet32 $CIFAR"
    "ops               |  90 | opencl | device_test test_ops"
    "gemm              |  45 | opencl | device_test test_gemm"
    "conv              |  60 | opencl | device_test test_conv"
    "conv-16           |  60 | opencl | device_test test_conv_stored"
    "tuned-resnet50    |  90 | opencl | bench_tuned --inner 5 --repeats 5 -- --arch resnet50 --batch 32"
    "tuned-resnet50-fp16 | 90 | opencl | bench_tuned --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp fp16"
    "step-resnet50-bf16 | 60 | opencl | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp bf16"
    "step-resnet50-128 |  60 | opencl | bench_step --inner 2 --repeats 3 -- --arch resnet50 --batch 128"
    "golden-all        |  90 | opencl | golden_files loss/* step/*"
    "step-resnet32-fp16 | 30 | opencl | bench_step --inner 10 --repeats 5 -- --arch resnet32 --batch 128 $CIFAR --amp fp16"
    "step-resnext50    |  60 | opencl | bench_step --inner 3 --repeats 3 -- --arch resnext50_32x4d --batch 32"
    "parity            |  90 | opencl | device_test test_parity"
)
# cuDNN has gradients of weights in fp16 alone where images are fp16, as PyTorch has on a GPU: where they overflow, the loss
# scale goes another way than in a file whose gradients are float32. CUDA is expected to differ from:
DIFFERING=(step/resnet20_overflow_fp16.json)
GPU_FACTS=name,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.max.memory,power.limit,pcie.link.gen.max,ecc.mode.current
TINY="--arch resnet20 --batch 4 --size 16 --classes 10 --dim 16 --queue 32"

# ------------------------------------------------------------------------------------ what the machine has

# A folder of .icd files: the system's, and one of NVIDIA's library where none names it. Loaders read it instead of theirs.
find_drivers() {
    local vendors="${OCL_ICD_VENDORS:-/etc/OpenCL/vendors}" file library
    icds="$state/icd"
    rm -rf "$icds"
    mkdir -p "$icds"
    for file in "$vendors"/*.icd; do [ -e "$file" ] && cp "$file" "$icds"; done
    library=$(find_nvidia_library)
    [ -n "$library" ] || return 0
    case "$library" in /lib/*|/usr/lib/*) ;; *) driver_folder=$(dirname "$library") ;; esac
    grep -qsi nvidia "$icds"/*.icd || echo "$library" >"$icds/nvidia_found.icd"
}

# Where NVIDIA's driver may lie, one folder a line.
driver_folders() {
    tr : '\n' <<<"${LD_LIBRARY_PATH:-}"
    printf '%s\n' /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib /usr/local/nvidia/lib64 \
        /usr/local/nvidia/lib /usr/lib/wsl/lib /usr/lib/nvidia /usr/local/cuda/compat
}

# The first file in the folders of the input that has one of these names.
first_file() { # name...
    local folder name
    while IFS= read -r folder; do
        for name in "$@"; do
            # shellcheck disable=SC2086
            [ -z "$folder" ] || compgen -G "$folder/$name" | head -1 | grep . && return
        done
    done
    return 1
}

find_nvidia_library() {
    driver_folders | first_file libnvidia-opencl.so.1 'libnvidia-opencl.so.*' ||
        timeout 20 find /usr /opt /run /var/lib /home -name 'libnvidia-opencl.so.*' -print -quit 2>/dev/null
}

# CUDA's libraries: the toolkit's, the system's, those of python3's packages. One folder a line, that which is preferred first.
cuda_folders() {
    printf '%s\n' /usr/local/cuda/lib64 /usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib /usr/lib/x86_64-linux-gnu /usr/lib64
    [ -z "$python" ] || "$python" - <<'PY' 2>/dev/null
import glob, importlib.util, site, sys, sysconfig
spec = importlib.util.find_spec("nvidia")
roots = list(spec.submodule_search_locations or []) if spec else []
roots += [sysconfig.get_paths()["purelib"] + "/nvidia", site.getusersitepackages() + "/nvidia"]
roots += glob.glob(sys.prefix + "/lib/python3*/site-packages/nvidia")
for root in dict.fromkeys(roots):
    print(*sorted(glob.glob(root + "/*/lib")), sep="\n")
PY
}

# Runs a program of the kit with the kit's libraries, and last the folders of a driver and of CUDA's libraries that the loader
# does not know.
ours() {
    LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}${driver_folder:+:$driver_folder}$cuda_path" \
        OCL_ICD_VENDORS="$icds/" XDG_CACHE_HOME="$state/cache" PACO_BACKENDS="$simulated" "$@"
}

# The kit's libraries, with its C++ runtime only where this machine has none or an older one: drivers use the machine's.
find_libraries() {
    local needed
    libraries="$kit/lib"
    needed=$(LD_LIBRARY_PATH=$libraries ldd "$kit"/lib/*.so* 2>&1)
    ! grep -qE 'lib(stdc\+\+|gcc_s)\.so.*not found' <<<"$needed" || libraries="$libraries:$kit/lib/runtime"
    [ -z "$stand_in" ] || [ ! -d "$kit/bin/sim" ] || simulated=$kit/bin/sim
}

# What CUDA's module needs and the loader does not find, with what cuDNN compiles by, and the driver.
find_cuda_libraries() {
    local name file folder
    [ -e "$kit/bin/libpaco_cuda.so" ] || return 0
    for name in $(ours ldd "$kit/bin/libpaco_cuda.so" "${simulated:-$kit/bin}/libpaco_cuda.so" 2>/dev/null |
        sed -n 's/^[[:space:]]*\(lib[^ ]*\) => not found/\1/p' | sort -u) libnvrtc.so.13 libcuda.so.1 libnccl.so.2; do
        ! ldconfig -p 2>/dev/null | grep "[[:space:]]$name " >/dev/null || continue
        case "$name" in
            libcuda.so.1) file=$(driver_folders | first_file "$name") ;;
            *) file=$(cuda_folders | first_file "$name") ;;
        esac || continue
        folder=$(dirname "$file")
        [[ "$cuda_path:" = *":$folder:"* ]] || cuda_path="$cuda_path:$folder"
    done
}

# name<TAB>kind of every device; kind: gpu, processor, accelerator, or "unusable: why".
list_devices() {
    awk '/^[^ ]/ { if (name) print name "\t" kind; name = ""; kind = "gpu" }
         /^(cuda|opencl):[0-9]+ / { name = $1 }
         /^    unusable / { sub(/^ *unusable */, ""); kind = "unusable: " $0 }
         /^    capabilities / { for (i = 2; i <= NF; i++) if (kind == "gpu" && $i ~ /^(processor|accelerator),?$/) {
             kind = $i; sub(",", "", kind) } }
         END { if (name) print name "\t" kind }' "$state/devices.txt"
}

ask_devices() {
    devices_failed=''
    ours timeout -k 5 60 "$kit/bin/paco" devices >"$state/devices.txt" 2>&1 ||
        devices_failed="paco devices: exit code $?: $(tail -1 "$state/devices.txt")"
}

# Sets devices and why_none of a backend: its device, or why there is none.
choose_device() { # backend, its name in words
    local name kind seen=
    devices[$1]=''
    [ -z "$devices_failed" ] || { why_none[$1]=$devices_failed; return; }
    [[ "$wanted" = auto || "$wanted" = "$1:"* ]] || { why_none[$1]="--device $wanted is none of $2"; return; }
    while IFS=$'\t' read -r name kind; do
        [[ "$name" = "$1:"* ]] || continue
        seen="$seen${seen:+, }$name ($kind)"
        [ "$wanted" = auto ] || [ "$wanted" = "$name" ] || continue
        case "$kind" in
            gpu) ;;
            unusable*) continue ;;
            *) [ -n "$stand_in" ] || continue ;;
        esac
        devices[$1]=$name
        return
    done < <(list_devices)
    why_none[$1]="no $2 GPU"
    [ "$wanted" = auto ] || why_none[$1]="$wanted is no $2 GPU"
    why_none[$1]="${why_none[$1]}; ${seen:-$(sed -n "s/^$1  absent: /$2 is absent: /p" "$state/devices.txt")}"
}

# Sets python: the first that has torch, else the first at all.
choose_python() {
    local candidate first=
    for candidate in "${PYTHON:-}" python3 /opt/*/.venv/bin/python3 /opt/*/bin/python3 /usr/local/bin/python3 /usr/bin/python3; do
        [ -n "$candidate" ] || continue
        command -v "$candidate" >/dev/null || continue
        first="${first:-$candidate}"
        "$candidate" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' 2>/dev/null || continue
        python=$candidate
        return
    done
    python=$first
}

# Sets torch_device, or why_no_torch; asks once.
choose_torch() {
    [ -z "$torch_device$why_no_torch" ] || return 0
    local answer
    [ -n "$python" ] || { why_no_torch="no python3"; return; }
    answer=$(timeout -k 5 90 "$python" -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")' 2>&1 | tail -1)
    case "$answer" in
        cuda) torch_device=cuda ;;
        cpu) if [ -n "$stand_in" ]; then torch_device=cpu; else why_no_torch="$python's torch sees no GPU"; fi ;;
        *) why_no_torch="$python has no torch that works: $answer" ;;
    esac
}

# A folder with CIFAR-10 in a form that real_run knows.
find_data() {
    local folder
    for folder in ${wanted_data:+"$wanted_data"} "$kit/data" "$kit/../data" "$kit/../shared/data"; do
        data=$(compgen -G "$folder/cifar10_lt/cifar10_lt_train.txt" || compgen -G "$folder/data_batch_1*" ||
            compgen -G "$folder/cifar-10-batches-*/data_batch_1*" || compgen -G "$folder/cifar10_lt.tar.xz") && break
    done
    data=$(head -1 <<<"$data")
}

# Sets why: the reason why a stage with such needs cannot run.
find_unmet() { # needs
    local need
    why=
    for need in $1; do
        case "$need" in
            cuda|opencl) [ -n "${devices[$need]}" ] || why=${why_none[$need]} ;;
            torch) choose_torch; [ -n "$torch_device" ] || why=$why_no_torch ;;
            nccl) why=$(sed -n "s/^cuda  processes exchange gradients through the host's memory: //p" "$state/devices.txt") ;;
            sanitizer) [ -n "$(on_path compute-sanitizer)" ] || why="no compute-sanitizer on this machine" ;;
            tf32) ours "$kit/bin/paco" bench step --help | grep -e '--math' >/dev/null || why="this program has no --math tf32" ;;
            data) find_data; [ -n "$data" ] || why="no CIFAR-10 in --data, or in data/ in or beside the kit (head of this script)" ;;
        esac
        [ -z "$why" ] || return
    done
}

# ------------------------------------------------------------------------------------ stages

fact() { printf '%s\t%s\n' "$1" "$2"; }
each() { while IFS= read -r line; do fact "$1" "$line"; done; }
on_path() { command -v "$1" || ls "/usr/local/nvidia/bin/$1" "/usr/local/cuda/bin/$1" 2>/dev/null | head -1; }

cuda_libraries() {
    local library folder
    cuda_folders | while IFS= read -r folder; do
        for library in libcuda libcudart libcublasLt libcudnn libcudnn_graph libnccl libnvrtc; do
            # shellcheck disable=SC2086
            compgen -G "$folder/$library.so.*" | while read -r file; do realpath "$file"; done
        done
    done | sort -u
}

# What the libraries themselves say, asked through python3.
cuda_versions() { # library...
    timeout 60 "$python" - "$@" <<'PY'
import ctypes, os, sys
ASK = {"libcuda": ("cuDriverGetVersion", True), "libcudart": ("cudaRuntimeGetVersion", True),
       "libnccl": ("ncclGetVersion", True), "libcudnn": ("cudnnGetVersion", False),
       "libcudnn_graph": ("cudnnGetVersion", False), "libcublasLt": ("cublasLtGetVersion", False)}
for path in sys.argv[1:]:
    name, by_pointer = ASK.get(os.path.basename(path).split(".so")[0], (None, False))
    version = ""
    try:
        if name:
            ask, n = getattr(ctypes.CDLL(path), name), ctypes.c_int(-1)
            ask.restype = ctypes.c_int if by_pointer else ctypes.c_size_t
            code = ask(ctypes.byref(n)) if by_pointer else ask()
            version = f"  {name}: {n.value if by_pointer else code}" + (f" (code {code})" if by_pointer and code else "")
    except (OSError, AttributeError) as error:
        version = f"  {error}"
    print(f"CUDA library\t{path}{version}", flush=True)
PY
}

torch_facts() {
    timeout 60 "$python" - <<'PY'
import sys, torch
print("PyTorch", f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}", sep="\t")
if torch.cuda.is_available():
    print("PyTorch's GPU", torch.cuda.get_device_properties(0), sep="\t")
    print("PyTorch's targets", " ".join(torch.cuda.get_arch_list()), sep="\t")
PY
}

facts() {
    local tool file found
    fact date "$(date -u +%Y-%m-%dT%H:%MZ)"
    each kit <"$kit/KIT"
    fact kernel "$(uname -srm)"
    fact system "$(. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME:-unknown}")"
    fact glibc "$(ldd --version 2>/dev/null | head -1)"
    sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort | uniq -c | sed 's/^ *//' | each processor
    fact memory "$(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
    tool=$(on_path nvidia-smi)
    [ -n "$tool" ] || fact nvidia-smi "not here"
    [ -z "$tool" ] || timeout 20 "$tool" --format=csv,noheader --query-gpu="$GPU_FACTS" 2>&1 | each GPU
    tool=$(on_path nvcc)
    if [ -n "$tool" ]; then fact nvcc "$tool, $("$tool" --version | tail -2 | head -1)"; else fact nvcc "not here"; fi
    for file in "$icds"/*.icd; do [ -e "$file" ] && fact "OpenCL driver" "$(basename "$file"): $(head -1 "$file")"; done
    [ -z "$driver_folder" ] || fact "driver folder" "$driver_folder: $(cd "$driver_folder" && compgen -G 'lib*.so.*' | paste -sd' ')"
    fact "kit libraries" "$libraries"
    fact "CUDA folders" "${cuda_path#:}"
    each device <"$state/devices.txt"
    fact "CUDA device" "${devices[cuda]:-none: ${why_none[cuda]}}"
    fact "OpenCL device" "${devices[opencl]:-none: ${why_none[opencl]}}"
    fact python3 "${python:-not here}${python:+, $("$python" --version 2>&1)}"
    [ -z "$python" ] || torch_facts 2>&1 | sed '/\t/!s/^/PyTorch\t/'
    mapfile -t found < <(cuda_libraries)
    if [ ${#found[@]} -eq 0 ]; then
        fact "CUDA library" "none in python3's wheels, /usr/local/cuda or the system's folders"
    elif [ -n "$python" ]; then
        cuda_versions "${found[@]}"
    else
        printf '%s\n' "${found[@]}" | each "CUDA library"
    fi
    tool=$(on_path nvidia-smi)
    [ -z "$tool" ] || { echo "== nvidia-smi -q"; timeout 20 "$tool" -q; }
    ours "$kit/bin/paco" devices >/dev/null
}

# What passed needs no more words than these, or: this is so.
note() { echo "$*" | tee "$state/$name.note"; }

# The GPU as cuDNN describes it: what plans can be made for on machines without it.
device_json() {
    cd "$kit/golden" || return
    ours env PACO_DEBUG=1 "$kit/bin/paco" verify --device "$device" loss/tiny.json 2>&1 |
        sed -n 's/^paco: debug: cuDNN describes the device: //p' | head -1 >"$state/device.json"
    grep '^{.*}$' "$state/device.json" || { echo "cuDNN described no device"; return 1; }
}

# Of cuDNN's many plans for a shape, the first ones are what runs.
device_test() { # test [those of it for a simulated GPU]
    local how=(PACO_TEST_DEVICE="$device")
    [ "$backend" != cuda ] || how+=(PACO_TEST_CANDIDATES=12)
    [ -z "$stand_in" ] || how+=(PACO_TEST_TINY=1)
    [ -z "$simulated" ] || [ "$backend" != cuda ] || how+=(PACO_TEST_CANDIDATES=1 PACO_TEST_ONLY="${2:-*}")
    ours env "${how[@]}" "$kit/bin/$1"
}

# Exchanges between processes beside steps that are graphs: one process, or two on one GPU, which NCCL allows where they are
# said to be on two hosts; where it does not, that is no failure.
group_test() { # program, test
    PACO_TEST_ONLY=$2 device_test "$1" "$2" | tee "$state/$name.seen"
    [ "${PIPESTATUS[0]}" = 0 ] || return 1
    ! grep -q '^skipped: ' "$state/$name.seen" || { note "$(sed -n 's/^skipped: //p' "$state/$name.seen" | head -1)"; return 75; }
}

# The sum of a ResNet-50's gradients by NCCL, and what the way through the host's memory takes at least.
group_times() { # program
    local code
    PACO_BENCH=1 device_test "$1" | tee "$state/$name.seen"
    code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || [ "$code" = 77 ] || return "$code"
    [ "$code" = 0 ] || { note "$(sed -n 's/^skipped: //p' "$state/$name.seen" | head -1)"; return 75; }
    note "$(grep ' gradients, ' "$state/$name.seen")"
}

parity_with_opencl() { PACO_TEST_REFERENCE=${devices[opencl]} device_test test_parity resnet20_one_rank; }

# Those named, else all of which the backend is not expected to differ.
golden_files() { # [file...]
    cd "$kit/golden" || return
    # shellcheck disable=SC2046,SC2068
    [ $# -gt 0 ] || set -- $(printf '%s\n' loss/* step/* | grep -vxF "$(printf '%s\n' "${DIFFERING[@]}")")
    [ -z "$stand_in" ] || set -- loss/tiny.json step/resnet20_sharp.json
    # shellcheck disable=SC2068
    ours "$kit/bin/paco" verify --device "$device" $@
}

# No result either way: exit code 75.
differing_files() {
    local code
    cd "$kit/golden" || return
    ours "$kit/bin/paco" verify --device "$device" "${DIFFERING[@]}"
    code=$?
    case "$code" in
        0) note "expected to differ (cuDNN's fp16 gradients of weights), and does not" ;;
        1) note "differs, as expected of fp16 gradients of weights (cuDNN's, and PyTorch's on a GPU); counted as neither" ;;
        *) return "$code" ;;
    esac
    return 75
}

# A training step in float32 and one in fp16 under NVIDIA's checker; what it saw until its time was over counts.
sanitize() { # tool
    local code
    cd "$kit/golden" || return
    ours timeout -k 2 $((limit - 4)) "$(on_path compute-sanitizer)" --tool "$1" --error-exitcode 9 --print-limit 20 \
        "$kit/bin/paco" verify --device "$device" loss/tiny.json step/resnet20.json step/resnet20_fp16.json 2>&1 |
        tee "$state/$1.seen"
    code=${PIPESTATUS[0]}
    [ "$code" = 124 ] || return "$code"
    ! grep -qE '^=+ (Error|Warning|Invalid|Program hit)' "$state/$1.seen" || return 9
    note "nothing seen in $((limit - 4)) s, which were not enough for all of it"
}

# Of a model only the format stays.
make_tiny() {
    local tiny=() i
    read -ra tiny <<<"$TINY"
    for ((i = 0; i + 1 < ${#model[@]}; i++)); do
        case "${model[i]}" in --amp|--math) tiny+=("${model[@]:i:2}") ;; esac
    done
    model=("${tiny[@]}") repeats=(--inner 2 --repeats 2)
}

# Sets repeats and model from "OPTIONS -- MODEL"; tiny ones for a stand-in.
split_words() {
    repeats=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do repeats+=("$1"); shift; done
    shift
    model=("$@")
    [ -z "$stand_in" ] || make_tiny
}

# Every batch for itself: one that does not fit stops none. About as many images between two waits.
bench_batches() { # batch... -- model
    local batch code=0 batches
    split_words "$@"
    batches=("${repeats[@]}")
    [ -z "$stand_in" ] || batches=(4)
    for batch in "${batches[@]}"; do
        ours "$kit/bin/paco" bench step "${model[@]}" --batch "$batch" --device "$device" --untimed 1 \
            --inner $((stand_in ? 1 : 1 + 320 / batch)) --repeats $((stand_in ? 1 : 5)) || code=$?
    done
    return $code
}

# The times of the kinds of steps, what they move and compute, and their share of the peak.
profile() {
    split_words "$@"
    ours "$kit/bin/paco" bench step "${model[@]}" --device "$device" --untimed 1 --repeats 2 --profile >/dev/null
}

# Times first, since a profile slows the queue; then where the time goes.
bench_both() {
    ours "$kit/bin/paco" bench step "${model[@]}" --device "$device" --untimed 1 "${repeats[@]}" || return
    ours "$kit/bin/paco" bench step "${model[@]}" --device "$device" --untimed 1 --repeats 2 --profile >/dev/null
}

bench_step() {
    split_words "$@"
    rm -f "$state"/cache/openpaco/tuning-*
    bench_both
}

bench_tuned() {
    split_words "$@"
    ours "$kit/bin/paco" tune step "${model[@]}" --device "$device" || return
    bench_both
}

yardstick() { # options of the yardstick -- model
    local options=() modes=()
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    split_words "$@"
    [ "$torch_device" = cuda ] || modes=(--modes "fp32,bf16")
    [ -z "$stand_in" ] || options=(--batches 4 --inner 2 --repeats 2)
    TORCHINDUCTOR_CACHE_DIR=$state/cache/inductor "$python" "$kit/gpu_yardstick.py" --device "$torch_device" \
        "${options[@]}" "${modes[@]}" "${model[@]}"
}

# A network learns: CIFAR-10-LT, ResNet-32, a few epochs of the preset. As a stand-in, two steps.
real_run() {
    local from=$data code words tiny=()
    [ -z "$stand_in" ] || tiny=(--arch resnet20 --batch 4 --queue 64 --stop-after 2)
    if [[ "$data" = *.tar.xz ]]; then
        mkdir -p "$state/data"
        tar -xJf "$data" -C "$state/data" || return 1
        from=$state/data/cifar10_lt/cifar10_lt_train.txt
    fi
    from=$(dirname "$from") words=()
    [ ! -e "$from/cifar10_lt_train.txt" ] || words=(--dataset list --lt-factor 1
        --train-list "$from/cifar10_lt_train.txt" --test-list "$from/cifar10_test.txt")
    rm -rf "$state/run"
    ours "$kit/bin/paco" train --preset cifar10_lt_100 "${words[@]}" --data "$from" --device "$device" --amp fp16 \
        --epochs 10 --warmup 1 --schedule cosine --eval-every 0 --save-every 0 "${tiny[@]}" --out "$state/run" 2>&1 |
        tee "$state/real-run.seen"
    code=${PIPESTATUS[0]}
    rm -rf "$state/run" "$state/data"
    [ "$code" = 0 ] || [ "$code${stand_in:+ }" = "75 " ] || return 1
    note "$(grep 'top-1' "$state/real-run.seen" | tail -1 | sed 's/^paco: *//')"
}

ceilings() { "$python" "$kit/gpu_yardstick.py" --device "$torch_device" --ceilings; }

# ------------------------------------------------------------------------------------ reports

# Sets name, limit, needs, command from a row, and what the stage runs on: backend, and its device.
read_row() {
    IFS='|' read -r name limit needs command <<<"$1"
    name=${name// /} limit=$((limit * ${stand_in:+10*}1)) command=${command# }
    read -r needs <<<"$needs"
    backend=${needs%% *} device=
    [ -z "$backend" ] || device=${devices[$backend]:-}
}

# What a result of this row says of where it was found.
place() { echo "${device:--}${device:+${stand_in:+ (stand-in)}}"; }

ascii() { LC_ALL=C tr -cd '\t\n\040-\176'; }
json_lines() { ascii | sed 's/\\/\\\\/g; s/"/\\"/g'; } # what stands between tabs can go into JSON strings

results_of() { grep -sE '^\{.*\}$' "$state/$1.log"; }
facts_of() { sed '/^== /,$d' "$state/facts.log" 2>/dev/null | grep -s $'\t'; }

# Stages that ran or were skipped now: "name<TAB>status<TAB>seconds<TAB>limit<TAB>place<TAB>reason".
records() {
    local row
    for row in "${STAGES[@]}"; do
        read_row "$row"
        if [ -e "$state/$name.record" ]; then cat "$state/$name.record"
        elif [ -n "${skipped[$name]:-}" ]; then printf '%s\tskipped\t0\t%s\t%s\t%s\n' "$name" "$limit" "$(place)" "${skipped[$name]}"
        fi
    done
}

write_json() {
    local name status seconds limit on reason before=
    printf '{\n"devices": {"cuda": "%s", "opencl": "%s"}, "stand_in": %s,\n"facts": [' "${devices[cuda]}" "${devices[opencl]}" \
        "$([ -n "$stand_in" ] && echo true || echo false)"
    facts_of | json_lines | awk -F '\t' '{ printf("%s\n  [\"%s\", \"%s\"]", before, $1, $2); before = "," }'
    printf '\n],\n"stages": ['
    while IFS=$'\t' read -r name status seconds limit on reason; do
        printf '%s\n  {"name": "%s", "device": "%s", "status": "%s", "seconds": %s, "limit": %s, "reason": "%s", "results": [%s]}' \
            "$before" "$name" "$on" "$status" "$seconds" "$limit" "$reason" "$(results_of "$name" | ascii | paste -sd,)"
        before=,
    done < <(records | json_lines)
    printf '\n]\n}\n'
}

# ms and images/s of every model on everything, how they stand to PyTorch's best with strict float32 and to PyTorch as it
# runs without being compiled, in the same format.
speeds() {
    local stage status seconds limit on reason
    records | while IFS=$'\t' read -r stage status seconds limit on reason; do
        results_of "$stage" | sed "s/^/$stage\t$on\t/"
    done | awk -F '\t' '
        function text(key) {
            return match($3, "\"" key "\": \"[^\"]*\"") ? substr($3, RSTART + length(key) + 5, RLENGTH - length(key) - 6) : ""
        }
        function number(key) {
            return match($3, "\"" key "\": [-0-9.e+]+") ? substr($3, RSTART + length(key) + 4, RLENGTH - length(key) - 4) + 0 : ""
        }
        function ratio(least) { return least > 0 && ms[j] > 0 ? sprintf("%.3f", least / ms[j]) : "-" }
        text("what") == "ceiling" {
            unit = number("gb_per_s") ? "GB/s" : "TFLOP/s"
            ceilings = ceilings sprintf("%-34s %10s %s\n", text("name"), number("gb_per_s") number("tflops"), unit)
        }
        text("what") == "step" {
            n++
            model[n] = sprintf("%s, batch %d, %d", text("arch"), number("batch"), number("size"))
            torch = text("program") == "pytorch"
            mode[n] = torch ? text("mode") : text("amp") ~ /16/ ? text("amp") : text("math") == "tf32" ? "tf32" : "fp32"
            how = torch ? text("compile") : $1 ~ /^tuned/ ? "tuned" : ""
            who[n] = (torch ? "PyTorch" : "paco " substr($2, 1, index($2 ":", ":") - 1)) " " mode[n] (how != "" ? ", " how : "")
            ms[n] = number("ms_median"); speed[n] = number("images_per_s")
            mib[n] = number("device_mib"); if (mib[n] == "") mib[n] = number("peak_mib")
            if (!torch || how != "") next
            sub("-nchw", "", mode[n])
            at = model[n] SUBSEP mode[n]
            if (!(at in eager) || ms[n] < eager[at]) eager[at] = ms[n]
        }
        END {
            if (n) printf "%-31s %-32s %9s %9s %7s %7s %7s\n", "step: network, images, size", "", "ms", "images/s", "MiB", "speed", "eager"
            for (i = 1; i <= n; i++) if (!(model[i] in shown)) {
                shown[model[i]] = 1
                for (j = i; j <= n; j++) if (model[j] == model[i])
                    printf "%-31s %-32s %9.2f %9.1f %7.0f %7s %7s\n", model[j], who[j], ms[j], speed[j], mib[j],
                        ratio(eager[model[j], "fp32"]), ratio(eager[model[j], mode[j]])
            }
            if (n) print "speed 1 is PyTorch in strict float32, eager 1 is PyTorch as it is, not compiled, in the same format;" \
                " on OpenCL paco computes in float32, whatever it stores"
            printf "%s", ceilings
        }'
}

# What each kind of step takes.
profiles() {
    local row
    for row in "${STAGES[@]}"; do
        read_row "$row"
        [[ "$name" = profile-* && -s "$state/$name.log" ]] || continue
        printf '\n== kinds of step: %s\n' "${command#profile -- }"
        sed -n '/^peak measured/,/^$/p' "$state/$name.log"
    done
}

write_txt() {
    local name status seconds limit on reason
    echo "openpaco, check of a GPU machine, $(date -u +%Y-%m-%d); kit of $(sed -n 's/^commit //p' "$kit/KIT")"
    [ -z "$stand_in" ] || echo "A STAND-IN FOR A GPU, tiny sizes: no figure below says anything of a GPU."
    echo "CUDA: ${devices[cuda]:-none: ${why_none[cuda]}}"
    echo "OpenCL: ${devices[opencl]:-none: ${why_none[opencl]}}"
    facts_of | awk -F '\t' '/^(processor|system|GPU|nvcc|OpenCL driver|CUDA folders|PyTorch|PyTorch.s GPU)\t/ { printf "%-16s %s\n", $1, $2 }'
    printf '\n%-20s %-8s %8s %6s  %s\n' stage status seconds limit reason
    records | while IFS=$'\t' read -r name status seconds limit on reason; do
        printf '%-20s %-8s %8s %6s  %.150s\n' "$name" "$status" "$seconds" "$limit" "$reason"
    done
    records | awk -F '\t' '{ n[$2]++ }
        END { printf "%d passed, %d failed, %d skipped, %d noted\n\n", n["passed"], n["failed"], n["skipped"], n["noted"] }'
    speeds
    profiles
}

write_log() {
    local row log
    for row in "${STAGES[@]}"; do
        read_row "$row"
        log="$state/$name.log"
        [ -e "$log" ] || continue
        printf '======== %s: %s\n' "$name" "$command"
        if [ "$(wc -c <"$log")" -le 600000 ]; then cat "$log"
        else head -c 300000 "$log"; printf '\n[...]\n'; tail -c 300000 "$log"; fi
    done
}

# Each whole at any time: this may be stopped from outside.
write_reports() {
    local kind
    for kind in json txt log; do
        write_$kind >"$state/report"
        mv "$state/report" "$out/gpu_check.$kind"
    done
    [ ! -s "$state/device.json" ] || cp "$state/device.json" "$out/device.json"
}

# ------------------------------------------------------------------------------------ running

record() { # status, seconds, reason
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$1" "$2" "$limit" "$(place)" "$3" >"$state/$name.record"
    printf '%-20s %-8s %6s s  %s\n' "$name" "$1" "$2" "$3"
}

skip() { # reason
    skipped[$name]=$1
    printf '%-20s skipped           %s\n' "$name" "$1"
}

# Runs a command in a process group of its own, which is ended after some seconds: then 124.
limited() { # seconds, command...
    local seconds=$1 guard code started=$SECONDS
    shift
    set -m
    "$@" &
    running=$!
    { sleep "$seconds"; kill -TERM -- -$running; sleep 5; kill -KILL -- -$running; } >/dev/null 2>&1 &
    guard=$!
    set +m
    wait $running 2>/dev/null
    code=$?
    kill -TERM -- -$guard 2>/dev/null
    wait $guard 2>/dev/null
    [ "$code" -lt 128 ] || kill -KILL -- -$running 2>/dev/null
    running=
    [ "$code" -lt 128 ] || [ $((SECONDS - started)) -lt "$seconds" ] || code=124
    return $code
}

# What says best why a stage failed: its first error, else its last words.
reason_of() { # log
    { grep -m1 'paco: error' "$1" || grep -m1 -E 'FAIL|rror:' "$1" || grep -v '^ *$' "$1" | tail -1; } | ascii | tr -d '\n' | tr '\t' ' ' | sed 's/^ *//'
}

run_stage() {
    local why left allowed code started=$SECONDS words last
    [ ! -e "$state/$name.record" ] || { echo "$name: ran before, $(cut -f2 "$state/$name.record")"; return; }
    find_unmet "$needs"
    [ -z "$why" ] || { skip "$why"; return; }
    left=$((overall - SECONDS))
    [ "$left" -ge 5 ] || { skip "the $overall s of --limit are over: call again"; return; }
    allowed=$((limit < left ? limit : left))
    read -ra words <<<"$command"
    rm -f "$state/$name.note"
    limited "$allowed" "${words[@]}" >"$state/$name.log" 2>&1 </dev/null
    code=$?
    last=$(reason_of "$state/$name.log")
    if [ $code = 0 ]; then
        record passed $((SECONDS - started)) "$(cat "$state/$name.note" 2>/dev/null)"
    elif [ $code = 75 ] && [ -e "$state/$name.note" ]; then
        record noted $((SECONDS - started)) "$(cat "$state/$name.note")"
    elif [ $code = 124 ] && [ "$allowed" -lt "$limit" ]; then
        skip "cut off by the $overall s of --limit: call again"
    elif [ $code = 124 ]; then
        record failed $((SECONDS - started)) "longer than $limit s: $last"
    else
        record failed $((SECONDS - started)) "exit code $code: $last"
    fi
    write_reports
}

list_stages() {
    local row
    for row in "${STAGES[@]}"; do
        read_row "$row"
        printf '%-20s %4s s  %-14s %s\n' "$name" "$limit" "$needs" "$command"
    done
}

usage() { echo "gpu_check.sh: $*" >&2; exit 2; }

declare -A skipped=() known=() devices=() why_none=()
wanted=auto wanted_data='' stand_in='' again='' only='' overall=400 out="${OUT:-$kit/results}" state="$kit/state"
while [ $# -gt 0 ]; do
    case "$1" in
        --list) list_stages; exit 0 ;;
        --only) only=",${2:?--only needs stages},"; shift 2 ;;
        --again) again=1; shift ;;
        --limit) overall="${2:?--limit needs seconds}"; shift 2 ;;
        --out) out="${2:?--out needs a folder}"; shift 2 ;;
        --state) state="${2:?--state needs a folder}"; shift 2 ;;
        --device) wanted="${2:?--device needs a name}"; shift 2 ;;
        --data) wanted_data="${2:?--data needs a folder}"; shift 2 ;;
        --stand-in) stand_in=1; shift ;;
        *) usage "unknown option '$1'" ;;
    esac
done
[[ "$wanted" =~ ^(auto|(cuda|opencl):[0-9]+)$ ]] || usage "--device $wanted: neither cuda:N nor opencl:N"
[[ "$overall" =~ ^[0-9]+$ ]] || usage "--limit $overall: not a number of seconds"
[ -x "$kit/bin/paco" ] || usage "no kit in $kit: tools/gpu_pack.sh makes one"
for row in "${STAGES[@]}"; do read_row "$row"; known[$name]=1; done
for name in ${only//,/ }; do [ -n "${known[$name]:-}" ] || usage "no stage '$name': --list shows them"; done
mkdir -p "$state/cache" "$out" || usage "no place for results: --out, --state"

running='' driver_folder='' cuda_path='' simulated='' python='' torch_device='' why_no_torch='' data=''
stopped() {
    [ -z "$running" ] || kill -TERM -- "-$running" 2>/dev/null
    write_reports
    exit 1
}
trap stopped INT TERM HUP

choose_python
find_libraries
find_drivers
find_cuda_libraries
ask_devices
choose_device cuda CUDA
choose_device opencl OpenCL
devices[torch]=torch
# What was found on another device, or as a stand-in, is no result of this one.
for row in "${STAGES[@]}"; do
    read_row "$row"
    [ -z "$device" ] || [ ! -e "$state/$name.record" ] || [ "$(cut -f5 "$state/$name.record")" = "$(place)" ] ||
        rm -f "$state/$name".*
done
echo "openpaco on ${devices[cuda]:-no CUDA GPU (${why_none[cuda]})} and ${devices[opencl]:-no OpenCL GPU (${why_none[opencl]})}\
${stand_in:+, a stand-in for a GPU}"

for row in "${STAGES[@]}"; do
    read_row "$row"
    [ -z "$only" ] || [[ "$only" = *",$name,"* ]] || continue
    [ -z "$again" ] || rm -f "$state/$name".*
    run_stage
done
write_reports
echo
cat "$out/gpu_check.txt"
echo "reports: $out/gpu_check.txt, gpu_check.json, gpu_check.log"
records | awk -F '\t' '
    $2 == "failed" { failed = 1 }
    $2 ~ /passed|noted/ && $5 ~ /^(cuda|opencl):/ { gpu = 1 }
    END { exit failed ? 1 : gpu ? 0 : 77 }'
