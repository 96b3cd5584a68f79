#!/bin/bash
# The stored image cases again, with the plain kernels.
PACO_SIMD=plain exec "$(dirname "$1")/tests/test_image_cases"
