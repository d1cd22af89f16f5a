#!/usr/bin/env bash
# Checks that every C++ file is formatted as .clang-format says, by clang-format 14 (others format differently).
#
# Usage: tools/check_format.sh [--fix]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=(--dry-run -Werror)
case "${1:-}" in
  '') ;;
  --fix) mode=(-i) ;;
  *) echo "check_format: unknown argument '$1' (there is --fix)" >&2; exit 2 ;;
esac

formatter=
for candidate in clang-format-14 clang-format; do
  if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then formatter=$candidate; break; fi
done
if [ -z "$formatter" ]; then
  echo "check_format: clang-format 14 is needed: tools/install-deps.sh format" >&2
  exit 2
fi

find include src tests \( -name '*.h' -o -name '*.cpp' -o -name '*.inl' -o -name '*.cuh' -o -name '*.cu' \) -print0 |
  xargs -0 "$formatter" --style=file "${mode[@]}"
echo "check_format: ok"
