#!/bin/bash
# Runs every kernel under the simulator oclgrind on small odd shapes, with the kernels of CPUs and of GPUs:
# out-of-bounds accesses and data races, then uninitialised values. Minutes to an hour.
#   tools/oclgrind_check.sh [BUILD FOLDER] [FAMILY...]
# Families: gemm conv bn pool rows loss elementwise shortcut images; all of them where none is named. A family of fewer
# than 20 cases, or a pattern of names that no test has, is a failure: nothing was checked.
. "$(dirname "$0")/help.sh"
build=$(cd "${1:-build}" && pwd) || exit 2
families=("${@:2}")
[ ${#families[@]} -gt 0 ] || families=(gemm conv bn pool rows loss elementwise shortcut images)
if ! command -v oclgrind > /dev/null; then
    echo "skipped: no oclgrind here. On Debian and Ubuntu: apt install oclgrind"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PACO_BACKENDS=$build PACO_TEST_TINY=1
status=0 cases=0 least=20

# The operators of a family, as patterns of the names of tests of test_ops.
operators() {
    case $1 in
        bn) echo 'bn*' ;;
        pool) echo '*_pool*' ;;
        rows) echo 'l2norm* linear_grad_weight count_correct take_rank store_rank unshuffle queue_push' ;;
        loss) echo '*_loss' ;;
        elementwise) echo 'relu* add grad_sum grad_check sgd scale_update ema' ;;
        shortcut) echo 'shortcut*' ;;
        images) echo 'images' ;;
        *) echo "oclgrind_check.sh: no family '$1'" >&2; exit 2 ;;
    esac
}

# One run: name of the check, kernels, what to call it, test, options of oclgrind. Any report is a failure. Leaves the
# number of cases in `cases`.
run() {
    local log=$work/log
    XDG_CACHE_HOME=$work/$1 PACO_TEST_KERNELS=$2 oclgrind "${@:5}" sh -c \
        "LD_PRELOAD=$build/tests/liboclgrind_fill.so:\$LD_PRELOAD exec $build/tests/$4" > "$log" 2>&1
    local result=$?
    cases=$(sed -n 's/^[a-z0-9_]* *\([0-9]*\) cases,.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    if [ $result -eq 0 ] && ! grep -qE "Invalid|Uninitialized|race|FATAL|ERROR" "$log"; then
        echo "clean: $1, $2 kernels, $3: $cases cases"
    else
        echo "NOT CLEAN: $1, $2 kernels, $3"
        head -40 "$log"
        status=1
    fi
    [ "$cases" -gt 0 ] || { echo "NO CASES: $1, $2 kernels, $3"; status=1; }
}

both() { # kernels, what to call it, test
    run bounds-and-races "$@" --data-races --check-api
    # Unoptimised: the check does not know every instruction the optimiser makes.
    run uninitialised "$@" --uninitialized --build-options -O0
}

set -f # patterns are for the tests
for kernels in cpu gpu; do
    for family in "${families[@]}"; do
        sum=0
        case $family in
            gemm | conv)
                both $kernels "$family" "test_$family"
                sum=$cases ;;
            *)
                patterns=$(operators "$family") || exit 2
                for pattern in $patterns; do
                    PACO_TEST_ONLY="test_$pattern" both $kernels "$family ($pattern)" test_ops
                    sum=$((sum + cases))
                done ;;
        esac
        echo "$family, $kernels kernels: $sum cases in all"
        [ "$sum" -ge $least ] ||
            { echo "TOO FEW: $family, $kernels kernels: $sum cases, at least $least are wanted"; status=1; }
    done
done
exit $status
