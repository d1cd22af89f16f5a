#!/usr/bin/env bash
# Second step of the action: quantizes as the environment says, verifies each output against the model, and names the
# files in $GITHUB_OUTPUT.
set -euo pipefail

flags=(-o "$QTZ_OUTPUT" --manifest --progress never)
read -r -a types <<<"${QTZ_TYPES//$'\n'/ }"
for type in "${types[@]}"; do flags+=(--type "$type"); done
source_flags=(--source "$QTZ_MODEL")
if [ -n "${QTZ_IMATRIX:-}" ]; then
  flags+=(--imatrix "$QTZ_IMATRIX")
  source_flags+=(--imatrix "$QTZ_IMATRIX")
fi
while IFS= read -r word; do
  if [ -n "$word" ]; then flags+=("$word"); fi
done <<<"${QTZ_ARGUMENTS:-}"
while IFS= read -r word; do
  if [ -n "$word" ]; then source_flags+=("$word"); fi
done <<<"${QTZ_VERIFY_ARGUMENTS:-}"

events=$(mktemp)
trap 'rm -f "$events"' EXIT
folder=$(dirname "$QTZ_OUTPUT")
folder=${folder%%'{type}'*}
mkdir -p "${folder:-.}"
qtz quantize "$QTZ_MODEL" "${flags[@]}" --json-events "$events"

# The last event is the result. Its files are told one a line, the first of a split output standing for all.
list() { python3 -c '
import json, sys
with open(sys.argv[1], encoding="utf-8") as events:
    result = json.loads(events.readlines()[-1])
for output in result["outputs"]:
    print(*(output["files"] if sys.argv[2] == "files" else [output["files"][0] if sys.argv[2] == "first" else output["manifest"]]), sep="\n")
' "$events" "$1"; }
list first | while IFS= read -r file; do
  qtz verify "$file" "${source_flags[@]}" >/dev/null
done
{
  echo "files<<QTZ_END"; list files; echo "QTZ_END"
  echo "manifests<<QTZ_END"; list manifests; echo "QTZ_END"
} >>"${GITHUB_OUTPUT:-/dev/stdout}"
