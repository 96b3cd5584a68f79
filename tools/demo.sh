#!/usr/bin/env bash
# The first command of the README: installs what is missing, builds, and trains PaCo and a cross-entropy baseline on
# procedural long-tailed images, the same way, on whatever device there is. About three minutes on two cores.
#     tools/demo.sh [--device NAME] [--epochs N]
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install.sh
echo "building; what the compiler says is in build.log"
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF >build.log 2>&1 || { cat build.log >&2; exit 1; }
cmake --build build -j"$(nproc)" >>build.log 2>&1 || { tail -40 build.log >&2; exit 1; }
exec build/paco demo "$@"
