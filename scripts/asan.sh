#!/bin/bash
# Builds the tests with AddressSanitizer and UndefinedBehaviorSanitizer and runs them; the first
# finding stops its test program. Further arguments go to ctest.
#
#   scripts/asan.sh [-R ir]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
jobs=$(nproc)
cmake --preset asan
cmake --build --preset asan -j "$jobs"
export ASAN_OPTIONS=halt_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
ctest --preset asan -j "$jobs" --no-tests=error --no-label-summary "$@"
