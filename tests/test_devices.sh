#!/bin/bash
# Absent backends: `paco devices` and a run say in one line why, with the right exit code.
paco=$1
[ -x "$paco" ] || { echo "skipped: no program $paco"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
# expect WHAT TEXT FILE: the file holds the text.
expect() {
    if grep -qF "$2" "$3"; then
        echo "ok: $1"
    else
        echo "FAILED: $1: expected \"$2\" in:"
        cat "$3"
        status=1
    fi
}
# The drivers hidden from the loader.
OCL_ICD_VENDORS=$work "$paco" devices > "$work/out" 2>&1 || { echo "FAILED: exit status"; status=1; }
if grep -q "^opencl:0" "$work/out"; then
    echo "no driver could be hidden here"
else
    expect "no platform" "pocl-opencl-icd" "$work/out"
fi
# The module out of reach: a copy of the program alone in a folder.
mkdir "$work/bin"
cp "$paco" "$work/bin/paco"
PACO_BACKENDS= "$work/bin/paco" devices > "$work/out" 2>&1 || { echo "FAILED: exit status"; status=1; }
expect "no module" "no module libpaco_opencl.so" "$work/out"
# A module that is none.
echo "not a library" > "$work/bin/libpaco_opencl.so"
PACO_BACKENDS= "$work/bin/paco" devices > "$work/out" 2>&1 || { echo "FAILED: exit status"; status=1; }
expect "broken module" "opencl  absent:" "$work/out"
# One of another version.
cp "$(dirname "$paco")/tests/libother_contract.so" "$work/bin/libpaco_opencl.so"
PACO_BACKENDS= "$work/bin/paco" bench step --device opencl --arch resnet20 > "$work/out" 2>&1
[ $? = 8 ] && [ "$(wc -l < "$work/out")" = 1 ] || { echo "FAILED: a module of another contract"; status=1; }
expect "another contract" "build both together" "$work/out"
# GPUs that are plugged in and that no driver shows: what to install, once for each vendor, on each family of distributions.
# plug ROOT SLOT VENDOR CLASS; system ROOT LINES: a machine of files.
plug() {
    mkdir -p "$1/sys/bus/pci/devices/$2"
    echo "$3" > "$1/sys/bus/pci/devices/$2/vendor"
    echo "$4" > "$1/sys/bus/pci/devices/$2/class"
}
system() {
    mkdir -p "$1/etc" "$1/sys/bus/pci/devices"
    printf '%s\n' "${@:2}" > "$1/etc/os-release"
}
# advice ROOT: what is said of GPUs.
advice() { PACO_SYSROOT=$1 OCL_ICD_VENDORS=$work "$paco" devices 2> "$work/stderr" | grep '^a GPU of' > "$work/out"; }
# says TEXT...: these are all the lines, each with its text.
says() {
    [ "$(wc -l < "$work/out")" = $# ] || { echo "FAILED: $(wc -l < "$work/out") lines of advice, $# expected:"; cat "$work/out"; status=1; }
    for text; do expect "advice" "$text" "$work/out"; done
}
system "$work/debian" 'PRETTY_NAME="Debian"' 'ID=debian'
plug "$work/debian" 0000:03:00.0 0x1002 0x030000
plug "$work/debian" 0000:05:00.0 0x1002 0x038000
plug "$work/debian" 0000:00:1f.0 0x8086 0x060100 # no GPU
plug "$work/debian" 0000:02:00.0 0x1a03 0x030000 # of nobody that we know
advice "$work/debian"
says "a GPU of AMD is plugged in (0000:03:00.0), but no driver makes it usable here. On Debian: sudo apt install mesa-opencl-icd, then set RUSTICL_ENABLE=radeonsi"
plug "$work/debian" 0000:00:02.0 0x8086 0x030000
plug "$work/debian" 0000:01:00.0 0x10de 0x030200
advice "$work/debian"
says "AMD is plugged in (0000:03:00.0)" "Intel is plugged in (0000:00:02.0), but no driver makes it usable here. On Debian: sudo apt install intel-opencl-icd" \
    "NVIDIA is plugged in (0000:01:00.0), but no driver makes it usable here. On Debian: sudo apt install nvidia-driver nvidia-opencl-icd"
system "$work/debian" 'NAME="Mint"' 'ID=linuxmint' 'ID_LIKE="ubuntu debian"'
advice "$work/debian"
says "AMD" "On Ubuntu: sudo apt install intel-opencl-icd" "sudo ubuntu-drivers install"
system "$work/debian" 'ID="nobara"' "ID_LIKE='rhel centos fedora'"
advice "$work/debian"
says "On Fedora: sudo dnf install rocm-opencl" "sudo dnf install intel-compute-runtime" "dnf install akmod-nvidia xorg-x11-drv-nvidia-cuda"
system "$work/debian" 'ID=nixos'
advice "$work/debian"
says "Install AMD's driver with OpenCL (ICD)" "Install Intel's driver" "Install NVIDIA's driver"
rm "$work/debian/etc/os-release"
advice "$work/debian"
says "Install AMD's driver" "Install Intel's driver" "Install NVIDIA's driver"
system "$work/none" 'ID=debian'
advice "$work/none"
says
rm -r "$work/none/sys"
advice "$work/none"
says
# A run that finds only a processor, or nothing, says it once; one that was told its device does not.
run=("$paco" train --preset synthetic --epochs 1)
said() { grep -c 'paco: a GPU of Intel is plugged in' "$work/out"; }
PACO_SYSROOT=$work/debian OCL_ICD_VENDORS=$work "${run[@]}" > "$work/out" 2>&1
if [ $? = 8 ]; then
    [ "$(said)" = 1 ] || { echo "FAILED: a run without a device says it $(said) times:"; cat "$work/out"; status=1; }
    tail -1 "$work/out" | grep -q '^paco: error: device auto: no usable device' || { echo "FAILED: not the last line"; status=1; }
fi
if PACO_SYSROOT=$work/debian "$paco" devices | grep -q 'capabilities *processor'; then
    for device in auto opencl:0; do
        PACO_SYSROOT=$work/debian timeout 300 "$paco" verify --device $device loss/tiny > "$work/out" 2>&1
        [ $device = auto ] && expected=1 || expected=0
        [ "$(said)" = $expected ] || { echo "FAILED: --device $device says it $(said) times, $expected expected:"; cat "$work/out"; status=1; }
    done
fi
exit $status
