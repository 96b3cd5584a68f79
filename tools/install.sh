#!/usr/bin/env bash
# Installs what building, running and testing need on Debian or Ubuntu; elsewhere says what to install.
# Does nothing where all is there. `install.sh tests` adds what only the tests need, `install.sh full` what their long
# forms need.
. "$(dirname "$0")/help.sh"
set -euo pipefail

packages=(gcc cmake make zlib1g-dev libjpeg-dev libpng-dev libwebp-dev libgif-dev libtiff-dev
          libprotobuf-c-dev protobuf-c-compiler opencl-headers ocl-icd-opencl-dev pocl-opencl-icd libclblast-dev)
case "${1:-}" in
    tests|full) packages+=(libcmocka-dev xz-utils strace libopenmpi-dev openmpi-bin libmpich-dev mpich procps iproute2) ;;
esac
[ "${1:-}" = full ] && packages+=(python3-venv python3-pandas slurmctld slurmd slurm-client munge)

if ! command -v apt-get >/dev/null; then
    cat >&2 <<'TEXT'
This is neither Debian nor Ubuntu. Please install with your package manager, then run this again with
OPENPACO_NO_INSTALL=1: a C11 compiler, cmake 3.20 or newer, make, zlib, libjpeg-turbo, libpng, the OpenCL headers and
ICD loader, an OpenCL driver (PoCL runs on any processor), CLBlast; for the tests cmocka and xz.
TEXT
    [ -n "${OPENPACO_NO_INSTALL:-}" ] && exit 0
    exit 1
fi

missing=()
for package in "${packages[@]}"; do
    # libjpeg-dev may be provided by another package: ask for what provides it too.
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

run=()
[ "$(id -u)" -eq 0 ] || run=(sudo)
if [ "${#run[@]}" -gt 0 ] && ! command -v sudo >/dev/null; then
    echo "These packages are missing and there is no sudo. As root: apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "installing: ${missing[*]}"
"${run[@]}" apt-get update -qq
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
