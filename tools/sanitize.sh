#!/usr/bin/env bash
# Builds with AddressSanitizer and UndefinedBehaviorSanitizer and runs the unit and command-line tests.
#
# Usage: tools/sanitize.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S . -B build/asan -G Ninja --log-level=WARNING "${launcher[@]}" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  "-DQTZ_SANITIZE=address;undefined"
cmake --build build/asan
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir build/asan -j "$(nproc)" --output-on-failure -L '^(unit\.|cli$)' --no-tests=error
