#!/usr/bin/env bash
# Both commands of the README on Debian 13 (gcc 14, PoCL 6, LLVM 19), in a root made by debootstrap; then a build with
# clang. Needs root, debootstrap and a mirror of Debian's packages (MIRROR, else the one that apt uses here); says so
# with `skipped: REASON` and exit code 77 where one is missing.
#     tools/debian13_check.sh [FOLDER]     FOLDER: where the root goes and stays (by default a temporary one)
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { echo "skipped: Debian 13: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "no debootstrap"
# One of the two places that hold apt's sources is usually missing.
mirror=${MIRROR:-$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
    sed -nE 's/^(deb|URIs:) (.* )?(https?:[^ ]+\/debian)\/?( .*)?$/\3/p' | head -1)}
[ -n "$mirror" ] || skip "no mirror (MIRROR=...)"

root=${1:-$(mktemp -d)}
keep=${1:-}
mounts=()
finish() {
    local i
    for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount "${mounts[$i]}"; done
    [ -n "$keep" ] || rm -rf --one-file-system "$root"
}
trap finish EXIT
mkdir -p "$root"
[ -x "$root/usr/bin/apt-get" ] || debootstrap --variant=minbase trixie "$root" "$mirror" >"$root/made.log" 2>&1 ||
    { tail -3 "$root/made.log"; skip "debootstrap failed"; }
mount_in() { # type, source, folder
    mount ${1:+-t "$1"} ${4:-} "$2" "$root/$3" 2>/dev/null || skip "cannot mount $3"
    mounts+=("$root/$3")
}
mount_in proc proc proc
mount_in sysfs sys sys
mount_in "" /dev dev --bind
mount_in "" /dev/pts dev/pts --bind
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
rm -rf "$root/root/openpaco"
git clone -q . "$root/root/openpaco"
proxies=()
for name in http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || proxies+=("$name=${!name}")
done
chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    ${proxies[@]+"${proxies[@]}"} bash -euc '
    cd /root/openpaco
    apt-get update -qq
    apt-get install -y -qq git clang dpkg-dev file >/dev/null
    time tools/demo.sh
    time tools/check.sh
    cmake -S . -B build-clang -DCMAKE_C_COMPILER=clang -DPACO_WERROR=ON -DPACO_CUDA=OFF -DBUILD_TESTING=ON >build-clang.log
    cmake --build build-clang -j"$(nproc)" >>build-clang.log 2>&1 || { tail -20 build-clang.log; exit 1; }
    gcc --version | head -1
    clang --version | head -1'
