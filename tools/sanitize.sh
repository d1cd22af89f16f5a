#!/usr/bin/env bash
# Builds with AddressSanitizer and UndefinedBehaviorSanitizer and runs the unit tests.
#
# Usage: tools/sanitize.sh [--all]
#   --all   also the program's command lines: its behaviour, the bad inputs, the faults
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=unit_tests label='^unit\.'
case "${1:-}" in
  '') ;;
  --all) target=all label='^(unit\.|cli$)' ;;
  *) echo "sanitize.sh: unknown argument '$1' (there is --all)" >&2; exit 2 ;;
esac
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S . -B build/asan -G Ninja --log-level=WARNING "${launcher[@]}" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  "-DQTZ_SANITIZE=address;undefined"
cmake --build build/asan --target "$target"
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir build/asan -j "$(nproc)" --output-on-failure -L "$label" --no-tests=error
