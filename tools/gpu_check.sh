#!/usr/bin/env bash
# The check of a machine with a GPU that has no network. Runs in the folder that tools/gpu_pack.sh made, without a package
# manager: facts of the machine, device tests, golden files and speeds of CUDA and of OpenCL on its GPU, PyTorch's speeds.
#     ./gpu_check.sh [--list] [--only STAGE,...] [--again] [--limit SECONDS] [--out FOLDER] [--device cuda:N|opencl:N]
#                    [--data FOLDER] [--stand-in]
# --list shows the stages. A stage that ran is not run again, also by a later call: --again does. One that fails or takes
# longer than its limit stops nothing; one whose needs are missing is skipped and says why. After --limit seconds (400) no
# more is started; call again to go on, with --limit 225 where a call has 4 minutes. --device: this device alone, without
# stages of the other backend; else each has its first GPU. --stand-in takes a processor for a GPU, and where the kit was packed
# with it (gpu_pack.sh --simulated) a simulated one for CUDA's, with tiny sizes and ten times the limits (processors compile
# slowly): it tries the kit itself.
# Drivers: OpenCL's as installed, and NVIDIA's library where no .icd file names it; cuDNN and cuBLAS: the toolkit's, else
# those of a python3's packages; PyTorch: a python3 that has torch (PYTHON). The real run is the published recipe for
# CIFAR-10-LT, in pieces: the last of each call. It takes its images from --data, else from data/ in or beside this folder, or
# shared/data/ beside it: CIFAR-10's binary files, or cifar10_lt/ with lists and images, or cifar10_lt.tar.xz of those; where
# there are none it has made-up ones and says so. The folder --out ($OUT, else results/ beside this) gets gpu_check.txt,
# gpu_check.json, gpu_check.log, device.json, the GPU as cuDNN describes it, and run_metrics.csv and run_report.json of the
# real run; what was found so far lies in state/ beside this (--state FOLDER). Changes nothing else on the machine.
# Exit codes: 0 a stage on the GPU ran and nothing failed, 1 something failed, 2 usage, 77 no stage on a GPU.
. "$(dirname "$0")/help.sh"
set -uo pipefail

kit=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/gpu_check_reports.sh
. "$kit/gpu_check_reports.sh"

# name | limit in seconds | needs | command of this script. The first need is what the stage runs on (cuda, opencl: a GPU of
# that backend; torch: PyTorch on one); more: the other backend, sanitizer, nccl; and how it runs: `beside` the row before it,
# where programs wait for a processor most of the time and measure nothing; in `pieces`, each with what is left of a call and
# going on where the last one ended. What decides most comes first: the limits up to the real run fit one call of 400 s and one
# of 225. A stage begins where half of its limit is left. Words after -- are for the program.
CIFAR="--classes 10 --dim 32 --queue 1024"
R32="--arch resnet32 --batch 128 $CIFAR"
STAGES=(
    "facts             |  20 |        | facts"
    "device-json       |  10 | cuda   | device_json"
    "cuda-backend      |  75 | cuda   | device_test test_backend"
    "cuda-gemm         |  75 | cuda beside | device_test test_gemm"
    "cuda-conv         |  75 | cuda beside | device_test test_conv"
    "cuda-ops          |  75 | cuda beside | device_test test_ops"
    "cuda-golden       |  75 | cuda beside | golden_files loss/* step/*"
    "cuda-parity       |  75 | cuda beside | device_test test_parity resnet20_one_rank"
    "cuda-opencl       |  75 | cuda opencl beside | parity_with_opencl"
    "cuda-conv-16      |  75 | cuda beside | device_test test_conv_stored"
    "memcheck          |  60 | cuda sanitizer | sanitize memcheck"
    "racecheck         |  60 | cuda sanitizer beside | sanitize racecheck"
    "ceilings          |  15 | torch  | ceilings"
    "profile-r50-fp16  |  12 | cuda   | profile -- --arch resnet50 --batch 128 --amp fp16"
    "profile-r50-fp32  |  12 | cuda   | profile -- --arch resnet50 --batch 32"
    "graphs-on         |  12 | cuda   | bench_graphs"
    "graphs-off        |  12 | cuda   | bench_graphs --kernels graphs=off"
    "cuda-r50-16       |  25 | cuda   | bench_batches fp16 bf16 -- --arch resnet50"
    "torch-r50         |  48 | torch  | yardstick --batches 128,32,256 --modes fp16,bf16,tf32,fp32 -- --arch resnet50"
    "compile-r50-fp16  |  40 | torch  | yardstick --batches 128 --modes fp16 --compile default -- --arch resnet50"
    "cuda-r50-32       |  27 | cuda   | bench_batches tf32 fp32 -- --arch resnet50"
    "cuda-x50-16       |  25 | cuda   | bench_batches fp16 bf16 -- --arch resnext50_32x4d"
    "torch-x50         |  48 | torch  | yardstick --batches 128,32,256 --modes fp16,bf16,tf32,fp32 -- --arch resnext50_32x4d"
    "compile-x50-fp16  |  40 | torch  | yardstick --batches 128 --modes fp16 --compile default -- --arch resnext50_32x4d"
    "cuda-x50-32       |  27 | cuda   | bench_batches tf32 fp32 -- --arch resnext50_32x4d"
    "nccl-one          |  12 | cuda nccl | group_test test_group one_process"
    "nccl-two          |  12 | cuda nccl beside | group_test test_group two_processes"
    "nccl-staged       |  12 | cuda nccl | group_times test_group"
    "idle              |  70 | cuda   | idle"
    "real-run          |  20 | cuda pieces | real_run"
    "cuda-resnet32     |  20 | cuda   | bench_step --inner 50 --repeats 5 -- $R32"
    "torch-resnet32    |  40 | torch  | yardstick --batches 128 -- --arch resnet32 $CIFAR"
    "profile-x50-fp16  |  20 | cuda   | profile -- --arch resnext50_32x4d --batch 128 --amp fp16"
    "compile-r50-fp16-32 | 110 | torch | yardstick --batches 32 --modes fp16 --compile reduce-overhead -- --arch resnet50"
    "compile-x50-fp16-32 | 110 | torch | yardstick --batches 32 --modes fp16 --compile reduce-overhead -- --arch resnext50_32x4d"
    "compile-r50-256   | 110 | torch  | yardstick --batches 256 --modes fp16 --compile default -- --arch resnet50"
    "backend           |  40 | opencl | device_test test_backend"
    "golden-few        |  60 | opencl | golden_files loss/* step/resnet20.json step/resnet18.json"
    "step-resnet50     |  60 | opencl | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32"
    "step-resnet50-fp16 | 60 | opencl | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp fp16"
    "step-resnet32     |  30 | opencl | bench_step --inner 10 --repeats 5 -- $R32"
    "ops               |  90 | opencl | device_test test_ops"
    "gemm              |  45 | opencl | device_test test_gemm"
    "conv              |  60 | opencl | device_test test_conv"
    "conv-16           |  60 | opencl | device_test test_conv_stored"
    "tuned-resnet50    |  90 | opencl | bench_tuned --inner 5 --repeats 5 -- --arch resnet50 --batch 32"
    "tuned-resnet50-fp16 | 90 | opencl | bench_tuned --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp fp16"
    "step-resnet50-bf16 | 60 | opencl | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp bf16"
    "step-resnet50-128 |  60 | opencl | bench_step --inner 2 --repeats 3 -- --arch resnet50 --batch 128"
    "golden-all        |  90 | opencl | golden_files loss/* step/*"
    "step-resnet32-fp16 | 30 | opencl | bench_step --inner 10 --repeats 5 -- $R32 --amp fp16"
    "step-resnext50    |  60 | opencl | bench_step --inner 3 --repeats 3 -- --arch resnext50_32x4d --batch 32"
    "parity            |  90 | opencl | device_test test_parity"
)
GPU_FACTS=name,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.max.memory,power.limit,pcie.link.gen.max,ecc.mode.current
TINY="--arch resnet20 --batch 4 --size 16 --classes 10 --dim 16 --queue 32"

# ------------------------------------------------------------------------------------ rows

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

golden_files() { # file...
    cd "$kit/golden" || return
    [ -z "$stand_in" ] || set -- loss/tiny.json step/resnet20_sharp.json
    # shellcheck disable=SC2068
    ours "$kit/bin/paco" verify --device "$device" $@
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

# Every batch in every format for itself: one that does not fit stops none. About as many images between two waits.
bench_batches() { # format... -- model
    local batch format code=0 batches=(128 32 256) formats=() how=()
    while [ "$1" != -- ]; do formats+=("$1"); shift; done
    split_words "$@"
    [ -z "$stand_in" ] || { batches=(4) formats=("${formats[0]}"); }
    for batch in "${batches[@]}"; do
        for format in "${formats[@]}"; do
            case "$format" in
                fp32) how=() ;;
                tf32) how=(--math tf32) ;;
                *) how=(--amp "$format") ;;
            esac
            ours "$kit/bin/paco" bench step "${model[@]}" "${how[@]}" --batch "$batch" --device "$device" --untimed 1 \
                --inner $((stand_in ? 1 : 1 + 320 / batch)) --repeats $((stand_in ? 1 : 3)) || code=$?
        done
    done
    return $code
}

# What launches cost: a network of many small ones, as the real run has it, and a ResNet-50 that 16 bits make short.
bench_graphs() { # [options]
    local words code=0 models=("$R32" "--arch resnet50 --batch 32 --amp fp16")
    [ -z "$stand_in" ] || models=("$TINY")
    for words in "${models[@]}"; do
        # shellcheck disable=SC2086
        ours "$kit/bin/paco" bench step $words "$@" --device "$device" --untimed 1 --inner $((stand_in ? 1 : 20)) \
            --repeats $((stand_in ? 1 : 3)) || code=$?
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

# Sets run, its folder, and recipe, the words of the published one with the images there are: those of CIFAR-10 (find_data),
# else made-up ones, which say nothing of its accuracy. A stand-in has a network and images of the smallest size.
set_recipe() {
    local from
    run=$state/real-run.$device${stand_in:+.stand-in}
    find_data
    recipe=(--preset cifar10_lt_100) images="CIFAR-10-LT" from=$data
    if [[ "$data" = *.tar.xz ]]; then
        [ -e "$state/data/cifar10_lt" ] || { mkdir -p "$state/data" && tar -xJf "$data" -C "$state/data"; } || return
        from=$state/data/cifar10_lt/cifar10_lt_train.txt
    fi
    from=$(dirname "$from")
    if [ -z "$data" ]; then recipe+=(--dataset synthetic --lt-factor 1) images="MADE-UP IMAGES, not CIFAR-10"
    elif [ -e "$from/cifar10_lt_train.txt" ]; then recipe+=(--dataset list --lt-factor 1 --data "$from"
        --train-list "$from/cifar10_lt_train.txt" --test-list "$from/cifar10_test.txt") images="CIFAR-10-LT as JPEGs"
    else recipe+=(--data "$from"); fi
    [ -z "$stand_in" ] || recipe+=(--arch resnet20 --size 16 --batch 4 --queue 32 --epochs 4 --warmup 1)
}

# Trains on for so many seconds, from the newest checkpoint: exit code 0 at the end of the run, 75 before. In the foreground: else
# timeout asks twice, and the second time ends a run without a checkpoint.
train_on() { # seconds [options]
    local seconds=$1
    shift
    ours timeout --foreground --preserve-status -k 15 "$seconds" "$kit/bin/paco" train "${recipe[@]}" --device "$device" \
        --out "$run" --resume auto "$@"
}

# Of metrics.csv the newest row with accuracies, the best top-1 and all seconds, as members of JSON.
newest() {
    awk -F, '
        function put(key, value) { printf "%s\"%s\": %s", before, key, value == "" ? "null" : value; before = ", " }
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { seconds += $at["seconds"] }
        $at["top1"] != "" { row = $0; if ($at["top1"] > best) best = $at["top1"] }
        END {
            split(row, field, ",")
            split("epoch top1 many medium few loss test_loss", keys, " ")
            for (i = 1; i in keys; i++) put(keys[i], field[at[keys[i]]])
            put("best_top1", best); put("train_seconds", seconds)
        }' "$run/metrics.csv"
}

# ms of a training step of so many images, over all epochs but the first.
step_in_training() { # images
    awk -F, -v batch="$1" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        NR > 2 && $at["images_per_second"] { seconds += $at["seconds"]; images += $at["seconds"] * $at["images_per_second"] }
        END { if (images) printf "%.3f", 1000 * batch * seconds / images }' "$run/metrics.csv"
}

# A network learns: the published recipe for CIFAR-10-LT as it is, ResNet-32 for 400 epochs, in as many calls as it takes.
real_run() {
    local code found
    set_recipe || return 1
    train_on $((allowed - 10))
    code=$?
    [ "$code" = 0 ] || [ "$code" = 75 ] || return 1
    for found in report.json metrics.csv; do [ ! -e "$run/$found" ] || cp "$run/$found" "$state/run_$found"; done
    [ -e "$run/metrics.csv" ] || { echo "no epoch yet: call again" >"$state/$name.more"; return 75; }
    found="{\"what\": \"run\", \"recipe\": \"${recipe[1]}\", \"images\": \"$images\", \"device\": \"$device\", $(newest)}"
    echo "$found"
    found="$images, epoch $(figure epoch <<<"$found"): $(accuracies <<<"$found")"
    if [ "$code" = 0 ]; then note "$found"; else echo "$found; call again to go on" >"$state/$name.more"; fi
    return "$code"
}

# How much of a training minute the GPU has nothing to do, said twice: as the part of a step of the real run that the same
# step takes no time in where nothing but the device is waited for (paco bench, many steps to one wait, the same graphs), and
# as nvidia-smi samples it, whose figure also counts evaluation and checkpoints. The minute is one of the real run.
idle() {
    local found alone step sampler='' busy='' code tool
    set_recipe || return 1
    found=$(ours "$kit/bin/paco" bench step --preset "${recipe[1]}" --classes 10 ${stand_in:+$TINY} --device "$device" \
        --untimed 1 --inner $((stand_in ? 1 : 50)) --repeats $((stand_in ? 1 : 5))) || return 1
    echo "$found"
    alone=$(figure ms_median <<<"$found")
    tool=$(on_path nvidia-smi)
    if [ -n "$tool" ]; then
        "$tool" -i "${device#*:}" --query-gpu=utilization.gpu --format=csv,noheader,nounits -l 1 >"$state/$name.busy" &
        sampler=$!
    fi
    train_on $((allowed - 15 < 60 ? allowed - 15 : 60)) ${stand_in:+--stop-after 5}
    code=$?
    [ -z "$sampler" ] || kill "$sampler" 2>/dev/null
    [ "$code" = 0 ] || [ "$code" = 75 ] || return 1
    step=$(step_in_training $((stand_in ? 4 : 128)))
    [ -n "$step" ] || { echo "error: not two epochs in this time"; return 1; }
    # What comes before the first step is not training: ten seconds and more.
    [ -z "$sampler" ] || busy=$(awk '$1 ~ /^[0-9]+$/ && ++n > 10 { sum += $1 }
        END { if (n > 20) printf "%.1f", sum / (n - 10) }' "$state/$name.busy")
    found=$(awk -v alone="$alone" -v step="$step" 'BEGIN { printf "%.1f", 100 * (1 - alone / step) }')
    printf '{"what": "idle", "idle_percent": %s, "step_ms": %s, "device_ms": %s, "busy_percent": %s}\n' \
        "$found" "$step" "$alone" "${busy:-null}"
    note "$found % by steps ($step ms in training, $alone by themselves)${busy:+; nvidia-smi: busy $busy %}"
}

ceilings() { "$python" "$kit/gpu_yardstick.py" --device "$torch_device" --ceilings; }

# ------------------------------------------------------------------------------------ running

# What is so for good (record) or until the next call (call).
put() { # record|call, status, seconds, reason
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$2" "$3" "$limit" "$(place)" "$4" >"$state/$name.$1"
    printf '%-20s %-8s %6s s  %s\n' "$name" "$2" "$3" "$4"
}
record() { put record "$@"; } # status, seconds, reason
skip() { put call skipped 0 "$1"; } # reason

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
    [ $((2 * left)) -ge "$limit" ] && [ "$left" -ge 5 ] ||
        { skip "up to $limit s, and $left of the $overall s of --limit are left: call again"; return; }
    allowed=$((limit < left ? limit : left))
    [[ "$needs" != *pieces* ]] || allowed=$left
    read -ra words <<<"$command"
    rm -f "$state/$name".{note,more}
    limited "$allowed" "${words[@]}" >"$state/$name.log" 2>&1 </dev/null
    code=$?
    last=$(reason_of "$state/$name.log")
    if [ $code = 0 ]; then
        record passed $((SECONDS - started)) "$(cat "$state/$name.note" 2>/dev/null)"
    elif [ $code = 75 ] && [ -e "$state/$name.note" ]; then
        record noted $((SECONDS - started)) "$(cat "$state/$name.note")"
    elif [ $code = 75 ] && [ -e "$state/$name.more" ]; then
        put call begun $((SECONDS - started)) "$(cat "$state/$name.more")"
    elif [ $code = 124 ] && [ "$allowed" -lt "$limit" ]; then
        skip "cut off by the $overall s of --limit: call again"
    elif [ $code = 124 ]; then
        record failed $((SECONDS - started)) "longer than $limit s: $last"
    else
        record failed $((SECONDS - started)) "exit code $code: $last"
    fi
}

# A row by itself, or all of those that run beside each other.
run_rows() { # row...
    local row
    [ $# -gt 0 ] || return 0
    if [ $# = 1 ]; then
        read_row "$1"
        run_stage
    else
        for row in "$@"; do
            read_row "$row"
            ( trap stop_running INT TERM HUP; run_stage ) &
            together+=($!)
        done
        wait "${together[@]}"
        together=()
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

declare -A known=() devices=() why_none=()
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

rm -f "$state"/*.call
together=() running='' driver_folder='' cuda_path='' simulated='' python='' torch_device='' why_no_torch='' data=''
stop_running() {
    [ -z "$running" ] || kill -TERM -- "-$running" 2>/dev/null
    exit 1
}
stopped() {
    [ ${#together[@]} = 0 ] || { kill -TERM "${together[@]}" 2>/dev/null; wait "${together[@]}"; }
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
        rm -rf "$state/$name".*
done
echo "openpaco on ${devices[cuda]:-no CUDA GPU (${why_none[cuda]})} and ${devices[opencl]:-no OpenCL GPU (${why_none[opencl]})}\
${stand_in:+, a stand-in for a GPU}"

rows=()
for row in "${STAGES[@]}"; do
    read_row "$row"
    [ -z "$only" ] || [[ "$only" = *",$name,"* ]] || continue
    [ -z "$again" ] || rm -rf "$state/$name".*
    [[ "$needs" = *beside* ]] || { run_rows "${rows[@]}"; rows=(); }
    rows+=("$row")
done
run_rows "${rows[@]}"
echo
cat "$out/gpu_check.txt"
echo "reports: $out/gpu_check.txt, gpu_check.json, gpu_check.log"
records | awk -F '\t' '
    $2 == "failed" { failed = 1 }
    $2 ~ /passed|noted|begun/ && $5 ~ /^(cuda|opencl):/ { gpu = 1 }
    END { exit failed ? 1 : gpu ? 0 : 77 }'
