#!/usr/bin/env bash
# The second command of the README: installs what is missing, builds and passes the tests, then those with threads under
# ThreadSanitizer and most of them under AddressSanitizer and UndefinedBehaviorSanitizer.
#     tools/check.sh           what CI runs
#     tools/check.sh --quick   without the sanitizers
#     tools/check.sh --full    every golden file and the long forms of the tests; both commands on Debian 13, where
#                              this machine can make a root of it (tools/debian13_check.sh)
# Before ctest's closing lines it says how many tests, or parts of them, were skipped, and a line for each reason.
. "$(dirname "$0")/help.sh"
set -euo pipefail
cd "$(dirname "$0")/.."

mode="${1:-}"
case "$mode" in
    ""|--quick|--full) ;;
    *) echo "check.sh: unknown option '$mode' (--quick, --full)" >&2; exit 2 ;;
esac
[ "$mode" = --full ] && export PACO_FULL=1
[ -z "${PACO_SHARED:-}" ] || PACO_SHARED=$(realpath -m "$PACO_SHARED") # tests run in other folders
jobs=$(nproc)
tools/install.sh "$([ "$mode" = --full ] && echo full || echo tests)"

build_and_test() { # folder, sanitizers, whether with optional libraries, targets (none: all), further arguments of ctest
    local folder="$1" sanitizers="$2" optional="$3" targets="$4"
    shift 4
    echo "== $folder${sanitizers:+: $sanitizers}"
    cmake -S . -B "$folder" -DCMAKE_BUILD_TYPE=Release -DPACO_SANITIZE="$sanitizers" -DPACO_FORMATS="$optional" \
        -DPACO_TENSORBOARD="$optional" -DPACO_WERROR=ON -DBUILD_TESTING=ON \
        -DPACO_TEST_TIMEOUT="$([ -n "${PACO_FULL:-}" ] && echo 14400 || echo 1200)" \
        >"$folder.log" 2>&1 ||
        { cat "$folder.log" >&2; exit 1; }
    # shellcheck disable=SC2086 # words of a list
    cmake --build "$folder" -j"$jobs" ${targets:+--target $targets} >>"$folder.log" 2>&1 || { tail -40 "$folder.log" >&2; exit 1; }
    # One more than there are cores: many tests wait for a disk or for processes.
    run_ctest "$folder" -j"$((jobs + 1))" "$@" || leak_checker_crashed "$folder" || return 1
}

run_ctest() { # folder, further arguments. Its closing lines come last, behind the reasons of skips.
    local folder="$1" code=0
    shift
    ctest --test-dir "$folder" --output-on-failure "$@" | tee "$folder.tests.log" |
        sed -u '/^[0-9]*% tests passed/,$d' || code=$?
    awk -v log_file="$folder/Testing/Temporary/LastTest.log" -f tools/skip_reasons.awk "$folder.tests.log"
    return $code
}

# The leak checker itself can crash at a program's end, where threads of a driver come and go: those tests run again.
leak_checker_crashed() { # folder
    grep -q 'LeakSanitizer has encountered a fatal error' "$1/Testing/Temporary/LastTest.log" || return 1
    echo "== the leak checker crashed (its own error, seen above): what failed runs once more"
    run_ctest "$1" --rerun-failed
}

# First without sanitizers: the driver's compiler runs inside the program, under sanitizers for twice as long, and keeps what
# it has compiled.
build_and_test build "" ON ""
[ "$mode" != --full ] || tools/debian13_check.sh || [ $? = 77 ]
if [ "$mode" != --quick ]; then
    export ASAN_OPTIONS="${ASAN_OPTIONS:-allocator_may_return_null=1:detect_stack_use_after_return=1}"
    export LSAN_OPTIONS="${LSAN_OPTIONS:-suppressions=$PWD/tests/lsan.supp:print_suppressions=0}"
    # Also without the libraries that are optional.
    build_and_test build-tsan thread OFF "paco test_loader test_datacheck test_image_decode image_sums" \
        -R 'loader|datacheck|image_(decode|formats)|tensorboard'
    build_and_test build-asan address,undefined ON ""
fi
