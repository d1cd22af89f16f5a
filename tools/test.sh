#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests; ends with ctest's summary.
#
# Usage: tools/test.sh [--all]
#   --all   also: unit tests and command lines under ASan+UBSan, the parallel floors under TSan, a build and test run with
#           clang++, static analysis, a fault at every call, the fuzz targets for 20 seconds each, and the heavy peers
#           (transformers, torch, tokenizers, sentencepiece; about 2 GB of packages in .venv-interop-heavy)
# Environment: QTZ_SHARED, the folder with the large test data (default ../shared); what needs it skips without it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
all=false
for argument in "$@"; do
  case "$argument" in
    --all) all=true ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "test.sh: unknown argument '$argument' (there is --all)" >&2; exit 2 ;;
  esac
done

say() { printf '\n== %s\n' "$*"; }
jobs=$(nproc)

# build_and_test FOLDER CTEST-ARGUMENTS... -- CMAKE-ARGUMENTS...
build_and_test() {
  local folder=$1 ctest_arguments=()
  shift
  while [ "$1" != -- ]; do ctest_arguments+=("$1"); shift; done
  shift
  local launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  cmake -S . -B "$folder" -G Ninja --log-level=WARNING "${launcher[@]}" "$@"
  cmake --build "$folder"
  ctest --test-dir "$folder" -j "$jobs" --output-on-failure "${ctest_arguments[@]}"
}

groups=(build test)
if $all; then groups+=(extra); fi
bash tools/install-deps.sh "${groups[@]}"

say "Python packages that read what qtz writes"
bash tests/interop/setup_venv.sh .venv-interop || echo "interop tests will be skipped: their packages cannot be had"

if $all; then
  say "heavy peers: transformers, torch, tokenizers, sentencepiece"
  bash tests/interop/setup_venv.sh --heavy .venv-interop-heavy || echo "heavy interop tests will be skipped: their packages cannot be had"
  say "unit tests and command lines under AddressSanitizer and UndefinedBehaviorSanitizer"
  bash tools/sanitize.sh --all
  say "unit tests of the parallel floors under ThreadSanitizer"
  build_and_test build/tsan -L '^unit\.(core|pipeline)$' --no-tests=error -- -DCMAKE_BUILD_TYPE=RelWithDebInfo "-DQTZ_SANITIZE=thread"
  say "fuzz targets"
  bash tools/fuzz.sh 20
  say "second compiler: clang++"
  build_and_test build/clang -LE interop -- -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++
  say "static analysis"
  bash tools/analyze.sh
  export QTZ_FAULTS=long
fi

say "build and all tests"
build_and_test build/release -- -DCMAKE_BUILD_TYPE=Release
