#!/usr/bin/env bash
# The check of a machine with a GPU that has no network. Runs in the folder that tools/gpu_pack.sh made, without a package
# manager: facts of the machine, operator tests, golden files, tuning and speeds on an OpenCL GPU, PyTorch's speeds.
#     ./gpu_check.sh [--list] [--only STAGE,...] [--again] [--limit SECONDS] [--out FOLDER] [--device opencl:N] [--stand-in]
# --list shows the stages. A stage that ran is not run again, also by a later call: --again does. One that fails or takes
# longer than its limit stops nothing; one whose needs are missing is skipped and says why. After --limit seconds (400) no
# more is started; call again to go on. --stand-in takes a processor for a GPU, with tiny sizes and
# ten times the limits (processors compile slowly): it tries the kit itself.
# Drivers: OpenCL's as installed, and NVIDIA's library where no .icd file names it; PyTorch: a python3 that has torch
# (PYTHON). The folder --out ($OUT, else results/ beside this) gets gpu_check.txt, gpu_check.json and gpu_check.log; what
# was found so far lies in state/ beside this (--state FOLDER). Changes nothing else on the machine.
# Exit codes: 0 a stage on the GPU ran and nothing failed, 1 something failed, 2 usage, 77 no stage on a GPU.
set -uo pipefail

kit=$(cd "$(dirname "$0")" && pwd)

# name | limit in seconds | needs (gpu: an OpenCL device that is one; torch: PyTorch on one) | command of this script.
# What decides most comes first. Of step, tuned and pytorch the words after -- are for the program.
STAGES=(
    "facts           | 60 |       | facts"
    "backend         | 40 | gpu   | device_test test_backend"
    "golden-few      | 60 | gpu   | golden_files loss/* step/resnet20.json step/resnet18.json"
    "step-resnet50   | 60 | gpu   | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32"
    "step-resnet50-fp16 | 60 | gpu | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp fp16"
    "step-resnet50-bf16 | 60 | gpu | bench_step --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp bf16"
    "torch-resnet50  | 110 | torch | yardstick -- --arch resnet50 --batch 32"
    "step-resnet32   | 30 | gpu   | bench_step --inner 10 --repeats 5 -- --arch resnet32 --batch 128 --classes 10 --dim 32 --queue 1024"
    "torch-resnet32  | 40 | torch | yardstick -- --arch resnet32 --batch 128 --classes 10 --dim 32 --queue 1024"
    "ops             | 90 | gpu   | device_test test_ops"
    "gemm            | 45 | gpu   | device_test test_gemm"
    "conv            | 60 | gpu   | device_test test_conv"
    "conv-16         | 60 | gpu   | device_test test_conv_stored"
    "tuned-resnet50  | 90 | gpu   | bench_tuned --inner 5 --repeats 5 -- --arch resnet50 --batch 32"
    "tuned-resnet50-fp16 | 90 | gpu | bench_tuned --inner 5 --repeats 5 -- --arch resnet50 --batch 32 --amp fp16"
    "ceilings        | 30 | torch | ceilings"
    "step-resnet50-128  | 60 | gpu   | bench_step --inner 2 --repeats 3 -- --arch resnet50 --batch 128"
    "torch-resnet50-128 | 110 | torch | yardstick --inner 3 -- --arch resnet50 --batch 128"
    "golden-all      | 90 | gpu   | golden_files loss/* step/*"
    "step-resnet32-fp16 | 30 | gpu | bench_step --inner 10 --repeats 5 -- --arch resnet32 --batch 128 --classes 10 --dim 32 --queue 1024 --amp fp16"
    "step-resnext50  | 60 | gpu   | bench_step --inner 3 --repeats 3 -- --arch resnext50_32x4d --batch 32"
    "torch-resnext50 | 70 | torch | yardstick -- --arch resnext50_32x4d --batch 32"
    "parity          | 90 | gpu   | device_test test_parity"
)
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

find_nvidia_library() {
    local folder name IFS=:
    # shellcheck disable=SC2206 # its folders, one by one
    local folders=(${LD_LIBRARY_PATH:-} /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib
        /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/wsl/lib /usr/lib/nvidia /usr/local/cuda/compat)
    for name in libnvidia-opencl.so.1 'libnvidia-opencl.so.*'; do
        for folder in "${folders[@]}"; do
            # shellcheck disable=SC2086
            compgen -G "$folder/$name" | head -1 | grep . && return
        done
    done
    timeout 20 find /usr /opt /run /var/lib /home -name 'libnvidia-opencl.so.*' -print -quit 2>/dev/null
}

# Runs a program of the kit with the kit's libraries, and last the folder of a driver that the loader does not know.
ours() {
    LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}${driver_folder:+:$driver_folder}" \
        OCL_ICD_VENDORS="$icds/" XDG_CACHE_HOME="$state/cache" "$@"
}

# The kit's libraries, with its C++ runtime only where this machine has none or an older one: drivers use the machine's.
find_libraries() {
    local needed
    libraries="$kit/lib"
    needed=$(LD_LIBRARY_PATH=$libraries ldd "$kit"/lib/*.so* 2>&1)
    ! grep -qE 'lib(stdc\+\+|gcc_s)\.so.*not found' <<<"$needed" || libraries="$libraries:$kit/lib/runtime"
}

# name<TAB>kind of every OpenCL device; kind: gpu, processor, accelerator, or "unusable: why".
list_devices() {
    awk '/^[^ ]/ { if (name) print name "\t" kind; name = ""; kind = "gpu" }
         /^opencl:[0-9]+ / { name = $1 }
         /^    unusable / { sub(/^ *unusable */, ""); kind = "unusable: " $0 }
         /^    capabilities / { for (i = 2; i <= NF; i++) if (kind == "gpu" && $i ~ /^(processor|accelerator),?$/) {
             kind = $i; sub(",", "", kind) } }
         END { if (name) print name "\t" kind }' "$state/devices.txt"
}

# Sets device, or why_no_gpu.
choose_device() {
    local name kind seen=
    device='' why_no_gpu=''
    ours timeout -k 5 60 "$kit/bin/paco" devices >"$state/devices.txt" 2>&1 ||
        { why_no_gpu="paco devices: exit code $?: $(tail -1 "$state/devices.txt")"; return; }
    while IFS=$'\t' read -r name kind; do
        seen="$seen${seen:+, }$name ($kind)"
        [ "$wanted" = auto ] || [ "$wanted" = "$name" ] || continue
        case "$kind" in
            gpu) ;;
            unusable*) continue ;;
            *) [ -n "$stand_in" ] || continue ;;
        esac
        device=$name
        return
    done < <(list_devices)
    why_no_gpu="no OpenCL GPU"
    [ "$wanted" = auto ] || why_no_gpu="$wanted is no OpenCL GPU"
    why_no_gpu="$why_no_gpu; ${seen:-$(sed -n 's/^opencl  absent: /OpenCL is absent: /p' "$state/devices.txt")}"
}

# Sets python: the first that has torch, else the first at all.
choose_python() {
    local candidate first=
    for candidate in "${PYTHON:-}" python3 /opt/*/.venv/bin/python3 /opt/*/bin/python3 /usr/local/bin/python3 /usr/bin/python3; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
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

# Sets why: the reason why a stage with such needs cannot run.
find_unmet() { # needs
    why=
    case "$1" in
        gpu) [ -n "$device" ] || why=$why_no_gpu ;;
        torch) choose_torch; [ -n "$torch_device" ] || why=$why_no_torch ;;
    esac
}

# ------------------------------------------------------------------------------------ stages

fact() { printf '%s\t%s\n' "$1" "$2"; }
each() { while IFS= read -r line; do fact "$1" "$line"; done; }
on_path() { command -v "$1" || ls "/usr/local/nvidia/bin/$1" "/usr/local/cuda/bin/$1" 2>/dev/null | head -1; }

cuda_libraries() {
    local name folder folders=(/usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib /usr/lib/x86_64-linux-gnu /usr/lib64)
    [ -z "$python" ] || mapfile -t -O ${#folders[@]} folders < <("$python" -c 'import glob, sysconfig
for f in glob.glob(sysconfig.get_paths()["purelib"] + "/nvidia/*/lib"): print(f)' 2>/dev/null)
    for name in libcuda libcudart libcublasLt libcudnn libcudnn_graph libnccl libnvrtc; do
        for folder in "${folders[@]}"; do
            # shellcheck disable=SC2086
            compgen -G "$folder/$name.so.*" | while read -r file; do realpath "$file"; done
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
    each device <"$state/devices.txt"
    fact "OpenCL device" "${device:-none: $why_no_gpu}"
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

device_test() { # test
    ours env PACO_TEST_DEVICE="$device" ${stand_in:+PACO_TEST_TINY=1} "$kit/bin/$1"
}

golden_files() { # file...
    [ -z "$stand_in" ] || set -- loss/tiny.json step/resnet20_sharp.json
    # shellcheck disable=SC2068
    cd "$kit/golden" && ours "$kit/bin/paco" verify --device "$device" $@
}

# Sets repeats and model from "OPTIONS -- MODEL"; tiny ones for a stand-in.
split_words() {
    repeats=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do repeats+=("$1"); shift; done
    shift
    model=("$@")
    [ -z "$stand_in" ] || { read -ra model <<<"$TINY"; repeats=(--inner 2 --repeats 2); }
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

yardstick() {
    split_words "$@"
    local modes=fp32,fp32-nchw,tf32,fp16,bf16
    [ "$torch_device" = cuda ] || modes=fp32,fp32-nchw,bf16
    "$python" "$kit/gpu_yardstick.py" --device "$torch_device" --modes $modes "${repeats[@]}" "${model[@]}"
}

ceilings() { "$python" "$kit/gpu_yardstick.py" --device "$torch_device" --ceilings; }

# ------------------------------------------------------------------------------------ reports

# Sets name, limit, needs, command from a row.
read_row() {
    IFS='|' read -r name limit needs command <<<"$1"
    name=${name// /} limit=$((limit * ${stand_in:+10*}1)) needs=${needs// /} command=${command# }
}

ascii() { LC_ALL=C tr -cd '\t\n\040-\176'; }
json_lines() { ascii | sed 's/\\/\\\\/g; s/"/\\"/g'; } # what stands between tabs can go into JSON strings

results_of() { grep -sE '^\{.*\}$' "$state/$1.log"; }
facts_of() { sed '/^== /,$d' "$state/facts.log" 2>/dev/null | grep -s $'\t'; }

# Stages that ran or were skipped now: "name<TAB>status<TAB>seconds<TAB>limit<TAB>reason".
records() {
    local row
    for row in "${STAGES[@]}"; do
        read_row "$row"
        if [ -e "$state/$name.record" ]; then cat "$state/$name.record"
        elif [ -n "${skipped[$name]:-}" ]; then printf '%s\tskipped\t0\t%s\t%s\n' "$name" "$limit" "${skipped[$name]}"
        fi
    done
}

write_json() {
    local name status seconds limit reason before=
    printf '{\n"device": "%s", "stand_in": %s,\n"facts": [' "$device" "$([ -n "$stand_in" ] && echo true || echo false)"
    facts_of | json_lines | awk -F '\t' '{ printf("%s\n  [\"%s\", \"%s\"]", before, $1, $2); before = "," }'
    printf '\n],\n"stages": ['
    while IFS=$'\t' read -r name status seconds limit reason; do
        printf '%s\n  {"name": "%s", "status": "%s", "seconds": %s, "limit": %s, "reason": "%s", "results": [%s]}' "$before" \
            "$name" "$status" "$seconds" "$limit" "$reason" "$(results_of "$name" | ascii | paste -sd,)"
        before=,
    done < <(records | json_lines)
    printf '\n]\n}\n'
}

# ms and images/s of every model on everything, and how they stand to PyTorch's best with strict float32.
speeds() {
    local name rest
    records | while IFS=$'\t' read -r name rest; do results_of "$name" | sed "s/^/$name\t/"; done | awk -F '\t' '
        function text(key) {
            return match($2, "\"" key "\": \"[^\"]*\"") ? substr($2, RSTART + length(key) + 5, RLENGTH - length(key) - 6) : ""
        }
        function number(key) {
            return match($2, "\"" key "\": [-0-9.e+]+") ? substr($2, RSTART + length(key) + 4, RLENGTH - length(key) - 4) + 0 : ""
        }
        text("what") == "ceiling" {
            unit = number("gb_per_s") ? "GB/s" : "TFLOP/s"
            ceilings = ceilings sprintf("%-34s %10s %s\n", text("name"), number("gb_per_s") number("tflops"), unit)
        }
        text("what") == "step" {
            n++
            model[n] = sprintf("%s, batch %d, %d", text("arch"), number("batch"), number("size"))
            who[n] = text("program") == "pytorch" ? "PyTorch " text("mode") : "paco" (text("amp") ~ /16/ ? " " text("amp") : "") ($1 ~ /^tuned/ ? ", tuned" : "")
            ms[n] = number("ms_median"); speed[n] = number("images_per_s")
            mib[n] = number("device_mib"); if (mib[n] == "") mib[n] = number("peak_mib")
            if (who[n] ~ /^PyTorch fp32/ && (!(model[n] in best) || ms[n] < best[model[n]])) best[model[n]] = ms[n]
        }
        END {
            if (n) printf "%-34s %-18s %10s %10s %9s %9s\n", "step: network, images, size", "", "ms", "images/s", "MiB", "speed"
            for (i = 1; i <= n; i++) if (!(model[i] in shown)) {
                shown[model[i]] = 1
                for (j = i; j <= n; j++) if (model[j] == model[i]) {
                    ratio = model[j] in best && ms[j] > 0 ? sprintf("%.3f", best[model[j]] / ms[j]) : "-"
                    printf "%-34s %-18s %10.2f %10.1f %9.0f %9s\n", model[j], who[j], ms[j], speed[j], mib[j], ratio
                }
            }
            if (n) print "speed 1 is PyTorch in strict float32, the better of both memory layouts; paco computes in float32, whatever it stores"
            printf "%s", ceilings
        }'
}

write_txt() {
    local name status seconds limit reason
    echo "openpaco, check of a GPU machine, $(date -u +%Y-%m-%d); kit of $(sed -n 's/^commit //p' "$kit/KIT")"
    [ -z "$stand_in" ] || echo "A STAND-IN FOR A GPU, tiny sizes: no figure below says anything of a GPU."
    echo "device: ${device:-none: $why_no_gpu}"
    facts_of | awk -F '\t' '/^(processor|system|GPU|nvcc|OpenCL driver|PyTorch|PyTorch.s GPU)\t/ { printf "%-16s %s\n", $1, $2 }'
    printf '\n%-20s %-8s %8s %6s  %s\n' stage status seconds limit reason
    records | while IFS=$'\t' read -r name status seconds limit reason; do
        printf '%-20s %-8s %8s %6s  %.150s\n' "$name" "$status" "$seconds" "$limit" "$reason"
    done
    records | awk -F '\t' '{ n[$2]++ } END { printf "%d passed, %d failed, %d skipped\n\n", n["passed"], n["failed"], n["skipped"] }'
    speeds
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
}

# ------------------------------------------------------------------------------------ running

record() { # status, seconds, reason
    printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$1" "$2" "$limit" "$3" >"$state/$name.record"
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
    limited "$allowed" "${words[@]}" >"$state/$name.log" 2>&1 </dev/null
    code=$?
    last=$(reason_of "$state/$name.log")
    if [ $code = 0 ]; then
        record passed $((SECONDS - started)) ""
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
        printf '%-20s %4s s  %-6s %s\n' "$name" "$limit" "$needs" "$command"
    done
}

usage() { echo "gpu_check.sh: $*" >&2; exit 2; }

wanted=auto stand_in='' again='' only='' overall=400 out="${OUT:-$kit/results}" state="$kit/state"
while [ $# -gt 0 ]; do
    case "$1" in
        --list) list_stages; exit 0 ;;
        --only) only=",${2:?--only needs stages},"; shift 2 ;;
        --again) again=1; shift ;;
        --limit) overall="${2:?--limit needs seconds}"; shift 2 ;;
        --out) out="${2:?--out needs a folder}"; shift 2 ;;
        --state) state="${2:?--state needs a folder}"; shift 2 ;;
        --device) wanted="${2:?--device needs a name}"; shift 2 ;;
        --stand-in) stand_in=1; shift ;;
        *) usage "unknown option '$1'" ;;
    esac
done
[[ "$overall" =~ ^[0-9]+$ ]] || usage "--limit $overall: not a number of seconds"
[ -x "$kit/bin/paco" ] || usage "no kit in $kit: tools/gpu_pack.sh makes one"
declare -A skipped=()
declare -A known=()
for row in "${STAGES[@]}"; do read_row "$row"; known[$name]=1; done
for name in ${only//,/ }; do [ -n "${known[$name]:-}" ] || usage "no stage '$name': --list shows them"; done
mkdir -p "$state/cache" "$out" || usage "no place for results: --out, --state"

running='' driver_folder='' python='' torch_device='' why_no_torch=''
stopped() {
    [ -z "$running" ] || kill -TERM -- "-$running" 2>/dev/null
    write_reports
    exit 1
}
trap stopped INT TERM HUP

find_libraries
find_drivers
choose_device
choose_python
# What was found on another device, or as a stand-in, is no result of this one.
if [ -n "$device" ]; then
    [ "$(cat "$state/device" 2>/dev/null)" = "$device $stand_in" ] || rm -f "$state"/*.record "$state"/*.log
    echo "$device $stand_in" >"$state/device"
fi
echo "openpaco on ${device:-no GPU ($why_no_gpu)}${stand_in:+, a stand-in for a GPU}"

for row in "${STAGES[@]}"; do
    read_row "$row"
    [ -z "$only" ] || [[ "$only" = *",$name,"* ]] || continue
    [ -z "$again" ] || rm -f "$state/$name.record" "$state/$name.log"
    run_stage
done
write_reports
echo
cat "$out/gpu_check.txt"
echo "reports: $out/gpu_check.txt, gpu_check.json, gpu_check.log"
records | awk -F '\t' '
    $2 == "failed" { failed = 1 }
    $2 == "passed" && $1 != "facts" && $1 !~ /^(torch-|ceilings)/ { gpu = 1 }
    END { exit failed ? 1 : gpu ? 0 : 77 }'
