#!/usr/bin/env bash
# From nothing to a quantized, verified model: installs what is missing, builds qtz, makes a Q4_K_M file of the small
# model in tests/data/demo and measures it against its source. Run it as often as you like.
#
# Usage: tools/quickstart.sh [OUTPUT_FOLDER]     default: build/quickstart
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-"$here/build/quickstart"}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"

step() {
  local title=$1 start=$EPOCHREALTIME
  shift
  printf '\n== %s\n' "$title"
  "$@"
  awk -v a="$start" -v b="$EPOCHREALTIME" -v t="$title" 'BEGIN { printf "-- %s: %.1f s\n", t, b - a }'
}

configure_and_build() {
  cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=Release --log-level=WARNING
  cmake --build build/release --target qtz
}

qtz=build/release/src/cli/qtz
artifact=$out/demo-Q4_K_M.gguf

step "install what is missing" bash tools/install-deps.sh build
step "build" configure_and_build
step "quantize the demo model to Q4_K_M" "$qtz" quantize tests/data/demo --type Q4_K_M -o "$artifact" --force
step "verify it against its source" "$qtz" verify "$artifact" --source tests/data/demo

printf '\nThe result: %s\nThe tool:   %s\nYour model: %s quantize FOLDER --type Q4_K_M\n' "$artifact" "$here/$qtz" "$here/$qtz"
