#!/usr/bin/env bash
# Static analysis of the sources: clang-tidy with the checks of .clang-tidy, then cppcheck. Any finding fails.
#
# Usage: tools/analyze.sh [FILE...]     default: every .cpp below src
# The texts of the kernels are analyzed once, in the scalar level; the others are the same texts with wider lanes.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build/clang
bash tools/install-deps.sh build analyze

if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(find src -name '*.cpp' ! -name 'level_*.cpp' -o -name level_scalar.cpp | sort)
fi

# Some headers are made by the build, whose flags must be such as clang knows.
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S . -B "$build" -G Ninja --log-level=WARNING "${launcher[@]}" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER=clang++
cmake --build "$build" --target qtz

echo "== clang-tidy: ${#files[@]} files"
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-14 -p "$build" --quiet \
  --extra-arg=-Wno-unknown-warning-option

echo "== cppcheck"
# Style is left to clang-tidy and to people. returnStdMoveLocal takes references for locals; the zero in model_config.cpp
# does not get past refuse(), which does not return.
cppcheck --quiet --error-exitcode=1 --std=c++20 --language=c++ --enable=warning,performance,portability \
  --suppress=missingInclude --suppress=returnStdMoveLocal --suppress=zerodivcond:src/model/model_config.cpp \
  -j "$(nproc)" -I include -I src "${files[@]}"
echo "analyze: ok"
