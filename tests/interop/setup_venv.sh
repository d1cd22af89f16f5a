#!/usr/bin/env bash
# Makes a virtual environment that interop tests run in. Does nothing when it is there and up to date.
#
# Usage: tests/interop/setup_venv.sh [--heavy] FOLDER
#   --heavy   the large peers (transformers, torch) instead of the small ones; about 2 GB
# Exit 1 when the packages cannot be had (offline, no wheel for this Python): the tests then skip and say so.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
heavy=false
if [ "${1:-}" = --heavy ]; then heavy=true; shift; fi
venv=${1:?usage: setup_venv.sh [--heavy] FOLDER}
if $heavy; then
  first=requirements-heavy.txt second=requirements-torch.txt
  wanted=$(cd "$here" && cat "$first" "$second" torch_without_cuda.py)
else
  first=requirements.txt second=requirements-llama.txt
  wanted=$(cd "$here" && cat "$first" "$second")
fi
stamp=$venv/qtz-requirements.txt

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then exit 0; fi

rm -rf "$venv"
python3 -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install --only-binary :all: --timeout 20 --retries 2)
if ! "${pip[@]}" -r "$here/$first"; then
  rm -rf "$venv"
  exit 1
fi

install_torch() {
  "${pip[@]}" --no-deps -r "$here/$second" && "$venv/bin/python" "$here/torch_without_cuda.py"
}

# Without the second part the other tests still run; the stamp is left out, so the next run tries again.
if $heavy; then
  if install_torch; then
    printf '%s\n' "$wanted" >"$stamp"
  else
    echo "setup_venv: torch cannot be had; the tests that need it will skip" >&2
  fi
elif "${pip[@]}" -r "$here/$second"; then
  printf '%s\n' "$wanted" >"$stamp"
else
  echo "setup_venv: llama.cpp (cyllama) cannot be had; the tests that need it will skip" >&2
fi
