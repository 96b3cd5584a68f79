#!/bin/bash
# The kernels in work-groups, forced on whatever device there is: the same tests as the device's own kernels.
tests=$(dirname "$1")/tests
status=0
for test in test_gemm test_conv test_conv_stored; do
    PACO_TEST_KERNELS=gpu "$tests/$test"
    result=$?
    [ $result -eq 77 ] && exit 77
    [ $result -ne 0 ] && status=1
done
exit $status
