#!/usr/bin/env bash
# Runs the fuzzers one after another: tools/fuzz.sh BUILD SECONDS [NAME...]. Findings end in BUILD/findings; exit code 1
# where there are any, or where a fuzzer did not run. How to build them: tests/fuzz/CMakeLists.txt.
. "$(dirname "$0")/help.sh"
set -euo pipefail
build=$1 seconds=$2
shift 2
fuzz=$(cd "$(dirname "$0")/.." && pwd)/tests/fuzz
names=${*:-zip pickle legacy tar safetensors list coco cifar image report}
failed=0
mkdir -p "$build/findings"
for name in $names; do
  corpus=$build/corpus/$name log=$build/fuzz_$name.log dict=$fuzz/checkpoint.dict
  [ ! -f "$fuzz/$name.dict" ] || dict=$fuzz/$name.dict
  mkdir -p "$corpus"
  code=0
  nice "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
    -dict="$dict" -artifact_prefix="$build/findings/$name-" -print_final_stats=1 \
    "$corpus" "$fuzz/seeds/$name" >"$log" 2>&1 || code=$?
  grep -E '^stat::number_of_exec|DONE' "$log" | sed "s/^/$name: /" || true
  [ $code -eq 0 ] && continue
  failed=1
  echo "$name: the fuzzer ended with exit code $code; $log ends with" >&2
  tail -n 40 "$log" >&2
done
if [ -n "$(ls "$build/findings")" ]; then
  failed=1
  echo "findings in $build/findings:" >&2
  ls "$build/findings" >&2
fi
exit $failed
