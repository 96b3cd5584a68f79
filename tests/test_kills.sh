#!/usr/bin/env bash
# Chains of lives: a run is killed with SIGKILL at a random moment and resumed, again and again, until one completes.
# In every chain what is left equals what a run leaves that was never killed: weights, manifest, links, reports, and
# metrics.csv but for times. PACO_FULL=1 runs 1,000 chains (tests/test_store_truth.c kills at each operation).
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/tiny_data.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tiny_data "$paco" "$folder/data" || { echo "FAIL: no images"; exit 1; }
chains=4
[ "${PACO_FULL:-0}" = 1 ] && chains=1000
[ -z "${PACO_CHAINS:-}" ] || chains=$PACO_CHAINS
RANDOM=${PACO_SEED:-1}
cd "$folder" || exit 1
# Others than those of testing, so that the best is by them.
tail -n +15 data/train.txt >data/val.txt
command=("$paco" train "${tiny_options[@]}" --val-list "$folder/data/val.txt" --epochs 8 --keep 2 --save-steps 4 --threads 2 --out run --resume auto)

# described FOLDER: names, links, sums and records of a run's folder, without times.
described() {
    (cd "$1" && ls | grep -v '^lock$' && readlink last.pth.tar best.pth.tar &&
        sha256sum -- *.pth.tar manifest.json classes.csv confusion.csv &&
        cut -d, -f1-12,17- metrics.csv && numbers report.json)
}

mkdir never && (cd never && "${command[@]}" >/dev/null 2>&1) || { echo "FAIL: the run"; exit 1; }
described never/run >expected.txt
head -1 never/run/metrics.csv | grep -q 'few,images_per_second,data_seconds,seconds,eval_seconds,val_loss,' ||
    { echo "FAIL: other columns: $(head -1 never/run/metrics.csv)"; exit 1; }

failed=0 kills=0
for ((chain = 0; chain < chains; chain++)); do
    rm -rf chain && mkdir chain && cd chain || exit 1
    for ((life = 0; life < 200; life++)); do
        "${command[@]}" >/dev/null 2>said &
        pid=$!
        # Later lives get longer, so that a chain ends.
        (sleep "$(printf '%d.%03d' $((life / 10)) $((100 + RANDOM % 700)))" && kill -KILL $pid) 2>/dev/null &
        wait $pid 2>/dev/null
        status=$?
        kill %2 2>/dev/null
        wait 2>/dev/null
        [ $status = 137 ] || break
        kills=$((kills + 1))
    done
    [ $status = 0 ] || { echo "FAIL: chain $chain: exit $status"; tail -3 said; failed=1; }
    described run >../have.txt 2>&1
    cd ..
    if ! cmp -s expected.txt have.txt; then
        echo "FAIL: chain $chain, $life kills:"
        diff expected.txt have.txt | head -20
        failed=1
        [ $chains -gt 100 ] || cp -r chain "failed-$chain"
    fi
done
echo "$chains chains, $kills kills"
exit $failed
