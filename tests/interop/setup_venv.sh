#!/usr/bin/env bash
# Makes the virtual environment that the interop tests run in. Does nothing when it is there and up to date.
#
# Usage: tests/interop/setup_venv.sh FOLDER
# Exit 1 when the packages cannot be had (offline, no wheel for this Python): the tests then skip and say so.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${1:?usage: setup_venv.sh FOLDER}
wanted=$(cat "$here/requirements.txt" "$here/requirements-llama.txt")
stamp=$venv/qtz-requirements.txt

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then exit 0; fi

rm -rf "$venv"
python3 -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install --only-binary :all: --timeout 20 --retries 2)
if ! "${pip[@]}" -r "$here/requirements.txt"; then
  rm -rf "$venv"
  exit 1
fi
# Without llama.cpp the readers' tests still run; the stamp is left out, so the next run tries again.
if "${pip[@]}" -r "$here/requirements-llama.txt"; then
  printf '%s\n' "$wanted" >"$stamp"
else
  echo "setup_venv: llama.cpp (cyllama) cannot be had; the tests that need it will skip" >&2
fi
