#!/usr/bin/env bash
# Runs the fuzzers one after another: tools/fuzz.sh BUILD SECONDS [NAME...]. Findings end in BUILD/findings.
set -eu
build=$1 seconds=$2
shift 2
source=$(cd "$(dirname "$0")/.." && pwd)
names=${*:-zip pickle legacy tar safetensors list}
mkdir -p "$build/findings"
for name in $names; do
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  nice "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
    -dict="$source/tests/fuzz/checkpoint.dict" -artifact_prefix="$build/findings/$name-" -print_final_stats=1 \
    "$corpus" "$source/tests/fuzz/seeds/$name" 2>&1 | grep -E '^stat::number_of_exec|ERROR|SUMMARY|DONE' | sed "s/^/$name: /"
done
ls "$build/findings"
