#!/usr/bin/env bash
# Building and installing, in folders of its own: without cmocka, in a path with spaces, with gcc and with clang, warnings
# being errors; the commit that the program tells; one copy of src/base in a process; an installation that is moved, one
# that is taken away, and a Debian package, each run. PACO_FULL=1: clang builds the tests too, and those of src/base pass.
set -u
paco=$1
source=${PACO_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
[ -e "$(dirname "$paco")/libpaco_opencl.so" ] || { echo "skipped: no OpenCL to build with"; exit 77; }
unset PACO_BACKENDS DESTDIR CC CFLAGS LDFLAGS LD_LIBRARY_PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree="$work/a path/of sources"
build="$work/a path/build folder"
failed=0

fail() {
    echo "FAIL: $1"
    [ $# -lt 2 ] || tail -20 "$2"
    failed=1
}

# must WHAT COMMAND...: a command that all the rest needs; what it prints is in log.
must() {
    local what=$1
    shift
    "$@" >"$work/log" 2>&1 || { fail "$what: exit $?" "$work/log"; exit 1; }
}

# have COMMAND: false, and the line of a skip, where the machine lacks it.
have() {
    command -v "$1" >/dev/null || { echo "skipped: no $1"; return 1; }
}

# builds FOLDER COMPILER OPTIONS...: configures, builds program and modules. Without optimiser, which takes long.
builds() {
    local folder=$1 compiler=$2
    shift 2
    must "$compiler: configure" cmake -S "$tree" -B "$folder" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug \
        -DPACO_WERROR=ON -DPACO_CUDA=OFF -DPACO_MPI=OFF "$@"
    cp "$work/log" "$work/configured"
    must "$compiler: build" cmake --build "$folder" -j "$(nproc)" --target paco paco_opencl
}

# tells PROGRAM COMMIT WHAT: what --version prints.
tells() {
    env -i PATH="$PATH" HOME="$work" "$1" --version >"$work/version" 2>&1 || fail "$3: --version: exit $?" "$work/version"
    grep -qE "^paco [0-9]+\.[0-9]+\.[0-9]+ \(commit $2\)\$" "$work/version" || fail "$3: no commit $2" "$work/version"
    grep -q "^backend opencl: /.*/libpaco_opencl.so, [0-9]* device" "$work/version" || fail "$3: no module" "$work/version"
}

# commit PATTERN WHAT: builds again; the program tells this commit.
commit() {
    must "build again" cmake --build "$build" --target paco
    tells "$build/paco" "$1" "$2"
}

commit_tree() {
    git -C "$tree" -c user.name=t -c user.email=t@localhost commit -q --allow-empty -m "$1"
}

# trains PROGRAM WHAT: a step of training, and its checkpoint, in an empty environment.
trains() {
    rm -rf "$work/run"
    env -i PATH="$PATH" HOME="$work" "$1" train --preset synthetic --size 8 --batch 8 --queue 16 --epochs 3 --stop-after 1 \
        --device ref --out "$work/run" >"$work/log" 2>&1
    [ $? = 75 ] || fail "$2: no step of training" "$work/log"
    env -i PATH="$PATH" HOME="$work" "$1" inspect "$work/run/last.pth.tar" >"$work/log" 2>&1 || fail "$2: inspect" "$work/log"
}

# functions FILE: all that it defines, by name.
functions() {
    nm --defined-only "$1" | awk 'NF == 3 {print $3}' | sort -u
}

# ---- the sources, as an archive holds them: without repository and build folders

mkdir -p "$tree"
if git -C "$source" rev-parse >/dev/null 2>&1; then
    git -C "$source" ls-files -coz --exclude-standard
else
    (cd "$source" && find . -path './build*' -prune -o -type f -print0)
fi | tar -C "$source" --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -C "$tree" -xf - || fail "copying the sources"

# ---- without cmocka one line says so; the rest is built

builds "$build" gcc -DCMOCKA=OFF
[ "$(grep -c 'no cmocka: the tests are left out' "$work/configured")" = 1 ] || fail "no word of cmocka" "$work/configured"
tells "$build/paco" unknown "an archive"

# ---- the commit follows HEAD, and is not that of a repository around the archive

if have git; then
    git init -q "$work" && git -C "$work" -c user.name=t -c user.email=t@localhost commit -q --allow-empty -m around
    commit unknown "an archive in another repository"
    git init -q "$tree" && git -C "$tree" add CMakeLists.txt && commit_tree first
    commit "$(git -C "$tree" rev-parse --short=12 HEAD)" "a commit"
    commit_tree second
    commit "$(git -C "$tree" rev-parse --short=12 HEAD)" "the commit after it"
    echo >>"$tree/CMakeLists.txt"
    commit "$(git -C "$tree" rev-parse --short=12 HEAD) with changes" "a changed file"
fi
identity=$(sed -n '1s/.*(commit \(.*\))/\1/p' "$work/version")

# ---- status, check and log exist once: neither program nor module defines what libpaco_base does

nm -D --defined-only "$build/libpaco_base.so" | awk 'NF == 3 {print $3}' | sort -u >"$work/base"
for name in status_fail status_text check_failed check_context log_info log_progress; do
    grep -q "^$name\(@\|\$\)" "$work/base" || fail "libpaco_base does not give away $name"
done
for file in "$build/paco" "$build/libpaco_opencl.so"; do
    twice=$(comm -12 "$work/base" <(functions "$file"))
    [ -z "$twice" ] || fail "$(basename "$file") has its own $(head -3 <<<"$twice" | tr '\n' ' ')"
done
[ "$(nm -D --defined-only "$build/libpaco_opencl.so" | awk '{print $3}')" = paco_backend ] || fail "a module shows more than its entry"
# Nothing of a driver may end in libpaco_base because a function there happens to have the same name.
env -i PATH="$PATH" HOME="$work" LD_BIND_NOW=1 LD_DEBUG=bindings "$build/paco" devices 2>&1 >/dev/null |
    sed -n 's/.*binding file \(.*\) \[0\] to \(.*\) \[0\]: normal symbol `\([^'"'"']*\).*/\1|\2|\3/p' >"$work/bindings"
grep -q 'paco|.*libpaco_base.so|status_text$' "$work/bindings" || fail "no bindings seen" "$work/bindings"
grep '|.*/libpaco_base.so|' "$work/bindings" | grep -vE '^[^|]*/(paco|libpaco_[a-z]*\.so)\|' >"$work/foreign" &&
    fail "libraries bound to libpaco_base" "$work/foreign"

# ---- installed, and taken away: nothing is left

must install cmake --install "$build" --prefix "$work/installed"
for file in bin/paco lib/openpaco/libpaco_base.so lib/openpaco/libpaco_opencl.so share/doc/openpaco/LICENSE \
    share/doc/openpaco/README.md share/man/man1/paco.1 share/man/man1/paco-train.1 share/bash-completion/completions/paco \
    share/zsh/vendor-completions/_paco share/fish/vendor_completions.d/paco.fish; do
    [ -f "$work/installed/$file" ] || fail "not installed: $file"
done
touch "$work/installed/bin/other"
must uninstall cmake --build "$build" --target uninstall
left=$(cd "$work/installed" && find . ! -type d -o -name '*paco*')
[ "$left" = ./bin/other ] || fail "after uninstall: $left"
cmake --build "$build" --target uninstall >/dev/null 2>&1 && fail "a second uninstall finds something"

# ---- installed and moved, while what it was built from is elsewhere: also the build folder runs where it is moved to

must install cmake --install "$build" --prefix "$work/installed"
mkdir "$work/moved to"
mv "$work/installed" "$work/moved to/here"
mv "$work/a path" "$work/away"
tells "$work/moved to/here/bin/paco" "$identity" "moved installation"
grep -q "$work/moved to/here/.*/libpaco_opencl.so" "$work/version" || fail "the moved program takes another module" "$work/version"
trains "$work/moved to/here/bin/paco" "moved installation"
tells "$work/away/build folder/paco" "$identity" "moved build folder"
mv "$work/away" "$work/a path"

# ---- a Debian package, unpacked

if have dpkg-shlibdeps && have dpkg && have file; then
    (cd "$build" && cpack -B "$work/package") >"$work/log" 2>&1 || fail "cpack" "$work/log"
    dpkg -I "$work"/package/*.deb >"$work/log" || fail "no package" "$work/log"
    for name in libc6 libjpeg libpng16 zlib1g libopencl; do
        grep -q "^ Depends:.*$name" "$work/log" || fail "the package does not depend on $name" "$work/log"
    done
    dpkg -x "$work"/package/*.deb "$work/root" || fail "dpkg -x"
    tells "$work/root/usr/bin/paco" "$identity" package
    trains "$work/root/usr/bin/paco" package
    [ -f "$work/root/usr/share/doc/openpaco/LICENSE" ] || fail "no licence in the package"
    for file in man/man1/paco-eval.1 bash-completion/completions/paco zsh/vendor-completions/_paco \
        fish/vendor_completions.d/paco.fish; do
        [ -s "$work/root/usr/share/$file" ] || fail "not in the package: $file"
    done
fi

# ---- clang

if have clang; then
    if [ "${PACO_FULL:-0}" = 1 ]; then
        builds "$work/clang" clang -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON
        must "clang: build of the tests" cmake --build "$work/clang" -j "$(nproc)"
        must "clang: tests" ctest --test-dir "$work/clang" -R '^test_(base|json_writer|module|graph_plan|metrics|options)$' \
            --output-on-failure --no-tests=error
    else
        builds "$work/clang" clang -DCMOCKA=OFF
    fi
    tells "$work/clang/paco" "$identity" clang
fi
exit $failed
