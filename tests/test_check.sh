#!/usr/bin/env bash
# What tools/check.sh says of skips: every reason once with its tests, whole ones and parts, before ctest's closing lines;
# and of a Debian 13 that cannot be made here.
set -u
. "$(dirname "$0")/material.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
cat >log <<'LOG'
9/12 Testing: test_gemm
9/12 Test: test_gemm
Output:
skipped: no OpenCL device
Test Passed.
10/12 Testing: test_eval
skipped: no python3-torch
skipped: no OpenCL device
skipped: no python3-torch
warning: skipped: an image is no reason
11/12 Testing: test_plan
skipped: no OpenCL device
12/12 Testing: test_silent
LOG
cat >closing <<'OUT'
100% tests passed, 0 tests failed out of 12

The following tests did not run:
	  9 - test_gemm (Skipped)
OUT
{
    cat <<'OUT'
1/4 Test  #9: test_gemm ........................***Skipped   0.02 sec
2/4 Test #10: test_eval ........................   Passed    0.02 sec
3/4 Test #11: test_plan ........................***Skipped   0.02 sec
4/4 Test #12: test_silent ......................***Skipped   0.02 sec
OUT
    cat closing
} >out
cat >wanted <<'OUT'
skipped: 3 of 12 tests, and parts of 1
  no OpenCL device: test_gemm, test_eval (a part), test_plan
  no python3-torch: test_eval (a part)
  it does not say why: test_silent
OUT
awk -v log_file=log -f "$tests/../tools/skip_reasons.awk" out >seen
diff <(cat wanted closing) seen || exit 1
# Without a skip it says so.
printf '1/1 Testing: test_a\n' >log
printf '1/1 Test #1: test_a ...   Passed    0.02 sec\n100%% tests passed, 0 tests failed out of 1\n' >out
awk -v log_file=log -f "$tests/../tools/skip_reasons.awk" out >seen
grep -qx 'skipped: 0 of 1 tests, and parts of 0' seen && [ "$(tail -1 seen)" = "$(tail -1 out)" ] || exit 1
# A machine that lacks what makes a Debian 13 skips it, wherever it keeps the sources of its packages.
mkdir bin
printf '#!/bin/sh\nexit 1\n' >bin/debootstrap
chmod +x bin/debootstrap
PATH=$folder/bin:$PATH "$tests/../tools/debian13_check.sh" >seen 2>&1
code=$?
[ $code = 77 ] && grep -q '^skipped: Debian 13: ' seen || { echo "FAIL: debian13_check.sh: exit $code"; cat seen; exit 1; }
